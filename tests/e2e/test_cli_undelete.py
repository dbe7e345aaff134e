"""`s3copy undelete`: what it shows, what it asks, and what it restores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.builders import documents
from tests.support.command import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

OLD = {"copy/old", "copy/é b"}


@pytest.fixture
def folder(sides: Sides, tmp_path: Path) -> Path:
    """A folder with the mirror `daily`, whose destination has two objects without a source."""
    sides.destination.put_bucket_versioning(
        Bucket=sides.destination_bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    sides.put("data/a")
    for key in OLD:
        sides.destination.put_object(Bucket=sides.destination_bucket, Key=key, Body=b"x")
    config = documents.document(
        source={"bucket": sides.source_bucket, "connection": "aws_source"},
        destination={"bucket": sides.destination_bucket, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        filters={"exclude": ["*.tmp"]},
        mirror={"max_deleted_objects": 10, "max_deleted_percent": 100, "delete_folder": True},
        results={"to": f"s3://{sides.destination_bucket}/results/"},
    )
    documents.write(tmp_path, config, "daily.yaml")
    return tmp_path


def s3copy(folder: Path, command: str, *arguments: str) -> tuple[int, str, str]:
    return run_command("s3copy", command, "daily", *arguments, "--config-dir", folder)


def old_keys(sides: Sides) -> set[str]:
    return sides.copied().keys() & OLD


def test_a_run_and_back(sides: Sides, folder: Path) -> None:
    """Without a terminal, it shows what can be restored, and asks for the number; then all is as before."""
    code, out, _ = s3copy(folder, "run", "--confirm", "2", "--json")
    run = json.loads(out)["operation_id"]
    assert (code, old_keys(sides)) == (0, set())
    code, out, err = s3copy(folder, "undelete", "--run", run)
    assert (code, out.split()[-4:]) == (1, ["can", "be", "restored", "2"])
    assert "it is not confirmed. To restore them, run again with --confirm 2" in err
    assert old_keys(sides) == set()
    code, out, _ = s3copy(folder, "undelete", "--run", run, "--confirm", "2", "--json")
    shown = json.loads(out)
    assert (code, shown["run"], shown["counts"]["restored"]) == (0, run, 2)
    assert {each["key"] for each in shown["objects"]} == old_keys(sides) == OLD


def test_without_results(sides: Sides, folder: Path) -> None:
    """The markers since a moment are shown; they are removed only if their number is given, too.

    Those that the filters leave out as well, because a folder is deleted without filters.
    """
    left_out = "copy/old.tmp"
    sides.destination.put_object(Bucket=sides.destination_bucket, Key=left_out, Body=b"x")
    for key in (*OLD, left_out):
        sides.destination.delete_object(Bucket=sides.destination_bucket, Key=key)
    since = ("undelete", "--since", "2026-01-31T02:00Z", "--json")
    code, out, _ = s3copy(folder, *since)
    assert (code, {each["key"] for each in json.loads(out)["objects"]}) == (0, {*OLD, left_out})
    assert old_keys(sides) == set()
    code, _, _ = s3copy(folder, *since, "--confirm", "3")
    assert (code, old_keys(sides), left_out in sides.copied()) == (0, OLD, True)
