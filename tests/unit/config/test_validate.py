"""A file is a job, or a list of problems that say what, where and how to mend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.source import SIZE_MAX
from s3copy_tasks.config.validate import load_job
from tests.documents import MINIMAL, document, job_of, prefix, problems_of, write

SOURCE = {"bucket": "ops-granules"}
ROLE = "arn:aws:iam::111122223333:role/reader"
ASSETS = {"schedule": {"assets": ["s3://ops-granules/daily"]}}
TEXT = """\
version: 1
source: {bucket: ops-granules}
destination: {bucket: partner-granules}
prefixes: [{source: daily/, destination: backup/}]
"""


def location(**fields: Any) -> dict[str, Any]:
    return {"source": SOURCE | fields}


def field(name: str, **fields: Any) -> dict[str, Any]:
    return {name: fields}


# What is changed in the smallest job -> the path of its only problem, words of its message.
INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown field": ({"sources": SOURCE}, "", "unknown field 'sources'. Did you mean 'source'?"),
    "unknown field, none near": ({"zzz": 1}, "", "unknown field 'zzz'. Known are description, destination,"),
    "unknown field below": (location(accont="111122223333"), "source", "Did you mean 'account'?"),
    "unknown field in an entry": (
        {"objects": [{"source": "a", "destination": "b", "recursive": True}]},
        "objects[0]",
        "unknown field 'recursive'",
    ),
    "version": ({"version": 2}, "version", "must be 1, the only version"),
    "version as text": ({"version": "1"}, "version", "must be 1, the only version"),
    "source is text": ({"source": "ops-granules"}, "source", "must be a mapping, but YAML reads the text"),
    "bucket missing": ({"source": {}}, "source", "needs `bucket`"),
    "bucket as URL": ({"source": {"bucket": "s3://ops-granules"}}, "source.bucket", "no s3:// in front"),
    "bucket with capitals": ({"source": {"bucket": "Ops"}}, "source.bucket", "lower-case letters"),
    "bucket with a line break": (
        {"source": {"bucket": "ops-granules\n"}},
        "source.bucket",
        "not a bucket name",
    ),
    "directory bucket": (
        {"source": {"bucket": "ops--use1-az4--x-s3"}},
        "source.bucket",
        "no directory bucket",
    ),
    "bucket is a template": ({"source": {"bucket": "ops-{{ ds }}"}}, "source.bucket", "no template"),
    "account too short": (location(account="1234"), "source.account", 'twelve digits in quotes, such as "0'),
    "account is a number": (
        location(account=111122223333),
        "source.account",
        "reads the number 111122223333",
    ),
    "account with a line break": (location(account="111122223333\n"), "source.account", "twelve digits"),
    "connection": (location(connection="aws source"), "source.connection", "id of an Airflow connection"),
    "role": (location(role_arn="reader"), "source.role_arn", "must be the ARN of a role"),
    "connection and role": (location(connection="aws", role_arn=ROLE), "source", "exclude each other"),
    "external id alone": (location(external_id="abc"), "source", "`external_id` goes with `role_arn`"),
    "external id and connection": (
        location(external_id="abc", connection="aws"),
        "source",
        "`external_id` goes with `role_arn`",
    ),
    "region": (location(region="US West"), "source.region", 'such as "us-west-2"'),
    "endpoint with a password": (
        location(endpoint_url="https://me:secret@host"),
        "source.endpoint_url",
        "without user or password",
    ),
    "no slash": (prefix("daily"), "prefixes[0].source", 'must end with "/"'),
    "no slash in the destination": (
        prefix("daily/", "backup"),
        "prefixes[0].destination",
        'must end with "/"',
    ),
    "slash and line break": (prefix("daily/\n"), "prefixes[0].source", 'must end with "/"'),
    "no prefixes": ({"prefixes": []}, "prefixes", "must have 1 entry at least, or be left out"),
    "prefixes null": ({"prefixes": None}, "prefixes", "must be a list, but YAML reads null"),
    "object without a key": (
        {"objects": [{"source": "", "destination": "b"}]},
        "objects[0].source",
        "1 character",
    ),
    "unknown name": (
        prefix("{{ ti.run_id }}/"),
        "prefixes[0].source",
        "unknown name ti. Templates know dag_run",
    ),
    "unknown attribute": (prefix("{{ dag_run.conf }}/"), "prefixes[0].source", "unknown name dag_run.conf"),
    "macros": (prefix("{{ macros.ds_add(ds, 1) }}/"), "prefixes[0].source", "unknown name macros"),
    "Jinja left open": (
        prefix("{{ ds /"),
        "prefixes[0].source",
        "not a template: unexpected 'end of template'",
    ),
    "unknown filter": (prefix("{{ ds | dsx }}/"), "prefixes[0].source", "No filter named 'dsx'."),
    "include": (prefix("{% include 'x' %}/"), "prefixes[0].source", "can't take in another file"),
    "deep Jinja": (prefix("{{" + "(" * 5000 + "}}/"), "prefixes[0].source", "too long or too deep"),
    "bad template of a date": (
        field("filters", modified_since="{{ yesterday }}"),
        "filters.modified_since",
        "unknown name yesterday",
    ),
    "date without a logical date": (
        ASSETS | prefix("{{ ds }}/"),
        "prefixes[0].source",
        "ds: a run that assets start has no logical date. Use dag_run.run_after, such as {{ dag_run",
    ),
    "interval without a logical date": (
        ASSETS | field("filters", modified_since="{{ data_interval_start }}"),
        "filters.modified_since",
        "data_interval_start: a run that assets start has no logical date",
    ),
    "time without a zone": (
        field("filters", modified_since="2026-01-01T02:00"),
        "filters.modified_since",
        "has no time zone. Write 2026-01-01T02:00Z",
    ),
    "no date": (
        field("filters", modified_since="yesterday"),
        "filters.modified_since",
        "is no date or time, such as",
    ),
    "empty glob": (field("filters", include=[""]), "filters.include[0]", "1 character"),
    "globs as text": (
        field("filters", exclude="*.tmp"),
        "filters.exclude",
        "must be a list, but YAML reads the text",
    ),
    "cron": ({"schedule": "0 25 * * *"}, "schedule", "'0 25 * * *' is not cron"),
    "cron with seconds": ({"schedule": "0 0 2 * * *"}, "schedule", "Write five fields"),
    "preset": ({"schedule": "@dayly"}, "schedule", "unknown preset '@dayly'. Known are @hourly, @daily"),
    "schedule is a number": ({"schedule": 5}, "schedule", "must be cron in quotes"),
    "assets misspelt": (
        {"schedule": {"asset": ["s3://a/b"]}},
        "schedule",
        '{assets: ["s3://bucket/prefix"]}',
    ),
    "time zone": (
        {"timezone": "Mars/Olympus"},
        "timezone",
        "'Mars/Olympus' is no time zone of the IANA database",
    ),
    "time zone, a continent": ({"timezone": "Europe"}, "timezone", "such as UTC or Europe/Berlin"),
    "time zone, a path": ({"timezone": "../../etc/passwd"}, "timezone", "is no time zone"),
    "time zone, long": ({"timezone": "a" * 300}, "timezone", "is no time zone"),
    "start date": ({"start_date": "2026-02-30"}, "start_date", "there is no day 2026-02-30"),
    "start date in words": ({"start_date": "1st of May"}, "start_date", 'such as "2026-01-01"'),
    "start date of year one": ({"start_date": "0001-01-01"}, "start_date", "from 2000 on"),
    "overwrite": ({"overwrite": "newer"}, "overwrite", "must be one of: always, changed, never"),
    "storage class": (
        field("object", storage_class="STANDARD-IA"),
        "object.storage_class",
        "STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, GLACIER, DEEP_ARCHIVE, but is the text",
    ),
    "acl": (field("object", acl="private"), "object.acl", "must be one of: null, bucket-owner-full-control"),
    "too few requests": (field("transfer", concurrency=0), "transfer.concurrency", "must be 1 at least"),
    "too many requests": (
        field("transfer", concurrency=5000),
        "transfer.concurrency",
        "must be 1000 at most",
    ),
    "half a request": (field("transfer", concurrency=1.5), "transfer.concurrency", "must be a whole number"),
    "true requests": (field("transfer", concurrency=True), "transfer.concurrency", "but YAML reads true"),
    "size": (field("transfer", batch_bytes="a lot"), "transfer.batch_bytes", 'such as "100 GiB"'),
    "size beyond all": (
        field("transfer", batch_bytes="9" * 5000 + " GiB"),
        "transfer.batch_bytes",
        "at most 9999",
    ),
    "owner empty": ({"owner": ""}, "owner", "must have 1 character(s) at least, or be left out"),
    "owner is null": ({"owner": None}, "owner", "must be text in quotes, but YAML reads null"),
    "tag twice": ({"tags": ["a", "a"]}, "tags", "has an entry twice"),
    "tag too long": ({"tags": ["a" * 101]}, "tags[0]", "must have 100 characters at most"),
    "section is null": ({"filters": None}, "filters", "must be a mapping, but YAML reads null"),
    "copy onto itself": (
        {"destination": SOURCE} | prefix("daily/", "daily/"),
        "",
        "would copy what it wrote itself",
    ),
    "two write one key": (
        {"objects": [{"source": "a", "destination": "c"}, {"source": "b", "destination": "c"}]},
        "",
        "objects[1].destination: objects[0] writes 'c' too",
    ),
    "key too long": (
        {"objects": [{"source": "a" * 1025, "destination": "b"}]},
        "",
        "objects[0].source: 1025 bytes",
    ),
}


@pytest.mark.parametrize(("changes", "path", "words"), INVALID.values(), ids=INVALID)
def test_an_invalid_document_has_one_problem_with_path_and_words(
    tmp_path: Path, changes: dict[str, Any], path: str, words: str
) -> None:
    """Each mistake is told once, at its place, in words that mend it."""
    file = write(tmp_path, document(**changes))
    (problem,) = problems_of(file)
    assert (problem.file, problem.path) == (str(file), path)
    assert words in problem.message


# Text of a file -> the begin of its only problem, as it is printed after the file's name.
TEXTS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", ": is empty: a job begins with `version: 1`"),
    "comments only": ("# later\n", ": is empty: a job begins with `version: 1`"),
    "a list": ("- version: 1\n", ": is no job: a job is a mapping that begins with `version: 1`"),
    "text": ("hello", ": is no job: a job is a mapping that begins with `version: 1`"),
    "Latin-1": ("owner: J\xfcrgen\n".encode("latin-1"), ": is not UTF-8: byte 0xfc in line 1"),
    "UTF-16": (TEXT.encode("utf-16"), ": is not UTF-8: byte 0xff in line 1"),
    "too large": (b"#" * (SIZE_MAX + 1), ": is larger than 1,048,576 bytes; a job has a few hundred"),
    "NUL": (
        b"owner: \x00\n",
        ": not YAML: unacceptable character #x0000: control characters are not allowed",
    ),
    "left open": (
        "version: 1\nsource: {bucket: a\n",
        ":3:1: not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
    ),
    "tab": (
        TEXT + "owner: a\n\tb: c\n",
        ":6:1: not YAML: while scanning a plain scalar, found a tab character that violates indentation",
    ),
    "unquoted preset": (
        TEXT + "schedule: @daily\n",
        (
            ":5:11: not YAML: while scanning for the next token, "
            "found character that cannot start any token. Put the value in quotes"
        ),
    ),
    "two documents": (
        TEXT + "---\n" + TEXT,
        ":5:1: not YAML: expected a single document in the stream, but found another document",
    ),
    "unknown anchor": (TEXT + "owner: *who\n", ":5:8: not YAML: found undefined alias"),
    "a tag that makes objects": (
        TEXT + "owner: !!python/object/apply:os.getcwd []\n",
        (
            ":5:8: not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.getcwd'"
        ),
    ),
    "an empty number": (TEXT + 'owner: !!int ""\n', ": not YAML: string index out of range"),
    "a mapping as a name": (TEXT + "{a: b}: c\n", ":5:1: the name of a field must be text"),
    "a bare date": (
        TEXT + "start_date: 2026-01-01\n",
        (
            ': start_date: must be a date in quotes, from 2000 on, such as "2026-01-01", '
            "but YAML reads 2026-01-01 as a date"
        ),
    ),
    "a bare date that is none": (
        TEXT + "start_date: 2026-13-45\n",
        (
            ': start_date: must be a date in quotes, from 2000 on, such as "2026-01-01", '
            "but YAML reads 2026-13-45 as a date"
        ),
    ),
    "a bare time": (
        TEXT + "filters: {modified_since: 2026-01-01 02:00:00}\n",
        ": filters.modified_since: must be text in quotes or null, but YAML reads 2026-01-01 02:00:00 as a",
    ),
    "an octal account": (
        TEXT.replace("{bucket: ops-granules}", "{bucket: ops-granules, account: 012345670123}"),
        (
            ': source.account: must be twelve digits in quotes, such as "012345678901", '
            "but YAML reads 012345670123 as the number 1402433619"
        ),
    ),
    "an octal number": (
        TEXT + "transfer: {concurrency: 010}\n",
        ": transfer.concurrency: must be a whole number, but YAML reads 010 as the number 8",
    ),
    "base sixty": (
        TEXT + "transfer: {concurrency: 1:30}\n",
        ": transfer.concurrency: must be a whole number, but YAML reads 1:30 as the number 90",
    ),
    "thousands of digits": (
        TEXT + f"failure: {{max_failed_objects: {'9' * 5000}}}\n",
        ": failure.max_failed_objects: must be a whole number, but YAML reads 99999999999999999999... as",
    ),
    "not a number": (
        TEXT + "transfer: {concurrency: .nan}\n",
        ": transfer.concurrency: must be a whole number, but YAML reads the number nan",
    ),
    "no": (TEXT + "owner: no\n", ": owner: must be text in quotes, but YAML reads false"),
    "on as a name": (TEXT + "on: 1\n", ": unknown field 'on'. Known are "),
    "null as a name": (TEXT + "null: 1\n", ": unknown field 'null'. Known are "),
    "a number as a name": (TEXT + "1: 1\n", ": unknown field '1'. Known are "),
    "an anchor that holds itself": (
        TEXT + "object: &a {tags: *a}\n",
        ":5:19: its anchors hold themselves, or expand to more than 1 MiB",
    ),
    "a list that holds itself": (
        TEXT + "tags: &a [*a]\n",
        ":5:11: its anchors hold themselves, or expand to more than 1 MiB",
    ),
    "anchors that explode": (
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(12)),
        ":6:30: its anchors hold themselves, or expand to more than 1 MiB",
    ),
    "merges that explode": (
        "a0: &a0 {x: 1, y: 2}\n"
        + "".join(f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 10)}]}}\n" for i in range(12)),
        ":6:64: its anchors hold themselves, or expand to more than 1 MiB",
    ),
    "nested without end": ("[" * 500_000, ":1:33: is nested more than 32 levels deep"),
    "mappings without end": ("{a: " * 200_000, ":1:129: is nested more than 32 levels deep"),
}


@pytest.mark.parametrize(("content", "printed"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_no_job_has_one_problem(tmp_path: Path, content: str | bytes, printed: str) -> None:
    """What is no YAML says line and column; YAML's traps say what YAML reads."""
    file = write(tmp_path, content)
    (problem,) = problems_of(file)
    assert str(problem).startswith(f"{file}{printed}")


