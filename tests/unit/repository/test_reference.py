"""The pages on configs agree with the code: every field, every code, and the output of the command."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3copy_tasks.config.catalog import load_folder
from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.check.template import NAMES
from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.source import read_source
from tests.support.airflow.stack import BIN
from tests.support.builders.documents import MINIMAL, document, job_of, prefix, write
from tools import reference
from tools.reference import Field, fields

DOCS = reference.PAGE.parent
FIELDS = list(fields())
TOP_FIELDS = [field for field in FIELDS if len(field.path) == 1]
DECLARED = set(Code)
ROW = re.compile(
    r"^\| `(?P<code>[a-z-]+)` \| (?P<meaning>.+) \| (?P<example>.+) \| (?P<fix>.+) \|$", re.MULTILINE
)
ROWS = list(ROW.finditer((DOCS / "problems.md").read_text()))


def blocks(language: str) -> list[str]:
    """Return every block of a language in docs/configuration.md."""
    return re.findall(rf"^```{language}\n(.*?)^```$", reference.PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_page_of_fields_is_up_to_date() -> None:
    """docs/configuration.md agrees with the schema and with the output of the command."""
    is_same = reference.PAGE.read_text() == reference.page()
    assert is_same, "docs/configuration.md is stale: run `make docs`"


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.title)
def test_every_field_has_a_description_and_an_example(field: Field) -> None:
    """The reference needs a description and an example of each field."""
    assert field.part.get("description", "").endswith("."), "description: whole sentences"
    assert field.part.get("examples")
    assert field.is_required or field.is_choice or "default" in field.part


def test_every_field_of_the_schema_is_on_the_page() -> None:
    """There is one heading for each field, in the schema's order."""
    titles = re.findall(r"^####? `(.+)`$", reference.PAGE.read_text(), re.MULTILINE)
    assert titles == [field.title for field in FIELDS]
    assert [title for title in titles if re.fullmatch(r"\w+", title)] == list(schema()["properties"])


