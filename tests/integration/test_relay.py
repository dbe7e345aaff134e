"""The relay on the wire: decided in preflight, signed by each side for itself, never silent (rule 14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import AccessError, ConfigError
from tests.support.s3.proxy import Proxy, Reply, Request
from tests.support.s3.sides import Sides
from tests.support.s3.signers import only_the_source_may_read

if TYPE_CHECKING:
    from tests.support.s3.servers import Endpoint

AUTO = TransferOptions(concurrency=8, relay="auto")
LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
LARGE = bytes(range(256)) * 4 * 1024 * 11


@pytest.mark.parametrize("body", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_two_principals_that_cannot_see_each_other(sides: Sides, proxy: Proxy, body: bytes) -> None:
    """With `relay: auto` the bytes go through the worker; content and metadata arrive, nothing is left."""
    sides.put("data/a", body, ContentType="image/tiff", Metadata={"k": "v"})
    proxy.answer = only_the_source_may_read(sides, proxy)
    metrics = sides.run(sides.job(transfer=AUTO), limits=LIMITS)
    assert (metrics.files_copied_successfully, metrics.total_bytes_transferred) == (1, len(body))
    assert sides.copied() == {"copy/a": body}
    head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="copy/a")
    assert (head["ContentType"], head["Metadata"]) == ("image/tiff", {"k": "v"})
    assert sides.open_uploads() == []
    assert not [request for request in proxy.requests if "x-amz-copy-source" in request.headers]


def test_the_reason_is_said_with_what_would_avoid_it(sides: Sides, proxy: Proxy) -> None:
    """Preflight says why a relay is needed, and which statement of the bucket policy would avoid it."""
    sides.put("data/a")
    proxy.answer = only_the_source_may_read(sides, proxy)
    proven = sides.preflight(sides.job(transfer=AUTO))
    assert proven.job.relayed
    assert proven.relay is not None
    assert "the destination's role may not read the source" in proven.relay
    assert f"Missing from the policy of bucket {sides.source_bucket}" in proven.relay
    assert '"Action": ["s3:GetObject", "s3:GetObjectTagging"]' in proven.relay


def test_no_relay_where_s3_can_copy(sides: Sides, proxy: Proxy) -> None:
    """`auto` changes nothing for a job that needs no relay."""
    sides.put("data/a")
    proven = sides.preflight(sides.job(transfer=AUTO))
    assert (proven.relay, proven.job.relayed) == (None, False)
    assert sides.run(sides.job(transfer=AUTO)).files_copied_successfully == 1
    assert proxy.kinds()["CopyObject"] == 1


def test_never_is_never(sides: Sides, proxy: Proxy) -> None:
    """By default, a job that needs a relay is refused."""
    sides.put("data/a")
    proxy.answer = only_the_source_may_read(sides, proxy)
    with pytest.raises(AccessError):
        sides.preflight(sides.job())


@pytest.mark.needs("caller_identity")
def test_a_relay_needs_the_source_to_read(sides: Sides, proxy: Proxy) -> None:
    """If the source's role may not read either, the refusal names it and its own policy."""
    sides.put("data/a")
    denied = Reply.error(403, "AccessDenied", "Access Denied")
    proxy.answer = lambda request: denied if request.kind == "GetObject" else None
    with pytest.raises(AccessError) as caught:
        sides.preflight(sides.job(transfer=AUTO))
    assert "assumed-role/reader/" in caught.value.message
    assert "Missing from the policy of the role" in caught.value.message


@pytest.mark.parametrize("relay", ["auto", "never"])
def test_two_servers(sides: Sides, server: Endpoint, monkeypatch: pytest.MonkeyPatch, relay: str) -> None:
    """Buckets on two servers are copied through the worker, or refused with the setting that allows it."""
    sides.put("data/a", b"far away")
    with Proxy(server.url) as other:
        job = sides.job(transfer=replace(AUTO, relay=relay))
        job = replace(job, destination=replace(job.destination, endpoint_url=other.url))
        if relay == "never":
            with pytest.raises(ConfigError, match=r"transfer\.relay to auto"):
                sides.preflight(job)
            return
        assert "one server can't copy from the other" in (sides.preflight(job).relay or "")
        assert sides.run(job).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": b"far away"}


