"""Signatures equal botocore's, byte by byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.s3.fast.signing import UNSIGNED_PAYLOAD, Credentials, Signer, hash_body

HOST = "bucket.s3.eu-west-1.amazonaws.com"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
secrets = st.text("abcABC019/+", min_size=1, max_size=40)
signers = st.builds(Credentials, secrets.filter(lambda key: "/" not in key), secrets, st.none() | secrets)


def by_botocore(
    credentials: Credentials, method: str, url: str, headers: dict[str, str], body: bytes, *, signs_body: bool
) -> dict[str, str]:
    """Return the headers that botocore would send, by their name in lower case."""
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    request.context["client_config"] = Config(s3={"payload_signing_enabled": signs_body})
    auth: Any = S3SigV4Auth(BotoCredentials(*credentials), "s3", "eu-west-1")
    auth.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    credentials=signers,
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
    key=text,
    query=st.dictionaries(words, text, max_size=4),
    headers=st.dictionaries(words.map("x-amz-meta-{}".format), values, max_size=4),
    body=st.binary(max_size=20),
    signs_body=st.booleans(),
)
@settings(max_examples=1_000)
def test_as_botocore_signs(
    *,
    credentials: Credentials,
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
    signs_body: bool,
) -> None:
    """Whatever the key, the query, the headers, the body and the token: the same headers and signature."""
    path = "/" + quote(key, safe="/-_.~")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    canonical = "&".join(f"{name}={value}" for name, value in pairs)
    url = f"https://{HOST}{path}" + (f"?{canonical}" if canonical else "")
    expected = by_botocore(credentials, method, url, headers, body, signs_body=signs_body)
    now = datetime.strptime(expected["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    payload_hash = hash_body(body) if signs_body else UNSIGNED_PAYLOAD
    lines = Signer("eu-west-1").sign(
        credentials, method, path, canonical, {**headers, "host": HOST}, payload_hash, now=now
    )
    assert dict(line.split(":", 1) for line in lines) == {**expected, "host": HOST}


def test_the_key_follows_the_day_and_the_credentials() -> None:
    """A signer signs on another day, and with other credentials, as a new signer does."""
    first, second = Credentials("a", "b", None), Credentials("a", "c", "token")
    signer = Signer("eu-west-1")
    for credentials, now in [(first, 0), (first, 86_400), (second, 86_400), (first, 86_400), (first, 0)]:
        asked = (credentials, "GET", "/", "", {"host": HOST}, UNSIGNED_PAYLOAD)
        assert signer.sign(*asked, now=now) == Signer("eu-west-1").sign(*asked, now=now)


def test_credentials_are_not_shown() -> None:
    """A text that may be logged does not contain the secret."""
    assert "very" not in repr(Credentials("key", "very-secret", "very-token"))


def test_a_request_to_sqs() -> None:
    """A body of JSON for another service is signed as botocore signs it, but for the hash of its body."""
    host, body, credentials = "sqs.eu-west-1.amazonaws.com", b'{"QueueUrl": "u"}', Credentials("a", "b", "t")
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-content-sha256": hash_body(body)}
    request = AWSRequest(method="POST", url=f"https://{host}/", headers=headers, data=body)
    auth: Any = SigV4Auth(BotoCredentials(*credentials), "sqs", "eu-west-1")
    auth.add_auth(request)
    expected = {name.lower(): value for name, value in request.headers.items()}
    now = datetime.strptime(expected["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    named = {"content-type": "application/x-amz-json-1.0", "host": host}
    signer = Signer("eu-west-1", "sqs")
    lines = signer.sign(credentials, "POST", "/", "", named, hash_body(body), now=now)
    assert dict(line.split(":", 1) for line in lines) == {**expected, "host": host}
