"""docs/quickstart.md works: every block is run unchanged, and its policies are sufficient and minimal."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from s3copy_tasks.errors import Code
from s3copy_tasks.s3.errors import _CLASS_OF_CODE
from tests.support.airflow.databases import copy_sqlite
from tests.support.s3.iam import Access, Document, Policies, grants
from tests.support.s3.recorder import Recorder
from tests.support.s3.servers import DESTINATION_ACCOUNT, READER, SOURCE_ACCOUNT, WRITER, Endpoint, contents

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "quickstart.md"
REGION = "us-west-2"
SOURCE, DESTINATION = "ops-granules", "partner-granules"
AIRFLOW = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/airflow"
ADMINS = {"source": (SOURCE_ACCOUNT, SOURCE), "destination": (DESTINATION_ACCOUNT, DESTINATION)}
OWNERS = {f"arn:aws:s3:::{SOURCE}": SOURCE_ACCOUNT, f"arn:aws:s3:::{DESTINATION}": DESTINATION_ACCOUNT}
LEFT_OUT = "..."
VOLATILE = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*(Z|\+00:00)": "(time)",
    r"(?<=seconds) +[\d.,]+": " (number)",
    r"(?<=objects/s) +[\d,]+": " (number)",
    r"(?m)^ *(peak in flight|limited by: \w+) .*$": "",  # of a run that takes a second or longer
}
NEEDED_BY_OTHERS = {
    "s3:GetObjectTagging": "only objects with tags need it, and the page's have none",
    "s3:PutObjectTagging": "likewise",
    "kms:Decrypt": "only buckets with KMS need it",
    "kms:GenerateDataKey": "likewise",
    "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab": "likewise",
    "arn:aws:kms:us-west-2:444455556666:key/5678abcd-12ab-34cd-56ef-1234567890ab": "likewise",
}
"""Grants that no request of the page uses."""
COMMON = {
    "400",
    "AccessControlListNotSupported",
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InternalError",
    "InvalidAccessKeyId",
    "InvalidObjectState",
    "KMS.DisabledException",
    "KMS.NotFoundException",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "PermanentRedirect",
    "PreconditionFailed",
    "RequestTimeTooSkewed",
    "RunFailed",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "SlowDown",
    "403",
}
"""Codes that the page explains besides those of the package: common codes of S3, and `RunFailed`."""


@dataclass(frozen=True)
class Block:
    """A fenced block of the page; `file` is where a reader saves it."""

    line: int
    language: str
    text: str
    file: str | None


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page; YAML and Python name their file in a comment, JSON in the line above."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        language, text = found.groups()
        above = page[: found.start()].rstrip().rpartition("\n")[2]
        pattern = r"`(\S+\.json)`:$" if language == "json" else r"# (\S+\.(?:yaml|py))$"
        named = re.search(pattern, above if language == "json" else text.partition("\n")[0])
        yield Block(
            line=page[: found.start()].count("\n") + 1,
            language=language,
            text=text,
            file=named[1] if named and language in {"json", "yaml", "python"} else None,
        )


BLOCKS = list(blocks(PAGE.read_text()))
SHOWN = {
    f"line {shown.line}": (i, BLOCKS[i], shown)
    for i, shown in enumerate(BLOCKS[1:])
    if shown.language == "text"
}


@dataclass(frozen=True)
class Account:
    """An account with its bucket, accessed by one of its roles."""

    bucket: str
    url: str
    credentials: dict[str, Any]

    @classmethod
    def of(cls, server: Endpoint, role: str, bucket: str) -> Account:
        """Assume a role: this server allows it without a check."""
        sts = boto3.client(
            "sts",
            endpoint_url=server.url,
            region_name=REGION,
            aws_access_key_id="AKIAUNKNOWN000000000",
            aws_secret_access_key="not-a-secret",
        )
        got = sts.assume_role(RoleArn=role, RoleSessionName="quickstart")["Credentials"]
        names = {
            "aws_access_key_id": got["AccessKeyId"],
            "aws_secret_access_key": got["SecretAccessKey"],
            "aws_session_token": got["SessionToken"],
        }
        return cls(bucket=bucket, url=server.url, credentials=names)

    @property
    def key_id(self) -> str:
        return str(self.credentials["aws_access_key_id"])

    def client(self, service: str) -> Any:
        session: Any = boto3.Session(region_name=REGION, **self.credentials)
        return session.client(service, endpoint_url=self.url)

    def make_bucket(self) -> None:
        """Create the bucket that a reader has at the start."""
        where = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)

    def sweep(self) -> None:
        """Delete bucket and roles: other tests use the same names."""
        s3, iam = self.client("s3"), self.client("iam")
        if self.bucket in {row["Name"] for row in s3.list_buckets()["Buckets"]}:
            for row in s3.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
                s3.delete_object(Bucket=self.bucket, Key=row["Key"])
            s3.delete_bucket(Bucket=self.bucket)
        for role in iam.list_roles()["Roles"]:
            for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
                iam.delete_role_policy(RoleName=role["RoleName"], PolicyName=name)
            iam.delete_role(RoleName=role["RoleName"])

    def documents(self) -> dict[str, tuple[Document, dict[str, Document]]]:
        """Return the trust policy and the policies by name of each role."""
        iam = self.client("iam")
        return {
            role["Arn"]: (
                role["AssumeRolePolicyDocument"],
                {
                    name: iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
                    for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
                },
            )
            for role in iam.list_roles()["Roles"]
        }


@dataclass(frozen=True)
class Outcome:
    """The result of following the page from start to end.

    Attributes:
        code: exit code of the shell.
        outputs: by the index of the block; blocks after a failed one have none.
        needed: permissions that requests of Airflow's role, the reader and the writer need, each once.
        policies: those in force at the end.
        copied: bodies at the destination, by key.
        originals: bodies at the source.
    """

    code: int
    outputs: dict[int, str]
    needed: list[Access]
    policies: Policies
    copied: dict[str, bytes]
    originals: dict[str, bytes]


def script(folder: Path) -> str:
    """Return all commands and files of the page as one script; the output of each block has its own file."""
    lines = []
    for i, block in enumerate(BLOCKS):
        output, saved = folder / f"{i:03}.out", folder / f"{i:03}.block"
        if block.language == "sh":
            lines += [f"exec >{shlex.quote(str(output))} 2>&1", block.text]
        elif block.file:
            saved.write_text(block.text)
            lines.append(shlex.join(["cp", str(saved), block.file]))
    return "\n".join(lines)


def checkout(folder: Path) -> Path:
    """Create what a reader has after `git clone` and `make setup`; so `make setup` has nothing to do.

    `airflow db migrate` finds the tables of an earlier migration: to make them takes it 10 s.
    """
    made = folder / "checkout"
    (made / ".venv").mkdir(parents=True)
    (made / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("Makefile", "pyproject.toml", "requirements", "s3copy_tasks"):
        (made / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "dags", made / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "copy_configs", made / "copy_configs")
    (made / ".venv" / ".ready").touch()
    (made / "airflow").mkdir()
    copy_sqlite(made / "airflow" / "airflow.db")
    return made


def environment(folder: Path, url: str, worker: Account, admins: dict[str, Account]) -> dict[str, str]:
    """Return a reader's environment: credentials of Airflow's role, profiles of two administrators."""
    tools = folder / "bin"
    tools.mkdir()
    root, python = shlex.quote(str(ROOT)), shlex.quote(sys.executable)
    (tools / "aws").write_text(
        f'#!/bin/sh\nPYTHONPATH={root} exec {python} -m tests.support.s3.aws_cli "$@"\n'
    )
    (tools / "aws").chmod(0o755)
    profiles = folder / "credentials"
    profiles.write_text(
        "\n".join(
            f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in admin.credentials.items())
            for name, admin in admins.items()
        )
    )
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_SHARED_CREDENTIALS_FILE": str(profiles),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",  # lines come in the order in which they are written, as on a terminal
        **{name.upper(): value for name, value in worker.credentials.items()},
    }


def follow(folder: Path, env: dict[str, str]) -> int:
    """Run the page's script and return the shell's exit code; no process that it starts is left running."""
    shell = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script(folder)],
        cwd=checkout(folder),
        env=env,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return shell.wait(timeout=600)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


@contextmanager
def two_accounts(server: Endpoint) -> Iterator[dict[str, Account]]:
    """Yield the administrators of two accounts with a bucket each, and a role without permissions."""
    admins = {
        name: Account.of(server, f"arn:aws:iam::{account}:role/admin", bucket)
        for name, (account, bucket) in ADMINS.items()
    }
    try:
        for admin in admins.values():
            admin.sweep()
            admin.make_bucket()
        no_trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        admins["source"].client("iam").create_role(RoleName="airflow", AssumeRolePolicyDocument=no_trust)
        yield admins
    finally:
        for admin in admins.values():
            admin.sweep()


@pytest.fixture(scope="module")
def outcome(server: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Follow the page from start to end, once."""
    folder = tmp_path_factory.mktemp("quickstart")
    worker = Account.of(server, AIRFLOW, SOURCE)
    with two_accounts(server) as admins, Recorder(server.url, {worker.key_id: AIRFLOW}) as recorder:
        code = follow(folder, environment(folder, recorder.url, worker, admins))
        needed = recorder.needed(leave_out={admin.key_id for admin in admins.values()})
        yield Outcome(
            code=code,
            outputs={int(file.stem): file.read_text() for file in sorted(folder.glob("*.out"))},
            needed=needed,
            policies=in_force(admins) if code == 0 else Policies({}, {}, OWNERS),
            copied={key: body for key, (body, _) in contents(DESTINATION_ACCOUNT, DESTINATION).items()},
            originals={key: body for key, (body, _) in contents(SOURCE_ACCOUNT, SOURCE).items()},
        )


