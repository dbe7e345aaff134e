"""The contract's entities: their fields, what they refuse, and the states of an operation."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3copy_tasks import OperationState, S3CopyOperation, S3Object, TransferMetrics
from s3copy_tasks.config.check.rules import check_rules
from s3copy_tasks.config.check.schema import findings_of_schema
from s3copy_tasks.core.bucket_names import find_bucket_problem
from s3copy_tasks.core.job import Overwrite, compute_digest
from s3copy_tasks.core.key_list import FAILED_COLUMNS, Column, KeyList
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.metrics import Errors
from s3copy_tasks.core.objects import SkipReason

ONE: dict[str, Any] = {
    "source_bucket": "ops-granules",
    "source_key": "daily/a.nc",
    "destination_bucket": "partner-granules",
    "destination_key": "backup/a.nc",
}
ALL: dict[str, Any] = ONE | {"source_key": "daily/", "destination_key": "backup/", "recursive": True}
POINT = "arn:aws:s3:us-west-2:111122223333:accesspoint/granules"
ALIAS = "granules-ew7gnfbyawesf3hyi2vk8ccvfs1ydusw2a-s3alias"
GOOD_BUCKETS = [
    "abc",
    "a" * 63,
    "0-9",
    "a.b.c",
    "a-.b",
    "1.2.3",
    "1.2.3.4.5",
    "x--x-s3x",
    POINT,
    ALIAS,
    "Granules",
    "a_b",
    "a" * 255,
]
BAD_BUCKETS: dict[str, Any] = {
    "too short": "ab",
    "too long": "a" * 256,
    "begins with a hyphen": "-abc",
    "ends with a hyphen": "abc-",
    "begins with a dot": ".abc",
    "ends with a dot": "abc.",
    "two dots": "a..b",
    "an address": "192.168.5.4",
    "a directory bucket": "fast--usw2-az1--x-s3",
    "its access point": "fast--usw2-az1--xa-s3",
    "the ARN of a bucket": "arn:aws:s3:::granules",
    "the ARN of a bucket's keys": "arn:aws:s3:::granules/*",
    "a multi-region access point": "arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap",
    "its alias": "mfzwi23gnjvgw.mrap",
    "Object Lambda": "arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/granules",
    "its alias, too": "granules-ew7gnfbyawesf3hyi2vk8ccvfs1ydusw2a--ol-s3",
    "Outposts": "arn:aws:s3-outposts:us-west-2:111122223333:outpost/op-1/accesspoint/granules",
    "an access point with a key": f"{POINT}/object/daily/",
    "an access point without an account": "arn:aws:s3:us-west-2::accesspoint/granules",
    "a URI": "s3://ops-granules",
    "a path": "ops-granules/daily",
    "a line end": "abc\n",
    "another digit": "ab٣",
    "nothing": "",
    "None": None,
    "a number": 123,
    "a template": "{{ bucket }}",
}


LISTED: dict[str, Any] = ALL | {"manifest": "s3://lists/a.csv"}
GOOD_OPERATIONS: dict[str, dict[str, Any]] = {
    "one object": ONE,
    "a prefix": ALL,
    "the whole bucket": ALL | {"source_key": ""},
    "to the top of a bucket": ALL | {"destination_key": ""},
    "a marker to a marker": ONE | {"source_key": "a/", "destination_key": "b/"},
    "the smallest batch": ONE | {"batch_size": 1},
    "the largest batch": ONE | {"batch_size": 1_000},
    "never": ONE | {"overwrite": False},
    "connections": ONE | {"source_aws_conn_id": "a", "dest_aws_conn_id": "b"},
    "the longest keys": ONE | {"source_key": "é" * 512, "destination_key": "k" * 1_024},
    "another key of one bucket": ONE | {"destination_bucket": "ops-granules"},
    "another prefix of one bucket": ALL | {"destination_bucket": "ops-granules"},
    "a list": LISTED,
    "all lists below a prefix": ALL | {"manifest": "s3://lists/today/"},
    "a list before it is rendered": ALL | {"manifest": "s3://lists/{{ ds }}.csv"},
    "a list of keys alone": LISTED | {"manifest_columns": ["key"]},
    "a list with columns that are not read": LISTED | {"manifest_columns": ("ignored", "key", "ignored")},
    "a list in the source": ALL | {"manifest": "s3://ops-granules/daily/a.csv"},
}
BAD_OPERATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no source key": (ONE | {"source_key": ""}, "source_key"),
    "no destination key": (ONE | {"destination_key": ""}, "destination_key"),
    "no text": (ONE | {"source_key": None}, "source_key"),
    "a folder for one object": (ONE | {"destination_key": "backup/"}, "destination_key"),
    "a prefix without its end": (ALL | {"source_key": "daily"}, "source_key"),
    "a destination without its end": (ALL | {"destination_key": "backup"}, "destination_key"),
    "a prefix that is not text": (ALL | {"destination_key": 5}, "destination_key"),
    "a source key too long": (ONE | {"source_key": "k" * 1_025}, "source_key"),
    "a destination key too long": (ONE | {"destination_key": "é" * 513}, "destination_key"),
    "a source prefix too long": (ALL | {"source_key": "k" * 1_024 + "/"}, "source_key"),
    "a destination prefix too long": (ALL | {"destination_key": "k" * 1_024 + "/"}, "destination_key"),
    "no batch": (ONE | {"batch_size": 0}, "batch_size"),
    "less than a batch": (ONE | {"batch_size": -1}, "batch_size"),
    "a batch too large": (ONE | {"batch_size": 1_001}, "batch_size"),
    "a batch of True": (ONE | {"batch_size": True}, "batch_size"),
    "half a batch": (ONE | {"batch_size": 1.5}, "batch_size"),
    "a batch in words": (ONE | {"batch_size": "100"}, "batch_size"),
    "recursive in words": (ALL | {"recursive": "yes"}, "recursive"),
    "recursive as a number": (ONE | {"recursive": 0}, "recursive"),
    "overwrite in words": (ONE | {"overwrite": "never"}, "overwrite"),
    "overwrite as None": (ONE | {"overwrite": None}, "overwrite"),
    "an empty connection": (ONE | {"source_aws_conn_id": ""}, "source_aws_conn_id"),
    "a connection that is not text": (ONE | {"dest_aws_conn_id": 5}, "dest_aws_conn_id"),
    "a list for one object": (ONE | {"manifest": "s3://lists/a.csv"}, "manifest"),
    "a list without an address": (ALL | {"manifest": "/etc/passwd"}, "manifest"),
    "an empty list": (ALL | {"manifest": ""}, "manifest"),
    "a list in a bucket that can't be": (ALL | {"manifest": "s3://ab/a.csv"}, "manifest"),
    "a bucket as a list": (ALL | {"manifest": "s3://lists/"}, "manifest"),
    "a list that is not text": (ALL | {"manifest": ["s3://lists/a.csv"]}, "manifest"),
    "a list among the copies": (ALL | {"manifest": "s3://partner-granules/backup/a.csv"}, "manifest"),
    "columns without a list": (ALL | {"manifest_columns": ["key"]}, "manifest_columns"),
    "columns without the key": (LISTED | {"manifest_columns": ["size"]}, "manifest_columns"),
    "no columns": (LISTED | {"manifest_columns": []}, "manifest_columns"),
    "columns as text": (LISTED | {"manifest_columns": "key"}, "manifest_columns"),
    "an unknown column": (LISTED | {"manifest_columns": ["key", "name"]}, "manifest_columns"),
    "a column of inventories": (LISTED | {"manifest_columns": ["key", "is_latest"]}, "manifest_columns"),
    "a column that is not text": (LISTED | {"manifest_columns": ["key", 5]}, "manifest_columns"),
    "a column twice": (LISTED | {"manifest_columns": ["key", "key"]}, "manifest_columns"),
}
OVERLAPS: dict[str, dict[str, Any]] = {
    "the same key": ONE | {"destination_key": ONE["source_key"]},
    "the same prefix": ALL | {"destination_key": ALL["source_key"]},
    "below the source": ALL | {"destination_key": "daily/copy/"},
    "above the source": ALL | {"source_key": "backup/old/"},
    "the whole bucket": ALL | {"source_key": ""},
}


class TestOperation:
    """S3CopyOperation."""

    def test_fields(self) -> None:
        """An operation has the contract's fields with their defaults, and a state."""
        operation = S3CopyOperation(**ONE)
        values = {field.name: getattr(operation, field.name) for field in fields(operation)}
        assert values == ONE | {
            "recursive": False,
            "source_aws_conn_id": None,
            "dest_aws_conn_id": None,
            "batch_size": 100,
            "overwrite": True,
            "manifest": None,
            "manifest_columns": None,
            "state": OperationState.INITIALIZED,
        }

    @pytest.mark.parametrize("values", GOOD_OPERATIONS.values(), ids=GOOD_OPERATIONS)
    def test_good(self, values: dict[str, Any]) -> None:
        """An operation accepts what the contract allows."""
        assert S3CopyOperation(**values).state is OperationState.INITIALIZED

    @pytest.mark.parametrize(("values", "field"), BAD_OPERATIONS.values(), ids=BAD_OPERATIONS)
    def test_bad(self, values: dict[str, Any], field: str) -> None:
        """What the contract refuses raises a ValueError of one line that begins with the field."""
        with pytest.raises(ValueError, match=rf"\A{field}: [^\n]+\Z"):
            S3CopyOperation(**values)

    @pytest.mark.parametrize("field", ["source_bucket", "destination_bucket"])
    @pytest.mark.parametrize("name", GOOD_BUCKETS)
    def test_good_buckets(self, field: str, name: str) -> None:
        """A bucket may have any name that S3 allows."""
        assert getattr(S3CopyOperation(**ONE | {field: name}), field) == name

    @pytest.mark.parametrize("field", ["source_bucket", "destination_bucket"])
    @pytest.mark.parametrize("name", BAD_BUCKETS.values(), ids=BAD_BUCKETS)
    def test_bad_buckets(self, field: str, name: Any) -> None:
        """The error for a name that S3 does not allow has the field."""
        with pytest.raises(ValueError, match=rf"\A{field}: "):
            S3CopyOperation(**ONE | {field: name})

    def test_every_bad_field_is_named_at_once(self) -> None:
        """One error has a line for each bad field."""
        texts: dict[str, Any] = dict.fromkeys((*ONE, "source_aws_conn_id", "dest_aws_conn_id"), "")
        bad = texts | {"recursive": 0, "batch_size": 0, "overwrite": 1}
        with pytest.raises(ValueError, match="source_bucket") as refused:
            S3CopyOperation(**bad)
        named = [line.partition(":")[0] for line in str(refused.value).splitlines()]
        assert sorted(named) == sorted(bad)

    def test_long_keys_are_named_beside_the_rest(self) -> None:
        """A key that is too long is reported together with the other fields."""
        with pytest.raises(ValueError, match="batch_size") as refused:
            S3CopyOperation(**ONE | {"source_key": "k" * 1_025, "batch_size": 0})
        assert "source_key: 1025 bytes" in str(refused.value)

    @pytest.mark.parametrize("values", OVERLAPS.values(), ids=OVERLAPS)
    def test_overlaps(self, values: dict[str, Any]) -> None:
        """A destination that overlaps the source is refused in the same bucket, and allowed in another."""
        S3CopyOperation(**values)
        with pytest.raises(
            ValueError,
            match=r"\Adestination_key: '.*' overlaps the source s3://ops-granules/",
        ):
            S3CopyOperation(**values | {"destination_bucket": values["source_bucket"]})

    def test_the_job_of_an_operation(self) -> None:
        """An operation becomes a job of one entry that copies always or never, batch by batch."""
        one = S3CopyOperation(**ONE | {"batch_size": 7, "source_aws_conn_id": "reader"}).job("copy", "op-1")
        assert (one.name, one.run_id, one.overwrite) == ("copy", "op-1", Overwrite.ALWAYS)
        assert (one.transfer.batch_objects, one.source.connection) == (7, "reader")
        assert [(o.source, o.destination) for o in one.objects] == [("daily/a.nc", "backup/a.nc")]
        assert one.prefixes == ()
        below = S3CopyOperation(**ALL | {"overwrite": False}).job("copy", "op-1")
        assert [(p.source, p.destination, p.recursive) for p in below.prefixes] == [
            ("daily/", "backup/", True)
        ]
        assert (below.objects, below.overwrite) == ((), Overwrite.NEVER)
        assert below.digest != one.digest

    def test_the_job_of_a_list(self) -> None:
        """A list is read in the source's way, as a list of failed objects unless its columns are said."""
        operation = S3CopyOperation(**LISTED | {"source_aws_conn_id": "reader"})
        of = operation.job("copy", "op-1").keys_from
        lists = Location(bucket="lists", connection="reader")
        assert of == KeyList(location=lists, key="a.csv", columns=FAILED_COLUMNS)
        named = replace(operation, manifest_columns=["key", "size"]).job("copy", "op-1").key_list
        assert named is not None
        assert named.columns == (Column.KEY, Column.SIZE)

    def test_the_digest_of_an_operation_without_a_list_stays(self) -> None:
        """An attempt after an upgrade continues the one before: its digest is the same."""
        inputs = ONE | {"recursive": False, "source_aws_conn_id": None, "dest_aws_conn_id": None}
        inputs |= {"batch_size": 100, "overwrite": True}
        assert S3CopyOperation(**ONE).job("copy", "op-1").digest == compute_digest(inputs)
        assert S3CopyOperation(**LISTED).job("a", "b").digest != S3CopyOperation(**ALL).job("a", "b").digest

    def test_the_digest_depends_on_the_inputs_only(self) -> None:
        """The state of an operation does not change what it copies."""
        operation = S3CopyOperation(**ONE)
        moved = operation.moved_to(OperationState.VALIDATING)
        assert moved.job("copy", "op-1") == operation.job("copy", "op-1")


