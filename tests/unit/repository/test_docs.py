"""The pages are consistent: every link works, every page is in the index, and CONTRIBUTING is up to date."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.airflow.stack import BIN

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
CODE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
README_LINES = 120


def path_of(text: Path) -> str:
    return text.relative_to(ROOT).as_posix()


def links(text: Path) -> list[str]:
    """Return the targets of a page's links, without addresses."""
    found = re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", text.read_text()))
    return [link for link in found if "://" not in link]


def anchors(text: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", text.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(link: str, text: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = (text.parent / path).resolve() if path else text
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("text", TEXTS, ids=path_of)
def test_links_lead_somewhere(text: Path) -> None:
    """Every relative link finds its file, and its heading where it names one."""
    assert [link for link in links(text) if not leads_somewhere(link, text)] == []


@pytest.mark.parametrize("link", ["docs/nowhere.md", "docs/limits.md#nowhere", "#nowhere"])
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    """The check finds a missing file and a missing heading."""
    assert not leads_somewhere(link, ROOT / "README.md")


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links each page once."""
    listed = [link for link in links(DOCS / "README.md") if not link.startswith("../") and "#" not in link]
    assert sorted(listed) == [path.relative_to(DOCS).as_posix() for path in PAGES if path.name != "README.md"]


def test_the_index_has_four_groups() -> None:
    """The groups are learn, do, look up, why; each entry describes its page in one line."""
    text = (DOCS / "README.md").read_text()
    groups = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert groups == ["Learn", "Do", "Look up", "Why it is built this way"]
    entries = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line for line in entries if not re.fullmatch(r"- \[.+\]\(\S+\): .+\.", line)] == []


def test_the_readme_is_short() -> None:
    """It is short enough to be read to the end."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


@pytest.mark.parametrize("text", TEXTS, ids=path_of)
def test_one_title(text: Path) -> None:
    """A page begins with its title, and has no second title."""
    titles = re.findall(r"^# .+$", CODE.sub("", text.read_text()), re.MULTILINE)
    assert titles == text.read_text().splitlines()[:1]


def test_the_site_is_built(tmp_path: Path) -> None:
    """Sphinx builds the pages without a warning, as `make docs` does."""
    assert "--fail-on-warning --keep-going docs build/site" in (ROOT / "Makefile").read_text()
    done = subprocess.run(
        [BIN / "sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", DOCS, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    built = {path.relative_to(tmp_path).with_suffix(".md") for path in tmp_path.rglob("*.html")}
    assert {page.relative_to(DOCS) for page in PAGES} <= built


class TestContributing:
    """CONTRIBUTING.md shows the current tree."""

    TEXT = (ROOT / "CONTRIBUTING.md").read_text()

    def rows(self, head: str) -> list[str]:
        """Return the first cells of the table that begins with a heading."""
        table = self.TEXT.partition(f"| {head}")[2].partition("\n\n")[0]
        return re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)

    def test_the_rooms_are_those_of_the_linter(self) -> None:
        """The rows are in the same order, from the top down."""
        document = tomllib.loads((ROOT / "pyproject.toml").read_text())
        (layers,) = (
            contract["layers"]
            for contract in document["tool"]["importlinter"]["contracts"]
            if contract["type"] == "layers"
        )
        shown = [
            [room.removesuffix("/").removesuffix(".py") for room in re.findall(r"`(\S+)`", row)]
            for row in self.rows("room")
        ]
        assert [sorted(row) for row in shown] == [sorted(layer.split(" | ")) for layer in layers]

    def test_the_folders_of_tests_are_there(self) -> None:
        """The table has all folders, and no others."""
        shown = {name.strip("`/") for name in self.rows("folder")}
        assert shown == {
            path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"
        }

    def test_the_files_that_it_names_are_there(self) -> None:
        """Each path exists below the root, the package or the tests."""
        named = re.findall(r"`((?:[\w.]+/)+[\w.]*)`", self.TEXT)
        bases = (
            ROOT,
            ROOT / "s3copy_tasks",
            ROOT / "tests",
            ROOT / "tests/unit",
            ROOT / "tests/unit/config/examples",
        )
        assert len(named) > 20
        in_tree = {name for name in named if not name.startswith("build/")}
        assert [name for name in in_tree if not any((base / name).exists() for base in bases)] == []


def test_the_demo_page_shows_the_steps_of_the_demos() -> None:
    """The programs print each step that docs/demo.md shows."""
    programs = "".join((ROOT / "tools" / name).read_text() for name in ("demo.py", "demo_changes.py"))
    program = programs.replace("{CHANGED}", "python/json/decoder.py")
    steps = re.findall(r"^==> (.+)$", (DOCS / "demo.md").read_text(), re.MULTILINE)
    assert steps == re.findall(r'\bstep\(f?"(.+)"\)$', program, re.MULTILINE)
