"""How `SmallS3` reads requests to delete many objects, and what it answers."""

from __future__ import annotations

import zlib
from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tests.support.s3.small_wire import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.s3.proxy import Request

DELETES_MAX = 1_000
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def parse_deletes(request: Request) -> Iterator[tuple[str, str | None]]:
    """Yield each key, and the ETag that its object must have, as any parser of XML reads them."""
    _check_body(request)
    try:
        root = ET.fromstring(request.body)
    except ET.ParseError:
        raise Refused(400, "MalformedXML") from None
    rows = root.findall(f"{_NAMESPACE}Object")
    if root.tag != f"{_NAMESPACE}Delete" or not 0 < len(rows) <= DELETES_MAX:
        raise Refused(400, "MalformedXML")
    for row in rows:
        yield row.findtext(f"{_NAMESPACE}Key", ""), row.findtext(f"{_NAMESPACE}ETag")


def _check_body(request: Request) -> None:
    """Check that one of S3's hashes protects the body."""
    hashes = {
        "content-md5": md5(request.body).digest(),
        "x-amz-checksum-crc32": zlib.crc32(request.body).to_bytes(4),
    }
    sent = {name: digest for name, digest in hashes.items() if name in request.headers}
    if not sent:
        raise Refused(400, "InvalidRequest")
    if any(request.headers[name] != b64encode(digest).decode() for name, digest in sent.items()):
        raise Refused(400, "BadDigest")


def deleted_row(key: str, marker: str | None) -> str:
    made = f"<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId>"
    return f"<Deleted>{_key(key)}{made if marker else ''}</Deleted>"


def error_row(key: str, code: str) -> str:
    return f"<Error>{_key(key)}<Code>{code}</Code><Message>refused</Message></Error>"


def _key(key: str) -> str:
    return f"<Key>{escape(key, {chr(13): '&#13;'})}</Key>"
