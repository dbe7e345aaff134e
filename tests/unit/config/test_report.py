"""Reports: for people with the line and a caret, for programs as JSON, for GitHub as annotations."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.problem import Code, Problem
from s3copy_tasks.config.show.report import as_github, as_json, as_text, text_lines
from tests.support.builders.documents import document, problems_of, write


def problem(
    file: Path | str,
    line: int | None = None,
    column: int | None = None,
    *,
    path: str = "owner",
    message: str = "must be text",
    suggestion: str | None = None,
) -> Problem:
    return Problem(
        file=str(file),
        line=line,
        column=column,
        path=path,
        code=Code.WRONG_TYPE,
        message=message,
        suggestion=suggestion,
    )


def shown(folder: Path, text: str | bytes, line: int, column: int) -> list[str]:
    """Return the report's lines below the problem's own."""
    return as_text([problem(write(folder, text), line, column)]).splitlines()[1:]


# --- text


def test_a_problem_is_a_place_words_and_its_line(tmp_path: Path) -> None:
    """Editors open the place, people read the words, and the caret points."""
    file = write(tmp_path, document(owner=5))
    assert as_text(problems_of(file)).splitlines() == [
        f'{file}:9:8: owner: must be text, but YAML reads the number 5. Write "5" [wrong-type]',
        "     9 | owner: 5",
        "       |        ^",
    ]


def test_a_problem_of_a_whole_file_has_no_line(tmp_path: Path) -> None:
    """Without a place, no caret is shown."""
    assert as_text([problem(tmp_path, path="")]) == f"{tmp_path}: must be text [wrong-type]\n"


def test_a_warning_says_that_it_is_one(tmp_path: Path) -> None:
    """In each form: as compilers write it, as a field, as GitHub's command."""
    file = write(tmp_path, "transfer: {pool: x}\n")
    warning = replace(problem(file, 1, 12, path="transfer.pool"), code=Code.DEPRECATED_FIELD)
    assert as_text([warning]).splitlines()[0] == (
        f"{file}:1:12: warning: transfer.pool: must be text [deprecated-field]"
    )
    assert json.loads(as_json([warning]))[0]["severity"] == "warning"
    assert as_github([warning]).startswith("::warning file=")


def test_without_problems_the_report_is_empty() -> None:
    """Silence is what a pipeline expects of good configs."""
    assert as_text([]) == ""


CARETS = {
    "first column": ("abc: 1\n", 1, "     1 | abc: 1", 0),
    "behind the text": ("abc:\n", 5, "     1 | abc:", 4),
    "behind a tab": ("a:\tb\n", 4, "     1 | a: b", 3),
    "behind accents": ("é: b\n", 4, "     1 | é: b", 3),
    "behind an accent of its own": ("e\u0301: b\n", 5, "     1 | e\u0301: b", 3),
    "behind letters of two columns": ("日本: b\n", 5, "     1 | 日本: b", 6),
    "behind a smile": ("😀: b\n", 4, "     1 | 😀: b", 4),
    "behind a control character": ("\x1b: b\n", 4, "     1 | \\x1b: b", 6),
    "behind a hard space": ("\u00a0: b\n", 4, "     1 | \\xa0: b", 6),
    "behind a line break of YAML 1.1": ("\u2028: b\n", 4, "     1 | \\u2028: b", 8),
}


