"""A file is a job, or a list of problems that say what is wrong, where, and how to fix it.

Cases that a text file can show are in `examples/`; these are the others: bytes, sizes, file names.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.load import load_job
from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.builder import SIZE_MAX
from tests.support.builders.documents import MINIMAL, document, job_of, prefix, problems_of, write

TEXT = """\
version: 1
source: {bucket: ops-granules}
destination: {bucket: partner-granules}
prefixes: [{source: daily/, destination: backup/}]
"""
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(64))

# Content of a file -> its only problem: line and column, code, words.
UNREADABLE: dict[str, tuple[str | bytes, str, str, str]] = {
    "empty": ("", "", Code.NOT_A_JOB, "is empty. A job is a mapping that begins with `version: 1`"),
    "blank": ("\n \n", "", Code.NOT_A_JOB, "is empty"),
    "Latin-1": (b"a: b\nowner: J\xfcrgen\n", ":2:9", Code.YAML_ENCODING, "is not UTF-8: byte 0xfc. Save"),
    "Latin-1 behind a byte order mark": (
        b"\xef\xbb\xbfowner: J\xfcrgen\n",
        ":1:9",
        Code.YAML_ENCODING,
        "byte 0xfc",
    ),
    "Latin-1 behind old line breaks": (b"a: b\rowner: \xfc\r", ":2:8", Code.YAML_ENCODING, "byte 0xfc"),
    "UTF-16": (TEXT.encode("utf-16-le"), ":1:2", Code.YAML_SYNTAX, "control characters are not allowed"),
    "UTF-16 with its mark": (TEXT.encode("utf-16"), ":1:1", Code.YAML_ENCODING, "byte 0xff"),
    "a byte too large": (b"#" * (SIZE_MAX + 1), "", Code.YAML_SIZE, "is larger than 1,048,576 bytes"),
    "NUL": (b"owner: \x00\n", ":1:8", Code.YAML_SYNTAX, "control characters are not allowed. Remove it"),
    "escape of a terminal": (
        "owner: é\nnämë: \x1b[31m\n",
        ":2:7",
        Code.YAML_SYNTAX,
        "control characters are not allowed",
    ),
    "NUL, escaped": ('version: 1\nowner: "a\\0b"\n', ":2:8", Code.YAML_NUL, "Remove it"),
    "NUL in a name": ('"a\\0b": 1\n', ":1:1", Code.YAML_NUL, "Remove it"),
    "lists without end": ("[" * 500_000, ":1:33", Code.YAML_DEPTH, "nested more than 32 levels deep"),
    "mappings without end": ("{a: " * 200_000, ":1:129", Code.YAML_DEPTH, "nested more than 32 levels"),
    "entries without end": ("- " * 200_000, ":1:65", Code.YAML_DEPTH, "nested more than 32 levels"),
    "anchors without end": (BOMB, ":18:1", Code.YAML_ANCHOR, "expand to more than 1 MiB"),
}


@pytest.mark.parametrize(("content", "place", "code", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_one_problem(
    tmp_path: Path, content: str | bytes, place: str, code: str, words: str
) -> None:
    """Invalid YAML, or a file beyond the limits, is reported once, with its place and how to fix it."""
    (problem,) = problems_of(write(tmp_path, content))
    assert (problem.where, problem.code) == (f"{tmp_path}/job.yaml{place}", code)
    assert words in problem.message


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        TEXT.removesuffix("\n"),
        TEXT + "#" * (SIZE_MAX - len(TEXT)),
    ],
    ids=["byte order mark", "Windows", "old Mac", "no last line break", "largest"],
)
def test_what_editors_write_is_taken(tmp_path: Path, content: str | bytes) -> None:
    """A byte order mark, line breaks of any system and a large comment are none of the job's business."""
    assert job_of(write(tmp_path, content)).source.bucket == "ops-granules"


