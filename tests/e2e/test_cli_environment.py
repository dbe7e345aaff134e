"""`s3copy run` in an unusual environment: few descriptors, no stdout, no home, a broken Airflow."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.test_cli_run import write
from tests.support.airflow.stack import BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides


def run_in(shell: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the job from a shell, in which `"$@"` is the command."""
    command = [BIN / "s3copy", "run", "daily", "--config-dir", folder]
    return subprocess.run(
        ["bash", "-c", shell, "bash", *map(str, command)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_few_file_descriptors(sides: Sides, tmp_path: Path) -> None:
    """With fewer descriptors than concurrent requests, all objects are copied over fewer connections."""
    write(tmp_path, sides, transfer={"concurrency": 256})
    for index in range(300):
        sides.put(f"data/{index:03}")
    done = run_in('ulimit -n 96; exec "$@"', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sides.copied()) == 300


def test_a_closed_stdout(sides: Sides, tmp_path: Path) -> None:
    """Without a stdout the objects are copied all the same."""
    write(tmp_path, sides)
    sides.put("data/a")
    done = run_in('exec "$@" >&-', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(sides.copied()) == {"copy/a"}


def test_a_home_that_cannot_be_written(sides: Sides, tmp_path: Path) -> None:
    """The command needs no home, neither the user's nor Airflow's."""
    write(tmp_path, sides)
    sides.put("data/a")
    done = run_in('exec "$@"', tmp_path, HOME="/proc/none", AIRFLOW_HOME="/proc/none/airflow")
    assert done.returncode == 0
    assert set(sides.copied()) == {"copy/a"}


def test_an_airflow_that_does_not_start(sides: Sides, tmp_path: Path) -> None:
    """Airflow's reason is in one sentence, without a traceback."""
    write(tmp_path, sides)
    broken = tmp_path / "airflow.cfg"
    broken.write_text("no section = here\n")
    done = run_in('exec "$@"', tmp_path, AIRFLOW_CONFIG=str(broken))
    assert done.returncode == 1
    assert "s3copy: InvalidConfig: Airflow can't be imported here: MissingSectionHeaderError" in done.stderr
    assert "Traceback" not in done.stderr