def test_links_of_the_overview_lead_to_headings() -> None:
    """Each anchor belongs to exactly one heading."""
    text = re.sub(r"^```.*?^```$", "", reference.PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = [re.sub(r"[^\w -]", "", line.lower()) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    anchors = [heading.replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#(.+?)\)", text)) - set(anchors) == set()


def test_every_name_of_templates_is_on_the_page() -> None:
    """The table has the names that templates are checked against."""
    shown = {name.partition(".")[0] for name in reference._NAMES}
    assert shown == NAMES


@pytest.mark.parametrize("field", TOP_FIELDS, ids=lambda field: field.title)
def test_examples_of_the_page_are_valid(field: Field, tmp_path: Path) -> None:
    """A reader can copy the block below a field's heading into a job."""
    (text,) = [block for block in blocks("yaml") if block.startswith(f"{field.title}:")]
    (example,) = re.findall(r"\A.*?(?=^# |\Z)", text, re.DOTALL | re.MULTILINE)
    file = tmp_path / "example.yaml"
    file.write_text(example)
    value = read_source(file).value
    assert value == {field.title: field.part["examples"][0]}
    assert job_of(write(tmp_path, document(**value))).name == "job"


def test_shown_files_and_commands_work(tmp_path: Path) -> None:
    """The files and commands of the page give a valid folder, and a schema for the editor."""
    folder = tmp_path / "copy_configs"
    folder.mkdir()
    shown = [re.match(r"# copy_configs/(\w+\.yaml)\n", text) for text in blocks("yaml")]
    files = {found.group(1): found.string for found in shown if found is not None}
    assert set(files) == {"_defaults.yaml", "daily.yaml", "hourly.yaml", "weekly.yaml"}
    for name, text in files.items():
        (folder / name).write_text(text)
    assert {Path(problem.file).name for problem in load_folder(folder).problems} == {"weekly.yaml"}

    (folder / "weekly.yaml").unlink()
    commands = blocks("sh")
    assert len(commands) == 3
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    for command in commands:
        subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert {job.name for job in load_folder(folder).jobs} == {"daily", "hourly", "catalog"}
    assert read_source(tmp_path / "copy_job.schema.json").value == schema()


def test_codes_and_their_table_agree() -> None:
    """docs/problems.md has each code of the package once, and no other code."""
    assert sorted(row["code"] for row in ROWS) == sorted(DECLARED)


def examples_of(row: re.Match[str]) -> list[str]:
    """Return the YAML in a row's example."""
    return [text for text in re.findall(r"`(.+?)`", row["example"]) if re.match(r"\w+: |- ", text)]


def with_example(texts: list[str]) -> str:
    """Return the smallest job, with some of its fields replaced by those of an example."""
    if texts[0].startswith("-"):
        return f"{texts[0]}\n"
    names = [text.partition(":")[0] for text in texts]
    others = [reference.block(name, value) for name, value in MINIMAL.items() if name not in names]
    return "".join(others) + "".join(f"{text}\n" for text in texts)


def job(source: str, destination: str, key: str = "data/") -> dict[str, Any]:
    return document(
        source={"bucket": source},
        destination={"bucket": destination},
        prefixes=[{"source": "data/", "destination": key}],
    )


QUEUE = "https://sqs.us-west-2.amazonaws.com/111122223333/created"
IN_WORDS: dict[str, Callable[[Path], object]] = {
    Code.FILE_NAME: lambda folder: write(folder, MINIMAL, "daily copy.yaml"),
    Code.FILE_UNREADABLE: Path.rmdir,
    Code.NAME_TAKEN: lambda folder: [write(folder, MINIMAL, f"daily{end}") for end in (".yaml", ".yml")],
    Code.YAML_DEPTH: lambda folder: write(folder, f"tags: {'[' * 33}{']' * 33}\n"),
    Code.YAML_DOCUMENTS: lambda folder: write(folder, "version: 1\n---\nversion: 1\n"),
    Code.YAML_ENCODING: lambda folder: write(folder, "owner: Jürgen\n".encode("latin-1")),
    Code.YAML_SIZE: lambda folder: write(folder, "# much\n" * 200_000),
    Code.JOBS_LOOP: lambda folder: [
        write(folder, job("bucket-a", "bucket-b"), "there.yaml"),
        write(folder, job("bucket-b", "bucket-a"), "back.yaml"),
    ],
    Code.JOBS_SHARE_QUEUE: lambda folder: [
        write(
            folder, document(**prefix(f"{name}/", f"{name}/"), **{"from": {"queue": QUEUE}}), f"{name}.yaml"
        )
        for name in "ab"
    ],
    Code.JOBS_WRITE_SAME: lambda folder: [
        write(folder, job("bucket-a", "bucket-c"), "a.yaml"),
        write(folder, job("bucket-b", "bucket-c"), "b.yaml"),
    ],
    Code.JOBS_WRITE_NESTED: lambda folder: [
        write(folder, document(**prefix("a/", "out/")), "a.yaml"),
        write(folder, document(**prefix("b/", "out/deep/")), "b.yaml"),
    ],
    Code.MIRROR_OTHER_WRITER: lambda folder: [
        write(folder, document(**prefix("a/", "out/"), mirror={"max_deleted_objects": 1}), "a.yaml"),
        write(folder, document(**prefix("b/", "out/daily/"), filters={"exclude": ["x"]}), "b.yaml"),
    ],
    Code.KEY_TOO_LONG: lambda folder: write(
        folder, document(objects=[{"source": "a", "destination": "x" * 1_025}])
    ),
}
"""Functions that create the examples that the table describes in words."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_examples_of_problems_have_that_problem(row: re.Match[str], tmp_path: Path) -> None:
    """The example beside a code causes it, in an otherwise valid job."""
    if examples_of(row):
        write(tmp_path, with_example(examples_of(row)))
    else:
        IN_WORDS[row["code"]](tmp_path)
    catalog = load_folder(tmp_path)
    assert {problem.code for problem in (*catalog.problems, *catalog.warnings)} == {row["code"]}
