"""A row of results is CSV without quotes, whatever keys, ETags and codes hold."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.decide import Decided, Named, Unseen
from s3copy_tasks.core.job import ObjectEntry
from s3copy_tasks.core.key_list import KeyList, ListFile
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.objects import Action, ForeignObject, SkipReason
from s3copy_tasks.core.result_rows import (
    COLUMNS,
    PackedRows,
    describe_copied,
    describe_failed,
    describe_skipped,
    describe_to_retry,
    describe_vanished,
    encode_cell,
)
from s3copy_tasks.core.row_decider import RowDecider
from s3copy_tasks.core.rows import Lines, Row, parse_rows
from s3copy_tasks.core.verify import Confirmation, Copied
from s3copy_tasks.errors import RequestError
from tests.support.builders.bench import SOURCE, make_job, make_object

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a cell a formula in a spreadsheet, at its start."""
KEYS = st.text(min_size=1, max_size=12) | st.builds(
    "".join,
    st.lists(st.sampled_from([*DANGEROUS, ",", '"', "\n", "\x00", "%", " ", "é", "\ud800", "a"]), min_size=1),
)
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


def make_copied(key: str = "in/a", destination: str = "out/a", **confirmed: Any) -> Copied:
    return Copied(
        entry=0,
        source=make_object(key, size=3, etag=f'"{ETAG}"'),
        key=destination,
        confirmed=Confirmation(etag=f'"{ETAG}"', **confirmed),
    )


def make_decided(key: str = "in/a", destination: str = "out/a") -> Decided:
    source = make_object(key, size=3, etag=f'"{ETAG}"')
    return Decided(entry=0, position="a", source=source, key=destination, decision=Action.COPY)


def cells(row: str) -> dict[str, str]:
    (found,) = csv.reader([row], strict=True)
    return dict(zip(COLUMNS, found, strict=True))


@given(key=KEYS, destination=KEYS, code=KEYS)
def test_any_text_is_a_safe_cell(key: str, destination: str, code: str) -> None:
    """Keys and codes are decoded to what they were; no cell is a formula; each row has the same cells."""
    rows = [
        describe_copied(make_copied(key, destination, version_id=code, request_id=code), is_verified=True),
        describe_failed(make_decided(key, destination), RequestError("no", code=code)),
        describe_skipped(make_decided(key, destination), SkipReason.UNCHANGED),
        describe_vanished(make_decided(key, destination)),
    ]
    for row in rows:
        assert row.endswith("\n")
        assert row.count("\n") == 1
        plain = row.removesuffix("\n").split(",")
        assert len(plain) == len(COLUMNS)
        assert list(cells(row).values()) == plain, "no reader of CSV finds quotes"
        assert not any(cell.startswith(DANGEROUS) for cell in plain)
        assert [unquote(cell, errors="surrogatepass") for cell in plain[:2]] == [key, destination]
    assert unquote(cells(rows[1])["reason"], errors="surrogatepass") == code
    assert unquote(cells(rows[0])["request_id"], errors="surrogatepass") == code


@pytest.mark.parametrize(
    ("text", "cell"),
    {
        "": "",
        "daily/2026-01-31/a_b~c.nc": "daily/2026-01-31/a_b~c.nc",
        "-1+2": "%2D1%2B2",
        "a,b": "a%2Cb",
        "=cmd|' /C calc'!A0": "%3Dcmd%7C%27%20/C%20calc%27%21A0",
        "é": "%C3%A9",
    }.items(),
    ids=str,
)
def test_cells(text: str, cell: str) -> None:
    """Only what is not plain is encoded, so that most keys stay readable."""
    assert encode_cell(text) == cell


def test_a_copied_object() -> None:
    """Its row has both keys, both ETags without quotes, the new version, and S3's id of the request."""
    row = describe_copied(make_copied(version_id="v2", request_id="4442587FB7D0A2F9"), is_verified=False)
    assert row == f"in/a,out/a,,v2,{ETAG},{ETAG},3,copied,,false,,4442587FB7D0A2F9\n"
    earlier = replace(make_copied(), earlier=True, confirmed=Confirmation(etag=None))
    assert describe_copied(earlier, is_verified=True) == f"in/a,out/a,,,{ETAG},,3,copied,earlier,true,,\n"


def test_a_skipped_object() -> None:
    """Its row has the reason, and the ETag of the object that the destination has."""
    found = replace(make_decided(), replaces=make_object("out/a", etag=f'"{ETAG}-2"'))
    row = describe_skipped(found, SkipReason.UNCHANGED)
    assert row == f"in/a,out/a,,,{ETAG},{ETAG}-2,3,skipped,unchanged,,,\n"


