"""The YAML reader: values by the core schema of YAML 1.2, and the line and column of every name and value."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.builder import DEPTH_MAX, ERRORS_MAX
from s3copy_tasks.config.read.place import Parts, Place, SourceError
from s3copy_tasks.config.read.scalar import Misread
from s3copy_tasks.config.read.source import read_source

FILE = Path("job.yaml")
Where = dict[Parts, tuple[int | None, int | None]]


def read(text: str) -> Any:
    return read_source(FILE, text.encode()).value


def where(places: dict[Parts, Place]) -> Where:
    assert {place.file for place in places.values()} <= {FILE}
    return {way: (place.line, place.column) for way, place in places.items()}


def refusal(text: str) -> SourceError:
    with pytest.raises(SourceError) as raised:
        read_source(FILE, text.encode())
    return raised.value


def message_of(text: str) -> str | None:
    """Return the words of what keeps a text from being read; None where nothing does."""
    try:
        read_source(FILE, text.encode())
    except SourceError as error:
        return error.message
    return None


# --- values

SCALARS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "nULL": "nULL",
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "tRUE": "tRUE",
    "yes": "yes",
    "no": "no",
    "on": "on",
    "Off": "Off",
    "y": "y",
    "0": 0,
    "-0": 0,
    "7": 7,
    "+12": 12,
    "-3": -3,
    "1234567890123456789": 1234567890123456789,
    "1_000": "1_000",
    "1,000": "1,000",
    "1:30": "1:30",
    "190:20:30": "190:20:30",
    "0b101": "0b101",
    "1.5": 1.5,
    "1.": 1.0,
    ".5": 0.5,
    "-.5": -0.5,
    "1e3": 1000.0,
    "1E+3": 1000.0,
    "12e-1": 1.2,
    "1e999": math.inf,
    ".": ".",
    "e3": "e3",
    "1e": "1e",
    ".inf": math.inf,
    "-.INF": -math.inf,
    "+.Inf": math.inf,
    "inf": "inf",
    "nan": "nan",
    ".nAn": ".nAn",
    "2026-01-01": "2026-01-01",
    "2026-01-01 02:00:00": "2026-01-01 02:00:00",
    "2026-01-01T02:00:00Z": "2026-01-01T02:00:00Z",
    "012345678901": Misread("012345678901", "the number 12345678901"),
    "010": Misread("010", "the number 10"),
    "-010": Misread("-010", "the number -10"),
    "00": Misread("00", "the number 0"),
    "0o17": Misread("0o17", "the number 15"),
    "0x1F": Misread("0x1F", "the number 31"),
    "0o8": "0o8",
    "0xg": "0xg",
    "-0x1F": "-0x1F",
    "12345678901234567890": Misread("12345678901234567890", "the number 12345678901234567890"),
    "123456789012345678901": Misread("12345678901234567890...", "a number"),
    "=": "=",
    '"12"': "12",
    "'no'": "no",
    '"null"': "null",
    "'~'": "~",
    '"\\x41\\u00e9\\U0001F600"': "Aé😀",
    "'it''s'": "it's",
    "a b": "a b",
    "a#b": "a#b",
    "a:b": "a:b",
    "s3://a/b": "s3://a/b",
    "daily/{{ ds }}/": "daily/{{ ds }}/",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=SCALARS)
def test_scalars_are_read_by_the_core_schema_of_yaml_1_2(text: str, value: Any) -> None:
    """YAML 1.1's traps are text; numbers that the versions read differently are none."""
    found = read(f"a: {text}\n")["a"]
    assert (type(found), found) == (type(value), value)


def test_not_a_number_is_a_number() -> None:
    """`.nan` is what the core schema says."""
    assert math.isnan(read("a: .nan\n")["a"])


@pytest.mark.parametrize("text", [text for text in SCALARS if text and text[0] not in "\"'"])
def test_quotes_make_everything_text(text: str) -> None:
    """Everything in quotes is text, and so is a block."""
    assert read(f"a: \"{text}\"\nb: '{text}'\nc: |-\n  {text}\n") == {"a": text, "b": text, "c": text}


