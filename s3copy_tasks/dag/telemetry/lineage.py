"""Tells Airflow's lineage which prefixes a task read and wrote; OpenLineage's provider takes it from there.

Nothing happens, and nothing is imported, where no reader of lineage is installed and switched on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.config.check.schedule import asset_uri
from s3copy_tasks.dag.airflow_versions import hook_lineage_collector
from s3copy_tasks.dag.best_effort import aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.job import EffectiveJob, ObjectEntry, PrefixEntry


def tell_lineage(job: EffectiveJob, entries: Iterable[PrefixEntry | ObjectEntry]) -> None:
    """Name the source and the destination of entries of a job.

    Airflow keeps the first 100 of each (`[lineage] max_assets_per_collector`).
    """
    with aside("lineage is not told"):
        collector = hook_lineage_collector()
        for entry in entries:
            collector.add_input_asset(job, uri=asset_uri(f"{job.source}/{entry.source}"))
            collector.add_output_asset(job, uri=asset_uri(f"{job.destination}/{entry.destination}"))


def everything(job: EffectiveJob) -> list[PrefixEntry | ObjectEntry]:
    """Return all entries of a job."""
    return [*job.prefixes, *job.objects]


def entries_of(job: EffectiveJob, ranges: Iterable[KeyRange]) -> Iterator[PrefixEntry | ObjectEntry]:
    """Yield the entries that ranges belong to; of the single objects those inside."""
    prefixes: set[int] = set()
    for one in ranges:
        if one.entry is None:
            first = 0 if one.after is None else int(one.after) + 1
            yield from job.objects[first : int(one.through) + 1]
        elif one.entry not in prefixes:
            prefixes.add(one.entry)
            yield job.prefixes[one.entry]
