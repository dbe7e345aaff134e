"""`s3copy run` with results: what it prints is enough to run the failed objects again."""

from __future__ import annotations

import csv
import gzip
import json
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.builders import documents
from tests.support.command import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides


@pytest.fixture
def folder(sides: Sides, tmp_path: Path) -> Path:
    """A folder with the job `daily`, of whose three objects one is archived."""
    for key in ("data/a", "data/=b, é", "data/c"):
        sides.put(key, key.encode())
    sides.put("data/=b, é", b"archived", StorageClass="GLACIER")
    config = documents.document(
        source={"bucket": sides.source_bucket, "connection": "aws_source"},
        destination={"bucket": sides.destination_bucket, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        results={"to": f"s3://{sides.destination_bucket}/results/"},
    )
    documents.write(tmp_path, config, "daily.yaml")
    return tmp_path


def s3copy(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return exit code and stdout."""
    return run_command("s3copy", *arguments, "--config-dir", folder)[:2]


def read_rows(sides: Sides, address: str) -> list[dict[str, str]]:
    """Return the rows below an address, as a user's script would read them."""
    prefix = address.removeprefix(f"s3://{sides.destination_bucket}/")
    found = {key: content for key, content in sides.copied().items() if key.startswith(prefix)}
    return [
        row
        for key, content in found.items()
        if key.endswith(".gz")
        for row in csv.DictReader(gzip.decompress(content).decode().splitlines())
    ]


def test_the_printed_command_copies_what_failed(sides: Sides, folder: Path) -> None:
    """The folder and the command are printed; once the cause is gone, the command copies just that object."""
    code, out = s3copy(folder, "run", "daily")
    assert code == 1
    *_, address, words, command = out.splitlines()
    assert address.startswith(f"results: s3://{sides.destination_bucket}/results/daily/manual__")
    assert words == "1 failed; to run only these again:"
    rows = read_rows(sides, address.removeprefix("results: "))
    assert {row["key"]: row["outcome"] for row in rows} == {
        "data/a": "copied",
        "data/%3Db%2C%20%C3%A9": "failed",
        "data/c": "copied",
    }

    sides.put("data/=b, é", b"restored")
    code, out, _ = run_command(*shlex.split(command), "--json")
    report = json.loads(out)
    assert (code, report["total_files_found"], report["files_copied_successfully"]) == (0, 1, 1)
    assert sides.copied()["copy/=b, é"] == b"restored"
    (row,) = read_rows(sides, report["results"])
    assert (row["key"], row["outcome"], row["verified"]) == ("data/%3Db%2C%20%C3%A9", "copied", "true")


def test_a_second_run_has_rows_of_what_it_skips(sides: Sides, folder: Path) -> None:
    """A run that copies nothing has a row for each object, in the plan's own file or its batch's."""
    sides.source.delete_object(Bucket=sides.source_bucket, Key="data/=b, é")
    assert s3copy(folder, "run", "daily")[0] == 0
    report = json.loads(s3copy(folder, "run", "daily", "--json")[1])
    assert report["files_skipped"] == {"unchanged": 2}
    rows = read_rows(sides, report["results"])
    assert [(row["outcome"], row["reason"]) for row in rows] == [("skipped", "unchanged")] * 2


def test_a_dry_run_writes_nothing(sides: Sides, folder: Path) -> None:
    """Neither copies nor rows; its report names no folder."""
    report = json.loads(s3copy(folder, "run", "daily", "--dry-run", "--json")[1])
    assert (report["results"], sides.copied()) == (None, {})
