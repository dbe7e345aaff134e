"""A side that can't connect: one sentence says which side, which connection, and what to write where."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import AccessError, ConfigError, CopyError, TransientError
from s3copy_tasks.s3.connections import AwsConnectionManager
from tests.support.s3.proxy import Reply
from tests.support.s3.scripted import RESET, Asked, ScriptedServer, certificate, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

ROLE = "arn:aws:iam::111122223333:role/reader"
SECRET = "hunter2-is-secret"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/ABC"
CLAIMS = {
    "iss": f"https://{ISSUER}",
    "sub": "system:serviceaccount:airflow:worker",
    "aud": ["sts.amazonaws.com"],
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAWORKER0000000000", "AWS_SECRET_ACCESS_KEY": SECRET}
WEB_IDENTITY = {
    "assume_role_method": "assume_role_with_web_identity",
    "assume_role_with_web_identity_federation": "file",
}
SAML = {
    "assume_role_method": "assume_role_with_saml",
    "assume_role_with_saml": {
        "principal_arn": "arn:aws:iam::111122223333:saml-provider/corp",
        "idp_url": "https://idp.example.org/",
        "idp_auth_method": "http_spegno_auth",
        "saml_response_xpath": "//x",
    },
}


def token(claims: dict[str, Any]) -> str:
    """Return a token as an identity provider issues it; the signature is not checked here."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.{SECRET}"


def granted(action: str = "AssumeRole", *, seconds: float = 3600) -> bytes:
    """Return a reply of STS with credentials."""
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return reply(
        f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result><Credentials>"
        f"<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
        f"<SessionToken>t</SessionToken><Expiration>{expires}</Expiration>"
        f"</Credentials></{action}Result></{action}Response>".encode()
    )


def refused(code: str, message: str = "no", status: int = 403) -> bytes:
    """Return an error of STS."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return reply(body.encode(), status)


class Sts:
    """A scripted STS, and the connection `src` that uses it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: bytes | None = None
        self._environment = monkeypatch
        self.server = ScriptedServer(self._reply)

    def _reply(self, asked: Asked) -> bytes:
        if self.answer is not None:
            return self.answer
        (action,) = parse_qs(asked.body.decode())["Action"]
        return granted(action)

    def calls(self) -> list[dict[str, str]]:
        """Return the calls so far."""
        return [
            {name: value[0] for name, value in parse_qs(a.body.decode()).items()} for a in self.server.asked
        ]

    def regions(self) -> set[str]:
        """Return the regions that the calls were signed for."""
        return {asked.headers["authorization"].split("/")[2] for asked in self.server.asked}

    def connection(self, extra: Any, *, name: str = "src", **fields: Any) -> None:
        """Set the connection; fields that are None are left out."""
        endpoints = {"sts": {"endpoint_url": self.server.url}, "s3": {"endpoint_url": self.server.url}}
        if isinstance(extra, dict):
            extra = {"role_arn": ROLE, "region_name": "us-east-1", "service_config": endpoints} | extra
            extra = {field: value for field, value in extra.items() if value is not ...}
        given = {
            "conn_type": "aws",
            "login": "AKIAWORKER0000000000",
            "password": SECRET,
            "extra": extra,
        } | fields
        given = {field: value for field, value in given.items() if value is not None}
        self.environment(f"AIRFLOW_CONN_{name.upper()}", json.dumps(given))

    def environment(self, name: str, value: str) -> None:
        self._environment.setenv(name, value)


def manager(**changes: Any) -> AwsConnectionManager:
    return AwsConnectionManager(
        Location(bucket="ops", **{"connection": "src"} | changes), "source", TransferOptions()
    )


def connect(**changes: Any) -> None:
    """Connect, and sign something: after that, everything is there that a request needs."""
    client: Any = manager(**changes).connect()
    client._request_signer._credentials.get_frozen_credentials()


def failure(**changes: Any) -> CopyError:
    """Return why a side can't connect; every message names the side, and none has a secret."""
    with pytest.raises(CopyError) as caught:
        connect(**changes)
    error = caught.value
    assert error.message.startswith("source")
    assert SECRET not in str(error)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return error


