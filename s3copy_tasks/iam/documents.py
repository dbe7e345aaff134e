"""What policies are made of: statements that allow, with or without principals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = "2012-10-17"


def allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    """Return a statement that allows actions on resources, as the policy of a role has it."""
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def add_principal(statement: dict[str, Any], roles: Sequence[str]) -> dict[str, Any]:
    """Return a statement with its principals, as the policy of a bucket, a key or a queue has it."""
    unique = list(dict.fromkeys(roles))
    principals = unique[0] if len(unique) == 1 else unique
    named = {"Sid": statement["Sid"], "Effect": "Allow", "Principal": {"AWS": principals}}
    return named | {name: value for name, value in statement.items() if name not in named}


def build_policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a policy of statements."""
    return {"Version": _VERSION, "Statement": statements}
