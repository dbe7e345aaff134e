"""`explain`: the whole job as YAML, and behind each value where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.catalog import job_files
from s3copy_tasks.config.check.schema import schema, with_defaults
from s3copy_tasks.config.layers import find_defaults, read_layers
from s3copy_tasks.config.read.hints import written
from s3copy_tasks.config.read.source import read_source
from s3copy_tasks.config.show.explain import explained, provenance
from tests.support.builders.documents import MINIMAL, document, job_of, write

REPOSITORY = Path(__file__).parents[3]
EXAMPLES = REPOSITORY / "tests" / "unit" / "config" / "examples" / "valid"
FOLDERS = [REPOSITORY / "copy_configs", EXAMPLES, *(path for path in EXAMPLES.iterdir() if path.is_dir())]
JOBS = {f"{file.parent.name}/{file.stem}": file for folder in FOLDERS for file in job_files(folder)}
ORIGIN = re.compile(r"  # (default|(?P<file>.+):(?P<line>\d+))$")


def explanation(file: Path) -> str:
    return explained(read_layers(file, find_defaults(file.parent)))


def origins(text: str) -> dict[str, str]:
    """Return what each value's comment says, by the value's path."""
    source = read_source(Path("explained.yaml"), text.encode())
    lines = text.splitlines()
    found = {}
    for way, place in source.values.items():
        comment = ORIGIN.search(lines[(place.line or 0) - 1])
        if comment and way:
            found[".".join(map(str, way))] = comment[1]
    return found


@pytest.mark.parametrize("file", JOBS.values(), ids=JOBS)
def test_what_is_explained_is_the_same_job(tmp_path: Path, file: Path) -> None:
    """The explanation is a valid config, and its digest is that of the job that it explains."""
    assert job_of(write(tmp_path, explanation(file), file.name)).digest == job_of(file).digest


@pytest.mark.parametrize("file", JOBS.values(), ids=JOBS)
def test_every_value_says_where_it_comes_from(file: Path) -> None:
    """Each line with a value names the file and line where it begins, or says that it is a default."""
    for line in explanation(file).splitlines():
        if line.endswith(":"):
            continue  # the name of a section
        origin = ORIGIN.search(line)
        assert origin, line
        if origin["file"]:
            name = line.split(":")[0].strip(" -")
            lines = Path(origin["file"]).read_text(encoding="utf-8").splitlines()[: int(origin["line"])]
            assert any(name in line or "*" in line for line in lines[-2:])


def test_every_field_is_explained(tmp_path: Path) -> None:
    """No field of the schema is left out, but lists of entries that the job has not."""
    source = read_source(tmp_path, explanation(write(tmp_path, MINIMAL)).encode())
    assert source.value == {
        name: value for name, value in with_defaults(MINIMAL).items() if name != "objects"
    }
    assert [*source.value] == [name for name in schema()["properties"] if name != "objects"]


def test_a_value_names_its_line(tmp_path: Path) -> None:
    """Without defaults, a value is the file's or the schema's."""
    content = """\
version: 1
owner: data-ops
source: {bucket: ops-granules,
         account: "111122223333"}
destination:
  bucket: partner-granules
prefixes:
  - source: daily/
    destination: backup/
tags: [uat,
  daily]