def missing(error: CopyError) -> dict[str, Any]:
    """Return the statement that a refusal prints."""
    assert error.remedy is not None
    statement: dict[str, Any] = json.loads(error.remedy[error.remedy.index("{") :])
    return statement


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sts]:
    """A scripted STS; nothing of this machine's AWS configuration."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    made = Sts(monkeypatch)
    with made.server:
        yield made


# What is wrong in an extra -> the field, and words about what belongs there.
WRONG: dict[str, tuple[Any, str, str]] = {
    "a role that is a number": ({"role_arn": 5}, "role_arn", "the ARN of a role"),
    "a role that is a name": ({"role_arn": "reader"}, "role_arn", "the ARN of a role"),
    "a role that is a list": ({"role_arn": [ROLE]}, "role_arn", "the ARN of a role"),
    "arguments as text": ({"assume_role_kwargs": "x"}, "assume_role_kwargs", "must be an object"),
    "an option of no Config": ({"config_kwargs": {"foo": 1}}, "config_kwargs.foo", "not an option"),
    "a misspelt option": ({"config_kwargs": {"proxy": {}}}, "config_kwargs.proxy", "did you mean proxies"),
    "options as text": ({"config_kwargs": "x"}, "config_kwargs", "must be an object"),
    "a timeout as text": ({"config_kwargs": {"read_timeout": "5"}}, "config_kwargs.read_timeout", "a number"),
    "a pool as text": (
        {"config_kwargs": {"max_pool_connections": "5"}},
        "config_kwargs.max_pool_connections",
        "a whole number",
    ),
    "retries as a number": ({"config_kwargs": {"retries": 5}}, "config_kwargs.retries", "an object"),
    "retries by an unknown name": ({"config_kwargs": {"retries": {"x": 1}}}, "config_kwargs", "retr"),
    "options of S3 as text": ({"config_kwargs": {"s3": "path"}}, "config_kwargs.s3", "an object"),
    "an unknown style": (
        {"config_kwargs": {"s3": {"addressing_style": "x"}}},
        "config_kwargs",
        "'auto', 'virtual'",
    ),
    "an unknown signature": (
        {"config_kwargs": {"signature_version": "v9"}},
        "config_kwargs.signature_version",
        "s3v4",
    ),
    "a signature as a list": ({"config_kwargs": {"signature_version": []}}, "signature_version", "s3v4"),
    "proxies as text": ({"config_kwargs": {"proxies": "http://x"}}, "config_kwargs.proxies", "an object"),
    "a missing certificate": ({"config_kwargs": {"client_cert": "/no"}}, "client_cert", "exists here"),
    "services as text": ({"service_config": "{}"}, "service_config", "__extra__"),
    "a service as text": ({"service_config": {"s3": "x"}}, "service_config.s3", "must be an object"),
    "an endpoint of a service as a number": (
        {"service_config": {"sts": {"endpoint_url": 5}}},
        "service_config.sts.endpoint_url",
        "a URL",
    ),
    "an endpoint without a scheme": ({"endpoint_url": "host:9000"}, "endpoint_url", "a URL"),
    "an endpoint that is broken": ({"endpoint_url": f"http://u:{SECRET}@[::1"}, "endpoint_url", "a URL"),
    "an endpoint with a password": (
        {"endpoint_url": f"http://u:{SECRET}@host"},
        "endpoint_url",
        "without a user or password",
    ),
    "session arguments as text": ({"session_kwargs": "x"}, "session_kwargs", "an object"),
    "a session argument that is ignored": (
        {"session_kwargs": {"profile_name": "x"}},
        "session_kwargs.profile_name",
        "into the extra itself",
    ),
    "verify as text": ({"verify": "false"}, "verify", "true, false"),
    "verify as a number": ({"verify": 5}, "verify", "true, false"),
    "a missing CA bundle": ({"verify": "/no/ca.pem"}, "verify", "exists here"),
    "a region with a space": ({"region_name": "us west"}, "region_name", '"us-west-2"'),
    "a region that is a number": ({"region_name": 5}, "region_name", '"us-west-2"'),
    "a profile that is a list": ({"profile_name": []}, "profile_name", "~/.aws/config"),
    "an unknown method": ({"assume_role_method": "x"}, "assume_role_method", "assume_role_with_saml"),
    "no federation": (
        WEB_IDENTITY | {"assume_role_with_web_identity_federation": None},
        "_federation",
        "file",
    ),
    "no token file": (WEB_IDENTITY, "assume_role_with_web_identity_token_file", "the path"),
    "no SAML": ({"assume_role_method": "assume_role_with_saml"}, "assume_role_with_saml", "idp_url"),
    "another SAML": (
        SAML | {"assume_role_with_saml": SAML["assume_role_with_saml"] | {"idp_auth_method": "basic"}},  # type: ignore[operator]
        "assume_role_with_saml.idp_auth_method",
        "http_spegno_auth",
    ),
    "broken JSON": ("{x", "extra", "valid JSON"),
    "a list": ("[1]", "extra", "a JSON object"),
    "a text": ('"x"', "extra", "a JSON object"),
}


@pytest.mark.parametrize(("extra", "field", "belongs"), WRONG.values(), ids=WRONG)
def test_a_wrong_extra(sts: Sts, extra: Any, field: str, belongs: str) -> None:
    """One sentence names connection and field, and what belongs there; STS is not asked."""
    sts.connection(extra)
    error = failure()
    assert isinstance(error, ConfigError)
    assert "Airflow connection 'src'" in error.message
    assert field in error.message
    assert belongs in error.message
    assert "\n" not in error.message
    assert sts.calls() == []


@pytest.mark.parametrize(
    ("fields", "lacks"),
    [
        ({"login": None}, "no login"),
        ({"password": None}, "no password"),
        ({"login": "AKIA\n"}, "login begins or ends with white space"),
        ({"password": f"{SECRET} "}, "password begins or ends with white space"),
    ],
    ids=["a secret without its id", "an id without its secret", "a line break", "a blank"],
)
def test_a_key_that_cannot_work(sts: Sts, fields: dict[str, Any], lacks: str) -> None:
    """A key that can't work is not replaced by whatever credentials the environment has."""
    sts.environment("AWS_ACCESS_KEY_ID", "AKIAANOTHER000000000")
    sts.environment("AWS_SECRET_ACCESS_KEY", SECRET)
    sts.connection({}, **fields)
    assert lacks in failure().message
    assert sts.calls() == []


