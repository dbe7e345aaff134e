"""The configs in copy_configs/ are examples to copy: valid, independent of each other, and complete."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3copy_tasks.config.catalog import job_files, load_folder
from s3copy_tasks.config.check.schema import schema
from tests.support.builders.documents import job_of

FOLDER = Path(__file__).parents[3] / "copy_configs"
FILES = job_files(FOLDER)
OF_EVERY_FIELD = [
    FOLDER / f"{name}.yaml" for name in ("every_field", "from_manifest", "from_inventory", "changes")
]
"""Some fields exclude each other, so one file can't have all."""
SIDES = ("source", "destination")
FIRST_LINE = "# yaml-language-server: $schema=../s3copy_tasks/config/copy_job.schema.json"

FieldPath = tuple[str, ...]


def fields_of_schema(part: dict[str, Any], path: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield every field of the schema but deprecated ones, with those of list items and of choices."""
    for name, field in part.get("properties", {}).items():
        if field.get("deprecated"):
            continue
        yield (*path, name)
        yield from fields_of_schema(field, (*path, name))
    for below in [part["items"]] if "items" in part else part.get("anyOf", []):
        yield from fields_of_schema(below, path)


def fields_of_document(part: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield every field that a document sets; null does not set a field."""
    if isinstance(part, list):
        for item in part:
            yield from fields_of_document(item, path)
    if isinstance(part, dict):
        for name, value in part.items():
            if value is not None:
                yield (*path, name)
                yield from fields_of_document(value, (*path, name))


def name_fields(paths: Iterable[FieldPath]) -> set[str]:
    """Return names of fields; source and destination are both `side`: each field needs one example."""
    return {".".join(("side", *path[1:]) if path[0] in SIDES else path) for path in paths}


def missing(documents: list[dict[str, Any]]) -> list[str]:
    """Return the fields of the schema that no document sets."""
    return sorted(name_fields(fields_of_schema(schema())) - name_fields(fields_of_document(documents)))


def without(documents: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return documents without a field, by the name that `name_fields` returns."""
    less = copy.deepcopy(documents)
    first, *rest = name.split(".")
    for top in SIDES if first == "side" else (first,):
        place: Any = less
        for step in (top, *rest)[:-1]:
            found = (item for part in place if step in part for item in as_list(part[step]))
            place = [item for item in found if isinstance(item, dict)]
        for part in place:
            part.pop((top, *rest)[-1], None)
    return less


def as_list(part: Any) -> list[Any]:
    return part if isinstance(part, list) else [part]


EVERY: list[dict[str, Any]] = [yaml.safe_load(file.read_text()) for file in OF_EVERY_FIELD]
NESTED = [path for path in fields_of_document(EVERY) if path[1:]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_example_is_valid(file: Path) -> None:
    """An example is a job without any change, and an editor finds the schema by its first line."""
    assert job_of(file).name == file.stem
    assert file.read_text().splitlines()[0] == FIRST_LINE


def test_the_examples_are_valid_together() -> None:
    """Airflow can use the whole folder."""
    catalog = load_folder(FOLDER)
    assert list(map(str, (*catalog.problems, *catalog.warnings))) == []
    assert [job.name for job in catalog.jobs] == sorted(file.stem for file in FILES)


def test_no_two_examples_write_the_same_place() -> None:
    """No destination is inside another, whatever the templates render to, but that of the comparison."""
    jobs = [job_of(file) for file in FILES if file.stem != "comparison"]
    places = sorted(
        f"{job.destination.bucket}/{destination.partition('{')[0]}"
        for job in jobs
        for path, destination in job.templates()
        if path.endswith(".destination")
    )
    assert len(places) >= len(FILES)
    assert [(a, b) for a, b in itertools.pairwise(places) if b.startswith(a)] == []


def test_every_field_is_shown() -> None:
    """The examples of every field set each field of the schema; a new one must be added there."""
    assert missing(EVERY) == []


@pytest.mark.parametrize("name", sorted(name_fields(fields_of_schema(schema()))))
def test_a_field_that_is_not_shown_is_named(name: str) -> None:
    """If any field is removed, the check reports that field and its nested fields."""
    more = set(missing(without(EVERY, name))) - set(missing(EVERY))
    assert {field for field in more if not field.startswith(f"{name}.")} == {name}


def test_every_field_has_a_comment() -> None:
    """Each field has a comment beside its first use, or above it."""
    lines = [line for file in OF_EVERY_FIELD for line in file.read_text().splitlines()]
    names = {path[-1] for path in fields_of_document(EVERY)} - {path[-2] for path in NESTED}
    mentions = {name: next(i for i, line in enumerate(lines) if f"{name}:" in line) for name in names}
    bare = [name for name, i in mentions.items() if "#" not in lines[i] and "#" not in lines[i - 1][:8]]
    assert bare == []
