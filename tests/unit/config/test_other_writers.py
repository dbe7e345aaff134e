"""A mirror must not delete what other jobs keep: copies, results and lists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.catalog import explain_other_writer, load_folder
from s3copy_tasks.config.check.overlap import find_overlap
from s3copy_tasks.config.problem import Code
from tests.support.builders.documents import document, job_of, write

Document = dict[str, Any]


def job(place: str, **fields: Any) -> Document:
    """Return a job that copies to a place, written `bucket/prefix/` or `bucket/key`."""
    bucket, _, key = place.partition("/")
    kind = "objects" if key and not key.endswith("/") else "prefixes"
    content = document(destination={"bucket": bucket})
    del content["prefixes"]
    return content | {kind: [{"source": "a/" if kind == "prefixes" else "a", "destination": key}]} | fields


def mirror(place: str, **fields: Any) -> Document:
    return job(place, mirror={"max_deleted_objects": 10}, **fields)


def to(address: str) -> Document:
    return {"results": {"to": address}}


def listed(**section: str) -> Document:
    return job("other/out/", **{"from": section})


def queued(place: str) -> Document:
    return job(place, **{"from": {"queue": "https://sqs.us-west-2.amazonaws.com/111122223333/created"}})


def at(endpoint: str, place: str) -> Document:
    content = job(place)
    content["destination"]["endpoint_url"] = endpoint
    return content


APART: dict[str, tuple[Document, Document]] = {
    "beside": (mirror("bkt/out/"), job("bkt/output/")),
    "in another bucket": (mirror("bkt/out/"), job("bucket-c/out/")),
    "a key that only looks like the prefix": (mirror("bkt/out/"), job("bkt/out")),
    "templates with other texts before them": (mirror("bkt/out/{{ ds }}/"), job("bkt/in/{{ ds }}/")),
    "equal templates with other texts after them": (mirror("bkt/{{ ds }}/a/"), job("bkt/{{ds}}/b/")),
    "excluded by the mirror": (mirror("bkt/out/", filters={"exclude": ["in/*"]}), job("bkt/out/in/")),
    "excluded by the job above": (mirror("bkt/out/in/"), job("bkt/out/", filters={"exclude": ["in/*"]})),
    "below direct children": (
        mirror("bkt/out/", prefixes=[{"source": "a/", "destination": "out/", "recursive": False}]),
        job("bkt/out/in/"),
    ),
    "results of a job with another name": (mirror("bkt/out/"), job("other/", **to("s3://bkt/"))),
    "a list beside": (mirror("bkt/out/"), listed(manifest="s3://bkt/lists/today.csv")),
    "two servers that are named": (
        mirror(
            "bkt/out/", destination={"bucket": "bkt", "endpoint_url": "https://s3.us-west-2.amazonaws.com"}
        ),
        at("https://s3.example.org", "bkt/out/"),
    ),
    "the queue that it completes": (mirror("bkt/out/"), queued("bkt/out/")),
    "no mirror": (job("bkt/out/", mirror=None), job("bkt/out/in/")),
}
OVERLAPS: dict[str, tuple[Document, Document]] = {
    "equal": (mirror("bkt/out/"), job("bkt/out/")),
    "below": (mirror("bkt/out/"), job("bkt/out/in/")),
    "above": (mirror("bkt/out/in/"), job("bkt/out/")),
    "a key": (mirror("bkt/out/"), job("bkt/out/key")),
    "a whole bucket": (mirror("bkt/"), job("bkt/out/")),
    "a template below": (mirror("bkt/out/"), job("bkt/out/{{ ds }}/")),
    "a template above": (mirror("bkt/{{ ds }}/in/"), job("bkt/{{ ds }}/")),
    "a template that may be a text": (mirror("bkt/{{ ds }}/"), job("bkt/latest/")),
    "a text that a template may be": (mirror("bkt/latest/"), job("bkt/{{ ds }}/")),
    "two templates": (mirror("bkt/{{ ds }}/"), job("bkt/{{ ts }}/")),
    "excluded in part": (mirror("bkt/out/", filters={"exclude": ["in/a*"]}), job("bkt/out/in/")),
    "a queue whose copies have another source": (mirror("bkt/out/"), queued("bkt/out/in/")),
    "results below": (mirror("bkt/out/"), job("other/", **to("s3://bkt/out/results/"))),
    "results whose folder is the prefix": (mirror("bkt/z/"), job("other/", **to("s3://bkt/"))),
    "a list below": (mirror("bkt/out/"), listed(manifest="s3://bkt/out/{{ ds }}.csv")),
    "lists above": (mirror("bkt/lists/in/"), listed(manifest="s3://bkt/lists/")),
    "an inventory below": (mirror("bkt/out/"), listed(inventory="s3://bkt/out/ops/daily/")),
    "an access point, perhaps of the same bucket": (mirror("bkt/out/"), job("ap-s3alias/out/in/")),
    "a server that only a connection may name": (
        mirror("bkt/out/"),
        at("https://s3.example.org", "bkt/out/"),
    ),
}


def find_mirror_problems(folder: Path, **jobs: Document) -> list[tuple[str, str]]:
    """Return file and message of what is reported of mirrors; all jobs stay valid."""
    for name, content in jobs.items():
        write(folder, content, f"{name}.yaml")
    catalog = load_folder(folder)
    assert len(catalog.jobs) == len(jobs)
    return [
        (Path(one.file).stem, one.message) for one in catalog.problems if one.code == Code.MIRROR_OTHER_WRITER
    ]


@pytest.mark.parametrize(("own", "other"), APART.values(), ids=APART)
def test_a_mirror_beside_other_jobs(tmp_path: Path, own: Document, other: Document) -> None:
    """What a mirror can't reach in any run is not a problem."""
    assert find_mirror_problems(tmp_path, a=own, z=other) == []