@pytest.mark.parametrize(
    "uri", ["hello", "[1]", f"aws://AKIA:{SECRET}/x@/?region_name=us-east-1", f"aws://AKIA:{SECRET}@:port/"]
)
def test_a_broken_uri(sts: Sts, uri: str) -> None:
    """What is not a connection is reported with the variable's name, never with its text."""
    sts.environment("AIRFLOW_CONN_SRC", uri)
    assert "AIRFLOW_CONN_SRC is set, but is not a connection as JSON or URI" in failure().message


def test_nested_values_of_a_uri(sts: Sts) -> None:
    """A URI holds nested values as JSON in __extra__ only: the message says so."""
    sts.environment(
        "AIRFLOW_CONN_SRC", f"aws://k:p@/?role_arn={ROLE}&service_config=%7B%22sts%22%3A%7B%7D%7D"
    )
    error = failure()
    assert "service_config must be an object" in error.message
    assert "__extra__" in error.message


def test_empty_fields_mean_the_default(sts: Sts) -> None:
    """Airflow's form stores fields that were left empty: they mean the default."""
    sts.connection({"profile_name": "", "assume_role_kwargs": None, "config_kwargs": None, "verify": ""})
    connect()


def test_the_yamls_region_is_for_sts_too(sts: Sts) -> None:
    """A connection without a region uses that of the YAML; its own region comes first."""
    sts.connection({"region_name": ...})
    connect(region="eu-west-1")
    sts.connection({"region_name": "eu-north-1"}, name="other")
    connect(region="eu-west-1", connection="other")
    assert sts.regions() == {"eu-west-1", "eu-north-1"}


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_environments_region(sts: Sts, variable: str) -> None:
    """The variables of all AWS SDKs are used, as AWS users expect."""
    sts.environment(variable, "ap-south-1")
    sts.connection({"region_name": ...})
    connect()
    assert sts.regions() == {"ap-south-1"}


def test_no_region_anywhere(sts: Sts) -> None:
    """The message says where to write a region; the trust policy is not suspected."""
    sts.connection({"region_name": ...})
    error = failure()
    assert error.code == "RoleNotAssumed"
    assert (
        "region_name in the extra of Airflow connection 'src', source.region of the YAML or AWS_REGION"
        in error.message
    )
    assert error.remedy is None
    assert "trust" not in error.message


def test_a_profile_that_does_not_exist(sts: Sts) -> None:
    """The message names the profile and where it belongs; the trust policy is not suspected."""
    sts.connection({"profile_name": "nope"})
    error = failure()
    assert isinstance(error, AccessError)
    assert "(nope)" in error.message
    assert "~/.aws/config" in error.message
    assert "profile_name in the extra of Airflow connection 'src'" in error.message
    assert error.remedy is None


