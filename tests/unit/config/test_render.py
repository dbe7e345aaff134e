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
from s3copy_tasks.core.job import EffectiveJob, Filters, Mirror, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.key_list import Column, KeyList, ListFile
from s3copy_tasks.core.location import Location
from s3copy_tasks.errors import Code, ConfigError
from tests.support.builders.documents import document, job_of, prefix, write

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


def test_a_mirror_knows_all_entries_whatever_the_run_copies(tmp_path: Path) -> None:
    """What another entry copies is not extraneous, even if the run leaves that entry out."""
    job = job_of(write(tmp_path, document(**TWO, mirror={"max_deleted_objects": 5})))
    whole = rendered(job)
    assert whole.mirror == Mirror(
        max_deleted_objects=5, max_deleted_percent=10, prefixes=whole.prefixes, objects=whole.objects
    )
    assert rendered(job, prefixes=["static/"]).mirror == whole.mirror


def test_a_run_by_a_list_deletes_nothing(tmp_path: Path) -> None:
    """It may copy again what failed: the list does not say what the source no longer has."""
    job = job_of(write(tmp_path, document(results={"to": "s3://ops/"}, mirror={"max_deleted_objects": 5})))
    run = rendered(job, manifest="s3://ops/job/failed/")
    assert (run.mirror, run.keys_from is None, rendered(job).mirror is None) == (None, False, False)


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


# --- lists, and results

LISTED = {"from": {"manifest": "s3://ops-lists/{{ ds }}.csv", "columns": ["key", "size"], "keys": "plain"}}
RESULTS = {"results": {"to": "s3://ops-results/copies/", "connection": "aws_results"}}
LOCAL = ListFile(key="/tmp/list.csv", size=10, etag="e")
FORM: dict[str, Any] = {"columns": (Column.KEY, Column.SIZE), "url_encoded": False}
ROLE: dict[str, Any] = {"role_arn": "arn:aws:iam::111122223333:role/reader", "account": "111122223333"}


def key_list(bucket: str, key: str, **form: Any) -> KeyList:
    return KeyList(location=Location(bucket=bucket), key=key, **form)


def test_the_key_of_the_manifest_is_rendered(tmp_path: Path) -> None:
    """A run reads the list of its day, and knows where its results go; preflight finds the files."""
    job = job_of(write(tmp_path, document(**LISTED, **RESULTS)))
    run = rendered(job)
    assert run.keys_from == key_list("ops-lists", "2026-01-31.csv", **FORM)
    assert (run.results, run.keys_from.files) == (job.results, ())


def test_an_inventory_is_the_same_in_every_run(tmp_path: Path) -> None:
    """Its folder is not a template, so it is the job's own."""
    section = {"inventory": "s3://ops-inventory/ops-granules/daily/", "max_age": "1d"}
    job = job_of(write(tmp_path, document(**{"from": section})))
    assert rendered(job).keys_from == job.keys_from


NOT_A_LIST = {
    "empty": ("{{ '' if ds == '2026-01-31' else 'a' }}", "the key is empty after rendering"),
    "too long": (
        "{{ 'a' * (1025 if ds == '2026-01-31' else 1) }}",
        "1025 bytes after rendering; an S3 key has at most 1024",
    ),
}


@pytest.mark.parametrize(("key", "words"), NOT_A_LIST.values(), ids=NOT_A_LIST)
def test_a_list_that_renders_to_nonsense_is_refused(tmp_path: Path, key: str, words: str) -> None:
    """What only the run can know is checked by the run."""
    job = job_of(write(tmp_path, document(**{"from": {"manifest": f"s3://ops-lists/{key}"}})))
    assert refusal(job) == [f"from.manifest: {words}"]


def test_destinations_that_render_to_one_are_refused_with_a_list(tmp_path: Path) -> None:
    """Rows that write one key can't be found, and two templates may render to one prefix."""
    entries = [
        {"source": "a/", "destination": "{{ ds }}/"},
        {"source": "b/", "destination": "{{ ts[:10] }}/"},
    ]
    (line,) = refusal(job_of(write(tmp_path, document(**LISTED, prefixes=entries))))
    assert line.startswith(
        "prefixes[1].destination: '2026-01-31/' is equal to the destination of prefixes[0]"
    )
    assert rendered(job_of(write(tmp_path, document(prefixes=entries)))).keys_from is None


def test_results_that_rendering_puts_among_the_copies_are_refused(tmp_path: Path) -> None:
    """Only the run knows that its destination is above the results."""
    changes = {"results": {"to": "s3://partner-granules/2026-01-31/results/"}}
    job = job_of(write(tmp_path, document(**changes, **prefix("daily/", "{{ ds }}/"))))
    (line,) = refusal(job)
    assert line.startswith("results: the results in s3://partner-granules/2026-01-31/results/ are below")


