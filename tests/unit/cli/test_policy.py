"""Which Airflow needs what in `s3copy policy`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import airflow
import pytest

from s3copy_tasks.cli import main
from s3copy_tasks.cli.policy import lists_uploads
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE
from tests.support.builders.documents import document, write


@pytest.mark.parametrize(
    ("installed", "expected"),
    [("3.0.6", True), ("3.2.1", True), ("3.3.0", False), ("3.3.0rc1", False), ("3.10.0", False)],
)
def test_uploads_are_listed_below_airflow_33(installed: str, expected: bool) -> None:  # noqa: FBT001
    """A right that a retry does not need is not printed."""
    assert lists_uploads(installed) is expected


def test_tasks_and_policies_agree() -> None:
    """What the tasks of the installed Airflow do is what the printed policies allow."""
    assert lists_uploads(airflow.__version__) is not HAS_TASK_STATE


def test_a_command_shows_the_warnings_of_its_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They go to stderr; the command does its work all the same."""
    file = write(tmp_path, document(filters={"exclude": ["/tmp/*"]}))
    assert main(["policy", str(file)]) == 0
    out, err = capsys.readouterr()
    assert f"{file}:11:5: warning: filters.exclude[0]: globs are matched below the prefix" in err
    assert json.loads(out)


def test_an_alias_has_no_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """IAM compares ARNs of access points: the command says that it can't print one for an alias."""
    file = write(tmp_path, document(source={"bucket": "ops-ew7gnfbyawesf3hyi2vk8ccvfs1ydusw2a-s3alias"}))
    assert main(["policy", str(file)]) == 0
    assert "-s3alias is an access point's alias: policies need its ARN" in capsys.readouterr().err


READER, WRITER = "arn:aws:iam::111122223333:role/reader", "arn:aws:iam::444455556666:role/writer"
ROLES = {
    "source": {"bucket": "ops", "account": "111122223333", "role_arn": READER},
    "destination": {"bucket": "pub", "account": "444455556666", "role_arn": WRITER},
}
INVENTORY = {"inventory": "s3://lists/ops/daily/"}
MANIFEST = {"manifest": "s3://lists/{{ ds }}.csv"}


def print_policies(
    folder: Path, capsys: pytest.CaptureFixture[str], **changes: Any
) -> tuple[dict[str, Any], str]:
    """Return what the command prints, and its remarks."""
    assert main(["policy", str(write(folder, document(**ROLES | changes)))]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def resources(policy: dict[str, Any]) -> dict[str, list[str]]:
    """Return the resources of a policy's statements by their ids."""
    return {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}


# What a job has in `from` -> the keys that its role may read, and the prefix that it may list.
LISTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "one list": ({"manifest": "s3://lists/today.csv"}, "today.csv", "today.csv"),
    "a list for each day": (MANIFEST, "*.csv", "*.csv"),
    "a prefix": ({"manifest": "s3://lists/{{ ds }}/"}, "*/*", "*/*"),
    "an inventory": (INVENTORY, "ops/daily/*", "ops/daily/*"),
}


