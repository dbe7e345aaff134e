"""Secrets: what looks like one is refused wherever it is, and no report ever repeats it."""

from __future__ import annotations

import io
import json
import random
import re
import string
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.cli import main
from s3copy_tasks.config.catalog import load_files
from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.secret import looks_secret, masked
from s3copy_tasks.config.show.report import as_github, as_json, as_text
from s3copy_tasks.dag.factory import raise_problems
from s3copy_tasks.errors import ConfigError
from tests.support.builders.documents import MINIMAL, document, job_of, problems_of, write

CAPITALS = string.ascii_uppercase + string.digits
BASE64 = string.ascii_letters + string.digits + "/+"
SEEDS = st.integers(0, 2**32)


def made_up(seed: int, length: int, alphabet: str = BASE64, prefix: str = "") -> str:
    """Return random text: what looks random is random, and not what a test's search for extremes finds."""
    return prefix + "".join(random.Random(seed).choices(alphabet, k=length))


ACCESS_KEYS = st.builds(
    lambda seed, prefix: made_up(seed, 16, CAPITALS, prefix), SEEDS, st.sampled_from(["AKIA", "ASIA"])
)
# Some keys in a thousand are too regular to be distinguished from words.
SECRET_KEYS = SEEDS.map(lambda seed: made_up(seed, 40)).filter(looks_secret)
TOKENS = st.builds(
    lambda seed, prefix: made_up(seed, 200, prefix=prefix),
    SEEDS,
    st.sampled_from(["FwoGZXIvYXdz", "IQoJb3JpZ2lu"]),
)
SECRETS = ACCESS_KEYS | SECRET_KEYS | TOKENS
PASSWORDS = SEEDS.map(lambda seed: made_up(seed, 12, string.ascii_lowercase, "Hunter2-"))

LOOKS = {
    "access key of AWS's examples": "AKIAIOSFODNN7EXAMPLE",
    "temporary access key": "ASIAIOSFODNN7EXAMPLE",
    "secret key of AWS's examples": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "key in a sentence": "use AKIAIOSFODNN7EXAMPLE, please",
    "key in a path": "backup/AKIAIOSFODNN7EXAMPLE/",
    "key in an assignment": "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "key in quotes": "'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
    "password in an address": "https://minio:minio123@s3.example.org",
    "user in an address": "https://minio@s3.example.org",
    "token of GitHub": "ghp_" + "a1B2" * 9,
    "token of GitLab": "glpat-" + "a1B2" * 5,
    "token of Slack": "xoxb-" + "1234567890-abcdef",
    "session token": "IQoJb3JpZ2luX2VjEHMaCXVzLWVhc3QtMSJHMEUCIQD",
}


@pytest.mark.parametrize("text", LOOKS.values(), ids=LOOKS)
def test_what_looks_like_a_secret_is_known(text: str) -> None:
    """Keys, tokens and passwords in addresses are known by their looks, and struck out."""
    assert looks_secret(text)
    assert "****" in masked(text)


@given(secret=SECRETS)
def test_random_keys_look_secret(secret: str) -> None:
    """A key that was made by chance is known, and nothing of it is left."""
    assert looks_secret(secret)
    assert not repeats(masked(f"the key ({secret}) of mine"), secret)


ORDINARY = {
    "account": "111122223333",
    "role": "arn:aws:iam::111122223333:role/service-role/S3CopyReaderRoleForPartnerGranules01",
    "KMS key": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "UUID": "123e4567-e89b-12d3-a456-426614174000",
    "UUID in capitals": "123E4567-E89B-12D3-A456-426614174000",
    "MD5": "d41d8cd98f00b204e9800998ecf8427e",
    "SHA-1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "SHA-1 in capitals": "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
    "SHA-256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "path of forty characters": "scenes/Customer01/12345/daily/v2/Landsat",
    "path of codes": "NetCDF01/NetCDF02/NetCDF03/NetCDF04/LC08",
    "path of capitals": "NetCDF/Published/Orbit/L2A/GOES16/GOES16",
    "path of a partition": "data/year=2026/month=01/day=31/hour=02/part-00000-of-00001.parquet",
    "name of a scene": "LC08_L2SP_042034_20260131_20260205_02_T1_SR_B4.TIF",
    "name of Sentinel": "S2A_MSIL2A_20260131T103021_N0511_R108_T32UQD_20260131T150012",
    "template": "archive/{{ data_interval_start.strftime('%Y/%m/%dT%H') }}/{{ run_id }}/",
    "address": "https://s3.us-west-2.amazonaws.com:443/path?x=1",
    "address with a mark in its path": "https://example.org/users/@me",
    "asset": "s3://ops-granules/daily",
    "e-mail": "data-ops@example.org",
    "words": "ThisIsAVeryLongNameOfADatasetThatHasForty",
    "letters of a token in a word": "climate/highs_and_lows_by_station_and_year_and_month/",
    "letters of a token before a word": "xoxo-valentine-2024/xoxb-rays-of-light/",
    "forty dashes": "-" * 40,
    "access key too short": "AKIAIOSFODNN7EXAMPL",
    "access key within a word": "XAKIAIOSFODNN7EXAMPLE",
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_text_is_not_a_secret(text: str) -> None:
    """Long paths, hashes and ids are what configs are made of: nothing of them is struck out."""
    assert masked(text) == text


WORDS = ["daily", "Landsat", "Sentinel2", "MODIS", "v2", "2026", "01", "L1B", "NetCDF", "T32UQD", "Orbit"]


@given(words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=14))
def test_a_path_of_words_is_not_a_secret(words: list[str]) -> None:
    """However long a path is, and whatever its words, it may be copied."""
    assert not looks_secret("/".join(words))


