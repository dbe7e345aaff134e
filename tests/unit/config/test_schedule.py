"""Cron and data intervals: Airflow's own timetable is the oracle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.sdk import Asset
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.utils.dates import cron_presets
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from s3copy_tasks.config.check.schedule import (
    PRESETS,
    asset_uri,
    check_asset,
    first_run,
    interval_from,
    resolve_cron,
)

CRONS = {
    "daily at two": "0 2 * * *",
    "daily at half past two": "30 2 * * *",
    "daily at three": "0 3 * * *",
    "midnight": "@daily",
    "hourly": "@hourly",
    "every quarter of an hour": "*/15 * * * *",
    "every second hour": "0 */2 * * *",
    "every hour of the first": "0 * 1 * *",
    "weekly": "@weekly",
    "monthly": "@monthly",
    "working days": "15 6 * * mon-fri",
    "second Monday": "0 2 * * 1#2",
    "last day of the month": "0 2 L * *",
}
# Zones, and a day before their clocks change.
# Not Lord Howe with its half an hour: Airflow's timetable fails there itself.
CHANGES = {
    "none": ("UTC", (2026, 3, 28)),
    "none, half an hour off": ("Asia/Kolkata", (2026, 3, 28)),
    "Berlin, an hour skipped": ("Europe/Berlin", (2026, 3, 28)),
    "Berlin, an hour twice": ("Europe/Berlin", (2026, 10, 24)),
    "New York, an hour skipped": ("America/New_York", (2026, 3, 7)),
    "New York, an hour twice": ("America/New_York", (2026, 10, 31)),
    "Santiago, midnight skipped": ("America/Santiago", (2026, 9, 5)),
}
MOVED_CRONS = [
    "@hourly",
    "@daily",
    "0 */2 * * *",
    "30 2 * * *",
    "0 2 * * *",
    "30 1 * * *",
]
if Version(version("apache-airflow-core")) < Version("3.4.0b1"):  # since then each has a run of its own
    MOVED_CRONS += ["*/20 1-3 * * *", "15,45 0,2 * * *"]  # several ticks in the hour that is skipped
RUNS = {"@hourly": 30, "*/15 * * * *": 120}


def plain(interval: DataInterval) -> tuple[datetime, datetime]:
    return datetime.fromtimestamp(interval.start.timestamp(), UTC), datetime.fromtimestamp(
        interval.end.timestamp(), UTC
    )


def airflow_intervals(
    cron: str, zone: str, first_day: tuple[int, int, int], count: int
) -> list[tuple[datetime, datetime]]:
    """Return the intervals of the runs that Airflow's scheduler makes from a day on."""
    timetable = CronDataIntervalTimetable(resolve_cron(cron), timezone=zone)
    restriction = TimeRestriction(earliest=pendulum.datetime(*first_day), latest=None, catchup=True)
    intervals: list[DataInterval] = []
    for _ in range(count):
        run = timetable.next_dagrun_info(
            last_automated_data_interval=intervals[-1] if intervals else None, restriction=restriction
        )
        assert run is not None
        assert run.data_interval is not None
        intervals.append(run.data_interval)
    return [plain(interval) for interval in intervals]


