"""Reads the results of a run as their readers do, and compares them with its metrics."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

from s3copy_tasks.core.key_list import FAILED_COLUMNS, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.result_rows import COLUMNS
from s3copy_tasks.core.results_folder import find_results_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics

RESULTS = "the-results"
PLACE = ResultsPlace(location=Location(bucket=RESULTS), prefix="copies/")


def find_prefix(job: EffectiveJob, batches: Sequence[Batch]) -> str:
    """Return the prefix of a plan's results."""
    folder = find_results_folder(job, batches)
    assert folder is not None
    return folder.prefix


def read_rows(content: bytes) -> list[dict[str, str]]:
    """Return the rows of one object of results by column, with keys decoded."""
    header, *rows = csv.reader(gzip.decompress(content).decode("ascii").splitlines(), strict=True)
    assert tuple(header) == COLUMNS
    return [
        {name: unquote(cell, errors="surrogatepass") for name, cell in zip(header, row, strict=True)}
        for row in rows
    ]


def read_failed(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a list of failed objects by column, with keys decoded."""
    return [
        {
            column: unquote(cell, errors="surrogatepass")
            for column, cell in zip(FAILED_COLUMNS, row, strict=True)
        }
        for row in csv.reader(content.decode("ascii").splitlines(), strict=True)
    ]


def read_folder(objects: Mapping[str, bytes], prefix: str) -> list[dict[str, str]]:
    """Return the rows of all batches and of the plan."""
    return [
        row
        for key, content in sorted(objects.items())
        if key.startswith(prefix) and key.endswith(".gz")
        for row in read_rows(content)
    ]


def check_rows(rows: Iterable[Mapping[str, str]], metrics: TransferMetrics) -> None:
    """Fail the test unless rows have what the metrics count; nothing is known of what they do not know."""
    rows = list(rows)
    outcomes = Counter(row["outcome"] for row in rows)
    counted = {
        "copied": metrics.files_copied_successfully,
        "skipped": sum(metrics.files_skipped.values()),
        "failed": metrics.files_failed,
        "vanished": metrics.files_vanished,
    }
    assert outcomes == +Counter(counted), f"{outcomes} in rows, {counted} in metrics"
    by_reason = Counter((row["outcome"], row["reason"]) for row in rows)
    assert by_reason["copied", "earlier"] == metrics.files_copied_earlier
    assert {reason: count for (outcome, reason), count in by_reason.items() if outcome == "skipped"} == dict(
        metrics.files_skipped
    )
    failed = {reason: count for (outcome, reason), count in by_reason.items() if outcome == "failed"}
    errors = metrics.errors_encountered.by_code
    assert all(count <= errors[code] for code, count in failed.items()), f"{failed} in rows, {errors}"
    assert metrics.files_unknown or Counter(failed).total() == metrics.files_failed
    assert Counter(row["verified"] for row in rows)["true"] == metrics.files_verified
    copied = [int(row["size"]) for row in rows if row["outcome"] == "copied"]
    assert sum(copied) == metrics.total_bytes_transferred


def check_failed(rows: Iterable[Mapping[str, str]], metrics: TransferMetrics) -> None:
    """Fail the test unless a list of failed objects has those that the metrics name."""
    listed = Counter(row["key"] for row in rows)
    assert listed.total() == metrics.files_failed
    named = Counter(failure.key for failure in metrics.errors_encountered.first if failure.attempts)
    assert listed <= named, f"{listed} in the list, {named} in metrics"
