"""boto3's parameters become a request: method, path, query, headers and body.

The place and name of each parameter in a request come from botocore's model of S3, once per operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from botocore.utils import parse_to_aware_datetime

from s3copy_tasks.errors import RequestError
from s3copy_tasks.s3.parameters import hash_md5

if TYPE_CHECKING:
    from botocore.model import ServiceModel, Shape

INVALID = "ParamValidationError"
"""The code of invalid parameters; botocore's name for it."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REPEATABLE = frozenset({"GET", "HEAD"})
_NOT_REPEATABLE = frozenset({"CompleteMultipartUpload", "CreateMultipartUpload", "DeleteObjects"})
_UNRESERVED = "-_.~"
_UNRESERVED_IN_PATHS = "/-_.~"
_PLAIN = re.compile(r"[0-9A-Za-z_.~-]*")
_LINE_BREAKS = {"\r": "&#xD;", "\n": "&#xA;"}
"""Or a parser reads each as a line feed: the key of another object."""
_NEED_HASHES = ("SSECustomerKey", "CopySourceSSECustomerKey")


class Request(NamedTuple):
    """A request that is not signed or addressed yet.

    Attributes:
        operation: S3's name of it.
        method: in capitals.
        bucket: as given; may be an ARN.
        key: percent-encoded once; None for requests to the bucket.
        query: percent-encoded, in the order in which it is signed, each parameter with its `=`.
        flag: a parameter of the query that is sent without its `=`; empty for none.
        headers: names in lower case.
        body: empty for none.
        once: sending it twice would not have the same effect as sending it once.
    """

    operation: str
    method: str
    bucket: str
    key: str | None
    query: str
    flag: str
    headers: dict[str, str]
    body: bytes
    once: bool


class _Place(NamedTuple):
    """Where a parameter goes: a location of botocore's model, the name there, and how it is written."""

    location: str
    name: str
    write: Callable[[Any], str]


class _Table(NamedTuple):
    method: str
    has_key: bool
    query: tuple[str, ...]
    flag: str
    places: Mapping[str, _Place]
    required: frozenset[str]
    needs_md5: bool


_NEWER = {
    "CopyObject": {
        "IfMatch": _Place("header", "if-match", str),
        "IfNoneMatch": _Place("header", "if-none-match", str),
    }
}
"""What S3 accepts and older models of botocore lack: conditional copies came with 1.40.61."""


class Serializer:
    """Serialises the operations that copying needs.

    Args:
        model: a client's `meta.service_model`.
    """

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._tables: dict[str, _Table] = {}

    def serialize(self, operation: str, params: Mapping[str, Any]) -> Request:
        """Return what boto3 would send for an operation, without its signature.

        Args:
            operation: S3's name, such as "CopyObject".
            params: boto3's, where CopySource is a mapping and Body is bytes. None means left out.

        Raises:
            RequestError: a parameter is unknown, missing, or does not fit in a header; its code is
                `INVALID`.
        """
        table = self._tables.get(operation) or self._tabulate(operation)
        if operation == "ListObjectsV2" and not params.get("EncodingType"):
            params = {**params, "EncodingType": "url"}  # XML can't contain every key
        try:
            return _request(operation, table, params)
        except UnicodeEncodeError:
            raise _invalid(operation, "a parameter is not valid Unicode text") from None
        except (KeyError, TypeError, ValueError):
            raise _invalid(operation, "a parameter does not have the type that boto3 takes") from None

    def _tabulate(self, operation: str) -> _Table:
        model = self._model.operation_model(operation)
        shape: Any = model.input_shape
        template, _, query = model.http["requestUri"].partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        payload = shape.serialization.get("payload")
        places = {name: _place(name, member, payload) for name, member in shape.members.items()}
        for name in _NEED_HASHES:
            places.pop(name, None)
        places = _NEWER.get(operation, {}) | places
        table = self._tables[operation] = _Table(
            method=model.http["method"],
            has_key="{Key+}" in template,
            query=tuple(f"{name}={value}" for name, value in pairs),
            flag=next((name for name, value in pairs if not value), ""),
            places=places,
            required=frozenset(shape.required_members),
            needs_md5=model.http_checksum.get("requestChecksumRequired", False),
        )
        return table


def _request(operation: str, table: _Table, params: Mapping[str, Any]) -> Request:
    query, body = list(table.query), b""
    headers: dict[str, str] = {}
    for param, value in params.items():
        if value is None or value == []:
            continue
        place = table.places.get(param)
        if place is None:
            raise _invalid(operation, f"unknown parameter {param!r}")
        location = place.location
        if location == "header":
            headers[place.name] = _check_header_value(operation, param, place.write(value))
        elif location == "querystring":
            query.append(f"{place.name}={quote(place.write(value), safe=_UNRESERVED)}")
        elif location == "headers":
            headers |= _metadata(operation, place.name, value)
        elif location != "uri":
            body = value if location == "blob" else place.write(value).encode()
    _check_required(operation, table, params)
    if table.needs_md5:
        headers["content-md5"] = hash_md5(body)
    return Request(
        operation,
        table.method,
        params["Bucket"],
        quote_path(params["Key"]) if table.has_key else None,
        "&".join(_sort_query(query)),
        table.flag,
        headers,
        body,
        _is_once(operation, table.method, headers),
    )


