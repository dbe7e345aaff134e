"""What the messages about a run say of a mirror's deletes, as plain text. Keys are untrusted input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.report.advice import advise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REFUSED = "; deletes nothing: "
"""Between the numbers of a refusal and its reasons: `delete/judge.py` writes it."""
COMES_BACK = "the source still has objects for this folder, so the next copy brings them back"
"""Said of a folder that is deleted."""
_OUTCOMES = {"gone": "Deleted by others", "failed": "Deletes failed", "unknown": "Deletes unknown"}


def summarize_deletes(deletions: Mapping[str, Any]) -> str:
    """Return what became of the extraneous objects of a run that succeeded; empty if there were none."""
    kept = deletions["kept"]
    parts = (
        (deletions["deleted"], "deleted"),
        (kept.get("dry_run", 0), "to delete"),
        (kept.get("report_only", 0), "extraneous"),
    )
    return ", ".join(f"{count:,} {words}" for count, words in parts if count)


def explain_failed_deletes(deletions: Mapping[str, Any]) -> str | None:
    """Return in a few words why a run has failed for its deletes; None if it has not."""
    if deletions["refused"] is not None:
        return f"deletes refused, {deletions['refused'].partition(_REFUSED)[0]}"
    failed, unknown = deletions["failed"], deletions["unknown"]
    if failed or unknown:
        parts = ((failed, "failed"), (unknown, "unknown"))
        words = " and ".join(f"{count:,} {name}" for count, name in parts if count)
        return f"deletes {words} of {deletions['extraneous']:,}"
    return f"deletes: {next(iter(deletions['errors_by_code']))}" if deletions["errors_by_code"] else None


def count_deletes(deletions: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines with the numbers of a mirror's run."""
    yield f"Extraneous: {deletions['extraneous']:,} of {deletions['in_scope']:,} at the destination"
    least = "at least " if deletions["at_least"] else ""
    yield f"Deleted: {least}{deletions['deleted']:,}"
    kept = ", ".join(f"{count:,} {reason}" for reason, count in deletions["kept"].items())
    if kept:
        yield f"Kept: {kept}"
    for name, words in _OUTCOMES.items():
        if deletions[name]:
            yield f"{words}: {deletions[name]:,}"
    if deletions["comes_back"]:
        yield f"Note: {COMES_BACK}"
    if deletions["results"]:
        yield f"Results of deletes: {deletions['results']}"


def advise_deletes(deletions: Mapping[str, Any], job: str) -> list[str]:
    """Return what to do about deletes that failed or were refused: the reasons of a refusal say it."""
    refused = (deletions["refused"] or "").partition(_REFUSED)[2]
    advice = advise(deletions["errors_by_code"], job)
    return [*([f"Nothing was deleted: {refused}"] if refused else []), *advice]