S = OperationState
MOVES = {
    (S.INITIALIZED, S.VALIDATING),
    (S.VALIDATING, S.COPYING),
    (S.VALIDATING, S.VALIDATION_FAILED),
    (S.COPYING, S.COMPLETED),
    (S.COPYING, S.COPY_FAILED),
}
PAIRS = {f"{one} to {other}": (one, other) for one, other in product(S, S)}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_states(one: OperationState, other: OperationState) -> None:
    """An operation moves from INITIALIZED to VALIDATING, COPYING and COMPLETED, or fails; no other moves."""
    operation = S3CopyOperation(**ONE, state=one)
    if (one, other) in MOVES:
        moved = operation.moved_to(other)
        assert (moved.state, operation.state) == (other, one)
        assert moved == S3CopyOperation(**ONE, state=other)
    else:
        with pytest.raises(ValueError, match=f"is {one} can't become {other}"):
            operation.moved_to(other)


@pytest.mark.parametrize("side", ["source", "destination"])
@settings(max_examples=300)
@given(name=st.text("abA_0.-:/", max_size=70))
@example(name="fast--usw2-az1--x-s3")
@example(name="1.2.3.4")
@example(name="abc\n")
@example(name="ab٣")
@example(name="a" * 255)
@example(name="a" * 256)
@example(name=POINT)
@example(name=f"{POINT}\n")
@example(name="mfzwi23gnjvgw.mrap")
def test_one_rule_for_buckets(side: str, name: str) -> None:
    """Operator and YAML accept the same buckets."""
    document: dict[str, Any] = {"source": {"bucket": "ops"}, "destination": {"bucket": "partner"}}
    document[side] = {"bucket": name, "region": "us-east-1"}
    found = [*findings_of_schema(document, {}, partly=True), *check_rules(document)]
    assert (find_bucket_problem(name) is None) is not any(one.parts == (side, "bucket") for one in found)