def test_a_misspelt_region_is_suspected(sts: Sts) -> None:
    """A region that botocore does not know is named if STS can't be reached."""
    sts.connection(
        {"region_name": "us-wst-2", "service_config": {"sts": {"endpoint_url": "http://127.0.0.1:9"}}}
    )
    error = failure()
    assert isinstance(error, TransientError)
    assert "'us-wst-2' is not a region that botocore knows" in error.message


@pytest.mark.parametrize(
    "connection",
    ["a b", "Übergröße", "x" * 200, "日本", "a/b:c#d@e"],
    ids=["space", "umlauts", "long", "kanji", "marks"],
)
def test_the_session_has_a_valid_name(sts: Sts, connection: str) -> None:
    """STS takes 2 to 64 characters of a small set, whatever the connection is called."""
    sts.connection({}, name=connection)
    connect(connection=connection)
    (call,) = sts.calls()
    assert 2 <= len(call["RoleSessionName"]) <= 64
    assert call["RoleSessionName"].isascii()
    assert not set(call["RoleSessionName"]) - set("abcdefghijklmnopqrstuvwxyz0123456789_+=,.@-")


def test_a_given_session_name_stays(sts: Sts) -> None:
    """A name in the extra is sent unchanged; so is the name of an ordinary connection."""
    sts.connection({"assume_role_kwargs": {"RoleSessionName": "Nightly"}}, name="named")
    sts.connection({})
    connect(connection="named")
    connect()
    assert [call["RoleSessionName"] for call in sts.calls()] == ["Nightly", "airflow_src"]


# A refusal by AWS's words -> the principal, the actions, and the policy that lacks the statement.
CALLER = "arn:aws:sts::999900009999:assumed-role/airflow/pod-1"
BY = f"User: {CALLER} is not authorized to perform:"


def test_a_trust_policy_that_refuses(sts: Sts) -> None:
    """The trust statement names the caller that STS names, and the external id."""
    sts.connection({"assume_role_kwargs": {"ExternalId": "ext-1"}})
    sts.answer = refused("AccessDenied", f"{BY} sts:AssumeRole on resource: {ROLE}")
    error = failure()
    assert error.code == "RoleNotAssumed"
    assert f"the trust policy of {ROLE}" in (error.remedy or "")
    assert missing(error) == {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::999900009999:role/airflow"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "ext-1"}},
    }


