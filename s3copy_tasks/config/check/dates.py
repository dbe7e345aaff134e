"""Dates in templates: the values of a run, the same and of the same types for every caller."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.template import DATE_FORMS
from s3copy_tasks.config.read.hints import SHOWN_MAX
from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from pendulum import DateTime


class RunDates:
    """`dag_run` in templates: it only has the time when the run became due."""

    def __init__(self, run_after: datetime) -> None:
        self._run_after = run_after

    @property
    def run_after(self) -> DateTime:
        """Of Airflow's type, in UTC."""
        return _to_airflows_type(self._run_after)


def run_names(
    *,
    run_id: str,
    run_after: datetime,
    params: Mapping[str, Any],
    logical_date: datetime | None = None,
    interval: tuple[datetime, datetime] | None = None,
) -> dict[str, Any]:
    """Return the names of a run with their values; every date is of Airflow's own type, in UTC.

    Args:
        run_id: names the run.
        run_after: when the run became due.
        params: what the run was started with.
        logical_date: None if the run has none, as one that assets started.
        interval: its data interval; only with a logical date.
    """
    names = {"run_id": run_id, "dag_run": RunDates(run_after), "params": dict(params)}
    return names if logical_date is None or interval is None else names | date_names(logical_date, interval)


def date_names(logical_date: datetime, interval: tuple[datetime, datetime]) -> dict[str, Any]:
    """Return the date names of a run as Airflow defines them, all in UTC and of Airflow's own type."""
    moment, start, end = map(_to_airflows_type, (logical_date, *interval))
    forms = {name: form(moment) for name, form in DATE_FORMS.items()}
    return {"logical_date": moment, "data_interval_start": start, "data_interval_end": end, **forms}


def _to_airflows_type(moment: datetime) -> DateTime:
    import pendulum  # noqa: PLC0415 - slow, and most configs are checked without it

    return pendulum.instance(moment).in_timezone("UTC")


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return a date at midnight in `zone`, or a time with its own zone.

    Raises:
        ValueError: it is neither, or it is a time without a zone.
    """
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=zone)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        examples = "2026-01-01 or 2026-01-01T02:00:00+00:00"
        msg = f"{text[:SHOWN_MAX]!r} is not a valid date or time (examples: {examples})"
        raise ValueError(msg) from None
    if moment.tzinfo is None:
        msg = f"{text!r} has no time zone. Write {text}Z or {text}+00:00"
        raise ValueError(msg)
    return moment


def check_text(field: str, text: str, zone: ZoneInfo) -> None:
    """Raise for a rendered text that its field can't have: `prefix`, `key`, `list` or `modified_since`.

    Raises:
        ValueError: a prefix does not end with "/", a list has no key or a long one, or a date is not valid.
    """
    if field == "modified_since":
        parse_moment(text, zone)
    elif field == "prefix" and text and not text.endswith("/"):
        msg = f"{text!r} does not end with '/' after rendering"
        raise ValueError(msg)
    elif field == "list" and not text:
        msg = "the key is empty after rendering"
        raise ValueError(msg)
    elif field == "list" and key_bytes(text) > KEY_BYTES_MAX:
        msg = f"{key_bytes(text)} bytes after rendering; an S3 key has at most {KEY_BYTES_MAX}"
        raise ValueError(msg)
