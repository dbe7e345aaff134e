"""`explain`, `new`, `schema` and the count of `validate`: what they print and leave, and how they end."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from s3copy_tasks.cli import main
from s3copy_tasks.config.check.schema import SCHEMA_FILE
from s3copy_tasks.config.read.source import read_source
from tests.support.airflow.stack import BIN
from tests.support.builders.documents import MINIMAL, document, job_of, prefix, write

ROLE = "arn:aws:iam::444455556666:role/writer"
ANSWERS = {
    "--source-account": "111122223333",
    "--source-connection": "aws_source",
    "--source-region": "us-west-2",
    "--destination-account": "012345678901",
    "--destination-role-arn": ROLE,
    "--schedule": "@daily",
    "--description": "Publish: daily # granules",
    "--owner": "data-ops",
}
REQUIRED = ("--source-bucket", "ops-granules", "--destination-bucket", "partner-granules")
ENTRIES = {
    "prefix": ("--prefix", "daily/{{ ds }}/", "backup/{{ ds }}/"),
    "prefixes": ("--prefix", "a/", "b/", "--prefix", "c/", "d/"),
    "object": ("--object", "catalog/index.json", "published/index.json"),
    "both": ("--prefix", "", "", "--object", "a", "b"),
}


def new(folder: Path, *arguments: str, name: str = "daily") -> int:
    return main(["new", name, "--config-dir", str(folder), *arguments])


# --- new


@pytest.mark.parametrize("entries", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize("count", range(len(ANSWERS) + 1))
def test_new_writes_a_job_of_any_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], entries: tuple[str, ...], count: int
) -> None:
    """Any combination of answers is a valid file, and its name is all that is printed."""
    for number, chosen in enumerate(itertools.combinations(ANSWERS.items(), count)):
        answers = [*REQUIRED, *entries, *itertools.chain.from_iterable(chosen)]
        assert new(tmp_path, *answers, name=f"job{number}") == 0
        file = tmp_path / f"job{number}.yaml"
        assert capsys.readouterr() == (f"{file}\n", "")
        job = job_of(file)
        assert (job.source.account is None) is ("--source-account" not in dict(chosen))
        assert (len(job.prefixes), len(job.objects)) == (entries.count("--prefix"), entries.count("--object"))


def test_new_makes_the_folder(tmp_path: Path) -> None:
    """The first job of a repository needs no preparation."""
    assert new(tmp_path / "a" / "b", *REQUIRED, *ENTRIES["prefix"]) == 0
    assert job_of(tmp_path / "a" / "b" / "daily.yaml").prefixes[0].source == "daily/{{ ds }}/"


def test_new_reckons_with_the_defaults_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder's defaults may conflict with the answers: that is reported before anything is written."""
    write(tmp_path, {"source": {"connection": "aws"}}, "_defaults.yaml")
    role = "arn:aws:iam::111122223333:role/reader"
    assert new(tmp_path, *REQUIRED, *ENTRIES["prefix"], "--source-role-arn", role) == 1
    assert "can't be used together" in capsys.readouterr().out
    assert new(tmp_path, *REQUIRED, *ENTRIES["prefix"]) == 0
    assert job_of(tmp_path / "daily.yaml").source.connection == "aws"


