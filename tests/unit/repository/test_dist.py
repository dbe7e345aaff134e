"""The wheel and the source archive, as they are built of this tree: what is in them, and what they say."""

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


def built(tree: Path, folder: Path) -> Path:
    """Build both archives of a tree, without the network, and return the folder that holds them."""
    python("-m", "hatchling", "build", "--directory", folder, cwd=tree)
    return folder


def wheel_in(folder: Path) -> dict[str, bytes]:
    """Return the files of the wheel in a folder."""
    with zipfile.ZipFile(folder / f"{TOP}-py3-none-any.whl") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@dataclass(frozen=True)
class Dist:
    """Both archives of this tree.

    Attributes:
        folder: that holds them.
        wheel: its files.
        source: the source archive, unpacked.
    """

    folder: Path
    wheel: dict[str, bytes]
    source: Path

    @property
    def metadata(self) -> Metadata:
        """What the wheel says of itself; raises where it is not valid."""
        return Metadata.from_email(self.wheel[f"{INFO}/METADATA"])


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    folder, unpacked = built(ROOT, tmp_path_factory.mktemp("dist")), tmp_path_factory.mktemp("source")
    with tarfile.open(folder / f"{TOP}.tar.gz") as archive:
        archive.extractall(unpacked, filter="data")
    return Dist(folder, wheel_in(folder), unpacked / TOP)


