"""A team can copy docs/ci.md and .pre-commit-hooks.yaml: they are valid, and their commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from s3copy_tasks.config.read.source import read_source
from tests.support.airflow.stack import BIN
from tests.support.builders.documents import MINIMAL, document, write

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "ci.md").read_text()
HOOKS = ROOT / ".pre-commit-hooks.yaml"
BLOCKS = re.findall(r"^```yaml\n(# (\S+)\n.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
WORKFLOW = ".github/workflows/copy-configs.yaml"
GITLAB, PRE_COMMIT = ".gitlab-ci.yml", ".pre-commit-config.yaml"


def shown(name: str, folder: Path) -> list[Any]:
    """Return the values of the blocks of a file, read as YAML 1.2, where `on` is text."""
    file = folder / "shown.yaml"
    values = []
    for text, _ in (block for block in BLOCKS if block[1] == name):
        file.write_text(text)
        source = read_source(file)
        assert source.errors == []
        values.append(source.value)
    return values


@pytest.fixture
def hook() -> dict[str, Any]:
    """The only hook of the repository."""
    (found,) = read_source(HOOKS).value
    return dict(found)


def run_installed(command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment by its name."""
    program, *arguments = shlex.split(command)
    return subprocess.run([BIN / program, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_every_block_of_yaml_is_a_named_file() -> None:
    """A reader knows where each block goes, and these tests cover all blocks."""
    assert TEXT.count("```yaml\n") == len(BLOCKS)
    assert [name for _, name in BLOCKS] == [WORKFLOW, GITLAB, PRE_COMMIT, PRE_COMMIT]


def test_the_workflow_validates_with_annotations(tmp_path: Path) -> None:
    """Its last step runs as written; every step is a `uses` or a `run`."""
    (workflow,) = shown(WORKFLOW, tmp_path)
    assert set(workflow["on"]) == {"pull_request", "push"}
    steps = workflow["jobs"]["validate"]["steps"]
    assert [set(step) & {"uses", "run"} for step in steps] == [{"uses"}] * 2 + [{"run"}] * 3
    command = steps[-1]["run"]
    assert "--format github" in command
    assert run_installed(command).returncode == 0

    write_broken(tmp_path)
    done = run_installed(command, tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=copy_configs/job.yaml,line=")


def write_broken(folder: Path) -> None:
    (folder / "copy_configs").mkdir()
    write(folder / "copy_configs", document(overwrite="newer"))


def test_the_gitlab_job_validates(tmp_path: Path) -> None:
    """Its last line runs as written, and fails if a config is invalid."""
    (jobs,) = shown(GITLAB, tmp_path)
    assert set(jobs["validate-copy-configs"]) == {"image", "rules", "script"}
    command = jobs["validate-copy-configs"]["script"][-1]
    assert run_installed(command).returncode == 0
    write_broken(tmp_path)
    assert run_installed(command, tmp_path).returncode == 1


def test_both_ci_services_install_alike(tmp_path: Path) -> None:
    """The commands that install are those at the top of the page."""
    (workflow,) = shown(WORKFLOW, tmp_path)
    runs = [step["run"] for step in workflow["jobs"]["validate"]["steps"] if "run" in step]
    (jobs,) = shown(GITLAB, tmp_path)
    assert runs[:-1] == jobs["validate-copy-configs"]["script"][:-1]
    assert "\n".join(runs[:-1]) in TEXT


def find_required(names: set[str]) -> set[str]:
    """Return distributions with everything that they require."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            requirements = map(Requirement, distribution(name).requires or [])
            names |= {
                canonicalize_name(requirement.name)
                for requirement in requirements
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            }
    return found


def test_the_short_installation_is_enough(tmp_path: Path) -> None:
    """`validate` runs with only the packages that the page lists, and their requirements."""
    (line,) = set(re.findall(r"pip install (croniter.*)", TEXT))
    allowed = find_required(set(line.split())) | {"s3copy-tasks"}
    refused = sorted(
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & allowed
    )
    assert {"airflow", "boto3", "pendulum", "pydantic"} <= set(refused)
    (tmp_path / "copy_configs").mkdir()
    write(tmp_path / "copy_configs", MINIMAL)
    script = (
        "import sys\n"
        "for name in sys.argv.pop().split(): sys.modules[name] = None\n"
        "from s3copy_tasks.cli import main\n"
        "sys.exit(main(['validate']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, " ".join(refused)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "1 of 1 configs valid, 0 problems\n")


def test_pre_commit_snippets_name_the_hook(tmp_path: Path, hook: dict[str, Any]) -> None:
    """Each snippet has one repository at one commit, and names the hook that exists."""
    for config in shown(PRE_COMMIT, tmp_path):
        (repository,) = config["repos"]
        assert re.fullmatch("[0-9a-f]{40}", repository["rev"])
        assert [named["id"] for named in repository["hooks"]] == [hook["id"]]


def test_the_hook_has_what_pre_commit_needs(hook: dict[str, Any]) -> None:
    """https://pre-commit.com/#new-hooks: id, name, entry, and a language that pre-commit supports."""
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert (hook["id"], hook["language"], hook["types"]) == ("s3copy-validate", "python", ["yaml"])


def test_the_hook_checks_the_whole_folder(tmp_path: Path, hook: dict[str, Any]) -> None:
    """Its entry gets no file names, so it finds conflicts between two jobs."""
    assert hook["pass_filenames"] is False
    assert run_installed(hook["entry"]).returncode == 0
    configs = tmp_path / "copy_configs"
    configs.mkdir()
    for name in ("a.yaml", "b.yaml"):
        write(configs, MINIMAL, name)
    done = run_installed(hook["entry"], tmp_path)
    assert done.returncode == 1
    assert "[jobs-write-same]" in done.stdout


PATHS = {
    "copy_configs/daily.yaml": True,
    "copy_configs/daily.yml": True,
    "copy_configs/_defaults.yaml": True,
    "copy_configs/team/daily.yaml": True,
    "airflow/copy_configs/daily.yaml": True,
    "daily.yaml": False,
    "my_copy_configs/daily.yaml": False,
    "copy_configs.yaml": False,
    "copy_configs/README.md": False,
    "copy_configs/daily.yaml.orig": False,
    "copy_configs/.yaml": False,
}


@pytest.mark.parametrize(("path", "starts"), PATHS.items(), ids=PATHS)
def test_the_hook_starts_for_configs_alone(hook: dict[str, Any], path: str, *, starts: bool) -> None:
    """pre-commit searches a path for the pattern, as `re.search` does."""
    assert bool(re.search(hook["files"], path)) is starts
