"""Where a server listens, who may use it, and Airflow's connections to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SOURCE_ACCOUNT, DESTINATION_ACCOUNT = "111122223333", "444455556666"
READER = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/reader"
WRITER = f"arn:aws:iam::{DESTINATION_ACCOUNT}:role/writer"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key. All are made up: each test server accepts any, or gets them when it starts."""

    key_id: str
    secret: str
    token: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a client of boto3."""
        return {
            "aws_access_key_id": self.key_id,
            "aws_secret_access_key": self.secret,
            "aws_session_token": self.token,
            "region_name": REGION,
        }


WORKER = Keys("AKIAWORKER0000000000", "not-a-secret-of-anybody")
"""The worker's own identity, which may do nothing but assume roles."""


def allow(actions: list[str], *resources: str, to: str | None = None) -> dict[str, Any]:
    """Return a policy of one statement; `to` a principal, it is one of a bucket."""
    who = {} if to is None else {"Principal": {"AWS": [to]}}
    statement = {"Effect": "Allow", **who, "Action": actions, "Resource": list(resources)}
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True)
class Endpoint:
    """Where an S3 server, or a proxy before it, listens.

    Attributes:
        url: of S3 and STS alike.
        reader: ARN of the role that lists the source.
        writer: ARN of the role that copies.
        owners: of source and destination bucket, where the roles do not own what they make.
        lacks: what the server can't do, and why one knows: see `tests.support.s3.servers.abilities`.
    """

    url: str
    reader: str = READER
    writer: str = WRITER
    owners: tuple[Keys, Keys] | None = None
    lacks: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)

    def behind(self, url: str) -> Self:
        """Return the same server, seen through a proxy."""
        return replace(self, url=url)

    @cache  # noqa: B019 - an endpoint lives as long as its server
    def client(self, role_arn: str) -> S3Client:
        """Return a client with the credentials of a role."""
        sts = boto3.client("sts", endpoint_url=self.url, **WORKER.arguments())
        got = sts.assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
        return self.client_of(Keys(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]))

    @cache  # noqa: B019 - an endpoint lives as long as its server
    def client_of(self, keys: Keys) -> S3Client:
        """Return a client with an access key."""
        config = Config(max_pool_connections=32)
        return boto3.client("s3", endpoint_url=self.url, config=config, **keys.arguments())

    def owner_clients(self) -> tuple[S3Client, S3Client]:
        """Return clients of the owners of source and destination."""
        if self.owners is None:
            return self.client(self.reader), self.client(self.writer)
        source, destination = self.owners
        return self.client_of(source), self.client_of(destination)

    def foreign_client(self) -> S3Client:
        """Return a client of a role in neither account."""
        return self.client("arn:aws:iam::999900009999:role/foreign_client")

    def connection(self, role_arn: str | None, keys: Keys = WORKER) -> str:
        """Return an Airflow connection, as `AIRFLOW_CONN_<ID>` takes it.

        Args:
            role_arn: to assume; None signs with the keys themselves.
            keys: of the worker.
        """
        extra: dict[str, Any] = {"role_arn": role_arn} if role_arn else {}
        extra |= {
            "region_name": REGION,
            "endpoint_url": self.url,
            "service_config": {"sts": {"endpoint_url": self.url}},
        }
        return json.dumps({"conn_type": "aws", "login": keys.key_id, "password": keys.secret, "extra": extra})

    def connections(self) -> dict[str, str]:
        """Return the environment that gives Airflow both connections."""
        return {
            "AIRFLOW_CONN_AWS_SOURCE": self.connection(self.reader),
            "AIRFLOW_CONN_AWS_DESTINATION": self.connection(self.writer),
        }