LONG = {
    "a number of thousands of digits": (
        f"failure: {{max_failed_objects: {'9' * 5000}}}\n",
        "YAML reads 99999999999999999999... as a number",
    ),
    "an account of thousands of digits": (f"owner: {'9' * 5000}\n", "99999999999999999999... as a number"),
    "a size of thousands of digits": (f"transfer: {{batch_bytes: {'9' * 5000} GiB}}\n", "at most 9999 TiB"),
    "a time zone of hundreds of letters": (f"timezone: {'a' * 300}\n", "is not an IANA time zone"),
    "a time zone that is a path": ("timezone: ../../etc/passwd\n", "is not an IANA time zone"),
    "a preset of thousands of letters": (f'schedule: "@{"a" * 5000}"\n', "more than 200 characters"),
    "a tag of thousands of letters": (f"tags: [{'a' * 5000}]\n", "must have at most 100 characters"),
    "a list that is text of thousands of letters": (
        f"tags: {'a' * 5000}\n",
        "must be a list, but YAML reads",
    ),
    "a name of thousands of letters": (f"? {'a' * 5000}\n: 1\n", "unknown field 'aaaaaaaaaaaaaaaa"),
    "an unknown choice of thousands of letters": (f"overwrite: {'a' * 5000}\n", "must be one of: always"),
    "a template of thousands of letters": (
        f'filters: {{modified_since: "{{{{ {"a" * 5000} }}}}"}}\n',
        "unknown name aaaaaaaa",
    ),
    "a template of millions of letters": (
        f'filters: {{modified_since: "{{{{ {"a" * 50_000} }}}}"}}\n',
        "it has more than 10,000 characters",
    ),
    "a template that is deep": (
        f'filters: {{modified_since: "{{{{ {"(" * 4000} }}}}"}}\n',
        "not a valid template: too long or too deeply nested",
    ),
}


@pytest.mark.parametrize(("content", "words"), LONG.values(), ids=LONG)
def test_a_long_value_makes_a_short_message(tmp_path: Path, content: str, words: str) -> None:
    """A message is read by people: what it repeats of a value is cut."""
    (problem,) = problems_of(write(tmp_path, TEXT + content))
    assert words in problem.message
    assert len(problem.message) < 700
    assert problem.suggestion is None


QUICK = {
    "lists of numbers": f"tags: [{'1,' * 50_000}]\n",
    "numbers and a text": f"tags: [{','.join(map(str, range(20_000)))}, a]\n",
    "unknown fields": "".join(f"a{i}: 1\n" for i in range(20_000)),
    "the same field": "owner: a\n" * 20_000,
    "entries that overlap": "objects:\n"
    + "".join(f"- {{source: a/{i}, destination: b/{i}}}\n" for i in range(20_000)),
    "a template that takes hours": 'filters: {modified_since: "{{ 9 ** (9 ** 9) }}"}\nversion: 2\n',
    "a template that takes gigabytes": "filters: {modified_since: \"{{ 'a' * 9000000000 }}\"}\nversion: 2\n",
    "a word without end": f"owner: {'a' * 500_000}\nversion: 2\n",
    "braces without end": f"tags: [{'{{ a,' * 100_000}\n",
}


@pytest.mark.parametrize("content", QUICK.values(), ids=QUICK)
def test_no_file_keeps_its_reader_busy(tmp_path: Path, content: str) -> None:
    """The number of reported problems is limited, and so is the work that a file can cause."""
    problems = problems_of(write(tmp_path, TEXT.replace("partner-", "ops-") + content))
    assert 0 < len(problems) <= 2_100


def test_every_entry_that_a_job_may_have_is_compared_with_the_others(tmp_path: Path) -> None:
    """The bound on what is compared is that of the schema: the last entry counts."""
    count = schema()["properties"]["objects"]["maxItems"]
    entries = [{"source": f"a{number}", "destination": f"b{number % (count - 1)}"} for number in range(count)]
    (problem,) = problems_of(write(tmp_path, document(objects=entries)))
    assert (problem.code, problem.path) == (Code.WRITTEN_TWICE, f"objects[{count - 1}].destination")


