"""A client's settings are read from botocore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import certifi
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from s3copy_tasks.errors import CopyError, RequestError
from s3copy_tasks.s3.fast.endpoints import CredentialSource, find_target, read_transport
from s3copy_tasks.s3.fast.signing import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

POINT = "arn:aws:s3:eu-north-1:111122223333:accesspoint/point"


def client(*, region: str = "eu-west-1", config: Config | None = None, **options: Any) -> S3Client:
    return boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        aws_session_token="token",
        config=config,
        **options,
    )


PATH_STYLE = Config(s3={"addressing_style": "path"})
CHINA = "https://bucket.s3.cn-north-1.amazonaws.com.cn"
OWN = "http://localhost:9000"


@pytest.mark.parametrize(
    ("bucket", "options", "origin", "path", "region"),
    [
        ("bucket", {}, "https://bucket.s3.eu-west-1.amazonaws.com", "", "eu-west-1"),
        ("a.b", {}, "https://s3.eu-west-1.amazonaws.com", "/a.b", "eu-west-1"),
        (
            "bucket",
            {"region": "cn-north-1"},
            "https://bucket.s3.cn-north-1.amazonaws.com.cn",
            "",
            "cn-north-1",
        ),
        ("bucket", {"config": PATH_STYLE}, "https://s3.eu-west-1.amazonaws.com", "/bucket", "eu-west-1"),
        (
            "bucket",
            {"config": Config(use_dualstack_endpoint=True)},
            "https://bucket.s3.dualstack.eu-west-1.amazonaws.com",
            "",
            "eu-west-1",
        ),
        (
            "bucket",
            {"endpoint_url": "http://localhost:9000"},
            "http://localhost:9000",
            "/bucket",
            "eu-west-1",
        ),
        ("bucket", {"endpoint_url": "http://[::1]:9000"}, "http://[::1]:9000", "/bucket", "eu-west-1"),
        ("bucket", {"endpoint_url": "https://h:443/base"}, "https://h", "/base/bucket", "eu-west-1"),
        (
            POINT,
            {"region": "eu-north-1"},
            "https://point-111122223333.s3-accesspoint.eu-north-1.amazonaws.com",
            "",
            "eu-north-1",
        ),
        (
            POINT.replace("accesspoint/", "accesspoint:"),
            {},
            "https://point-111122223333.s3-accesspoint.eu-north-1.amazonaws.com",
            "",
            "eu-north-1",
        ),
        (
            POINT.replace("aws:", "aws-cn:").replace("eu-north-1", "cn-north-1"),
            {"region": "cn-north-1"},
            "https://point-111122223333.s3-accesspoint.cn-north-1.amazonaws.com.cn",
            "",
            "cn-north-1",
        ),
        (
            "point-abc-s3alias",
            {},
            "https://point-abc-s3alias.s3.eu-west-1.amazonaws.com",
            "",
            "eu-west-1",
        ),
        ("Ops_Granules", {}, "https://s3.eu-west-1.amazonaws.com", "/Ops_Granules", "eu-west-1"),
        ("a" * 255, {}, "https://s3.eu-west-1.amazonaws.com", "/" + "a" * 255, "eu-west-1"),
    ],
)
def test_where_requests_go(bucket: str, options: dict[str, Any], origin: str, path: str, region: str) -> None:
    """Virtual hosts, path style, dotted names, configured endpoints, access points: as in botocore."""
    target = find_target(client(**options), bucket)
    assert (target.origin, target.path, target.region) == (origin, path, region)
    assert target.host == origin.partition("://")[2]
    assert target.signs_bodies is origin.startswith("http:")


def test_another_region() -> None:
    """Requests for a bucket in another region go there, and are signed for it."""
    found = find_target(client(), "bucket", "ap-south-1")
    assert (found.origin, found.region) == ("https://bucket.s3.ap-south-1.amazonaws.com", "ap-south-1")


def test_unsigned_requests() -> None:
    """A client without signatures has no signer."""
    assert find_target(client(config=Config(signature_version=UNSIGNED)), "bucket").signer is None


@pytest.mark.parametrize("bucket", ["directory--use1-az4--x-s3", "not a bucket"])
def test_no_such_buckets(bucket: str) -> None:
    """A directory bucket is refused without a request, and so is an invalid name."""
    with pytest.raises(RequestError):
        find_target(client(), bucket)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing credentials are one of this package's errors."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(CopyError) as raised:
        find_target(boto3.session.Session().client("s3", region_name="eu-west-1"), "bucket")
    assert raised.value.code == "RoleNotAssumed"


def test_credentials() -> None:
    """Long-lived credentials are never stale, and are used as they are."""
    source = CredentialSource(client())
    assert not source.is_stale()
    assert source.fetch() == Credentials("key", "secret", "token")


def test_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates, proxies, timeouts and the user agent are those of the client."""
    for name in ("HTTPS_PROXY", "https_proxy", "no_proxy", "NO_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    plain = read_transport(client(config=Config(connect_timeout=3, read_timeout=7, user_agent_extra="me")))
    assert (plain.ca_bundle, plain.proxy) == (certifi.where(), "")
    assert (plain.connect_timeout_seconds, plain.read_timeout_seconds) == (3, 7)
    assert plain.user_agent.endswith("me")
    assert read_transport(client(verify=False)).ca_bundle is None
    assert read_transport(client(verify="/my.pem")).ca_bundle == "/my.pem"
    proxied = Config(proxies={"https": "proxy:1"}, proxies_config={"proxy_ca_bundle": "/proxy.pem"})
    found = read_transport(client(config=proxied))
    assert (found.proxy, found.proxy_ca_bundle) == ("http://proxy:1", "/proxy.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/requests.pem")
    monkeypatch.setenv("https_proxy", "http://user:word@proxy:2")
    found = read_transport(client())
    assert (found.ca_bundle, found.proxy) == ("/requests.pem", "http://user:word@proxy:2")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/aws.pem")
    monkeypatch.setenv("no_proxy", ".amazonaws.com")
    found = read_transport(boto3.session.Session().client("s3", region_name="eu-west-1"))
    assert (found.ca_bundle, found.proxy) == ("/aws.pem", "")