def _check_required(operation: str, table: _Table, params: Mapping[str, Any]) -> None:
    for name in table.required:
        if not params.get(name):  # an empty key would address the bucket
            raise _invalid(operation, f"{name} must not be left out or empty")


def quote_path(path: str) -> str:
    """Percent-encode a path once, except `/`; directories are cached, and most names need no encoding."""
    directory, slash, name = path.rpartition("/")
    return _quote(directory) + slash + (name if _PLAIN.fullmatch(name) else _quote.__wrapped__(name))


@lru_cache(maxsize=1_024)
def _quote(path: str) -> str:
    return quote(path, safe=_UNRESERVED_IN_PATHS)


def _sort_query(query: list[str]) -> list[str]:
    """Return the parts of a query in the order in which they are signed: by name, then by value."""
    return sorted(query, key=lambda pair: pair.partition("=")) if len(query) > 1 else query


def _is_once(operation: str, method: str, headers: Mapping[str, str]) -> bool:
    """Say whether a second request would fail because of the first, or leave something behind."""
    if method in _REPEATABLE:
        return False
    return operation in _NOT_REPEATABLE or "if-match" in headers or "if-none-match" in headers


def _check_header_value(operation: str, param: str, text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    if _CONTROL.search(text):
        raise _invalid(operation, f"{param} has control characters, which a header can't contain")
    return text


def _metadata(operation: str, prefix: str, metadata: Mapping[str, str]) -> dict[str, str]:
    for name, value in metadata.items():
        if not (_TOKEN.fullmatch(name) and value.isascii()):
            raise _invalid(operation, "metadata must be ASCII, and its names valid in headers")
        _check_header_value(operation, "Metadata", value)
    return {prefix + name.lower(): value for name, value in metadata.items()}


def _invalid(operation: str, reason: str) -> RequestError:
    return RequestError(f"{operation}: {reason}", code=INVALID)


def _place(param: str, shape: Shape, payload: str | None) -> _Place:
    location = shape.serialization.get("location")
    name = shape.serialization.get("name", param)
    if location in {"header", "headers"}:
        name = name.lower()
    if param == "CopySource":
        return _Place("header", name, _copy_source)
    if location is not None:
        return _Place(location, name, _writer(shape))
    if param == payload and shape.type_name == "blob":
        return _Place("blob", name, str)
    return _Place("xml", name, lambda value: _xml(shape, value, name))


def _writer(shape: Shape) -> Callable[[Any], str]:
    """Return a function that writes a value of a shape in a header or a query."""
    match shape.type_name:
        case "boolean":
            return lambda value: str(value).lower()
        case "timestamp":
            return _iso_date if shape.serialization.get("timestampFormat") == "iso8601" else _http_date
        case "list":
            return lambda values: ",".join(_quote_item(value) for value in values)
        case _:
            return str


def _quote_item(value: str) -> str:
    escaped = value.replace('"', '\\"')
    return f'"{escaped}"' if '"' in value or "," in value else value


def _http_date(value: Any) -> str:
    """Return a date as HTTP writes it; text as it is: S3 keeps an `Expires` that is not a date."""
    if isinstance(value, str):
        return value
    return format_datetime(parse_to_aware_datetime(value).astimezone(UTC), usegmt=True)


def _iso_date(value: Any) -> str:
    return parse_to_aware_datetime(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _copy_source(source: Mapping[str, str]) -> str:
    """Return the source as a header: percent-encoded once, except `/`."""
    bucket = source["Bucket"]
    between = "/object/" if bucket.startswith("arn:") else "/"  # an access point
    named = quote_path(f"{bucket}{between}{source['Key']}")
    version = source.get("VersionId")
    return f"{named}?versionId={version}" if version else named


def _xml_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _xml(shape: Any, value: Any, name: str) -> str:
    if shape.type_name == "list":
        if shape.serialization.get("flattened"):
            return "".join(_xml(shape.member, member, name) for member in value)
        inner = shape.member.serialization.get("name", "member")
        return f"<{name}>{''.join(_xml(shape.member, member, inner) for member in value)}</{name}>"
    if shape.type_name != "structure":
        return f"<{name}>{escape(_xml_text(value), _LINE_BREAKS)}</{name}>"
    namespace = shape.serialization.get("xmlNamespace", {}).get("uri")
    inside = "".join(
        _xml(shape.members[member], content, shape.members[member].serialization.get("name", member))
        for member, content in value.items()
        if content is not None
    )
    return f'<{name} xmlns="{namespace}">{inside}</{name}>' if namespace else f"<{name}>{inside}</{name}>"
