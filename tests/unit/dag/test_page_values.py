"""How the page reads XComs, configs and import errors, without Airflow's database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.catalog import load_folder
from s3copy_tasks.config.show.report import as_text
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.dag.factory import format_import_error
from s3copy_tasks.dag.page import charts, detail, words
from s3copy_tasks.dag.page.adding import add_up_run
from s3copy_tasks.dag.page.batches import batches
from s3copy_tasks.dag.page.figures import Figures, parse_figures, parse_progress
from s3copy_tasks.dag.page.overview import State, find_state, overview
from s3copy_tasks.dag.page.problems import Effect, group_problems, parse_problems
from s3copy_tasks.dag.page.rows import Job, Run, Task
from s3copy_tasks.dag.page.settings import (
    describe_schedule,
    find_route,
    list_explained_settings,
    list_settings,
    read_config,
)
from s3copy_tasks.dag.page.shapes import plain
from s3copy_tasks.dag.xcom import dump
from tests.support.builders.documents import document, problems_of, write

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "total_files_found",
    "files_copied_successfully",
    "files_skipped",
    "requests",
    "errors",
    "errors_by_code",
    "errors_encountered",
    "latency_seconds",
    "duration_seconds",
    "objects_per_second",
    "copied",
    "of",
    "operation_id",
    "start_time",
    "end_time",
    "batch",
    "entry",
    "metrics",
    "progress",
    "values",
    "path",
    "origin",
]
PUSHED = st.dictionaries(st.sampled_from(NAMES), JSON)


def run(pk: int = 1, state: str = "success", **changes: Any) -> Run:
    values: dict[str, Any] = {
        "pk": pk,
        "dag_id": "s3copy__daily",
        "run_id": f"run{pk}",
        "kind": "scheduled",
        "state": state,
        "start": NOW - timedelta(minutes=5),
        "end": NOW,
        "due": NOW,
    }
    return Run(**values | changes)


def task(index: int, state: str, start: float | None, end: float | None) -> Task:
    times = [None if at is None else NOW + timedelta(seconds=at) for at in (start, end)]
    return Task(
        task_id="copy_batch",
        index=index,
        state=state,
        start=times[0],
        end=times[1],
        tries=1,
        label=f"label {index}",
    )


def job(name: str) -> Job:
    return Job(dag_id=f"s3copy__{name}", name=name, description="", is_paused=False, next_run=None)


def test_figures_of_the_summary() -> None:
    """What `summarize` pushes is shown as it is: counts, rates, sorted reasons, codes, cost."""
    figures = parse_figures(
        {
            "total_files_found": 20,
            "files_copied_successfully": 10,
            "files_skipped": {"excluded": 2, "unchanged": 6, "exists": 0},
            "files_failed": 1,
            "files_unknown": 1,
            "total_bytes_transferred": 5000,
            "duration_seconds": 4.0,
            "objects_per_second": 2.5,
            "bytes_per_second": 1250.0,
            "requests": 44,
            "requests_throttled": 3,
            "latency_seconds": {"p50": 0.04, "p95": None},
            "cost_usd": 0.01,
            "errors_by_code": {"AccessDenied": 1, "BatchLost": 1},
            "errors": ["a: AccessDenied"],
        }
    )
    assert figures is not None
    assert (figures.copied, figures.skips, figures.bad, figures.transferred) == (10, 8, 2, 5000)
    assert list(figures.skipped.items()) == [("unchanged", 6), ("excluded", 2)]
    assert (figures.objects_per_second, figures.bytes_per_second) == (2.5, 1250.0)
    assert (figures.requests, figures.throttled, figures.dollars) == (44, 3, 0.01)
    assert (figures.latency, figures.errors) == ({"p50": 0.04}, ("a: AccessDenied",))


def test_rates_of_older_runs_are_computed() -> None:
    """A run that pushed no rates still has some; a run of 0 seconds has none."""
    figures = parse_figures({"total_files_found": 8, "files_copied_successfully": 8, "duration_seconds": 4.0})
    assert figures is not None
    assert figures.objects_per_second == 2.0
    at_once = parse_figures({"total_files_found": 8, "files_copied_successfully": 8, "duration_seconds": 0.0})
    assert at_once is not None
    assert at_once.objects_per_second is None


def test_the_metrics_of_a_batch_are_read() -> None:
    """A batch pushes its metrics as XComs have them; zeros may be left out."""
    pushed = dump(
        TransferMetrics(
            operation_id="r",
            start_time=NOW,
            end_time=NOW + timedelta(seconds=2),
            total_files_found=3,
            files_copied_successfully=3,
        )
    )
    figures = parse_figures(pushed)
    assert figures is not None
    assert (figures.found, figures.copied, figures.seconds, figures.objects_per_second) == (3, 3, 2.0, 1.5)
    nothing = parse_figures({"operation_id": "r"})
    assert nothing is not None
    assert (nothing.found, nothing.copied, nothing.seconds) == (0, 0, None)


@given(value=JSON | PUSHED, other=JSON | PUSHED)
def test_any_value_is_tolerated(value: Any, other: Any) -> None:
    """An XCom of any shape raises no error: it may be older, newer, or of another origin."""
    parse_figures(value)
    parse_progress(value)
    list_explained_settings(value)
    detail.entries([value, other])
    pushed = {
        ("preflight", -1): {"metrics": value},
        ("plan", -1): {"return_value": [value, other], "outside": other, "metrics": other},
        ("copy_batch", 0): {"metrics": {"metrics": value}, "progress": other},
        ("copy_batch", 1): {"metrics": value, "progress": value},
    }
    for is_over in (True, False):
        figures = add_up_run(pushed, {0: "running", 1: "failed"}, is_over=is_over)
        shown = {"entries": value, "batches": [value, other], "config": other}
        row = detail.run_rows([run()], {1: figures} if figures else {}, NOW)[0]
        detail.run_view(row, [task(0, "running", 0, None)], shown, pushed, NOW)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, -(10**400)], ids=repr)
def test_a_number_out_of_range_counts_as_unknown(value: float) -> None:
    """One bad XCom can't break the page for its users."""
    names = (
        "total_files_found",
        "total_bytes_transferred",
        "duration_seconds",
        "bytes_per_second",
        "cost_usd",
    )
    found = parse_figures(
        {"operation_id": "r", "latency_seconds": {"p50": value}, **dict.fromkeys(names, value)}
    )
    assert found == Figures()


