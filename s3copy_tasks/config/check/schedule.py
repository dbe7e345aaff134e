"""What starts a job: cron, by the library that Airflow uses, and assets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_FIELDS = 5
ASSET_CHARACTERS_MAX = 1500
_URI_CHARACTERS = "/=@:+,&'()*!$;~%"
_CHARACTERS_MAX = 200
_BEFORE_A_CHANGE = timedelta(hours=26)
"""Longer than any clock change: Samoa skipped a whole day."""


@lru_cache(maxsize=4096)
def resolve_cron(schedule: str) -> str:
    """Return the cron expression of a schedule.

    Raises:
        ValueError: it is neither cron nor a preset.
    """
    if len(schedule) > _CHARACTERS_MAX:
        msg = f'cron of more than {_CHARACTERS_MAX} characters. Write five fields, such as "0 2 * * *"'
        raise ValueError(msg)
    if schedule.startswith("@"):
        if schedule not in PRESETS:
            msg = f"unknown preset {schedule!r}. Known presets: {', '.join(PRESETS)}"
            raise ValueError(msg)
        return PRESETS[schedule]
    fields = schedule.split()
    if len(fields) != _FIELDS or any(field[0] in "rR" for field in fields):  # R is croniter's random
        fields_are = "five fields (minute, hour, day, month, weekday)"
        msg = f'{schedule!r} is not a valid cron expression. Write {fields_are}, such as "0 2 * * *"'
        raise ValueError(msg)
    from croniter import croniter  # noqa: PLC0415 - slow, and many jobs have no cron
    from croniter.croniter import CroniterBadDateError, CroniterError  # noqa: PLC0415

    try:
        croniter(schedule, datetime(2000, 1, 1)).get_next()  # noqa: DTZ001 - any: does it ever come?
    except CroniterBadDateError:
        msg = f"{schedule!r} never runs: no year has such a date"
        raise ValueError(msg) from None
    except (CroniterError, ValueError, LookupError) as error:
        msg = f'{schedule!r} is not a valid cron expression: {error}. Write five fields, such as "0 2 * * *"'
        raise ValueError(msg) from None
    return schedule


def asset_uri(text: str) -> str:
    """Return an asset's URI, which is also its name, without a slash at the end, as Airflow stores it."""
    scheme, _, rest = text.partition("://")
    return f"{scheme}://{quote(rest.rstrip('/'), safe=_URI_CHARACTERS)}"


def check_asset(text: str) -> None:
    """Raise for a URI that Airflow refuses: Airflow would refuse all jobs of the file with it.

    Raises:
        ValueError: it is not a valid URI of an asset.
    """
    uri = asset_uri(text)
    if uri.startswith("airflow:"):
        msg = "airflow:// is reserved for Airflow. Write the URI of a place, such as s3://bucket/prefix"
        raise ValueError(msg)
    if uri == "s3://" or uri.startswith("s3:///"):
        msg = "has no bucket. Write s3://bucket/prefix"
        raise ValueError(msg)
    if len(uri) > ASSET_CHARACTERS_MAX:
        msg = f"has {len(uri):,} characters after encoding; Airflow allows {ASSET_CHARACTERS_MAX:,}"
        raise ValueError(msg)


def first_run(day: datetime, schedule: str | None, zone: ZoneInfo) -> datetime:
    """Return the logical date of the first run at or after a moment.

    A moment without a zone is in the schedule's zone. Without a schedule, the moment itself is returned, by
    default in UTC.

    Runs follow from one another: where a clock change moves or repeats one, only the run before it says when.
    """
    if schedule is None:
        return day if day.tzinfo else day.replace(tzinfo=UTC)
    moment = day if day.tzinfo else day.replace(tzinfo=zone)
    run = moment.astimezone(UTC) - _BEFORE_A_CHANGE
    while run < moment:
        run = _find_next_run(run, schedule, zone)
    return run


def _find_next_run(run: datetime, schedule: str, zone: ZoneInfo) -> datetime:
    """Return the run after another: where its interval ends, or the last tick if clocks skip several."""
    end = _find_tick(run, schedule, zone)
    last = _find_tick(end, schedule, zone, back=True)
    return end if last <= run or _find_tick(last, schedule, zone) == end else last


def interval_from(logical_date: datetime, schedule: str | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the data interval of a run: from its logical date to the next tick of the schedule.

    When clocks change, it is the same as Airflow's: an hourly cron runs twice in the repeated hour; any other
    cron runs in the second pass, and an hour later if its hour is skipped. Without a schedule the interval
    is empty, as in a manual run.
    """
    if schedule is None:
        return logical_date, logical_date
    return logical_date, _find_tick(logical_date, schedule, zone)


def _find_tick(moment: datetime, schedule: str, zone: ZoneInfo, *, back: bool = False) -> datetime:
    """Return the tick of a schedule that follows a moment, or precedes it, as Airflow's timetable does."""
    from croniter import croniter  # noqa: PLC0415 - as above

    wall = moment.astimezone(zone).replace(tzinfo=None)
    cron = croniter(resolve_cron(schedule), wall)
    tick = cron.get_prev(datetime) if back else cron.get_next(datetime)
    if cron.expanded[1] == ["*"]:
        return moment.astimezone(UTC) + (tick - wall)
    return max(tick.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
