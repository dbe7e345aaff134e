"""`install-dags`: what it writes, what it leaves alone, and what it says of each."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from s3copy_tasks.cli import main

ROOT = Path(__file__).parents[3]
JOBS, ERRORS = "s3copy_jobs.py", "s3copy_config_errors.py"
SHIPPED = {name: (ROOT / "dags" / name).read_bytes() for name in (JOBS, ERRORS)}
OLDER = b'"""Dags."""\nfrom s3copy_tasks.dag.factory import all_dags\n\nglobals().update(all_dags())\n'
OTHERS = b"from airflow.sdk import DAG\n"
Captured = pytest.CaptureFixture[str]


def install(folder: Path) -> int:
    return main(["install-dags", str(folder)])


def contents(folder: Path) -> dict[str, bytes]:
    """Return everything that is in a folder, what is hidden, too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def touched(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return which file each name is, and when it was last written: reading may move its time of access."""
    found = {path: path.stat() for path in folder.iterdir()}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def test_all_dag_files_of_the_repository_are_installed() -> None:
    """A file that is added there is not forgotten here."""
    assert {path.name for path in (ROOT / "dags").glob("*.py")} == set(SHIPPED)


def test_both_files_are_written(tmp_path: Path, capsys: Captured) -> None:
    """The folder is made; each file is named with what was done, then where configs are looked for."""
    folder = tmp_path / "airflow" / "dags"
    assert install(folder) == 0
    assert contents(folder) == SHIPPED
    out, err = capsys.readouterr()
    assert (out.splitlines(), err) == (
        [
            f"{folder / JOBS}: written",
            f"{folder / ERRORS}: written",
            (
                f"Configs are read from {tmp_path / 'airflow' / 'copy_configs'}, unless Airflow's option "
                "[s3copy] config_dir (AIRFLOW__S3COPY__CONFIG_DIR) names another folder"
            ),
        ],
        "",
    )


def test_what_is_there_already_is_not_written_again(tmp_path: Path, capsys: Captured) -> None:
    """A second call changes nothing: Airflow would parse a touched file again."""
    install(tmp_path)
    before = touched(tmp_path)
    capsys.readouterr()
    assert install(tmp_path) == 0
    assert touched(tmp_path) == before
    assert capsys.readouterr().out.count(": unchanged\n") == 2


def test_an_older_version_is_replaced(tmp_path: Path, capsys: Captured) -> None:
    """An upgrade brings its own files, and keeps what was there: it may have been changed by hand."""
    (tmp_path / JOBS).write_bytes(OLDER)
    (tmp_path / JOBS).chmod(0o640)
    (tmp_path / ERRORS).write_bytes(SHIPPED[ERRORS])
    assert install(tmp_path) == 0
    assert contents(tmp_path) == {**SHIPPED, f"{JOBS}.bak": OLDER}
    assert (tmp_path / JOBS).stat().st_mode & 0o777 == 0o640
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path / JOBS}: replaced; the previous version is in {JOBS}.bak"
    assert second == f"{tmp_path / ERRORS}: unchanged"


@pytest.mark.parametrize("name", SHIPPED)
def test_another_file_is_left_alone(tmp_path: Path, capsys: Captured, name: str) -> None:
    """Exit 1, and neither file is written: one alone would be half an installation."""
    (tmp_path / name).write_bytes(OTHERS)
    assert install(tmp_path) == 1
    assert contents(tmp_path) == {name: OTHERS}
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"s3copy: {tmp_path / name} is not an s3copy file, so nothing was written. "
        "Move it, or name another folder\n"
    )


def test_other_files_of_the_folder_are_nothing_to_us(tmp_path: Path) -> None:
    """Airflow's folder holds other Dags, too."""
    (tmp_path / "by_hand.py").write_bytes(OTHERS)
    assert install(tmp_path) == 0
    assert contents(tmp_path) == {**SHIPPED, "by_hand.py": OTHERS}


def test_a_file_that_cannot_be_finished_is_not_begun(tmp_path: Path, capsys: Captured) -> None:
    """Where writing fails, the file that was there is as it was; the message is one sentence."""
    (tmp_path / JOBS).write_bytes(OLDER)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # as on a disk that is full
    try:
        assert install(tmp_path) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == {JOBS: OLDER}
    assert capsys.readouterr() == ("", f"s3copy: can't write {tmp_path}: File too large\n")


def test_airflow_may_run_as_another_user(tmp_path: Path) -> None:
    """New files can be read by all, whatever the umask of who installs them."""
    before = os.umask(0o077)
    try:
        assert install(tmp_path) == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: Captured) -> None:
    """One sentence, exit 2, and the file is as it was."""
    file = tmp_path / "dags"
    file.write_bytes(OTHERS)
    assert install(file) == 2
    assert capsys.readouterr() == ("", f"s3copy: {file} is a file, not a folder\n")
    assert file.read_bytes() == OTHERS


UNUSABLE = {
    "below a file": ("file/dags", "Not a directory"),
    "a name too long": ("x" * 300, "File name too long"),
    "a folder of a file's name": ("taken", "Is a directory"),
}


@pytest.mark.parametrize(("folder", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_folder_that_cannot_be_used(tmp_path: Path, capsys: Captured, folder: str, words: str) -> None:
    """One sentence with the system's reason, exit 2."""
    (tmp_path / "file").touch()
    (tmp_path / "taken" / JOBS).mkdir(parents=True)
    assert install(tmp_path / folder) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"s3copy: can't write {tmp_path / folder}")
    assert err.endswith(f": {words}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("named", "parent"), {".": "..", "a/../b": "."}.items())
def test_the_folder_of_configs_is_printed_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, named: str, parent: str
) -> None:
    """A folder may be named as it is seen from here."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert install(Path(named)) == 0
    expected = (here / parent).resolve() / "copy_configs"
    assert f"\nConfigs are read from {expected}, unless" in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_not_an_error_of_the_folder(tmp_path: Path) -> None:
    """The files are written whole before anything is said of them, and nothing false is said."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-u", "-m", "s3copy_tasks.cli", "install-dags", tmp_path],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
    assert contents(tmp_path) == SHIPPED
