"""Installs what tests need besides `.venv`: Debian packages, and separate Python environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_STAMP = "installed.txt"


def install_debian(packages: tuple[str, ...], *, otherwise: str = "") -> None:
    """Install Debian packages.

    Args:
        packages: their names.
        otherwise: an alternative to installing them, for the message.

    Raises:
        RuntimeError: this is not Debian, or this user is not root and may not use sudo.
    """
    asked = f"install {' '.join(packages)} by hand{otherwise}"
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"apt-get is not installed: {asked}")
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and not _may_sudo():
        raise RuntimeError(f"only root may install packages, and sudo is not allowed here: {asked}")
    apt_get = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run([*apt_get, "update"], check=True)
    command = [*apt_get, "install", "-y", "--no-install-recommends", *packages]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class LockedEnvironment:
    """A Python environment below build/ with the packages of a lock file in requirements/.

    Args:
        name: the name of the folder.
        lock: the name of the lock file.
    """

    def __init__(self, name: str, lock: str) -> None:
        self.bin = ROOT / "build" / name / "bin"
        self._home = self.bin.parent
        self._lock = ROOT / "requirements" / lock

    def missing(self) -> str | None:
        """Return what is not installed, None if everything is."""
        stamp = self._home / _STAMP
        if stamp.is_file() and stamp.read_text() == self._lock.read_text():
            return None
        return f"the environment {self._home.relative_to(ROOT)}"

    def install(self) -> None:
        """Create it again, with pip if uv fails."""
        shutil.rmtree(self._home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", self._home], check=True)
        python = str(self.bin / "python")
        by_uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", python]
        by_pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        locked = ["--require-hashes", "-r", str(self._lock)]
        if subprocess.run([*by_uv, *locked], check=False).returncode:
            subprocess.run([*by_pip, *locked], check=True)
        (self._home / _STAMP).write_text(self._lock.read_text())


def _may_sudo() -> bool:
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
