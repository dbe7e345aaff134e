"""The installed command `s3copy`, as a shell or a CI job calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import MINIMAL, document, write

COMMAND = Path(sys.executable).with_name("s3copy")
BROKEN = document(owner="", overwrite="newer")


def s3copy(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command; whatever happens, it shows no traceback."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__S3COPY__")}
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        env=inherited | (environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the command looks at when it is told nothing."""
    made = tmp_path / "copy_configs"
    made.mkdir()
    return made


def test_valid_configs_end_with_0(folder: Path) -> None:
    """Nothing wrong: exit 0, nothing on stdout, the count on stderr."""
    write(folder, MINIMAL, "a.yaml")
    write(folder, MINIMAL, "b.yml")
    done = s3copy("validate", cwd=folder.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "2 of 2 configs valid, 0 problems\n")


def test_problems_end_with_1_and_stand_on_stdout(folder: Path) -> None:
    """Something wrong: exit 1, a line for each problem with file and path, the count on stderr."""
    write(folder, MINIMAL, "a.yaml")
    write(folder, BROKEN, "b.yaml")
    done = s3copy("validate", cwd=folder.parent)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "copy_configs/b.yaml: overwrite: must be one of: always, changed, never",
        "copy_configs/b.yaml: owner: must have 1 character(s) at least, or be left out",
    ]
    assert done.stderr == "1 of 2 configs valid, 2 problems\n"


def test_json_is_a_list_of_problems(folder: Path) -> None:
    """Other programs read file, line, column, path and message of each problem."""
    write(folder, "version: 1\nschedule: @daily\n", "a.yaml")
    write(folder, document(overwrite="newer"), "b.yaml")
    done = s3copy("validate", "--format", "json", cwd=folder.parent)
    syntax, rule = json.loads(done.stdout)
    assert done.returncode == 1
    assert (syntax["file"], syntax["line"], syntax["column"]) == ("copy_configs/a.yaml", 2, 11)
    assert rule == {
        "file": "copy_configs/b.yaml",
        "line": None,
        "column": None,
        "path": "overwrite",
        "message": "must be one of: always, changed, never",
    }


def test_json_of_valid_configs_is_an_empty_list(folder: Path) -> None:
    """A reader of JSON gets JSON in every case."""
    write(folder, MINIMAL)
    done = s3copy("validate", "--format", "json", cwd=folder.parent)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_files_and_folders_can_be_named(folder: Path) -> None:
    """What is named is validated and nothing else; what is named twice counts once."""
    good, other = write(folder, MINIMAL, "good.yaml"), folder.parent / "other"
    other.mkdir()
    write(folder, BROKEN, "bad.yaml")
    write(other, MINIMAL, "else.yaml")
    done = s3copy("validate", good, "copy_configs/good.yaml", other, cwd=folder.parent)
    assert (done.returncode, done.stderr) == (0, "2 of 2 configs valid, 0 problems\n")


def test_two_files_of_one_job_are_refused(folder: Path) -> None:
    """Two endings of one stem would be one Dag."""
    write(folder, MINIMAL, "a.yaml")
    write(folder, MINIMAL, "a.yml")
    done = s3copy("validate", cwd=folder.parent)
    assert (done.returncode, done.stderr) == (1, "0 of 2 configs valid, 2 problems\n")


