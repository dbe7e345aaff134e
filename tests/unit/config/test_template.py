"""Templates: a closed list of names, with the values that Airflow gives them."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest
from airflow.sdk.definitions._internal.templater import FILTERS

from s3copy_tasks.config.check.dates import RunDates, date_names
from s3copy_tasks.config.check.template import (
    DATE_NAMES,
    NAMES,
    UnknownNameError,
    names_in,
    refuse_missing_values,
    render,
)

LOGICAL_DATE = datetime(2026, 1, 31, 2, 30, tzinfo=UTC)
INTERVAL = (LOGICAL_DATE, LOGICAL_DATE + timedelta(days=1))
BY_HAND: dict[str, Any] = {
    "run_id": "manual__1",
    "params": {"force": False, "dry_run": False, "prefixes": []},
    "dag_run": RunDates(datetime(2026, 2, 1, 5, tzinfo=UTC)),
}
SCHEDULED = BY_HAND | date_names(LOGICAL_DATE, INTERVAL)
MOMENTS = {
    "UTC": LOGICAL_DATE,
    "microseconds": datetime(2026, 1, 31, 2, 30, 15, 123456, tzinfo=UTC),
    "half an hour off": datetime(2026, 1, 31, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "west": datetime(2026, 1, 31, 2, 30, tzinfo=timezone(-timedelta(hours=8))),
    "Airflow's own kind": pendulum.datetime(2026, 1, 31, 2, 30),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_airflows(name: str, moment: datetime) -> None:
    """Each of Airflow's date filters gives the text that Airflow gives."""
    text = render(f"{{{{ ds | {name} }}}}", {"ds": moment})  # whatever the name
    assert text == FILTERS[name](moment)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("name", FILTERS)
def test_date_names_are_airflows(name: str, moment: datetime) -> None:
    """`ds`, `ts` and their forms are Airflow's filters of the logical date in UTC."""
    dates = date_names(moment, (moment, moment))
    assert dates[name] == FILTERS[name](moment.astimezone(UTC))


def test_date_names_are_all_there() -> None:
    """A run with a logical date has every date name, and no other."""
    assert set(date_names(LOGICAL_DATE, INTERVAL)) == DATE_NAMES


RENDERED = {
    "no template": ("daily/", "daily/"),
    "a brace is not a template": ("a{b}/", "a{b}/"),
    "ds": ("daily/{{ ds }}/", "daily/2026-01-31/"),
    "ds_nodash": ("{{ ds_nodash }}", "20260131"),
    "ts": ("{{ ts }}", "2026-01-31T02:30:00+00:00"),
    "ts_nodash": ("{{ ts_nodash }}", "20260131T023000"),
    "ts_nodash_with_tz": ("{{ ts_nodash_with_tz }}", "20260131T023000+0000"),
    "start of the interval": ("{{ data_interval_start | ds }}", "2026-01-31"),
    "end of the interval": ("{{ data_interval_end | ds }}", "2026-02-01"),
    "strftime": ("{{ logical_date.strftime('%Y/%m') }}/", "2026/01/"),
    "run after": ("{{ dag_run.run_after | ds }}", "2026-02-01"),
    "run id": ("{{ run_id }}", "manual__1"),
    "params": ("{{ params.force }}", "False"),
    "params by a method": ("{{ params.get('force') }}", "False"),
    "names of its own": ("{% set x = ds %}{{ x }}", "2026-01-31"),
    "HTML stays": ("{{ '<&>' }}", "<&>"),
    "last line break stays": ("{{ ds }}\n", "2026-01-31\n"),
}


@pytest.mark.parametrize(("template", "expected"), RENDERED.values(), ids=RENDERED)
def test_rendered(template: str, expected: str) -> None:
    """A template's names stand for their values, and nothing else changes."""
    assert render(template, SCHEDULED) == expected


UNKNOWN = [
    "ti",
    "task",
    "var",
    "conn",
    "macros",
    "dag",
    "inlets",
    "execution_date",
    "yesterday_ds",
    "range",
    "dict",
    "lipsum",
    "cycler",
    "dag_run.conf",
    "params.region",
    "params.dryrun",
]


@pytest.mark.parametrize("name", UNKNOWN)
def test_names_outside_the_list_are_refused(name: str) -> None:
    """What may differ from task to task, or reach outside the run, is named together with what there is."""
    with pytest.raises(UnknownNameError, match=rf"^unknown name {name}\. Known names: dag_run.run_after, "):
        names_in(f"{{{{ {name} }}}}/")


def test_a_field_by_its_index_is_refused_as_well() -> None:
    """However a template writes it, a run has only the parameters that every job declares."""
    with pytest.raises(UnknownNameError, match=r"^unknown name params\.region\. .*params\.dry_run, "):
        names_in("{{ params['region'] }}/")
    assert names_in("{{ params['force'] }}/") == {"params"}