def test_new_shows_where_the_defaults_are_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem in an existing file is reported with its place; nothing is written until it is fixed."""
    defaults = write(tmp_path, {"ownr": "x"}, "_defaults.yaml")
    assert new(tmp_path, *REQUIRED, *ENTRIES["prefix"]) == 1
    assert f"{defaults}:1:1: unknown field 'ownr'" in capsys.readouterr().out
    assert [*tmp_path.iterdir()] == [defaults]


INVALID: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing to copy": (
        (),
        "daily.yaml: needs `prefixes` or `objects`: there is nothing to copy [missing-field]",
    ),
    "no account": (
        (*ENTRIES["prefix"], "--source-account", "1111"),
        "daily.yaml: source.account: must be twelve digits",
    ),
    "no slash": (("--prefix", "a", "b/"), 'daily.yaml: prefixes[0].source: must end with "/"'),
    "cron": (
        (*ENTRIES["prefix"], "--schedule", "0 25 * * *"),
        "daily.yaml: schedule: '0 25 * * *' is not a valid cron expression",
    ),
    "both ways in": (
        (
            *ENTRIES["prefix"],
            "--source-connection",
            "a",
            "--source-role-arn",
            ANSWERS["--destination-role-arn"],
        ),
        "daily.yaml: source: `connection` and `role_arn` can't be used together",
    ),
    "a secret": (
        (*ENTRIES["prefix"], "--owner", "AKIAIOSFODNN7EXAMPLE"),
        "daily.yaml: owner: looks like a secret",
    ),
    "no letters": ((*ENTRIES["prefix"], "--owner", "\udcff"), "daily.yaml: not valid YAML: "),
}


@pytest.mark.parametrize(("answers", "words"), INVALID.values(), ids=INVALID)
def test_new_leaves_nothing_behind_where_the_answers_make_no_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answers: tuple[str, ...], words: str
) -> None:
    """Exit 1, the problems without places in a file that there is not, and no file, no folder."""
    folder = tmp_path / "copy_configs"
    assert new(folder, *REQUIRED, *answers) == 1
    out, err = capsys.readouterr()
    assert words in out
    assert err == ""
    assert "AKIA" not in out
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("ending", [".yaml", ".yml"])
def test_new_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    """Exit 2 where the job exists, under either ending."""
    file = write(tmp_path, "precious\n", f"daily{ending}")
    assert new(tmp_path, *REQUIRED, *ENTRIES["prefix"]) == 2
    assert f"the job 'daily' already exists in {tmp_path}" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_text() == "precious\n"


@pytest.mark.parametrize(
    "name",
    ["", "../daily", "a/b", "_defaults", ".daily", "two words", "ж", "daily.yaml", "x.yml", "a\n", "-x"],
)
def test_new_takes_no_name_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Exit 2 for what would be no job, another folder, or a job of a strange name."""
    folder = tmp_path / "copy_configs"
    arguments = ["new", "--config-dir", str(folder), *REQUIRED, *ENTRIES["prefix"], "--", name]
    assert main(arguments) == 2
    assert "is not a valid job name" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_new_says_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 for a folder that is none, or whose path is too long."""
    file = write(tmp_path, "", "file")
    assert new(file, *REQUIRED, *ENTRIES["prefix"]) == 2
    assert new(tmp_path / ("a" * 300), *REQUIRED, *ENTRIES["prefix"]) == 2
    assert new(tmp_path, *REQUIRED, *ENTRIES["prefix"], name="a" * 250) == 1
    out, err = capsys.readouterr()
    assert err.count("s3copy: can't write ") == 2
    assert "use at most 200 characters" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", "x"],
        ["new", *REQUIRED],
        ["new", "x", *REQUIRED, "--prefix", "a/"],
        ["explain"],
        ["schema", "x"],
    ],
)
def test_a_call_that_lacks_something_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A usage error is reported with the usage."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: s3copy" in capsys.readouterr().err


# --- explain


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "file"])
def test_explain_shows_a_job_by_its_name_or_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    by_name: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Exit 0, the whole job on stdout as YAML, nothing on stderr."""
    file = write(tmp_path, MINIMAL, "daily.yaml")
    assert main(["explain", "daily" if by_name else str(file), "--config-dir", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert read_source(file, out.encode()).value["source"]["bucket"] == "ops-granules"
    assert (err, "# default" in out) == ("", True)


def test_explain_shows_the_problems_of_a_job_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, and what `validate` says of the file."""
    file = write(tmp_path, document(owner=""))
    assert main(["explain", str(file)]) == 1
    explained = capsys.readouterr().out
    assert main(["validate", str(file)]) == 1
    assert explained == capsys.readouterr().out


def test_explain_knows_the_jobs_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 for a name that no file has."""
    write(tmp_path, MINIMAL, "daily.yaml")
    assert main(["explain", "dayly", "--config-dir", str(tmp_path)]) == 2
    assert "no job 'dayly'" in capsys.readouterr().err


# --- schema


def test_schema_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is the file that editors take."""
    assert main(["schema"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert out == SCHEMA_FILE.read_text(encoding="utf-8")


# --- validate


def test_validate_counts_jobs_and_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says how many files are valid, and how many problems there are."""
    write(tmp_path, MINIMAL, "good.yaml")
    write(tmp_path, document(**prefix("x/", "y/"), owner="", overwrite="newer"), "two_problems.yaml")
    write(tmp_path, "@", "one_problem.yaml")
    assert main(["validate", "--config-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "1 of 3 configs valid, 3 problems\n"


def test_a_warning_is_shown_and_the_config_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipeline passes, and whoever reads its log sees file, line and column."""
    file = write(tmp_path, document(transfer={"pool": "x"}))
    assert main(["validate", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{file}:10:3: warning: transfer.pool: ")
    assert err == "1 of 1 configs valid, 0 problems, 1 warning\n"


def test_explain_shows_warnings_beside_the_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is on stdout is still YAML."""
    file = write(tmp_path, document(transfer={"pool": "x"}))
    assert main(["explain", str(file)]) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"{file}:10:3: warning: transfer.pool: ")
    assert yaml.safe_load(out)["transfer"]["pool"] == "x"


def test_validate_says_one_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One problem is singular."""
    write(tmp_path, document(owner=""))
    assert main(["validate", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "0 of 1 configs valid, 1 problem\n"


def test_a_job_with_a_problem_across_jobs_is_not_counted_as_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job is valid, but its file has a problem."""
    write(tmp_path, MINIMAL, "a.yaml")
    write(tmp_path, MINIMAL, "b.yaml")
    assert main(["validate", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "1 of 2 configs valid, 1 problem\n"


def test_defaults_that_break_every_job_are_one_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No job of the folder is valid, and there is one problem to fix."""
    write(tmp_path, {"ownr": "x"}, "_defaults.yaml")
    write(tmp_path, MINIMAL, "a.yaml")
    write(tmp_path, document(**prefix("x/", "y/")), "b.yaml")
    assert main(["validate", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "0 of 2 configs valid, 1 problem\n"


@pytest.mark.parametrize("name", ["_defaults.yaml", "_defaults.yml"])
def test_a_file_of_defaults_stands_for_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A commit hook names the file that changed: its jobs are what it can break."""
    defaults = write(tmp_path, {"ownr": "x"}, name)
    write(tmp_path, MINIMAL, "a.yaml")
    assert main(["validate", str(defaults)]) == 1
    assert f"{defaults}:1:1: unknown field 'ownr'" in capsys.readouterr().out
    write(tmp_path, {"owner": "x"}, name)
    assert main(["validate", str(defaults), str(tmp_path / "a.yaml")]) == 0
    assert capsys.readouterr().err == "1 of 1 configs valid, 0 problems\n"


def test_a_folder_that_is_called_defaults_is_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only files are defaults."""
    folder = tmp_path / "_defaults"
    folder.mkdir()
    write(folder, MINIMAL, "a.yaml")
    assert main(["validate", str(folder)]) == 0
    assert capsys.readouterr().err == "1 of 1 configs valid, 0 problems\n"


@pytest.mark.parametrize("form", ["json", "github", "text"])
def test_every_form_has_the_same_problems_and_ends_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """The form changes what is on stdout, and neither the exit code nor the count on stderr."""
    file = write(tmp_path, document(owner="", overwrite="newer"))
    assert main(["validate", "--format", form, str(file)]) == 1
    out, err = capsys.readouterr()
    assert err == "0 of 1 configs valid, 2 problems\n"
    assert (out.count("wrong-length"), out.count("not-allowed")) == (1, 1)
    write(tmp_path, MINIMAL)
    assert main(["validate", "--format", form, str(file)]) == 0
    assert capsys.readouterr().out == ("[]\n" if form == "json" else "")


# --- Ctrl-C


@pytest.mark.parametrize("module", ["yaml", "jsonschema", "argparse"])
def test_ctrl_c_while_modules_are_imported_is_handled(tmp_path: Path, module: str) -> None:
    """The first half second is like the rest: one line, exit code 130, no traceback."""
    write(tmp_path, MINIMAL)
    (tmp_path / f"{module}.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run(
        [BIN / "s3copy", "validate", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "s3copy: interrupted. Run again to copy what is missing\n"
