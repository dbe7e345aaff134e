"""Rules for one job that a schema can't express.

Documents that the schema refuses are checked, too: all problems are reported at once.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from s3copy_tasks.config.check.buckets import check_buckets
from s3copy_tasks.config.check.dates import parse_moment
from s3copy_tasks.config.check.document import find_entries, find_list, find_text
from s3copy_tasks.config.check.filters import check_filters
from s3copy_tasks.config.check.keys import check_keys
from s3copy_tasks.config.check.lists import MANIFEST, check_lists
from s3copy_tasks.config.check.mirror import check_mirror
from s3copy_tasks.config.check.queue import QUEUE
from s3copy_tasks.config.check.schedule import check_asset, resolve_cron
from s3copy_tasks.config.check.template import DATE_NAMES, UnknownNameError, names_in
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.hints import SHOWN_MAX, nearest
from s3copy_tasks.core.bucket_names import split_address
from s3copy_tasks.core.job import (
    Entries,
    find_bad_keys,
    find_overlaps,
    find_written_twice,
)
from s3copy_tasks.core.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from s3copy_tasks.config.read.place import Parts

_SINCE: Parts = ("filters", "modified_since")
_EXECUTOR: Parts = ("airflow", "executor")
_FORMER_POOL: Parts = ("transfer", "pool")


def check_rules(document: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong; values of a wrong type are skipped."""
    yield from _check_dates(document)
    yield from _check_assets(document)
    yield from _check_waking(document)
    yield from _of_templates(document)
    entries = find_entries(document)
    buckets = {side: find_text(document, (side, "bucket")) for side in ("source", "destination")}
    yield from check_buckets(document)
    yield from _check_entries(entries, buckets)
    yield from check_filters(document, entries, buckets["source"])
    yield from check_keys(entries, buckets)
    yield from check_lists(document, entries, buckets)
    yield from check_mirror(document, entries)
    yield from _check_former_pool(document)


def check_executor(document: dict[str, Any], executors: Iterable[str]) -> Iterator[Finding]:
    """Yield that the site does not have the job's executor.

    Airflow would report that as an error of the file that makes the Dags, and so stop all other jobs, too.
    """
    name, known = find_text(document, _EXECUTOR), sorted(executors)
    if name is not None and name not in known:
        near = nearest(name, known)
        hint = f" Did you mean {near!r}?" if near else ""
        words = (
            f"this Airflow has no executor {name[:SHOWN_MAX]!r}.{hint} Its option [core] executor has: "
            f"{', '.join(known)}"
        )
        yield Finding(parts=_EXECUTOR, code=Code.NOT_ALLOWED, message=words, suggestion=near)


def _check_former_pool(document: dict[str, Any]) -> Iterator[Finding]:
    """Yield that `transfer.pool` has another name, or that it is given beside that."""
    if find_text(document, _FORMER_POOL) is None:
        return
    if find_text(document, ("airflow", "pool")) is None:
        words = "this field has moved: write `pool` under `airflow`"
        yield Finding(parts=_FORMER_POOL, code=Code.DEPRECATED_FIELD, message=words, at_name=True)
        return
    words = (
        "`transfer.pool` is the former name of `airflow.pool`, and both are given: remove this one. "
        "If it comes from _defaults.yaml, move it to `airflow` there"
    )
    yield Finding(parts=_FORMER_POOL, code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)


def _check_dates(document: dict[str, Any]) -> Iterator[Finding]:
    zone, day, schedule = (find_text(document, (name,)) for name in ("timezone", "start_date", "schedule"))
    if zone is not None and not _is_zone(zone):
        words = f"{zone[:SHOWN_MAX]!r} is not an IANA time zone (examples: UTC, Europe/Berlin)"
        yield Finding(parts=("timezone",), code=Code.BAD_TIMEZONE, message=words)
    if day is not None and not _is_day(day):
        words = f"{day[:SHOWN_MAX]} is not a valid date"
        yield Finding(parts=("start_date",), code=Code.BAD_DATE, message=words)
    if schedule:
        try:
            resolve_cron(schedule)
        except ValueError as error:
            yield Finding(parts=("schedule",), code=Code.BAD_CRON, message=str(error))
    since = find_text(document, _SINCE)
    if since and "{" not in since:
        try:
            parse_moment(since, ZoneInfo("UTC"))
        except ValueError as error:
            yield Finding(parts=_SINCE, code=Code.BAD_DATE, message=str(error))