def test_a_failed_object() -> None:
    """Its row has the code, the attempts, and S3's id of the last request; not verified, not unverified."""
    error = RequestError("no", code="SlowDown")
    error.attempts, error.request_id = 12, "4442587FB7D0A2F9"
    assert (
        describe_failed(make_decided(), error)
        == f"in/a,out/a,,,{ETAG},,3,failed,SlowDown,,12,4442587FB7D0A2F9\n"
    )


def test_a_copy_that_differs() -> None:
    """Its row has what S3 had confirmed: the request and the version that can be asked about."""
    error = RequestError("differs", code="VerificationFailed")
    row = cells(describe_failed(make_copied(version_id="v2", request_id="R"), error))
    assert (row["outcome"], row["reason"]) == ("failed", "VerificationFailed")
    assert (row["destination_version_id"], row["destination_etag"], row["request_id"]) == ("v2", ETAG, "R")


NAMED = Named(
    entry=0,
    position=7,
    source_key="in/a",
    version_id="v1",
    suffix="a",
    key="out/a",
    listed=None,
    checks_destination=True,
    file=0,
)
UNKNOWN = {
    "never headed": NAMED,
    "gone before its batch": Unseen(0, "in/a", "out/a", None, "v1"),
    "listed without ETag and size": replace(
        make_decided(),
        source=ForeignObject(
            bucket=SOURCE,
            key="in/a",
            size=0,
            last_modified=make_object().last_modified,
            etag="unknown",
            version_id="v1",
        ),
    ),
}


@pytest.mark.parametrize("found", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_is_empty(found: Decided | Named | Unseen) -> None:
    """A row never says more than is known of the object."""
    row = cells(describe_vanished(found))
    assert (row["key"], row["destination_key"], row["version_id"]) == ("in/a", "out/a", "v1")
    assert (row["etag"], row["size"], row["outcome"]) == ("", "", "vanished")


OF = KeyList(location=Location(bucket="lists"), key="failed/", files=(ListFile(key="a", size=1, etag='"e"'),))
VERSIONS = st.none() | st.text("abc.-+_/", min_size=1, max_size=8)


@given(key=KEYS, destination=KEYS, version=VERSIONS)
def test_a_list_of_failed_objects_names_them_exactly(key: str, destination: str, version: str | None) -> None:
    """A run that reads the list finds the same key, version, ETag, size and destination."""
    found = make_decided(key, destination)
    found = replace(found, source=replace(found.source, version_id=version))
    row = describe_to_retry(SOURCE, found)
    (read,) = parse_rows(Lines([row.encode("ascii")]), OF, SOURCE)
    assert isinstance(read, Row)
    assert (read.key, read.version_id, read.destination) == (key, version, destination)
    assert (read.etag, read.size, read.storage_class) == (f'"{ETAG}"', 3, "STANDARD")
    assert not any(cell.startswith(DANGEROUS) for cell in row.split(","))


def test_a_list_of_failed_objects_finds_their_entry() -> None:
    """The destination says which entry failed, even for one that the job names by its key."""
    job = make_job(objects=(ObjectEntry(source="in/a", destination="named", version_id="v1"),), keys_from=OF)
    row = describe_to_retry(SOURCE, replace(NAMED, entry=None, key="named"))
    (read,) = parse_rows(Lines([row.encode("ascii")]), OF, SOURCE)
    assert isinstance(read, Row)
    found = RowDecider(job).decide(read, 0)
    assert isinstance(found, Named)
    assert (found.entry, found.key, found.version_id, found.listed) == (None, "named", "v1", None)


def test_an_etag_that_a_list_can_not_hold_is_left_out() -> None:
    """A list's ETags are not encoded: an odd one is checked by a HEAD instead."""
    found = replace(
        make_decided(),
        source=ForeignObject(
            bucket=SOURCE, key="in/a", size=1, last_modified=make_object().last_modified, etag='W/"a,b"'
        ),
    )
    assert describe_to_retry(SOURCE, found) == f"{SOURCE},in/a,,,1,STANDARD,out/a\n"
    assert cells(describe_vanished(found))["etag"] == "W/%22a%2Cb"


@given(st.integers(0, 3_000))
def test_packed_rows(count: int) -> None:
    """Rows are unpacked in their order, and those of several members follow each other."""
    rows = [f"{number}\n" for number in range(count)]
    packed = PackedRows(rows[:1])
    for row in rows[1:]:
        packed.add(row)
    assert gzip.decompress(packed.finish() + PackedRows(["end\n"]).finish()) == "".join(
        [*rows, "end\n"]
    ).encode("ascii")
