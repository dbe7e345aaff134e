"""What boto3's client knows and a faster one needs: endpoints, regions, credentials, proxies, certificates.

botocore decides them all. For a bucket's endpoint it is asked to send a request, which is looked at and
never leaves; for a bucket in another region it is told what S3 answered, and follows. What it keeps to itself
(`_request_signer`, `_endpoint`) is read here and nowhere else; tests/unit/s3/fast/test_endpoints.py notices
when that moves.
"""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import get_cert_path

from s3copy_tasks.errors import DIRECTORY_BUCKET, CopyError, RequestError
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.fast.handles import Transport
from s3copy_tasks.s3.fast.signing import Credentials, Signer

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3.client import S3Client

_KEY = "k"
_EVENT = "before-send.s3.HeadObject"
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]*/[0-9]{8}/([^/]+)/([^/]+)/aws4_request,")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where the requests for one bucket go, and how they are signed.

    Attributes:
        origin: scheme, host and port.
        host: as the Host header has it.
        path: before the key, without a slash at its end; `/bucket` for path style.
        region: that requests are signed for.
        signer: None where nothing is signed.
        signs_bodies: by their hash; over TLS only where the client is configured so.
    """

    origin: str
    host: str
    path: str
    region: str
    signer: Signer | None
    signs_bodies: bool


def target_of(client: S3Client, bucket: str, region: str | None = None) -> Target:
    """Return where botocore would send requests for a bucket. May fetch credentials, so it may take a while.

    Args:
        client: of boto3; no two threads may ask at once.
        bucket: a name, or the ARN of an access point.
        region: where S3 says that the bucket is, if that is not where the client looks for it.

    Raises:
        CopyError: no request can be made: there are no credentials, or no such endpoint.
    """
    if bucket.endswith("--x-s3"):
        raise RequestError("a directory bucket is listed in no order", code=DIRECTORY_BUCKET)
    request = _prepared(client, bucket, region)
    url = urlsplit(request.url)
    port = "" if url.port in {None, _DEFAULT_PORTS[url.scheme]} else f":{url.port}"
    hostname = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    signer, signed_region = _signer(request)
    s3_options: dict[str, Any] = getattr(client.meta.config, "s3", None) or {}
    return Target(
        origin=f"{url.scheme}://{hostname}{port}",
        host=f"{hostname}{port}",
        path=url.path.removesuffix(f"/{_KEY}"),
        region=signed_region,
        signer=signer,
        signs_bodies=url.scheme == "http" or bool(s3_options.get("payload_signing_enabled")),
    )


def transport_of(client: S3Client) -> Transport:
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
    """The credentials of a client of boto3; those of a role are fetched anew before they expire.

    Args:
        client: of boto3.
    """

    def __init__(self, client: S3Client) -> None:
        self._source: Any = client._request_signer._credentials  # type: ignore[attr-defined]  # noqa: SLF001

    def is_stale(self) -> bool:
        """Whether `fetch` would ask somebody, and so take a while."""
        refresh_needed = getattr(self._source, "refresh_needed", None)
        return refresh_needed is not None and bool(refresh_needed())

    def fetch(self) -> Credentials:
        """Return what to sign with.

        Raises:
            CopyError: there are none, or the role can't be assumed.
        """
        try:
            frozen = self._source.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def _prepared(client: S3Client, bucket: str, region: str | None) -> AWSPreparedRequest:
    """Return the request that botocore would send for an object of a bucket."""
    asked_by, redirected = threading.get_ident(), region is None
    requests: list[AWSPreparedRequest] = []

    def look(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        nonlocal redirected
        if threading.get_ident() != asked_by:  # somebody else's request, which shall be sent
            return None
        if not redirected:
            redirected = True
            return _made_up(request.url, 301, {"x-amz-bucket-region": region})
        requests.append(request)
        return _made_up(request.url, 200, {})

    events: Any = client.meta.events
    events.register_first(_EVENT, look)
    try:
        client.head_object(Bucket=bucket, Key=_KEY)
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from None
    finally:
        events.unregister(_EVENT, look)
    return requests[-1]


def _made_up(url: str, status: int, headers: Any) -> AWSResponse:
    return AWSResponse(url, status, headers, _Empty())


class _Empty(io.BytesIO):
    def stream(self, **_: Any) -> list[bytes]:
        return []


def _signer(request: AWSPreparedRequest) -> tuple[Signer | None, str]:
    said: Any = request.headers.get("Authorization")
    if said is None:
        return None, ""
    scope = _SCOPE.match(said.decode() if isinstance(said, bytes) else said)
    if scope is None:
        raise RequestError("requests to this bucket are not signed by SigV4", code="UnsupportedSignature")
    region, service = scope.groups()
    return Signer(region, service), region


def _refused(error: BotoCoreError | ClientError) -> CopyError:
    refused = from_client_error(error) if isinstance(error, ClientError) else from_transport(error)
    refused.may_be_done = False  # S3 was not asked
    return refused
