"""What `s3copy policy` prints for a mirror is enough for a run that deletes, and is needed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.builders.documents import document, write
from tests.support.command import run_command
from tests.support.s3.iam import Policies
from tests.support.s3.recorder import Recorder
from tests.support.s3.servers import DESTINATION_ACCOUNT, READER, SOURCE_ACCOUNT, WRITER, Endpoint
from tests.support.s3.servers.endpoint import WORKER
from tests.support.s3.sides import Sides

if TYPE_CHECKING:
    from pathlib import Path

OF_DELETES = {"s3:DeleteObject", "s3:GetBucketVersioning"}


def s3copy(*arguments: str) -> Any:
    """Return what the command prints, as JSON."""
    code, out, err = run_command("s3copy", *arguments)
    assert code == 0, err
    return json.loads(out)


def read_policies(printed: dict[str, Any], sides: Sides) -> Policies:
    buckets = {sides.source_bucket: SOURCE_ACCOUNT, sides.destination_bucket: DESTINATION_ACCOUNT}
    return Policies(
        of_roles={READER: [printed["source_role_policy"]], WRITER: [printed["destination_role_policy"]]},
        of_resources={f"arn:aws:s3:::{sides.source_bucket}": printed["source_bucket_policy"]},
        owners={f"arn:aws:s3:::{bucket}": account for bucket, account in buckets.items()},
    )


@pytest.mark.one_server
def test_the_printed_policies_are_enough_and_needed(
    server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that copies and deletes, and what each request needs for its condition or its 404, too."""
    with Recorder(server.url, {WORKER.key_id: "the worker"}) as recorder:
        sides = Sides(server, server.behind(recorder.url))
        for name, value in sides.environment.items():
            monkeypatch.setenv(name, value)
        enabled: Any = {"Status": "Enabled"}
        bucket = sides.destination_bucket
        sides.destination.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
        sides.destination.put_object(Bucket=bucket, Key="copy/gone", Body=b"x")
        sides.put("data/a")
        content = document(
            source={"bucket": sides.source_bucket, "account": SOURCE_ACCOUNT, "connection": "aws_source"},
            destination={"bucket": bucket, "account": DESTINATION_ACCOUNT, "connection": "aws_destination"},
            prefixes=[{"source": "data/", "destination": "copy/"}],
            mirror={"max_deleted_objects": 1, "max_deleted_percent": 100},
        )
        job = str(write(tmp_path, content))
        policies = read_policies(s3copy("policy", job), sides)
        report = s3copy("run", job, "--confirm", "1", "--json")
    assert (report["deletions"]["deleted"], list(sides.copied())) == (1, ["copy/a"])
    needed = [access for access in recorder.needed() if access.action != "sts:AssumeRole"]
    assert [str(access) for access in needed if not policies.allow(access)] == []
    unneeded = {grant for fewer, grant in policies.less_one() if all(map(fewer.allow, needed))}
    assert not OF_DELETES & unneeded
