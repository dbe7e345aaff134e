"""Cron, by the library that Airflow itself uses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from croniter import croniter
from croniter.croniter import CroniterError

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


def cron_of(schedule: str) -> str:
    """Return the cron expression of a schedule.

    Raises:
        ValueError: it is neither cron nor a preset.
    """
    if schedule.startswith("@"):
        if schedule not in PRESETS:
            msg = f"unknown preset {schedule!r}. Known are {', '.join(PRESETS)}"
            raise ValueError(msg)
        return PRESETS[schedule]
    try:
        croniter(schedule)
    except CroniterError as error:
        msg = f'{schedule!r} is not cron: {error}. Write five fields, such as "0 2 * * *"'
        raise ValueError(msg) from None
    return schedule


def interval_from(logical_date: datetime, schedule: str | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the data interval of a run: from its logical date to the next tick of the schedule.

    Without a schedule the interval is empty, as that of a run by hand is.
    """
    if schedule is None:
        return logical_date, logical_date
    local = logical_date.astimezone(zone)
    wall = croniter(cron_of(schedule), local.replace(tzinfo=None)).get_next(datetime)
    return logical_date, max(wall.replace(tzinfo=zone), local + timedelta(0))
