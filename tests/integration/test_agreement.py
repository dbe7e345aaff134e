"""The metrics of a run are the same in XCom, log, StatsD, asset event and OpenLineage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.airflow.agreement import assert_asset_event_agrees, assert_statsd_agrees
from tests.support.airflow.databases import copy_sqlite
from tests.support.airflow.statsd import StatsD
from tests.support.builders.documents import document, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server


@dataclass
class Reported:
    """Everything that a run reported."""

    run: dict[str, Any]
    statsd: StatsD
    lineage: list[dict[str, Any]]


@pytest.fixture
def reported(sides: Sides, tmp_path: Path) -> Reported:
    """A run of two prefixes, with a filter, that reports an object which only the destination has."""
    for number in range(6):
        sides.put(f"data/a/{number}", b"x" * number)
    sides.put("data/b/1", b"new")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/b/old", Body=b"old")
    config = write(
        tmp_path,
        document(
            source={"bucket": sides.source_bucket, "connection": "aws_source"},
            destination={"bucket": sides.destination_bucket, "connection": "aws_destination"},
            prefixes=[
                {"source": "data/a/", "destination": "copy/a/"},
                {"source": "data/b/", "destination": "copy/b/"},
            ],
            filters={"exclude": ["3"]},
            mirror={"max_deleted_objects": 0},
            transfer={"batch_objects": 3},
            failure={"retries": 0},
        ),
    )
    empty, events = tmp_path / "dags", tmp_path / "lineage.jsonl"
    for folder in (empty, tmp_path / "home"):
        folder.mkdir()
    lineage = {"type": "file", "log_file_path": str(events), "append": True}
    with StatsD() as statsd:
        env = {
            **os.environ,
            **statsd.settings(),
            **copy_sqlite(tmp_path / "airflow.db"),
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(empty),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(lineage),
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-m", "tests.support.airflow.run_report", str(config), str(empty)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [line for line in done.stdout.splitlines() if line.startswith('{"state": ')]  # not Airflow's
    run = json.loads(printed[-1])
    return Reported(run, statsd, [json.loads(line) for line in events.read_text().splitlines()])


def test_a_run_reports_the_same_numbers_everywhere(reported: Reported, sides: Sides) -> None:
    """XCom, return value, log event, StatsD, asset event and lineage of a run agree."""
    run, metrics = reported.run, reported.run["xcom"]["metrics"]
    assert run["state"] == "success"
    assert (metrics["total_files_found"], metrics["files_copied_successfully"]) == (7, 6)
    assert metrics["files_skipped"] == {"excluded": 1}
    assert metrics["deletions"]["kept"] == {"report_only": 1}
    assert metrics["total_bytes_transferred"] == 0 + 1 + 2 + 4 + 5 + 3

    entries, batches = run["xcom"]["entries"], run["xcom"]["batches"]
    assert run["returned"] == {**metrics, "entries": entries, "batches": batches}
    assert [(one["entry"], one["files_copied_successfully"]) for one in entries] == [
        ("prefixes[0]", 5),
        ("prefixes[1]", 1),
    ]
    kinds = metrics["requests_by_kind"]
    assert kinds["CopyObject"] == 6
    for parts in (entries, batches):
        assert sum(one["requests_by_kind"].get("CopyObject", 0) for one in parts) == 6
    assert sum(sum(one["requests_by_kind"].values()) for one in entries) == metrics["requests"]

    completed = [line for line in run["events"] if line["event"] == "operation completed"]
    assert [{k: v for k, v in line.items() if k not in {"event", "level"}} for line in completed] == [metrics]
    assert_statsd_agrees(reported.statsd, metrics)
    assert [event["uri"] for event in run["asset_events"]] == [
        f"s3://{sides.destination_bucket}/copy/{entry}" for entry in "ab"
    ]
    for event in run["asset_events"]:
        assert_asset_event_agrees(event, metrics)
    assert_lineage(reported.lineage, sides)


def assert_lineage(events: list[dict[str, Any]], sides: Sides) -> None:
    """The copy tasks read the source's prefixes and wrote the destination's, as OpenLineage names them."""
    copies = [
        event
        for event in events
        if event["job"]["name"].endswith(".copy_batch") and event["eventType"] == "COMPLETE"
    ]
    for side, bucket, place in (
        ("inputs", sides.source_bucket, "data"),
        ("outputs", sides.destination_bucket, "copy"),
    ):
        datasets = {(one["namespace"], one["name"]) for event in copies for one in event[side]}
        assert datasets == {(f"s3://{bucket}", f"{place}/{entry}") for entry in "ab"}
