"""A folder's defaults below its jobs: what the merge gives, and where each value comes from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.catalog import load_files, load_folder
from s3copy_tasks.config.layers import Layers, find_defaults, read_layers
from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.builder import ERRORS_MAX
from s3copy_tasks.config.read.place import Parts
from tests.support.builders.documents import MINIMAL, document, job_of, prefix, problems_of, write

DEFAULTS = "_defaults.yaml"
SIDES = {"source": {"bucket": "ops-granules"}, "destination": {"bucket": "partner-granules"}}


def layers_of(folder: Path, own: Any, defaults: Any) -> Layers:
    file = write(folder, own)
    write(folder, defaults, DEFAULTS)
    return read_layers(file, find_defaults(folder))


# --- the merge

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("xyz", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(NAMES, VALUES, max_size=3)


def naive(base: Any, over: Any) -> Any:
    """Merge as the documentation says it: mappings field by field, everything else is replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {
            name: naive(base[name], value) if name in base else value for name, value in over.items()
        }
    return over


def ways(value: Any, way: Parts = ()) -> list[Parts]:
    """Return the ways to all that is in a value, itself too."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = [*value.items()]
    elif isinstance(value, list):
        inner = [*enumerate(value)]
    return [way, *(found for part, below in inner for found in ways(below, (*way, part)))]


def at(value: Any, way: Parts) -> Any:
    for part in way:
        value = value[part]
    return value


def is_of_the_job(own: Any, base: Any, way: Parts) -> bool:
    """Return whether the job's file gives a value: it has it, or it replaces a value around it."""
    for part in way:
        if not isinstance(own, dict) or not isinstance(base, dict):
            return True
        if part not in own:
            return False
        if part not in base:
            return True
        own, base = own[part], base[part]
    return True


@given(own=MAPPINGS, base=MAPPINGS)
def test_the_job_is_merged_over_the_defaults(
    tmp_path_factory: pytest.TempPathFactory, own: Any, base: Any
) -> None:
    """Mappings are merged at every depth; lists, null and all else are replaced; places follow the values."""
    folder = tmp_path_factory.mktemp("merge")
    layers = layers_of(folder, own or "{}", base or "{}")
    assert layers.value == naive(base, own)
    assert set(layers.source.values) == set(ways(layers.value))
    for way in ways(layers.value):
        name = "job.yaml" if is_of_the_job(own, base, way) else DEFAULTS
        assert layers.place(way).file == folder / name
        assert layers.place(way, at_name=True).file == folder / name


def test_merging_changes_neither_layer(tmp_path: Path) -> None:
    """Defaults are read once for all jobs of a folder, so a job leaves them as they were."""
    write(tmp_path, {"source": {"connection": "a"}, "filters": {"include": ["x"]}}, DEFAULTS)
    defaults = find_defaults(tmp_path)
    assert defaults is not None
    before = copy.deepcopy(defaults)
    read_layers(write(tmp_path, document(filters={"include": ["y"]})), defaults)
    assert defaults == before


# --- jobs with defaults


def test_a_job_has_the_defaults_of_its_folder(tmp_path: Path) -> None:
    """What the job leaves out comes from `_defaults.yaml`, what that leaves out from the schema."""
    write(
        tmp_path, {"owner": "data-ops", "source": {"connection": "aws"}, "failure": {"retries": 5}}, DEFAULTS
    )
    job = job_of(write(tmp_path, document(failure={"max_failed_objects": 3})))
    assert (job.owner, job.source.bucket, job.source.connection) == ("data-ops", "ops-granules", "aws")
    assert (job.retries, job.max_failed_objects, job.overwrite) == (5, 3, "changed")


@pytest.mark.parametrize("name", ["_defaults.yaml", "_defaults.yml"])
def test_defaults_have_either_ending(tmp_path: Path, name: str) -> None:
    """As jobs have."""
    write(tmp_path, {"owner": "data-ops"}, name)
    assert job_of(write(tmp_path, MINIMAL)).owner == "data-ops"


def test_defaults_are_of_one_folder(tmp_path: Path) -> None:
    """Neither the folder above nor the one below has a say."""
    (tmp_path / "team" / "old").mkdir(parents=True)
    write(tmp_path, {"owner": "above"}, DEFAULTS)
    write(tmp_path / "team" / "old", {"owner": "below"}, DEFAULTS)
    assert job_of(write(tmp_path / "team", MINIMAL)).owner == "airflow"


def test_null_takes_a_default_away(tmp_path: Path) -> None:
    """A job that must not have what its folder has says null."""
    write(tmp_path, {"source": {"connection": "aws"}, "schedule": "@daily"}, DEFAULTS)
    role = "arn:aws:iam::111122223333:role/reader"
    changes = {"source": {"bucket": "ops-granules", "connection": None, "role_arn": role}, "schedule": None}
    job = job_of(write(tmp_path, document(**changes)))
    assert (job.source.connection, job.source.role_arn, job.schedule) == (None, role, None)


