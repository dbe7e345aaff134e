"""The printed policies grant what a job's options need, and nothing more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.iam.least_privileges import Side, least_privileges
from s3copy_tasks.iam.trust import trust_workers

READER, WRITER = "arn:aws:iam::111122223333:role/reader", "arn:aws:iam::444455556666:role/writer"
SOURCE = Side(
    location=Location(bucket="ops", account="111122223333", role_arn=READER),
    role=READER,
    trust=trust_workers(READER, None),
    patterns=[["daily/", None, "/", None]],
)
DESTINATION = Side(
    location=Location(bucket="partner", account="444455556666", role_arn=WRITER),
    role=WRITER,
    trust=trust_workers(WRITER, None),
    patterns=[["backup/", None, "/", None]],
)
PLAIN = ObjectOptions(tags="drop")


def statements(policy: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the statements of a policy by their ids."""
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def test_golden() -> None:
    """A job between two accounts: one policy for each role, one for the source bucket, trust, a lifecycle."""
    found = least_privileges(SOURCE, DESTINATION, PLAIN)
    read = {
        "Sid": "ReadSource",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::ops/daily/*/*"],
    }
    assert found["source_role_policy"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ListSource",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::ops"],
                "Condition": {"StringLike": {"s3:prefix": ["daily/*/*"]}},
            },
            read,
        ],
    }
    assert found["source_bucket_policy"]["Statement"] == [read | {"Principal": {"AWS": WRITER}}]
    assert statements(found["destination_role_policy"]) == {
        "ReadSource": read,
        "ListDestination": {
            "Sid": "ListDestination",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::partner"],
            "Condition": {"StringLike": {"s3:prefix": ["backup/*/*"]}},
        },
        "WriteDestination": {
            "Sid": "WriteDestination",
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
            "Resource": ["arn:aws:s3:::partner/backup/*/*"],
        },
        "HeadDestination": {
            "Sid": "HeadDestination",
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": ["arn:aws:s3:::partner/backup/*/*"],
        },
    }
    assert set(found) == {
        "source_role_policy",
        "source_trust_policy",
        "destination_role_policy",
        "destination_trust_policy",
        "source_bucket_policy",
        "destination_lifecycle",
    }


# An option -> what it adds to the statements of the destination's role.
OPTIONS: dict[str, tuple[ObjectOptions, dict[str, list[str]]]] = {
    "tags": (
        replace(PLAIN, tags="copy"),
        {
            "ReadSource": ["s3:GetObject", "s3:GetObjectTagging"],
            "WriteDestination": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectTagging"],
            "HeadDestination": ["s3:GetObject", "s3:GetObjectTagging"],
        },
    ),
    "acl": (
        replace(PLAIN, acl="bucket-owner-full-control"),
        {"WriteDestination": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectAcl"]},
    ),
    "key": (
        replace(PLAIN, kms_key_id="arn:aws:kms:us-west-2:444455556666:key/1"),
        {"EncryptDestination": ["kms:GenerateDataKey", "kms:Decrypt"]},
    ),
    "class": (replace(PLAIN, storage_class="STANDARD_IA"), {}),
}


@pytest.mark.parametrize(("options", "more"), OPTIONS.values(), ids=OPTIONS)
def test_options_add_what_they_need(options: ObjectOptions, more: dict[str, list[str]]) -> None:
    """An option adds its own actions, and no others."""
    plain = statements(least_privileges(SOURCE, DESTINATION, PLAIN)["destination_role_policy"])
    found = statements(least_privileges(SOURCE, DESTINATION, options)["destination_role_policy"])
    assert {sid: statement["Action"] for sid, statement in found.items()} == {
        sid: statement["Action"] for sid, statement in plain.items()
    } | more


def test_listing_uploads_takes_one_more_permission() -> None:
    """If a retry lists uploads, the destination's role may do so on the bucket; all else is the same."""
    third = replace(DESTINATION, location=replace(DESTINATION.location, account="777777777777"))
    plain = least_privileges(SOURCE, third, PLAIN)
    found = least_privileges(SOURCE, third, PLAIN, lists_uploads=True)
    of_role = statements(found["destination_role_policy"])
    added = of_role.pop("ListDestinationUploads")
    assert added == {
        "Sid": "ListDestinationUploads",
        "Effect": "Allow",
        "Action": ["s3:ListBucketMultipartUploads"],
        "Resource": ["arn:aws:s3:::partner"],
    }
    assert of_role == statements(plain["destination_role_policy"])
    of_bucket = statements(found["destination_bucket_policy"])
    assert of_bucket.pop("ListDestinationUploads") == added | {"Principal": {"AWS": WRITER}}
    assert of_bucket == statements(plain["destination_bucket_policy"])
    assert found["source_role_policy"] == plain["source_role_policy"]


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        ("arn:aws:kms:us-west-2:1:key/k", "arn:aws:kms:us-west-2:1:key/k", None),
        ("1234abcd", "arn:aws:kms:eu-west-1:444455556666:key/1234abcd", None),
        ("alias/granules", "arn:aws:kms:eu-west-1:444455556666:key/*", "alias/granules"),
        ("arn:aws:kms:us-west-2:1:alias/granules", "arn:aws:kms:us-west-2:1:key/*", "alias/granules"),
    ],
    ids=["ARN", "id", "alias", "ARN of an alias"],
)
def test_keys_by_arn_id_and_alias(key: str, resource: str, condition: str | None) -> None:
    """A key is named by its ARN; an alias is a condition on any key of the account."""
    there = replace(DESTINATION, location=replace(DESTINATION.location, region="eu-west-1"))
    found = least_privileges(SOURCE, there, replace(PLAIN, kms_key_id=key))
    (granted,) = found["kms_key_policy_statements"]
    assert granted["Resource"] == [resource]
    assert granted["Principal"] == {"AWS": WRITER}
    aliases = granted.get("Condition", {}).get("ForAnyValue:StringEquals", {}).get("kms:ResourceAliases")
    assert aliases == condition


# Account of the source bucket, of the destination bucket, and whether their bucket policies are needed.
ACCOUNTS = {
    "each its own": ("111122223333", "444455556666", {"source_bucket_policy"}),
    "both the writer's": ("444455556666", "444455556666", {"source_bucket_policy"}),
    "both the reader's": (
        "111122223333",
        "111122223333",
        {"source_bucket_policy", "destination_bucket_policy"},
    ),
    "not known": (None, None, {"source_bucket_policy", "destination_bucket_policy"}),
}


@pytest.mark.parametrize(
    ("source_account", "destination_account", "policies"), ACCOUNTS.values(), ids=ACCOUNTS
)
def test_a_bucket_grants_what_a_role_of_another_account_needs(
    source_account: str | None, destination_account: str | None, policies: set[str]
) -> None:
    """Inside one account the role's policy is enough; if an account is unknown, both are printed."""
    source = replace(SOURCE, location=replace(SOURCE.location, account=source_account))
    destination = replace(DESTINATION, location=replace(DESTINATION.location, account=destination_account))
    found = least_privileges(source, destination, PLAIN)
    assert {name for name in found if name.endswith("bucket_policy")} == policies


def test_one_foreign_role_for_both_sides() -> None:
    """Both buckets let a role of a third account list, read, write and head."""
    third = "arn:aws:iam::999999999999:role/third"
    found = least_privileges(replace(SOURCE, role=third), replace(DESTINATION, role=third), PLAIN)
    source, destination = (statements(found[f"{side}_bucket_policy"]) for side in ("source", "destination"))
    assert set(source) == {"ListSource", "ReadSource"}
    assert set(destination) == {"ListDestination", "WriteDestination", "HeadDestination"}
    assert {str(statement["Principal"]) for statement in (source | destination).values()} == {
        str({"AWS": third})
    }


def test_two_foreign_roles_are_in_one_statement() -> None:
    """What reader and writer both need is one statement with both principals: ids stay unique."""
    source = replace(SOURCE, location=replace(SOURCE.location, account="777777777777"))
    policy = least_privileges(source, DESTINATION, PLAIN)["source_bucket_policy"]
    assert [statement["Sid"] for statement in policy["Statement"]] == ["ListSource", "ReadSource"]
    assert statements(policy)["ReadSource"]["Principal"] == {"AWS": [READER, WRITER]}


def test_one_role_for_both_sides() -> None:
    """A role that reads and writes has one policy with all statements."""
    found = least_privileges(SOURCE, replace(DESTINATION, role=READER), PLAIN)
    assert set(statements(found["role_policy"])) == {
        "ListSource",
        "ReadSource",
        "ListDestination",
        "WriteDestination",
        "HeadDestination",
    }
    assert "trust_policy" in found


LISTER = "arn:aws:iam::222222222222:role/lister"
KEY_LIST = replace(SOURCE, location=Location(bucket="lists"), patterns=[["daily/", None, ".csv"]])
RESULTS = replace(DESTINATION, location=Location(bucket="results"), patterns=[["copies/", None]])


def allow(sid: str, action: str | list[str], resource: str, prefix: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [action] if isinstance(action, str) else action,
        "Resource": [f"arn:aws:s3:::{resource}"],
    }
    return found if prefix is None else found | {"Condition": {"StringLike": {"s3:prefix": [prefix]}}}


OF_KEY_LIST = [
    allow("ListKeyList", "s3:ListBucket", "lists", "daily/*.csv"),
    allow("ReadKeyList", "s3:GetObject", "lists/daily/*.csv"),
]
OF_RESULTS = [
    allow("WriteResults", ["s3:PutObject", "s3:AbortMultipartUpload"], "results/copies/*"),
    allow("ListResults", "s3:ListBucket", "results", "copies/*"),
    allow("ReadResults", "s3:GetObject", "results/copies/*"),
]


def test_lists_and_results_join_the_role_that_uses_them() -> None:
    """Their statements are added to its policy; all else is the same. Their buckets' owners are not known."""
    plain = least_privileges(SOURCE, DESTINATION, PLAIN)
    found = least_privileges(SOURCE, DESTINATION, PLAIN, keys_from=KEY_LIST, results=RESULTS)
    plain["source_role_policy"]["Statement"] += OF_KEY_LIST
    plain["destination_role_policy"]["Statement"] += OF_RESULTS
    assert found == plain
    assert list(found) == list(plain)


def test_lists_and_results_of_one_role_for_both_sides() -> None:
    """It has one policy with all statements."""
    one = replace(DESTINATION, role=READER)
    plain = least_privileges(SOURCE, one, PLAIN)
    found = least_privileges(SOURCE, one, PLAIN, keys_from=KEY_LIST, results=replace(RESULTS, role=READER))
    plain["role_policy"]["Statement"] += [*OF_KEY_LIST, *OF_RESULTS]
    assert found == plain


def test_roles_of_their_own() -> None:
    """A role that only reads lists, or only writes results, has its own policy and trust."""
    trust = trust_workers(LISTER, "lists")
    key_list = replace(KEY_LIST, role=LISTER, trust=trust)
    writer = LISTER.replace("lister", "results")
    results = replace(RESULTS, role=writer)
    found = least_privileges(SOURCE, DESTINATION, PLAIN, keys_from=key_list, results=results)
    assert found["from_role_policy"]["Statement"] == OF_KEY_LIST
    assert found["from_trust_policy"]["Statement"] == [trust.statement()]
    assert found["results_role_policy"]["Statement"] == OF_RESULTS
    assert "results_trust_policy" in found
    plain = least_privileges(SOURCE, DESTINATION, PLAIN)
    assert {name: found[name] for name in plain} == plain


def test_lists_and_results_in_the_buckets_of_the_job() -> None:
    """There the owner is known: a role of another account needs the policy of that bucket, too."""
    key_list = replace(KEY_LIST, location=SOURCE.location, role=WRITER)
    results = replace(RESULTS, location=DESTINATION.location)
    found = least_privileges(SOURCE, DESTINATION, PLAIN, keys_from=key_list, results=results)
    shared = statements(found["source_bucket_policy"])
    assert set(shared) == {"ReadSource", "ListKeyList", "ReadKeyList"}
    assert shared["ReadKeyList"]["Principal"] == {"AWS": WRITER}
    assert shared["ReadKeyList"]["Resource"] == ["arn:aws:s3:::ops/daily/*.csv"]
    assert "destination_bucket_policy" not in found, "the writer is of its account"


def test_external_id_is_required() -> None:
    """The trust policy of a role with an external id requires it."""
    named = replace(SOURCE, trust=trust_workers(READER, "granules"))
    (trust,) = least_privileges(named, DESTINATION, PLAIN)["source_trust_policy"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "granules"}}


@pytest.mark.parametrize(
    ("pattern", "resource"),
    [
        (["a*b?c$d"], "arn:aws:s3:::ops/a${*}b${?}c${$}d"),
        ([None], "arn:aws:s3:::ops/*"),
        (["catalog/index.json"], "arn:aws:s3:::ops/catalog/index.json"),
    ],
    ids=["wildcards", "whole bucket", "one key"],
)
def test_keys_are_literal(pattern: list[str | None], resource: str) -> None:
    """What IAM would read as a wildcard is escaped; only what a run renders is a wildcard."""
    found = least_privileges(replace(SOURCE, patterns=[pattern]), DESTINATION, PLAIN)
    assert statements(found["source_role_policy"])["ReadSource"]["Resource"] == [resource]


def test_versions_need_their_own_permissions() -> None:
    """Objects that are named with a version need the actions for versions, on these objects only."""
    named = replace(SOURCE, versions=[["catalog/index.json"]])
    found = least_privileges(named, DESTINATION, ObjectOptions())
    statement = {
        "Sid": "ReadSourceVersions",
        "Effect": "Allow",
        "Action": ["s3:GetObjectVersion", "s3:GetObjectVersionTagging"],
        "Resource": ["arn:aws:s3:::ops/catalog/index.json"],
    }
    for role in ("source_role_policy", "destination_role_policy"):
        assert statements(found[role])["ReadSourceVersions"] == statement
    bucket = statements(found["source_bucket_policy"])["ReadSourceVersions"]
    assert bucket == statement | {"Principal": {"AWS": WRITER}}


def test_the_whole_bucket_is_listed_without_a_condition() -> None:
    """A job of a whole bucket may list all of it."""
    found = least_privileges(replace(SOURCE, patterns=[[None]]), DESTINATION, PLAIN)
    assert "Condition" not in statements(found["source_role_policy"])["ListSource"]


def test_partition_is_the_roles() -> None:
    """Resources are in the partition of the role."""
    role = READER.replace("arn:aws:", "arn:aws-cn:")
    found = least_privileges(replace(SOURCE, role=role), DESTINATION, PLAIN)
    assert statements(found["source_role_policy"])["ReadSource"]["Resource"] == [
        "arn:aws-cn:s3:::ops/daily/*/*"
    ]


def test_a_lifecycle_rule_drops_what_a_killed_worker_leaves() -> None:
    """Incomplete uploads are dropped after seven days."""
    (rule,) = least_privileges(SOURCE, DESTINATION, PLAIN)["destination_lifecycle"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rule["Status"] == "Enabled"


POINT = "arn:aws:s3:us-west-2:111122223333:accesspoint/ops"


@pytest.mark.parametrize("bucket", [POINT, POINT.replace("accesspoint/", "accesspoint:")])
def test_an_access_point_and_its_bucket_have_policies(bucket: str) -> None:
    """Both must allow a request: the access point for the role, the bucket for the access point."""
    source = replace(SOURCE, location=Location(bucket=bucket, account="111122223333", role_arn=READER))
    found = least_privileges(source, DESTINATION, PLAIN)
    own = statements(found["source_role_policy"])
    assert own["ListSource"]["Resource"] == [POINT]
    assert own["ReadSource"]["Resource"] == [f"{POINT}/object/daily/*/*"]
    shared = statements(found["source_access_point_policy"])
    assert shared["ReadSource"]["Principal"] == {"AWS": WRITER}
    assert found["source_bucket_policy"]["Statement"] == [
        {
            "Sid": "DelegateToAccessPoint",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::THE-BUCKET-OF-ops", "arn:aws:s3:::THE-BUCKET-OF-ops/*"],
            "Condition": {"StringEquals": {"s3:DataAccessPointArn": POINT}},
        }
    ]


def test_an_access_point_of_the_same_account_needs_its_bucket() -> None:
    """The role's own policy is enough for the access point, but the bucket allows nothing by itself."""
    location = Location(
        bucket=POINT.replace("111122223333", "444455556666"), account="444455556666", role_arn=WRITER
    )
    found = least_privileges(SOURCE, replace(DESTINATION, location=location), PLAIN)
    assert "destination_access_point_policy" not in found
    assert set(statements(found["destination_bucket_policy"])) == {"DelegateToAccessPoint"}
