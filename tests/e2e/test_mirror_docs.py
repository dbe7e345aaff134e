"""The steps of docs/mirror.md work as they are written: in a shell, one after another."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest

from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.load import load_job
from tests.support.airflow.stack import BIN, ROOT
from tests.support.s3.servers import READER, WRITER
from tests.support.s3.servers.endpoint import WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.servers import Endpoint

pytestmark = pytest.mark.one_server

TEXT = (ROOT / "docs" / "mirror.md").read_text()
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    """Return the blocks of a language, without the indent of a list."""
    found = [(indent, text) for indent, name, text in BLOCK.findall(TEXT) if name == language]
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@dataclass
class Reader:
    """A reader of the page, in a folder with a terminal."""

    folder: Path
    env: dict[str, str]

    def run(self, command: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env={**self.env, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def reader(clean_server: Endpoint, tmp_path: Path) -> Reader:
    """The reader's buckets: 40 objects at the source, two others at the destination, and the config."""
    source, destination = clean_server.client(READER), clean_server.client(WRITER)
    source.create_bucket(Bucket="ops-granules")
    destination.create_bucket(Bucket="partner-mirror")
    for number in range(40):
        source.put_object(Bucket="ops-granules", Key=f"catalog/{number:02}.json", Body=b"{}")
    for number in range(2):
        destination.put_object(Bucket="partner-mirror", Key=f"catalog/old/{number}.json", Body=b"old")
    (tmp_path / "copy_configs").mkdir()
    (tmp_path / "copy_configs" / "catalog.yaml").write_text(blocks("yaml")[0])
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text(
        "\n".join(
            (
                "#!/bin/sh",
                *(
                    f"export {name}={shlex.quote(value)}"
                    for name, value in assume_writer(clean_server).items()
                ),
                f"export PYTHONPATH={shlex.quote(str(ROOT))}",
                f'exec {shlex.quote(sys.executable)} -m tests.support.s3.aws_cli "$@"',
            )
        )
    )
    (tools / "aws").chmod(0o755)
    env = {
        **os.environ,
        **clean_server.connections(),
        "PATH": f"{tools}:{BIN}:{os.environ['PATH']}",
    }
    return Reader(tmp_path, env)


def assume_writer(server: Endpoint) -> dict[str, str]:
    """Return the environment of a person who may undo deletes at the destination."""
    sts = boto3.client("sts", endpoint_url=server.url, **WORKER.arguments())
    got = sts.assume_role(RoleArn=WRITER, RoleSessionName="person")["Credentials"]
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": got["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": got["SecretAccessKey"],
        "AWS_SESSION_TOKEN": got["SessionToken"],
    }


def test_the_steps_of_the_page(reader: Reader) -> None:
    """From versioning to an undone delete; the shown lines are what the commands say."""
    enable, report, policy, mirror, find, undo = blocks("sh")
    counted, planned = (text.strip() for text in blocks("text"))
    reader.run(enable)
    assert counted in reader.run(report).splitlines()

    config = reader.folder / "copy_configs" / "catalog.yaml"
    config.write_text(config.read_text().replace("max_deleted_objects: 0 ", "max_deleted_objects: 1000 "))
    assert isinstance(load_job(config), CopyJob)
    assert "s3:DeleteObject" in reader.run(policy)
    assert planned in reader.run("s3copy plan catalog").splitlines()
    assert reader.run(mirror).endswith("0 failed, 0 left out, 0 extraneous\n")

    (marker,) = (one for one in json.loads(reader.run(find))["DeleteMarkers"] if one["IsLatest"])
    reader.run(undo, MARKER=marker["VersionId"])
    assert "DeleteMarkers" not in json.loads(reader.run(find))


SAYING = (
    "cli/deletes.py",
    "config/other_writers.py",
    "dag/pulled.py",
    "delete/judge.py",
    "delete/versioning.py",
)
"""Where reasons are written."""
VARYING = re.compile(r"[0-9,]*[0-9]|\.\.\.")


def test_the_reasons_of_refusals_are_quoted_as_they_are() -> None:
    """Each reason in the table is in the code, but for its numbers and names."""
    rows = TEXT.partition("| the reason says |")[2].partition("\n\n")[0].splitlines()[2:]
    quoted = [words for row in rows for words in re.findall(r"`([^`]+)`", row.split("|")[1])]
    code = "".join((ROOT / "s3copy_tasks" / file).read_text() for file in SAYING)
    said = re.sub(r'"\s+f?"', "", code)
    patterns = {words: ".*".join(map(re.escape, VARYING.split(words))) for words in quoted}
    assert len(patterns) > 10
    assert [words for words, pattern in patterns.items() if not re.search(pattern, said)] == []
