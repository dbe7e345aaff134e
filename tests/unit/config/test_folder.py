"""The folder of a run: which texts are refused, and what one narrows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.config.catalog import explain_other_writer
from s3copy_tasks.config.folder import append_folder, delete_only, find_folder_problem
from s3copy_tasks.config.render import render_job
from s3copy_tasks.core.job import Filters, PrefixEntry
from s3copy_tasks.errors import Code, ConfigError
from tests.support.builders.bench import Bench, make_job
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.mirror import MirrorBench, make_mirror

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = {
    "empty": ("", "is empty"),
    "leading slash": ("/a/", "begins with `/`"),
    "only a slash": ("/", "begins with `/`"),
    "no slash at its end": ("a", "does not end with `/`"),
    "parent": ("a/../b/", "`.` or `..`"),
    "parent first": ("../", "`.` or `..`"),
    "this folder": ("a/./", "`.` or `..`"),
    "an empty part": ("a//b/", "an empty part"),
    "a template": ("{{ ds }}/", "has a template"),
    "NUL": ("a\0/", "control characters"),
    "half a character": ("a\ud800/", "control characters"),
    "too long": ("a" * 2_000 + "/", "2,001 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    """The words say what is wrong, and what to write."""
    folder, words = REFUSED[name]
    assert words in (find_folder_problem(folder) or "")


@pytest.mark.parametrize("folder", ["a/", "2026/01/", "é ü/", "..a/b../", ".hidden/", "a%2F/"])
def test_what_is_taken(folder: str) -> None:
    """Any other text that ends in `/`."""
    assert find_folder_problem(folder) is None


ENTRIES = (
    PrefixEntry(source="in/", destination="out/"),
    PrefixEntry(source="flat/", destination="flat/", recursive=False),
)
FILTERS = Filters(include=("x/*",), exclude=("x/tmp/*",))


def test_filters_hold_in_a_folder() -> None:
    """They apply to the key below the prefix of the job, of which the folder is a part."""
    bench = Bench()
    bench.put("in/x/a", "in/x/tmp/b", "in/y/c", "flat/x/d")
    bench.run(make_job(prefixes=append_folder(ENTRIES, "x/"), filters=FILTERS))
    assert sorted(bench.written) == ["out/x/a"]


def test_a_folder_narrows_what_is_deleted() -> None:
    """And nothing else: filters hold, and other entries still have their sources."""
    nested = (*ENTRIES, PrefixEntry(source="b/", destination="out/x/sub/"))
    job = make_mirror(prefixes=append_folder(nested[:1], "x/"), all_prefixes=nested, filters=FILTERS)
    mirror = MirrorBench(job)
    mirror.bench.put("in/x/a", "b/1")
    mirror.put_copies("out/x/a", "out/x/gone", "out/x/tmp/b", "out/y/gone", "out/x/sub/1")
    assert mirror.run().total.deleted == 1
    assert "out/x/gone" not in mirror.bench.written


NAMES = {"run_id": "manual__1", "params": {"force": False, "dry_run": False, "prefixes": []}}
MIRROR = {"max_deleted_objects": 10}


def test_a_run_of_one_folder(tmp_path: Path) -> None:
    """Its prefixes have the folder; the mirror still has all entries of the job."""
    single = [{"source": "x", "destination": "y"}]
    job = job_of(write(tmp_path, document(mirror=MIRROR, objects=single)))
    run = render_job(job, NAMES, run_id="manual__1", folder="x/")
    assert [(e.source, e.destination) for e in run.prefixes] == [
        (f"{e.source}x/", f"{e.destination}x/") for e in job.prefixes
    ]
    assert run.objects == ()
    assert run.mirror is not None
    assert (run.mirror.prefixes, run.mirror.objects) == (job.prefixes, job.objects)


@pytest.mark.parametrize(
    ("changes", "choices", "words"),
    [
        ({}, {"folder": "x/"}, "can only be given to a job with `mirror`"),
        ({"mirror": MIRROR}, {"folder": "x"}, "'x' can't be used: it does not end"),
        ({"mirror": MIRROR}, {"folder": ""}, "'' can't be used: it is empty"),
        ({"mirror": MIRROR}, {"folder": "x/", "manifest": "s3://lists/k.csv"}, "can't be used with manifest"),
        (
            {"mirror": MIRROR, "prefixes": [{"source": "a/", "destination": "b/", "recursive": False}]},
            {"folder": "x/"},
            "no folder is copied",
        ),
    ],
    ids=["no mirror", "no slash", "empty", "manifest", "not recursive"],
)
def test_a_folder_that_a_run_can_not_have(
    tmp_path: Path, changes: dict[str, Any], choices: dict[str, Any], words: str
) -> None:
    """The error names the parameter and says what to do."""
    job = job_of(write(tmp_path, document(**changes)))
    with pytest.raises(ConfigError, match="folder: ") as raised:
        render_job(job, NAMES, run_id="manual__1", **choices)
    assert (raised.value.code, words in raised.value.message) == (Code.INVALID_PARAMETERS, True)


OFFERED = {"max_deleted_objects": 10, "delete_folder": True}
PLACES = [
    {"source": "a/", "destination": "out/"},
    {"source": "b/", "destination": "out/sub/deep/"},
    {"source": "c/", "destination": "flat/", "recursive": False},
]


def test_a_run_that_deletes_a_folder(tmp_path: Path) -> None:
    """It copies nothing and has no filters; all entries of the job stay known."""
    changes = {"prefixes": PLACES, "objects": [{"source": "x", "destination": "y"}]}
    job = job_of(write(tmp_path, document(mirror=OFFERED, filters={"exclude": ["tmp/*"]}, **changes)))
    run = delete_only(job, render_job(job, NAMES, run_id="manual__1"), "out/x/", {"prefixes": []})
    assert (run.prefixes, run.objects, run.filters) == ((), (), Filters())
    assert run.mirror is not None
    assert (run.mirror.delete_folder, run.mirror.prefixes) == ("out/x/", job.prefixes)


@pytest.mark.parametrize(
    ("folder", "mirror", "others", "words"),
    [
        *((folder, OFFERED, {}, words) for folder, words in REFUSED.values()),
        ("out/", OFFERED, {}, "it is a destination prefix of the job"),
        ("out/sub/deep/", OFFERED, {}, "it is a destination prefix of the job"),
        ("out/sub/", OFFERED, {}, "it is above 'out/sub/deep/'"),
        ("elsewhere/x/", OFFERED, {}, "not below a destination prefix"),
        ("flat/x/", OFFERED, {}, "not below a recursive one"),
        ("out/x/", OFFERED, {"folder": "x/"}, "can't be used with folder"),
        ("out/x/", OFFERED, {"prefixes": ["a/"]}, "can't be used with prefixes"),
        ("out/x/", OFFERED, {"manifest": "s3://lists/k.csv"}, "can't be used with manifest"),
        ("out/x/", MIRROR, {}, "`mirror.delete_folder: true`"),
        ("out/x/", None, {}, "`mirror.delete_folder: true`"),
    ],
)
def test_a_folder_that_can_not_be_deleted(
    tmp_path: Path, folder: str, mirror: dict[str, Any] | None, others: dict[str, Any], words: str
) -> None:
    """The error names the parameter and says what to do."""
    job = job_of(write(tmp_path, document(prefixes=PLACES, mirror=mirror)))
    run = render_job(job, NAMES, run_id="manual__1")
    with pytest.raises(ConfigError, match="delete_folder: ") as raised:
        delete_only(job, run, folder, others)
    assert (raised.value.code, words in raised.value.message) == (Code.INVALID_PARAMETERS, True)


def test_what_another_job_keeps_in_the_folder(tmp_path: Path) -> None:
    """The mirror's filters leave it out, and do not apply to the deletes of a folder."""
    filters = {"exclude": ["logs/*"]}
    job = job_of(write(tmp_path, document(prefixes=PLACES, mirror=OFFERED, filters=filters)))
    other = [{"source": "in/", "destination": "out/logs/in/"}]
    write(tmp_path, document(prefixes=other), "other.yaml")
    assert explain_other_writer(job) is None
    assert explain_other_writer(job, "out/x/") is None
    assert "delete_folder: the job 'other' copies to" in str(explain_other_writer(job, "out/logs/"))