@given(serialized=JSON | st.fixed_dictionaries({"dag": st.fixed_dictionaries({"tasks": st.lists(JSON)})}))
def test_any_serialized_dag_is_tolerated(serialized: Any) -> None:
    """A Dag of another version may be serialized differently."""
    assert read_config(serialized) == {}


@given(config=st.dictionaries(st.sampled_from(["source", "prefixes", "schedule", "timezone"]), JSON))
def test_any_config_is_tolerated(config: dict[str, Any]) -> None:
    """A config of another version may have other fields."""
    find_route(config)
    describe_schedule(config)
    list_settings(config)


def test_json_text_is_read_without_building_classes() -> None:
    """Airflow may store a value as text; a dict that looks like one of its classes stays a dict."""
    assert plain('{"a": 1}') == {"a": 1}
    assert plain("no json") == "no json"
    assert plain('{"__classname__": "os.system"}') == {"__classname__": "os.system"}


def test_jobs_that_need_attention_come_first() -> None:
    """Failed, running, queued, success, never ran, each by name; a filter does not change the counts."""
    states = {"a": "success", "b": "failed", "c": None, "d": "running", "e": "failed", "f": "queued"}
    jobs = [job(name) for name in states]
    runs = {f"s3copy__{name}": run(state=state) for name, state in states.items() if state}
    assert "".join(one.name for one in overview(jobs, runs, None).jobs) == "bedfac"
    failed = overview(jobs, runs, State.FAILED)
    assert [one.name for one in failed.jobs] == ["b", "e"]
    assert (failed.total, failed.counts[State.SUCCESS]) == (6, 1)
    assert find_state(run(state="restarting")) is State.RUNNING


def test_a_job_without_a_config_is_only_shown_on_request() -> None:
    """It is counted by itself, whatever the state of its last run."""
    jobs = [job("a"), replace(job("b"), is_gone=True)]
    runs = {"s3copy__b": run(state="failed")}
    everything = overview(jobs, runs, None)
    assert [one.name for one in everything.jobs] == ["a"]
    assert (everything.total, everything.counts[State.FAILED], everything.counts[State.GONE]) == (1, 0, 1)
    assert [one.name for one in overview(jobs, runs, State.GONE).jobs] == ["b"]


def test_config_descriptions() -> None:
    """A row shows route and schedule of a job, also with objects, with assets and without a schedule."""
    config = {
        "source": {"bucket": "a"},
        "destination": {"bucket": "b"},
        "prefixes": [{"source": "x/", "destination": "y/"}],
        "objects": [{"source": "o", "destination": "p"}],
        "schedule": "0 2 * * *",
        "timezone": "Europe/Berlin",
    }
    route = find_route(config)
    assert route is not None
    assert (route.source, route.destination, route.more) == ("s3://a/x/", "s3://b/y/", 1)
    assert describe_schedule(config) == "0 2 * * * Europe/Berlin"
    assert describe_schedule(config | {"timezone": "UTC"}) == "0 2 * * *"
    assert describe_schedule({"schedule": None}) == "by hand"
    assert describe_schedule({"schedule": {"assets": ["s3://a/x"]}}) == "after s3://a/x"
    assert describe_schedule({"schedule": {"queue": True}}) == "when messages wait in its queue"
    assert ("prefixes[0].source", "x/") in [(one.path, one.value) for one in list_settings(config)]