CONTENTS: dict[str, str | bytes] = {
    "empty": "",
    "bytes": b"\xff\xfe\x00",
    "left open": "a: [",
    "a list": "- a\n",
    "bomb": "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(64)),
    "nested": "[" * 100_000,
    "control characters": 'version: 1\n"\\e[31m": 1\n',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_what_is_no_job_ends_with_1(folder: Path, content: str | bytes) -> None:
    """Whatever is in a file, the command says so and goes on with the next."""
    write(folder, content, "a.yaml")
    write(folder, MINIMAL, "b.yaml")
    done = s3copy("validate", cwd=folder.parent)
    assert done.returncode == 1
    assert done.stdout.startswith("copy_configs/a.yaml")
    assert done.stderr.startswith("1 of 2 configs valid, ")
    assert "\x1b" not in done.stdout


WRONG = {
    "no such path": (["validate", "nowhere"], "can't read nowhere: No such file or directory"),
    "a path too long": (["validate", "a" * 300], "File name too long"),
    "no folder": (["validate"], "can't read copy_configs: No such file or directory"),
    "no such folder": (["validate", "--config-dir", "nowhere"], "can't read nowhere"),
    "unknown format": (["validate", "--format", "xml"], "invalid choice: 'xml'"),
    "no command": ([], "COMMAND"),
    "unknown command": (["explode"], "invalid choice: 'explode'"),
    "plan of what": (["plan"], "JOB"),
    "no such file to plan": (["plan", "nosuch.yaml"], "there is no file nosuch.yaml"),
    "a file name too long": (["plan", "a" * 300 + ".yaml"], "there is no file"),
    "bad date": (
        ["plan", "job", "--logical-date", "yesterday"],
        "'yesterday' is no date, such as 2026-01-31",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_use_ends_with_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    """A command that can't be carried out ends with 2 and says why on stderr."""
    done = s3copy(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_planning_an_unknown_job_ends_with_2_and_lists_the_known(folder: Path) -> None:
    """Whoever mistypes a job's name reads the names there are."""
    write(folder, MINIMAL, "daily.yaml")
    write(folder, MINIMAL, "hourly.yaml")
    done = s3copy("plan", "nosuchjob", cwd=folder.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no job 'nosuchjob' in copy_configs. Jobs there: daily, hourly" in done.stderr


@pytest.mark.parametrize("named", ["daily", "copy_configs/daily.yaml"], ids=["name", "file"])
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_broken_config_ends_with_1_before_anything_is_reached(
    folder: Path, command: str, named: str
) -> None:
    """A job with problems neither plans nor runs; the problems are those that `validate` shows."""
    write(folder, BROKEN, "daily.yaml")
    done = s3copy(command, named, cwd=folder.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert "copy_configs/daily.yaml: overwrite: must be one of: always, changed, never" in done.stderr


def test_a_name_that_two_files_give_is_not_guessed(folder: Path) -> None:
    """Neither of two files silently becomes the job."""
    write(folder, MINIMAL, "daily.yaml")
    write(folder, MINIMAL, "daily.yml")
    done = s3copy("plan", "daily", cwd=folder.parent)
    assert done.returncode == 1
    assert "two files give the job 'daily': copy_configs/daily.yaml, copy_configs/daily.yml" in done.stderr


REFUSED_RUNS = {
    "no logical date": ([], "this run has no ds: it was started without a logical date"),
    "unknown prefix": (
        ["--logical-date", "2026-01-31", "--prefix", "x/"],
        "has no prefix 'x/'. It has 'daily/",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSED_RUNS.values(), ids=REFUSED_RUNS)
def test_a_run_that_cannot_be_rendered_ends_with_1(folder: Path, arguments: list[str], words: str) -> None:
    """What the run lacks is told with the file and the path."""
    write(folder, document(prefixes=[{"source": "daily/{{ ds }}/", "destination": "b/"}]), "daily.yaml")
    done = s3copy("plan", "daily", *arguments, cwd=folder.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "copy_configs/daily.yaml" in done.stderr


DATES = {
    "date": ("2026-01-31", "2026-01-30T17:00:00+00:00"),
    "time": ("2026-01-31T02:00", "2026-01-30T17:00:00+00:00"),
    "time with its own zone": ("2026-01-30T17:00Z", "2026-01-30T17:00:00+00:00"),
}


@pytest.mark.parametrize(("given", "rendered"), DATES.values(), ids=DATES)
def test_a_logical_date_is_in_the_job_s_time_zone(folder: Path, given: str, rendered: str) -> None:
    """A date on the command line means what it means in the file; the refusal of a wrong date shows it."""
    filters = {"modified_since": "not {{ ts }}"}
    job = document(timezone="Asia/Tokyo", schedule="0 2 * * *", filters=filters)
    write(folder, job, "daily.yaml")
    done = s3copy("plan", "daily", "--logical-date", given, cwd=folder.parent)
    assert done.returncode == 1
    assert f"filters.modified_since: 'not {rendered}' is no date or time" in done.stderr


def test_the_folder_comes_from_option_then_environment_then_habit(tmp_path: Path) -> None:
    """`--config-dir` outdoes AIRFLOW__S3COPY__CONFIG_DIR, which, unless empty, outdoes ./copy_configs."""
    for place, count in (("copy_configs", 1), ("environment", 2), ("option", 3)):
        (tmp_path / place).mkdir()
        for number in range(count):
            write(tmp_path / place, MINIMAL, f"job{number}.yaml")
    environment = {"AIRFLOW__S3COPY__CONFIG_DIR": "environment"}
    empty = {"AIRFLOW__S3COPY__CONFIG_DIR": ""}
    found = [
        s3copy("validate", cwd=tmp_path).stderr,
        s3copy("validate", cwd=tmp_path, environment=empty).stderr,
        s3copy("validate", cwd=tmp_path, environment=environment).stderr,
        s3copy("validate", "--config-dir", "option", cwd=tmp_path, environment=environment).stderr,
    ]
    assert [line.split(" ")[0] for line in found] == ["1", "1", "2", "3"]


def test_a_named_path_outdoes_every_folder(folder: Path) -> None:
    """`validate PATH` looks at that path only."""
    write(folder, BROKEN, "bad.yaml")
    file = write(folder.parent, MINIMAL, "good.yaml")
    assert s3copy("validate", file, cwd=folder.parent).returncode == 0


def test_letters_that_the_terminal_lacks_are_no_crash(folder: Path) -> None:
    """Names of files and values are strangers' text, and the terminal may be ASCII's."""
    write(folder, document(overwrite="新しい"), "ж.yaml")
    done = s3copy("validate", cwd=folder.parent, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert "\\u0436.yaml" in done.stdout


def test_version_and_help_end_with_0(tmp_path: Path) -> None:
    """Asking is never wrong use."""
    version, helped = s3copy("--version", cwd=tmp_path), s3copy("validate", "--help", cwd=tmp_path)
    assert (version.returncode, helped.returncode) == (0, 0)
    assert version.stdout.startswith("s3copy ")
    assert "AIRFLOW__S3COPY__CONFIG_DIR" in helped.stdout


def test_validate_imports_neither_airflow_nor_boto3(folder: Path) -> None:
    """Validation is quick and works where only the configs are: in an editor, in CI, as a commit hook."""
    write(folder, MINIMAL, "good.yaml")
    write(folder, BROKEN, "bad.yaml")
    heavy = {"airflow", "boto3", "botocore", "pydantic", "rich"}
    script = (
        "import sys; from s3copy_tasks.cli import main; code = main(['validate']);"
        f"print(code, sorted({heavy} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "1 []"
