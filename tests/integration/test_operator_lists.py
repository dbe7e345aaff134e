"""The operator copies what a list names, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.dag.airflow_versions import AirflowException
from s3copy_tasks.errors import Code, ConfigError, MissingError
from tests.support.airflow.operators import Attempt, make_operator
from tests.support.builders.lists import make_rows

if TYPE_CHECKING:
    from s3copy_tasks import S3CrossAccountCopyOperator
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server


@pytest.fixture(autouse=True)
def three(sides: Sides) -> None:
    """Three objects at the source."""
    for key in ("data/a", "data/b c", "data/c"):
        sides.put(key, key.encode())


def listed(sides: Sides, *rows: tuple[str, ...], **changes: Any) -> S3CrossAccountCopyOperator:
    """Return an operator with a list of these rows, whose first column is the key, in the source's bucket."""
    key = "lists/today.csv"
    sides.source.put_object(Bucket=sides.source_bucket, Key=key, Body=make_rows(rows))
    manifest = f"s3://{sides.source_bucket}/{key}"
    return make_operator(sides, **{"manifest": manifest, "manifest_columns": ["key"]} | changes)


def keys(operator: S3CrossAccountCopyOperator) -> list[str]:
    return [row["key"] for row in operator.get_s3_objects_to_copy()]


def test_only_what_the_list_names_is_copied(sides: Sides) -> None:
    """Keys are percent-encoded; one that is below no prefix is skipped, and one that is gone counts so."""
    operator = listed(sides, ("data/b%20c",), ("other/x",), ("data/gone",))
    done = Attempt().execute(operator)
    assert sides.copied() == {"copy/b c": b"data/b c"}
    assert (done["total_files_found"], done["files_copied_successfully"]) == (3, 1)
    assert (done["files_skipped"], done["files_vanished"]) == ({"out_of_scope": 1}, 1)


def test_by_default_a_list_is_one_of_failed_objects(sides: Sides) -> None:
    """What a run writes of its failed objects can be copied by another task."""
    row = (sides.source_bucket, "data/a", "", "", "6", "STANDARD", "copy/a")
    Attempt().execute(listed(sides, row, manifest_columns=None))
    assert set(sides.copied()) == {"copy/a"}


def test_all_lists_below_a_prefix_are_read(sides: Sides) -> None:
    """A prefix ends with a slash."""
    listed(sides, ("data/a",))
    sides.source.put_object(Bucket=sides.source_bucket, Key="lists/more.csv", Body=b"data/c\n")
    operator = listed(sides, ("data/a",), manifest=f"s3://{sides.source_bucket}/lists/")
    Attempt().execute(operator)
    assert set(sides.copied()) == {"copy/a", "copy/c"}


def test_the_objects_of_a_list_are_shown_as_they_are_now(sides: Sides, proxy: Proxy) -> None:
    """Rows come in their order, with size and date of S3, whatever the list says; nothing is written."""
    operator = listed(
        sides, ("data/c", "99"), ("data/gone", "1"), ("other/x", "1"), ("data/a", "99"),
        manifest_columns=["key", "size"],
    )  # fmt: skip
    found = operator.get_s3_objects_to_copy()
    head = sides.source.head_object(Bucket=sides.source_bucket, Key="data/c")
    assert [(row["key"], row["size"]) for row in found] == [("data/c", 6), ("data/a", 6)]
    assert found[0]["last_modified"].replace(microsecond=0) == head["LastModified"]
    assert not {request.method for request in proxy.requests if request.target != "/"} & {"PUT", "DELETE"}


def test_what_exists_is_not_to_be_copied_again(sides: Sides) -> None:
    """With `overwrite=False` it is left out, as from a listing."""
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"")
    rows = [("data/a",), ("data/c",)]
    assert keys(listed(sides, *rows, overwrite=False)) == ["data/c"]
    assert keys(listed(sides, *rows)) == ["data/a", "data/c"]


def test_a_list_that_is_not_there_fails_before_the_first_copy(sides: Sides) -> None:
    """The error says which list."""
    operator = make_operator(sides, manifest=f"s3://{sides.source_bucket}/lists/none.csv")
    with pytest.raises(AirflowException, match=r"lists/none\.csv does not exist"):
        Attempt().execute(operator)
    with pytest.raises(MissingError):
        operator.get_s3_objects_to_copy()
    assert sides.copied() == {}


def test_a_wrong_row_fails_before_the_first_copy(sides: Sides) -> None:
    """The error has file and line."""
    operator = listed(sides, ("data/a",), ("data/b", "c"))
    with pytest.raises(AirflowException, match=r"today\.csv:2: has 2 columns"):
        Attempt().execute(operator)
    with pytest.raises(ConfigError) as refused:
        operator.get_s3_objects_to_copy()
    assert refused.value.code == Code.INVALID_LIST
    assert sides.copied() == {}


def test_bad_inputs_are_found_without_a_request(sides: Sides, proxy: Proxy) -> None:
    """`validate_inputs` names the list and its columns with the rest."""
    operator = make_operator(sides, recursive=False, manifest="lists/a.csv", manifest_columns=["size"])
    with pytest.raises(ValueError, match="manifest") as refused:
        operator.validate_inputs()
    named = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert named == ["manifest", "manifest_columns"]
    assert proxy.requests == []


def test_a_single_object_is_copied_without_the_list(sides: Sides) -> None:
    """`copy_single_object` names its object itself."""
    operator = listed(sides, ("data/a",))
    done = operator.copy_single_object(sides.source_bucket, "data/c", sides.destination_bucket, "x")
    assert (done["success"], set(sides.copied())) == (True, {"x"})
