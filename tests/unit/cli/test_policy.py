"""Which Airflow needs what in `s3copy policy`."""

from __future__ import annotations

import airflow
import pytest

from s3copy_tasks.cli.policy import lists_uploads
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE


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
