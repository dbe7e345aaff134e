"""What `s3copy policy` prints for lists and results is enough for a run, and is needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.builders.documents import document, write
from tests.support.builders.inventories import FOLDER, make_inventory, make_row
from tests.support.command import run_command
from tests.support.s3.iam import Policies
from tests.support.s3.recorder import Recorder
from tests.support.s3.servers import DESTINATION_ACCOUNT, READER, SOURCE_ACCOUNT, WRITER, Endpoint
from tests.support.s3.servers.endpoint import WORKER
from tests.support.s3.sides import Sides

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.s3.iam import Access, Document

pytestmark = pytest.mark.one_server

LISTS, RESULTS = "policies-lists", "policies-results"
SIDS = {"ListKeyList", "ReadKeyList", "WriteResults", "ListResults", "ReadResults"}


@pytest.fixture
def recorder(server: Endpoint) -> Iterator[Recorder]:
    with Recorder(server.url, {WORKER.key_id: "the worker"}) as made:
        yield made


@pytest.fixture
def recorded(server: Endpoint, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Two new buckets, reached through the recorder, with an inventory of one and a list in the results."""
    sides = Sides(server, server.behind(recorder.url))
    for name, value in sides.environment.items():
        monkeypatch.setenv(name, value)
    sides.source.create_bucket(Bucket=LISTS)
    sides.destination.create_bucket(Bucket=RESULTS)
    sides.put("data/a")
    rows = [[make_row(sides.source_bucket, "data/a")]]
    inventory = make_inventory(rows, source_bucket=sides.source_bucket, made=datetime.now(UTC))
    for key, content in inventory.items():
        sides.source.put_object(Bucket=LISTS, Key=key, Body=content)
    failed = f"{sides.source_bucket},data/a,,,,,copy/a\n".encode()
    sides.destination.put_object(Bucket=RESULTS, Key="copies/failed/1.csv", Body=failed)
    return sides


def write_job(folder: Path, sides: Sides) -> str:
    source = {"bucket": sides.source_bucket, "account": SOURCE_ACCOUNT, "connection": "aws_source"}
    destination = {
        "bucket": sides.destination_bucket,
        "account": DESTINATION_ACCOUNT,
        "connection": "aws_destination",
    }
    content = document(
        source=source,
        destination=destination,
        prefixes=[{"source": "data/", "destination": "copy/"}],
        results={"to": f"s3://{RESULTS}/copies/"},
    )
    content["from"] = {"inventory": f"s3://{LISTS}/{FOLDER}"}
    return str(write(folder, content))


def read_policies(printed: dict[str, Any], sides: Sides) -> Policies:
    owners = {sides.source_bucket: SOURCE_ACCOUNT, sides.destination_bucket: DESTINATION_ACCOUNT}
    owners |= {LISTS: SOURCE_ACCOUNT, RESULTS: DESTINATION_ACCOUNT}
    return Policies(
        of_roles={READER: [printed["source_role_policy"]], WRITER: [printed["destination_role_policy"]]},
        of_resources={f"arn:aws:s3:::{sides.source_bucket}": printed["source_bucket_policy"]},
        owners={f"arn:aws:s3:::{bucket}": account for bucket, account in owners.items()},
    )


def only_about_lists(policies: Policies) -> Policies:
    """Return the statements about lists and results."""

    def choose(policy: Document) -> Document:
        return {**policy, "Statement": [one for one in policy["Statement"] if one["Sid"] in SIDS]}

    of_roles = {role: list(map(choose, found)) for role, found in policies.of_roles.items()}
    return Policies(of_roles=of_roles, of_resources={}, owners=policies.owners)


def is_about_lists(access: Access) -> bool:
    return any(f":::{bucket}" in access.resource for bucket in (LISTS, RESULTS))


def s3copy(*arguments: str) -> str:
    """Run the command in a process of its own, because it configures the log; return its stdout."""
    code, out, err = run_command("s3copy", *arguments)
    assert code == 0, err
    return out


def test_the_printed_policies_are_enough_and_needed(
    recorded: Sides, recorder: Recorder, tmp_path: Path
) -> None:
    """A run of an inventory that writes results, and a run of a list among those results."""
    job = write_job(tmp_path, recorded)
    policies = read_policies(json.loads(s3copy("policy", job)), recorded)
    s3copy("run", job)
    s3copy("run", job, "--manifest", f"s3://{RESULTS}/copies/failed/")
    needed = [access for access in recorder.needed() if access.action != "sts:AssumeRole"]
    assert [str(access) for access in needed if not policies.allow(access)] == []
    about_lists = list(filter(is_about_lists, needed))
    unneeded = [
        grant for fewer, grant in only_about_lists(policies).less_one() if all(map(fewer.allow, about_lists))
    ]
    assert unneeded == []