def test_the_import_error_becomes_problems(tmp_path: Path) -> None:
    """Each problem has its file, place, text, code and lines; other errors have no problems."""
    file = write(tmp_path, "version: 2\nownr: x\n", "daily.yaml")
    problems = problems_of(file)
    trace = f"Traceback:\ns3copy_tasks.errors.ConfigError: X: invalid copy configs\n{as_text(problems)}"
    found = parse_problems(trace)
    assert [(one.file, one.code) for one in found] == [("daily.yaml", one.code) for one in problems]
    version = next(one for one in found if one.place == "1:10")
    assert version.words.startswith("version: must be 1")
    assert version.excerpt == ("     1 | version: 2", "       |          ^")
    assert parse_problems("ImportError: no module named x") == []


def test_a_problem_without_a_place_is_shown() -> None:
    """A folder that can't be read has no line."""
    (one,) = parse_problems(
        "invalid copy configs\n/a/b: the folder can't be read: No such file [file-unreadable]"
    )
    assert (one.file, one.place, one.excerpt) == ("b", "", ())


def test_problems_are_grouped_by_what_they_mean_for_the_job(tmp_path: Path) -> None:
    """A problem in a file takes its job away; jobs with a problem between them stay, as with a warning."""
    same = document(prefixes=[{"source": "x/", "destination": "y/"}])
    for name in ("twin_a", "twin_b"):
        write(tmp_path, same, f"{name}.yaml")
    write(tmp_path, "version: 2\n", "broken.yaml")
    text = format_import_error(load_folder(tmp_path).problems)
    groups = group_problems(parse_problems(f"{text}\n{tmp_path}/old.yaml:3:1: warning: x: use y [old-field]"))
    assert {effect: {one.file for one in group} for effect, group in groups.items()} == {
        Effect.NO_JOB: {"broken.yaml"},
        Effect.JOB_STAYS: {"twin_b.yaml"},
        Effect.WARNING: {"old.yaml"},
    }
    assert list(groups) == list(Effect)


def test_columns_end_at_the_right_and_scale_to_the_largest() -> None:
    """The latest is rightmost; the largest fills the height; small values are visible, zero is not."""
    bars = charts.columns([0, 1, 1000, None], lambda value: value, slots=10)
    assert [bar.height for bar in bars] == [0, 2.0, charts.BAR_HEIGHT, 0]
    assert bars[-1].x + bars[-1].width <= 100
    assert bars[0].x > 60
    assert bars[2].y == 0


def test_batches_at_the_same_time_are_in_different_lanes() -> None:
    """Batches that overlap are below each other; a later one takes a free lane."""
    bars = charts.lanes([(0, 10), (0, 4), (5, 8), None], lambda span: span)
    assert [(bar.of, bar.y / charts.LANE_HEIGHT) for bar in bars] == [((0, 4), 0), ((0, 10), 1), ((5, 8), 0)]
    assert (bars[1].x, bars[1].width) == (0, 100)
    assert charts.lanes([None], lambda span: span) == []


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e5)).map(lambda t: (t[0], t[0] + t[1])), max_size=30)
)
def test_batches_of_one_lane_do_not_overlap(spans: list[tuple[float, float]]) -> None:
    """Bars of a lane never overlap in time, and all are within the width."""
    bars = charts.lanes(spans, lambda span: span)
    for bar in bars:
        assert 0 <= bar.x <= 100
        others = [one for one in bars if one is not bar and one.y == bar.y]
        assert all(one.of[1] <= bar.of[0] or bar.of[1] <= one.of[0] for one in others)


@given(st.floats(0, 1e8))
def test_a_time_axis_has_few_marks(seconds: float) -> None:
    """Seven marks at most, from the start on."""
    marks = charts.ticks(seconds)
    assert len(marks) <= 7
    assert all(0 <= x < 100.001 for x, _ in marks)


