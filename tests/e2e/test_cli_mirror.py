"""A mirror on the command line: what it shows, what it asks, and what it deletes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.airflow.stack import BIN
from tests.support.builders import documents
from tests.support.command import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

COPIES = {f"copy/{number}" for number in range(4)}
OLD = {"copy/old", "copy/é b"}


@pytest.fixture
def folder(sides: Sides, tmp_path: Path) -> Path:
    """A folder with the mirror `daily` of four objects; its destination has two objects more."""
    sides.destination.put_bucket_versioning(
        Bucket=sides.destination_bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    for key in COPIES:
        sides.put(key.replace("copy", "data"), b"x")
    for key in COPIES | OLD:
        sides.destination.put_object(Bucket=sides.destination_bucket, Key=key, Body=b"x")
    write(sides, tmp_path)
    return tmp_path


def write(sides: Sides, folder: Path, **mirror: Any) -> None:
    config = documents.document(
        source={"bucket": sides.source_bucket, "connection": "aws_source"},
        destination={"bucket": sides.destination_bucket, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        mirror={"max_deleted_objects": 10, "max_deleted_percent": 50} | mirror,
    )
    documents.write(folder, config, "daily.yaml")


def s3copy(folder: Path, *arguments: str) -> tuple[int, str, str]:
    return run_command("s3copy", *arguments, "--config-dir", folder)


def keys(sides: Sides) -> set[str]:
    return set(sides.copied())


def test_a_mirror_from_plan_to_audit(sides: Sides, folder: Path) -> None:
    """The plan counts, the run deletes exactly that number, and then an audit finds both sides equal."""
    code, out, _ = s3copy(folder, "plan", "daily")
    assert (code, out.splitlines()[-1]) == (0, "would delete 2 of 6 after the copies, limits 10 and 50 %")
    planned = json.loads(s3copy(folder, "plan", "daily", "--json")[1])["deletions"]
    assert set(planned.pop("keys")) == OLD
    assert planned["groups"] == [
        {"destination": "copy/", "in_scope": 6, "extraneous": 2, "same_name": 0, "to_delete": 2}
    ]
    code, out, _ = s3copy(folder, "run", "daily", "--confirm", "2", "--json")
    deleted = json.loads(out)["deletions"]
    assert (code, deleted["deleted"], deleted["refused"], keys(sides)) == (0, 2, None, COPIES)

    code, out, _ = s3copy(folder, "audit", "daily")
    assert (code, out.endswith(", 0 extraneous\n")) == (0, True)


UNCONFIRMED: dict[str, tuple[tuple[str, ...], str]] = {
    "another number": (
        ("--confirm", "3"),
        "would delete 2 of 6, limit 10; deletes nothing: --confirm is 3, but 2 would be deleted",
    ),
    "no terminal": ((), "it is not confirmed. To delete them, run again with --confirm 2"),
}


@pytest.mark.parametrize(("options", "words"), UNCONFIRMED.values(), ids=UNCONFIRMED)
def test_what_is_not_confirmed_is_not_deleted(
    sides: Sides, folder: Path, options: tuple[str, ...], words: str
) -> None:
    """The run fails, and says what to pass."""
    code, out, err = s3copy(folder, "run", "daily", *options)
    assert (code, words in err, keys(sides)) == (1, True, COPIES | OLD)
    assert [line.split() for line in out.splitlines() if "kept" in line] == [["kept:", "refused", "2"]]


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, set()), ("", 1, OLD)], ids=["yes", "enter"])
def test_a_terminal_is_asked(sides: Sides, folder: Path, answer: str, code: int, left: set[str]) -> None:
    """Only yes deletes."""
    parent, child = pty.openpty()
    os.write(parent, f"{answer}\n".encode())
    command: list[str | Path] = [BIN / "s3copy", "run", "daily", "--config-dir", folder]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child) as running:
        os.close(child)
        shown = read_all(parent)
    assert f"Delete 2 of 6 objects below s3://{sides.destination_bucket}/copy/? [y/N]" in shown
    assert (running.returncode, keys(sides)) == (code, COPIES | left)


def read_all(terminal: int) -> str:
    """Return what a command shows on a terminal until it ends."""
    found = b""
    try:
        while chunk := os.read(terminal, 4096):
            found += chunk
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return found.decode()


def test_a_dry_run_shows_what_it_would_delete(sides: Sides, folder: Path) -> None:
    """As the plan does; it does not fail if the run would be refused, because it deletes nothing anyway."""
    write(sides, folder, max_deleted_objects=1)
    code, out, _ = s3copy(folder, "run", "daily", "--dry-run")
    assert (code, keys(sides)) == (0, COPIES | OLD)
    assert out.splitlines()[-1].startswith("would delete 2 of 6, limit 1; deletes nothing: more than 1 are ")


def test_there_is_nothing_to_confirm_without_a_mirror(sides: Sides, folder: Path) -> None:
    """A usage error, before anything starts."""
    config = documents.document(
        source={"bucket": sides.source_bucket}, destination={"bucket": sides.destination_bucket}
    )
    documents.write(folder, config, "plain.yaml")
    code, _, err = s3copy(folder, "run", "plain", "--confirm", "2")
    assert (code, err) == (
        2,
        "s3copy: --confirm: this run never deletes, because it is not one of a mirror\n",
    )
