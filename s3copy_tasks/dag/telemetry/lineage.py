"""Reports the prefixes that a task read and wrote to Airflow's lineage, which OpenLineage's provider reads.

If no reader of lineage is installed and enabled, nothing is reported, and nothing is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.config.check.schedule import asset_uri
from s3copy_tasks.dag.airflow_versions import hook_lineage_collector
from s3copy_tasks.dag.best_effort import warn_on_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.job import EffectiveJob, ObjectEntry, PrefixEntry


def report_lineage(job: EffectiveJob, entries: Iterable[PrefixEntry | ObjectEntry]) -> None:
    """Report the sources and the destinations of entries.

    Airflow keeps the first 100 of both (`[lineage] max_assets_per_collector`).
    """
    with warn_on_failure("lineage is not told"):
        collector = hook_lineage_collector()
        for entry in entries:
            collector.add_input_asset(job, uri=asset_uri(f"{job.source}/{entry.source}"))
            collector.add_output_asset(job, uri=asset_uri(f"{job.destination}/{entry.destination}"))


def list_entries(job: EffectiveJob) -> list[PrefixEntry | ObjectEntry]:
    """Return all entries of a job."""
    return [*job.prefixes, *job.objects]


def find_entries(job: EffectiveJob, ranges: Iterable[KeyRange]) -> Iterator[PrefixEntry | ObjectEntry]:
    """Yield the entries of ranges: whole prefixes, and the single objects that are in a range.

    The rows of a list may be of any entry.
    """
    if job.keys_from is not None:
        yield from list_entries(job)
        return
    prefixes: set[int] = set()
    for key_range in ranges:
        if key_range.entry is None:
            first = 0 if key_range.after is None else int(key_range.after) + 1
            yield from job.objects[first : int(key_range.through) + 1]
        elif key_range.entry not in prefixes:
            prefixes.add(key_range.entry)
            yield job.prefixes[key_range.entry]
