"""Debian's headless Chromium with its driver. `python -m tools.browser` installs it if it may."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tools.installing import install_debian

_PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
_COMMANDS = ("chromium", "chromedriver")
_WAIT_SECONDS = 20
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # Chromium has no sandbox for root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # it is small in containers
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # a page must not contact other hosts
    "--window-size=1280,900",
)


def missing() -> str | None:
    """Return what is not installed, None if everything is."""
    return ", ".join(name for name in _COMMANDS if shutil.which(name) is None) or None


@contextmanager
def running() -> Iterator[Chrome]:
    """Run it with a new profile; it waits for elements that are not on the page yet."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with TemporaryDirectory(prefix="s3copy-chromium-", ignore_cleanup_errors=True) as profile:
        for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        browser = Chrome(options, ChromeService(shutil.which("chromedriver")))
        try:
            browser.implicitly_wait(_WAIT_SECONDS)
            yield browser
        finally:
            browser.quit()


def main() -> None:
    """Install what is missing. If that is impossible, say so: the tests that need it are skipped."""
    if missing() is None:
        return
    sys.stdout.write(f"==> installing {' '.join(_PACKAGES)} for the tests of the page\n")
    try:
        install_debian(_PACKAGES)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.stdout.write(f"==> {error}; the tests of the page are skipped\n")


if __name__ == "__main__":
    main()
