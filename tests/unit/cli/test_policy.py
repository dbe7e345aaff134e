"""Which Airflow needs what in `s3copy policy`."""

from __future__ import annotations

import json
from pathlib import Path

import airflow
import pytest

from s3copy_tasks.cli import main
from s3copy_tasks.cli.policy import lists_uploads
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE
from tests.support.builders.documents import document, write


@pytest.mark.parametrize(
    ("installed", "expected"),
    [("3.0.6", True), ("3.2.1", True), ("3.3.0", False), ("3.3.0rc1", False), ("3.10.0", False)],
)
def test_uploads_are_listed_below_airflow_33(installed: str, expected: bool) -> None:  # noqa: FBT001
    """A right that a retry does not need is not printed."""
    assert lists_uploads(installed) is expected


def test_tasks_and_policies_agree() -> None:
    """What the tasks of the installed Airflow do is what the printed policies allow."""
    assert lists_uploads(airflow.__version__) is not HAS_TASK_STATE


def test_a_command_shows_the_warnings_of_its_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They go to stderr; the command does its work all the same."""
    file = write(tmp_path, document(filters={"exclude": ["/tmp/*"]}))
    assert main(["policy", str(file)]) == 0
    out, err = capsys.readouterr()
    assert f"{file}:11:5: warning: filters.exclude[0]: globs are matched below the prefix" in err
    assert json.loads(out)


def test_an_alias_has_no_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """IAM compares ARNs of access points: the command says that it can't print one for an alias."""
    file = write(tmp_path, document(source={"bucket": "ops-ew7gnfbyawesf3hyi2vk8ccvfs1ydusw2a-s3alias"}))
    assert main(["policy", str(file)]) == 0
    assert "-s3alias is an access point's alias: policies need its ARN" in capsys.readouterr().err
