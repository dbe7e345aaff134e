"""The steps of docs/queue.md work as they are written: in a shell, one after another."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.support.airflow.stack import BIN, ROOT
from tests.support.s3.servers import READER, WRITER
from tests.support.s3.servers.endpoint import REGION, WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.servers import Endpoint

pytestmark = pytest.mark.one_server

TEXT = (ROOT / "docs" / "queue.md").read_text()
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
AWS, AWS_REGION = "https://sqs.us-west-2.amazonaws.com", "us-west-2"
FULL_AFTER_ONE = "transfer: {batch_objects: 1, max_active_batches: 1}\n"
"""Ends a run without 15 seconds of waiting for more."""
JQ = """\
#!{python}
import json, re, sys
program, file = sys.argv[1:]
document = json.load(open(file))
quoted = re.fullmatch(r"[{{](\\w+): [(][.](\\w+) [|] tojson[)][}}]", program)
made = {{quoted[1]: json.dumps(document[quoted[2]])}} if quoted else document[program.removeprefix(".")]
print(json.dumps(made, indent=2))
"""
"""A `jq` that knows the programs of the page."""


def blocks(language: str) -> list[str]:
    """Return the blocks of a language, without the indent of a list."""
    found = [(indent, text) for indent, name, text in BLOCK.findall(TEXT) if name == language]
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def shown(*block: str) -> list[str]:
    return [line for text in block for line in text.splitlines()]


def as_source(server: Endpoint) -> dict[str, Any]:
    """Return the credentials of a person in the source's account, as boto3 takes them."""
    sts: Any = boto3.client("sts", endpoint_url=server.url, **WORKER.arguments())
    got = sts.assume_role(RoleArn=READER, RoleSessionName="person")["Credentials"]
    return {
        "aws_access_key_id": got["AccessKeyId"],
        "aws_secret_access_key": got["SecretAccessKey"],
        "aws_session_token": got["SessionToken"],
    }


@dataclass
class Person:
    """A reader of the page, in a folder with a terminal. The queue's URL is that of a test server."""

    folder: Path
    env: dict[str, str]
    url: str

    def save(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            text.replace(AWS, self.url).replace('  account: "1', f'  region: {AWS_REGION}\n  account: "1')
        )

    def run(self, command: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def person(clean_server: Endpoint, tmp_path: Path) -> Person:
    """What the page takes for granted: two buckets, connections, a role, and the programs."""
    source = as_source(clean_server)
    for role, bucket in ((READER, "ops-granules"), (WRITER, "partner-granules")):
        place: Any = {"LocationConstraint": AWS_REGION}
        clean_server.client(role).create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    iam: Any = boto3.client("iam", endpoint_url=clean_server.url, region_name=AWS_REGION, **source)
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument="{}")
    (tmp_path / "bin").mkdir()
    tools = {
        "aws": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.support.s3.aws_cli "$@"\n',
        "jq": JQ.format(python=sys.executable),
    }
    for name, text in tools.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    env = {
        **os.environ,
        **{name: value.replace(REGION, AWS_REGION) for name, value in clean_server.connections().items()},
        **{name.upper(): value for name, value in source.items()},
        "AWS_DEFAULT_REGION": AWS_REGION,
        "AWS_ENDPOINT_URL": clean_server.url,
        "PATH": f"{tmp_path / 'bin'}:{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    return Person(tmp_path, env, clean_server.url)


def test_the_steps_of_the_page(person: Person) -> None:
    """From the queues to the daily comparison; the shown lines are what the commands print."""
    config, comparison, _ = blocks("yaml")
    queue, pattern = blocks("json")
    waits, ends, _ = blocks("text")
    validate, create, policies, attach, notify, write, run, compare, failed = blocks("sh")
    person.save("copy_configs/changes.yaml", config + FULL_AFTER_ONE)
    person.save("queue.json", queue)
    for step in (validate, create, policies, attach, notify):
        person.run(step)
    (sent,) = json.loads(pattern)["detail"]["object"]["key"]
    (rule,) = json.loads((person.folder / "notification.json").read_text())["QueueConfigurations"]
    assert rule["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": sent["prefix"]}]

    assert not set(shown(waits)) - set(person.run(write))
    assert not set(shown(ends)) - set(person.run(run))
    person.save("copy_configs/comparison.yaml", comparison)
    assert " skipped: unchanged         1 " in person.run(compare)
    assert person.run(failed) == []
