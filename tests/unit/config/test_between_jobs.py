"""Rules across jobs: what two jobs write, and circles of jobs. They are problems, and the jobs stay jobs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.catalog import Catalog, load_folder
from s3copy_tasks.config.problem import Code, Problem
from tests.support.builders.documents import write


def job(source: str, destination: str, **fields: Any) -> dict[str, Any]:
    """Return a job that copies between two places, each written `bucket/prefix/` or `bucket/key`."""
    (from_bucket, _, read), (to_bucket, _, wrote) = source.partition("/"), destination.partition("/")
    entries = [{"source": read, "destination": wrote}]
    kind = "prefixes" if destination.endswith("/") else "objects"
    sides = {"source": {"bucket": from_bucket}, "destination": {"bucket": to_bucket}}
    return {"version": 1, **sides, kind: entries, **fields}


def catalog_of(folder: Path, **jobs: dict[str, Any]) -> Catalog:
    for name, content in jobs.items():
        write(folder, content, f"{name}.yaml")
    return load_folder(folder)


def find_problems(folder: Path, **jobs: dict[str, Any]) -> tuple[Problem, ...]:
    """Return the problems across jobs, which take no job away."""
    catalog = catalog_of(folder, **jobs)
    assert [one.name for one in catalog.jobs] == sorted(jobs)
    return catalog.problems


# --- one place, two writers


@pytest.mark.parametrize(
    "place",
    ["bucket-b/out/", "bucket-b/out/{{ ds }}/", "bucket-b/", "bucket-b/key", "bucket-b/{{ ds }}.json"],
)
def test_two_jobs_that_write_one_place_are_reported(tmp_path: Path, place: str) -> None:
    """Equal prefixes and equal keys, templates unrendered, are written by two jobs in every run."""
    one, two = job("bucket-a/x/", place), job("bucket-a/y/", place)
    (problem,) = find_problems(tmp_path, one=one, two=two)
    assert (problem.file, problem.line, problem.code) == (
        str(tmp_path / "two.yaml"),
        8,
        Code.JOBS_WRITE_SAME,
    )
    assert problem.message == (
        f"the job 'one' also writes s3://{place} ({tmp_path}/one.yaml:8). "
        "Give each job its own destination, or merge the jobs"
    )


def test_each_further_writer_is_reported_with_the_first(tmp_path: Path) -> None:
    """Of three jobs that write one place, two are reported; both name the first by name."""
    jobs = {name: job(f"bucket-a/{name}/", "bucket-b/out/") for name in ("c", "a", "b")}
    assert [(Path(one.file).name, "'a'" in one.message) for one in find_problems(tmp_path, **jobs)] == [
        ("b.yaml", True),
        ("c.yaml", True),
    ]


def test_one_job_may_write_a_prefix_from_two_sources(tmp_path: Path) -> None:
    """Within a job the plan sees to it that no key is written twice."""
    entries = [{"source": f"{name}/", "destination": "out/"} for name in "xy"]
    assert find_problems(tmp_path, one=job("bucket-a/x/", "bucket-b/out/", prefixes=entries)) == ()


def test_a_place_that_the_defaults_give_names_the_job(tmp_path: Path) -> None:
    """Where two jobs take their entries from the defaults, the message says which two they are."""
    write(tmp_path, job("bucket-a/x/", "bucket-b/out/"), "_defaults.yaml")
    (problem,) = find_problems(tmp_path, one={"owner": "a"}, two={"owner": "b"})
    assert (problem.file, problem.line) == (str(tmp_path / "_defaults.yaml"), 8)
    assert "the job 'one' also writes" in problem.message
    assert problem.message.endswith(" (in the job of two.yaml)")


UNDECIDED = {
    "another bucket": ("bucket-b/out/", "bucket-c/out/"),
    "another prefix": ("bucket-b/out/", "bucket-b/other/"),
    "one name that begins the other": ("bucket-b/out/", "bucket-b/output/"),
    "one below the other": ("bucket-b/out/", "bucket-b/out/deep/"),
    "a template and its text": ("bucket-b/{{ ds }}/", "bucket-b/2026-01-01/"),
    "two templates of one text": ("bucket-b/{{ ds }}/", "bucket-b/{{ ts[:10] }}/"),
    "a template below a text": ("bucket-b/out/", "bucket-b/out/{{ ds }}/"),
    "a key below a prefix": ("bucket-b/out/", "bucket-b/out/key"),
    "a key that looks like a prefix": ("bucket-b/out/", "bucket-b/out"),
}


@pytest.mark.parametrize(("one", "two"), UNDECIDED.values(), ids=UNDECIDED)
def test_what_only_a_run_can_decide_is_not_a_problem(tmp_path: Path, one: str, two: str) -> None:
    """Places that may be the same, and need not, are left to the run."""
    assert find_problems(tmp_path, one=job("bucket-a/x/", one), two=job("bucket-a/y/", two)) == ()


NESTED: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "below": ("bucket-b/out/", "bucket-b/out/deep/", {}, True),
    "below a whole bucket": ("bucket-b/", "bucket-b/deep/", {}, True),
    "two levels below": ("bucket-b/out/", "bucket-b/out/very/deep/", {}, True),
    "a template below a text": ("bucket-b/out/", "bucket-b/out/{{ ds }}/", {}, True),
    "a text below a template": ("bucket-b/{{ ds }}/", "bucket-b/{{ ds }}/deep/", {}, True),
    "a key below": ("bucket-b/out/", "bucket-b/out/key", {}, True),
    "a key that looks like a prefix": ("bucket-b/out/", "bucket-b/out", {}, False),
    "a name that begins alike": ("bucket-b/out/", "bucket-b/output/", {}, False),
    "another bucket": ("bucket-b/out/", "bucket-c/out/deep/", {}, False),
    "excluded": ("bucket-b/out/", "bucket-b/out/deep/", {"filters": {"exclude": ["deep/*"]}}, False),
    "excluded in part": ("bucket-b/out/", "bucket-b/out/deep/", {"filters": {"exclude": ["deep/a*"]}}, True),
    "never included": ("bucket-b/out/", "bucket-b/out/deep/", {"filters": {"include": ["a/*"]}}, False),
    "included by its name": ("bucket-b/out/", "bucket-b/out/deep/", {"filters": {"include": ["*.nc"]}}, True),
    "a key that is not included": (
        "bucket-b/out/",
        "bucket-b/out/key",
        {"filters": {"include": ["*.nc"]}},
        False,
    ),
    "excluded with its brackets": (
        "bucket-b/out/",
        "bucket-b/out/[deep]/",
        {"filters": {"exclude": ["[[]deep]/*"]}},
        False,
    ),
}


@pytest.mark.parametrize(("outer", "inner", "fields", "is_reported"), NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_job_that_writes_below_another_is_a_warning(
    tmp_path: Path,
    outer: str,
    inner: str,
    fields: dict[str, Any],
    names: tuple[str, str],
    *,
    is_reported: bool,
) -> None:
    """It is reported at the inner place, unless the filters of the outer job leave those keys out."""
    jobs = {names[0]: job("bucket-a/x/", outer, **fields), names[1]: job("bucket-a/y/", inner)}
    catalog = catalog_of(tmp_path, **jobs)
    assert (len(catalog.jobs), catalog.problems) == (2, ())
    assert [(Path(one.file).stem, one.code) for one in catalog.warnings] == (
        [(names[1], Code.JOBS_WRITE_NESTED)] if is_reported else []
    )


def test_direct_children_do_not_reach_a_prefix_below(tmp_path: Path) -> None:
    """A job without `recursive` writes no key with a further slash."""
    outer = job("bucket-a/x/", "bucket-b/out/")
    outer["prefixes"][0]["recursive"] = False
    below = catalog_of(tmp_path, a=outer, b=job("bucket-a/y/", "bucket-b/out/deep/"))
    beside = catalog_of(tmp_path, a=outer, b=job("bucket-a/y/", "bucket-b/out/key"))
    assert (below.warnings, len(beside.warnings)) == ((), 1)


QUEUE = {"from": {"queue": "https://sqs.us-west-2.amazonaws.com/111122223333/created"}}
SECOND = {"from": {"queue": "https://sqs.us-west-2.amazonaws.com/111122223333/second"}}
LIST = {"from": {"manifest": "s3://lists/a.csv"}}
IN, OUT, BELOW = "bucket-a/in/", "bucket-b/out/", "bucket-b/out/deep/"
OLD = [{"source": "in/deep", "destination": "out/deep", "version_id": "v1"}]
# Two jobs -> which problem or warning the second of them by name has.
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], Code | None]] = {
    "a queue and a listing": (job(IN, OUT, **QUEUE), job(IN, OUT), None),
    "a listing and a queue": (job(IN, OUT), job(IN, OUT, **QUEUE), None),
    "a queue and a mirror": (job(IN, OUT, **QUEUE), job(IN, OUT, mirror={"max_deleted_objects": 5}), None),
    "two queues": (job(IN, OUT, **QUEUE), job(IN, OUT, **SECOND), Code.JOBS_WRITE_SAME),
    "one queue": (job(IN, OUT, **QUEUE), job("bucket-a/2/", "bucket-b/2/", **QUEUE), Code.JOBS_SHARE_QUEUE),
    "two listings": (job(IN, OUT), job(IN, OUT), Code.JOBS_WRITE_SAME),
    "a queue and a list": (job(IN, OUT, **QUEUE), job(IN, OUT, **LIST), Code.JOBS_WRITE_SAME),
    "another source": (job(IN, OUT, **QUEUE), job("bucket-a/other/", OUT), Code.JOBS_WRITE_SAME),
    "another bucket": (job(IN, OUT, **QUEUE), job("bucket-c/in/", OUT), Code.JOBS_WRITE_SAME),
    "another server": (
        job(IN, OUT, **QUEUE),
        job(IN, OUT) | {"source": {"bucket": "bucket-a", "endpoint_url": "https://s3.example.org"}},
        Code.JOBS_WRITE_SAME,
    ),
    "a listing below": (job(IN, OUT, **QUEUE), job("bucket-a/in/deep/", BELOW), None),
    "a listing of a day below": (
        job(IN, OUT, **QUEUE),
        job("bucket-a/in/{{ ds }}/", "bucket-b/out/{{ ds }}/"),
        None,
    ),
    "a listing above": (job("bucket-a/in/deep/", BELOW, **QUEUE), job(IN, OUT), None),
    "an object below": (job(IN, OUT, **QUEUE), job("bucket-a/in/deep", "bucket-b/out/deep"), None),
    "a version below": (
        job(IN, OUT, **QUEUE),
        job("bucket-a/in/deep", "bucket-b/out/deep", objects=OLD),
        Code.JOBS_WRITE_NESTED,
    ),
    "below, from elsewhere": (
        job(IN, OUT, **QUEUE),
        job("bucket-a/deep/", BELOW),
        Code.JOBS_WRITE_NESTED,
    ),
}


@pytest.mark.parametrize(("one", "two", "code"), PAIRS.values(), ids=PAIRS)
def test_only_a_queue_and_a_listing_may_write_the_same_keys(
    tmp_path: Path, one: dict[str, Any], two: dict[str, Any], code: Code | None
) -> None:
    """They are a pair if both copy each key from the same source key; no other two jobs are."""
    catalog = catalog_of(tmp_path, a=one, b=two)
    found = [(Path(problem.file).stem, problem.code) for problem in (*catalog.problems, *catalog.warnings)]
    assert found == ([("b", code)] if code else [])


@pytest.mark.parametrize("queue", ["a", "b", "c"])
def test_a_pair_hides_no_third_writer(tmp_path: Path, queue: str) -> None:
    """Each of two listings is a pair with the queue, and they are none with each other."""
    jobs = {name: job(IN, OUT, **(QUEUE if name == queue else {})) for name in "abc"}
    first, second = sorted({*jobs} - {queue})
    (problem,) = find_problems(tmp_path, **jobs)
    assert (Path(problem.file).stem, problem.code) == (second, Code.JOBS_WRITE_SAME)
    assert f"the job {first!r} also writes" in problem.message


def test_a_listing_of_two_sources_is_not_a_pair(tmp_path: Path) -> None:
    """A listing that writes the place from a second source could overwrite what the queue's job copied."""
    two = [{"source": name, "destination": "out/"} for name in ("in/", "more/")]
    (problem,) = find_problems(tmp_path, a=job(IN, OUT, prefixes=two), b=job(IN, OUT, **QUEUE))
    assert (Path(problem.file).stem, problem.code) == ("b", Code.JOBS_WRITE_SAME)