NAMES = [
    "password",
    "Passwd",
    "aws_secret_access_key",
    "secretKey",
    "session-token",
    "aws_access_key_id",
    "accessKey",
    "access-key",
    "api_key",
    "private-key",
    "credentials",
    "TOKEN",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("section", ["source", None], ids=["in a section", "at the top"])
def test_a_field_named_as_a_secret_is_refused_whatever_its_value(
    tmp_path: Path, name: str, section: str | None
) -> None:
    """One problem says what to do, in place of an unknown field that might be put elsewhere."""
    changes = {section: {"bucket": "ops-granules", name: "x"}} if section else {name: {"x": ["y"]}}
    (problem,) = problems_of(write(tmp_path, document(**changes)))
    assert (problem.code, problem.path) == (Code.SECRET, ".".join(filter(None, [section, name])))
    assert "Remove it, rotate the secret" in problem.message


def test_the_fields_of_a_job_are_not_names_of_secrets(tmp_path: Path) -> None:
    """`external_id`, `kms_key_id` and the like stay what they are."""
    location = {
        "bucket": "ops-granules",
        "role_arn": "arn:aws:iam::111122223333:role/reader",
        "external_id": "granules-2026",
    }
    assert job_of(write(tmp_path, document(source=location, object={"kms_key_id": "k"}))).source.external_id


@given(secret=SECRETS, field=st.sampled_from(["description", "owner", "timezone", "overwrite", "schedule"]))
def test_a_secret_is_the_only_problem_of_its_value(
    tmp_path_factory: pytest.TempPathFactory, secret: str, field: str
) -> None:
    """Other problems of a secret value are not reported: they would repeat the value."""
    (problem,) = problems_of(write(tmp_path_factory.mktemp("one"), document(**{field: secret})))
    assert (problem.code, problem.path, problem.line) == (Code.SECRET, field, 9)


def test_a_secret_is_known_by_its_value_however_it_is_written(tmp_path: Path) -> None:
    """Escaped or folded, no line of its file is shown, not even below another problem."""
    ways = {
        "slashes": '"wJalrXUtnFEMI\\/K7MDENG\\/bPxRfiCYEXAMPLEKEY"',
        "numbers": '"wJalrXUtnFEMI\\x2fK7MDENG\\x2fbPxRfiCYEXAMPLEKEY"',
        "folded": '"wJalrXUtnFEMI/K7MDE\\\n  NG/bPxRfiCYEXAMPLEKEY"',
    }
    for number, written in enumerate(ways.values()):
        text = f'{{"description": {written}, "ownr": "x", {json.dumps(document())[1:]}'
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        reported = reports(file)
        assert Code.SECRET in reported[0]
        assert Code.UNKNOWN_FIELD in reported[0]
        assert not any("FEMI" in report or "PxRfi" in report for report in reported)


# --- no report repeats a secret

BASE = """\
version: 1
source: {bucket: ops-granules}
destination: {bucket: ops-granules}
prefixes: [{source: daily/, destination: backup/}]
"""
SHORT = "sixty characters or more of a text that comes before it, and then: "
LOOKING = {
    "a value": "owner: SECRET\n",
    "a value in quotes": 'owner: "SECRET"\n',
    "an escaped value": 'owner: "\\nSECRET"\nownr: x # \\nSECRET\n',
    "a value in a text": "description: reads by SECRET, until May # SECRET\n",
    "a value behind a long text": f'overwrite: "{SHORT}SECRET"\n',
    "an entry": "tags: [daily, SECRET, 5, SECRET]\n",
    "a choice": "overwrite: SECRET\n",
    "a schedule": "schedule: SECRET\n",
    "an asset": "schedule: {assets: [SECRET]}\n",
    "a time zone": "timezone: SECRET\n",
    "a date": "start_date: SECRET\n",
    "a moment": 'filters: {modified_since: "SECRET"}\n',
    "a template": 'filters: {modified_since: "{{ SECRET }}"}\n',
    "an unknown field": "ownr: SECRET\n",
    "a name": "SECRET: 1\n",
    "a name twice": "SECRET: 1\nSECRET: 2\n",
    "a name in a section": "transfer: {SECRET: 1, concurency: 5}\n",
    "a name behind a long text": f'"{SHORT}SECRET": 1\n',
    "an escaped name twice": '"\\nSECRET": 1\n"\\nSECRET": 2\n',
    "a key that is written twice": (
        "objects: [{source: a, destination: SECRET}, {source: b, destination: SECRET}]\n"
    ),
    "a key that overlaps": (
        'prefixes: [{source: a/, destination: ""}]\nobjects: [{source: SECRET, destination: b}]\n'
    ),
    "a comment": "# SECRET\nownr: x # SECRET\n",
    "beside a mistake": 'transfer: {pool: "SECRET", concurency: 5}\n',
    "a mark": "owner: @SECRET\n",
    "an anchor": "owner: &SECRET x\n",
    "an alias": "owner: *SECRET\n",
    "a tag": "owner: !SECRET x\n",
    "a tag in angles": "owner: !<SECRET> x\n",
    "a block": "description: |\n  SECRET\n  and more\n",
    "a quote left open": 'owner: "SECRET\n',
    "a bracket left open": "tags: [SECRET\nowner: SECRET\n",
    "a text with a colon": "description: SECRET: b\n",
    "a directive": "%SECRET x\n---\n",
    "a second document": "---\nowner: SECRET\n",
    "no YAML at all": "SECRET\n",
    "a name that is a mapping": "{SECRET: x}: y\n",
    "an address": "source: {bucket: a, endpoint_url: 'https://user:SECRET@host'}\n",
    "an address with a mistake": "ownr: https://user:SECRET@host\n",
}
BY_NAME = {
    "a value": "password: SECRET\n",
    "a value with a comma": "source: {password: 'SECRET, SECRET', ownr: x}\n",
    "a value in the next line": "password:\n  SECRET\n",
    "a mistake in the next line": "password:\n  @SECRET\n",
    "a mark": "password: @SECRET\n",
    "an alias": "password: *SECRET\n",
    "a tag": "password: !SECRET\n",
    "a tag on text": "token: !SECRET x\n",
    "a list": "credentials: [user, SECRET, {a: SECRET}]\n",
    "a list in lines": "credentials:\n  - user\n  - @SECRET\n",
    "a list behind an empty line": "credentials:\n\n  - @SECRET\n",
    "a block": "secret: |\n  first\n  SECRET\n\n  last\n bad: @\n",
    "a quote left open": 'api_key: "SECRET\n',
    "a name twice": "token: SECRET\ntoken: SECRET\n",
    "a comment": "ownr: x # password: SECRET\n",
    "an assignment": "ownr: export aws_secret_access_key=SECRET\n",
    "a colon in it": "password: SECRET: SECRET\n",
}
MISTAKES = ["", "version: 2\n", "owner: [\n", "ownr: x\nowner: @daily\n"]


def repeats(report: str, secret: str) -> bool:
    """Return whether a report holds a secret, or enough of it to be a leak."""
    return any(secret[start : start + 10] in report for start in range(len(secret) - 9))


def reports(file: Path) -> list[str]:
    """Return all reports about a file: each format, Airflow's import error, both streams."""
    problems = load_files([file]).problems
    texts = [*(form(problems) for form in (as_text, as_json, as_github)), *map(str, problems)]
    with pytest.raises(ConfigError) as raised:
        raise_problems(file.parent)
    streams = io.StringIO()
    with redirect_stdout(streams), redirect_stderr(streams):
        for command in (["validate", "--format", "text"], ["validate", "--format", "json"], ["explain"]):
            assert main([*command, str(file)]) == 1
    return [*texts, str(raised.value), streams.getvalue()]


@given(
    where=st.sampled_from(sorted(LOOKING)),
    secret=SECRETS,
    mistake=st.sampled_from(MISTAKES),
    first=st.booleans(),
)
def test_no_report_repeats_what_looks_secret(
    tmp_path_factory: pytest.TempPathFactory,
    where: str,
    secret: str,
    mistake: str,
    first: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    """Wherever a key is, in a value, a name, a comment or a broken line, no report contains it."""
    text = LOOKING[where].replace("SECRET", secret)
    content = text + BASE if first else BASE + text
    file = write(tmp_path_factory.mktemp("secret"), content + mistake + "version: 3\n")
    for report in reports(file):
        assert not repeats(report, secret)


@given(where=st.sampled_from(sorted(BY_NAME)), secret=PASSWORDS, mistake=st.sampled_from(MISTAKES))
def test_no_report_repeats_what_is_named_as_a_secret(
    tmp_path_factory: pytest.TempPathFactory, where: str, secret: str, mistake: str
) -> None:
    """A password looks like any word: its field's name reveals it, even if the file is not valid YAML."""
    content = BASE + BY_NAME[where].replace("SECRET", secret) + mistake + "version: 3\n"
    for report in reports(write(tmp_path_factory.mktemp("secret"), content)):
        assert not repeats(report, secret)


EXAMPLES = [
    file.read_text(encoding="utf-8") for file in sorted((Path(__file__).parent / "examples").rglob("*.y*ml"))
]
MARKS = st.sampled_from([" ", '"', "'", "\n", "\n  ", "[", "{", ": ", " # ", "\n- ", "@", "*", "&", "!", "="])


@given(
    example=st.sampled_from(EXAMPLES),
    at=st.integers(0, 10_000),
    before=MARKS,
    after=MARKS,
    secret=SECRETS,
)
def test_no_report_repeats_a_key_anywhere(
    tmp_path_factory: pytest.TempPathFactory, example: str, at: int, before: str, after: str, secret: str
) -> None:
    """A key that falls anywhere into any of the examples is in no report of what is wrong then."""
    at %= len(example) + 1
    content = f"version: @x\n{example[:at]}{before}{secret}{after}{example[at:]}"
    for text in (content, content.removeprefix("version: @x\n")):
        file = write(tmp_path_factory.mktemp("anywhere"), text)
        if load_files([file]).problems:
            assert not any(repeats(report, secret) for report in reports(file))


@pytest.mark.parametrize("where", LOOKING)
def test_what_looks_secret_is_reported(tmp_path: Path, where: str) -> None:
    """If the YAML can be read and the key is not in a comment, the problem is reported as a secret."""
    content = LOOKING[where].replace("SECRET", "AKIAIOSFODNN7EXAMPLE")
    problems = problems_of(write(tmp_path, BASE + content + "version: 3\n"))
    is_read = any(problem.code == Code.YAML_DUPLICATE for problem in problems)
    is_value = re.search(r"SECRET", re.sub(r"#.*|[&!]<?SECRET>?", "", LOOKING[where]))
    assert any(problem.code == Code.SECRET for problem in problems) == bool(is_read and is_value)


def test_no_line_of_a_file_with_a_secret_is_shown(tmp_path: Path) -> None:
    """A mistake beside a secret is reported with its place; a secret in a comment is masked by stars."""
    content = BASE + "transfer: {pool: AKIAIOSFODNN7EXAMPLE, concurency: 5}\n"
    report = as_text(problems_of(write(tmp_path, content)))
    assert ":5:40: transfer: unknown field 'concurency'" in report
    assert " | " not in report
    content = BASE + "transfer: {concurency: 5} # AKIAIOSFODNN7EXAMPLE\n"
    assert as_text(problems_of(write(tmp_path, content))).splitlines()[-2:] == [
        "     5 | transfer: {concurency: 5} # ********************",
        "       |            ^",
    ]


# Forms of a value below the name of a secret: its column does not distinguish it from another line.
FORMS = {
    "list in the name's column": "passwords:\n- !vault hunter2hunter2\n",
    "mappings in a list": "secret_access_keys:\n- {a: hunter2, a: hunter3}\n",
    "alias": "tokens:\n- *hunter2\n",
    "text over lines": 'password: "abc\nhunter2" x: 1\n',
    "name behind a question mark": "? password\n: !x hunter2\n",
    "flow over lines": "a: {password:\n!x hunter2}\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_nothing_of_a_file_that_names_a_secret_is_shown(tmp_path: Path, form: str) -> None:
    """Where a name says that a secret follows, no line, no hint and no suggestion repeats what does."""
    problems = problems_of(write(tmp_path, BASE + form + "acount: x\n"))
    for report in (as_text(problems), as_json(problems), as_github(problems)):
        assert "hunter" not in report
    assert "   | " not in as_text(problems)


def test_a_folder_of_valid_jobs_reports_no_secret(tmp_path: Path) -> None:
    """The helper of this module fails if there is nothing to report, so it does check something."""
    assert repeats("x wJalrXUtnF y", "wJalrXUtnFEMI")
    assert not repeats("x wJalrXUtn y", "wJalrXUtnFEMI")
    assert load_files([write(tmp_path, MINIMAL)]).problems == ()
