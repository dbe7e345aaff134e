"""A folder of configs: good ones are jobs, whatever the others are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3copy_tasks.config.catalog import job_files, load_files, load_folder
from s3copy_tasks.config.problem import Code
from tests.support.builders.documents import MINIMAL, document, prefix, write


def test_jobs_are_sorted_by_name(tmp_path: Path) -> None:
    """The order of Dags does not hang on the file system."""
    for name in ("c.yaml", "a.yml", "b.yaml"):
        write(tmp_path, MINIMAL, name)
    assert [job.name for job in load_folder(tmp_path).jobs] == ["a", "b", "c"]


def test_files_that_are_not_jobs_are_left_out(tmp_path: Path) -> None:
    """Names with "_" or "." in front, other endings, folders and pipes are not jobs."""
    for name in ("job.yaml", "_defaults.yaml", ".hidden.yaml", ".yaml", "README.md", "job.yaml.bak"):
        write(tmp_path, MINIMAL, name)
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    assert job_files(tmp_path) == [tmp_path / "job.yaml"]


def test_a_broken_config_takes_no_good_one_away(tmp_path: Path) -> None:
    """Good jobs go on; the bad one is a problem."""
    write(tmp_path, MINIMAL, "good.yaml")
    bad = write(tmp_path, "version: 2\n", "bad.yaml")
    catalog = load_folder(tmp_path)
    assert [job.name for job in catalog.jobs] == ["good"]
    assert {problem.file for problem in catalog.problems} == {str(bad)}


def test_problems_are_sorted_by_file(tmp_path: Path) -> None:
    """A report reads from the first file to the last, in whatever order they came."""
    files = [write(tmp_path, "", name) for name in ("b.yaml", "a.yaml", "c.yaml")]
    assert [problem.file for problem in load_files(files).problems] == sorted(map(str, files))


def test_two_files_of_one_name_are_both_refused(tmp_path: Path) -> None:
    """Neither of two files silently wins the job's name, be it by ending or by folder."""
    (tmp_path / "team").mkdir()
    files = [
        write(tmp_path, MINIMAL, "daily.yaml"),
        write(tmp_path, MINIMAL, "daily.yml"),
        write(tmp_path / "team", MINIMAL, "daily.yaml"),
        write(tmp_path, MINIMAL, "other.yaml"),
    ]
    catalog = load_files(files)
    assert [job.name for job in catalog.jobs] == ["other"]
    assert [problem.file for problem in catalog.problems] == sorted(map(str, files[:3]))
    assert "another file has the same job name 'daily': " in catalog.problems[0].message
    assert str(files[1]) in catalog.problems[0].message


def test_files_of_one_name_are_read_all_the_same(tmp_path: Path) -> None:
    """Their other problems are reported at once, not after the name is fixed."""
    files = [write(tmp_path, document(owner=""), "daily.yaml"), write(tmp_path, MINIMAL, "daily.yml")]
    assert [(one.file, one.code) for one in load_files(files).problems] == [
        (str(files[0]), Code.NAME_TAKEN),
        (str(files[0]), Code.WRONG_LENGTH),
        (str(files[1]), Code.NAME_TAKEN),
    ]


def test_files_of_one_name_take_no_part_in_rules_across_jobs(tmp_path: Path) -> None:
    """They are not jobs, so they write nothing."""
    files = [write(tmp_path, MINIMAL, name) for name in ("a.yaml", "b.yaml", "b.yml")]
    catalog = load_files(files)
    assert [job.name for job in catalog.jobs] == ["a"]
    assert {problem.code for problem in catalog.problems} == {Code.NAME_TAKEN}


def test_problems_across_jobs_take_no_job_away(tmp_path: Path) -> None:
    """Two jobs that write one place run, as before; the problem is reported."""
    for name in ("a.yaml", "b.yaml"):
        write(tmp_path, MINIMAL, name)
    catalog = load_folder(tmp_path)
    assert [job.name for job in catalog.jobs] == ["a", "b"]
    assert [problem.code for problem in catalog.problems] == [Code.JOBS_WRITE_SAME]


def test_problems_of_one_file_are_sorted_by_place(tmp_path: Path) -> None:
    """A report reads from the first line to the last; lines are numbers, not text."""
    changes = {f"field{number}": number for number in range(12)}
    problems = load_files([write(tmp_path, document(**changes))]).problems
    assert [problem.line for problem in problems] == [*range(9, 21)]


def test_the_order_of_files_is_of_no_account(tmp_path: Path) -> None:
    """The same files give the same jobs and problems, however they are named."""
    files = [write(tmp_path, document(**prefix(f"{name}/", "same/")), f"{name}.yaml") for name in "cab"]
    files.append(write(tmp_path, "", "broken.yaml"))
    assert load_files(files) == load_files(sorted(files)) == load_folder(tmp_path)


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    """A wrong path shows as a problem, not as a folder without jobs."""
    (problem,) = load_folder(tmp_path / "nowhere").problems
    assert str(problem) == f"{tmp_path / 'nowhere'}: the folder can't be read: No such file or directory"


def test_an_empty_folder_is_a_folder_without_jobs(tmp_path: Path) -> None:
    """A new folder is nothing to complain about."""
    catalog = load_folder(tmp_path)
    assert (catalog.jobs, catalog.problems) == ((), ())


def test_the_repository_s_own_configs_are_valid() -> None:
    """What ships as an example works."""
    catalog = load_folder(Path(__file__).parents[3] / "copy_configs")
    assert catalog.problems == ()
    assert "demo" in [job.name for job in catalog.jobs]


# --- names that are not read


@pytest.mark.parametrize("name", ["daily.YAML", "daily.Yml", "daily.yAml", "_defaults.YAML", "_defaults.Yml"])
def test_an_extension_in_capitals_is_reported(tmp_path: Path, name: str) -> None:
    """A file that is not read because of its extension is named, whatever it contains; the others stay."""
    write(tmp_path, document(), "other.yaml")
    file = write(tmp_path, "- nothing", name)
    for catalog in (load_folder(tmp_path), load_files([file, tmp_path / "other.yaml"])):
        (problem,) = catalog.problems
        assert (problem.file, problem.code) == (str(file), Code.FILE_NAME)
        assert problem.suggestion == name.lower()
        assert [job.name for job in catalog.jobs] == ["other"]


def test_a_file_in_capitals_takes_no_name(tmp_path: Path) -> None:
    """It is not a job, so it does not compete with one, and no worker runs it."""
    write(tmp_path, document(), "daily.yaml")
    write(tmp_path, document(), "daily.YAML")
    assert [job.name for job in load_folder(tmp_path).jobs] == ["daily"]
    assert [file.name for file in job_files(tmp_path)] == ["daily.yaml"]


@pytest.mark.parametrize("name", ["_notes.YAML", ".daily.YAML", "daily.yaml.bak", "README.md", "YAML"])
def test_other_files_are_left_alone(tmp_path: Path, name: str) -> None:
    """Names that are skipped on purpose, and other extensions, are not reported."""
    write(tmp_path, "- nothing", name)
    assert load_folder(tmp_path).problems == ()
