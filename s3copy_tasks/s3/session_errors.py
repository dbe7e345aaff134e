"""Every error of making a session, as one sentence: which side, which connection, what to write where.

Secrets are never in it: texts of botocore name fields, those of other libraries are left out. A policy is
printed only if a policy is what refuses.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError, ExpiredError, TransientError
from s3copy_tasks.iam.statements import build_remedy
from s3copy_tasks.iam.trust import ASSUME, ASSUME_WITH_WEB_IDENTITY, read_refusal
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.extra import SAML, TOKEN_FILE, TOKEN_FILE_VARIABLE, suggest_names
from s3copy_tasks.s3.identity import find_environment_identity
from s3copy_tasks.s3.regions import is_known_region, region_of_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.s3.identity import Identity
    from s3copy_tasks.s3.side_connection import SideConnection

_SERVER_ERROR = 500
_WRONG_KEY = "Check the access key in {keys}"
_EXPIRED = "Renew the session token in {keys}, or use credentials that renew themselves"
_OF_CALL = "Check {call}"
_OF_ISSUER = (
    "Check that the role's account has an identity provider for the issuer and the audience of the token"
)
_BY_CODE = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IDPRejectedClaim": "The identity provider rejects the token: check that its subject still exists",
    "IncompleteSignature": _WRONG_KEY,
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "InvalidIdentityToken": _OF_ISSUER,
    "MalformedPolicyDocument": _OF_CALL,
    "PackedPolicyTooLarge": _OF_CALL,
    "RegionDisabledException": "Activate STS in the region, or change {region}",
    "SignatureDoesNotMatch": _WRONG_KEY,
    "UnrecognizedClientException": _WRONG_KEY,
    "ValidationError": _OF_CALL,
}
"""What to do, by the code of STS; the names are those of `SideConnection.fields`."""
_BY_KIND: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((boto.ProfileNotFound,), "Add the profile to ~/.aws/config where this runs, or change {profile}"),
    ((boto.NoRegionError,), "Write it into {region}"),
    ((boto.ConfigParseError, boto.ConfigNotFound), "Correct that file"),
    ((boto.InvalidConfigError,), "Correct the profile in ~/.aws/config, or the variables of the environment"),
    ((boto.SSOError, boto.TokenRetrievalError), "Log in again where this runs: aws sso login"),
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError),
        (
            "Write an access key into {keys}, or run where the environment has credentials: variables, a "
            "profile, or the role of an instance or a container"
        ),
    ),
    ((boto.ParamValidationError,), _OF_CALL),
    ((boto.SSLError,), "Write the path of the CA bundle that signed its certificate into {verify}"),
    (
        (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError),
        "Check {region}, {sts_endpoint} and the network",
    ),
)
_OTHERWISE = "Check {connection}"


class _Found(NamedTuple):
    """Why a session failed, what to do about it, and the policy that is missing."""

    reason: CopyError
    advice: str = ""
    remedy: str | None = None


def explain_no_session(error: Exception, of: SideConnection) -> CopyError:
    """Return the error of a session that can't be made, or whose role can't be assumed again.

    Returns:
        TransientError if STS or another source of credentials is down or throttles; ConfigError for a
        region that can't be one; else AccessError with the code RoleNotAssumed.
    """
    explained = error if isinstance(error, CopyError) else _explain(error, of)
    explained.may_be_done = False  # no request was sent to S3
    return explained


def explain_no_client(error: Exception, of: SideConnection) -> ConfigError:
    """Return the error of a client of S3 that can't be made with a session: a value can't work."""
    if isinstance(error, boto.InvalidRegionError):
        return _wrong_region(error, of)
    text = f": {error}" if isinstance(error, boto.BotoCoreError) else ""  # others may hold a URL's password
    msg = (
        f"{of.side}: no client with {of}: {_flat(type(error).__name__ + text)}. "
        f"Check {of.fields()['s3_endpoint']}"
    )
    return ConfigError(msg, code=Code.INVALID_CONFIG)


def _explain(error: Exception, of: SideConnection) -> CopyError:
    if isinstance(error, boto.InvalidRegionError):
        return _wrong_region(error, of)
    read = next(read for kind, read in _READERS if isinstance(error, kind))
    reason, advice, remedy = read(error, of)
    msg = f"{of.side}: no session with {of}: {_flat(str(reason))}"
    if _is_temporary(reason):
        return type(reason)(f"{msg}. {advice}" if advice else msg, code=reason.code)
    advice = advice or _OTHERWISE.format(**of.fields())
    hints = suggest_names(of.settings.extra)
    return AccessError(f"{msg}. {advice}{hints}", code=Code.CREDENTIALS, remedy=remedy)


def _wrong_region(error: boto.InvalidRegionError, of: SideConnection) -> ConfigError:
    msg = f"{of.side}: {_flat(str(error))}. Check {of.fields()['region']}"
    return ConfigError(msg, code=Code.INVALID_CONFIG)


def _is_temporary(reason: CopyError) -> bool:
    """Say whether a retry may help; botocore has already tried to renew what has expired."""
    return isinstance(reason, TransientError) and not isinstance(reason, ExpiredError)


def _read_reply(error: boto.ClientError, of: SideConnection) -> _Found:
    """Read what STS, or another service that gives credentials, says."""
    reason = from_client_error(error)
    if _is_temporary(reason):
        return _Found(reason)
    action = f"sts:{error.operation_name}"
    if reason.code in {"AccessDenied", "AccessDeniedException"} and action.startswith(ASSUME):
        return _read_refusal(reason, action, of)
    if action == ASSUME_WITH_WEB_IDENTITY and isinstance(reason, ExpiredError):
        return _token_file("its token has expired", of)
    return _Found(reason, _BY_CODE.get(reason.code, _OTHERWISE).format(**of.fields()))


def _read_refusal(reason: CopyError, action: str, of: SideConnection) -> _Found:
    """Find the policy that refuses: the role's trust policy, or that of the caller."""
    refusal, identity = read_refusal(reason.reason), _refused_identity(action, of)
    role = refusal.role or identity.role or "the role"
    if refusal.by_deny:
        return _Found(reason, "An explicit Deny refuses it, which no Allow overrides: change the Deny")
    if refusal.lacks_own_policy:
        own = {"Effect": "Allow", "Action": refusal.action or action, "Resource": role}
        remedy = build_remedy(f"the policy of {refusal.caller or 'the caller'}", json.dumps(own))
        return _Found(reason, "The caller's own policy does not allow the call", remedy)
    trusted = identity.trust(role).require(refusal)
    advice = (
        "Check the role's trust policy (principal, ExternalId), and that the caller may call it"
        if action == ASSUME
        else "Check the role's trust policy (provider, conditions)"
    )
    remedy = build_remedy(f"the trust policy of {role}", json.dumps(trusted.statement()))
    return _Found(reason, advice, remedy)