@pytest.mark.parametrize(("text", "column", "line", "at"), CARETS.values(), ids=CARETS)
def test_the_caret_is_below_its_place(tmp_path: Path, text: str, column: int, line: str, at: int) -> None:
    """Tabs, accents, wide letters and escapes before it don't move the caret away."""
    assert shown(tmp_path, text, 1, column) == [line, "       | " + " " * at + "^"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_lines_are_those_of_editors(tmp_path: Path, line_break: str) -> None:
    """The line shown is the one that an editor has at that number."""
    text = line_break.join(["a: \x85\u2028", "b: 2", "c: 3"])
    assert shown(tmp_path, text, 2, 4) == ["     2 | b: 2", "       |    ^"]


def test_a_byte_order_mark_is_not_a_column(tmp_path: Path) -> None:
    """Neither the reader nor the report counts it."""
    assert shown(tmp_path, b"\xef\xbb\xbfab: 1\n", 1, 3) == ["     1 | ab: 1", "       |   ^"]


def test_a_long_line_is_cut_around_the_caret(tmp_path: Path) -> None:
    """A line of thousands of characters shows what is around the place."""
    line, caret = shown(tmp_path, "a" * 5000 + "X" + "b" * 5000, 1, 5001)
    assert line == "     1 | " + "a" * 60 + "X" + "b" * 59
    assert line[caret.index("^")] == "X"


@pytest.mark.parametrize("place", [(3, 1), (99, 1), (2, 1)], ids=["behind the last", "far", "empty"])
def test_a_place_after_the_text_does_not_crash(tmp_path: Path, place: tuple[int, int]) -> None:
    """A file may have been changed since it was read."""
    assert len(shown(tmp_path, "a: 1\n", *place)) in {0, 2}


def test_a_file_that_is_gone_shows_no_line(tmp_path: Path) -> None:
    """The problem is still reported."""
    assert as_text([problem(tmp_path / "gone.yaml", 1, 1)]).count("\n") == 1


def test_a_line_that_is_not_text_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 don't break the report about them."""
    assert shown(tmp_path, b"owner: J\xfcrgen\n", 1, 9)[0] == "     1 | owner: J\ufffdrgen"


def test_a_report_reads_files_again(tmp_path: Path) -> None:
    """A process that lives long shows the line as it is now."""
    assert shown(tmp_path, "a: 1\n", 1, 1)[0] == "     1 | a: 1"
    assert shown(tmp_path, "b: 2\n", 1, 1)[0] == "     1 | b: 2"


@pytest.mark.parametrize(
    ("path", "message"),
    [("owner", "a\x1b[31mb\nc"), ("a\x1b[31mb\nc", "must be text")],
    ids=["message", "path"],
)
def test_control_characters_are_escaped(tmp_path: Path, path: str, message: str) -> None:
    """Untrusted input can't move the cursor or start a new line."""
    report = as_text([problem(tmp_path / "a\x07.yaml", path=path, message=message)])
    assert "a\\x1b[31mb\\nc" in report
    assert "a\\x07.yaml" in report
    assert report.count("\n") == 1


def test_the_message_is_highlighted(tmp_path: Path) -> None:
    """On a terminal the place, the words, the code and the caret have styles of their own."""
    first, line, caret = text_lines([problem(write(tmp_path, "a: 1\n"), 1, 1)])
    assert [style for _, style in first] == ["bold", "", "red", "dim"]
    assert [style for _, style in [*line, *caret]] == ["dim", "", "dim", "bold red"]


@given(
    before=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=80),
    after=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=80),
)
def test_any_line_is_one_line_and_its_caret_fits(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    """Whatever a line contains, it is shown in one line that a terminal can print, with one caret below."""
    line, caret = shown(tmp_path_factory.mktemp("line"), before + after, 1, len(before) + 1)
    assert (line + caret).isprintable()
    assert re.fullmatch(r" {7}\| *\^", caret)
    cells = sum(0 if combining(c) else 2 if east_asian_width(c) in "FW" else 1 for c in line)
    assert caret.index("^") <= cells + len(before)


# --- JSON


def test_json_has_every_field_of_a_problem(tmp_path: Path) -> None:
    """Programs read the same names whatever the problem is; what is not known is null."""
    (one, two) = json.loads(as_json([problem("a.yaml", 2, 3, suggestion='"5"'), problem("b.yaml", path="")]))
    assert one == {
        "file": "a.yaml",
        "line": 2,
        "column": 3,
        "path": "owner",
        "code": "wrong-type",
        "severity": "error",
        "message": "must be text",
        "suggestion": '"5"',
    }
    assert (two["line"], two["column"], two["path"], two["suggestion"]) == (None, None, "", None)


def test_json_of_no_problems_is_an_empty_list() -> None:
    """A reader of JSON gets JSON in every case."""
    assert as_json([]) == "[]\n"


@given(text=st.text())
def test_json_holds_any_text(text: str) -> None:
    """Letters of the world and control characters come out as they went in, and the bytes are ASCII."""
    report = as_json([problem("a.yaml", message=text, path=text)])
    assert report.isascii()
    assert [json.loads(report)[0][name] for name in ("message", "path")] == [text, text]


# --- GitHub


def test_github_shows_a_problem_beside_its_line() -> None:
    """A workflow command names file, line, column and code; the path begins the words."""
    assert as_github([problem("copy_configs/a.yaml", 2, 3)]) == (
        "::error file=copy_configs/a.yaml,line=2,col=3,title=wrong-type::owner: must be text\n"
    )


def test_github_takes_a_problem_of_a_whole_file() -> None:
    """Without a place the annotation is at the file."""
    assert as_github([problem("a.yaml", path="")]) == "::error file=a.yaml,title=wrong-type::must be text\n"


def test_github_reads_the_text_as_it_is() -> None:
    """What a workflow command would act on is escaped as GitHub says."""
    assert as_github([problem("a,b:c%d.yaml", 1, 1, message="100%: a,b", path="")]) == (
        "::error file=a%2Cb%3Ac%25d.yaml,line=1,col=1,title=wrong-type::100%25: a,b\n"
    )


@given(text=st.text(), file=st.text())
def test_no_text_makes_a_command_of_its_own(text: str, file: str) -> None:
    """Whatever a file or a value is called, each problem is one command in one line."""
    report = as_github([problem(file, 1, 1, message=text), problem(file, 2, 2, path=text)])
    assert re.fullmatch(r"(::error file=[^,:\r\n]*,line=\d,col=\d,title=wrong-type::[^\r\n]*\n){2}", report)
