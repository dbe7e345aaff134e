"""Headers of an object are text, whatever they should be, and a copy sends what its source has."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.headers import decode_words, drop_chunking, encode_words, read_header

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(texts)
def test_any_text_fits_in_a_header(text: str) -> None:
    """Whatever a value contains, its words are ASCII, not longer than RFC 2047 allows, and mean the same."""
    encoded = encode_words(text)
    assert encoded.isascii()
    assert encoded == text or max(map(len, encoded.split(" "))) <= 75
    assert encoded == text or str(make_header(decode_header(encoded))) == decode_words(encoded) == text


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_ascii_is_sent_as_it_is(text: str) -> None:
    """Text that a header may contain is not encoded: also words that S3 has encoded already."""
    assert encode_words(text) == text
    words = "=?UTF-8?Q?Z=C3=BCrich?="
    assert encode_words(words) == words


@given(texts.filter(lambda text: "\n" not in text and text == text.strip(" \t")))
def test_utf8_is_read_back(text: str) -> None:
    """HTTP reads bytes as Latin-1: text in UTF-8 is found again."""
    assert read_header(text.encode().decode("latin-1")) == text


@pytest.mark.parametrize(
    ("received", "text"),
    [
        pytest.param("Zürich", "Zürich", id="Latin-1"),
        pytest.param("Ã\x83Â©".encode().decode("latin-1"), "Ã\x83Â©", id="UTF-8 that was encoded twice"),
        pytest.param("a\r\n  b\n\tc", "a b c", id="a value on three lines"),
        pytest.param("", "", id="empty"),
        pytest.param(" a ", "a", id="blanks"),
    ],
)
def test_other_bytes_are_text_too(received: str, text: str) -> None:
    """Bytes that are not UTF-8 are Latin-1, and a folded value is one line."""
    assert read_header(received) == text


@pytest.mark.parametrize("text", ["=?no-such-charset?q?a?=", "=?utf-8?b?a?=", "=?utf-8?b?/w==?=", "=?utf-8?"])
def test_invalid_words_are_text(text: str) -> None:
    """What only looks like an encoded word stands for itself."""
    assert decode_words(text) == text


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        ("aws-chunked", ""),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, AWS-Chunked", "gzip"),
        ("gzip,aws-chunked , br,", "gzip, br"),
        ("aws-chunked,aws-chunked", ""),
        ("gzip,br", "gzip,br"),
        ("not-aws-chunked", "not-aws-chunked"),
        ("", ""),
    ],
)
def test_only_the_encoding_of_the_transfer_is_dropped(received: str, kept: str) -> None:
    """`aws-chunked` is dropped in any case and place; other encodings keep their order and spelling."""
    assert drop_chunking(received) == kept