def test_tags_of_a_session_need_their_own_action(sts: Sts) -> None:
    """A pod identity's tags are passed on: the trust policy must allow that, too."""
    sts.connection({})
    sts.answer = refused("AccessDenied", f"{BY} sts:TagSession on resource: {ROLE}")
    assert missing(failure())["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_a_callers_own_policy_that_refuses(sts: Sts) -> None:
    """If STS says that the caller's own policy lacks it, that statement is printed."""
    sts.connection({})
    because = "because no identity-based policy allows the sts:AssumeRole action"
    sts.answer = refused("AccessDenied", f"{BY} sts:AssumeRole on resource: {ROLE} {because}")
    error = failure()
    assert missing(error) == {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}
    assert "Missing from the policy of arn:aws:iam::999900009999:role/airflow" in (error.remedy or "")


def test_an_explicit_deny(sts: Sts) -> None:
    """No Allow helps against a Deny: none is printed."""
    sts.connection({})
    sts.answer = refused(
        "AccessDenied", f"{BY} sts:AssumeRole with an explicit deny in a resource-based policy"
    )
    error = failure()
    assert error.remedy is None
    assert "Deny" in error.message


# A code of STS -> words about what to do; none of them prints a policy.
CODES = {
    "ExpiredToken": "Renew the session token in login and password",
    "InvalidClientTokenId": "Check the access key in login and password of Airflow connection 'src'",
    "RegionDisabledException": "Activate STS in the region",
    "SignatureDoesNotMatch": "Check the access key",
    "ValidationError": "assume_role_kwargs in the extra of Airflow connection 'src'",
    "Whatever": "Check the extra of Airflow connection 'src'",
}


@pytest.mark.parametrize(("code", "words"), CODES.items(), ids=CODES)
def test_a_refusal_that_is_not_about_a_policy(sts: Sts, code: str, words: str) -> None:
    """The message says what to do about what STS says; no policy is printed."""
    sts.connection({})
    sts.answer = refused(code, status=400)
    error = failure()
    assert (error.code, error.remedy) == ("RoleNotAssumed", None)
    assert isinstance(error, AccessError)
    assert words in error.message


@pytest.mark.parametrize(
    "answer",
    [refused("Throttling", status=400), reply(b"", 503), RESET, reply(b"<AssumeRoleResponse><x")],
    ids=["throttled", "down", "reset", "cut"],
)
def test_an_outage_is_worth_a_retry(sts: Sts, answer: bytes) -> None:
    """What STS may do better in a minute is not a wrong connection."""
    sts.connection({})
    sts.answer = answer
    assert isinstance(failure(), TransientError)


def test_an_argument_that_sts_does_not_know(sts: Sts) -> None:
    """Botocore's own words name the argument; the message names its field."""
    sts.connection({"assume_role_kwargs": {"externalId": "x"}})
    error = failure()
    assert '"externalId"' in error.message
    assert "assume_role_kwargs in the extra" in error.message
    assert error.remedy is None


def test_a_name_that_is_ignored_is_suspected(sts: Sts) -> None:
    """If a role is refused, names that the Amazon provider ignores are named."""
    sts.connection({"external_id": "x", "role_kwargs": {}})
    sts.answer = refused("AccessDenied")
    assert 'write assume_role_kwargs: {"ExternalId": "..."}' in failure().message


def test_web_identity(sts: Sts, tmp_path: Path) -> None:
    """A role is assumed by the token in a file."""
    (tmp_path / "token").write_text(token(CLAIMS))
    sts.connection(
        WEB_IDENTITY | {"assume_role_with_web_identity_token_file": str(tmp_path / "token")},
        login=None,
        password=None,
    )
    connect()
    (call,) = sts.calls()
    assert (call["Action"], call["RoleArn"]) == ("AssumeRoleWithWebIdentity", ROLE)


def web_identity(
    sts: Sts, tmp_path: Path, where: str, claims: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Configure a role by a token: in a connection, or in the environment of a pod on EKS."""
    file = tmp_path / "token"
    file.write_text(token(claims or CLAIMS))
    if where == "connection":
        sts.connection(
            WEB_IDENTITY | {"assume_role_with_web_identity_token_file": str(file)}, login=None, password=None
        )
        return {}
    for name, value in {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
        "AWS_ENDPOINT_URL_STS": sts.server.url,
        "AWS_REGION": "us-west-2",
    }.items():
        sts.environment(name, value)
    return {"connection": None}


IDENTITIES = pytest.mark.parametrize("where", ["connection", "environment"])


@IDENTITIES
def test_web_identity_that_is_refused(
    sts: Sts, tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trust statement has the provider and the conditions of the token; no traceback is logged."""
    changes = web_identity(sts, tmp_path, where)
    sts.answer = refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    with caplog.at_level(logging.DEBUG, "botocore.credentials"):
        error = failure(**changes)
    assert error.code == "RoleNotAssumed"
    assert missing(error) == {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": "system:serviceaccount:airflow:worker",
            }
        },
    }
    assert not any(record.exc_info for record in caplog.records)


def test_a_pods_role_on_the_way_to_another(sts: Sts, tmp_path: Path) -> None:
    """If the pod's own role is refused, its trust policy is the one to change, not that of the job's role."""
    web_identity(sts, tmp_path, "environment")
    sts.connection({"role_arn": f"{ROLE}-of-the-job"}, login=None, password=None)
    sts.answer = refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    error = failure()
    assert f"the trust policy of {ROLE}: " in (error.remedy or "")
    assert missing(error)["Action"] == "sts:AssumeRoleWithWebIdentity"


@IDENTITIES
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"], ids=["missing", "empty", "not text"])
def test_a_token_file_that_cannot_be_used(
    sts: Sts, tmp_path: Path, where: str, content: bytes | None
) -> None:
    """The message names the file and the field, or the variable, that names it; no policy is printed."""
    changes, file = web_identity(sts, tmp_path, where), tmp_path / "token"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    error = failure(**changes)
    assert (error.code, error.remedy) == ("RoleNotAssumed", None)
    assert f"the web identity token file '{file}' can't be used" in error.message
    place = {
        "connection": "assume_role_with_web_identity_token_file in the extra of Airflow connection 'src'"
    }
    assert place.get(where, "AWS_WEB_IDENTITY_TOKEN_FILE in the environment") in error.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidIdentityToken", "an identity provider for the issuer"),
        ("ExpiredTokenException", "has expired"),
    ],
)
@IDENTITIES
def test_a_token_that_is_refused(sts: Sts, tmp_path: Path, where: str, code: str, words: str) -> None:
    """What is wrong with the token is not the trust policy's fault."""
    changes = web_identity(sts, tmp_path, where)
    sts.answer = refused(code, status=400)
    error = failure(**changes)
    assert (error.code, error.remedy) == ("RoleNotAssumed", None)
    assert words in error.message


