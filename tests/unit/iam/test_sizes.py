"""A long policy is said to be long, and its parts grant what the whole grants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.iam.least_privileges import Side, least_privileges
from s3copy_tasks.iam.sizes import (
    BUCKET_MAX,
    INLINE_MAX,
    MANAGED_MAX,
    drop_covered,
    fit_policies,
    measure_policy,
    split_policy,
)
from s3copy_tasks.iam.trust import trust_workers

READER, WRITER = "arn:aws:iam::111122223333:role/reader", "arn:aws:iam::444455556666:role/writer"


def side(role: str, bucket: str, prefixes: int) -> Side:
    return Side(
        location=Location(bucket=bucket, account=role.split(":")[4]),
        role=role,
        trust=trust_workers(role, None),
        patterns=[[f"granules/region-{number:04}/", None] for number in range(prefixes)],
    )


def policies(prefixes: int) -> dict[str, Any]:
    """Return the policies of a job with many prefixes."""
    return least_privileges(side(READER, "ops", prefixes), side(WRITER, "partner", prefixes), ObjectOptions())


def grants(policy: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return (action, resource, prefix) of everything that a policy allows."""
    return {
        (action, resource, prefix)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
        for prefix in statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [""])
    }


@pytest.mark.parametrize("prefixes", [1, 10, 30, 60, 150, 400, 1_000])
def test_parts_fit_and_grant_the_same(prefixes: int) -> None:
    """No part is longer than a managed policy, all ids differ, and nothing more or less is granted."""
    whole = policies(prefixes)
    fitted, _ = fit_policies(whole)
    for name in ("source_role_policy", "destination_role_policy"):
        parts = [policy for key, policy in fitted.items() if key.startswith(name)]
        longest = INLINE_MAX if len(parts) == 1 else MANAGED_MAX
        assert all(0 < measure_policy(part) <= longest for part in parts)
        assert set().union(*map(grants, parts)) == grants(whole[name])
        sids = [statement["Sid"] for part in parts for statement in part["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)


def test_a_policy_that_fits_stays_as_it_is() -> None:
    """Most jobs have a few prefixes: nothing is remarked."""
    whole = policies(3)
    assert fit_policies(whole) == (whole, [])


def test_every_long_policy_is_remarked() -> None:
    """Between the two limits a policy must be inline; above them it is split; a bucket's can't be."""
    whole = policies(100)
    fitted, remarks = fit_policies(whole)
    assert fitted["source_role_policy"] == whole["source_role_policy"]
    assert any(remark.startswith("source_role_policy has ") and "inline" in remark for remark in remarks)
    whole = policies(800)
    fitted, remarks = fit_policies(whole)
    assert measure_policy(whole["source_bucket_policy"]) > BUCKET_MAX
    assert fitted["source_bucket_policy"] == whole["source_bucket_policy"]
    assert any(remark.startswith("source_bucket_policy has ") for remark in remarks)
    (split,) = (remark for remark in remarks if "destination_role_policy_1" in remark)
    assert "destination_role_policy_1 to destination_role_policy_" in split


def test_more_parts_than_a_role_has_policies() -> None:
    """A role has ten managed policies at most: above that the job is to be divided."""
    _, remarks = fit_policies(policies(1_000))
    assert any("Divide the job" in remark for remark in remarks if remark.startswith("destination_role"))


def test_split_keeps_short_statements() -> None:
    """Statements that fit are not changed."""
    whole = policies(2)["source_role_policy"]
    assert split_policy(whole) == [whole]


@given(st.sets(st.text("ab/", max_size=5)), st.lists(st.text("ab/", max_size=7), max_size=20))
def test_patterns_that_are_dropped_are_covered(prefixes: set[str], keys: list[str]) -> None:
    """Without the dropped patterns, exactly the same keys are granted."""
    patterns = {f"{prefix}*" for prefix in prefixes} | {f"{key}" for key in keys[:3] if key}

    def matches(key: str, among: set[str] | list[str]) -> bool:
        return any(key.startswith(one[:-1]) if one.endswith("*") else key == one for one in among)

    kept = drop_covered(patterns)
    assert set(kept) <= patterns
    assert all(matches(key, patterns) == matches(key, kept) for key in keys)


def test_a_wildcard_inside_covers_nothing() -> None:
    """A part that only a run renders is not compared: both patterns stay."""
    assert drop_covered(["a/*/b/*", "a/x/*", "a/x/b"]) == ["a/*/b/*", "a/x/*"]