NAMES = ["null", "~", "true", "no", "1", "1.5", "2026-01-01", "a b", "ä", "<", "=", "-"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_always_text(name: str) -> None:
    """Names are never read as numbers, dates or null."""
    assert read(f"{{'x': 1, {name} : 2}}" if name != "-" else '{x: 1, "-": 2}') == {"x": 1, name: 2}


@pytest.mark.parametrize("text", ["", "# only\n", "\n\n", "---\n", "---\n...\n", "~\n"])
def test_nothing_is_null(text: str) -> None:
    """A file without a value is a file without a job."""
    assert read(text) is None


def test_how_a_number_was_written_is_kept() -> None:
    """A message can repeat what is in the file, not only what YAML reads."""
    source = read_source(FILE, b'a: 012\nb: [1.10, "2", x]\nc: null\n')
    assert source.texts == {("a",): "012", ("b", 0): "1.10", ("c",): "null"}


# --- places: a tiny emitter writes what it knows the places of

SCALARS_WRITTEN: list[tuple[str, Any]] = [
    ("word", "word"),
    ("two words", "two words"),
    ("12", 12),
    ("1.5", 1.5),
    ("null", None),
    ("true", True),
    ("no", "no"),
    ("日本", "日本"),
    ("😀é", "😀é"),
    ('"a: b, c # {d}"', "a: b, c # {d}"),
    ('"é\\t😀"', "é\t😀"),
    ('"\u2028\u00a0"', "\u2028\u00a0"),
    ("'it''s'", "it's"),
    ("''", ""),
]
NAMES_WRITTEN = st.text("abéж日", min_size=1, max_size=4)
GAPS = st.sampled_from(["", "\n", "# ü: [x\n", "   # y\n\n"])


class Page:
    """Text that grows, and the places of what was written."""

    def __init__(self) -> None:
        self.text = ""
        self.names: Where = {}
        self.values: Where = {}

    @property
    def here(self) -> tuple[int, int]:
        return self.text.count("\n") + 1, len(self.text) - self.text.rfind("\n")

    def write(self, text: str) -> None:
        self.text += text

    def start_line(self, gap: str, indent: int) -> None:
        """Begin a line, unless the text is at the start of one."""
        if self.here[1] != indent + 1:
            self.write("\n" + gap + " " * indent)

    def value(self, node: Any, way: Parts = (), indent: int = 0, *, in_flow: bool = False) -> None:
        kind, is_flow, content = node
        if kind == "scalar":
            self.values[way] = self.here
            self.write(content[0])
        elif in_flow or is_flow or not content:
            self.flow(kind, content, way)
        else:
            self.block(kind, content, way, indent)

    def flow(self, kind: str, content: list[Any], way: Parts) -> None:
        self.values[way] = self.here
        self.write("{ " if kind == "mapping" else "[")
        for index, (_, name, node) in enumerate(content):
            inner = (*way, name if kind == "mapping" else index)
            if kind == "mapping":
                self.names[inner] = self.here
                self.write(f"{name}: ")
            self.value(node, inner, in_flow=True)
            self.write(", ")
        self.write("}" if kind == "mapping" else "]")

    def block(self, kind: str, content: list[Any], way: Parts, indent: int) -> None:
        for index, (gap, name, node) in enumerate(content):
            self.start_line(gap, indent)
            inner = (*way, name if kind == "mapping" else index)
            self.values.setdefault(way, self.here)
            if kind == "mapping":
                self.names[inner] = self.here
                self.write(f"{name}: ")
                is_inline = node[0] == "scalar" or node[1] or not node[2]
                self.write("" if is_inline else "\n" + " " * (indent + 2))
            else:
                self.write("- ")
            self.value(node, inner, indent + 2)


def plain(node: Any) -> Any:
    kind, _, content = node
    if kind == "scalar":
        return content[1]
    if kind == "list":
        return [plain(inner) for _, _, inner in content]
    return {name: plain(inner) for _, name, inner in content}


def nodes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    entries = st.tuples(GAPS, NAMES_WRITTEN, inner)
    lists = st.tuples(st.just("list"), st.booleans(), st.lists(entries, max_size=4))
    unique = st.lists(entries, max_size=4, unique_by=lambda entry: entry[1])
    return lists | st.tuples(st.just("mapping"), st.booleans(), unique)


SCALAR_NODES = st.tuples(st.just("scalar"), st.just(value=True), st.sampled_from(SCALARS_WRITTEN))
NODES = st.recursive(SCALAR_NODES, nodes, max_leaves=16)


@given(node=NODES, line_break=st.sampled_from(["\n", "\r\n", "\r"]), mark=st.sampled_from(["", "\ufeff"]))
def test_every_name_and_value_is_found_where_it_is(node: Any, line_break: str, mark: str) -> None:
    """Lines and columns count from 1, in characters, as editors do, in block and in flow style."""
    page = Page()
    page.value(node)
    source = read_source(FILE, (mark + page.text.replace("\n", line_break)).encode())
    assert where(source.names) == page.names
    assert where(source.values) == page.values
    assert (source.value, source.errors) == (plain(node), [])


def test_an_empty_value_is_after_its_colon() -> None:
    """What is missing has a place, too."""
    source = read_source(FILE, b"a:\nb: {c: , d: 1}\n")
    assert source.value == {"a": None, "b": {"c": None, "d": 1}}
    assert where(source.values) == {
        (): (1, 1),
        ("a",): (1, 3),
        ("b",): (2, 4),
        ("b", "c"): (2, 8),
        ("b", "d"): (2, 13),
    }


def test_line_breaks_of_yaml_1_1_are_none() -> None:
    """A place counts lines as editors do, also behind characters that only YAML 1.1 takes for line breaks."""
    source = read_source(FILE, 'a: "x\u2028y\u2029z\x85"\nb: 1\n'.encode())
    assert where(source.names) == {("a",): (1, 1), ("b",): (2, 1)}


# --- anchors


def test_an_alias_has_the_value_of_its_anchor_and_a_place_of_its_own() -> None:
    """The value of an alias has the alias's place; values inside it have no place but the anchor's."""
    source = read_source(FILE, b"a: &x {b: [1, 2]}\nc: *x\nd: [*x]\n")
    assert source.value == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}]}
    assert where(source.values) == {
        (): (1, 1),
        ("a",): (1, 4),
        ("a", "b"): (1, 11),
        ("a", "b", 0): (1, 12),
        ("a", "b", 1): (1, 15),
        ("c",): (2, 4),
        ("d",): (3, 4),
        ("d", 0): (3, 5),
    }