def test_a_refresh_that_is_refused(sts: Sts, tmp_path: Path) -> None:
    """An hour later the same sentence says why the role can't be assumed again."""
    web_identity(sts, tmp_path, "connection")
    sts.answer = granted("AssumeRoleWithWebIdentity", seconds=300)
    client: Any = manager().connect()
    (tmp_path / "token").unlink()
    with pytest.raises(AccessError) as caught:
        client._request_signer._credentials.get_frozen_credentials()
    assert caught.value.code == "RoleNotAssumed"
    assert "the web identity token file" in caught.value.message


def test_a_renewal_that_is_refused_in_mid_run(sides: Sides, proxy: Proxy) -> None:
    """Credentials expire, and STS refuses new ones: that is the error, and no permission of S3 is missing."""
    sides.put("data/a")
    job = sides.preflight(sides.job()).job

    def answer(request: Request) -> Reply | None:
        if request.target == "/":
            return Reply.sts_error("AccessDenied", "no")
        return Reply.error(400, "ExpiredToken")

    proxy.answer = answer
    for step in (sides.preflight, sides.plan):
        with pytest.raises(AccessError) as caught:
            step(job)
        assert caught.value.code == "RoleNotAssumed"
        assert "ListBucket" not in caught.value.message
        assert caught.value.message.startswith(("source: no session with", "destination: no session with"))


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_an_access_key_that_s3_does_not_know(sides: Sides, proxy: Proxy, code: str) -> None:
    """A wrong key is not a missing permission: no policy is printed."""
    proxy.answer = lambda request: Reply.error(403, code) if request.kind == "ListObjectsV2" else None
    with pytest.raises(AccessError) as caught:
        sides.preflight(sides.job())
    assert "login and password of its connection" in caught.value.message
    assert "Missing from" not in caught.value.message


def test_a_clock_that_is_hours_ahead(sts: Sts, tmp_path: Path) -> None:
    """Credentials that have expired when they arrive are the clock's fault."""
    web_identity(sts, tmp_path, "connection")
    sts.answer = granted("AssumeRoleWithWebIdentity", seconds=-60)
    assert "Check the clock of this machine" in failure().message


def test_what_a_trust_policy_needs(sts: Sts, tmp_path: Path) -> None:
    """Without a request: each method has its own statement, with names to replace where nothing is known."""
    web_identity(sts, tmp_path, "connection")
    (tmp_path / "token").write_text("not a token")
    (federated,) = manager().identity().trust().statement()["Principal"].values()
    assert federated.startswith("arn:aws:iam::111122223333:oidc-provider/")
    sts.connection(SAML)
    assert manager().identity().trust().statement() == {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111122223333:saml-provider/corp"},
        "Action": "sts:AssumeRoleWithSAML",
        "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
    }
    google = {"assume_role_with_web_identity_federation": "google"}
    sts.connection(WEB_IDENTITY | google | {"assume_role_with_web_identity_federation_audience": "me"})
    trusted = manager().identity().trust().statement()
    assert trusted["Principal"] == {"Federated": "accounts.google.com"}
    assert trusted["Condition"]["StringEquals"]["accounts.google.com:oaud"] == "me"
    assert sts.calls() == []


@pytest.mark.parametrize(
    "answer",
    [refused("AccessDenied"), reply(b"not JSON"), reply(b"{}"), reply(b"", 500)],
    ids=["refused", "not JSON", "empty", "down"],
)
def test_a_containers_credentials_that_fail(sts: Sts, answer: bytes) -> None:
    """ECS and EKS Pod Identity: what their endpoint answers is one sentence, too."""
    sts.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{sts.server.url}/creds")
    sts.answer = answer
    error = failure(connection=None)
    assert error.code == "RoleNotAssumed"
    assert "the environment's own credentials" in error.message