"""
    file = write(tmp_path, content)
    found = origins(explanation(file))
    sections = {"source", "destination", "prefixes", "prefixes.0"}
    given = {name: origin for name, origin in found.items() if origin != "default"}
    assert {name: origin for name, origin in given.items() if name not in sections} == {
        "version": f"{file}:1",
        "owner": f"{file}:2",
        "tags": f"{file}:10",
        "tags.0": f"{file}:10",
        "tags.1": f"{file}:10",
        "source.bucket": f"{file}:3",
        "source.account": f"{file}:4",
        "destination.bucket": f"{file}:6",
        "prefixes.0.source": f"{file}:8",
        "prefixes.0.destination": f"{file}:9",
    }
    assert {"source.region", "overwrite", "prefixes.0.recursive", "transfer.concurrency"} <= set(found)


def test_a_value_of_the_defaults_names_their_file(tmp_path: Path) -> None:
    """With defaults, each value names the file that it was taken from."""
    write(
        tmp_path,
        "source:\n  connection: aws\n  region: us-west-2\ntags: [a, b]\nowner: x\n",
        "_defaults.yaml",
    )
    file = write(tmp_path, document(tags=["c"], owner="y"))
    found = origins(explanation(file))
    assert (found["source.connection"], found["source.region"]) == (
        f"{tmp_path}/_defaults.yaml:2",
        f"{tmp_path}/_defaults.yaml:3",
    )
    assert (found["source.bucket"], found["tags"], found["owner"]) == (
        f"{file}:3",
        f"{file}:10",
        f"{file}:11",
    )
    assert found["failure.retries"] == "default"


def test_null_over_a_default_is_the_job_s(tmp_path: Path) -> None:
    """What takes a default away was written in the job."""
    write(tmp_path, {"schedule": "@daily"}, "_defaults.yaml")
    file = write(tmp_path, document(schedule=None))
    assert origins(explanation(file))["schedule"] == f"{file}:9"


def test_a_value_of_an_alias_is_where_the_alias_is(tmp_path: Path) -> None:
    """The place to change is the place that says it."""
    content = """\
version: 1
source: &here
  bucket: ops-granules
destination: *here
prefixes: [{source: a/, destination: b/}]
filters:
  include: &globs ["*.nc"]
  exclude: *globs
"""
    file = write(tmp_path, content)
    found = origins(explanation(file))
    assert (found["source.bucket"], found["destination.bucket"]) == (f"{file}:3", f"{file}:4")
    assert (found["filters.include"], found["filters.exclude"]) == (f"{file}:7", f"{file}:8")
    assert found["destination.region"] == "default"


def test_rows_say_what_the_yaml_says(tmp_path: Path) -> None:
    """As rows, each value names its layer, the file without folders, and the line."""
    write(tmp_path, {"owner": "x", "transfer": {"batch_bytes": "1 GiB"}}, "_defaults.yaml")
    file = write(tmp_path, document(tags=["a", "b"]))
    rows = {row["path"]: row for row in provenance(job_of(file)) or []}
    assert rows["source.bucket"] == {
        "path": "source.bucket",
        "value": "ops-granules",
        "origin": "job file",
        "file": "job.yaml",
        "line": 3,
    }
    assert (rows["owner"]["origin"], rows["owner"]["file"]) == ("defaults", "_defaults.yaml")
    assert (rows["transfer.batch_bytes"]["value"], rows["tags"]["value"]) == ("1 GiB", ["a", "b"])
    assert (rows["overwrite"]["origin"], rows["overwrite"]["line"]) == ("schema default", None)
    assert "prefixes[0].source" in rows
    shown = origins(explanation(file))
    assert {path.replace("[0]", ".0") for path in rows} <= set(shown) | {"objects"}


def test_rows_of_a_file_that_has_changed_are_none(tmp_path: Path) -> None:
    """Lines of another config than the one that runs would mislead; a comment more is the same config."""
    file = write(tmp_path, MINIMAL)
    job = job_of(file)
    write(tmp_path, document(owner="another"))
    assert provenance(job) is None
    file.unlink()
    assert provenance(job) is None
    write(tmp_path, MINIMAL)
    file.write_text("# a comment\n" + file.read_text())
    assert provenance(job) is not None


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(text=TEXT, tags=st.lists(TEXT.filter(bool), max_size=3, unique=True))
def test_any_text_is_explained_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, text: str, tags: list[str]
) -> None:
    """Quotes, line breaks, control characters and marks of YAML in a value don't change the job."""
    folder = tmp_path_factory.mktemp("text")
    changes = {"description": text, "tags": tags}
    content = "".join(f"{name}: {written(value)}\n" for name, value in document(**changes).items())
    job = job_of(write(folder, content))
    assert (job.description, job.tags) == (text, tuple(tags))
    again = job_of(write(folder, explanation(job.file), "again.yaml"))
    assert (again.description, again.tags, again.digest) == (text, tuple(tags), job.digest)