def test_an_anchor_may_be_set_again() -> None:
    """An alias takes the last anchor of its name before it."""
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_an_anchor_may_hold_one_of_its_own_name() -> None:
    """An anchor ends where its value does."""
    assert read("a: &x [&x 1, *x]\nb: *x\n") == {"a": [1, 1], "b": [1, 1]}


ANCHORS = {
    "none": ("a: *x\n", (1, 4)),
    "later": ("a: *x\nb: &x 1\n", (1, 4)),
    "in itself": ("a: &x [1, *x]\n", (1, 11)),
    "in a mapping in itself": ("a: &x {b: {c: *x}}\n", (1, 15)),
    "of a name": ("&x a: 1\nb: *x\n", (2, 4)),
}


@pytest.mark.parametrize(("text", "place"), ANCHORS.values(), ids=ANCHORS)
def test_an_alias_without_a_value_is_refused(text: str, place: tuple[int, int]) -> None:
    """An alias needs an anchor before it that is whole."""
    error = refusal(text)
    assert (error.code, (error.place.line, error.place.column)) == (Code.YAML_ANCHOR, place)


def test_an_alias_in_its_own_anchor_is_reported_as_such() -> None:
    """It refers to the value around it, even if an earlier anchor has the same name: it would never end."""
    for text in ("a: &x [*x]\n", "a: &x 1\nb: &x [*x]\n"):
        assert "its anchors contain themselves" in refusal(text).message


