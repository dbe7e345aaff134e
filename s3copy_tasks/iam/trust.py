"""Who may assume a role: the statement of its trust policy, and what a refusal of STS says about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.iam.statements import find_partition, find_role

if TYPE_CHECKING:
    from collections.abc import Mapping

ASSUME = "sts:AssumeRole"
ASSUME_WITH_SAML = "sts:AssumeRoleWithSAML"
ASSUME_WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
_WORKERS = "iam::111111111111:role/the-role-that-your-airflow-workers-run-as"
_ISSUER = "the-issuer-of-the-token.example.com"
_SUBJECT = "the-subject-of-the-token"
_AUDIENCE = "sts.amazonaws.com"
_GOOGLE = "accounts.google.com"
_SAML_SIGN_IN = {
    "aws": "https://signin.aws.amazon.com/saml",
    "aws-cn": "https://signin.amazonaws.cn/saml",
    "aws-us-gov": "https://signin.amazonaws-us-gov.com/saml",
}
_REFUSED = re.compile(r"(?:User: (?P<caller>arn:\S+) is )?not authorized to perform: (?P<action>sts:\w+)")
_REFUSED_ROLE = re.compile(r"on resource: (?P<role>arn:[^\s\"']+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How a role is assumed, and so what its trust policy must allow.

    Attributes:
        principal: of the statement.
        actions: of STS; the first is the call that assumes the role.
        conditions: what the caller sends, or the token says.
    """

    principal: Mapping[str, str]
    actions: tuple[str, ...] = (ASSUME,)
    conditions: Mapping[str, str]

    def statement(self) -> dict[str, Any]:
        """Return the statement of the role's trust policy."""
        actions = self.actions[0] if len(self.actions) == 1 else list(self.actions)
        allowed: dict[str, Any] = {"Effect": "Allow", "Principal": dict(self.principal), "Action": actions}
        return allowed | ({"Condition": {"StringEquals": dict(self.conditions)}} if self.conditions else {})

    def require(self, refusal: Refusal) -> Trust:
        """Return a trust in the caller that STS names, and in the action that it refuses."""
        actions = dict.fromkeys([*self.actions, *([refusal.action] if refusal.action else [])])
        principal = self.principal
        if refusal.caller and "AWS" in principal:
            principal = {"AWS": refusal.caller}
        return replace(self, principal=principal, actions=tuple(actions))


def trust_workers(role: str, external_id: str | None, *, actions: tuple[str, ...] = ()) -> Trust:
    """Return the trust in the role that the workers run as.

    Args:
        role: to assume; the principal is in its partition.
        external_id: sent with the call.
        actions: more of STS, such as sts:TagSession where the call sends tags.
    """
    return Trust(
        principal={"AWS": f"arn:{find_partition(role) or 'aws'}:{_WORKERS}"},
        actions=(ASSUME, *actions),
        conditions={"sts:ExternalId": external_id} if external_id else {},
    )


def trust_web_identity(role: str, claims: Mapping[str, str]) -> Trust:
    """Return the trust in the tokens of an identity provider.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html

    Args:
        role: to assume; the provider is in its account.
        claims: iss, sub and aud of a token; a name to replace stands for each that is missing.
    """
    issuer = claims.get("iss", _ISSUER).removeprefix("https://").rstrip("/")
    subject, audience = claims.get("sub", _SUBJECT), claims.get("aud", _AUDIENCE)
    if issuer == _GOOGLE:  # IAM knows Google by itself, and calls the audience of its tokens oaud
        conditions = {f"{_GOOGLE}:oaud": audience, f"{_GOOGLE}:sub": subject}
        return Trust(
            principal={"Federated": _GOOGLE}, actions=(ASSUME_WITH_WEB_IDENTITY,), conditions=conditions
        )
    return Trust(
        principal={"Federated": f"{_account_arn(role)}:oidc-provider/{issuer}"},
        actions=(ASSUME_WITH_WEB_IDENTITY,),
        conditions={f"{issuer}:aud": audience, f"{issuer}:sub": subject},
    )


def trust_saml(role: str, provider: str | None) -> Trust:
    """Return the trust in the assertions of a SAML provider.

    Args:
        role: to assume.
        provider: its ARN; None if it is unknown.
    """
    sign_in = _SAML_SIGN_IN.get(find_partition(role) or "aws")
    return Trust(
        principal={"Federated": provider or f"{_account_arn(role)}:saml-provider/THE-PROVIDER"},
        actions=(ASSUME_WITH_SAML,),
        conditions={"SAML:aud": sign_in} if sign_in else {},
    )


def _account_arn(role: str) -> str:
    """Return the start of an ARN of IAM in a role's account."""
    account = role.split(":")[4] if role.startswith("arn:") else ""
    return f"arn:{find_partition(role) or 'aws'}:iam::{account or '0' * 12}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the message of STS says about a refusal.

    Attributes:
        caller: ARN for a policy; None if it is not named.
        action: that was refused; None if the message names none.
        role: ARN; None if it is not named.
        by_deny: a statement with Deny refuses, which no Allow overrides.
        lacks_own_policy: the caller's own policy does not allow the call.
    """

    caller: str | None
    action: str | None
    role: str | None
    by_deny: bool
    lacks_own_policy: bool


def read_refusal(message: str) -> Refusal:
    """Read a message such as "User: arn:... is not authorized to perform: sts:AssumeRole ..."."""
    refused, on = _REFUSED.search(message), _REFUSED_ROLE.search(message)
    caller = refused and refused["caller"]
    return Refusal(
        caller=find_role(caller) if caller else None,
        action=refused["action"] if refused else None,
        role=on["role"] if on else None,
        by_deny="explicit deny" in message,
        lacks_own_policy="no identity-based policy allows" in message,
    )