def _refused_identity(action: str, of: SideConnection) -> Identity:
    """Return the identity that was refused: the environment's may have come before the connection's."""
    own = of.identity
    return own if own.action == action else find_environment_identity()


def _read_botocore(error: boto.BotoCoreError, of: SideConnection) -> _Found:
    if isinstance(error, boto.ParamValidationError):
        if "WebIdentityToken" in str(error):
            return _token_file("it holds no token", of)
        report = AccessError(error.kwargs["report"], code=Code.CREDENTIALS)
        return _Found(report, _OF_CALL.format(**of.fields()))
    advice = next((words for kinds, words in _BY_KIND if isinstance(error, kinds)), _OTHERWISE)
    region, fields = of.settings.region or region_of_environment(), of.fields()
    if region and not is_known_region(region):
        fields["region"] += f" ({region!r} is not a region that botocore knows)"
    return _Found(from_transport(error), advice.format(**fields))


def _read_broken_reply(_: ResponseParserError, of: SideConnection) -> _Found:
    """Report a reply of STS without its text, which holds the credentials."""
    return _Found(TransientError(f"the reply to {of} can't be read", code=Code.EMPTY_REPLY))


def _read_broken_text(_: UnicodeDecodeError, of: SideConnection) -> _Found:
    return _token_file("it is not text", of)


def _token_file(reason: str, of: SideConnection) -> _Found:
    place = f"{TOKEN_FILE_VARIABLE} in the environment"
    if TOKEN_FILE in of.settings.extra:
        place = f"{TOKEN_FILE} in {of.fields()['connection']}"
    name = of.identity.token_file or find_environment_identity().token_file
    msg = f"the web identity token file {name!r} can't be used: {reason}"
    return _refuse(msg, f"Check {place}, and what writes that file")


def _read_system_error(error: OSError, of: SideConnection) -> _Found:
    """Read what the system says of a file, or the SAML provider of a request."""
    if error.filename is None:  # an error of requests, which is one of the system's, too
        return _read_saml_reply(error, of)
    if error.filename in {of.identity.token_file, find_environment_identity().token_file}:
        return _token_file(str(error.strerror), of)
    return _refuse(f"can't read {error.filename!r}: {error.strerror}")


def _read_saml_reply(error: OSError, of: SideConnection) -> _Found:
    status = getattr(getattr(error, "response", None), "status_code", None)
    msg = f"the identity provider did not answer as expected: {status or type(error).__name__}"
    if status is None or status >= _SERVER_ERROR:
        return _Found(TransientError(msg, code=Code.ENDPOINT_UNREACHABLE))
    return _refuse(msg, f"Check {SAML} in {of.fields()['connection']}")


def _read_missing_module(error: ModuleNotFoundError, of: SideConnection) -> _Found:
    msg = f"the Python module {error.name} is missing"
    return _refuse(msg, f"Install the package that has it where this runs: {of} needs it")


def _read_wrong_value(_: ValueError, of: SideConnection) -> _Found:
    """Report a value that does not work without its text, such as an endpoint with a password."""
    fields = of.fields()
    return _refuse("a value can't work", f"Check {fields['sts_endpoint']}, and {fields['connection']}")


def _read_runtime_error(error: RuntimeError, of: SideConnection) -> _Found:
    """Read what botocore says of credentials that arrive too late, and the provider of a status."""
    return _refuse(str(error), f"Check the clock of this machine, and {of.fields()['connection']}")


def _read_other(error: Exception, of: SideConnection) -> _Found:
    """Report an error without its text, which may hold a secret."""
    advice = f"Check {SAML} in {of.fields()['connection']}" if of.identity.saml_provider else ""
    return _refuse(f"{type(error).__name__} was raised", advice)


def _refuse(reason: str, advice: str = "") -> _Found:
    return _Found(AccessError(reason, code=Code.CREDENTIALS), advice)


def _flat(text: str) -> str:
    """Return a text of several lines as one, without a period at its end."""
    return " ".join(text.split()).removesuffix(".").removeprefix(f"{Code.CREDENTIALS}: ")


_READERS: tuple[tuple[type[Exception], Callable[[Any, SideConnection], _Found]], ...] = (
    (boto.ClientError, _read_reply),
    (boto.BotoCoreError, _read_botocore),
    (ResponseParserError, _read_broken_reply),
    (UnicodeDecodeError, _read_broken_text),
    (ValueError, _read_wrong_value),
    (OSError, _read_system_error),
    (ModuleNotFoundError, _read_missing_module),
    (RuntimeError, _read_runtime_error),
    (Exception, _read_other),
)