@pytest.mark.parametrize("first", ["x" * 1000, "{" + "x" * 1000 + ": 1}"], ids=["value", "name"])
@pytest.mark.parametrize("kind", ["[{}]", "{{a: [{}]}}"])
@pytest.mark.parametrize("width", [2, 3, 10])
def test_anchors_expand_to_a_mebibyte_at_most(kind: str, width: int, first: str) -> None:
    """A file of a few lines can't fill the memory, be it by values or by names; what fits is read."""
    lines = ["a0: &a0 " + first]
    count = math.ceil(math.log(2**20 / 1000, width)) + 1
    for number in range(1, count):
        aliases = ", ".join([f"*a{number - 1}"] * width)
        lines.append(f"a{number}: &a{number} " + kind.format(aliases))
    assert len(read("\n".join(lines[:-2]))) == count - 2
    assert refusal("\n".join(lines)).code == Code.YAML_ANCHOR


# --- bounds


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("[{a: [", "]}]")])
def test_a_file_is_nested_as_deep_as_promised_and_no_deeper(opening: str, closing: str) -> None:
    """The deepest that is allowed is read; one level more is refused at its place."""
    times = DEPTH_MAX // (opening.count("[") + opening.count("{"))
    deepest = opening * times + "1" + closing * times
    levels = deepest.count("[") + deepest.count("{")
    assert read(deepest.replace("1", "[" * (DEPTH_MAX - levels) + "1" + "]" * (DEPTH_MAX - levels)))
    error = refusal(f"x: {'[' * DEPTH_MAX}")
    assert (error.code, error.place.column) == (Code.YAML_DEPTH, 3 + DEPTH_MAX)


def test_aliases_nest_no_deeper_than_brackets() -> None:
    """A chain of aliases is as deep as what it stands for: the last link that is too much is refused."""
    links = [f"a{number}: &a{number} {{b: *a{number - 1}}}" for number in range(1, 500)]
    text = "\n".join(["a0: &a0 [x]", *links])
    error = refusal(text)
    assert (error.code, error.place.line) == (Code.YAML_DEPTH, DEPTH_MAX)
    assert len(read("\n".join(text.splitlines()[: DEPTH_MAX - 1]))) == DEPTH_MAX - 1


def test_errors_that_do_not_end_the_reading_are_bounded() -> None:
    """A thousand duplicates are reported, not a million."""
    source = read_source(FILE, b"a: 1\n" * (ERRORS_MAX + 10))
    assert len(source.errors) == ERRORS_MAX


# --- errors that do not end the reading


def test_duplicates_are_reported_with_the_line_of_the_first() -> None:
    """Of three, two are too many, and both name the first."""
    source = read_source(FILE, b"a: 1\nb: 2\na: 3\na: 4\nc: {a: 1}\n")
    assert [
        (error.code, error.place.line, "first on line 1" in error.message) for error in source.errors
    ] == [
        (Code.YAML_DUPLICATE, 3, True),
        (Code.YAML_DUPLICATE, 4, True),
    ]


@pytest.mark.parametrize("names", [("a", '"a"'), ("1", "'1'"), ("é", '"\\u00e9"')])
def test_names_are_equal_however_they_are_written(names: tuple[str, str]) -> None:
    """Quotes and escapes make no other name."""
    source = read_source(FILE, "".join(f"{name}: 1\n" for name in names).encode())
    assert [error.code for error in source.errors] == [Code.YAML_DUPLICATE]


def test_equal_names_in_two_mappings_are_none() -> None:
    """Each mapping has names of its own."""
    assert read_source(FILE, b"[{a: 1}, {a: {a: 2}}]\n").errors == []


