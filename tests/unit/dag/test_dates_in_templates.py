"""Dates in templates: an expression is valid in `validate`, on the command line and in a task, or in none."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk.api.datamodels._generated import DagRun

from s3copy_tasks.cli.rendering import effective_job
from s3copy_tasks.config.catalog import load_files
from s3copy_tasks.config.check.template import UnknownNameError, render
from s3copy_tasks.config.problem import Code
from s3copy_tasks.dag.tasks.preflight import template_names
from s3copy_tasks.errors import ConfigError
from tests.support.builders.documents import document, write

LOGICAL_DATE = datetime(2026, 1, 31, 2, tzinfo=UTC)
RUN_AFTER = datetime(2026, 2, 1, 2, tzinfo=UTC)
PARAMETERS = {"force": False, "dry_run": False, "prefixes": []}
DATES = ["logical_date", "data_interval_start", "data_interval_end", "dag_run.run_after"]
OPERATIONS = {
    "as it is": "",
    "subtract": ".subtract(days=1) | ds",
    "add": ".add(months=1, hours=3) | ts",
    "strftime": ".strftime('%Y/%m/%d')",
    "format": ".format('YYYY/MM/DD')",
    "in another zone": ".in_timezone('America/New_York') | ts",
    "in_tz": ".in_tz('Asia/Tokyo') | ds",
    "attribute": ".year ~ '-' ~ '%02d' % 7",
    "day of the week": ".day_of_week",
    "start of": ".start_of('month') | ds",
    "replace": ".replace(day=1) | ds_nodash",
    "to a date": ".to_date_string()",
    "isoformat": ".isoformat()",
    "date": ".date()",
    **{
        f"filter {name}": f" | {name}" for name in ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")
    },
}
OTHERS = {
    "a name that is text": "ds[:7].replace('-', '/')",
    "ts": "ts ~ ts_nodash ~ ts_nodash_with_tz ~ ds_nodash",
    "a choice": "'full' if params.force else ds",
    "a parameter": "params.dry_run ~ params.prefixes",
    "a parameter by its method": "params.get('zone', 'eu')",
    "run id": "run_id | length > 3",
    "a difference": "(logical_date - (data_interval_end - data_interval_start)) | ds",
    "two dates": "(data_interval_end - data_interval_start).days >= 0",
}
ASSET_DATES = {
    f"run_after {name}": f"dag_run.run_after{rest}"
    for name, rest in OPERATIONS.items()
    if "logical" not in rest
}
EXPRESSIONS = {f"{date} {name}": date + rest for date in DATES for name, rest in OPERATIONS.items()} | OTHERS
WRONG = {
    "method": "logical_date.minus(days=1) | ds",
    "argument": "logical_date.subtract(day=1) | ds",
    "text as a date": "ds.subtract(days=1)",
    "filter of a text": "ds | ts",
    "parameter": "params.region",
    "attribute of the run": "dag_run['conf']",
    "number": "logical_date.month / 0",
    "zone": "logical_date.in_timezone('Mars/Olympus') | ts",
}


def config(folder: Path, expression: str, **fields: Any) -> Path:
    entry = {"source": f"in/{{{{ {expression} }}}}/", "destination": "out/"}
    fields = {"schedule": "0 2 * * *", "prefixes": [entry]} | fields
    return write(folder, document(**fields))


def by_command_line(file: Path, logical_date: datetime | None) -> str:
    options = argparse.Namespace(
        job=str(file),
        config_dir=file.parent,
        logical_date=logical_date,
        prefix=[],
        manifest=None,
        folder=None,
    )
    return effective_job(options, dry_run=False).prefixes[0].source


def by_task(expression: str, logical_date: datetime | None) -> str:
    """Return what a task renders from the values that Airflow gives it."""
    dag_run = DagRun.model_construct(run_id="scheduled__1", run_after=RUN_AFTER, logical_date=logical_date)
    context: dict[str, Any] = {
        "run_id": "scheduled__1",
        "dag_run": dag_run,
    }
    if logical_date is not None:
        context["logical_date"] = pendulum.instance(logical_date)
        context["data_interval_start"] = pendulum.instance(logical_date)
        context["data_interval_end"] = pendulum.instance(logical_date + timedelta(days=1))
    return render(f"in/{{{{ {expression} }}}}/", template_names(context, PARAMETERS))


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_means_the_same_everywhere(tmp_path: Path, expression: str) -> None:
    """What `validate` takes renders on the command line and in a task, to the same text."""
    file = config(tmp_path, expression)
    assert load_files([file]).problems == ()
    text = by_task(expression, LOGICAL_DATE)
    if "run_after" not in expression:  # it is now on the command line
        assert by_command_line(file, LOGICAL_DATE) == text
    else:
        assert by_command_line(file, LOGICAL_DATE)


@pytest.mark.parametrize("expression", ASSET_DATES.values(), ids=ASSET_DATES)
def test_a_run_of_assets_has_run_after_with_the_same_methods(tmp_path: Path, expression: str) -> None:
    """Without a logical date, `dag_run.run_after` is a date like any other."""
    file = config(tmp_path, expression, schedule={"assets": ["s3://ops-granules/daily"]})
    assert load_files([file]).problems == ()
    assert by_task(expression, None)
    assert by_command_line(file, None)


@pytest.mark.parametrize("expression", WRONG.values(), ids=WRONG)
def test_what_fails_in_every_run_is_not_valid(tmp_path: Path, expression: str) -> None:
    """`validate` refuses, with the place, what the command line and a task refuse."""
    file = config(tmp_path, expression)
    (problem,) = load_files([file]).problems
    assert (problem.code, problem.path) == (Code.BAD_TEMPLATE, "prefixes[0].source")
    assert problem.line is not None
    with pytest.raises(UnknownNameError):
        by_task(expression, LOGICAL_DATE)
    with pytest.raises(ConfigError):
        by_command_line(file, LOGICAL_DATE)


@pytest.mark.parametrize("since", ["{{ ts_nodash }}", "{{ logical_date.strftime('%Y-%m') }}", "{{ run_id }}"])
def test_a_template_whose_text_is_not_valid_in_its_field_is_refused(tmp_path: Path, since: str) -> None:
    """The rendered text is checked as in a run."""
    file = config(tmp_path, "ds", filters={"modified_since": since})
    (problem,) = load_files([file]).problems
    assert (problem.code, problem.path) == (Code.BAD_TEMPLATE, "filters.modified_since")


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** (9 ** 9)",
        "'a' * 9000000000",
        "'a' | center(10 ** 10)",
        "'%999999999d' % 1",
        "'{:999999999}'.format(1)",
        "ds.zfill(999999999)",
        "logical_date.strftime('%999999999d')",
        "(logical_date - logical_date.subtract(years=1999)).range('seconds') | list | length",
        "ds" + ".replace('-', '--------------------')" * 50,
        "9999 * 9999 * 9999 * 9999 * 9999",
    ],
)
def test_a_trial_is_bounded(tmp_path: Path, expression: str) -> None:
    """A template that would take all time or memory is left to its run, which nothing has asked for yet."""
    assert load_files([config(tmp_path, expression)]).problems == ()


def test_a_trial_does_not_double_a_text(tmp_path: Path) -> None:
    """Assignments and loops are not rendered before the run."""
    bomb = "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}"
    loops = "{% for a in params %}" * 20 + "{% endfor %}" * 20
    for text in (bomb, loops):
        prefixes = [{"source": f"{text}/", "destination": "out/"}]
        assert load_files([write(tmp_path, document(prefixes=prefixes))]).problems == ()
