"""The installed command `s3copy`, as a shell or a CI job calls it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders.documents import MINIMAL, document, prefix, write

COMMAND = Path(sys.executable).with_name("s3copy")
BROKEN = document(owner="", overwrite="newer")
OTHER = document(**prefix("hourly/", "backup/hourly/"))


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
    """The folder that the command checks by default."""
    made = tmp_path / "copy_configs"
    made.mkdir()
    return made


def test_valid_configs_end_with_0(folder: Path) -> None:
    """Nothing wrong: exit 0, nothing on stdout, the count on stderr."""
    write(folder, MINIMAL, "a.yaml")
    write(folder, OTHER, "b.yml")
    done = s3copy("validate", cwd=folder.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "2 of 2 configs valid, 0 problems\n")


def test_problems_end_with_1_and_are_on_stdout(folder: Path) -> None:
    """Something wrong: exit 1, each problem with its place, its line and a caret, the count on stderr."""
    write(folder, MINIMAL, "a.yaml")
    write(folder, BROKEN, "b.yaml")
    done = s3copy("validate", cwd=folder.parent)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        ("copy_configs/b.yaml:9:8: owner: must have at least 1 character(s), or be left out [wrong-length]"),
        "     9 | owner: ''",
        "       |        ^",
        (
            "copy_configs/b.yaml:10:12: overwrite: must be one of: always, changed, never; "
            "but is the text 'newer'. Did you mean 'never'? [not-allowed]"
        ),
        "    10 | overwrite: newer",
        "       |            ^",
    ]
    assert done.stderr == "1 of 2 configs valid, 2 problems\n"


def test_json_is_a_list_of_problems(folder: Path) -> None:
    """Other programs read file, line, column, path, code, message and suggestion of each problem."""
    write(folder, "version: 1\nschedule: @daily\n", "a.yaml")
    write(folder, document(overwrite="newer"), "b.yaml")
    done = s3copy("validate", "--format", "json", cwd=folder.parent)
    syntax, rule = json.loads(done.stdout)
    assert done.returncode == 1
    assert (syntax["file"], syntax["line"], syntax["column"]) == ("copy_configs/a.yaml", 2, 11)
    assert rule == {
        "file": "copy_configs/b.yaml",
        "line": 9,
        "column": 12,
        "path": "overwrite",
        "code": "not-allowed",
        "message": ("must be one of: always, changed, never; but is the text 'newer'. Did you mean 'never'?"),
        "suggestion": "never",
        "severity": "error",
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
    write(other, OTHER, "else.yaml")
    same = ["copy_configs/good.yaml", "other/../copy_configs/good.yaml"]
    done = s3copy("validate", good, *same, other, cwd=folder.parent)
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
def test_a_file_that_is_not_a_job_ends_with_1(folder: Path, content: str | bytes) -> None:
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
    "explain of what": (["explain"], "JOB"),
    "no such file to explain": (["explain", "nosuch.yaml"], "file not found: nosuch.yaml"),
    "new without a bucket": (["new", "x"], "--source-bucket"),
    "install-dags to nowhere": (["install-dags"], "FOLDER"),
    "new of no name": (
        ["new", "../x", "--source-bucket", "aaa", "--destination-bucket", "bbb"],
        "'../x' is not a valid job name",
    ),
    "no such file to plan": (["plan", "nosuch.yaml"], "file not found: nosuch.yaml"),
    "a file name too long": (["plan", "a" * 300 + ".yaml"], "file not found: "),
    "bad date": (
        ["plan", "job", "--logical-date", "yesterday"],
        "'yesterday' is not a valid date (example: 2026-01-31)",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_a_usage_error_ends_with_2(tmp_path: Path, arguments: list[str], words: str) -> None:
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
    assert "no job 'nosuchjob' in copy_configs. Jobs there: daily, hourly" in done.stderr


@pytest.mark.parametrize("named", ["daily", "copy_configs/daily.yaml"], ids=["name", "file"])
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_broken_config_ends_with_1_before_anything_is_reached(
    folder: Path, command: str, named: str
) -> None:
    """A job with problems neither plans nor runs; the problems are those that `validate` shows."""
    write(folder, BROKEN, "daily.yaml")
    done = s3copy(command, named, cwd=folder.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert s3copy("validate", cwd=folder.parent).stdout in done.stderr


def test_a_name_that_two_files_give_is_not_guessed(folder: Path) -> None:
    """Neither of two files silently becomes the job."""
    write(folder, MINIMAL, "daily.yaml")
    write(folder, MINIMAL, "daily.yml")
    done = s3copy("plan", "daily", cwd=folder.parent)
    assert done.returncode == 1
    assert (
        "two files have the job name 'daily': copy_configs/daily.yaml, copy_configs/daily.yml" in done.stderr
    )


REFUSED_RUNS = {
    "no logical date": ([], "this run has no ds: it was started without a logical date"),
    "unknown prefix": (
        ["--logical-date", "2026-01-31", "--prefix", "x/"],
        "has no prefix 'x/'. Its prefixes: 'daily/",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSED_RUNS.values(), ids=REFUSED_RUNS)
def test_a_run_that_cannot_be_rendered_ends_with_1(folder: Path, arguments: list[str], words: str) -> None:
    """What the run lacks is reported with the file and the path."""
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
    filters = {"modified_since": "{{ 'not ' if ds == '2026-01-30' }}{{ ts }}"}
    job = document(timezone="Asia/Tokyo", schedule="0 2 * * *", filters=filters)
    write(folder, job, "daily.yaml")
    done = s3copy("plan", "daily", "--logical-date", given, cwd=folder.parent)
    assert done.returncode == 1
    assert f"filters.modified_since: 'not {rendered}' is not a valid date or time" in done.stderr


def test_the_folder_comes_from_option_then_environment_then_habit(tmp_path: Path) -> None:
    """`--config-dir` outdoes AIRFLOW__S3COPY__CONFIG_DIR, which, unless empty, outdoes ./copy_configs."""
    for place, count in (("copy_configs", 1), ("environment", 2), ("option", 3)):
        (tmp_path / place).mkdir()
        for number in range(count):
            write(tmp_path / place, document(**prefix("a/", f"b/{number}/")), f"job{number}.yaml")
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
    """`validate PATH` checks only that path."""
    write(folder, BROKEN, "bad.yaml")
    file = write(folder.parent, MINIMAL, "good.yaml")
    assert s3copy("validate", file, cwd=folder.parent).returncode == 0


def test_letters_that_the_terminal_lacks_do_not_crash(folder: Path) -> None:
    """File names and values are untrusted input, and the terminal may only support ASCII."""
    write(folder, document(overwrite="新しい"), "ж.yaml")
    done = s3copy("validate", cwd=folder.parent, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert "\\u0436.yaml" in done.stdout


def test_version_and_help_end_with_0(tmp_path: Path) -> None:
    """Asking for help is never a usage error."""
    version, helped = s3copy("--version", cwd=tmp_path), s3copy("validate", "--help", cwd=tmp_path)
    assert (version.returncode, helped.returncode) == (0, 0)
    assert version.stdout.startswith("s3copy ")
    assert "AIRFLOW__S3COPY__CONFIG_DIR" in helped.stdout


LIGHT = {
    "validate": (["validate"], 1),
    "validate for machines": (["validate", "--format", "json"], 1),
    "validate for GitHub": (["validate", "--format", "github"], 1),
    "explain": (["explain", "good"], 0),
    "explain what is broken": (["explain", "bad"], 1),
    "new": (["new", "x", "--source-bucket", "aaa", "--destination-bucket", "bbb", "--prefix", "a/", "b/"], 0),
    "schema": (["schema"], 0),
    "install-dags": (["install-dags", "dags"], 0),
}


def imported_by(arguments: list[str], folder: Path) -> tuple[int, set[str]]:
    """Run the command in its own process; return its exit code, and the packages that it imported."""
    script = (
        f"import json, sys; from s3copy_tasks.cli import main; code = main({arguments!r});"
        "print(json.dumps([code, [name.partition('.')[0] for name in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize(("arguments", "code"), LIGHT.values(), ids=LIGHT)
def test_what_knows_files_only_imports_neither_airflow_nor_boto3(
    folder: Path, arguments: list[str], code: int
) -> None:
    """These commands work where only the configs are, and quickly: in an editor, in CI, as a commit hook."""
    write(folder, MINIMAL, "good.yaml")
    write(folder, BROKEN, "bad.yaml")
    heavy = {"airflow", "boto3", "botocore", "pydantic", "rich", "pendulum"}
    done, imported = imported_by(arguments, folder)
    assert (done, imported & heavy) == (code, set())


@pytest.mark.parametrize("command", ["schema", "validate"])
def test_only_a_check_of_a_config_imports_jsonschema(folder: Path, command: str) -> None:
    """A command that checks none is spared the import."""
    write(folder, MINIMAL, "good.yaml")
    _, imported = imported_by([command], folder)
    assert ("jsonschema" in imported) == (command == "validate")


def on_terminal(*arguments: str, cwd: Path, **environment: str) -> str:
    """Run the command with a terminal as its stdout, and return what the terminal was sent."""
    terminal, stdout = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    with subprocess.Popen(
        [COMMAND, *arguments],
        cwd=cwd,
        env=inherited | {"TERM": "xterm-256color"} | environment,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    ):
        os.close(stdout)
        sent = b""
        with contextlib.suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as stream:
            while piece := stream.read(4096):  # Linux ends a terminal by an error
                sent += piece
    return sent.decode()


def test_a_terminal_has_colours(folder: Path) -> None:
    """A terminal shows the message and the caret in red; the text is the same as in a pipe."""
    write(folder, BROKEN, "daily.yaml")
    sent = on_terminal("validate", cwd=folder.parent)
    assert "\x1b[31m" in sent
    plain = re.sub(r"\x1b\[[0-9;]*m", "", sent).replace("\r\n", "\n")
    assert plain == s3copy("validate", cwd=folder.parent).stdout


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_colours_can_be_refused(folder: Path, environment: dict[str, str]) -> None:
    """Where colours are not wanted, or not known, none is sent."""
    write(folder, BROKEN, "daily.yaml")
    sent = on_terminal("validate", cwd=folder.parent, **environment)
    assert "must be one of" in sent
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", sent)


def test_a_pipe_has_no_colours(folder: Path) -> None:
    """What is read by programs, or kept in a file, holds text only."""
    write(folder, BROKEN, "daily.yaml")
    assert "\x1b" not in s3copy("validate", cwd=folder.parent, environment={"TERM": "xterm-256color"}).stdout


def test_a_reader_that_leaves_early_does_not_crash(folder: Path) -> None:
    """`s3copy validate | head -1` ends quietly."""
    for number in range(200):
        write(folder, BROKEN, f"job{number}.yaml")
    done = subprocess.run(
        ["sh", "-c", f"{COMMAND} validate | head -1"],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_github_annotates_each_problem(folder: Path) -> None:
    """A workflow's log holds a command for each problem, and the exit code fails the step."""
    write(folder, BROKEN, "daily.yaml")
    done = s3copy("validate", "--format", "github", cwd=folder.parent)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        (
            "::error file=copy_configs/daily.yaml,line=9,col=8,title=wrong-length"
            "::owner: must have at least 1 character(s), or be left out"
        ),
        (
            "::error file=copy_configs/daily.yaml,line=10,col=12,title=not-allowed::overwrite: must be one "
            "of: always, changed, never; but is the text 'newer'. Did you mean 'never'?"
        ),
    ]


def test_a_folder_without_configs_is_a_usage_error(tmp_path: Path) -> None:
    """A check of nothing must not pass: the folder is misspelt, or its files are in a subfolder."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "job.yaml").write_text("version: 1\n")
    done = s3copy("validate", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "subfolders are not read" in done.stderr


def test_a_link_to_nothing_is_a_problem(tmp_path: Path) -> None:
    """A job whose file is a dangling link does not vanish in silence."""
    (tmp_path / "daily.yaml").symlink_to(tmp_path / "gone.yaml")
    done = s3copy("validate", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "can't be read" in done.stdout