MANIFESTS: dict[str, tuple[dict[str, Any], str | ListFile, KeyList]] = {
    "in place of a listing": ({}, "s3://others/a.csv", key_list("others", "a.csv")),
    "a prefix": ({}, "s3://others/a/", key_list("others", "a/")),
    "as the job's own manifest": (LISTED, "s3://others/a.csv", key_list("others", "a.csv", **FORM)),
    "in place of an inventory": (
        {"from": {"inventory": "s3://ops-inventory/a/", "max_age": "1d"}},
        "s3://others/a.csv",
        key_list("others", "a.csv"),
    ),
    "failed objects of an earlier run": (
        LISTED | RESULTS,
        "s3://ops-results/copies/failed/0.csv",
        KeyList(location=Location(bucket="ops-results", connection="aws_results"), key="copies/failed/0.csv"),
    ),
    "beside the results": (
        LISTED | RESULTS,
        "s3://ops-results/lists/a.csv",
        key_list("ops-results", "lists/a.csv", **FORM),
    ),
    "by the connection of the job's list": (
        {"from": {"manifest": "s3://ops-lists/a.csv", "connection": "aws_lists"}},
        "s3://others/a.csv",
        KeyList(location=Location(bucket="others", connection="aws_lists"), key="a.csv"),
    ),
    "by the role of the source": (
        {"source": {"bucket": "ops-granules", **ROLE}},
        "s3://others/a.csv",
        KeyList(location=Location(bucket="others", role_arn=ROLE["role_arn"]), key="a.csv"),
    ),
    "a file of this machine": (
        LISTED,
        LOCAL,
        KeyList(location=None, key="/tmp/list.csv", files=(LOCAL,), **FORM),
    ),
    "a file of this machine, in the default form": (
        {},
        LOCAL,
        KeyList(location=None, key="/tmp/list.csv", files=(LOCAL,)),
    ),
    "a name in braces": ({}, "s3://others/{{ ds }}.csv", key_list("others", "{{ ds }}.csv")),
}


@pytest.mark.parametrize(("changes", "manifest", "expected"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_run_may_have_a_list_of_its_own(
    tmp_path: Path, changes: dict[str, Any], manifest: str | ListFile, expected: KeyList
) -> None:
    """It is read as the job's manifest is; below the results, as this package writes lists."""
    assert rendered(job_of(write(tmp_path, document(**changes))), manifest=manifest).keys_from == expected


def test_a_list_of_its_own_may_name_the_single_objects(two: CopyJob) -> None:
    """Its rows may say the destination of one of the job's objects, so these stay."""
    assert rendered(two, manifest="s3://others/a.csv").objects == rendered(two).objects


def test_a_list_of_its_own_needs_no_date_of_the_job_s_list(tmp_path: Path) -> None:
    """What the run does not read is not rendered: it may have no logical date."""
    job = job_of(write(tmp_path, document(**LISTED)))
    assert refusal(job, NAMES)[0].startswith("from.manifest: this run has no ds")
    assert rendered(job, NAMES, manifest="s3://others/a.csv").keys_from == key_list("others", "a.csv", **FORM)


NO_MANIFEST = {
    "a path": ("lists/a.csv", "must be the address of a list"),
    "a file of this machine": ("/etc/passwd", "must be the address of a list"),
    "nothing": ("", "must be the address of a list"),
    "a bucket": ("s3://others/", "has no key after the bucket"),
    "a bucket with a short name": ("s3://ab/a.csv", "the bucket 'ab' is not a valid bucket name"),
    "a glob": ("s3://others/*.csv", "globs are not expanded"),
}


@pytest.mark.parametrize(("manifest", "words"), NO_MANIFEST.values(), ids=NO_MANIFEST)
def test_a_list_without_an_address_is_refused(two: CopyJob, manifest: str, words: str) -> None:
    """A text is never a path: whoever starts a run can't read the worker's files."""
    (line,) = refusal(two, code=Code.INVALID_PARAMETERS, manifest=manifest)
    assert line.startswith(f"manifest: {words}")


def test_a_list_among_the_copies_is_refused(two: CopyJob) -> None:
    """The run could overwrite it."""
    (line,) = refusal(two, manifest="s3://partner-granules/fixed/a.csv")
    assert line.startswith("from: the list s3://partner-granules/fixed/a.csv is below")


def test_a_list_and_picked_prefixes_exclude_each_other(two: CopyJob) -> None:
    """Either says what is copied."""
    assert refusal(two, code=Code.INVALID_PARAMETERS, prefixes=["static/"], manifest="s3://others/a.csv") == [
        "manifest: can't be used with prefixes: the list says what is copied"
    ]


def test_a_part_of_a_job_with_a_queue_is_refused(tmp_path: Path) -> None:
    """A run that left some prefixes out would delete the messages about their objects."""
    url = "https://sqs.us-west-2.amazonaws.com/011122223333/created"
    job = job_of(write(tmp_path, document(**{"from": {"queue": url}})))
    assert rendered(job, {}, force=True, dry_run=True).keys_from == job.queue
    given: dict[str, Any] = {"prefixes": ["daily/"], "manifest": "s3://others/a.csv", "folder": "2026/"}
    lines = refusal(job, {}, code=Code.INVALID_PARAMETERS, **given)
    assert [line.partition(": can't be used with `from.queue`")[0] for line in lines] == [*given]