def test_all_problems_come_at_once_and_sorted(tmp_path: Path) -> None:
    """One reading of the file tells everything that the schema refuses, sorted by path."""
    broken = document(owner="", version=2, source={"buckt": "a", "account": "1"}, prefixes=[{"source": "x"}])
    problems = problems_of(write(tmp_path, broken))
    assert [problem.path for problem in problems] == [
        "owner",
        "prefixes[0]",
        "prefixes[0].source",
        "source",
        "source",
        "source.account",
        "version",
    ]


def test_an_empty_mapping_lists_what_a_job_needs(tmp_path: Path) -> None:
    """Whoever begins with nothing reads what is needed, each thing once."""
    problems = problems_of(write(tmp_path, "{}\n"))
    assert [problem.message for problem in problems] == [
        "needs `destination`",
        "needs `prefixes` or `objects`: there is nothing to copy",
        "needs `source`",
        "needs `version`",
    ]


def test_all_that_the_schema_cannot_say_comes_at_once(tmp_path: Path) -> None:
    """Time zone, date, cron and filter are checked together."""
    broken = document(
        timezone="Mars", start_date="2026-02-30", schedule="never", filters={"modified_since": "soon"}
    )
    problems = problems_of(write(tmp_path, broken))
    assert [problem.path for problem in problems] == [
        "filters.modified_since",
        "schedule",
        "start_date",
        "timezone",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("day after.yaml", "use letters, digits"),
        ("ж.yaml", "use letters, digits"),
        ("a" * 201 + ".yaml", "200 characters"),
    ],
    ids=["space", "Cyrillic", "long"],
)
def test_a_name_that_is_no_dag_id_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """The file's stem becomes the Dag's id, so it keeps Airflow's rules."""
    (problem,) = problems_of(write(tmp_path, MINIMAL, name))
    assert words in problem.message


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """A file that vanished between listing and reading takes nothing else down."""
    (problem,) = problems_of(tmp_path / "gone.yaml")
    assert problem.message == "can't be read: No such file or directory"