@pytest.mark.parametrize("tag", ["!!str", "!!int", "!!python/object:os.system", "!Ref", "!", "!<x>"])
@pytest.mark.parametrize("value", ["x", "12", '""', "[x]", "{x: y}", ""])
def test_a_tag_is_refused_whatever_it_is(tag: str, value: str) -> None:
    """A tag makes nothing but a problem, and the value is not judged further."""
    source = read_source(FILE, f"a: 1\nb: {tag} {value}\n".encode())
    assert [(error.code, error.place.line, error.place.column) for error in source.errors] == [
        (Code.YAML_TAG, 2, 4)
    ]
    assert source.refused == {("b",)}


def test_a_merge_is_refused_and_merges_nothing() -> None:
    """`<<` is not part of YAML 1.2; in quotes it is a name like any other."""
    source = read_source(FILE, b'a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: {"<<": 1}\n')
    assert source.value == {"a": {"x": 1}, "b": {"y": 2}, "c": {"<<": 1}}
    assert [(error.code, error.place.line, error.place.column) for error in source.errors] == [
        (Code.YAML_MERGE, 2, 5)
    ]


# --- hints

HINTS = {
    "preset": ("schedule: @daily\n", '"@daily"'),
    "preset in a list": ("a: [x, @daily, y]\n", '"@daily"'),
    "preset with a comment": ("schedule: @daily # at night\n", '"@daily"'),
    "glob": ("include: [*.nc]\n", '"*.nc"'),
    "glob of folders": ("include: [**/x]\n", '"**/x"'),
    "glob as an entry": ("include:\n  - *.nc\n", '"*.nc"'),
    "glob that is an alias": ("include: [*nc]\n", '"*nc"'),
    "cron": ("schedule: */5 * * * *\n", '"*/5"'),
    "backtick": ("owner: `whoami`\n", '"`whoami`"'),
    "percent": ("owner: %x\n", '"%x"'),
    "template": ("source: {{ ds }}/\n", '"{{ ds }}/"'),
    "template alone": ("source: {{ ds }}\n", '"{{ ds }}"'),
    "template as an entry": ("- {{ ds }}/a/\n", '"{{ ds }}/a/"'),
    "template in brackets": ("a: [{{ ds }}/, b]\n", '"{{ ds }}/"'),
    "template in braces": ("{source: daily/{{ ds }}/, destination: b/}\n", '"daily/{{ ds }}/"'),
    "template at the end of braces": ("a: {source: daily/{{ ds }}/}\n", '"daily/{{ ds }}/"'),
}


@pytest.mark.parametrize(("text", "suggestion"), HINTS.values(), ids=HINTS)
def test_what_needs_quotes_is_reported_with_its_quotes(text: str, suggestion: str) -> None:
    """The usual reason why YAML fails is reported with the text that fixes it."""
    error = refusal(text)
    assert error.suggestion == suggestion
    assert error.message.endswith(f". Put the value in quotes: {suggestion}")


@pytest.mark.parametrize(
    "text",
    [
        '- source: "a {{ ds }}/"\n x: 1\n',
        "a: x\n b: daily/{{ ds }}/\n",
        "%YAML 3.0\n---\na: 1\n",
        "password: @hunter2\n",
        "password:\n  @hunter2\n",
        "owner: @AKIAIOSFODNN7EXAMPLE\n",
    ],
    ids=["quoted already", "error before it", "directive", "secret by its name", "secret below", "secret"],
)
def test_no_quotes_are_offered_where_they_fix_nothing(text: str) -> None:
    """A wrong hint is worse than none, and a secret is not repeated."""
    error = refusal(text)
    assert error.suggestion is None
    assert "quotes: " not in error.message


