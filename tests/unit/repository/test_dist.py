"""The wheel and the source archive built from this tree: their files and their metadata."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet

from s3copy_tasks import __version__

ROOT = Path(__file__).parents[3]
REPOSITORY = "https://github.com/s3copy-tasks/s3copy_tasks"
TOP = f"s3copy_tasks-{__version__}"
INFO = f"{TOP}.dist-info"


def python(*arguments: str | Path, cwd: Path, **environment: str) -> str:
    """Run Python with arguments and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_archives(tree: Path, folder: Path) -> Path:
    """Build both archives of a tree, without the network, and return their folder."""
    python("-m", "hatchling", "build", "--directory", folder, cwd=tree)
    return folder


def read_wheel(folder: Path) -> dict[str, bytes]:
    """Return the files of the wheel in a folder."""
    with zipfile.ZipFile(folder / f"{TOP}-py3-none-any.whl") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@dataclass(frozen=True)
class Dist:
    """Both archives of this tree.

    Attributes:
        folder: where they are.
        wheel: its files.
        source: the source archive, unpacked.
    """

    folder: Path
    wheel: dict[str, bytes]
    source: Path

    @property
    def metadata(self) -> Metadata:
        """The wheel's metadata; raises if they are invalid."""
        return Metadata.from_email(self.wheel[f"{INFO}/METADATA"])


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    folder = build_archives(ROOT, tmp_path_factory.mktemp("dist"))
    unpacked = tmp_path_factory.mktemp("source")
    with tarfile.open(folder / f"{TOP}.tar.gz") as archive:
        archive.extractall(unpacked, filter="data")
    return Dist(folder, read_wheel(folder), unpacked / TOP)


