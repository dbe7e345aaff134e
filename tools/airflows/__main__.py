"""`make test-airflow`: installs the wheel beside each Airflow version, and tests it there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.support.airflow.databases import POSTGRESQL, SQLITE
from tests.support.s3.servers.processes import tied
from tools.airflows.environment import ROOT, Environment, NoInterpreterError, build_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INTERRUPTED = 130
_UNIT = ("tests/contract", "tests/unit")
_REPOSITORY = tuple(f"tests/unit/repository/test_{name}.py" for name in ("ci", "dist", "docs", "words"))
"""These test the repository, not the installed package."""
_AIRFLOW = (
    "tests/contract",
    "tests/unit/config/test_schedule.py",
    "tests/unit/config/test_template.py",
    "tests/unit/dag",
    "tests/integration/test_agreement.py",
    "tests/integration/test_alerts.py",
    "tests/integration/test_config_of_a_run.py",
    "tests/integration/test_endings.py",
    "tests/integration/test_left_uploads.py",
    "tests/integration/test_mirror_in_airflow.py",
    "tests/integration/test_operator.py",
    "tests/integration/test_operator_and_dag.py",
    "tests/integration/test_operator_lists.py",
    "tests/integration/test_options_in_airflow.py",
    "tests/integration/test_parameters.py",
    "tests/integration/test_queue_in_airflow.py",
)
_DEMO = "the demo"
_KILLED_BATCH = "tests/e2e/live/test_airflow.py::test_thousands_of_objects_survive_a_killed_batch"
_APPROVAL = "tests/e2e/live/test_approval.py"
_console = Console(highlight=False, width=170)  # a log has no width; rich would assume 80


@dataclass(frozen=True)
class Trial:
    """What runs in one environment.

    Attributes:
        environment: where it runs.
        tests: paths for pytest.
        database: what needs the database of Airflow runs on; `make test` uses PostgreSQL.
        live: the demo's job and further tests that need a real scheduler; empty for none.
    """

    environment: Environment
    tests: Sequence[str] = _AIRFLOW
    database: str = SQLITE
    live: Sequence[str] = ()


@dataclass
class Outcome:
    """The result of a trial.

    Attributes:
        installed: `pip check clean`, or why the installation failed.
        tests: the last line that pytest printed, empty if it did not run.
        live: how the live runs ended, empty if there are none.
        ok: everything passed.
        seconds: how long it took.
    """

    installed: str = ""
    tests: str = ""
    live: str = ""
    ok: bool = True
    seconds: float = 0.0


TRIALS = (
    Trial(Environment("3.0.6-py3.12"), live=(_DEMO,)),
    Trial(Environment("3.1.8-py3.11"), live=(_APPROVAL,)),
    Trial(
        Environment("3.2.1-py3.12"),
        database=POSTGRESQL,
        live=(
            _DEMO,
            _KILLED_BATCH,
            _APPROVAL,
            "tests/e2e/live/test_killed_upload.py",
            "tests/e2e/test_deploy.py",
        ),
    ),
    Trial(Environment("3.3.1-py3.12")),
    Trial(Environment("3.3.2-py3.11"), live=("tests/e2e/live/test_waking.py",)),
    Trial(Environment("prerelease-py3.12"), database=POSTGRESQL, live=(_DEMO, "tests/e2e/test_importer.py")),
    Trial(Environment("lowest-py3.12"), tests=_UNIT),
    Trial(Environment("newest-py3.13"), tests=_UNIT),
)


def main(chosen: Sequence[str]) -> int:
    """Run all trials, or those whose names begin with a chosen text; return 0 if some ran and all passed."""
    trials = [trial for trial in TRIALS if not chosen or trial.environment.name.startswith(tuple(chosen))]
    if not trials:
        names = ", ".join(trial.environment.name for trial in TRIALS)
        sys.stderr.write(f"no environment begins with {' or '.join(chosen)}. There are {names}\n")
        return 2
    wheel = build_wheel()
    os.environ["S3COPY_WHEEL"] = str(wheel)  # the test of docs/deploy.md reads it
    outcomes = [(trial, _run_trial(trial, wheel)) for trial in trials]
    _console.print(_build_table(outcomes))
    passed = all(outcome.ok for _, outcome in outcomes)
    return 0 if passed and any(outcome.tests for _, outcome in outcomes) else 1


def _run_trial(trial: Trial, wheel: Path) -> Outcome:
    environment, outcome, began = trial.environment, Outcome(), time.monotonic()
    _say(f"{environment.name}: installing Airflow {environment.airflow} and the wheel")
    try:
        environment.install(wheel)
        outcome.installed = "pip check clean"
        _say(f"{environment.name}: {', '.join(path.removeprefix('tests/') for path in trial.tests)}")
        options = ("--database", trial.database, "--numprocesses", "2")
        outcome.tests = _run_pytest(environment, outcome, *trial.tests, *options)
        for live in trial.live:
            _say(f"{environment.name}: {live}, on a real scheduler")
            if live == _DEMO:
                ending = _run_demo(environment, outcome)
            else:
                ending = _run_pytest(environment, outcome, live)
            outcome.live += f"{live.rpartition('/')[2]}: {ending}\n"
    except NoInterpreterError as error:
        outcome.installed = str(error)
    except subprocess.CalledProcessError as error:
        outcome.installed, outcome.ok = f"failed: {' '.join(map(str, error.cmd[2:4]))}", False
    outcome.seconds = time.monotonic() - began
    return outcome


def _run_pytest(environment: Environment, outcome: Outcome, *arguments: str) -> str:
    """Run tests and return pytest's last line; warnings of older packages can't be fixed here."""
    quiet = ("-q", "-p", "no:cacheprovider", "-p", "no:anyio", "-o", "filterwarnings=default")
    without = [f"--ignore={path}" for path in _REPOSITORY]
    command = ("-m", "pytest", *quiet, "--dist", "loadfile", "--disable-warnings", *without, *arguments)
    code, lines = _run_python(environment, *command)
    outcome.ok = outcome.ok and code == 0
    return lines[-1].strip("= ") if lines else "nothing was printed"


def _run_demo(environment: Environment, outcome: Outcome) -> str:
    code, _ = _run_python(environment, "-m", "tools.demo")
    outcome.ok = outcome.ok and code == 0
    return "green" if code == 0 else "FAILED"


def _run_python(environment: Environment, *arguments: str) -> tuple[int, list[str]]:
    """Run Python in an environment's tree and log its output; return its exit code and lines."""
    log = environment.tree.with_name("output.txt")
    with log.open("a") as output:
        start = os.fstat(output.fileno()).st_size
        process = subprocess.Popen(
            [*tied("INT"), str(environment.bin / "python"), *arguments],
            cwd=environment.tree,
            env={**os.environ, "COLUMNS": "120"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # SIGTERM reaches only this process
            process.wait()
            raise
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
    if code:
        sys.stdout.write("\n".join(lines[-60:]) + "\n")
        _say(f"{environment.name}: FAILED; the whole output is in {log.relative_to(ROOT)}")
    return code, lines


def _build_table(outcomes: Sequence[tuple[Trial, Outcome]]) -> Table:
    table = Table(
        "constraints", "Airflow", "Python", "installed", "tests", "live", "seconds", title_justify="left"
    )
    for trial, outcome in outcomes:
        environment = trial.environment
        table.add_row(
            environment.name,
            environment.airflow,
            environment.python,
            outcome.installed,
            outcome.tests,
            outcome.live.strip(),
            f"{outcome.seconds:.0f}",
            style="" if outcome.ok else "red",
        )
    return table


def _say(text: str) -> None:
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends everything, as Ctrl-C does
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
