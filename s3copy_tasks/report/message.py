"""The messages about a run, as plain text: pure, and the same for every kind of recipient.

Keys and error texts are untrusted input: they are made printable here, and never rendered as templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from s3copy_tasks.core.job import EffectiveJob, list_entries
from s3copy_tasks.core.text import printable
from s3copy_tasks.report.advice import advise, advise_rerun
from s3copy_tasks.report.deletion_words import (
    advise_deletes,
    count_deletes,
    explain_failed_deletes,
    summarize_deletes,
)
from s3copy_tasks.report.messages import count_messages, count_waiting, describe_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from s3copy_tasks.config.job import CopyJob

_ERRORS_SHOWN = 5
_ENTRIES_SHOWN = 3
_CODES_SHOWN = 3
_ERROR_CHARACTERS_MAX = 500
_NAME_CHARACTERS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run that a message is about.

    Attributes:
        job: the job's name.
        run_id: Airflow's.
        places: what is copied where, a line for each entry.
        link: address of the run's page in Airflow, if it is known.
    """

    job: str
    run_id: str
    places: tuple[str, ...]
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: a subject, a text, and the same as JSON types for programs."""

    subject: str
    text: str
    facts: dict[str, Any]


def describe_places(job: CopyJob | EffectiveJob) -> tuple[str, ...]:
    """Return what is copied where: the first entries, and how many more there are."""
    entries = list_entries(job.prefixes, job.objects)
    shown = [
        f"{job.source}/{entry.source} > {job.destination}/{entry.destination}"
        for _, _, entry in entries[:_ENTRIES_SHOWN]
    ]
    more = len(entries) - len(shown)
    return (*shown, *([f"and {more:,} more"] if more else []))


def describe_failure(run: Run, metrics: Mapping[str, Any] | None) -> Message:
    """Return the message about a run that has failed.

    Args:
        run: the run.
        metrics: of its summary; None if that was lost.
    """
    return _message(run, "failed", f"failed: {_reason(metrics)}", metrics, _advise(run, metrics))


def describe_unpublished(run: Run, metrics: Mapping[str, Any] | None) -> Message:
    """Return the message about a run that copied everything and then could not emit its asset events."""
    actions = ["The log of the task `publish` has the reason. Then clear that task."]
    return _message(run, "failed", "failed after copying: no asset event was emitted", metrics, actions)


def describe_success(run: Run, metrics: Mapping[str, Any] | None) -> Message:
    """Return the message about a run that succeeded."""
    copied = metrics["files_copied_successfully"] if metrics else 0
    words = f"{copied:,} of {_objects(metrics)} copied" if metrics and copied else "nothing to copy"
    if metrics and metrics.get("dry_run") and metrics.get("queue"):
        words = "dry run"  # it receives nothing
    elif metrics and metrics.get("dry_run"):
        words = f"dry run, {metrics['files_skipped'].get('dry_run', 0):,} of {_objects(metrics)} to copy"
    deletions = metrics and metrics.get("deletions")
    deleted = summarize_deletes(deletions) if deletions else ""
    words += f", {deleted}" if deleted else ""
    if metrics and metrics["files_failed"]:
        words += f", {metrics['files_failed']:,} failed, within the limit"
    return _message(run, "success", f"succeeded: {words}", metrics, _advise_rerun(run, metrics))


def describe_lateness(run: Run, after: timedelta, queued_at: str) -> Message:
    """Return the message about a run that has not ended in time; it is still running."""
    subject = f"is late: not finished {after} after it was queued"
    action = (
        f"It was queued at {queued_at}, and is still running. Check its tasks: a queued task waits for a "
        "slot in its pool or for a worker; the log of a running task shows its progress."
    )
    return _message(run, "late", subject, None, [action])


def _message(
    run: Run, state: str, words: str, metrics: Mapping[str, Any] | None, actions: list[str]
) -> Message:
    lines = [*_heading(run), *(_counts(metrics) if metrics else []), *(_errors(metrics) if metrics else [])]
    if actions:
        lines += ["", "What to do:", *(f"- {action}" for action in actions)]
    facts: dict[str, Any] = {"state": state, "job": run.job, "run_id": run.run_id, "link": run.link}
    if metrics:
        facts["metrics"] = _shorten(metrics)
        if metrics.get("deletions"):
            facts["metrics"]["deletions"] = _shorten(metrics["deletions"])
    return Message(
        subject=printable(f"s3copy {run.job[:_NAME_CHARACTERS_MAX]} {words}{_waiting(metrics)}"),
        text="".join(f"{printable(line)}\n" for line in lines),
        facts=facts,
    )


def _shorten(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {**metrics, "errors": metrics["errors"][:_ERRORS_SHOWN]}


def _heading(run: Run) -> Iterator[str]:
    yield f"Job: {run.job}"
    yield f"Run: {run.run_id}"
    if run.link:
        yield f"Page: {run.link}"
    yield from (f"Copies: {place}" for place in run.places)


def _counts(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"Found: {metrics['total_files_found']:,}"
    size, seconds = decimal(metrics["total_bytes_transferred"]), metrics["duration_seconds"]
    yield f"Copied: {metrics['files_copied_successfully']:,} ({size} in {seconds:,.1f} s)"
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in metrics["files_skipped"].items())
    yield f"Skipped: {skipped or 0}"
    for name in ("failed", "vanished", "unknown"):
        yield f"{name.capitalize()}: {metrics[f'files_{name}']:,}"
    if metrics.get("results"):
        yield f"Results: {metrics['results']}"
    if metrics.get("deletions"):
        yield from count_deletes(metrics["deletions"])
    if metrics.get("queue"):
        yield from count_messages(metrics["queue"])


def _errors(metrics: Mapping[str, Any]) -> Iterator[str]:
    parts = [metrics, *filter(None, [metrics.get("deletions")])]
    shown = [error for part in parts for error in part["errors"]][:_ERRORS_SHOWN]
    if shown:
        yield ""
        yield "First errors:"
        yield from (f"- {error[:_ERROR_CHARACTERS_MAX]}" for error in shown)
        more = sum(count for part in parts for count in part["errors_by_code"].values()) - len(shown)
        if more > 0:
            yield f"- and {more:,} more"


def _reason(metrics: Mapping[str, Any] | None) -> str:
    """Return why a run has failed, in a few words."""
    if metrics is None:
        return "its summary was lost"
    failed, unknown = metrics["files_failed"], metrics["files_unknown"]
    if failed and unknown:
        return f"{failed:,} failed and {unknown:,} unknown of {_objects(metrics)}"
    if failed or unknown:
        return f"{failed or unknown:,} of {_objects(metrics)}{' unknown' if unknown else ''}"
    deletes = explain_failed_deletes(metrics["deletions"]) if metrics.get("deletions") else None
    if deletes is not None and not metrics["errors_by_code"]:
        return deletes
    codes = ", ".join(list(metrics["errors_by_code"])[:_CODES_SHOWN])
    return f"{codes}, nothing was copied" if not metrics["files_copied_successfully"] else codes


def _waiting(metrics: Mapping[str, Any] | None) -> str:
    """Return how many messages of a queue wait; empty if none do, or no queue names the keys."""
    queue = metrics.get("queue") if metrics else None
    return f"; {describe_waiting(queue)}" if queue and count_waiting(queue) else ""


def _objects(metrics: Mapping[str, Any]) -> str:
    found = metrics["total_files_found"]
    return "1 object" if found == 1 else f"{found:,} objects"


def _advise(run: Run, metrics: Mapping[str, Any] | None) -> list[str]:
    """Return what to do about the most frequent codes."""
    if metrics is None:
        return ["The log of the task `summarize` has the reason. Clear that task to get the numbers."]
    deletes = advise_deletes(metrics["deletions"], run.job) if metrics.get("deletions") else []
    return [*advise(metrics["errors_by_code"], run.job), *deletes, *_advise_rerun(run, metrics)]


def _advise_rerun(run: Run, metrics: Mapping[str, Any] | None) -> list[str]:
    """Return how to copy only the failed objects again, if there is a list of them."""
    if metrics is None:
        return []
    failed, has_queue = metrics["files_failed"], bool(metrics.get("queue"))
    rerun = advise_rerun(failed, metrics.get("results"), run.job, has_queue=has_queue)
    return [] if rerun is None else [rerun]