def test_a_list_takes_the_place_of_a_list(tmp_path: Path) -> None:
    """Lists are never joined: an entry of the defaults can't come back by itself."""
    write(tmp_path, {"tags": ["a", "b"], "filters": {"include": ["*.nc"], "exclude": ["*.tmp"]}}, DEFAULTS)
    job = job_of(write(tmp_path, document(tags=["c"], filters={"exclude": []})))
    assert (job.tags, job.filters.include, job.filters.exclude) == (("c",), ("*.nc",), ())


def test_the_digest_is_that_of_the_effective_job(tmp_path: Path) -> None:
    """Where a value is written makes no other version of the job, and what it is does."""
    alone = job_of(write(tmp_path, document(owner="data-ops"))).digest
    write(tmp_path, {"owner": "data-ops"}, DEFAULTS)
    assert job_of(write(tmp_path, MINIMAL)).digest == alone
    write(tmp_path, {"owner": "platform"}, DEFAULTS)
    assert job_of(write(tmp_path, MINIMAL)).digest != alone


def test_anchors_end_with_their_file(tmp_path: Path) -> None:
    """A job has no anchors of the defaults."""
    write(tmp_path, "owner: &who data-ops\n", DEFAULTS)
    (problem,) = problems_of(write(tmp_path, "version: 1\nowner: *who\n"))
    assert (problem.file, problem.code) == (str(tmp_path / "job.yaml"), Code.YAML_ANCHOR)


# --- problems


BROKEN_DEFAULTS: dict[str, tuple[str, str]] = {
    "no YAML": ("owner: @daily\n", Code.YAML_SYNTAX),
    "no mapping": ("- owner\n", Code.NOT_A_JOB),
    "an unknown field": ("ownr: x\n", Code.UNKNOWN_FIELD),
    "a wrong type": ("owner: 5\n", Code.WRONG_TYPE),
    "a bad cron": ('schedule: "0 25 * * *"\n', Code.BAD_CRON),
    "a secret": ("description: AKIAIOSFODNN7EXAMPLE\n", Code.SECRET),
    "a field twice": ("owner: a\nowner: b\n", Code.YAML_DUPLICATE),
}


@pytest.mark.parametrize(("content", "code"), BROKEN_DEFAULTS.values(), ids=BROKEN_DEFAULTS)
def test_broken_defaults_are_reported_once_and_break_their_folder_only(
    tmp_path: Path, content: str, code: str
) -> None:
    """Jobs of other folders go on; the problem is reported in the file of defaults, not once for each job."""
    (tmp_path / "team").mkdir()
    defaults = write(tmp_path / "team", content, DEFAULTS)
    files = [write(tmp_path / "team", MINIMAL, f"job{number}.yaml") for number in range(3)]
    catalog = load_files([*files, write(tmp_path, MINIMAL, "other.yaml")])
    assert [job.name for job in catalog.jobs] == ["other"]
    assert [(problem.file, problem.code) for problem in catalog.problems] == [(str(defaults), code)]


@pytest.mark.parametrize(("content", "code"), BROKEN_DEFAULTS.values(), ids=BROKEN_DEFAULTS)
def test_a_worker_reports_broken_defaults(tmp_path: Path, content: str, code: str) -> None:
    """Loading one job reads its folder's defaults, too, and says what is wrong with them."""
    write(tmp_path, content, DEFAULTS)
    assert [problem.code for problem in problems_of(write(tmp_path, MINIMAL))] == [code]


def test_defaults_and_job_are_reported_together(tmp_path: Path) -> None:
    """The problems of both files come at once."""
    write(tmp_path, {"owner": ""}, DEFAULTS)
    write(tmp_path, document(overwrite="newer"))
    write(tmp_path, "version: @1\n", "no_yaml.yaml")
    assert [(Path(one.file).name, one.path) for one in load_folder(tmp_path).problems] == [
        (DEFAULTS, "owner"),
        ("job.yaml", "overwrite"),
        ("no_yaml.yaml", ""),
    ]


def test_a_wrong_default_stays_wrong_under_a_job_that_overrides_it(tmp_path: Path) -> None:
    """The defaults are to be fixed, not the job: the next job would have the same problem."""
    write(tmp_path, {"owner": ""}, DEFAULTS)
    (problem,) = problems_of(write(tmp_path, document(owner="data-ops")))
    assert problem.file == str(tmp_path / DEFAULTS)


@pytest.mark.parametrize("content", ["", "# owner: data-ops\n", "{}\n"])
def test_defaults_may_be_empty(tmp_path: Path, content: str) -> None:
    """A file whose every line is commented out gives no defaults, and breaks nothing."""
    write(tmp_path, content, DEFAULTS)
    assert job_of(write(tmp_path, MINIMAL)).owner == "airflow"


def test_defaults_that_are_not_a_mapping_are_reported_as_defaults(tmp_path: Path) -> None:
    """The message does not ask for `version: 1` in a file of defaults."""
    write(tmp_path, "- owner\n", DEFAULTS)
    (problem,) = problems_of(write(tmp_path, MINIMAL))
    assert problem.message == "is not a mapping. Write the defaults as fields of a job"


