"""Reading S3's XML: no entities of its own, no other encoding than UTF-8, cut off means unreadable."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from s3copy_tasks.errors import Code, TransientError

UNREADABLE = "the reply can't be read"
"""Never with the reply's text: it may hold anything."""


_ROOT = re.compile(
    r"(?:<\?xml version=[\"']1\.0[\"'](?: encoding=[\"'][Uu][Tt][Ff]-8[\"'])?\s*\?>)?\s*"
    r"<([A-Za-z]+)(?: xmlns=\"[a-z0-9:./-]+\")?>"
)
_CHILD = re.compile(r"<([A-Za-z0-9]+)>(?:([!-%'-;=?-~]*+)|&quot;([!-%'-;=?-~]++)&quot;)</\1>")
_LONGEST_PLAIN = 2_000


def unreadable_reply(operation: str) -> TransientError:
    """Return the error of a reply that says nothing, or nothing that S3 would say."""
    return TransientError(f"{operation}: {UNREADABLE}", code=Code.EMPTY_REPLY)


def parse_xml(body: bytes) -> ET.Element:
    """Return the root of a document; expat reads it.

    Raises:
        ValueError: the document is not well-formed, is cut off, or declares types or entities.
    """
    # S3 declares no types, and an entity can grow without bound; no zero, for UTF-16 would hide them.
    if b"<!DOCTYPE" in body or b"\0" in body:
        raise ValueError(UNREADABLE)
    parser = ET.XMLParser(encoding="utf-8")  # noqa: S314 - without types there are no entities to expand
    try:
        parser.feed(body)
        root = parser.close()
    except ET.ParseError:
        raise ValueError(UNREADABLE) from None
    if not isinstance(root, ET.Element):
        raise TypeError(UNREADABLE)
    return root


def local_name(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def plain_texts(body: bytes) -> tuple[str, list[tuple[str, str]]] | None:
    """Return the name of a root and its children's names and texts, where there is no more to a document.

    Takes a third of the parser's time, and there is one for every copy. None for any other document.
    """
    if len(body) > _LONGEST_PLAIN:
        return None
    document = body.decode("latin-1")
    root = _ROOT.match(document)
    if root is None:
        return None
    end = root.end()
    children: list[tuple[str, str]] = []
    while (child := _CHILD.match(document, end)) is not None:
        tag, text, quoted = child.groups()
        children.append((tag, f'"{quoted}"' if quoted else text))
        end = child.end()
    return (root[1], children) if document[end:].rstrip() == f"</{root[1]}>" else None