DAY = datetime(2026, 1, 1, tzinfo=UTC)


METRICS_FIELDS = (
    "operation_id",
    "start_time",
    "end_time",
    "total_files_found",
    "files_copied_successfully",
    "files_failed",
    "total_bytes_transferred",
    "errors_encountered",
    "files_skipped",
    "files_vanished",
    "files_unknown",
)
GOOD_METRICS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "every fate": {
        "total_files_found": 15,
        "files_copied_successfully": 1,
        "files_skipped": {SkipReason.EXISTS: 2},
        "files_failed": 3,
        "files_vanished": 4,
        "files_unknown": 5,
        "errors_encountered": Errors(by_code={"AccessDenied": 3}),
    },
    "no time at all": {"start_time": DAY, "end_time": DAY},
    "an end alone": {"end_time": DAY},
}
BAD_METRICS: dict[str, dict[str, Any]] = {
    **{
        f"{name} below 0": {name: -1}
        for name in (
            "total_files_found",
            "files_copied_successfully",
            "files_failed",
            "files_vanished",
            "files_unknown",
            "total_bytes_transferred",
        )
    },
    "skipped below 0": {"files_skipped": {SkipReason.EXISTS: -1}, "total_files_found": -1},
    "the end before the start": {"start_time": DAY, "end_time": DAY - timedelta(microseconds=1)},
    "more found than counted": {"total_files_found": 2, "files_copied_successfully": 1},
    "fewer found than counted": {"total_files_found": 1, "files_unknown": 2},
}


