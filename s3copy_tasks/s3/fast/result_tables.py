"""How results are read: tables from botocore's model of S3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.utils import parse_timestamp

from s3copy_tasks.s3.fast.xml import local_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from botocore.model import Shape

Read = Callable[[Any], Any]


class ResultTable(NamedTuple):
    """How the reply to one operation is read.

    Attributes:
        headers: member and conversion by header.
        metadata: member and prefix of headers that become a mapping; None for none.
        body: member that is the raw body; None for none.
        payload: member that is the root element; None if the root's children are the members.
        root: reads the root element; None if there is none.
        texts: member and conversion by child of the root, if all are texts; else empty.
    """

    headers: Mapping[str, tuple[str, Read]]
    metadata: tuple[str, str] | None
    body: str | None
    payload: str | None
    root: Read | None
    texts: Mapping[str, tuple[str, Read]]


def tabulate(shape: Any) -> ResultTable:
    """Return how results of an operation are read, from its output shape."""
    headers, metadata, inside = dict[str, tuple[str, Read]](), None, False
    for member, of in shape.members.items():
        location, name = of.serialization.get("location"), of.serialization.get("name", member).lower()
        if location == "header":
            headers[name] = member, _header_reader(of)
        elif location == "headers":
            metadata = member, name
        else:
            inside = True
    payload = shape.serialization.get("payload")
    is_blob = payload is not None and shape.members[payload].type_name == "blob"
    root = shape.members[payload] if payload and not is_blob else shape
    return ResultTable(
        headers=headers,
        metadata=metadata,
        body=payload if is_blob else None,
        payload=None if is_blob else payload,
        root=_reader(root) if inside and not is_blob else None,
        texts=_texts(root),
    )


def _header_reader(shape: Shape) -> Read:
    if shape.type_name == "list":
        return lambda text: [part.strip() for part in text.split(",")]
    return _text_reader(shape)


def _text_reader(shape: Shape) -> Read:
    match shape.type_name:
        case "boolean":
            return lambda text: text == "true"
        case "integer" | "long":
            return int
        case "timestamp":
            return _timestamp
        case _:
            return str


def _lenient(read: Read) -> Read:
    """Return a function that keeps a text that it can't read: `s3.results` names the object that has it."""

    def read_or_keep(text: str) -> Any:
        try:
            return read(text)
        except (OverflowError, ValueError):
            return text

    return read_or_keep


def _timestamp(text: str) -> datetime:
    """Return a time with its zone; try S3's two formats first."""
    try:
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
    except ValueError:
        found = parse_timestamp(text)
    return found if found.tzinfo else parse_timestamp(text)


def _texts(shape: Any) -> dict[str, tuple[str, Read]]:
    """Return members and conversions by element; empty if an element has child elements."""
    inside = {m: of for m, of in shape.members.items() if of.serialization.get("location") is None}
    if any(of.type_name in {"blob", "list", "map", "structure"} for of in inside.values()):
        return {}
    return {of.serialization.get("name", m): (m, _text_reader(of)) for m, of in inside.items()}


def _reader(shape: Any) -> Read:
    """Return a function that reads an element of a shape."""
    if shape.type_name == "structure":
        return _structure_reader(shape)
    if shape.type_name == "list":
        read_member = _reader(shape.member)
        return lambda element: [read_member(child) for child in element]
    read = _lenient(_text_reader(shape))
    return lambda element: read(element.text or "")


def _structure_reader(shape: Any) -> Read:
    single: dict[str, tuple[str, Read]] = {}
    repeated: dict[str, tuple[str, Read]] = {}
    for member, of in shape.members.items():
        if of.serialization.get("location") is not None:
            continue
        name = of.serialization.get("name", member)
        if of.type_name == "list" and of.serialization.get("flattened"):
            repeated[of.member.serialization.get("name", name)] = member, _reader(of.member)
        else:
            single[name] = member, _reader(of)

    def read(element: Element) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for child in element:
            name = local_name(child)
            if name in single:
                member, read_member = single[name]
                found[member] = read_member(child)
            elif name in repeated:
                member, read_member = repeated[name]
                found.setdefault(member, []).append(read_member(child))
        return found

    return read