def test_batches_are_tasks_with_what_they_pushed() -> None:
    """State and times come from Airflow, figures and label from the summary, else from the batch."""
    tasks = [task(1, "running", 2, None), task(0, "success", 0, 9), task(2, "queued", None, None)]
    summarized = [{"batch": 0, "label": "1/3 a/", "total_files_found": 7, "files_copied_successfully": 7}]
    pushed = {("copy_batch", 1): {"progress": {"copied": 4, "of": 8}}}
    found = batches(tasks, summarized, pushed, NOW + timedelta(seconds=30), is_over=False)
    assert [(one.number, one.label, one.state, one.seconds) for one in found] == [
        (0, "1/3 a/", "success", 9),
        (1, "label 1", "running", 28),
        (2, "label 2", "queued", None),
    ]
    copied = [one.figures and (one.figures.copied, one.figures.expected) for one in found]
    assert copied == [(7, None), (4, 8), None]


@pytest.mark.parametrize("state", ["queued", "scheduled", "waiting", "skipped", "upstream_failed", "removed"])
def test_a_task_that_waits_has_no_time(state: str) -> None:
    """Airflow keeps the times of an attempt before the task was cleared, and gives skipped tasks some."""
    (batch,) = batches([task(0, state, 0, 5)], None, {}, NOW, is_over=False)
    (step,) = detail.steps([task(0, state, 0, 5)], NOW)
    assert (batch.start, batch.seconds, step.seconds) == (None, None, None)


def test_requests_of_a_batch_are_the_sum_over_their_kinds() -> None:
    """A batch pushes its requests by kind."""
    sent = Requests(by_kind={"CopyObject": 5, "ListObjectsV2": 2}, retried=1)
    figures = parse_figures(dump(TransferMetrics(operation_id="r", requests=sent), sparse=True))
    assert figures is not None
    assert (figures.requests, figures.requests_by_kind["CopyObject"], figures.retried) == (7, 5, 1)


@pytest.mark.parametrize(
    "pushed", [{"requests": 5, "requests_at_least": True}, {"requests": {"at_least": True}}]
)
def test_requests_that_are_not_all_known(pushed: dict[str, Any]) -> None:
    """A run and a batch say whether attempts sent more requests than they could report."""
    figures = parse_figures({"operation_id": "r", **pushed})
    assert figures is not None
    assert not figures.has_all_requests
    whole = parse_figures({"operation_id": "r", "requests": 5, "requests_at_least": False})
    assert whole is not None
    assert whole.has_all_requests


def test_steps_are_in_order_with_their_worst_state() -> None:
    """One failed batch makes the step failed, whatever the others do."""
    tasks = [task(0, "success", 0, 5), task(1, "failed", 0, 7), task(2, "running", 1, None)]
    (step,) = detail.steps(tasks, NOW + timedelta(seconds=9))
    assert (step.name, step.state, step.instances, step.seconds) == ("copy_batch", "failed", 3, 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words.number(1234567), "1,234,567"),
        (words.number(None), "\N{EN DASH}"),
        (words.size(102_300_000), "102.3 MB"),
        (words.rate(0.44), "0.4"),
        (words.rate(1770), "1,770"),
        (words.duration(3.44), "3.4 s"),
        (words.duration(125), "2 min 05 s"),
        (words.duration(3780), "1 h 03 min"),
        (words.duration(187_200), "2 d 4 h"),
        (words.duration(None), "\N{EN DASH}"),
        (words.money(0.00861), "$0.0086"),
        (words.money(None), "\N{EN DASH}"),
        (words.money(12.5), "$12.50"),
        (words.distance(NOW - timedelta(minutes=3), NOW), "3 min ago"),
        (words.distance(NOW + timedelta(hours=30), NOW), "in 30 h"),
        (words.distance(NOW, NOW), "now"),
        (words.moment(NOW, NOW), "5 Mar 12:00"),
        (words.moment(NOW, NOW.replace(year=2027)), "5 Mar 2026 12:00"),
    ],
)
def test_words(text: str, expected: str) -> None:
    """Numbers, sizes and times are short."""
    assert text == expected


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ({"requests_at_least": True}, False),
        ({"requests_at_least": False}, True),
        ({"requests": {"by_kind": {"CopyObject": 3}, "at_least": True}}, False),
        ({}, True),
    ],
)
def test_lost_requests_make_the_figure_a_lower_bound(value: dict[str, Any], *, known: bool) -> None:
    """A summary and a batch say whether requests of earlier attempts are lost; earlier versions did not."""
    figures = parse_figures({"operation_id": "op", "total_files_found": 1, **value})
    assert figures is not None
    assert figures.has_all_requests is known


def test_the_queue_of_a_job() -> None:
    """The page names the queue of a config that has one."""
    url = "https://sqs.us-west-2.amazonaws.com/111122223333/created"
    configs: list[dict[str, Any]] = [{"from": {"queue": url}}, {"source": {}}]
    routes = map(find_route, configs)
    assert [route.queue for route in routes if route] == [url, ""]