def test_a_folder_is_a_problem(tmp_path: Path) -> None:
    """A folder in place of a file is told, not raised."""
    (problem,) = problems_of(tmp_path)
    assert problem.message == "can't be read: Is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_a_problem(tmp_path: Path) -> None:
    """A file that may not be read is told, not raised."""
    file = write(tmp_path, MINIMAL)
    file.chmod(0)
    (problem,) = problems_of(file)
    assert problem.message == "can't be read: Permission denied"


VALID: dict[str, dict[str, Any]] = {
    "smallest": {},
    "objects only": {"prefixes": [], "objects": [{"source": "a", "destination": "b"}]},
    "whole bucket": prefix("", ""),
    "templates": prefix("daily/{{ ds }}/", "{{ data_interval_start | ds_nodash }}/"),
    "assets and when they came": ASSETS | prefix("{{ dag_run.run_after | ds }}/"),
    "null schedule": {"schedule": None},
    "preset": {"schedule": "@quarterly"},
    "cron by names": {"schedule": "15 6 * jan-jun mon,fri"},
    "leap day": {"schedule": "0 0 29 2 *", "start_date": "2028-02-29"},
    "connection": location(connection="aws_source", role_arn=None, external_id=None),
    "role and external id": location(role_arn=ROLE, external_id="granules", connection=None),
    "account with a zero": location(account="012345678901"),
    "whole number with a point": field("transfer", concurrency=64.0, batch_bytes=1000.0),
    "since a date": field("filters", modified_since="2026-01-01"),
    "since a time": field("filters", modified_since="2026-01-01T02:00:00+01:00"),
    "since the interval": field("filters", modified_since="{{ data_interval_start }}"),
    "letters of the world": {"description": "Täglich für 東京", **prefix("日次/")},
    "one bucket, apart": {"destination": SOURCE} | prefix("a/", "b/"),
}


