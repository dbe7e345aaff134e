"""Headers that a copy has to send itself arrive as the source has them, whatever its writer set them to."""

from __future__ import annotations

from dataclasses import replace
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.audit import Tally, audit
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.sender import Sender
from tests.support.s3.proxy import Proxy, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

LIMITS = Limits(single_copy_bytes=5, part_bytes=5 * 2**20)
clients = pytest.mark.parametrize("client", ["fast", "boto3"])
ways = pytest.mark.parametrize(
    "way", ["relay", pytest.param("parts", marks=pytest.mark.needs("parts_by_role"))]
)


def raw(text: str, encoding: str = "utf-8") -> str:
    """Return text as the standard library's server takes it, so that it sends these bytes."""
    return text.encode(encoding).decode("latin-1")


def describe(proxy: Proxy, bucket: str, headers: Mapping[str, str]) -> Callable[[Request], Reply | None]:
    """Return an answer to HEADs of a bucket's objects: the server's, with other headers."""

    def answer(request: Request) -> Reply | None:
        if request.kind != "HeadObject" or not request.target.startswith(f"/{bucket}/"):
            return None
        reply = proxy.forward(request)
        return replace(reply, headers={**reply.headers, **headers})

    return answer


def job_of(sides: Sides, other: Proxy, way: str, client: str) -> EffectiveJob:
    """Return a job that copies in parts; or to another server, and so by relay."""
    transfer = TransferOptions(concurrency=8, relay="auto", client=client)
    job = sides.job(transfer=transfer)
    if way == "parts":
        return job
    return replace(job, destination=replace(job.destination, endpoint_url=other.url))


def copied(
    sides: Sides, server: Endpoint, proxy: Proxy, way: str, client: str, headers: Mapping[str, str]
) -> Mapping[str, str]:
    """Copy an object with such headers; return those that the upload of its copy was started with."""
    sides.put("data/a", b"content")
    proxy.answer = describe(proxy, sides.source_bucket, headers)
    with Proxy(server.url) as other:
        metrics = sides.run(job_of(sides, other, way, client), limits=LIMITS)
        started = [
            request
            for request in other.of_kind("CreateMultipartUpload") + proxy.of_kind("CreateMultipartUpload")
            if request.key == "copy/a"
        ]
    assert metrics.files_copied_successfully == 1, metrics.errors_encountered
    (upload,) = started
    return upload.headers


HEADERS = (
    {"Content-Encoding": "gzip,aws-chunked", "Expires": "0", "Cache-Control": "max-age=soon;; ,private="},
    {
        "Content-Disposition": raw("attachment; filename=Größe-漢字.nc"),
        "Content-Language": "?",
        "Expires": "whenever, or not",
    },
)


@ways
@clients
@pytest.mark.one_server  # LocalStack takes dates only
@pytest.mark.parametrize("headers", HEADERS, ids=["no date", "text"])
def test_headers_are_sent_on(
    sides: Sides, server: Endpoint, proxy: Proxy, way: str, client: str, headers: dict[str, str]
) -> None:
    """Text that is not a date, a list or a number arrives as it is; only `aws-chunked` is dropped."""
    sent = copied(sides, server, proxy, way, client, headers)
    for name, value in headers.items():
        assert sent[name.lower()] == value.removesuffix(",aws-chunked")


METADATA = {
    "utf-8": (raw("Zürich"), "Zürich"),
    "latin-1": (raw("Zürich", "latin-1"), "Zürich"),
    "twice": (raw("ZÃ¼rich"), "ZÃ¼rich"),
    "wide": (raw("漢字🛰"), "漢字🛰"),
    "end": (raw("voilà"), "voilà"),
    "long": (raw("é" * 900), "é" * 900),
    "control": ("a\x01b\x7f", "a\x01b\x7f"),
    "lines": ("a\r\n b", "a b"),
    "inside": ("a  b", "a  b"),
    "around": ("  a  ", "a"),
    "empty": ("", ""),
    "words": ("=?UTF-8?Q?Z=C3=BCrich?=", "Zürich"),
    "ascii": ("7;q=1", "7;q=1"),
}
"""What HEAD returns by name, and the text that it stands for."""


@ways
@clients
def test_metadata_is_copied(sides: Sides, server: Endpoint, proxy: Proxy, way: str, client: str) -> None:
    """User metadata arrives as the same text: in encoded words (RFC 2047) if it is not plain ASCII."""
    received = {f"x-amz-meta-{name}": value for name, (value, _) in METADATA.items()}
    sent = copied(sides, server, proxy, way, client, received)
    words = {name: sent[f"x-amz-meta-{name}"] for name in METADATA}
    assert "".join(words.values()).isascii()
    found = {name: str(make_header(decode_header(value))) for name, value in words.items()}
    assert found == {name: text for name, (_, text) in METADATA.items()}
    assert (words["words"], words["ascii"]) == (METADATA["words"][0], METADATA["ascii"][0])


def test_an_audit_reads_both_sides_alike(sides: Sides, proxy: Proxy) -> None:
    """Neither `aws-chunked` nor the encoding of metadata is a difference; an Expires that is text is."""
    sides.put("data/a", b"content")
    sides.run(sides.job())
    source = {"Content-Encoding": "gzip,aws-chunked", "x-amz-meta-k": raw("Zürich"), "Expires": "0"}
    copy = {"Content-Encoding": "gzip", "x-amz-meta-k": "=?UTF-8?Q?Z=C3=BCrich?=", "Expires": "-1"}
    answers = (
        describe(proxy, sides.source_bucket, source),
        describe(proxy, sides.destination_bucket, copy),
    )
    proxy.answer = lambda request: answers[0](request) or answers[1](request)
    (found,) = audit(sides.job(), sides.stores(sides.job()), Sender(8), Tally())
    assert found.differences == {"Expires": ("0", "-1")}
