"""What the page shows of a job whose keys a queue names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.queue import MessageCounts
from s3copy_tasks.dag.xcom import dump
from s3copy_tasks.report.messages import report_messages

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="module")


def test_messages_of_a_run(show: Callable[..., str]) -> None:
    """What waited at the plan, what was received and deleted, how old the oldest was, and what is left."""
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415 - imports Airflow's models

    counts = MessageCounts(waiting=412, received=400, deleted=398, oldest_seconds=10_900.0, at_least=True)
    pushed = metrics(5, failed=2, queue=report_messages(counts), results="s3://ops-results/copies/")
    text = show("queue-1", state="failed", summarize__metrics=pushed)
    assert (
        "412 waited when the run was planned. At least 400 were received, the oldest after 3 h 01 min" in text
    )
    assert "and 398 deleted; 2 left , which come again." in text
    assert "2 failed. What failed is still in the queue, and comes again" in text
    assert "--manifest" not in text


def test_messages_of_a_dry_run(show: Callable[..., str]) -> None:
    """A dry run receives none."""
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415 - imports Airflow's models

    queue = report_messages(MessageCounts(waiting=412))
    text = show("queue-2", state="success", summarize__metrics=metrics(0, queue=queue, dry_run=True))
    assert "412 waited when the run was planned. A dry run receives none." in text


def test_messages_without_a_summary(show: Callable[..., str]) -> None:
    """While a run is under way, what the plan and the batches have pushed is added up."""
    from tests.support.airflow.page_rows import planned, reported  # noqa: PLC0415 - imports Airflow's models

    outside = TransferMetrics(operation_id="run", messages=MessageCounts(waiting=5))
    pushed = planned((0, 0), (0, 0)) | {
        "plan__outside": dump(outside, sparse=True),
        "copy_batch__metrics": {0: reported(2, messages=MessageCounts(received=3, deleted=2))},
    }
    text = show(
        "queue-3",
        state="running",
        seconds=None,
        states={"summarize": None},
        batches=[("success", 0, 9), ("running", 0, None)],
        **pushed,
    )
    assert "5 waited when the run was planned. 3 were received, and 2 deleted so far." in text