def test_every_name_of_the_list_is_known() -> None:
    """The list is what `names_in` lets through."""
    assert names_in(" ".join(f"{{{{ {name} }}}}" for name in sorted(NAMES))) == NAMES


@pytest.mark.parametrize("name", sorted(DATE_NAMES))
def test_a_run_without_logical_date_points_to_run_after(name: str) -> None:
    """A date name in a run that has none says what to use instead."""
    with pytest.raises(UnknownNameError, match=f"this run has no {name}.*Use dag_run.run_after"):
        render(f"x/{{{{ {name} }}}}/", BY_HAND)


OWN = {
    "set": ("{% set day = ds %}{{ day }}/", {"ds"}),
    "set in part": ("{% set a, b = ds, ts %}{{ a }}{{ b }}/", {"ds", "ts"}),
    "loop": ("{% for day in params.prefixes %}{{ loop.index }}{{ day }}{% endfor %}/", {"params"}),
    "macro": ("{% macro f(x) %}{{ x }}{% endmacro %}{{ f(ds) }}/", {"ds"}),
    "with": ("{% with day = ds %}{{ day }}{% endwith %}/", {"ds"}),
    "constants": ("{{ true }}{{ none }}{{ 1 }}/", set()),
    "text": ("daily/{ds}/", set()),
}


@pytest.mark.parametrize(("template", "names"), OWN.values(), ids=OWN)
def test_names_that_a_template_sets_are_its_own(template: str, names: set[str]) -> None:
    """Only what comes from outside has to be on the list."""
    assert names_in(template) == names


NO_FILTERS = {
    "filter": ("{{ ds | date }}", "unknown filter date. Date filters: ds, ds_nodash, ts,"),
    "filter of a block": ("{% filter shout %}{{ ds }}{% endfilter %}", "unknown filter shout"),
    "test": ("{{ ds is friday }}", "unknown filter friday"),
}


@pytest.mark.parametrize(("template", "words"), NO_FILTERS.values(), ids=NO_FILTERS)
def test_a_filter_that_there_is_not_is_refused(template: str, words: str) -> None:
    """A misspelt filter is found by `validate`, and not by the run."""
    with pytest.raises(UnknownNameError, match=words):
        names_in(template)


@pytest.mark.parametrize(
    "template", ["{{ 9 ** (9 ** 9) }}", "{{ 'a' * 9000000000 }}", "{{ 'a' | center(10 ** 10) }}"]
)
def test_nothing_is_evaluated_before_the_run(template: str) -> None:
    """To judge a template takes no longer than to read it: not even constants are worked out."""
    assert names_in(template) == set()


FAILING = {
    "undeclared param": ("{{ params.zone }}", "unknown name params.zone"),
    "undefined attribute": ("{{ ds.year }}", "year"),
    "wrong kind": ("{{ run_id | ds }}", "strftime"),
    "division by zero": ("{{ 1 / 0 }}", "division by zero"),
    "Python's inside": ("{{ ds.__class__.__mro__ }}", "unsafe"),
    "format with attributes": ("{{ '{0.__class__}'.format(ds) }}", "unsafe"),
    "deep": ("{{ " + "[" * 300 + "]" * 300 + " }}", "render|deep"),
}


@pytest.mark.parametrize(("template", "words"), FAILING.values(), ids=FAILING)
def test_a_template_that_fails_says_so(template: str, words: str) -> None:
    """A missing value is never rendered as nothing, and no failure escapes as another error."""
    with pytest.raises(UnknownNameError, match=words):
        render(template, SCHEDULED)


LACKS: dict[str, tuple[object, object, bool]] = {
    "a value": ("daily/{{ x }}/", "daily/2026/", False),
    "None": ("{{ x }}", "None", True),
    "None in a folder": ("daily/{{ x }}/", "daily/None/", True),
    "one of two": ("{{ x }}/{{ y }}", "a/None", True),
    "nothing": ("{{ x }}", "", True),
    "None of Python": ("{{ x }}", None, True),
    "a part of nothing": ("{{ 'full/' if x }}daily/", "daily/", False),
    "a folder with that name": ("None/{{ x }}/", "None/a/", False),
    "a name that begins alike": ("{{ x }}", "Nonesuch", False),
    "the output of another task": (object(), None, True),
    "its value": (object(), ["a"], False),
    "no template": ("None", "None", False),
    "no text": (None, None, False),
    "not our Jinja": ("{% do x %}{{ x }}", "None", False),
}


@pytest.mark.parametrize(("template", "rendered", "expected"), LACKS.values(), ids=LACKS)
def test_a_template_lacks_a_value(template: object, rendered: object, *, expected: bool) -> None:
    """An expression that rendered to None is found, whatever is around it; a literal None is a name."""
    refused = pytest.raises(
        UnknownNameError, match=r"^key: .* rendered to .*: a value that it uses is missing"
    )
    with refused if expected else nullcontext():
        refuse_missing_values({"key": template}, {"key": rendered})