@pytest.mark.parametrize(("of", "keys", "prefix"), LISTS.values(), ids=LISTS)
def test_a_list_is_read_by_the_role_of_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], of: dict[str, Any], keys: str, prefix: str
) -> None:
    """Of the bucket of lists it may read and list what the job names, and nothing else."""
    found, err = print_policies(tmp_path, capsys, **{"from": of})
    policy = found["source_role_policy"]
    assert resources(policy)["ReadKeyList"] == [f"arn:aws:s3:::lists/{keys}"]
    (listing,) = [one for one in policy["Statement"] if one["Sid"] == "ListKeyList"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": [prefix]}}
    assert f"from: the account of s3://lists is not known. If it is not that of {READER}, " in err


def test_results_are_written_by_the_role_of_the_destination(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the destination's bucket, whose owner is known, nothing more is needed."""
    found, err = print_policies(tmp_path, capsys, results={"to": "s3://pub/results/"})
    of_role = resources(found["destination_role_policy"])
    assert of_role["WriteResults"] == of_role["ReadResults"] == ["arn:aws:s3:::pub/results/*"]
    assert err == ""


def test_a_connection_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its role has policies of its own; if it is not known here, a name to replace."""
    results = {"to": "s3://results/", "connection": "elsewhere"}
    found, err = print_policies(tmp_path, capsys, results=results)
    assert resources(found["results_role_policy"])["WriteResults"] == ["arn:aws:s3:::results/*"]
    assert "results_trust_policy" in found
    role = "arn:aws:iam::000000000000:role/THE-RESULTS-ROLE"
    assert f"results: unknown role: replace {role} with its ARN" in err


@pytest.mark.parametrize(
    ("of", "has_versions"),
    [
        (MANIFEST, True),
        (MANIFEST | {"columns": ["key", "version"]}, True),
        (MANIFEST | {"columns": ["key"]}, False),
        (INVENTORY, False),
    ],
    ids=["default columns", "versions", "no versions", "inventory"],
)
def test_a_list_may_name_versions(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    of: dict[str, Any],
    has_versions: bool,  # noqa: FBT001
) -> None:
    """Then any object below the prefixes may be read by its version, which is an action of its own."""
    found, _ = print_policies(tmp_path, capsys, **{"from": of})
    of_role = resources(found["destination_role_policy"])
    assert of_role.get("ReadSourceVersions") == (of_role["ReadSource"] if has_versions else None)


MIRROR = {
    "prefixes": [
        {"source": "a/{{ ds }}/", "destination": "out/{{ ds }}/"},
        {"source": "b/", "destination": "fixed/"},
    ],
    "objects": [{"source": "index.json", "destination": "index.json"}],
}
DELETES = {"DeleteDestination": ["arn:aws:s3:::pub/fixed/*", "arn:aws:s3:::pub/out/*/*"]}
VERSIONING = {"ReadDestinationVersioning": ["arn:aws:s3:::pub"]}
RIGHTS: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "deletes": ({"max_deleted_objects": 1}, DELETES | VERSIONING),
    "deletes for good": ({"max_deleted_objects": 1, "unversioned": "allow"}, DELETES),
    "only a report": ({"max_deleted_objects": 0}, {}),
}


@pytest.mark.parametrize(("section", "more"), RIGHTS.values(), ids=RIGHTS)
def test_a_mirror_may_delete_below_its_prefixes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    section: dict[str, Any],
    more: dict[str, list[str]],
) -> None:
    """Never a single object; it reads the versioning unless that does not matter; all else is the same."""
    plain, _ = print_policies(tmp_path, capsys, **MIRROR)
    found, err = print_policies(tmp_path, capsys, **MIRROR, mirror=section)
    before = resources(plain["destination_role_policy"])
    assert resources(found["destination_role_policy"]) == before | more
    assert set(DELETES["DeleteDestination"]) < set(before["HeadDestination"])
    del plain["destination_role_policy"], found["destination_role_policy"]
    assert (found, err) == (plain, "")


QUEUE = "https://sqs.us-west-2.amazonaws.com/111122223333/created"
QUEUE_ARN = "arn:aws:sqs:us-west-2:111122223333:created"


def test_a_queue_is_read_and_sent_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its role may read it, S3 may send from the source bucket, and no two filters take one key."""
    names = ["b c/deep/", "a/", "b c/", "a+/"]
    prefixes = [{"source": name, "destination": f"{index}/"} for index, name in enumerate(names)]
    found, err = print_policies(tmp_path, capsys, **{"from": {"queue": QUEUE}}, prefixes=prefixes)
    assert resources(found["source_role_policy"])["ReadQueue"] == [QUEUE_ARN]
    (send,) = found["queue_policy"]["Statement"]
    assert (send["Principal"], send["Action"], send["Resource"]) == (
        {"Service": "s3.amazonaws.com"},
        ["sqs:SendMessage"],
        [QUEUE_ARN],
    )
    assert send["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::ops"},
        "StringEquals": {"aws:SourceAccount": "111122223333"},
    }
    sends = found["source_bucket_notification"]["QueueConfigurations"]
    assert [one["Filter"]["Key"]["FilterRules"][0]["Value"] for one in sends] == ["a%2B/", "a/", "b+c/"]
    assert {(one["QueueArn"], *one["Events"]) for one in sends} == {(QUEUE_ARN, "s3:ObjectCreated:*")}
    assert "S3 replaces the whole configuration of the bucket" in err


def test_a_queue_of_another_account_lets_its_reader_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The policy of the role is not enough there; a whole bucket needs no filter."""
    url = QUEUE.replace("111122223333", "777777777777")
    prefixes = [{"source": "", "destination": "all/"}]
    found, _ = print_policies(tmp_path, capsys, **{"from": {"queue": url}}, prefixes=prefixes)
    assert found["queue_policy"]["Statement"][1]["Principal"] == {"AWS": READER}
    assert "Filter" not in found["source_bucket_notification"]["QueueConfigurations"][0]
