"""Nothing in a file can crash or hang its reader, and whatever is wrong has a place in the file.

S3COPY_FUZZ_EXAMPLES sets how many files each test tries.
"""

from __future__ import annotations

import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3copy_tasks.cli import main
from s3copy_tasks.config.catalog import load_files, load_folder
from s3copy_tasks.config.layers import find_defaults, read_layers
from s3copy_tasks.config.problem import Code, Problem
from s3copy_tasks.config.show.explain import explained
from s3copy_tasks.config.show.report import as_github, as_json, as_text
from tests.support.builders.documents import MINIMAL, document, job_of, prefix, write

REPOSITORY = Path(__file__).parents[3]
EXAMPLES = REPOSITORY / "tests" / "unit" / "config" / "examples"
CORPUS = [
    file.read_text(encoding="utf-8")
    for folder in (EXAMPLES, REPOSITORY / "copy_configs")
    for file in sorted(folder.rglob("*.y*ml"))
]
ROLE = "arn:aws:iam::111122223333:role/reader"
TEXT = """\
version: 1
source: {bucket: ops-granules}
destination: {bucket: partner-granules}
prefixes: [{source: daily/, destination: backup/}]
"""
FUZZ = settings(
    max_examples=int(os.environ.get("S3COPY_FUZZ_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_in_file(problem: Problem) -> None:
    """Check that an editor can go where a problem points."""
    if problem.line is None or problem.column is None:
        assert problem.line is problem.column is None
        return
    text = Path(problem.file).read_bytes().decode("utf-8-sig", "replace")
    lines = re.split(r"\r\n|\r|\n", text)
    assert 1 <= problem.line <= len(lines)
    assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def assert_judged(file: Path) -> None:
    """Check that a file is a job or has problems, that all of it can be shown, and that the command ends."""
    catalog = load_files([file])
    assert len(catalog.jobs) + bool(catalog.problems) == 1
    for problem in catalog.problems:
        assert problem.message
        assert_in_file(problem)
    assert len(set(map(str, catalog.problems))) == len(catalog.problems)
    assert all(line.isprintable() for line in as_text(catalog.problems).split("\n"))
    assert len(json.loads(as_json(catalog.problems))) == len(catalog.problems)
    assert as_github(catalog.problems).count("\n") == len(catalog.problems)
    if catalog.jobs:
        text = explained(read_layers(file, find_defaults(file.parent)))
        again = file.parent / "again"
        again.mkdir(exist_ok=True)
        assert job_of(write(again, text)).digest == catalog.jobs[0].digest
    streams = io.StringIO()
    with redirect_stdout(streams), redirect_stderr(streams):
        assert main(["validate", str(file)]) == bool(catalog.problems)


# --- any values where a job has some

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
LIKELY = st.sampled_from(
    [
        "daily/",
        "{{ ds }}/",
        "{{ ds",
        "@daily",
        "0 2 * * *",
        "UTC",
        "2026-01-01",
        "100 GiB",
        "012345678901",
        "AKIAIOSFODNN7EXAMPLE",
        "https://a:b@c",
        "s3://bucket/key",
        "s3://bucket/prefix/",
        "1",
        ROLE,
        "a" * 2000,
        "\u2028\x85",
        1,
        64,
        64.0,
        1e300,
    ]
)
NAMES = st.sampled_from(
    [
        "bucket",
        "account",
        "connection",
        "role_arn",
        "external_id",
        "assets",
        "source",
        "destination",
        "recursive",
        "include",
        "exclude",
        "modified_since",
        "batch_bytes",
        "concurrency",
        "retries",
        "tags",
        "acl",
        "storage_class",
        "password",
        "token",
        "manifest",
        "columns",
        "header",
        "inventory",
        "max_age",
        "max_deleted_objects",
        "max_deleted_percent",
        "unversioned",
        "to",
    ]
)
VALUES = st.recursive(
    SCALARS | LIKELY,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "version",
        "description",
        "owner",
        "tags",
        "schedule",
        "timezone",
        "start_date",
        "source",
        "destination",
        "prefixes",
        "objects",
        "from",
        "mirror",
        "filters",
        "results",
        "overwrite",
        "object",
        "transfer",
        "failure",
    ]
)
CHANGES = st.dictionaries(FIELDS, VALUES, max_size=4)


@FUZZ
@given(changes=CHANGES)
def test_any_values_in_a_job_are_judged(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Whatever a field contains, loading never raises and never returns neither job nor problem."""
    assert_judged(write(tmp_path, document(**changes)))


@FUZZ
@given(defaults=CHANGES, changes=CHANGES, is_whole=st.booleans())
def test_any_values_in_defaults_are_judged(
    tmp_path_factory: pytest.TempPathFactory,
    defaults: dict[str, Any],
    changes: dict[str, Any],
    is_whole: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    """Whatever the defaults contain, the job is checked, and each problem is in one of the two files."""
    folder = tmp_path_factory.mktemp("defaults")
    write(folder, defaults, "_defaults.yaml")
    file = write(folder, document(**changes) if is_whole else changes)
    catalog = load_folder(folder)
    assert len(catalog.jobs) + bool(catalog.problems) == 1
    for problem in catalog.problems:
        assert problem.file in {str(file), str(folder / "_defaults.yaml")}
        assert_in_file(problem)
    assert as_text(catalog.problems).count("\n") >= len(catalog.problems)


# --- any text


@FUZZ
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_judged(tmp_path: Path, content: bytes) -> None:
    """Whatever a file holds, loading never raises and never says nothing."""
    assert_judged(write(tmp_path, content))


@FUZZ
@given(tail=st.text(alphabet="&*ab:!<>[]{}-|?#%@'\"\n\r\t \u2028é01.x,~=`\\", max_size=60), name=FIELDS)
def test_any_marks_of_yaml_are_judged(tmp_path: Path, tail: str, name: str) -> None:
    """Anchors, tags, merges and flows in any order never make loading raise."""
    assert_judged(write(tmp_path, f"{TEXT}{name}: {tail}\n"))


TAGS = st.sampled_from(
    [
        "int",
        "float",
        "bool",
        "null",
        "timestamp",
        "binary",
        "map",
        "seq",
        "set",
        "omap",
        "pairs",
        "str",
        "merge",
        "value",
    ]
)
TAGGED = st.sampled_from(
    ["", '""', "x", "[x]", "{x: y}", "[{x: y}]", "0x", "-", "1:1:1.5", "1_", "é", "&a b"]
)


@FUZZ
@given(
    mark=TAGS.map("!!{}".format) | st.text("!<>%41aé:,", max_size=8).map("!{}".format),
    value=TAGGED,
    name=FIELDS,
)
def test_any_tag_is_judged(tmp_path: Path, mark: str, value: str, name: str) -> None:
    """A tag on a value that does not fit never makes loading raise."""
    assert_judged(write(tmp_path, f"{TEXT}{name}: {mark} {value}\n"))


# --- files that were right, or nearly


@st.composite
def edited(draw: st.DrawFn) -> str:
    """Return an example after a few edits as fingers make them."""
    text = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        kind = draw(st.sampled_from(["delete", "insert", "double", "line", "indent"]))
        if kind == "delete":
            text = text[:start] + text[end:]
        elif kind == "insert":
            text = (
                text[:start]
                + draw(st.text("\t \n:-[]{}'\"#&*!|>%@`,é\u2028\x85\x07{}", max_size=3))
                + text[start:]
            )
        elif kind == "double":
            text = text[:end] + text[start:]
        elif kind == "line":
            lines = text.split("\n")
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
            text = "\n".join(lines)
        else:
            text = text[:start] + text[start:].replace("\n", "\n" + " " * draw(st.integers(1, 3)), 1)
    return text


@FUZZ
@given(text=edited())
def test_any_edit_of_an_example_is_judged(tmp_path: Path, text: str) -> None:
    """A typo anywhere in a file is reported, or harmless."""
    assert_judged(write(tmp_path, text))


@FUZZ
@given(text=edited(), defaults=edited())
def test_any_edit_of_two_files_is_judged(
    tmp_path_factory: pytest.TempPathFactory, text: str, defaults: str
) -> None:
    """What two files say together never makes loading raise."""
    folder = tmp_path_factory.mktemp("two")
    write(folder, text)
    write(folder, defaults, "_defaults.yaml")
    catalog = load_folder(folder)
    assert len(catalog.jobs) + bool(catalog.problems) == 1
    for problem in catalog.problems:
        assert_in_file(problem)


@FUZZ
@given(texts=st.lists(edited(), min_size=2, max_size=4))
def test_any_folder_is_judged(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Every file of a folder is a job, or has a problem; the rules across them never raise."""
    folder = tmp_path_factory.mktemp("folder")
    files = [write(folder, text, f"job{number}.yaml") for number, text in enumerate(texts)]
    catalog = load_folder(folder)
    wrong = {problem.file for problem in catalog.problems}
    assert {str(job.file) for job in catalog.jobs} | wrong == set(map(str, files))
    for problem in catalog.problems:
        assert_in_file(problem)


# --- languages within


@FUZZ
@given(template=st.text(alphabet="{}%# |.()[]'\"ds+*/-~0,=ifn\n", max_size=40))
def test_any_template_is_judged(tmp_path: Path, template: str) -> None:
    """No template makes loading raise."""
    assert_judged(write(tmp_path, document(**prefix(f"{template}/"))))


@FUZZ
@given(
    name=st.sampled_from(["schedule", "timezone", "start_date", "owner", "overwrite"]),
    text=st.text(alphabet="0123456789*/-,#LlHhRr@ ?:TZ+.UTCEuropeBerlin\x00", max_size=24),
)
def test_any_time_is_judged(tmp_path: Path, name: str, text: str) -> None:
    """No cron, zone or date makes loading raise."""
    assert_judged(write(tmp_path, document(**{name: text}) | {"filters": {"modified_since": text}}))


def test_the_check_finds_a_wrong_place(tmp_path: Path) -> None:
    """A problem after the file's end is detected, or the tests above could not fail."""
    file = write(tmp_path, MINIMAL)
    with pytest.raises(AssertionError):
        assert_in_file(Problem(file=str(file), line=99, column=1, code=Code.NOT_A_JOB, message="x"))
    with pytest.raises(AssertionError):
        assert_in_file(Problem(file=str(file), line=1, column=12, code=Code.NOT_A_JOB, message="x"))