def _check_assets(document: dict[str, Any]) -> Iterator[Finding]:
    schedule = document.get("schedule")
    for index, uri in enumerate(find_list(schedule, "assets") if isinstance(schedule, dict) else []):
        try:
            check_asset(str(uri))
        except ValueError as error:
            yield Finding(parts=("schedule", "assets", index), code=Code.WRONG_FORM, message=str(error))


def _check_waking(document: dict[str, Any]) -> Iterator[Finding]:
    """Yield that a queue starts the job, and there is none."""
    schedule = document.get("schedule")
    by_queue = isinstance(schedule, dict) and schedule.get("queue") is True
    if by_queue and find_text(document, ("from", "queue")) is None:
        words = "needs `from.queue`, the queue whose messages start the job. Add it or write another schedule"
        yield Finding(parts=("schedule", "queue"), code=Code.MISSING_FIELD, message=words, at_name=True)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as Europe
        return False
    return True


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_templates(document: dict[str, Any]) -> Iterator[Finding]:
    by_assets = isinstance(document.get("schedule"), dict)
    has_queue = find_text(document, QUEUE) is not None
    for parts, template in _templates(document):
        try:
            names = names_in(template)
        except UnknownNameError as error:
            yield Finding(parts=parts, code=Code.BAD_TEMPLATE, message=str(error))
            continue
        if has_queue and names:
            words = (
                f"{', '.join(sorted(names))}: can't be used with `from.queue`, whose messages name objects "
                "of all days. Write what is the same in every run"
            )
            yield Finding(parts=parts, code=Code.BAD_TEMPLATE, message=words)
            continue
        dates = sorted(names & DATE_NAMES)
        if by_assets and dates:
            words = (
                f"{', '.join(dates)}: a run started by assets has no logical date. "
                "Use dag_run.run_after, such as {{ dag_run.run_after | ds }}"
            )
            yield Finding(parts=parts, code=Code.NO_LOGICAL_DATE, message=words)
        elif "{" in template:
            from s3copy_tasks.config.check.trial import SAMPLE_DAY, find_failure  # noqa: PLC0415 - slow

            failure = find_failure(template, _kind(parts), by_assets=by_assets)
            if failure is not None:
                words = f"fails in every run, such as that of {SAMPLE_DAY}: {failure}"
                yield Finding(parts=parts, code=Code.BAD_TEMPLATE, message=words)


def _kind(parts: Parts) -> str:
    """Return what a template renders to, as in `check_text`."""
    return {"prefixes": "prefix", "objects": "key", "from": "list"}.get(str(parts[0]), "modified_since")


def _templates(document: dict[str, Any]) -> Iterator[tuple[Parts, str]]:
    for field, index, entry in find_entries(document):
        yield (field, index, "source"), entry.source
        yield (field, index, "destination"), entry.destination
    manifest, since = find_text(document, MANIFEST), find_text(document, _SINCE)
    if manifest:
        yield MANIFEST, split_address(manifest)[1]
    if since:
        yield _SINCE, since


def _check_entries(entries: Entries, buckets: dict[str, str | None]) -> Iterator[Finding]:
    static = [one for one in entries if "{" not in one[2].source + one[2].destination]
    for field, index, entry in entries:
        for side in ("source", "destination"):
            if getattr(entry, side).startswith("s3://"):
                words = "the bucket is set above: write only the key, without s3:// or the bucket's name"
                yield Finding(parts=(field, index, side), code=Code.WRONG_FORM, message=words)
    for parts, words in find_bad_keys(static):
        yield Finding(parts=parts, code=Code.KEY_TOO_LONG, message=words)
    for parts, words in find_written_twice(entries):
        message = f"{words}. Give each its own destination"
        yield Finding(parts=parts, code=Code.WRITTEN_TWICE, message=message)
    source, destination = buckets["source"], buckets["destination"]
    if source and destination:
        first = set()
        for parts, words in find_overlaps(Location(bucket=source), Location(bucket=destination), entries):
            if parts not in first:
                first.add(parts)
                yield Finding(parts=parts, code=Code.FEEDS_ITSELF, message=words)
