"""Which role signs for a side, and how it is assumed, by its connection or the environment. No request."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from s3copy_tasks.iam.trust import (
    ASSUME,
    ASSUME_WITH_SAML,
    ASSUME_WITH_WEB_IDENTITY,
    Trust,
    trust_saml,
    trust_web_identity,
    trust_workers,
)
from s3copy_tasks.s3.extra import (
    ASSUME_ROLE,
    AUDIENCE,
    FEDERATION,
    SAML,
    TOKEN_FILE,
    TOKEN_FILE_VARIABLE,
    WEB_IDENTITY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.s3.settings import Settings

_ACTIONS = {ASSUME_ROLE: ASSUME, SAML: ASSUME_WITH_SAML, WEB_IDENTITY: ASSUME_WITH_WEB_IDENTITY}
_SENT = {"Tags": "sts:TagSession", "SourceIdentity": "sts:SetSourceIdentity"}
"""What a call may send, and the action that its trust policy must allow besides."""
_NOT_IN_A_NAME = re.compile(r"[^\w+=,.@-]+", re.ASCII)
_NAME_LENGTH_MAX = 64
_CLAIMS = ("iss", "sub", "aud")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A role, and how it is assumed.

    Attributes:
        role: its ARN; None for credentials that are used as they are.
        action: of STS, that assumes it.
        sent: arguments of the call.
        token_file: with a token of an identity provider; None if there is none.
        google: the tokens are Google's.
        audience: of Google's tokens.
        saml_provider: ARN of a SAML provider.
    """

    role: str | None = None
    action: str = ASSUME
    sent: Mapping[str, Any]
    token_file: str | None = None
    google: bool = False
    audience: str | None = None
    saml_provider: str | None = None

    def trust(self, role: str | None = None) -> Trust:
        """Return what the trust policy of the role must say.

        Args:
            role: ARN, if `role` is None.
        """
        assumed = self.role or role or ""
        if self.action == ASSUME_WITH_SAML:
            return trust_saml(assumed, self.saml_provider)
        if self.action == ASSUME_WITH_WEB_IDENTITY:
            return trust_web_identity(assumed, self._claims())
        more = tuple(action for name, action in _SENT.items() if self.sent.get(name))
        return trust_workers(assumed, self.sent.get("ExternalId"), actions=more)

    def _claims(self) -> Mapping[str, str]:
        if self.google:
            return {"iss": "accounts.google.com"} | ({"aud": self.audience} if self.audience else {})
        return _read_claims(self.token_file)


UNKNOWN = Identity(sent={})
"""Credentials that are used as they are: which role they belong to, only a request could say."""


def find_identity(settings: Settings) -> Identity:
    """Return the identity of a connection, or of the environment if the connection has no credentials."""
    if settings.role_arn is None:
        own = settings.keys[0] or settings.profile
        return UNKNOWN if own else find_environment_identity()
    extra = settings.extra
    return Identity(
        role=settings.role_arn,
        action=_ACTIONS[settings.method or ASSUME_ROLE],
        sent=settings.arguments,
        token_file=extra.get(TOKEN_FILE) or os.environ.get(TOKEN_FILE_VARIABLE),
        google=extra.get(FEDERATION) == "google",
        audience=extra.get(AUDIENCE),
        saml_provider=extra.get(SAML, {}).get("principal_arn"),
    )


def find_environment_identity() -> Identity:
    """Return the role of a pod on EKS (IRSA), which the environment names; else none is known."""
    role, token_file = os.environ.get("AWS_ROLE_ARN"), os.environ.get(TOKEN_FILE_VARIABLE)
    others = os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE")  # boto3 prefers them
    if not role or not token_file or others:
        return UNKNOWN
    return Identity(role=role, action=ASSUME_WITH_WEB_IDENTITY, sent={}, token_file=token_file)


def make_session_name(connection: str) -> str:
    """Return a valid name for a role's session, at most 64 characters, whatever the connection's id."""
    plain = normalize("NFKD", connection).encode("ascii", "ignore").decode()
    return f"airflow_{_NOT_IN_A_NAME.sub('-', plain).lower()}"[:_NAME_LENGTH_MAX]


def _read_claims(token_file: str | None) -> Mapping[str, str]:
    """Return a token's issuer, subject and audience; {} if that can't be read. No other part is public."""
    try:
        body = Path(token_file or "").read_text(encoding="ascii").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        found = {name: claims[name] for name in _CLAIMS if name in claims}
    except (OSError, ValueError, IndexError, TypeError):
        return {}
    if isinstance(found.get("aud"), list):
        found["aud"] = found["aud"][0] if found["aud"] else None
    return {name: value for name, value in found.items() if isinstance(value, str)}