@pytest.mark.parametrize("changes", VALID.values(), ids=VALID)
def test_a_valid_document_is_a_job(tmp_path: Path, changes: dict[str, Any]) -> None:
    """What the format promises is taken."""
    content = {name: value for name, value in document(**changes).items() if value != []}
    assert job_of(write(tmp_path, content)).name == "job"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\r\n"),
        "%YAML 1.2\n---\n" + TEXT,
        TEXT.replace("{bucket: ops-granules}", "{bucket: &here ops-granules}") + "owner: *here\n",
    ],
    ids=["byte order mark", "Windows", "YAML 1.2", "anchors"],
)
def test_valid_text_is_a_job(tmp_path: Path, content: str) -> None:
    """What editors write is taken, and anchors within bounds are."""
    assert job_of(write(tmp_path, content)).source.bucket == "ops-granules"


# Any value of YAML, in places where a job has one, too.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
)
LIKELY = st.sampled_from(
    [
        "daily/",
        "{{ ds }}/",
        "{{ ds",
        "@daily",
        "0 2 * * *",
        "UTC",
        "2026-01-01",
        "100 GiB",
        "1",
        ROLE,
        "a" * 2000,
        1,
        64,
    ]
)
NAMES = st.sampled_from(
    [
        "bucket",
        "account",
        "role_arn",
        "assets",
        "source",
        "destination",
        "recursive",
        "include",
        "modified_since",
        "batch_bytes",
        "concurrency",
        "retries",
        "tags",
        "acl",
    ]
)
VALUES = st.recursive(
    SCALARS | LIKELY,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=4) | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "version",
        "owner",
        "tags",
        "schedule",
        "timezone",
        "start_date",
        "source",
        "destination",
        "prefixes",
        "objects",
        "filters",
        "overwrite",
        "object",
        "transfer",
        "failure",
    ]
)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_job_or_problems(file: Path) -> None:
    loaded = load_job(file)
    if isinstance(loaded, CopyJob):
        assert len(loaded.digest) == 64
        return
    assert loaded
    assert all(problem.message and problem.file == str(file) for problem in loaded)