def list_files(folder: Path) -> set[str]:
    """Return the files below a folder, without Python's caches."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def links(text: str) -> list[str]:
    """Return the link targets of a Markdown text, pictures included."""
    return re.findall(r"\]\(([^)]+)\)", text)


class TestWheel:
    """The wheel has the whole package, and nothing else."""

    def test_the_package_is_in_it_whole(self, dist: Dist) -> None:
        """It has code, schema, templates, style and `py.typed`, as in the tree."""
        package = {f"s3copy_tasks/{name}" for name in list_files(ROOT / "s3copy_tasks")}
        dags = {f"s3copy_tasks/dag/files/{path.name}" for path in (ROOT / "dags").glob("*.py")}
        assert {name for name in dist.wheel if not name.startswith(INFO)} == package | dags
        assert {
            "s3copy_tasks/py.typed",
            "s3copy_tasks/config/copy_job.schema.json",
            "s3copy_tasks/dag/page/templates/jobs.html",
            "s3copy_tasks/dag/page/templates/style.css",
            "s3copy_tasks/dag/files/s3copy_jobs.py",
            "s3copy_tasks/dag/files/s3copy_config_errors.py",
        } <= set(dist.wheel)

    def test_the_licence_is_in_it(self, dist: Dist) -> None:
        """The licence requires that."""
        assert dist.wheel[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()

    def test_the_source_archive_gives_the_same_wheel(self, dist: Dist, tmp_path: Path) -> None:
        """A wheel built from the source archive is the tested wheel."""
        assert read_wheel(build_archives(dist.source, tmp_path)) == dist.wheel

    def test_the_entry_points(self, dist: Dist) -> None:
        """The wheel declares the command, the plugin and the provider."""
        declared = ConfigParser(delimiters="=")
        declared.read_string(dist.wheel[f"{INFO}/entry_points.txt"].decode())
        assert {section: dict(declared[section]) for section in declared.sections()} == {
            "console_scripts": {"s3copy": "s3copy_tasks.cli:main"},
            "airflow.plugins": {"s3copy": "s3copy_tasks.dag.plugin:S3CopyPlugin"},
            "apache_airflow_provider": {"provider_info": "s3copy_tasks.dag.provider:provider_info"},
        }

    def test_the_command_installs_the_dag_files_of_the_wheel(self, dist: Dist, tmp_path: Path) -> None:
        """Without a repository, the files come from the package."""
        installed = tmp_path / "site-packages"
        with zipfile.ZipFile(dist.folder / f"{TOP}-py3-none-any.whl") as archive:
            archive.extractall(installed)
        python(
            "-m", "s3copy_tasks.cli", "install-dags", "dags", cwd=tmp_path, PYTHONPATH=str(installed)
        )  # whose `s3copy_tasks` comes before the one of this tree
        for path in (ROOT / "dags").glob("*.py"):
            assert (tmp_path / "dags" / path.name).read_bytes() == path.read_bytes()


class TestSource:
    """The source archive is enough to build the project and run its tests."""

    def test_what_is_in_it(self, dist: Dist) -> None:
        """It has everything that the tests and the Makefile read, and no build output."""
        assert {path.name for path in dist.source.iterdir()} == {
            ".ci",
            ".gitignore",
            ".pre-commit-hooks.yaml",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "LICENSE",
            "Makefile",
            "PKG-INFO",
            "README.md",
            "copy_configs",
            "dags",
            "docs",
            "pyproject.toml",
            "requirements",
            "s3copy_tasks",
            "tests",
            "tools",
        }
        assert [*dist.source.rglob("__pycache__")] == []

    @pytest.mark.parametrize(
        "folder", ["copy_configs", "dags", "docs", "requirements", "s3copy_tasks", "tests", "tools"]
    )
    def test_folders_are_whole(self, dist: Dist, folder: str) -> None:
        """No file is left out because of its ending."""
        assert list_files(dist.source / folder) == list_files(ROOT / folder)


class TestMetadata:
    """What an index shows, and what installers read."""

    def test_an_index_takes_it(self, dist: Dist) -> None:
        """Both archives pass the check before an upload."""
        checked = python("-m", "twine", "check", "--strict", *dist.folder.iterdir(), cwd=ROOT)
        assert checked.count("PASSED") == 2

    def test_name_and_version(self, dist: Dist) -> None:
        """The version is written in one place."""
        assert (dist.metadata.name, str(dist.metadata.version)) == ("s3copy-tasks", __version__)

    def test_the_changelog_knows_the_version(self) -> None:
        """The first heading below Unreleased is this version, with its day."""
        unreleased, latest = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
        assert unreleased == "Unreleased"
        assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", latest)

    def test_the_licence_is_an_expression_only(self, dist: Dist) -> None:
        """An index refuses a licence classifier as well."""
        assert dist.metadata.license_expression == "Apache-2.0"
        classifiers = dist.metadata.classifiers or []
        assert [classifier for classifier in classifiers if classifier.startswith("License ::")] == []

    def test_the_pythons(self, dist: Dist) -> None:
        """Installers read one field, people the other: both have the same oldest version."""
        prefix = "Programming Language :: Python :: 3."
        classifiers = dist.metadata.classifiers or []
        named = [name.removeprefix(prefix) for name in classifiers if name.startswith(prefix)]
        assert str(dist.metadata.requires_python) == f">=3.{min(map(int, named))}"

    def test_every_extra_installs_something(self, dist: Dist) -> None:
        """Each extra requires one provider in the oldest version that works; `all` requires them all."""
        assert dist.metadata.provides_extra == ["all", "http", "openlineage", "slack", "smtp"]
        singles = [requirements_of(extra, dist) for extra in ("http", "openlineage", "slack", "smtp")]
        assert [set(single) for single in singles] == [
            {f"apache-airflow-providers-{extra}"} for extra in ("http", "openlineage", "slack", "smtp")
        ]
        assert all(str(version).startswith(">=") for single in singles for version in single.values())
        required = {name: versions for single in singles for name, versions in single.items()}
        assert requirements_of("all", dist) == required

    def test_the_addresses(self, dist: Dist) -> None:
        """All are in one repository."""
        addresses = dist.metadata.project_urls or {}
        assert set(addresses) == {"Homepage", "Documentation", "Changelog", "Issues"}
        assert addresses["Homepage"] == REPOSITORY
        assert all(address.startswith(REPOSITORY) for address in addresses.values())

    def test_the_description_is_the_readme(self, dist: Dist) -> None:
        """Only the links differ, and they lead to the same files of the release."""
        assert dist.metadata.description_content_type == "text/markdown"
        pages = f"{REPOSITORY}/blob/v{__version__}/"
        pictures = f"https://raw.githubusercontent.com/s3copy-tasks/s3copy_tasks/v{__version__}/"
        described = (dist.metadata.description or "").replace(pages, "").replace(pictures, "")
        assert described == (ROOT / "README.md").read_text()

    def test_no_link_of_the_description_is_relative(self, dist: Dist) -> None:
        """An index has only this page of the repository."""
        found = links(dist.metadata.description or "")
        assert len(found) > 20
        assert [link for link in found if not link.startswith("https://")] == []
        assert "](docs/ui.png)" in (ROOT / "README.md").read_text()
        assert any(link.startswith("https://raw.") and link.endswith("/docs/ui.png") for link in found)


def requirements_of(extra: str, dist: Dist) -> dict[str, SpecifierSet]:
    """Return the packages that only an extra requires, with their versions."""
    requirements = dist.metadata.requires_dist or []
    return {
        requirement.name: requirement.specifier
        for requirement in requirements
        if requirement.marker and requirement.marker.evaluate({"extra": extra})
    }


def test_what_builds_the_package_is_locked() -> None:
    """`make setup` builds with installed packages: the lock has each build requirement."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(document["build-system"]["requires"]) <= set(document["dependency-groups"]["dev"])