def files_below(folder: Path) -> set[str]:
    """Return the files below a folder, without what Python leaves there."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def links(text: str) -> list[str]:
    """Return where a text in Markdown links to, pictures included."""
    return re.findall(r"\]\(([^)]+)\)", text)


class TestWheel:
    """Whoever installs the package gets all of it, and nothing else."""

    def test_the_package_is_in_it_whole(self, dist: Dist) -> None:
        """Code, schema, templates, style and the mark of typed code are there as they are in the tree."""
        package = {f"s3copy_tasks/{name}" for name in files_below(ROOT / "s3copy_tasks")}
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
        """The licence asks for that."""
        assert dist.wheel[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()

    def test_the_source_archive_gives_the_same_wheel(self, dist: Dist, tmp_path: Path) -> None:
        """Whoever builds it anew gets what we have tested."""
        assert wheel_in(built(dist.source, tmp_path)) == dist.wheel

    def test_the_entry_points(self, dist: Dist) -> None:
        """The command, the plugin and the provider are announced."""
        announced = ConfigParser(delimiters="=")
        announced.read_string(dist.wheel[f"{INFO}/entry_points.txt"].decode())
        assert {section: dict(announced[section]) for section in announced.sections()} == {
            "console_scripts": {"s3copy": "s3copy_tasks.cli:main"},
            "airflow.plugins": {"s3copy": "s3copy_tasks.dag.plugin:S3CopyPlugin"},
            "apache_airflow_provider": {"provider_info": "s3copy_tasks.dag.provider:provider_info"},
        }

    def test_the_command_installs_the_dag_files_of_the_wheel(self, dist: Dist, tmp_path: Path) -> None:
        """Where there is no repository, the files come out of the package."""
        installed = tmp_path / "site-packages"
        with zipfile.ZipFile(dist.folder / f"{TOP}-py3-none-any.whl") as archive:
            archive.extractall(installed)
        python(
            "-m", "s3copy_tasks.cli", "install-dags", "dags", cwd=tmp_path, PYTHONPATH=str(installed)
        )  # whose `s3copy_tasks` comes before the one of this tree
        for path in (ROOT / "dags").glob("*.py"):
            assert (tmp_path / "dags" / path.name).read_bytes() == path.read_bytes()


class TestSource:
    """Whoever packages the project anew can build it and run its tests."""

    def test_what_is_in_it(self, dist: Dist) -> None:
        """All that the tests and the Makefile read is there, and nothing that was built."""
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
        """No file is left out by its ending."""
        assert files_below(dist.source / folder) == files_below(ROOT / folder)


class TestMetadata:
    """What an index shows, and what installers go by."""

    def test_an_index_takes_it(self, dist: Dist) -> None:
        """Both archives pass the check that is made before an upload."""
        checked = python("-m", "twine", "check", "--strict", *dist.folder.iterdir(), cwd=ROOT)
        assert checked.count("PASSED") == 2

    def test_name_and_version(self, dist: Dist) -> None:
        """The version stands in one place."""
        assert (dist.metadata.name, str(dist.metadata.version)) == ("s3copy-tasks", __version__)

    def test_the_changelog_knows_the_version(self) -> None:
        """Below what is not released yet, the first heading is this version's, with its day."""
        unreleased, latest = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
        assert unreleased == "Unreleased"
        assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", latest)

    def test_the_licence_is_an_expression_only(self, dist: Dist) -> None:
        """An index refuses a classifier beside it."""
        assert dist.metadata.license_expression == "Apache-2.0"
        assert [one for one in dist.metadata.classifiers or [] if one.startswith("License ::")] == []

    def test_the_pythons(self, dist: Dist) -> None:
        """Installers go by one field, people by the other: they agree on the oldest."""
        prefix = "Programming Language :: Python :: 3."
        named = [
            one.removeprefix(prefix) for one in dist.metadata.classifiers or [] if one.startswith(prefix)
        ]
        assert str(dist.metadata.requires_python) == f">=3.{min(map(int, named))}"

    def test_every_extra_installs_something(self, dist: Dist) -> None:
        """Each kind of recipient has one, with the oldest version that works; `all` is all of them."""
        assert dist.metadata.provides_extra == ["all", "http", "openlineage", "slack", "smtp"]
        singles = [brought_by(extra, dist) for extra in ("http", "openlineage", "slack", "smtp")]
        assert [set(single) for single in singles] == [
            {f"apache-airflow-providers-{extra}"} for extra in ("http", "openlineage", "slack", "smtp")
        ]
        assert all(str(version).startswith(">=") for single in singles for version in single.values())
        assert brought_by("all", dist) == {name: one for single in singles for name, one in single.items()}

    def test_the_addresses(self, dist: Dist) -> None:
        """All lead into one repository."""
        addresses = dist.metadata.project_urls or {}
        assert set(addresses) == {"Homepage", "Documentation", "Changelog", "Issues"}
        assert addresses["Homepage"] == REPOSITORY
        assert all(address.startswith(REPOSITORY) for address in addresses.values())

    def test_the_description_is_the_readme(self, dist: Dist) -> None:
        """Nothing differs but the links, and they lead to the same files of the release."""
        assert dist.metadata.description_content_type == "text/markdown"
        pages = f"{REPOSITORY}/blob/v{__version__}/"
        pictures = f"https://raw.githubusercontent.com/s3copy-tasks/s3copy_tasks/v{__version__}/"
        described = (dist.metadata.description or "").replace(pages, "").replace(pictures, "")
        assert described == (ROOT / "README.md").read_text()

    def test_no_link_of_the_description_is_relative(self, dist: Dist) -> None:
        """An index page has no neighbours."""
        found = links(dist.metadata.description or "")
        assert len(found) > 20
        assert [link for link in found if not link.startswith("https://")] == []
        assert "](docs/ui.png)" in (ROOT / "README.md").read_text()
        assert any(link.startswith("https://raw.") and link.endswith("/docs/ui.png") for link in found)


def brought_by(extra: str, dist: Dist) -> dict[str, SpecifierSet]:
    """Return what an extra brings beyond what everybody gets, with the versions that it takes."""
    requirements = dist.metadata.requires_dist or []
    return {
        one.name: one.specifier
        for one in requirements
        if one.marker and one.marker.evaluate({"extra": extra})
    }


def test_what_builds_the_package_is_locked() -> None:
    """`make setup` builds with what is installed: each tool of the build is there."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(document["build-system"]["requires"]) <= set(document["dependency-groups"]["dev"])
