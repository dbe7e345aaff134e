"""What the fast client takes from boto3's client: endpoints, regions, credentials, proxies, certificates.

Why botocore decides: a bucket's endpoint depends on its name, addressing style, partition, dual stack, access
points, proxies and a configured endpoint. botocore's rules for that are long and change; a second version of
them would sooner or later send a request elsewhere than boto3 does.

How: botocore prepares a HEAD of an object in the bucket. `_FakeS3` answers in S3's place, so the request is
never sent. If S3 has said that the bucket is in another region, the first answer is that redirect, which
botocore follows by its own rules.

What is read: the URL and the `Authorization` header of that request (`find_target`). Credentials and the
settings of connections are not in a request: botocore keeps them in private attributes (`_request_signer`,
`_endpoint`). These are read only here; tests/unit/s3/fast/test_endpoints.py fails when they move.
"""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path

from s3copy_tasks.errors import Code, CopyError, RequestError
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.fast.handles import Transport
from s3copy_tasks.s3.fast.signing import Credentials, Signer

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.client import BaseClient
    from mypy_boto3_s3.client import S3Client

_KEY = "k"
"""Key of the object in that HEAD; it is removed from the URL."""
_BEFORE_SEND = "before-send.s3.HeadObject"
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]*/[0-9]{8}/([^/]+)/([^/]+)/aws4_request,")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where the requests for one bucket go, and how they are signed.

    Attributes:
        origin: scheme, host and port.
        host: as the Host header has it.
        path: before the key, without a trailing slash; `/bucket` for path style.
        region: requests are signed for it.
        signer: None if requests are not signed.
        signs_bodies: by their hash; over TLS only if the client is configured so.
    """

    origin: str
    host: str
    path: str
    region: str
    signer: Signer | None
    signs_bodies: bool


def find_target(client: S3Client, bucket: str, region: str | None = None) -> Target:
    """Return where botocore would send requests for a bucket. May fetch credentials, which takes a while.

    Args:
        client: of boto3; not for two threads at once.
        bucket: a name, or the ARN of an access point.
        region: the bucket's, as S3 says, if it is not the client's.

    Raises:
        CopyError: no request is possible, without credentials or an endpoint.
    """
    if bucket.endswith("--x-s3"):
        raise RequestError("listings of a directory bucket are not sorted", code=Code.DIRECTORY_BUCKET)
    request = _intercept_head(client, bucket, region)
    url = urlsplit(request.url)
    host = host_header(url)
    scope = _signed_scope(request)
    s3_options: dict[str, Any] = getattr(client.meta.config, "s3", None) or {}
    return Target(
        origin=f"{url.scheme}://{host}",
        host=host,
        path=url.path.removesuffix(f"/{_KEY}"),
        region=scope.region if scope else "",
        signer=Signer(scope.region, scope.service) if scope else None,
        signs_bodies=url.scheme == "http" or bool(s3_options.get("payload_signing_enabled")),
    )


def read_transport(client: BaseClient) -> Transport:
    """Return how botocore would connect for a client."""
    session: Any = client._endpoint.http_session  # type: ignore[attr-defined]  # noqa: SLF001
    config: Any = client.meta.config
    proxies = session._proxy_config  # noqa: SLF001
    return Transport(
        ca_bundle=get_cert_path(session._verify) or None,  # noqa: SLF001
        client_certificate=(session._cert_file, session._key_file),  # noqa: SLF001
        proxy=proxies.proxy_url_for(client.meta.endpoint_url) or "",
        proxy_ca_bundle=proxies.settings.get("proxy_ca_bundle"),
        connect_timeout_seconds=config.connect_timeout,
        read_timeout_seconds=config.read_timeout,
        user_agent=config.user_agent,
    )


class CredentialSource:
    """The credentials of a client of boto3; a role's are fetched again before they expire.

    Args:
        client: of boto3.
    """

    def __init__(self, client: BaseClient) -> None:
        self._source: Any = client._request_signer._credentials  # type: ignore[attr-defined]  # noqa: SLF001

    def is_stale(self) -> bool:
        """Say whether `fetch` would request new ones, which takes a while."""
        refresh_needed = getattr(self._source, "refresh_needed", None)
        return refresh_needed is not None and bool(refresh_needed())

    def fetch(self) -> Credentials:
        """Return the credentials to sign with.

        Raises:
            CopyError: there are none, or the role can't be assumed.
        """
        try:
            if self._source is None:
                raise NoCredentialsError
            frozen = self._source.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


class _FakeS3:
    """Answers a HEAD in S3's place, and keeps the requests that S3 would have answered with success.

    Args:
        region: to redirect botocore to first, as S3 did; None for no redirect.
    """

    def __init__(self, region: str | None) -> None:
        self.requests: list[AWSPreparedRequest] = []
        self._thread = threading.get_ident()
        self._redirect = region

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        """Return the answer; None sends a request of another thread, which may be using the client."""
        if threading.get_ident() != self._thread:
            return None
        region, self._redirect = self._redirect, None
        if region is not None:
            return _response(request.url, 301, {"x-amz-bucket-region": region})
        self.requests.append(request)
        return _response(request.url, 200, {})


def _intercept_head(client: S3Client, bucket: str, region: str | None) -> AWSPreparedRequest:
    """Return the request that botocore would send for the HEAD of an object of a bucket."""
    fake_s3 = _FakeS3(region)
    events: Any = client.meta.events
    events.register_first(_BEFORE_SEND, fake_s3)
    try:
        client.head_object(Bucket=bucket, Key=_KEY)
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from None
    finally:
        events.unregister(_BEFORE_SEND, fake_s3)
    return fake_s3.requests[-1]


def _response(url: str, status: int, headers: Any) -> AWSResponse:
    return AWSResponse(url, status, headers, _Empty())


class _Empty(io.BytesIO):
    """An empty body with the interface that botocore reads."""

    def stream(self, **_: Any) -> list[bytes]:
        return []


class _Scope(NamedTuple):
    """What a signature is valid for."""

    region: str
    service: str


def _signed_scope(request: AWSPreparedRequest) -> _Scope | None:
    """Return the region and service that a request is signed for; None if it is not signed."""
    header: Any = request.headers.get("Authorization")
    if header is None:
        return None
    match = _SCOPE.match(header.decode() if isinstance(header, bytes) else header)
    if match is None:
        msg = (
            "only signatures of version 4 are supported. Remove signature_version from the connection's extra"
        )
        raise RequestError(msg, code="UnsupportedSignature")
    return _Scope(*match.groups())


def host_header(url: SplitResult) -> str:
    """Return host and port for the Host header: IPv6 in brackets, no port if it is the scheme's default."""
    hostname = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    has_port = url.port not in {None, _DEFAULT_PORTS[url.scheme]}
    return f"{hostname}:{url.port}" if has_port else f"{hostname}"


def _refused(error: BotoCoreError | ClientError) -> CopyError:
    refused = from_client_error(error) if isinstance(error, ClientError) else from_transport(error)
    refused.may_be_done = False  # no request was sent to S3
    return refused
