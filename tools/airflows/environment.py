"""One Airflow version below build/, installed as users install it: the wheel, under constraints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "airflows"
CONSTRAINTS = ROOT / "requirements" / "airflow"
_UV = Path(sys.executable).with_name("uv")
_TOOLS = (
    "asyncpg",
    "hypothesis",
    "moto[server]",
    "psycopg2-binary",
    "pytest",
    "pytest-xdist",
    "selenium",
    "statsd",
)
_TREE = ("copy_configs", "dags", "docs", "requirements", "tests", "tools")
_FILES = (".ci", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "README.md", "pyproject.toml")
_OF_TOOLS = ("hypothesis", "moto", "pytest")


class NoInterpreterError(Exception):
    """This machine does not have the Python version."""


@dataclass(frozen=True)
class Environment:
    """One environment.

    Attributes:
        name: the name of its constraints file, such as `3.2.1-py3.12`.
    """

    name: str

    @property
    def airflow(self) -> str:
        """The version of Airflow that the constraints are for."""
        pins = self._constraints.read_text().splitlines()
        return next(pin.partition("==")[2] for pin in pins if pin.startswith("apache-airflow=="))

    @property
    def python(self) -> str:
        """The version of Python, such as `3.12`."""
        return self.name.rpartition("-py")[2]

    @property
    def bin(self) -> Path:
        """The folder of its commands."""
        return self._home / "venv" / "bin"

    @property
    def tree(self) -> Path:
        """A checkout without the package, so that tests import the installed one."""
        return self._home / "tree"

    @property
    def _home(self) -> Path:
        return HOME / self.name

    @property
    def _constraints(self) -> Path:
        return CONSTRAINTS / f"{self.name}.txt"

    def _interpreter(self) -> str:
        """Return the interpreter: from the path, or one of pyenv's, whose shims do not work everywhere."""
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        versions = sorted(pyenv.glob(f"{self.python}.*/bin/python"), reverse=True)
        for candidate in (shutil.which(f"python{self.python}"), *map(str, versions)):
            if candidate and _runs(candidate):
                return candidate
        raise NoInterpreterError(f"Python {self.python} is not installed here")

    def install(self, wheel: Path) -> None:
        """Install a wheel with all its extras under the constraints, check it, and add what tests need.

        Raises:
            NoInterpreterError: this machine does not have the Python version.
            CalledProcessError: the constraints do not allow it, or `pip check` found a conflict.
        """
        shutil.rmtree(self._home, ignore_errors=True)
        _uv("venv", "--python", self._interpreter(), str(self._home / "venv"))
        self._pip(
            "install",
            "--constraint",
            str(self._constraints),
            f"apache-airflow=={self.airflow}",
            f"s3copy-tasks[all] @ file://{wheel}",
        )
        self._pip("check")
        self._install_tools()
        self._copy_tree()

    def add(self, package: str) -> None:
        """Install another package under the same constraints."""
        self._pip("install", "--constraint", str(self._constraints), package)

    def _install_tools(self) -> None:
        """Install what tests need without changing installed versions; some are older than tests need."""
        frozen = [pin for pin in self._pip("freeze").splitlines() if " @ " not in pin]
        fixed = self._home / "fixed.txt"
        fixed.write_text("\n".join(pin for pin in frozen if not pin.lower().startswith(_OF_TOOLS)))
        self._pip("install", "--constraint", str(fixed), *_TOOLS)
        self._pip("check")

    def _copy_tree(self) -> None:
        for name in _TREE:
            shutil.copytree(ROOT / name, self.tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in _FILES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.tree / name)

    def _pip(self, command: str, *arguments: str) -> str:
        return _uv("pip", command, "--python", str(self.bin / "python"), *arguments)


def build_wheel() -> Path:
    """Build the wheel of this tree below build/."""
    folder = HOME / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _runs(interpreter: str) -> bool:
    return subprocess.run([interpreter, "--version"], capture_output=True, check=False).returncode == 0


def _uv(*arguments: str) -> str:
    """Run uv with a cache below build/, and return what it prints.

    Raises:
        CalledProcessError: uv failed; its messages went to stderr.
    """
    done = subprocess.run(
        [str(_UV), "--no-progress", *arguments],
        env={**os.environ, "UV_CACHE_DIR": str(HOME / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
    done.check_returncode()
    return done.stdout