@FUZZ
@given(changes=st.dictionaries(FIELDS, VALUES, max_size=4))
def test_any_values_in_a_job_are_a_job_or_problems(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Whatever stands in a field, loading never raises and never says nothing."""
    assert_job_or_problems(write(tmp_path, document(**changes)))


@FUZZ
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_a_job_or_problems(tmp_path: Path, content: bytes) -> None:
    """Whatever a file holds, loading never raises and never says nothing."""
    assert_job_or_problems(write(tmp_path, content))


@FUZZ
@given(
    tail=st.text(alphabet="&*ab:!<>[]{}-|?#%@'\"\n\t 01.x,~=", max_size=40),
    name=FIELDS,
)
def test_any_marks_of_yaml_are_a_job_or_problems(tmp_path: Path, tail: str, name: str) -> None:
    """Anchors, tags, merges and flows in any order never make loading raise."""
    assert_job_or_problems(write(tmp_path, f"{TEXT}{name}: {tail}\n"))


@FUZZ
@given(
    tag=st.sampled_from(
        [
            "int",
            "float",
            "bool",
            "null",
            "timestamp",
            "binary",
            "map",
            "seq",
            "set",
            "omap",
            "pairs",
            "str",
            "merge",
            "value",
        ]
    ),
    value=st.sampled_from(["", '""', "x", "[x]", "{x: y}", "[{x: y}]", "0x", "-", "1:1:1.5", "1_", "é"]),
    name=FIELDS,
)
def test_any_tag_is_a_job_or_problems(tmp_path: Path, tag: str, value: str, name: str) -> None:
    """A tag on a value that does not fit never makes loading raise."""
    assert_job_or_problems(write(tmp_path, f"{TEXT}{name}: !!{tag} {value}\n"))


@FUZZ
@given(template=st.text(alphabet="{}%# |.()[]'\"ds+*/-~0,=ifn", max_size=40))
def test_any_template_is_a_job_or_problems(tmp_path: Path, template: str) -> None:
    """No template makes loading raise."""
    assert_job_or_problems(write(tmp_path, document(**prefix(f"{template}/"))))
