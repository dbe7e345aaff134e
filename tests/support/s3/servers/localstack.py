"""LocalStack's S3 and STS, in an environment of its own: an independent implementation with checksums.

Its pins can't be met beside Airflow's, so it is installed apart: `make test-servers` does that.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.s3.servers.endpoint import READER, Endpoint
from tests.support.s3.servers.processes import Processes, free_port
from tools.installing import LockedEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGES = LockedEnvironment("localstack", "localstack.txt")
_START_SECONDS = 90
# By default it listens on all addresses: it could be reached from everywhere.
_ON_LOOPBACK = """
from functools import partial
from twisted.internet import endpoints
endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")
from localstack.runtime.main import main
main()
"""

LACKS: Mapping[str, str] = {
    "back_door": "it runs in a process of its own",
    "accounts": "both roles are of one account, for the reason of `foreign_parts`",
    "signatures": "nothing is checked",
    "denial": "nothing is checked",
    "expected_owner": "the header is ignored",
    "foreign_parts": "NoSuchBucket: only the requester's own account is searched",
    "part_if_match": "the condition is ignored",
    "copy_if_none_match": "the condition is ignored",
    "conditional_deletes": "501",
    "delete_if_match": "501, even if the ETag is right",
    "delete_objects_if_match": "the ETags are ignored",
    "tag_counts": "HEAD does not have it",
    "refused_receives": "it receives one message",
}
"""Measured with 4.6.0."""


def missing() -> str | None:
    """Return what is not installed, None if nothing is missing."""
    return _PACKAGES.missing()


def install() -> None:
    """Make the environment with the locked packages."""
    _PACKAGES.install()


@contextmanager
def running() -> Iterator[Endpoint]:
    """Run it on loopback, with its files in a scratch folder.

    Both roles are of one account: UploadPartCopy does not find a bucket of another.
    """
    with TemporaryDirectory(prefix="s3copy-localstack-") as scratch:
        processes = Processes(Path(scratch))
        url = f"http://127.0.0.1:{(port := free_port())}"
        try:
            processes.start(
                "localstack",
                _PACKAGES.bin / "python",
                "-c",
                _ON_LOOPBACK,
                environment=_environment(scratch, port),
            )
            processes.wait("localstack", lambda: _answers(url), seconds=_START_SECONDS)
            yield Endpoint(url, writer=READER.replace("reader", "writer"), lacks=LACKS)
        finally:
            processes.stop()


def _environment(scratch: str, port: int) -> dict[str, str]:
    """Return its settings: S3, SQS and STS only, files only in the scratch folder, no outgoing requests."""
    folders = dict.fromkeys(["HOME", "XDG_CACHE_HOME", "FILESYSTEM_ROOT", "LOCALSTACK_VOLUME_DIR"], scratch)
    return folders | {
        "SERVICES": "s3,sqs,sts",
        "EAGER_SERVICE_LOADING": "1",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
    }


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_localstack/health", timeout=5) as reply:
            return b'"s3": "running"' in reply.read()
    except (URLError, ConnectionError, TimeoutError):
        return False
