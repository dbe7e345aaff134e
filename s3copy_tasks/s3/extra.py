"""What belongs in the extra of an Airflow connection of type aws: one table of its fields.

The Amazon provider checks little of it, and fails wherever it comes across a wrong value.
https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/connections/aws.html
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import AUTH_TYPE_MAPS
from botocore.config import Config
from botocore.exceptions import BotoCoreError, InvalidRegionError
from botocore.utils import is_valid_endpoint_url, is_valid_ipv6_endpoint_url, validate_region_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WEB_IDENTITY = "assume_role_with_web_identity"
SAML = "assume_role_with_saml"
ASSUME_ROLE = "assume_role"
METHODS = (ASSUME_ROLE, SAML, WEB_IDENTITY)
FEDERATION = f"{WEB_IDENTITY}_federation"
TOKEN_FILE = f"{WEB_IDENTITY}_token_file"
AUDIENCE = f"{FEDERATION}_audience"
TOKEN_FILE_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - a name
_KEY_ID, _SECRET = "aws_access_key_id", "aws_secret_access_key"
_OF_SESSION = (_KEY_ID, _SECRET, "aws_session_token")
_OF_SAML = ("principal_arn", "idp_url", "idp_auth_method", "saml_response_xpath")
_SIGNATURES = frozenset({*AUTH_TYPE_MAPS, "unsigned"})
_IN_A_URI = "; in a URI, write it as JSON into the parameter __extra__"


class _Field(NamedTuple):
    """What belongs in a field: a check, and the same in words."""

    fits: Callable[[Any], bool]
    belongs: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return _is_text(value) and os.path.exists(value)  # noqa: PTH110 - Path.exists raises where a name is too long


def _is_url(value: Any) -> bool:
    """Say whether boto3 accepts an endpoint, and its errors may quote it."""
    try:
        return (
            _is_text(value)
            and urlsplit(value).scheme in {"http", "https"}
            and "@" not in urlsplit(value).netloc
            and (is_valid_endpoint_url(value) or is_valid_ipv6_endpoint_url(value))
        )
    except ValueError:
        return False


def _is_region(value: Any) -> bool:
    try:
        validate_region_name(value)
    except (InvalidRegionError, TypeError):
        return False
    return True


_TEXT = _Field(_is_text, "text")
_BOOLEAN = _Field(_is_boolean, f"true or false, without quotes{_IN_A_URI}")
_SECONDS = _Field(_is_number, f"a number of seconds, such as 60{_IN_A_URI}")
_URL = _Field(_is_url, 'a URL without a user or password, such as "https://s3.example.org"')
_FIELDS = {
    _KEY_ID: _TEXT,
    _SECRET: _TEXT,
    "aws_session_token": _TEXT,
    "region_name": _Field(_is_region, 'a region, such as "us-west-2"'),
    "profile_name": _Field(_is_text, "the name of a profile in ~/.aws/config"),
    "endpoint_url": _URL,
    "verify": _Field(
        lambda value: _is_boolean(value) or _is_path(value),
        f"true, false, or the path of a CA bundle that exists here{_IN_A_URI}",
    ),
    "role_arn": _Field(
        lambda value: _is_text(value) and value.startswith("arn:"),
        'the ARN of a role, such as "arn:aws:iam::111122223333:role/reader"',
    ),
    "assume_role_method": _Field(lambda value: value in METHODS, " or ".join(METHODS)),
    "assume_role_kwargs": _Field(_is_object, f'an object, such as {{"ExternalId": "..."}}{_IN_A_URI}'),
    "config_kwargs": _Field(
        _is_object, f'an object, such as {{"s3": {{"addressing_style": "path"}}}}{_IN_A_URI}'
    ),
    "service_config": _Field(
        _is_object, f'an object, such as {{"sts": {{"endpoint_url": "https://..."}}}}{_IN_A_URI}'
    ),
    "session_kwargs": _Field(_is_object, f"an object with {', '.join(_OF_SESSION)}{_IN_A_URI}"),
    SAML: _Field(_is_object, f"an object with {', '.join(_OF_SAML)}{_IN_A_URI}"),
    FEDERATION: _Field(lambda value: value in ("file", "google"), "file or google"),
    TOKEN_FILE: _Field(_is_text, "the path of a file with the token"),
    AUDIENCE: _TEXT,
}
_OF_BOTOCORE = {
    "region_name": _FIELDS["region_name"],
    "signature_version": _Field(
        lambda value: _is_text(value) and value in _SIGNATURES, "a signature, such as s3v4 or unsigned"
    ),
    "user_agent": _TEXT,
    "user_agent_extra": _TEXT,
    "user_agent_appid": _TEXT,
    "connect_timeout": _SECONDS,
    "read_timeout": _SECONDS,
    "max_pool_connections": _Field(_is_count, "a whole number, such as 10"),
    "parameter_validation": _BOOLEAN,
    "tcp_keepalive": _BOOLEAN,
    "inject_host_prefix": _BOOLEAN,
    "use_dualstack_endpoint": _BOOLEAN,
    "use_fips_endpoint": _BOOLEAN,
    "ignore_configured_endpoint_urls": _BOOLEAN,
    "disable_request_compression": _BOOLEAN,
    "s3": _Field(_is_object, 'an object, such as {"addressing_style": "path"}'),
    "retries": _Field(_is_object, 'an object, such as {"max_attempts": 3}'),
    "proxies": _Field(
        lambda value: _is_object(value) and all(map(_is_text, value.values())),
        'an object of URLs, such as {"https": "http://proxy.example.org:3128"}',
    ),
    "proxies_config": _Field(_is_object, 'an object, such as {"proxy_ca_bundle": "/etc/ssl/ca.pem"}'),
    "client_cert": _Field(
        lambda value: all(map(_is_path, value if isinstance(value, list) else [value])),
        "the path of a certificate that exists here, or a list of it and its key",
    ),
}
"""Options of botocore's Config whose values it does not check."""