class TestMetrics:
    """TransferMetrics; their addition is tested elsewhere."""

    def test_fields(self) -> None:
        """Metrics have the contract's fields."""
        assert set(METRICS_FIELDS) <= {field.name for field in fields(TransferMetrics)}

    @pytest.mark.parametrize("values", GOOD_METRICS.values(), ids=GOOD_METRICS)
    def test_good(self, values: dict[str, Any]) -> None:
        """Found = copied + skipped + failed + vanished + unknown, and the start is not after the end."""
        metrics = TransferMetrics(operation_id="op", **values)
        assert metrics.as_dict()["total_files_found"] == values.get("total_files_found", 0)

    @pytest.mark.parametrize("values", BAD_METRICS.values(), ids=BAD_METRICS)
    def test_bad(self, values: dict[str, Any]) -> None:
        """Anything else is refused."""
        with pytest.raises(ValueError, match=r"below 0|before its start|but counted"):
            TransferMetrics(operation_id="op", **values)


HASH = "d41d8cd98f00b204e9800998ecf8427e"
OBJECT: dict[str, Any] = {
    "bucket": "ops-granules",
    "key": "daily/a.nc",
    "size": 0,
    "last_modified": DAY,
    "etag": f'"{HASH}"',
}


GOOD_OBJECTS: dict[str, tuple[dict[str, Any], bool]] = {
    "an empty object": ({}, False),
    "a large one": ({"size": 50 * 2**40}, False),
    "a marker": ({"key": "daily/"}, False),
    "an ETag without quotes": ({"etag": HASH}, False),
    "an ETag of parts": ({"etag": f'"{HASH}-2"'}, True),
    "an ETag of ten thousand parts": ({"etag": f"{HASH}-10000"}, True),
    "metadata": ({"metadata": {"orbit": "7"}}, False),
}
BAD_OBJECTS: dict[str, tuple[dict[str, Any], str]] = {
    "no bucket": ({"bucket": ""}, "bucket"),
    "no key": ({"key": ""}, "key"),
    "a size below 0": ({"size": -1}, "at least 0, not -1"),
    "a date without zone": ({"last_modified": DAY.replace(tzinfo=None)}, "time zone"),
    "no ETag": ({"etag": ""}, "ETag"),
    "an ETag of other letters": ({"etag": "z" * 32}, "ETag"),
    "an ETag too short": ({"etag": HASH[:-1]}, "ETag"),
    "an ETag of no parts": ({"etag": f"{HASH}-0"}, "ETag"),
    "an ETag with a line end": ({"etag": HASH + "\n"}, "ETag"),
}


class TestObject:
    """S3Object."""

    def test_fields(self) -> None:
        """An object has the contract's fields; metadata are None if they were not requested."""
        one = S3Object(**OBJECT)
        assert {name: getattr(one, name) for name in OBJECT} == OBJECT
        assert one.metadata is None

    @pytest.mark.parametrize(("changes", "in_parts"), GOOD_OBJECTS.values(), ids=GOOD_OBJECTS)
    def test_good(self, changes: dict[str, Any], *, in_parts: bool) -> None:
        """An object accepts what S3 lists; its ETag shows whether it was uploaded in parts."""
        assert S3Object(**OBJECT | changes).is_multipart is in_parts

    @pytest.mark.parametrize(("changes", "message"), BAD_OBJECTS.values(), ids=BAD_OBJECTS)
    def test_bad(self, changes: dict[str, Any], message: str) -> None:
        """An object refuses what S3 never lists."""
        with pytest.raises(ValueError, match=message):
            S3Object(**OBJECT | changes)