def in_force(admins: dict[str, Account]) -> Policies:
    """Return the policies that the page's commands created."""
    of_roles: dict[str, list[Document]] = {}
    of_resources: dict[str, Document] = {}
    for admin in admins.values():
        for role, (trust, documents) in admin.documents().items():
            of_resources[role] = trust
            of_roles[role] = list(documents.values())
    policy = admins["source"].client("s3").get_bucket_policy(Bucket=SOURCE)["Policy"]
    of_resources[f"arn:aws:s3:::{SOURCE}"] = json.loads(policy)
    return Policies(of_roles=of_roles, of_resources=of_resources, owners=OWNERS)


def normalised(text: str) -> list[str]:
    """Return the lines of an output that are not empty, without what differs from run to run."""
    for pattern, name in VOLATILE.items():
        text = re.sub(pattern, name, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def mismatch(shown: list[str], actual: list[str]) -> str | None:
    """Return the first shown line that is missing; `...`, as a line or in one, matches anything."""
    at, may_skip = 0, False
    for line in shown:
        if line == LEFT_OUT:
            may_skip = True
            continue
        pattern = re.compile(".*?".join(map(re.escape, line.split(LEFT_OUT))))
        last = len(actual) if may_skip else at + 1
        hit = next((i for i in range(at, min(last, len(actual))) if pattern.fullmatch(actual[i])), None)
        if hit is None:
            return line
        at, may_skip = hit + 1, False
    return None if may_skip or at == len(actual) else f"(the end, before) {actual[at]}"


def test_every_block_has_its_place() -> None:
    """A block is a command, a file with its name, or the output of the command before it."""
    unnamed = [block.line for block in BLOCKS if block.language not in {"sh", "text"} and block.file is None]
    misplaced = [shown.line for _, command, shown in SHOWN.values() if command.language != "sh"]
    assert (unnamed, misplaced) == ([], [])
    assert {block.language for block in BLOCKS} == {"sh", "text", "yaml", "json", "python"}


def test_every_command_succeeds(outcome: Outcome) -> None:
    """Each command of the page succeeds; where one is meant to fail, the page catches it."""
    last = max(outcome.outputs)
    assert outcome.code == 0, f"line {BLOCKS[last].line}:\n{outcome.outputs[last][-3000:]}"
    assert sorted(outcome.outputs) == [i for i, block in enumerate(BLOCKS) if block.language == "sh"]


@pytest.mark.parametrize(("index", "command", "shown"), SHOWN.values(), ids=SHOWN)
def test_the_output_is_what_the_page_shows(
    index: int, command: Block, shown: Block, outcome: Outcome
) -> None:
    """Lines and numbers are the same; only times and rates may differ, and Airflow's log may be cut."""
    assert LEFT_OUT not in shown.text or command.text.startswith("airflow "), "only Airflow's log may be cut"
    actual = normalised(outcome.outputs[index])
    missing = mismatch(normalised(shown.text), actual)
    assert missing is None, "\n".join([f"not as shown: {missing}", *actual])


@pytest.mark.parametrize(
    ("shown", "actual", "missing"),
    [
        (["a", "b"], ["a", "b"], None),
        (["a"], ["a", "b"], "(the end, before) b"),
        (["b"], ["a", "b"], "b"),
        (["a", "b"], ["a"], "b"),
        (["...", "b"], ["a", "b"], None),
        (["...", "b"], ["b", "a"], "(the end, before) a"),
        (["a", "..."], ["a", "b", "c"], None),
        (["...", "x ... z", "..."], ["a", "x y z", "b"], None),
        (["...", "x ... z", "..."], ["a", "x y", "z"], "x ... z"),
    ],
)
def test_a_shown_line_that_is_not_there_is_found(
    shown: list[str], actual: list[str], missing: str | None
) -> None:
    """The comparison finds a missing line, an extra line, and a line in the wrong place."""
    assert mismatch(shown, actual) == missing


def test_every_object_arrives(outcome: Outcome) -> None:
    """The destination has the objects that the page copies, and no others."""
    sources = {
        "backup/catalog/index.json": "catalog/index.json",
        "backup/daily/2026-01-30/001.nc": "daily/2026-01-30/001.nc",
        "backup/daily/2026-01-30/002.nc": "daily/2026-01-30/002.nc",
        "backup/daily/2026-01-31/001.nc": "daily/2026-01-31/001.nc",
        "backup/by_hand/index.json": "catalog/index.json",
        "backup/by_hand/2026-01-30/001.nc": "daily/2026-01-30/001.nc",
        "backup/by_hand/2026-01-30/002.nc": "daily/2026-01-30/002.nc",
        "backup/by_hand/2026-01-30/notes.txt": "daily/2026-01-30/notes.txt",
        "backup/by_hand/daily/2026-01-30/001.nc": "daily/2026-01-30/001.nc",
        "backup/by_hand/daily/2026-01-31/001.nc": "daily/2026-01-31/001.nc",
    }
    assert outcome.copied == {key: outcome.originals[source] for key, source in sources.items()}


def test_every_request_is_allowed(outcome: Outcome) -> None:
    """The page's policies allow all requests of its commands and Dags to S3 and STS."""
    assert {access.role for access in outcome.needed} == {AIRFLOW, READER, WRITER}
    assert [str(access) for access in outcome.needed if not outcome.policies.allow(access)] == []


def test_every_grant_is_needed(outcome: Outcome) -> None:
    """The page's policies are minimal: without any one of their grants, some request is refused."""
    allowed = [access for access in outcome.needed if outcome.policies.allow(access)]
    unneeded = {
        grant
        for changed, grant in outcome.policies.less_one()
        if all(changed.allow(access) for access in allowed)
    }
    assert unneeded == set(NEEDED_BY_OTHERS)


def test_the_printed_policies_are_enough(outcome: Outcome) -> None:
    """The policies that `s3copy policy` prints allow all requests of the job to S3."""
    (index,) = (i for i, block in enumerate(BLOCKS) if block.text.startswith("s3copy policy catalog"))
    printed = json.loads(outcome.outputs[index])
    policies = Policies(
        of_roles={READER: [printed["source_role_policy"]], WRITER: [printed["destination_role_policy"]]},
        of_resources={f"arn:aws:s3:::{SOURCE}": printed["source_bucket_policy"]},
        owners=OWNERS,
    )
    keys = ("/catalog/index.json", "=catalog/index.json", "/backup/catalog/", "=backup/catalog/")
    asked = [access for access in outcome.needed if any(key in str(access) for key in keys)]
    assert len(asked) > 5
    assert [str(access) for access in asked if not policies.allow(access)] == []


def test_no_grant_is_wider_than_a_folder() -> None:
    """A policy names its actions; its resources are a bucket, a role, a key, or a folder of a bucket."""
    documents = [json.loads(block.text) for block in BLOCKS if block.language == "json"]
    wide = [
        text
        for document in documents
        for path, text in grants(document)
        if ("*" in text and ("Action" in path or not text.endswith("/*"))) or text.count("*") > 1
    ]
    assert len(documents) > 4
    assert wide == []


ROWS = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
TABLE = {code: row for row in ROWS for code in re.findall(r"`((?:[A-Z][\w.]+)|\d+)`", row[0])}
DECLARED = set(map(str, Code))


@pytest.mark.parametrize("code", sorted(DECLARED | COMMON))
def test_every_code_is_explained(code: str) -> None:
    """The table has the meaning of each code, and what to do."""
    _, meaning, remedy = TABLE[code]
    assert meaning.strip()
    assert remedy.strip()


def test_no_code_is_invented() -> None:
    """A code of the table is one of the package, one of S3 that it knows, or one of the list above."""
    assert len(DECLARED) > 10
    assert sorted(set(TABLE) - DECLARED - set(_CLASS_OF_CODE) - COMMON) == []
