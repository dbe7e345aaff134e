"""Reads S3's XML: no custom entities, no encoding but UTF-8; a document that is cut off is an error."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from s3copy_tasks.errors import Code, TransientError
from s3copy_tasks.s3.errors import WEB_PAGE, is_web_page

UNREADABLE = "the reply can't be read"
"""Never with the reply's text: it may contain anything."""


_ROOT = re.compile(
    r"(?:<\?xml version=[\"']1\.0[\"'](?: encoding=[\"'][Uu][Tt][Ff]-8[\"'])?\s*\?>)?\s*"
    r"<([A-Za-z]+)(?: xmlns=\"[a-z0-9:./-]+\")?>"
)
_CHILD = re.compile(r"<([A-Za-z0-9]+)>(?:([!-%'-;=?-~]*+)|&quot;([!-%'-;=?-~]++)&quot;)</\1>")
_LONGEST_PLAIN = 2_000


def unreadable_reply(operation: str, content_type: str | None = None) -> TransientError:
    """Return the error for a reply that is empty, or that S3 would never send."""
    reason = WEB_PAGE if is_web_page(content_type) else UNREADABLE
    return TransientError(f"{operation}: {reason}", code=Code.EMPTY_REPLY)


def parse_xml(body: bytes) -> ET.Element:
    """Return the root of a document, read by expat.

    Raises:
        ValueError: the document is not well-formed, is cut off, or declares types or entities.
    """
    # S3 declares no types, and entities can grow without bound; UTF-16, which has zeros, could hide them.
    if b"<!DOCTYPE" in body or b"\0" in body:
        raise ValueError(UNREADABLE)
    parser = ET.XMLParser(encoding="utf-8")  # noqa: S314 - no types, so no entities to expand
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
    """Return the name of a root and its children's names and texts, if a document has nothing else.

    Takes a third of the parser's time, and every copy has one. None for any other document.
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