def find_problems(extra: dict[str, Any], *, login: str | None, password: str | None) -> list[str]:
    """Return what is wrong with an extra, each as words that name the field and what belongs there.

    Values are never quoted: any of them may be a secret.

    Args:
        extra: of the connection, without fields that are empty.
        login: of the connection.
        password: of the connection.
    """
    wrong = [*_wrong_fields(extra, _FIELDS)]
    if wrong:
        return wrong
    return [
        *_blank_keys(extra | {"login": login, "password": password}),
        *_half_a_key(extra, login, password),
        *_wrong_session(extra.get("session_kwargs", {})),
        *_wrong_config(extra.get("config_kwargs", {})),
        *_wrong_services(extra.get("service_config", {})),
        *(_wrong_federation(extra) if extra.get("role_arn") else ()),
    ]


def suggest_names(extra: Mapping[str, Any]) -> str:
    """Return a remark about fields that the provider ignores; empty if it knows all."""
    unknown = {name: get_close_matches(str(name), _FIELDS, n=1) for name in extra if name not in _FIELDS}
    hints = [f"{name!r} (did you mean {close[0]!r}?)" for name, close in unknown.items() if close]
    if "external_id" in unknown:
        hints.append('\'external_id\' (write assume_role_kwargs: {"ExternalId": "..."})')
    return f". The extra has names that are ignored: {', '.join(hints)}" if hints else ""


def _wrong_fields(given: Mapping[str, Any], fields: Mapping[str, _Field], within: str = "") -> Iterator[str]:
    for name, field in fields.items():
        if given.get(name) is not None and not field.fits(given[name]):
            yield f"{within}{name} must be {field.belongs}"


def _blank_keys(extra: Mapping[str, Any]) -> Iterator[str]:
    """Find a key that was pasted with white space: no header may have it."""
    for name in ("login", "password", *_OF_SESSION):
        if extra.get(name) and extra[name] != extra[name].strip():
            yield f"{name} begins or ends with white space"


def _half_a_key(extra: Mapping[str, Any], login: str | None, password: str | None) -> Iterator[str]:
    """Find a key without its secret, and the reverse: the provider would ignore it silently."""
    if bool(login) != bool(password) and not (extra.get(_KEY_ID) and extra.get(_SECRET)):
        has, lacks = ("login", "password") if login else ("password", "login")
        yield f"it has a {has} but no {lacks}: login is the access key id, password the secret access key"
    for within, keys in (("", extra), ("session_kwargs.", extra.get("session_kwargs", {}))):
        if bool(keys.get(_KEY_ID)) != bool(keys.get(_SECRET)) and not (login and password):
            has, lacks = (_KEY_ID, _SECRET) if keys.get(_KEY_ID) else (_SECRET, _KEY_ID)
            yield f"it has {within}{has} but no {within}{lacks}"


def _wrong_session(given: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrong_fields(given, dict.fromkeys(_OF_SESSION, _TEXT), "session_kwargs.")
    for name in given:
        if name not in _OF_SESSION:
            place = ": write it into the extra itself" if name in _FIELDS else ""
            yield f"session_kwargs.{name} is ignored by the Amazon provider{place}"


def _wrong_config(given: Mapping[str, Any]) -> Iterator[str]:
    for name in given:
        if name not in Config.OPTION_DEFAULTS:
            close = get_close_matches(str(name), Config.OPTION_DEFAULTS, n=1)
            meant = f": did you mean {close[0]}?" if close else ""
            yield f"config_kwargs.{name} is not an option of botocore's Config{meant}"
            return
    wrong = [*_wrong_fields(given, _OF_BOTOCORE, "config_kwargs.")]
    yield from wrong or _refused_config(given)


def _refused_config(given: Mapping[str, Any]) -> Iterator[str]:
    try:
        Config(**given)
    except BotoCoreError as error:
        yield f"config_kwargs: {error}"
    except (TypeError, ValueError, AttributeError):
        yield "config_kwargs has a value that botocore's Config does not accept"


def _wrong_services(given: Mapping[str, Any]) -> Iterator[str]:
    for name, service in given.items():
        if not isinstance(service, dict):
            yield f'service_config.{name} must be an object, such as {{"endpoint_url": "https://..."}}'
        else:
            yield from _wrong_fields(service, {"endpoint_url": _URL}, f"service_config.{name}.")


def _wrong_federation(extra: Mapping[str, Any]) -> Iterator[str]:
    """Name what a role that is assumed by a token or an assertion lacks."""
    method = extra.get("assume_role_method")
    if method == WEB_IDENTITY and FEDERATION not in extra:
        yield f"{FEDERATION} is missing: it must be file or google"
    elif method == WEB_IDENTITY and extra[FEDERATION] == "file":
        if not (extra.get(TOKEN_FILE) or os.environ.get(TOKEN_FILE_VARIABLE)):
            yield f"{TOKEN_FILE} is missing: it must be the path of a file with the token"
    elif method == SAML:
        saml = extra.get(SAML, {})
        missing = [name for name in _OF_SAML if not saml.get(name)]
        if missing:
            yield f"{SAML} must be an object with {', '.join(_OF_SAML)}; it lacks {', '.join(missing)}"
        elif saml["idp_auth_method"] != "http_spegno_auth":
            yield f"{SAML}.idp_auth_method must be http_spegno_auth"