@pytest.mark.parametrize(("own", "other"), OVERLAPS.values(), ids=OVERLAPS)
def test_a_mirror_over_what_another_job_keeps(tmp_path: Path, own: Document, other: Document) -> None:
    """It is reported at the mirror, whichever job is first, and before a run as well."""
    ((name, words),) = find_mirror_problems(tmp_path, a=own, z=other)
    assert (name, f"{tmp_path}/z.yaml: " in words) == ("a", True)
    loaded = job_of(tmp_path / "a.yaml")
    assert explain_other_writer(loaded) == f"{tmp_path}/a.yaml: prefixes[0].destination: {words}"
    assert explain_other_writer(job_of(tmp_path / "z.yaml")) is None


def test_two_mirrors_of_one_place_are_both_reported(tmp_path: Path) -> None:
    """Each would delete what the other copies."""
    found = find_mirror_problems(tmp_path, a=mirror("bkt/out/"), b=mirror("bkt/out/in/"))
    assert [name for name, _ in found] == ["a", "b"]


def test_a_mirror_keeps_its_own_results(tmp_path: Path) -> None:
    """They are in a folder of the job's name, which may be the destination prefix itself."""
    ((_, words),) = find_mirror_problems(tmp_path, a=mirror("bkt/a/", **to("s3://bkt/")))
    assert words.startswith("the job itself writes its results to s3://bkt/a/ (")


def test_a_folder_that_is_gone_is_a_reason(tmp_path: Path) -> None:
    """What can't be read may hold a job that writes there."""
    loaded = job_of(write(tmp_path, mirror("bkt/out/")))
    assert explain_other_writer(loaded) is None
    moved = replace(loaded, file=tmp_path / "gone" / "job.yaml")
    assert "can't be read" in str(explain_other_writer(moved))


RUNS = [{"ds": f"2026-01-0{day}", "run_id": name} for day, name in ((1, "aa"), (2, "ab"), (3, "ba"))]
SEGMENTS = st.sampled_from(
    ["a", "ab", "aa", "2026-01-01", "{{ ds }}", "{{ run_id }}", "a{{ ds }}", "{{ds}}b"]
)
PLACES = st.lists(SEGMENTS, max_size=3).map(lambda parts: "".join(f"{part}/" for part in parts))


def fill(template: str, run: dict[str, str]) -> str:
    for name, value in run.items():
        template = template.replace(f"{{{{ {name} }}}}", value).replace(f"{{{{{name}}}}}", value)
    return template


@given(prefix=PLACES, place=PLACES, is_prefix=st.booleans())
def test_no_overlap_is_missed(prefix: str, place: str, is_prefix: bool) -> None:  # noqa: FBT001 - drawn
    """If two places overlap in any of two runs, templates show that they may."""
    other = place if is_prefix else f"{place}key"
    for mine in RUNS:
        for its in RUNS:
            scope, key = fill(prefix, mine), fill(other, its)
            if key.startswith(scope) or (is_prefix and scope.startswith(key)):
                assert find_overlap(prefix, other, is_prefix=is_prefix) is not None
