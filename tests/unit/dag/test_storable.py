"""Text comes back from any database as it was, whatever its characters."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.dag.storable import escape, make_label, unescape
from s3copy_tasks.dag.xcom import dump, load
from tests.support.airflow.databases import PostgreSQL

SIGN = "\u241b"
SPECIAL = st.sampled_from(
    [*"\0\ud800\udbff\udc00\udfff\ufffe\uffff\ufdd0🛰\n\x1b", SIGN, "0000", "241b", "d800", "D800"]
)
TEXTS = st.lists(st.one_of(SPECIAL, st.characters(codec=None)), max_size=12).map("".join)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def refused(text: str) -> bool:
    """Return whether a database refuses a text."""
    return any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    """Every JSON value comes back equal, its texts and its names."""
    assert unescape(json.loads(json.dumps(escape(value)))) == value


@given(TEXTS)
def test_texts_are_storable(text: str) -> None:
    """An escaped text has neither NUL nor a half of a surrogate pair, and is UTF-8."""
    assert not refused(escape(text))
    escape(text).encode()


@given(TEXTS)
def test_other_texts_are_readable(text: str) -> None:
    """A text without such characters that does not look escaped is unchanged, both ways."""
    if refused(text) or unescape(text) != text:
        return
    assert escape(text) == text


def test_escapes_are_visible() -> None:
    """NUL and surrogates are shown by their codes; all around them is as it was."""
    assert escape({"a\0b": ["é\ud8001🛰"]}) == {f"a{SIGN}0000b": [f"é{SIGN}d8001🛰"]}


def test_values_of_earlier_versions_load() -> None:
    """A value that was never escaped is the same after `unescape`, even with the sign of an escape."""
    for text in ("a\nb🛰", f"a{SIGN}b", f"{SIGN}{SIGN}", f"{SIGN}0041", f"{SIGN}D800"):
        assert unescape({text: [text]}) == {text: [text]}


@given(TEXTS, TEXTS)
def test_batches_and_failures_come_back(first: str, second: str) -> None:
    """A border of a batch and a failure's key and message are exact in the next task."""
    key_range = KeyRange(entry=0, after=first, through=second, found=3, objects=2, bytes=1)
    batch = Batch(id=0, of=1, plan_id="p", label=first, ranges=(key_range,))
    failure = Failure.of(entry=None, key=first, code=second, message=second, attempts=1)
    for value in (batch, failure):
        assert load(type(value), unescape(json.loads(json.dumps(escape(dump(value)))))) == value


@given(TEXTS, st.integers(0, 300))
def test_labels_fit_the_column(text: str, repeated: int) -> None:
    """A label has at most 250 printable characters, each of at most three bytes."""
    label = make_label(text + "🛰" * repeated)
    assert len(label) <= 250
    assert label.isprintable()
    assert all(c <= "\uffff" for c in label)
    assert make_label("2/2 daily/é") == "2/2 daily/é"


@pytest.fixture(scope="module")
def jsonb(postgresql_server: PostgreSQL) -> Any:
    """Store a value as Airflow's XCom does, and return what PostgreSQL has."""
    import psycopg2  # type: ignore[import-untyped] # noqa: PLC0415 - it may be missing

    with closing(psycopg2.connect(postgresql_server.dsn)) as connection:
        cursor = connection.cursor()

        def store(value: Any) -> Any:
            cursor.execute(
                "SELECT %s::jsonb, %s::text", (json.dumps(value), json.dumps(value, ensure_ascii=False))
            )
            stored, text = cursor.fetchone()
            assert json.loads(text) == stored
            return stored

        yield store


def test_postgresql_holds_every_character(jsonb: Any) -> None:
    """A key of all characters of Unicode comes back from PostgreSQL."""
    key = "".join(map(chr, range(sys.maxunicode + 1)))
    assert unescape(jsonb(escape({key: key}))) == {key: key}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_postgresql_holds_every_value(jsonb: Any, value: Any) -> None:
    """Every JSON value comes back from PostgreSQL."""
    assert unescape(jsonb(escape(value))) == value
