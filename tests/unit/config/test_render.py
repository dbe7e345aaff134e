"""A job is rendered once for its run: every template filled in, every value checked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3copy_tasks.config.check.dates import RunDates, date_names
from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.render import render_job
from s3copy_tasks.core.job import EffectiveJob, Filters, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.errors import Code, ConfigError
from tests.support.builders.documents import document, job_of, write

LOGICAL_DATE = datetime(2026, 1, 31, tzinfo=UTC)
NAMES: dict[str, Any] = {
    "run_id": "manual__1",
    "params": {"force": False, "dry_run": False, "prefixes": []},
    "dag_run": RunDates(LOGICAL_DATE),
}
DATES = NAMES | date_names(LOGICAL_DATE, (LOGICAL_DATE, LOGICAL_DATE + timedelta(days=1)))
TWO = {
    "prefixes": [
        {"source": "daily/{{ ds }}/", "destination": "backup/{{ ds }}/", "recursive": False},
        {"source": "static/", "destination": "fixed/"},
    ],
    "objects": [{"source": "index-{{ ds }}.json", "destination": "index.json"}],
}


@pytest.fixture
def two(tmp_path: Path) -> CopyJob:
    """A job of two prefixes and an object."""
    return job_of(write(tmp_path, document(**TWO, overwrite="never")))


def rendered(job: CopyJob, names: dict[str, Any] = DATES, **choices: Any) -> EffectiveJob:
    return render_job(job, names, run_id="manual__1", **choices)


def refusal(
    job: CopyJob, names: dict[str, Any] = DATES, *, code: str = Code.INVALID_CONFIG, **choices: Any
) -> list[str]:
    """Return the lines of the error, without the file that each begins with."""
    with pytest.raises(ConfigError) as raised:
        rendered(job, names, **choices)
    assert raised.value.code == code
    lines = raised.value.message.splitlines()
    assert all(line.startswith(f"{job.file}: ") for line in lines)
    return [line.removeprefix(f"{job.file}: ") for line in lines]


def test_every_template_is_rendered(two: CopyJob) -> None:
    """Entries keep their order and options, and hold no template any more."""
    run = rendered(two)
    assert run.prefixes == (
        PrefixEntry(source="daily/2026-01-31/", destination="backup/2026-01-31/", recursive=False),
        PrefixEntry(source="static/", destination="fixed/"),
    )
    assert run.objects == (ObjectEntry(source="index-2026-01-31.json", destination="index.json"),)


def test_what_is_not_a_template_is_the_job_s(two: CopyJob) -> None:
    """Buckets, options and digest are those of the file, whichever run it is."""
    run = rendered(two)
    assert (run.name, run.run_id, run.digest) == (two.name, "manual__1", two.digest)
    assert (run.source, run.destination) == (two.source, two.destination)
    assert (run.options, run.transfer, run.overwrite) == (two.options, two.transfer, Overwrite.NEVER)
    assert (run.max_failed_objects, run.dry_run, run.run_started) == (0, False, None)


def test_picked_prefixes_are_copied_alone(two: CopyJob) -> None:
    """Prefixes are chosen as written in the file; single objects are then left out."""
    run = rendered(two, prefixes=["daily/{{ ds }}/"])
    assert [entry.source for entry in run.prefixes] == ["daily/2026-01-31/"]
    assert run.objects == ()


def test_picked_prefixes_keep_the_order_of_the_file(two: CopyJob) -> None:
    """The order and number of picks changes nothing."""
    picked = ["static/", "daily/{{ ds }}/", "static/"]
    assert rendered(two, prefixes=picked).prefixes == rendered(two).prefixes


def test_an_unknown_prefix_is_refused_with_those_there_are(two: CopyJob) -> None:
    """A typing error in a pick copies nothing, and the message says what can be picked."""
    unknown = ["daily/{{ds}}/", "static", "", "static/"]
    its = "Its prefixes: 'daily/{{ ds }}/', 'static/'"
    assert refusal(two, code=Code.INVALID_PARAMETERS, prefixes=unknown) == [
        f"has no prefix ''. {its}",
        f"has no prefix 'daily/{{{{ds}}}}/'. Did you mean 'daily/{{{{ ds }}}}/'? {its}",
        f"has no prefix 'static'. Did you mean 'static/'? {its}",
    ]


def test_a_job_of_objects_has_no_prefix_to_pick(tmp_path: Path) -> None:
    """Without prefixes the message says so."""
    content = document(objects=[{"source": "a", "destination": "b"}])
    del content["prefixes"]
    job = job_of(write(tmp_path, content))
    assert refusal(job, code=Code.INVALID_PARAMETERS, prefixes=["a/"]) == [
        "has no prefix 'a/'. Its prefixes: none"
    ]


def test_force_copies_what_is_unchanged(two: CopyJob) -> None:
    """`force` copies again what is unchanged; what must never be overwritten stays as it is."""
    for kept, forced in (
        (Overwrite.CHANGED, Overwrite.ALWAYS),
        (Overwrite.ALWAYS, Overwrite.ALWAYS),
        (Overwrite.NEVER, Overwrite.NEVER),
    ):
        assert rendered(replace(two, overwrite=kept), force=True).overwrite is forced


def test_a_folder_that_no_asset_can_name_has_none(two: CopyJob) -> None:
    """A URI that is longer than Airflow takes would fail the task that publishes it, after the copies."""
    long = replace(two, prefixes=(PrefixEntry(source="a/", destination="\u6570" * 170 + "/"),), objects=())
    assert rendered(long).assets == ()


def test_dry_run_is_the_same_run_that_copies_nothing(two: CopyJob) -> None:
    """A dry run differs from a run only in the flag."""
    dry = rendered(two, dry_run=True)
    assert dry.dry_run
    assert (dry.prefixes, dry.objects, dry.digest) == (
        rendered(two).prefixes,
        rendered(two).objects,
        two.digest,
    )


SINCE = {
    "date in UTC": ("UTC", "2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
    "date in Berlin": ("Europe/Berlin", "2026-01-01", datetime(2025, 12, 31, 23, tzinfo=UTC)),
    "date in summer": ("Europe/Berlin", "2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
    "time with its own zone": (
        "Europe/Berlin",
        "2026-01-01T00:00:00-05:00",
        datetime(2026, 1, 1, 5, tzinfo=UTC),
    ),
    "interval": ("Europe/Berlin", "{{ data_interval_start }}", LOGICAL_DATE),
    "day of the interval": (
        "Europe/Berlin",
        "{{ data_interval_end | ds }}",
        datetime(2026, 1, 31, 23, tzinfo=UTC),
    ),
}


@pytest.mark.parametrize(("zone", "text", "expected"), SINCE.values(), ids=SINCE)
def test_modified_since_is_in_the_job_s_time_zone(
    tmp_path: Path, zone: str, text: str, expected: datetime
) -> None:
    """A date is midnight where the job lives; a time says its own zone."""
    filters = {"include": ["*.nc"], "modified_since": text}
    run = rendered(job_of(write(tmp_path, document(timezone=zone, filters=filters))))
    assert run.filters == Filters(include=("*.nc",), modified_since=expected)


def test_without_modified_since_every_date_takes_part(two: CopyJob) -> None:
    """Without a date in the file nothing is left out."""
    assert rendered(two).filters.modified_since is None


SAME_BUCKET = {"source": {"bucket": "ops-granules"}, "destination": {"bucket": "ops-granules"}}
REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "two objects to one key": (
        {
            "objects": [
                {"source": "a", "destination": "day/{{ ds }}"},
                {"source": "b", "destination": "day/{{ ts[:10] }}"},
            ]
        },
        ["objects[1].destination: objects[0] writes 'day/2026-01-31' too"],
    ),
    "onto itself": (
        SAME_BUCKET | {"prefixes": [{"source": "day/{{ ds }}/", "destination": "day/{{ ts[:10] }}/"}]},
        [
            (
                "prefixes[0].destination: s3://ops-granules/day/2026-01-31/ overlaps "
                "s3://ops-granules/day/2026-01-31/, the source of prefixes[0]: "
                "the job would copy what it wrote itself. Choose a destination apart from every source"
            )
        ],
    ),
    "key too long": (
        {"objects": [{"source": "{{ 'é' * 513 }}", "destination": "b"}]},
        ["objects[0].source: 1026 bytes after rendering; an S3 key has at most 1024"],
    ),
    "key empty": (
        {"objects": [{"source": "a", "destination": "{{ '' }}"}]},
        ["objects[0].destination: the key is empty after rendering"],
    ),
    "date of no day": (
        {"filters": {"modified_since": "{{ ds_nodash }}{{ 'x' if ds == '2026-01-31' }}"}},
        [
            (
                "filters.modified_since: '20260131x' is not a valid date or time "
                "(examples: 2026-01-01 or 2026-01-01T02:00:00+00:00)"
            )
        ],
    ),
    "time without a zone": (
        {"filters": {"modified_since": "{{ ds }}T02:00{{ '' if ds == '2026-01-31' else 'Z' }}"}},
        [
            (
                "filters.modified_since: '2026-01-31T02:00' has no time zone. "
                "Write 2026-01-31T02:00Z or 2026-01-31T02:00+00:00"
            )
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_renders_to_nonsense_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: list[str]
) -> None:
    """What only the run can know is checked by the run, before it copies anything."""
    assert refusal(job_of(write(tmp_path, document(**changes)))) == expected


def test_a_prefix_that_loses_its_slash_is_refused(two: CopyJob) -> None:
    """A prefix that would match its siblings never runs, wherever its job came from."""
    job = replace(two, prefixes=(PrefixEntry(source="day/{{ ds }}", destination="backup/"),))
    assert refusal(job) == ["prefixes[0].source: 'day/2026-01-31' does not end with '/' after rendering"]


def test_the_whole_bucket_is_a_prefix(tmp_path: Path) -> None:
    """An empty prefix needs no slash."""
    job = job_of(write(tmp_path, document(prefixes=[{"source": "", "destination": ""}])))
    assert rendered(job).prefixes == (PrefixEntry(source="", destination=""),)


def test_a_run_without_logical_date_reports_all_its_problems(tmp_path: Path) -> None:
    """All that can't be rendered is reported at once, with its path and what to use instead."""
    job = job_of(write(tmp_path, document(**TWO, filters={"modified_since": "{{ data_interval_start }}"})))
    hint = "it was started without a logical date. Use dag_run.run_after, or give the run a logical date"
    assert refusal(job, NAMES) == [
        f"{path}: this run has no {name}: {hint}"
        for path, name in (
            ("prefixes[0].source", "ds"),
            ("prefixes[0].destination", "ds"),
            ("objects[0].source", "ds"),
            ("filters.modified_since", "data_interval_start"),
        )
    ]


def test_rendered_values_report_all_their_problems(tmp_path: Path) -> None:
    """Empty, long and repeated keys are reported at once."""
    entries = [
        {"source": "{{ '' }}", "destination": "{{ ds }}"},
        {"source": "{{ 'a' * 1025 }}", "destination": "{{ ts[:10] }}"},
    ]
    assert refusal(job_of(write(tmp_path, document(objects=entries)))) == [
        "objects[0].source: the key is empty after rendering",
        "objects[1].source: 1025 bytes after rendering; an S3 key has at most 1024",
        "objects[1].destination: objects[0] writes '2026-01-31' too",
    ]