FIXES = {
    "tab": ("a:\n\tb: 1\n", (2, 1), "Indent with spaces"),
    "tab in text": ("a: b\n\tc: d\n", (2, 1), "Indent with spaces"),
    "quote left open": ('a: 1\nb: "x\nc: 1\n', (2, 4), "Close the quote that starts here"),
    "single quote left open": ("a: it's\nb: 'x\nc: 1\n", (2, 4), "Close the quote that starts here"),
    "bracket left open": ("a: [1\nb: 2\n", (2, 2), "Put `,` between the entries and `]` after the last"),
    "brace left open": ("a: {b: 1\n", (2, 1), "that starts on line 1, did not find"),
    "no colon": ("a: 1\nb\nc: 2\n", (2, 1), "Write `name: value`"),
    "no space": ("a:1\nb: 2\n", (2, 2), "Put a space after a name's colon"),
    "colon in text": ("a: b: c\n", (1, 5), "put text that contains `: ` in quotes"),
    "escape": ('a: "C:\\data"\n', (1, 7), "Use single quotes"),
    "indentation": ("a:\n  b: 2\n c: 3\n", (3, 2), "start the fields of a mapping in the same column"),
    "list and mapping": ("- a\nb: 1\n", (2, 1), "Start each entry of the list with `- `"),
    "list in the line of its name": ("a: - b\n", (1, 4), "Start the list on its own line"),
    "no space behind a name in quotes": ('"a":b\n', (1, 4), "Put a space after a name's colon"),
    "nothing before a comma": ("a: [b, , c]\n", (1, 8), "Add a value"),
    "quote over the end of a document": ('a: "b\n---\nc: 1\n', (1, 4), "Close the quote that starts here"),
    "escape of no number": ('a: "\\xag"\n', (1, 7), "Use single quotes"),
    "escape of no character": ('a: "\\ud800"\n', (1, 7), "Use single quotes"),
    "question mark": ("a: ? b\n", (1, 4), "Put text that starts with `? ` in quotes"),
    "text behind a block's mark": ("a: |b\n", (1, 5), "Start the text after `|` or `>` on the next line"),
    "tab in a block": ("a: |\n\tb\n", (2, 1), "Indent with spaces"),
    "and sign": ("a: & b\n", (1, 5), "Put text that starts with `&` in quotes"),
    "star": ("a: * b\n", (1, 5), "Put text that starts with `*` in quotes"),
    "tag that is none": ("a: !<b c\n", (1, 7), "without a tag"),
    "percent": ("%\n---\n", (1, 2), "Remove the line"),
    "percent of a tag": ("%TAG x\n---\n", (1, 6), "Remove the line"),
    "percent of a version": ("%YAML x\n---\n", (1, 7), "Write `%YAML 1.2`"),
    "version twice": ("%YAML 1.2\n%YAML 1.2\n---\n", (2, 1), "Remove the line"),
    "version": ("%YAML 2.0\n---\n", (1, 1), "Write `%YAML 1.2`"),
    "control character": ("a: é\x07\n", (1, 5), "Remove it"),
}


@pytest.mark.parametrize(("text", "place", "words"), FIXES.values(), ids=FIXES)
def test_invalid_yaml_says_how_to_fix_it(text: str, place: tuple[int, int], words: str) -> None:
    """The parser's own message is not enough."""
    error = refusal(text)
    assert (error.code, (error.place.line, error.place.column)) == (Code.YAML_SYNTAX, place)
    assert error.message.startswith("not valid YAML: ")
    assert words in error.message


@given(text=st.text("&*ab:!<>[]{}-|?#%@'\"\n\t 01.x,~=`\\ TAGYML.\x07", max_size=24))
def test_any_invalid_yaml_is_reported_with_a_fix(text: str) -> None:
    """No error of the parser is passed on without saying what to do."""
    message = message_of(text)
    assert message is None or re.search(r"[^.]\. [A-Z]", message), message


@pytest.mark.parametrize("name", ["{a: b}", "[a]", "? {a: b}\n", "? [a]\n", "*x "])
def test_a_name_that_is_not_text_is_refused(name: str) -> None:
    """Lists, mappings and aliases name no field."""
    error = refusal(f"x: &x y\n{name}: c\n")
    assert error.code == Code.YAML_SYNTAX
    assert "is used as the name of a field" in error.message


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: 1\n--- # next\n", "a: 1\n...\n---\nb\n"])
def test_a_second_document_is_refused(text: str) -> None:
    """A file is a job; a second document would be silently lost."""
    error = refusal(text)
    assert (error.code, error.place.column) == (Code.YAML_DOCUMENTS, 1)
