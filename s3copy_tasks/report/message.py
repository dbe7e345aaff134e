"""What people are told of a run, as plain text: pure, and the same for every kind of recipient.

Keys and error texts are strangers' text: they are made printable here, and rendered as templates nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from s3copy_tasks.core.job import EffectiveJob, entries_of
from s3copy_tasks.core.text import printable
from s3copy_tasks.report.advice import advice

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
    """Which run it is about.

    Attributes:
        job: the job's name.
        run_id: Airflow's.
        places: what goes where, a line each.
        link: address of the run's page in Airflow, where it is known.
    """

    job: str
    run_id: str
    places: tuple[str, ...]
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: a line, a text, and the same for programs, in JSON types."""

    subject: str
    text: str
    facts: dict[str, Any]


def places_of(job: CopyJob | EffectiveJob) -> tuple[str, ...]:
    """Return what goes where: the first entries, and how many there are beyond."""
    entries = entries_of(job.prefixes, job.objects)
    shown = [
        f"{job.source}/{entry.source} > {job.destination}/{entry.destination}"
        for _, _, entry in entries[:_ENTRIES_SHOWN]
    ]
    more = len(entries) - len(shown)
    return (*shown, *([f"and {more:,} more"] if more else []))


def failed(run: Run, metrics: Mapping[str, Any] | None) -> Message:
    """Return what is said of a run that has failed.

    Args:
        run: which.
        metrics: of its summary; None where that was lost.
    """
    return _message(run, "failed", f"failed: {_reason(metrics)}", metrics, _mending(run, metrics))


def not_published(run: Run, metrics: Mapping[str, Any] | None) -> Message:
    """Return what is said of a run that has copied everything, and then could not tell its assets."""
    mending = ["The log of the task `publish` has the reason. Then clear that task."]
    return _message(run, "failed", "failed after the copies: its assets were not told", metrics, mending)


def succeeded(run: Run, metrics: Mapping[str, Any] | None) -> Message:
    """Return what is said of a run that did what it should."""
    copied = metrics["files_copied_successfully"] if metrics else 0
    words = f"{copied:,} of {_objects(metrics)} copied" if metrics and copied else "nothing to copy"
    if metrics and metrics.get("dry_run"):
        words = f"dry run, {metrics['files_skipped'].get('dry_run', 0):,} of {_objects(metrics)} to copy"
    if metrics and metrics["files_failed"]:
        words += f", {metrics['files_failed']:,} failed, as many as may"
    return _message(run, "success", f"succeeded: {words}", metrics, [])


def late(run: Run, after: timedelta, queued_at: str) -> Message:
    """Return what is said of a run that has not ended in time; it runs on."""
    subject = f"is late: not done {after} after it was queued"
    mending = (
        f"It was queued at {queued_at}, and runs on. See which task it is at: one that is queued waits for a "
        "slot of its pool, or for workers; the log of one that runs has its progress."
    )
    return _message(run, "late", subject, None, [mending])


def _message(
    run: Run, state: str, words: str, metrics: Mapping[str, Any] | None, mending: list[str]
) -> Message:
    lines = [*_heading(run), *(_counts(metrics) if metrics else []), *(_errors(metrics) if metrics else [])]
    if mending:
        lines += ["", "What to do:", *(f"- {one}" for one in mending)]
    facts: dict[str, Any] = {"state": state, "job": run.job, "run_id": run.run_id, "link": run.link}
    if metrics:
        facts["metrics"] = {**metrics, "errors": metrics["errors"][:_ERRORS_SHOWN]}
    return Message(
        subject=printable(f"s3copy {run.job[:_NAME_CHARACTERS_MAX]} {words}"),
        text="".join(f"{printable(line)}\n" for line in lines),
        facts=facts,
    )


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


def _errors(metrics: Mapping[str, Any]) -> Iterator[str]:
    shown = metrics["errors"][:_ERRORS_SHOWN]
    if shown:
        yield ""
        yield "First errors:"
        yield from (f"- {error[:_ERROR_CHARACTERS_MAX]}" for error in shown)
        more = sum(metrics["errors_by_code"].values()) - len(shown)
        if more > 0:
            yield f"- and {more:,} more"


def _reason(metrics: Mapping[str, Any] | None) -> str:
    """Return why a run has failed, in some words."""
    if metrics is None:
        return "its summary was lost"
    lost, unknown = metrics["files_failed"], metrics["files_unknown"]
    if lost and unknown:
        return f"{lost:,} failed and {unknown:,} unknown of {_objects(metrics)}"
    if lost or unknown:
        return f"{lost or unknown:,} of {_objects(metrics)}{' unknown' if unknown else ''}"
    codes = ", ".join(list(metrics["errors_by_code"])[:_CODES_SHOWN])
    return f"{codes}, nothing was copied" if not metrics["files_copied_successfully"] else codes


def _objects(metrics: Mapping[str, Any]) -> str:
    found = metrics["total_files_found"]
    return "1 object" if found == 1 else f"{found:,} objects"


def _mending(run: Run, metrics: Mapping[str, Any] | None) -> list[str]:
    """Return what to do, by the codes that are most frequent."""
    if metrics is None:
        return ["The log of the task `summarize` has the reason. Clear that task to have the numbers."]
    by_code = sorted(metrics["errors_by_code"].items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{code} ({count:,}): {advice(code, run.job)}" for code, count in by_code[:_CODES_SHOWN]]
