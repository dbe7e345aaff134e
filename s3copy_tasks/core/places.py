"""Places of a job that must be apart because of its list or its results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.core.job import EffectiveJob, Entries, PrefixEntry, Where
    from s3copy_tasks.core.key_list import KeyList, ResultsPlace
    from s3copy_tasks.core.location import Location


class Clash(NamedTuple):
    """A list or results in a place that the job copies from or to.

    Attributes:
        field: of the job, `from` or `results`.
        is_read: the job would read what it writes; if not, it would write one place twice.
        words: what is wrong, and how to fix it.
    """

    field: str
    is_read: bool
    words: str


def find_ties(keys_from: KeyList | Queue | None, entries: Entries) -> Iterator[tuple[Where, str]]:
    """Yield the destination prefixes that are equal to or below another, where no listing names the keys.

    Its rows or events are not sorted, so no plan finds two that would write the same key: rule 25. Templates
    may be compared before they are rendered, as in `find_overlaps`.
    """
    if keys_from is None or keys_from.names_destinations:
        return
    what = f"two {keys_from.items} that write the same key would not be found"
    or_columns = "" if isinstance(keys_from, Queue) else ", or a list with the column `destination`"
    prefixes = sorted((entry.destination, index) for field, index, entry in entries if field == "prefixes")
    top: tuple[str, int] | None = None
    for destination, index in prefixes:
        if top is None or not destination.startswith(top[0]):
            top = destination, index
            continue
        relation = "equal to" if destination == top[0] else "below"
        words = (
            f"{destination!r} is {relation} the destination of prefixes[{top[1]}]: {what}. Choose "
            f"destinations that do not overlap{or_columns}"
        )
        yield ("prefixes", index, "destination"), words


def find_clashes(
    source: Location,
    destination: Location,
    entries: Entries,
    keys_from: KeyList | None = None,
    results: ResultsPlace | None = None,
) -> Iterator[Clash]:
    """Yield where a job would write its own list, or would read or write its own results.

    Templates may be compared before they are rendered: what is below a prefix then is so in every run.
    """
    if keys_from is not None and keys_from.location is not None:
        above = _find_prefix_above(keys_from.location, keys_from.key, destination, "destination", entries)
        if above is not None:
            words = (
                f"the list {keys_from} is below {above}, where the job may overwrite it. Keep it elsewhere"
            )
            yield Clash("from", is_read=True, words=words)
    if results is None:
        return
    above = _find_prefix_above(results.location, results.prefix, source, "source", entries)
    if above is not None:
        words = f"the results in {results} are below {above}: the job would copy them. Write them elsewhere"
        yield Clash("results", is_read=True, words=words)
    above = _find_prefix_above(results.location, results.prefix, destination, "destination", entries)
    if above is not None:
        words = f"the results in {results} are below {above}, among the copies. Write them elsewhere"
        yield Clash("results", is_read=False, words=words)


def find_unsafe_deletes(job: EffectiveJob) -> Iterator[str]:
    """Yield why a run must not delete as its mirror says; nothing for a run without a mirror.

    Its destinations were compared with its sources: `find_overlaps`.
    """
    mirror, results = job.mirror, job.results
    if mirror is None:
        return
    if job.keys_from is not None:
        yield "a run by a list does not know what the source no longer has"
    if not mirror.prefixes:
        yield "needs prefixes: only what is below a destination prefix can be extraneous"
    prefixes = map(_drop_folder, job.prefixes)
    if not ({*prefixes} <= {*mirror.prefixes} and {*job.objects} <= {*mirror.objects}):
        yield "lacks entries that the run copies: it would delete their copies"
    if mirror.delete_folder is not None:
        yield from _find_unsafe_folder(job, mirror.delete_folder, mirror.prefixes)
    if results is not None and results.location.bucket == job.destination.bucket:
        folder = results.name_folder(job.name)
        for entry in mirror.prefixes:
            if folder.startswith(entry.destination) or entry.destination.startswith(folder):
                yield (
                    f"would delete the job's own results in {results.location}/{folder}: they are not apart "
                    f"from {job.destination}/{entry.destination}. Write them elsewhere"
                )


def _find_unsafe_folder(job: EffectiveJob, folder: str, prefixes: Sequence[PrefixEntry]) -> Iterator[str]:
    if job.prefixes or job.objects or job.filters.include or job.filters.exclude:
        yield "a run that deletes a folder copies nothing, and has no filters"
    misplaced = explain_misplaced(folder, prefixes)
    if misplaced is not None:
        yield f"would delete {folder!r}: {misplaced}"


def explain_misplaced(folder: str, prefixes: Sequence[PrefixEntry]) -> str | None:
    """Return why a destination folder is not a part of what one of the prefixes writes; None if it is."""
    inside = next((entry.destination for entry in prefixes if entry.destination.startswith(folder)), None)
    if inside is not None:
        words = "it is" if inside == folder else f"it is above {inside!r},"
        return f"{words} a destination prefix of the job. Write a folder below one"
    if not any(entry.recursive and folder.startswith(entry.destination) for entry in prefixes):
        return (
            "it is not below a destination prefix of the job, or not below a recursive one. Write the whole "
            "prefix, as it is in the destination bucket"
        )
    return None


def _drop_folder(entry: PrefixEntry) -> PrefixEntry:
    """Return an entry without the folder that its run has appended."""
    source, destination = (prefix.removesuffix(entry.folder) for prefix in (entry.source, entry.destination))
    return replace(entry, source=source, destination=destination, folder="")


def _find_prefix_above(
    place: Location, key: str, bucket: Location, side: str, entries: Entries
) -> str | None:
    """Return the first prefix of a side that a key is below, with its field; None if there is none."""
    if place.bucket != bucket.bucket:
        return None
    for field, index, entry in entries:
        prefix = entry.source if side == "source" else entry.destination
        if field == "prefixes" and key.startswith(prefix):
            return f"{bucket}/{prefix}, the {side} of prefixes[{index}]"
    return None
