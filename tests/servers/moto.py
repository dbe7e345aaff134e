"""An S3 server with STS on loopback, two accounts with a bucket each, and Airflow's connections to them."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from mypy_boto3_s3.client import S3Client

SOURCE_ACCOUNT, DESTINATION_ACCOUNT = "111122223333", "444455556666"
READER = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/reader"
WRITER = f"arn:aws:iam::{DESTINATION_ACCOUNT}:role/writer"
REGION = "us-east-1"
# Made up; moto takes any. They stand for the worker's own identity, which may do nothing but assume roles.
_WORKER_KEY, _WORKER_SECRET = "AKIAWORKER0000000000", "not-a-secret-of-anybody"


@dataclass(frozen=True)
class Endpoint:
    """Where an S3 server, or a proxy before it, listens."""

    url: str

    @cache  # noqa: B019 - an endpoint lives as long as its server
    def client(self, role_arn: str) -> S3Client:
        """Return a client with the credentials of a role."""
        sts = boto3.client(
            "sts",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=_WORKER_KEY,
            aws_secret_access_key=_WORKER_SECRET,
        )
        got = sts.assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=got["AccessKeyId"],
            aws_secret_access_key=got["SecretAccessKey"],
            aws_session_token=got["SessionToken"],
            config=Config(max_pool_connections=32),
        )

    def connection(self, role_arn: str) -> str:
        """Return an Airflow connection, as `AIRFLOW_CONN_<ID>` takes it, that assumes a role."""
        extra = {
            "role_arn": role_arn,
            "region_name": REGION,
            "endpoint_url": self.url,
            "service_config": {"sts": {"endpoint_url": self.url}},
        }
        return json.dumps(
            {
                "conn_type": "aws",
                "login": _WORKER_KEY,
                "password": _WORKER_SECRET,
                "extra": extra,
            }
        )

    def connections(self) -> dict[str, str]:
        """Return the environment that gives Airflow both connections."""
        return {
            "AIRFLOW_CONN_AWS_SOURCE": self.connection(READER),
            "AIRFLOW_CONN_AWS_DESTINATION": self.connection(WRITER),
        }


def put_many(bucket: str, objects: Mapping[str, bytes]) -> None:
    """Put objects with metadata into a bucket of the source account, behind the server's back."""
    backend = s3_backends[SOURCE_ACCOUNT]["aws"]
    for key, body in objects.items():
        backend.put_object(bucket, key, body).set_metadata({"name": key})


def contents(account: str, bucket: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Return every object of a bucket with its user metadata, behind the server's back."""
    keys = s3_backends[account]["aws"].get_bucket(bucket).keys
    return {name: (keys[name].value, dict(keys[name].metadata)) for name in keys}


class S3Server:
    """Moto's S3 and STS in a thread of this process: it can't outlive it."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        app = _Dispatcher(create_backend_app)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return Endpoint(f"http://127.0.0.1:{self._server.server_port}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Dispatcher(DomainDispatcherApplication):
    """Moto's own lists a folder of 170 for every request: a third of its time."""

    @cache  # noqa: B019 - it lives as long as its server
    def get_backend_for_host(self, host: str | None) -> Any:
        return super().get_backend_for_host(host)


written: Counter[str] = Counter()
"""PUT requests by bucket, counted by the server itself: no proxy is faster than that."""


class _Handler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.command == "PUT":
            written[self.path.split("/")[1]] += 1
