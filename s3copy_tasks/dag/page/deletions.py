"""Reads what a run of a mirror deleted, and why it kept the rest. Any key may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from s3copy_tasks.dag.page.reading import (
    ERRORS_SHOWN,
    add_up,
    read_address,
    read_count,
    read_counts,
    read_failures,
    read_texts,
)
from s3copy_tasks.dag.page.shapes import mapping, mappings

_COUNTS = ("deleted", "gone", "failed", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """What became of the objects that only the destination has.

    Attributes:
        destination: prefix of a group of entries; empty for a whole run.
        in_scope: objects of the destination that were compared; 0 if unknown.
        extraneous: of these, objects that no source has; of a run without a summary, those of the batches
            that reported.
        deleted: S3 confirmed it.
        gone: other clients or lost attempts have deleted them.
        kept: by reason.
        failed: S3 refused to delete them.
        unknown: their task reported nothing.
        at_least: whether more may be deleted, by an attempt that was lost.
        is_partial: whether these are only the batches that reported, because the summary is missing.
        refused: why nothing at all was deleted; empty if that was not refused.
        errors_by_code: exact counts.
        errors: the first errors as text, with keys.
        groups: of the run, by destination prefix.
        folder: that the run was to delete, whether a source has its objects or not; empty for other runs.
        results: address of the folder with a row for each object; empty if there is none.
    """

    destination: str = ""
    in_scope: int = 0
    extraneous: int = 0
    deleted: int = 0
    gone: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    unknown: int = 0
    at_least: bool = False
    is_partial: bool = False
    refused: str = ""
    errors_by_code: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    groups: tuple[Deletions, ...] = ()
    folder: str = ""
    results: str = ""

    @property
    def bad(self) -> int:
        """Objects that were to be deleted, and may still be there."""
        return self.failed + self.unknown


def parse_deletions(value: Any) -> Deletions | None:
    """Return the deletions in what `summarize` pushed; None if the job is not a mirror."""
    if not isinstance(value, dict):
        return None
    groups = tuple(_parse_counts(group) for group in mappings(value.get("groups")))
    return _parse_counts(value, groups)


def _parse_counts(value: Mapping[str, Any], groups: tuple[Deletions, ...] = ()) -> Deletions:
    refused, folder = value.get("refused"), value.get("delete_folder")
    return Deletions(
        destination=str(value.get("destination", "")),
        in_scope=read_count(value, "in_scope"),
        extraneous=read_count(value, "extraneous"),
        deleted=read_count(value, "deleted"),
        gone=read_count(value, "gone"),
        kept=read_counts(value, "kept"),
        failed=read_count(value, "failed"),
        unknown=read_count(value, "unknown"),
        at_least=value.get("at_least") is True,
        refused=refused if isinstance(refused, str) else "",
        errors_by_code=read_counts(value, "errors_by_code"),
        errors=read_texts(value.get("errors")),
        groups=groups,
        folder=folder if isinstance(folder, str) else "",
        results=read_address(value.get("results")),
    )


def add_up_deletions(verdict: Any, batches: Iterable[Any]) -> Deletions | None:
    """Return what a run without a summary has deleted; None if it has not come that far, or never deletes.

    Args:
        verdict: of `deletions`.
        batches: what the batches of deletes pushed as their metrics.
    """
    reported = [mapping(mapping(batch).get("metrics")) for batch in batches]
    reason = mapping(verdict).get("reason")
    if not reported and not isinstance(reason, str):
        return None
    groups = [mapping(group) for batch in reported for group in mapping(batch.get("groups")).values()]
    errors = [mapping(batch.get("errors")) for batch in reported]
    deleted, gone, failed, unknown = (sum(read_count(group, name) for group in groups) for name in _COUNTS)
    kept = add_up(read_counts(group, "kept") for group in groups)
    return Deletions(
        extraneous=deleted + gone + failed + unknown + sum(kept.values()),
        deleted=deleted,
        gone=gone,
        failed=failed,
        unknown=unknown,
        kept=kept,
        at_least=True in (mapping(batch.get("requests")).get("at_least") for batch in reported),
        is_partial=True,
        refused=reason if isinstance(reason, str) else "",
        errors_by_code=add_up(read_counts(each, "by_code") for each in errors),
        errors=tuple(error for each in errors for error in read_failures(each))[:ERRORS_SHOWN],
    )
