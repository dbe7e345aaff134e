"""Moto's S3 and STS in this process: what `make test` and the demo run on."""

from __future__ import annotations

import logging
from collections import Counter
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import FakeDeleteMarker, s3_backends
from werkzeug.serving import make_server

from tests.support.s3.servers.endpoint import SOURCE_ACCOUNT, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

LACKS: Mapping[str, str] = {
    "signatures": "nothing is checked",
    "denial": "nothing is checked",
    "expected_owner": "the header is ignored",
    "copy_if_match": "the condition is ignored",
    "part_if_match": "the condition is ignored",
    "copy_if_none_match": "the condition is ignored",
    "delete_objects_if_match": "the ETags are ignored",
    "copied_tags": "they are lost between two accounts",
    "full_object_checksums": "what it calls CRC64NVME is a CRC32",
    "line_breaks": "a key with one is 404",
}
"""Measured with 5.2."""


def put_many(bucket: str, objects: Mapping[str, bytes]) -> None:
    """Put objects with metadata into a bucket of the source account, behind the server's back."""
    backend = s3_backends[SOURCE_ACCOUNT]["aws"]
    for key, body in objects.items():
        backend.put_object(bucket, key, body).set_metadata({"name": key})


def contents(account: str, bucket: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Return every object of a bucket with its user metadata, behind the server's back."""
    keys = s3_backends[account]["aws"].get_bucket(bucket).keys
    found = {name: keys[name] for name in keys}
    return {
        name: (key.value, dict(key.metadata))
        for name, key in found.items()
        if not isinstance(key, FakeDeleteMarker)
    }


def missing() -> None:
    """Return None: it comes with the development packages."""


def install() -> None:
    """Do nothing, for the same reason."""


def running() -> S3Server:
    """Return a context manager in which the server runs."""
    return S3Server()


class S3Server:
    """Moto's S3 and STS in a thread of this process: it can't outlive it."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        app = _Dispatcher(create_backend_app)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return Endpoint(f"http://127.0.0.1:{self._server.server_port}", lacks=LACKS)

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