RESULTS: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "below": ("bucket-b/out/", "s3://bucket-b/out/results/", {}, True),
    "in the same place": ("bucket-b/out/", "s3://bucket-b/out/", {}, True),
    "in a whole bucket": ("bucket-b/", "s3://bucket-b/results/", {}, True),
    "at the top of a whole bucket": ("bucket-b/", "s3://bucket-b/", {}, True),
    "beside": ("bucket-b/out/", "s3://bucket-b/results/", {}, False),
    "above": ("bucket-b/out/deep/", "s3://bucket-b/out/", {}, False),
    "in another bucket": ("bucket-b/out/", "s3://bucket-c/out/results/", {}, False),
    "excluded": (
        "bucket-b/out/",
        "s3://bucket-b/out/results/",
        {"filters": {"exclude": ["results/*"]}},
        False,
    ),
}


@pytest.mark.parametrize(("place", "to", "fields", "is_reported"), RESULTS.values(), ids=RESULTS)
def test_results_among_the_copies_of_another_job_are_a_warning(
    tmp_path: Path,
    place: str,
    to: str,
    fields: dict[str, Any],
    is_reported: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The other job may write there, or keep a copy of the results."""
    a = job("bucket-a/x/", place, **fields)
    b = job("bucket-a/y/", "bucket-z/out/", results={"to": to})
    catalog = catalog_of(tmp_path, a=a, b=b)
    assert (len(catalog.jobs), catalog.problems) == (2, ())
    assert [(Path(one.file).stem, one.path, one.code) for one in catalog.warnings] == (
        [("b", "results.to", Code.JOBS_WRITE_NESTED)] if is_reported else []
    )


def test_jobs_may_share_a_place_for_results(tmp_path: Path) -> None:
    """Each run has its own names there."""
    jobs = {
        name: job("bucket-a/x/", f"bucket-{name}/out/", results={"to": "s3://results/"})
        for name in ("b-b", "c-c")
    }
    catalog = catalog_of(tmp_path, **jobs)
    assert (catalog.problems, catalog.warnings) == ((), ())


def test_the_advice_to_exclude_is_right(tmp_path: Path) -> None:
    """What the warning says to write makes it go away."""
    outer, inner = job("bucket-a/x/", "bucket-b/out/"), job("bucket-a/y/", "bucket-b/out/de*ep/")
    (warning,) = [
        one for one in catalog_of(tmp_path, a=outer, b=inner).warnings if one.code is Code.JOBS_WRITE_NESTED
    ]
    globs = json.loads(warning.message.partition("exclude: ")[2].rstrip("`"))
    catalog = catalog_of(tmp_path, a=outer | {"filters": {"exclude": globs}}, b=inner)
    assert Code.JOBS_WRITE_NESTED not in {one.code for one in catalog.warnings}


def test_many_jobs_below_each_other_take_no_time(tmp_path: Path) -> None:
    """Each place is compared with the prefixes that it is below, not with every other."""
    places = [f"bucket-b/{'/'.join(str(number).zfill(4))}/" for number in range(300)]
    jobs = {f"j{number}": job("bucket-a/x/", place) for number, place in enumerate(places)}
    assert find_problems(tmp_path, **jobs, whole=job("bucket-a/z/", "bucket-b/0/")) == ()


@pytest.mark.parametrize("endpoint", ["https://s3.example.org", "http://localhost:9000"])
def test_one_name_on_two_servers_is_two_places(tmp_path: Path, endpoint: str) -> None:
    """Buckets of one name at different endpoints are different buckets."""
    one, two = job("bucket-a/x/", "bucket-b/out/"), job("bucket-a/x/", "bucket-b/out/")
    two["destination"]["endpoint_url"] = endpoint
    assert find_problems(tmp_path, one=one, two=two) == ()


# --- circles


def circle(*places: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """Return jobs, named a, b, ..., each of which reads what the one before it writes."""
    return {
        name: job(source, destination, **fields)
        for name, source, destination in zip("abcdef", places, (*places[1:], places[0]), strict=False)
    }


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_loop_of_jobs_is_reported_once(tmp_path: Path, count: int) -> None:
    """The last job by name has the problem, and its message names the whole way round."""
    jobs = circle(*(f"bucket-{number}/in/" for number in range(count)))
    (problem,) = find_problems(tmp_path, **jobs)
    names = sorted(jobs)
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / f"{names[-1]}.yaml"), 4, 1)
    assert (problem.code, problem.path) == (Code.JOBS_LOOP, "destination")
    assert f"form a loop: {' -> '.join([names[-1], *names])}. Change one" in problem.message


def test_a_circle_goes_the_way_of_the_objects(tmp_path: Path) -> None:
    """An arrow leads from a job to one that reads what it writes."""
    jobs = {
        "a": job("bucket-1/in/", "bucket-3/in/"),
        "b": job("bucket-2/in/", "bucket-1/in/"),
        "c": job("bucket-3/in/", "bucket-2/in/"),
    }
    (problem,) = find_problems(tmp_path, **jobs)
    assert "c -> b -> a -> c" in problem.message


def test_each_of_two_loops_is_reported(tmp_path: Path) -> None:
    """All loops are reported at once, not each after the last is fixed."""
    first, second = circle("bucket-1/x/", "bucket-2/x/"), circle("bucket-3/x/", "bucket-4/x/")
    problems = find_problems(tmp_path, **first, **{f"z{name}": content for name, content in second.items()})
    assert [Path(problem.file).name for problem in problems] == ["b.yaml", "zb.yaml"]


FEEDING = {
    "an equal prefix": ("out/", "out/", True),
    "a prefix below": ("out/deep/", "out/", True),
    "the whole bucket": ("out/", "", True),
    "an equal key": ("out/key", "out/key", True),
    "a key below a prefix": ("out/key", "out/", True),
    "an equal template": ("{{ ds }}/", "{{ ds }}/", True),
    "a template below a prefix": ("out/{{ ds }}/", "out/", True),
    "a prefix above": ("out/", "out/deep/", False),
    "a key that may be written": ("out/", "out/key", False),
    "another prefix": ("out/", "output/", False),
    "another template": ("{{ ds }}/", "{{ ts }}/", False),
    "a template and a text": ("{{ ds }}/", "2026-01-01/", False),
}


@pytest.mark.parametrize(("write_to", "read_from", "is_fed"), FEEDING.values(), ids=FEEDING)
def test_a_job_feeds_one_that_reads_all_that_an_entry_writes(
    tmp_path: Path,
    write_to: str,
    read_from: str,
    is_fed: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Only what is certain in every run makes a circle."""
    there = job("bucket-1/x/" if write_to.endswith("/") else "bucket-1/x", f"bucket-2/{write_to}")
    there.setdefault("prefixes", []).append({"source": "back/", "destination": "unread/"})
    back = job(
        f"bucket-2/{read_from}", "bucket-1/back/y" if read_from.endswith("key") else "bucket-1/back/y/"
    )
    assert bool(find_problems(tmp_path, there=there, back=back)) is is_fed


def test_a_chain_is_not_a_loop(tmp_path: Path) -> None:
    """Jobs may hand on what other jobs wrote."""
    places = [f"bucket-{number}/in/" for number in range(5)]
    jobs = {name: job(*pair) for name, pair in zip("abcd", pairwise(places), strict=True)}
    assert find_problems(tmp_path, **jobs) == ()


def test_a_circle_over_two_servers_is_none(tmp_path: Path) -> None:
    """What is read at one endpoint was not written at another."""
    jobs = circle("bucket-1/x/", "bucket-2/x/")
    jobs["b"]["source"]["endpoint_url"] = "https://s3.example.org"
    assert find_problems(tmp_path, **jobs) == ()


def test_a_broken_job_takes_no_part(tmp_path: Path) -> None:
    """Rules across jobs are about jobs: one that will not run writes nothing."""
    good, broken = job("bucket-1/x/", "bucket-2/x/"), job("bucket-1/y/", "bucket-2/x/", version=2)
    assert [problem.code for problem in catalog_of(tmp_path, good=good, broken=broken).problems] == [
        Code.NOT_ALLOWED
    ]


@given(edges=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_loops_are_reported_where_there_are_any(
    tmp_path_factory: pytest.TempPathFactory, edges: set[tuple[int, int]]
) -> None:
    """Any set of jobs has a problem if and only if one of them, by way of others, feeds itself."""
    folder = tmp_path_factory.mktemp("circles")
    pairs = sorted((a, b) for a, b in edges if a != b)
    jobs = {f"job{a}{b}": job(f"bucket-{a}/", f"bucket-{b}/from-{a}/") for a, b in pairs}
    reached = set(pairs)
    for _ in pairs:
        reached |= {(a, d) for a, b in reached for c, d in pairs if b == c}
    problems = find_problems(folder, **jobs)
    assert {problem.code for problem in problems} == (
        {Code.JOBS_LOOP} if any(a == b for a, b in reached) else set()
    )
    assert load_folder(folder).problems == problems
