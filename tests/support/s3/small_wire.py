"""How `SmallS3` reads requests and words its replies."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_plus
from xml.sax.saxutils import escape

from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.s3.small_objects import Stored, Upload

_CARRIED = re.compile(
    r"x-amz-meta-.+|cache-control|content-(disposition|encoding|language|type)|expires", re.ASCII
)


class Refused(Exception):  # noqa: N818 - not every refusal is an error
    """S3 answers with a status and a code."""


def matches(expected: str, one: Stored) -> bool:
    return expected.strip('"') == one.etag.strip('"')


def byte_range(text: str) -> tuple[int, int]:
    first, _, last = text.removeprefix("bytes=").partition("-")
    return int(first), int(last)


def text_of(body: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", body, re.DOTALL)
    if found is None:
        raise Refused(400, "MalformedXML")
    return found[1].replace("&quot;", '"').replace("&#34;", '"')


def carried(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return what a new object keeps of the request that asked for it."""
    return {
        "headers": {name: value for name, value in headers.items() if _CARRIED.fullmatch(name)},
        "tags": dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True)),
        "storage_class": headers.get("x-amz-storage-class", "STANDARD"),
    }


def headers_of(one: Stored, request: Request) -> dict[str, str]:
    """Return the headers by which S3 describes an object."""
    headers = {"ETag": one.etag, "Last-Modified": formatdate(one.modified, usegmt=True), **one.headers}
    if one.storage_class != "STANDARD":
        headers["x-amz-storage-class"] = one.storage_class
    if one.tags:
        headers["x-amz-tagging-count"] = str(len(one.tags))
    if one.checksum and request.headers.get("x-amz-checksum-mode") == "ENABLED":
        headers |= {"x-amz-checksum-crc64nvme": one.checksum, "x-amz-checksum-type": "FULL_OBJECT"}
    return headers


def result_of(made: Stored) -> str:
    checksum = (
        f"<ChecksumCRC64NVME>{made.checksum}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"
        if made.checksum
        else ""
    )
    return f"<ETag>{escape(made.etag)}</ETag>{checksum}"


def common_prefix(key: str, prefix: str, delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    head, found, _ = key[len(prefix) :].partition(delimiter)
    return prefix + head + found if found else None


def xml(name: str, text: str) -> Reply:
    return Reply(200, f"<{name}>{text}</{name}>".encode(), {"Content-Type": "application/xml"})


def encoded(key: str) -> str:
    """S3 encodes keys of a listing as forms do."""
    return quote_plus(key, safe="/")


def iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def upload_row(key: str, name: str, one: Upload) -> str:
    who = f"<Initiator><ID>{one.initiator}</ID></Initiator>" if one.initiator else ""
    return (
        f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId>{who}"
        f"<Initiated>{iso(one.started)}</Initiated></Upload>"
    )


def row_of(key: str, one: Stored) -> str:
    return (
        f"<Contents><Key>{encoded(key)}</Key><LastModified>{iso(one.modified)}</LastModified>"
        f"<ETag>{one.etag}</ETag><Size>{one.size}</Size><StorageClass>{one.storage_class}</StorageClass>"
        "</Contents>"
    )