def test_a_containers_token_that_is_missing(sts: Sts, tmp_path: Path) -> None:
    """EKS Pod Identity keeps its token in a file."""
    sts.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{sts.server.url}/creds")
    sts.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "none"))
    assert f"'{tmp_path / 'none'}'" in failure(connection=None).message


# Files and variables of AWS -> words of the sentence about them.
OF_THE_ENVIRONMENT = {
    "a broken file": ("[profile x\n", {}, "Correct that file"),
    "an unknown profile": ("", {"AWS_PROFILE": "nope"}, "(nope) could not be found"),
    "a profile without a source": (f"[profile x]\nrole_arn={ROLE}", {"AWS_PROFILE": "x"}, "source_profile"),
    "a profile with an unknown source": (
        f"[profile x]\nrole_arn={ROLE}\nsource_profile=y",
        {"AWS_PROFILE": "x"},
        "Correct the profile in ~/.aws/config",
    ),
    "a process that fails": (
        "[profile x]\ncredential_process=/bin/false",
        {"AWS_PROFILE": "x"},
        "custom-process",
    ),
    "a process that is missing": (
        "[profile x]\ncredential_process=/no/process",
        {"AWS_PROFILE": "x"},
        "can't read '/no/process'",
    ),
    "a process that prints a secret": (
        f"[profile x]\ncredential_process=/bin/echo {SECRET}",
        {"AWS_PROFILE": "x"},
        "a value can't work",
    ),
    "half a key": ("", {"AWS_ACCESS_KEY_ID": "AKIA"}, "missing: AWS_SECRET_ACCESS_KEY"),
    "a token without a role": ("", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no"}, "AWS_ROLE_ARN"),
    "a role that is a name": (
        "",
        {"AWS_WEB_IDENTITY_TOKEN_FILE": __file__, "AWS_ROLE_ARN": "r", "AWS_REGION": "us-east-1"},
        "Check AWS_ROLE_ARN",
    ),
    "a container elsewhere": (
        "",
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org/"},
        "environment",
    ),
    "a broken endpoint": ("", KEYS | {"AWS_ENDPOINT_URL": "nope"}, "Check source.endpoint_url of the YAML"),
    "a region with a space": ("", KEYS | {"AWS_REGION": "us west"}, "AWS_REGION"),
}


@pytest.mark.parametrize(
    ("config", "variables", "words"), OF_THE_ENVIRONMENT.values(), ids=OF_THE_ENVIRONMENT
)
def test_a_wrong_environment(
    sts: Sts, tmp_path: Path, config: str, variables: dict[str, str], words: str
) -> None:
    """Credentials of files and variables that can't work are one sentence, too."""
    (tmp_path / "config").write_text(config)
    for name, value in variables.items():
        sts.environment(name, value)
    error = failure(connection=None)
    assert words in error.message
    assert "\n" not in error.message
    assert error.remedy is None


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_settings_of_a_connection_are_for_sts_too(
    sts: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA bundle and the proxies of a connection are used for S3 and for STS."""
    monkeypatch.setenv("NO_PROXY", "")
    pem = certificate(tmp_path / "sts.pem")
    with ScriptedServer(lambda _: granted(), tls=pem) as tls:
        endpoint = {"service_config": {"sts": {"endpoint_url": tls.url}}}
        sts.connection(endpoint)
        assert "verify in the extra of Airflow connection 'src'" in failure().message
        for verify in (str(pem), False):
            sts.connection(endpoint | {"verify": verify})
            connect()
    sts.connection(
        {
            "service_config": {"sts": {"endpoint_url": "http://sts.example.org"}},
            "config_kwargs": {"proxies": {"http": sts.server.url}},
        }
    )
    connect()
    assert [asked.target for asked in sts.server.asked] == ["http://sts.example.org/"]


def test_no_credentials_at_all(sts: Sts) -> None:
    """The message says where credentials may come from."""
    error = failure(connection=None)
    assert error.code == "RoleNotAssumed"
    assert "the role of an instance or a container" in error.message


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-west-2", "aws"),
        ("garage", "aws"),
        (None, "aws"),
    ],
)
def test_the_partition_of_a_region(sts: Sts, region: str | None, partition: str) -> None:
    """A region is enough to know the partition; a connection that is elsewhere does not matter."""
    assert manager(connection="missing", region=region).partition() == partition
    assert manager(connection=None, region=region).partition() == partition
