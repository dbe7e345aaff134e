"""`s3copy plan`, `run` and `audit` with a list of keys, against a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.builders import documents
from tests.support.command import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides


@pytest.fixture
def folder(sides: Sides, tmp_path: Path) -> Path:
    """A folder with the job `daily`, whose source has three objects, and with two lists."""
    for key in ("data/a", "data/b", "data/c"):
        sides.put(key, key.encode())
    write(sides, tmp_path)
    (tmp_path / "list.csv").write_text("key\ndata/b\n")
    sides.source.put_object(Bucket=sides.source_bucket, Key="lists/a.csv", Body=b"key\ndata/c\n")
    return tmp_path


def write(sides: Sides, folder: Path, **changes: Any) -> None:
    config: dict[str, Any] = {
        "source": {"bucket": sides.source_bucket, "connection": "aws_source"},
        "destination": {"bucket": sides.destination_bucket, "connection": "aws_destination"},
        "prefixes": [{"source": "data/", "destination": "copy/"}],
        "from": {
            "manifest": f"s3://{sides.source_bucket}/lists/a.csv",
            "columns": ["key"],
            "header": True,
        },
    }
    documents.write(folder, documents.document(**config | changes), "daily.yaml")


def s3copy(folder: Path, *arguments: str) -> tuple[int, str, str]:
    return run_command("s3copy", *arguments, "--config-dir", folder, cwd=folder)


def test_the_list_of_the_job(sides: Sides, folder: Path) -> None:
    """A job with a list plans, copies and compares what it names, and nothing else."""
    code, out, _ = s3copy(folder, "plan", "daily", "--json")
    assert (code, json.loads(out)["entries"][0]["found"]) == (0, 1)
    assert s3copy(folder, "run", "daily")[0] == 0
    assert sides.copied() == {"copy/c": b"data/c"}
    code, out, _ = s3copy(folder, "audit", "daily", "--json")
    assert (code, json.loads(out)["compared"]) == (0, 1)


@pytest.mark.parametrize("named", ["list.csv", "{folder}/list.csv", "s3://{bucket}/lists/b.csv"])
def test_a_list_for_one_run(sides: Sides, folder: Path, named: str) -> None:
    """A file, or an object, replaces the list of the job, and is read in the same form."""
    sides.source.put_object(Bucket=sides.source_bucket, Key="lists/b.csv", Body=b"key\ndata/b\n")
    manifest = named.format(folder=folder, bucket=sides.source_bucket)
    code, out, _ = s3copy(folder, "plan", "daily", "--json", "--manifest", manifest)
    assert (code, json.loads(out)["entries"][0]["found"]) == (0, 1)
    assert s3copy(folder, "run", "daily", "--manifest", manifest)[0] == 0
    assert sides.copied() == {"copy/b": b"data/b"}
    code, out, _ = s3copy(folder, "audit", "daily", "--json", "--manifest", manifest)
    assert (code, json.loads(out)["compared"]) == (0, 1)


def test_a_list_for_a_run_of_any_job(sides: Sides, folder: Path) -> None:
    """A job that lists its prefixes copies the rows of a list of failed objects."""
    write(sides, folder, **{"from": None})
    row = f"{sides.source_bucket},data/a,,,,,copy/a\n"
    (folder / "failed.csv").write_text(row)
    assert s3copy(folder, "run", "daily", "--manifest", "failed.csv")[0] == 0
    assert sides.copied() == {"copy/a": b"data/a"}


REFUSED = {
    "no file": (["--manifest", "none.csv"], 1, "the list none.csv can't be read: No such file or directory"),
    "a folder": (["--manifest", "."], 1, "the list . is not a file"),
    "no object": (["--manifest", "s3://{bucket}/lists/none.csv"], 1, "lists/none.csv does not exist"),
    "a bucket": (["--manifest", "s3://{bucket}/"], 1, "manifest: has no key after the bucket"),
    "beside a prefix": (["--manifest", "list.csv", "--prefix", "data/"], 2, "not allowed with argument"),
}


@pytest.mark.parametrize(
    ("command", "name"), [*(("run", name) for name in REFUSED), ("plan", "no object"), ("audit", "no file")]
)
def test_a_list_that_can_not_be_read_copies_nothing(
    sides: Sides, folder: Path, command: str, name: str
) -> None:
    """The error says which list, and why."""
    arguments, expected, words = REFUSED[name]
    filled = [argument.format(bucket=sides.source_bucket) for argument in arguments]
    code, out, err = s3copy(folder, command, "daily", *filled)
    assert (code, out) == (expected, "")
    assert words in err
    assert sides.copied() == {}


def test_a_wrong_row_names_file_and_line(sides: Sides, folder: Path) -> None:
    """Nothing is copied before all rows are read."""
    (folder / "list.csv").write_text("key\ndata/b\ndata/c,5\n")
    code, _, err = s3copy(folder, "run", "daily", "--manifest", "list.csv")
    assert code == 1
    assert "list.csv:3: has 2 columns" in err
    assert sides.copied() == {}