@pytest.mark.parametrize(("zone", "first_day"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("cron", CRONS.values(), ids=CRONS)
def test_interval_is_that_of_airflows_scheduled_run(
    cron: str, zone: str, first_day: tuple[int, int, int]
) -> None:
    """A logical date has the data interval that Airflow's scheduler gives it, also where clocks change."""
    expected = airflow_intervals(cron, zone, first_day, RUNS.get(cron, 4))
    assert [interval_from(start, cron, ZoneInfo(zone)) for start, _ in expected] == expected


@pytest.mark.parametrize(("zone", "first_day"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("cron", CRONS.values(), ids=CRONS)
def test_intervals_follow_one_another(cron: str, zone: str, first_day: tuple[int, int, int]) -> None:
    """Each interval begins where the one before ended and is never empty: no object falls between runs."""
    ends = [datetime(*first_day, tzinfo=ZoneInfo(zone))]
    for _ in range(RUNS.get(cron, 4)):
        ends.append(interval_from(ends[-1], cron, ZoneInfo(zone))[1])
    assert all(start < end for start, end in pairwise(ends[1:]))


def test_the_example_of_two_o_clock_covers_a_whole_day() -> None:
    """The run of 02:00 covers 24 hours from its logical date on."""
    logical_date = datetime(2026, 1, 31, 2, tzinfo=UTC)
    assert interval_from(logical_date, "0 2 * * *", ZoneInfo("UTC")) == (
        logical_date,
        datetime(2026, 2, 1, 2, tzinfo=UTC),
    )


def test_without_a_schedule_the_interval_is_empty() -> None:
    """A job by hand has an interval that begins and ends at its logical date."""
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    assert interval_from(moment, None, ZoneInfo("UTC")) == (moment, moment)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_mean_what_airflow_says(preset: str) -> None:
    """A preset is the cron that Airflow takes it for."""
    assert PRESETS[preset] == cron_presets[preset]


def test_every_preset_of_airflow_is_known() -> None:
    """What works as `schedule=` in a Dag works in a config."""
    assert set(PRESETS) == set(cron_presets)


BAD_CRONS = {
    "empty": ("", "five fields"),
    "four fields": ("0 2 * *", "five fields"),
    "six fields, Quartz has seconds first": ("0 0 2 * * *", "five fields"),
    "random": ("R 2 * * *", "five fields"),
    "hashed": ("H 2 * * *", "not a valid cron expression"),
    "hour 25": ("0 25 * * *", "not a valid cron expression"),
    "step zero": ("*/0 * * * *", "not a valid cron expression"),
    "words": ("every day at two sharp", "not a valid cron expression"),
    "a day that never occurs": ("0 0 31 2 *", "never runs"),
    "unknown preset": ("@once", "@daily"),
    "without end": ("1," * 5000 + "1 * * * *", "more than 200 characters"),
}


@pytest.mark.parametrize(("schedule", "words"), BAD_CRONS.values(), ids=BAD_CRONS)
def test_bad_cron_is_refused(schedule: str, words: str) -> None:
    """What is not cron, or would not mean what it seems to, is refused with a message."""
    with pytest.raises(ValueError, match=words):
        resolve_cron(schedule)


@settings(max_examples=100)
@given(st.text(alphabet="0123456789*/-,#LlHhRrmonfri@ ?wW()", max_size=30))
def test_any_text_is_cron_or_refused(schedule: str) -> None:
    """No text makes the check itself fail, and what passes has a next tick."""
    try:
        cron = resolve_cron(schedule)
    except ValueError:
        return
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert interval_from(start, cron, ZoneInfo("UTC"))[1] > start


@pytest.mark.parametrize(
    ("day", "schedule", "zone", "logical_date"),
    [
        pytest.param("2026-01-31", "0 2 * * *", "UTC", "2026-01-31T02:00:00+00:00", id="day"),
        pytest.param("2026-01-31T02:00Z", "0 2 * * *", "UTC", "2026-01-31T02:00:00+00:00", id="tick"),
        pytest.param("2026-01-31T03:00Z", "0 2 * * *", "UTC", "2026-02-01T02:00:00+00:00", id="later"),
        pytest.param("2026-01-31", "0 2 * * *", "Asia/Tokyo", "2026-01-31T02:00:00+09:00", id="zone"),
        pytest.param("2026-01-31", None, "Asia/Tokyo", "2026-01-31T00:00:00+00:00", id="none"),
    ],
)
def test_a_day_stands_for_its_run(day: str, schedule: str | None, zone: str, logical_date: str) -> None:
    """A date on the command line means the run that the schedule has on that day."""
    found = first_run(datetime.fromisoformat(day), schedule, ZoneInfo(zone))
    assert found == datetime.fromisoformat(logical_date)


@cache
def chain(cron: str, zone: str, first_day: tuple[int, int, int]) -> list[datetime]:
    """Return the logical dates of Airflow's runs around a day, from some days before it."""
    day = datetime(*first_day, tzinfo=UTC)
    start = day - timedelta(days=2)
    count = 24 * 7 if cron == "@hourly" else 60
    runs = airflow_intervals(cron, zone, (start.year, start.month, start.day), count)
    return [begin for begin, _ in runs if day <= begin < day + timedelta(days=4)]


@pytest.mark.parametrize(("zone", "first_day"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("cron", MOVED_CRONS)
def test_a_tick_stands_for_its_own_run(cron: str, zone: str, first_day: tuple[int, int, int]) -> None:
    """A run's own logical date finds that run, also where a clock change moved or repeated it."""
    ticks = chain(cron, zone, first_day)
    assert ticks
    assert [first_run(tick, cron, ZoneInfo(zone)) for tick in ticks] == ticks


@settings(max_examples=60, deadline=None)
@given(
    change=st.sampled_from(sorted(CHANGES)),
    cron=st.sampled_from(MOVED_CRONS),
    minutes=st.integers(0, 2 * 24 * 60),
    seconds=st.sampled_from([0, 1, 59]),
)
def test_a_moment_stands_for_airflows_next_run(change: str, cron: str, minutes: int, seconds: int) -> None:
    """Any moment around a clock change finds the first of Airflow's runs at or after it."""
    zone, first_day = CHANGES[change]
    moment = datetime(*first_day, tzinfo=UTC) + timedelta(minutes=minutes, seconds=seconds)
    expected = next(tick for tick in chain(cron, zone, first_day) if tick >= moment)
    assert first_run(moment, cron, ZoneInfo(zone)) == expected


WALL_CLOCK = {
    "skipped": ("30 2 * * *", "2026-03-29T02:30", "2026-03-29T01:30+00:00"),
    "repeated": ("30 2 * * *", "2026-10-25T02:30", "2026-10-25T01:30+00:00"),
    "repeated, first pass of an hourly job": ("@hourly", "2026-10-25T02:00", "2026-10-25T00:00+00:00"),
    "repeated, second pass by its offset": ("@hourly", "2026-10-25T02:00+01:00", "2026-10-25T01:00+00:00"),
}


@pytest.mark.parametrize(("cron", "written", "logical_date"), WALL_CLOCK.values(), ids=WALL_CLOCK)
def test_a_time_on_the_clock_stands_for_the_run_of_that_day(
    cron: str, written: str, logical_date: str
) -> None:
    """A time that a clock change skipped or repeated means the run that the schedule has in its place."""
    found = first_run(datetime.fromisoformat(written), cron, ZoneInfo("Europe/Berlin"))
    assert found == datetime.fromisoformat(logical_date)


SCHEMES = ["s3", "airflow", "file", "gs", "postgres", "x-y", "http", "a+b"]
RESTS = [
    "bucket/daily",
    "/",
    "//",
    "/daily",
    "b",
    "日次/é",
    "a b",
    "[",
    "?x=1",
    "%zz",
    "user@host:80/x",
    "é" * 300,
]


@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_asset_is_refused_where_airflow_would_refuse_it(scheme: str, rest: str) -> None:
    """Airflow's own class is the oracle: what it raises for would take all jobs of the file away."""
    text = f"{scheme}://{rest}"
    try:
        Asset(name=asset_uri(text), uri=asset_uri(text))
    except ValueError:
        with pytest.raises(ValueError, match=r"airflow://|has no bucket|has 1,8.. characters"):
            check_asset(text)
    else:
        check_asset(text)


@given(scheme=st.from_regex("[a-z][a-z0-9+]{0,6}", fullmatch=True), rest=st.text(min_size=1, max_size=200))
def test_any_asset_that_passes_is_one_of_airflow(scheme: str, rest: str) -> None:
    """Whatever a URI holds, Airflow takes what the check lets through."""
    text = f"{scheme}://{rest.encode('utf-8', 'replace').decode()}"
    try:
        check_asset(text)
    except ValueError:
        return
    assert Asset(name=asset_uri(text), uri=asset_uri(text)).uri
