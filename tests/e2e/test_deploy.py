"""The commands in docs/deploy.md lead a new user from nothing to a successful run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from s3copy_tasks import __version__
from tests.support.s3.servers import DESTINATION_ACCOUNT, SOURCE_ACCOUNT, S3Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
WHEEL = "S3COPY_WHEEL"
PINNED = f"s3copy-tasks[slack]=={__version__}"
ADDRESS = re.compile(r"https://\S+/constraints-(?P<airflow>[\d.]+)/constraints-(?P<python>[\d.]+)\.txt")
FOLLOWED = ("From nothing to a green run", "Check it")


def commands(section: str) -> list[str]:
    """Return the blocks of shell commands of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [dedent(block) for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)]


def test_the_page_names_existing_versions() -> None:
    """The page has this version of the package, and constraints that are tested."""
    assert set(re.findall(r"s3copy-tasks\[slack\]==([\d.]+\d)", PAGE)) == {__version__}
    for found in ADDRESS.finditer(PAGE):
        assert (ROOT / "requirements" / "airflow" / f"{found['airflow']}-py{found['python']}.txt").is_file()


@pytest.mark.skipif(WHEEL not in os.environ, reason=f"{WHEEL} is not set: make test-airflow sets it")
def test_from_nothing_to_a_green_run(tmp_path: Path) -> None:
    """The blocks run in order, in an empty folder; S3 is moto, where any principal may assume any role."""
    script = "\n".join(block for section in FOLLOWED for block in commands(section))
    assert PINNED in script
    script = script.replace(PINNED, f"s3copy-tasks[slack] @ file://{os.environ[WHEEL]}")
    script = ADDRESS.sub(lambda found: str(constraints(found)), script)
    interpreter = tmp_path / "python3.12"
    interpreter.write_text(f'#!/bin/sh\nexec {sys._base_executable} "$@"\n')  # type: ignore[attr-defined]
    interpreter.chmod(0o755)
    empty = tmp_path / "empty"
    empty.mkdir()
    with S3Server() as server:
        source, destination = server.owner_clients()
        source.create_bucket(Bucket="ops-granules")
        destination.create_bucket(Bucket="partner-granules")
        for number in range(3):
            source.put_object(Bucket="ops-granules", Key=f"catalog/{number}.json", Body=b"{}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=empty,
            env={
                "AWS_ACCESS_KEY_ID": "AKIANOBODY0000000000",
                "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody",
                "AWS_ENDPOINT_URL": server.url,
                "HOME": str(tmp_path),
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        copied = destination.list_objects_v2(Bucket="partner-granules", Prefix="backup/catalog/")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "No broken requirements found" in done.stdout
    assert re.search(r"DagRun Finished: dag_id=s3copy__catalog.* state=success", done.stdout + done.stderr)
    assert [row["Key"] for row in copied["Contents"]] == [f"backup/catalog/{i}.json" for i in range(3)]


def constraints(found: re.Match[str]) -> Path:
    """Return the project's copy of a file of constraints, whose address is in the page."""
    return ROOT / "requirements" / "airflow" / f"{found['airflow']}-py{found['python']}.txt"


def test_the_accounts_are_those_of_the_test_server() -> None:
    """The page's accounts own the buckets of the test."""
    assert {SOURCE_ACCOUNT, DESTINATION_ACCOUNT} <= set(re.findall(r"\b\d{12}\b", PAGE))
