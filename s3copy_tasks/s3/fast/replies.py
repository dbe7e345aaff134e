"""S3's replies become what boto3 would return, or the reason why S3 refused.

The headers and elements of each member come from botocore's model of S3, once per operation. Three replies
that botocore accepts as success are errors here: a 200 without a body where the body is the result, a 200
with the page of some gateway, and a write that is not confirmed with an ETag (rule 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http.client import responses
from typing import TYPE_CHECKING, Any, NamedTuple

from s3copy_tasks.s3.errors import join_message
from s3copy_tasks.s3.fast.listing_rows import decode_page, parse_rows
from s3copy_tasks.s3.fast.result_tables import ResultTable, tabulate
from s3copy_tasks.s3.fast.xml import local_name, parse_xml, plain_texts, unreadable_reply
from s3copy_tasks.s3.results import check_confirmed

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from botocore.model import ServiceModel

_MULTIPLE_CHOICES = 300
_ERROR_INSIDE_SUCCESS = 500
_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CopyObject": "CopyObjectResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectTagging": "Tagging",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjectsV2": "ListBucketResult",
    "UploadPartCopy": "CopyPartResult",
}
"""S3's name of the root of a result; any other comes from a gateway in between."""
_ROOTS_OF_MOTO = {"GetBucketVersioning": "GetBucketVersioningResponse"}
_LISTING = "ListObjectsV2"
_BLANKS = " \t"
"""Of HTTP; read as Latin-1, the last byte of a letter in UTF-8 may be one that Python strips, too."""
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")


class Reply(NamedTuple):
    """A whole reply.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        body: all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Refusal(NamedTuple):
    """Why S3 refused a request.

    Attributes:
        status: of HTTP; 500 for an error inside a 200.
        code: S3's own; None if there is none, as after a HEAD.
        message: S3's own, or the name of the status.
        region: of the bucket, if S3 says so.
    """

    status: int
    code: str | None
    message: str | None
    region: str | None


class Replies:
    """Reads the replies to the operations that copying needs.

    Args:
        model: a client's `meta.service_model`.
    """

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._tables: dict[str, ResultTable] = {}

    def read(self, operation: str, reply: Reply) -> dict[str, Any] | Refusal:
        """Return what boto3 would return, a body as bytes; or why S3 refused.

        Raises:
            TransientError: the reply is empty, cut off, or not from S3 (`EMPTY_REPLY`).
        """
        if reply.status >= _MULTIPLE_CHOICES:
            return _refusal(reply, _parsed(reply.body))
        table = self._tables.get(operation)
        if table is None:
            table = tabulate(self._model.operation_model(operation).output_shape)
            self._tables[operation] = table
        result: dict[str, Any] = {}
        try:
            if table.root is not None:
                refusal = _read_body(table, operation, reply, result)
                if refusal is not None:
                    return refusal
            _read_headers(table, reply.headers, result)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
            raise unreadable_reply(operation, reply.headers.get("content-type")) from None
        if table.body is not None:
            result[table.body] = reply.body
        check_confirmed(operation, result)
        result["ResponseMetadata"] = {
            "HTTPStatusCode": reply.status,
            "HTTPHeaders": reply.headers,
            "RequestId": reply.headers.get("x-amz-request-id", ""),
        }
        return result


def parse_headers(lines: Iterable[bytes]) -> dict[str, str]:
    """Return headers by their name in lower case, those of the last reply if there are several."""
    last = b"".join(lines).decode("latin-1").rpartition("\r\n\r\nHTTP/")[2]
    if "\r\n " in last or "\r\n\t" in last:  # a value that continues on the next line
        last = _FOLD.sub(" ", last)
    pairs = [line.partition(":") for line in last.split("\r\n")[1:] if line]
    headers = {name.lower(): value.strip(_BLANKS) for name, _, value in pairs}
    if len(headers) < len(pairs):  # repeated headers are one with all values
        together: dict[str, list[str]] = {}
        for name, _, value in pairs:
            together.setdefault(name.lower(), []).append(value.strip(_BLANKS))
        headers = {name: ", ".join(values) for name, values in together.items()}
    return headers


def _read_body(table: ResultTable, operation: str, reply: Reply, result: dict[str, Any]) -> Refusal | None:
    plain = plain_texts(reply.body) if table.texts else None
    if plain is not None and plain[0] != "Error":
        name, texts = plain
        read = {table.texts[tag][0]: table.texts[tag][1](text) for tag, text in texts if tag in table.texts}
    else:
        listed = parse_rows(reply.body) if operation == _LISTING else None
        root = parse_xml(listed.rest if listed else reply.body)
        name = local_name(root)
        if name == "Error":
            return _refusal(reply._replace(status=_ERROR_INSIDE_SUCCESS), root)
        read = table.root(root) if table.root else {}
        if listed:
            read["Contents"] = listed.rows
    if name not in (_ROOTS.get(operation), _ROOTS_OF_MOTO.get(operation)):
        raise unreadable_reply(operation, reply.headers.get("content-type"))
    if table.payload:
        result[table.payload] = read
    else:
        result |= read
    if operation == _LISTING:
        decode_page(result)
    return None


def _read_headers(table: ResultTable, headers: Mapping[str, str], result: dict[str, Any]) -> None:
    for name in headers.keys() & table.headers.keys():
        member, read = table.headers[name]
        if member == "Expires":  # the writer of the object may have set it to anything
            result["ExpiresString"] = headers[name]
            try:
                result[member] = read(headers[name])
            except ValueError:
                continue
        else:
            result[member] = read(headers[name])
    if table.metadata:
        member, prefix = table.metadata
        start = len(prefix)
        result[member] = {name[start:]: value for name, value in headers.items() if name.startswith(prefix)}


def _parsed(body: bytes) -> Element | None:
    if not body:  # of a HEAD: a mirror heads each key that it deletes, and finds none
        return None
    try:
        return parse_xml(body)
    except (TypeError, ValueError):
        return None


def _refusal(reply: Reply, root: Element | None) -> Refusal:
    said = {}
    if root is not None and local_name(root) == "Error":
        said = {local_name(child): child.text for child in root}
    return Refusal(
        status=reply.status,
        code=said.get("Code"),
        message=join_message(said) or responses.get(reply.status),
        region=reply.headers.get("x-amz-bucket-region") or said.get("Region"),
    )
