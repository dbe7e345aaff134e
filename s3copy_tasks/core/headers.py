"""The text of headers that S3 stores with an object, and that a copy may have to send itself.

Whoever wrote the object may have set them to anything. S3 keeps user metadata beyond ASCII, and returns it
in the encoded words of mail; other servers return UTF-8.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from __future__ import annotations

import re
from email.charset import Charset
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from itertools import repeat

_UTF8 = Charset("utf-8")
_WORD_CHARACTERS_MAX = 75
"""Limit of an encoded word: https://www.rfc-editor.org/rfc/rfc2047#section-2"""
_NOT_IN_HEADERS = re.compile(r"[^\t\x20-\x7e]")
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")
_OF_THE_TRANSFER = "aws-chunked"


def read_header(received: str) -> str:
    """Return a header's text: clients of HTTP read its bytes as Latin-1, and servers of S3 send UTF-8.

    A value that continues on the next line is one line, and blanks around it are not part of it.
    """
    text = _FOLD.sub(" ", received).strip(" \t")
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def encode_words(text: str) -> str:
    """Return text as a header may contain it: in encoded words (RFC 2047), unless it is plain ASCII."""
    if not _NOT_IN_HEADERS.search(text):
        return text
    return " ".join(filter(None, _UTF8.header_encode_lines(text, repeat(_WORD_CHARACTERS_MAX))))


def decode_words(text: str) -> str:
    """Return the text that encoded words stand for; text that has none, or invalid ones, is unchanged."""
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def drop_chunking(encodings: str) -> str:
    """Return a Content-Encoding without `aws-chunked`: that was of the upload's request, not of the object.

    Some servers keep it. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    tokens = [token.strip() for token in encodings.split(",")]
    kept = [token for token in tokens if token.lower() != _OF_THE_TRANSFER]
    return encodings if kept == tokens else ", ".join(filter(None, kept))