def test_defaults_require_nothing(tmp_path: Path) -> None:
    """A part of a job is enough; what the whole needs is asked of the jobs."""
    write(tmp_path, {"destination": {"connection": "aws"}}, DEFAULTS)
    assert job_of(write(tmp_path, MINIMAL)).destination.connection == "aws"


def test_what_is_missing_is_missing_in_the_job(tmp_path: Path) -> None:
    """A section of the defaults that no job completes is reported where a job would complete it."""
    write(tmp_path, {"source": {"connection": "aws"}}, DEFAULTS)
    changes = document()
    del changes["source"]
    (problem,) = problems_of(write(tmp_path, changes))
    assert str(problem) == f"{tmp_path}/job.yaml:1:1: source: needs `bucket`"


def test_what_is_missing_in_a_section_of_the_job_is_reported_there(tmp_path: Path) -> None:
    """The name of the section is the place."""
    write(tmp_path, {"source": {"connection": "aws"}}, DEFAULTS)
    (problem,) = problems_of(write(tmp_path, document(source={"region": "us-west-2"})))
    assert (problem.file, problem.line, problem.message) == (str(tmp_path / "job.yaml"), 2, "needs `bucket`")


def test_what_is_missing_in_an_entry_of_the_defaults_is_reported_there(tmp_path: Path) -> None:
    """A job can't complete an entry of a list: lists are replaced."""
    write(tmp_path, {"objects": [{"source": "a"}]}, DEFAULTS)
    (problem,) = problems_of(write(tmp_path, MINIMAL))
    assert (problem.file, problem.line) == (str(tmp_path / DEFAULTS), 2)
    assert problem.message == "needs `destination` (in the job of job.yaml)"


def test_a_default_that_is_wrong_for_one_job_names_the_job(tmp_path: Path) -> None:
    """Where the defaults are fine by themselves, the message says with which job they are not."""
    write(tmp_path, {"filters": {"modified_since": "{{ ds }}"}}, DEFAULTS)
    write(tmp_path, MINIMAL, "by_date.yaml")
    write(tmp_path, document(schedule={"assets": ["s3://a/b"]}, **prefix("x/", "y/")), "on_arrival.yaml")
    catalog = load_folder(tmp_path)
    (problem,) = catalog.problems
    assert [job.name for job in catalog.jobs] == ["by_date"]
    assert (problem.file, problem.code) == (str(tmp_path / DEFAULTS), Code.NO_LOGICAL_DATE)
    assert problem.message.endswith(" (in the job of on_arrival.yaml)")


def test_a_rule_across_both_files_is_reported_at_the_value_it_is_about(tmp_path: Path) -> None:
    """A destination in the defaults that overlaps a job's source is reported in the defaults."""
    bucket = {"bucket": "ops-granules"}
    write(tmp_path, {"destination": bucket, "objects": [{"source": "x", "destination": "daily/x"}]}, DEFAULTS)
    changes = {"version": 1, "source": bucket, **prefix("daily/")}
    (problem,) = problems_of(write(tmp_path, changes))
    assert (problem.file, problem.path, problem.code) == (
        str(tmp_path / DEFAULTS),
        "objects[0].destination",
        Code.FEEDS_ITSELF,
    )


def test_two_files_of_defaults_are_refused(tmp_path: Path) -> None:
    """Neither silently wins."""
    write(tmp_path, {"owner": "a"}, "_defaults.yaml")
    write(tmp_path, {"owner": "b"}, "_defaults.yml")
    (problem,) = problems_of(write(tmp_path, MINIMAL))
    assert (problem.code, problem.line) == (Code.NAME_TAKEN, None)
    assert "_defaults.yml" in problem.message


def test_a_folder_in_place_of_defaults_is_none(tmp_path: Path) -> None:
    """Only a file gives defaults."""
    (tmp_path / DEFAULTS).mkdir()
    assert job_of(write(tmp_path, MINIMAL)).owner == "airflow"


def test_thousands_of_overridden_names_are_merged_at_once(tmp_path: Path) -> None:
    """What a job replaces is forgotten in one pass: a file within its bounds is read within its bounds."""
    names = [f"field_{number}" for number in range(20_000)]
    (tmp_path / "_defaults.yaml").write_text("".join(f"{name}: 1\n" for name in names))
    file = write(tmp_path, "".join(f"{name}: 2\n" for name in names))
    layers = read_layers(file, find_defaults(tmp_path))
    assert layers.value == dict.fromkeys(names, 2)
    assert {place.file for place in layers.source.values.values()} == {file}


def test_thousands_of_secrets_are_reported_in_part(tmp_path: Path) -> None:
    """A report names the first of them; a name of any length is shown in short."""
    keys = "".join(f"- AKIAIOSFODNN7EX{number:05}\n" for number in range(20_000))
    file = write(tmp_path, f'? "{"n" * 300_000}"\n:\n{keys}')
    problems = read_layers(file, None).problems
    assert len(problems) == ERRORS_MAX
    assert problems[0].path == "(a name of 300000 characters)[0]"
