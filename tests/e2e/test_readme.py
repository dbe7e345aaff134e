"""The examples of the README and of the pages that it links to work: YAML is valid, and commands run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from s3copy_tasks import S3CrossAccountCopyOperator
from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.load import load_job
from s3copy_tasks.errors import Code
from tests.support.airflow.stack import BIN
from tests.support.s3.servers import READER, WRITER, Endpoint

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("commands", "demo", "how-it-works", "operator")),
]


def blocks(language: str) -> list[str]:
    """Return every block of a language in the README and in the pages with the details."""
    text = "\n".join(page.read_text() for page in PAGES)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(f"{program} ")]


@pytest.fixture(scope="module")
def granules(server: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Create the buckets of copy_configs/demo.yaml; return an environment with connections to them."""
    source = server.client(READER)
    source.create_bucket(Bucket="ops-granules")
    server.client(WRITER).create_bucket(Bucket="partner-granules")
    source.put_object(Bucket="ops-granules", Key="python/json/decoder.py", Body=b"# text\n")
    return {
        **os.environ,
        **server.connections(),
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_is_valid(text: str, tmp_path: Path) -> None:
    """A reader can copy the YAML without any change."""
    file = tmp_path / "shown.yaml"
    file.write_text(text)
    assert isinstance(load_job(file), CopyJob)


@pytest.mark.parametrize("text", blocks("python"))
def test_python_builds_its_dag(text: str) -> None:
    """The Python is a Dag file: its Dag has the operator with valid inputs."""
    made: dict[str, Any] = {}
    exec(compile(text, "docs/operator.md", "exec"), made)
    (task,) = made["dag"].tasks
    assert isinstance(task, S3CrossAccountCopyOperator)
    assert task.validate_inputs()


BROKEN = """\
version: 1
# docs/commands.md shows what `s3copy validate` says about this file.
source:
  bucket: ops-granules
  account: 012345670123
destination:
  buckt: partner-granules
prefixes: [{source: daily/, destination: backup/}]
"""


def test_shown_problems_are_what_validate_says(tmp_path: Path) -> None:
    """The real report has every line of the report in docs/commands.md."""
    (tmp_path / "daily.yaml").write_text(BROKEN)
    done = subprocess.run(
        [BIN / "s3copy", "validate", "daily.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    (shown,) = [block for block in blocks("text") if block.startswith("daily.yaml:")]
    assert done.returncode == 1
    assert [line for line in shown.splitlines() if line not in done.stdout.splitlines()] == []


def test_no_command_escapes() -> None:
    """Each command is run below, except pip, which test_deploy.py covers."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    others = {*commands("s3copy"), *commands("make")}
    assert [line for line in lines if line not in others and not line.startswith(("pip ", "  --"))] == []


@pytest.mark.parametrize("command", commands("s3copy"))
def test_commands_run(command: str, granules: dict[str, str]) -> None:
    """Each command succeeds in a shell at the root of the repository."""
    done = subprocess.run(
        ["bash", "-euc", command], cwd=ROOT, env=granules, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", commands("make"))
def test_make_commands_are_what_ci_runs(command: str) -> None:
    """.ci/run runs `make demo` and `make test` on a clean checkout."""
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_code_of_the_package_is_documented() -> None:
    """docs/metrics.md names every code that is not one of S3's."""
    declared = list(map(str, Code))
    documented = (ROOT / "docs" / "metrics.md").read_text()
    assert len(declared) > 10
    assert [code for code in declared if f"`{code}`" not in documented] == []