@pytest.mark.parametrize("body", [b"", b"whole"], ids=["PutObject", "UploadPart"])
@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentSHA256Mismatch"])
def test_a_body_that_arrives_damaged_is_sent_again(
    sides: Sides, proxy: Proxy, code: str, body: bytes
) -> None:
    """A checksum that the server finds wrong means that bytes were damaged: they are sent again."""
    sides.put("data/a", body)
    only_the_source = only_the_source_may_read(sides, proxy)
    damaged: list[Request] = []

    def answer(request: Request) -> Reply | None:
        if request.kind in {"PutObject", "UploadPart"} and not damaged:
            damaged.append(request)
            return Reply.error(400, code)
        return only_the_source(request)

    proxy.answer = answer
    assert sides.run(sides.job(transfer=AUTO)).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": body}


ELSEWHERE = {
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "AuthorizationHeaderMalformed": (400, "the region 'us-east-1' is wrong"),
    "IllegalLocationConstraintException": (400, "The me-south-1 location constraint is incompatible"),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match"),
    "PermanentRedirect": (301, "must be addressed using the specified endpoint"),
}
"""What S3 answers to the other side's credentials about a bucket in another partition or opt-in region."""


@pytest.mark.parametrize("relay", ["auto", "never"])
@pytest.mark.parametrize("code", ELSEWHERE)
def test_two_partitions(sides: Sides, proxy: Proxy, code: str, relay: str) -> None:
    """A source out of reach of the destination's side is relayed, or refused before the first copy."""
    sides.put("data/a", b"far away")
    status, message = ELSEWHERE[code]
    only, refusal = only_the_source_may_read(sides, proxy), Reply.error(status, code, message)
    proxy.answer = lambda request: refusal if only(request) else None
    job = sides.job(transfer=replace(AUTO, relay=relay))
    if relay == "never":
        with pytest.raises(ConfigError, match=r"Set transfer\.relay to auto") as caught:
            sides.preflight(job)
        assert caught.value.code == "RelayNeeded"
        assert code in caught.value.message
        assert "two partitions" in caught.value.message
        return
    why = sides.preflight(job).relay or ""
    assert code in why
    assert "two partitions" in why
    assert "transfer.relay" not in why
    assert sides.run(job).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": b"far away"}
    assert proxy.kinds()["CopyObject"] == 0


@pytest.mark.parametrize("behind", [-90, 0, 90])
def test_clocks_of_two_servers(sides: Sides, server: Endpoint, proxy: Proxy, behind: int) -> None:
    """A source's clock that is behind is measured, and said."""
    sides.put("data/a", b"12345")

    def answer(request: Request) -> Reply | None:
        if not request.target.startswith(f"/{sides.source_bucket}"):
            return None
        reply = proxy.forward(request)
        date = parsedate_to_datetime(reply.headers["Date"]) - timedelta(seconds=behind)
        return replace(reply, headers={**reply.headers, "Date": format_datetime(date, usegmt=True)})

    proxy.answer = answer
    with Proxy(server.url) as other:
        job = sides.job(transfer=AUTO)
        job = replace(job, destination=replace(job.destination, endpoint_url=other.url))
        proven = sides.preflight(job)
        assert ("behind the destination's" in (proven.relay or "")) is (behind > 0)
        assert (proven.job.source_behind_seconds >= 90) is (behind > 0)
        assert proven.job.source_behind_seconds in {0, *range(90, 100)}


def test_a_body_that_is_cut_off_is_read_again(sides: Sides, proxy: Proxy) -> None:
    """A range that is cut off is not used: it is read again."""
    sides.put("data/a", b"whole body")
    only = only_the_source_may_read(sides, proxy)
    cut = [Reply(206, b"whole", {"Content-Length": "5"})]

    def answer(request: Request) -> Reply | None:
        if request.kind == "GetObject" and request.headers.get("range") == "bytes=0-9" and cut:
            return cut.pop()
        return only(request)

    proxy.answer = answer
    assert sides.run(sides.job(transfer=AUTO)).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": b"whole body"}