def test_all_problems_come_at_once_and_sorted(tmp_path: Path) -> None:
    """One pass reports all that the YAML, the schema and the rules refuse, in the order of the file."""
    content = """\
version: 2
source: {buckt: a, account: "1"}
owner: ""
prefixes: [{source: x}]
timezone: Mars
start_date: 2026-02-30
schedule: never
filters: {modified_since: soon}
owner: !!str x
"""
    problems = problems_of(write(tmp_path, content))
    assert [(problem.line, problem.column, problem.code, problem.path) for problem in problems] == [
        (1, 1, Code.MISSING_FIELD, ""),
        (1, 10, Code.NOT_ALLOWED, "version"),
        (2, 1, Code.MISSING_FIELD, "source"),
        (2, 10, Code.UNKNOWN_FIELD, "source"),
        (2, 29, Code.WRONG_FORM, "source.account"),
        (4, 12, Code.MISSING_FIELD, "prefixes[0]"),
        (4, 21, Code.WRONG_FORM, "prefixes[0].source"),
        (5, 11, Code.BAD_TIMEZONE, "timezone"),
        (6, 13, Code.BAD_DATE, "start_date"),
        (7, 11, Code.BAD_CRON, "schedule"),
        (8, 27, Code.BAD_DATE, "filters.modified_since"),
        (9, 1, Code.YAML_DUPLICATE, ""),
        (9, 8, Code.YAML_TAG, ""),
    ]


def test_a_problem_prints_as_a_place_that_editors_open(tmp_path: Path) -> None:
    """File, line and column come first, then the path, then the words."""
    file = write(tmp_path, document(owner=""))
    assert [str(problem) for problem in problems_of(file)] == [
        f"{file}:9:8: owner: must have at least 1 character(s), or be left out"
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("day after.yaml", "use letters, digits"),
        ("ж.yaml", "use letters, digits"),
        ("a\nb.yaml", "use letters, digits"),
        ("a" * 201 + ".yaml", "200 characters"),
    ],
    ids=["space", "Cyrillic", "line break", "long"],
)
def test_a_name_that_is_not_a_dag_id_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """The file's stem becomes the Dag's id, so it keeps Airflow's rules."""
    (problem,) = problems_of(write(tmp_path, MINIMAL, name))
    assert (problem.code, problem.line) == (Code.FILE_NAME, None)
    assert words in problem.message


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """A file that vanished between listing and reading takes nothing else down."""
    (problem,) = problems_of(tmp_path / "gone.yaml")
    assert (problem.code, problem.message) == (
        Code.FILE_UNREADABLE,
        "can't be read: No such file or directory",
    )


def test_a_folder_is_a_problem(tmp_path: Path) -> None:
    """A folder in place of a file is reported, not raised."""
    (problem,) = problems_of(tmp_path)
    assert problem.message == "can't be read: Is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_a_problem(tmp_path: Path) -> None:
    """A file that may not be read is reported, not raised."""
    file = write(tmp_path, MINIMAL)
    file.chmod(0)
    (problem,) = problems_of(file)
    assert problem.message == "can't be read: Permission denied"


def test_a_path_too_long_is_a_problem(tmp_path: Path) -> None:
    """Whatever a path is, loading it never raises."""
    loaded = load_job(tmp_path / ("a" * 300) / "job.yaml")
    assert isinstance(loaded, list)
    assert [problem.code for problem in loaded] == [Code.FILE_UNREADABLE]


def test_one_text_in_two_places_is_reported_in_each(tmp_path: Path) -> None:
    """Two equal mistakes are two problems: each has its own place."""
    changes = prefix("daily", "backup")
    assert [(one.line, one.path) for one in problems_of(write(tmp_path, document(**changes)))] == [
        (7, "prefixes[0].source"),
        (8, "prefixes[0].destination"),
    ]
