"""Sessions of botocore from connections, with errors of this package.

botocore fetches credentials when they are first used, and again before they expire. So the credentials
themselves convert errors, wherever botocore asks for them.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from s3copy_tasks.s3.extra import ASSUME_ROLE
from s3copy_tasks.s3.identity import make_session_name
from s3copy_tasks.s3.models import LOADER
from s3copy_tasks.s3.quiet_logs import drop_tracebacks
from s3copy_tasks.s3.regions import region_of_environment
from s3copy_tasks.s3.session_errors import explain_no_session

if TYPE_CHECKING:
    from mypy_boto3_sts.client import STSClient

    from s3copy_tasks.s3.settings import Settings
    from s3copy_tasks.s3.side_connection import SideConnection

CONNECT_TIMEOUT_SECONDS = 10
_STS_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
)


def open_session(of: SideConnection) -> Session:
    """Return a session whose credentials are there, and refresh themselves, or that signs nothing.

    Raises:
        CopyError: see `explain_no_session`.
    """
    drop_tracebacks()
    try:
        session = _make_session(of.settings)
        if of.settings.is_anonymous:
            return session
        checked = _CheckedCredentials(session.get_credentials(), of)
        checked.get_frozen_credentials()
    except Exception as error:  # noqa: BLE001 - the provider and botocore raise many kinds
        raise explain_no_session(error, of) from None
    _set_credentials(session, checked)
    return session


def make_sts_client(session: Session, settings: Settings, region: str | None = None) -> STSClient:
    """Return a client of STS, which is reached as S3 is.

    Args:
        session: signs.
        settings: has the endpoint and the proxies, which are for all of AWS.
        region: by default that of the session.
    """
    client: Any = session.create_client(
        "sts",
        region_name=region,
        endpoint_url=settings.sts_endpoint_url,
        config=_sts_config(settings),
    )
    return client  # type: ignore[no-any-return]


class _CheckedCredentials:
    """Credentials of botocore whose errors are this package's.

    Args:
        credentials: of a session.
        of: for messages.
    """

    def __init__(self, credentials: Any, of: SideConnection) -> None:
        self._credentials = credentials
        self._of = of

    def get_frozen_credentials(self) -> Any:
        """Return what to sign with; a role's credentials are fetched before they expire."""
        try:
            return _freeze(self._credentials)
        except Exception as error:  # noqa: BLE001 - a file, a server, botocore or the provider
            raise explain_no_session(error, self._of) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._credentials, name)


def _freeze(credentials: Any) -> Any:
    if credentials is None:
        raise NoCredentialsError
    return credentials.get_frozen_credentials()


def _make_session(settings: Settings) -> Session:
    basic = _make_basic_session(settings)
    if settings.role_arn is None:
        return basic
    region = basic.get_config_variable("region")
    if settings.method == ASSUME_ROLE:
        credentials = _assume_role(basic, settings)
    else:
        from s3copy_tasks.s3.federation import assume_federated_role  # noqa: PLC0415 - imports Airflow

        credentials = assume_federated_role(settings, region, _sts_config(settings))
    session = _new_session(settings, region)
    _set_credentials(session, credentials)
    return session


def _make_basic_session(settings: Settings) -> Session:
    """Return a session with what the connection says; the environment has the rest."""
    session = _new_session(settings, settings.region)
    if settings.profile is not None:
        session.set_config_variable("profile", settings.profile)
    if any(settings.keys):
        keys: Any = settings.keys
        session.set_credentials(*keys)
    if session.get_config_variable("region") is None:  # nor in a profile or AWS_DEFAULT_REGION
        session.set_config_variable("region", region_of_environment())
    return session


def _new_session(settings: Settings, region: str | None) -> Session:
    """Return a session that shares botocore's models with all others, and checks certificates as S3's are."""
    session = Session()
    session.register_component("data_loader", LOADER)
    if region is not None:
        session.set_config_variable("region", region)
    if settings.verify is not None:
        session.set_config_variable("ca_bundle", settings.verify)
    return session


def _assume_role(basic: Session, settings: Settings) -> RefreshableCredentials:
    """Return the credentials of a role, which are fetched again before they expire."""
    named = {"RoleSessionName": make_session_name(settings.name)}
    arguments: dict[str, Any] = {**named, **settings.arguments, "RoleArn": settings.role_arn}

    def fetch() -> dict[str, str]:
        with closing(make_sts_client(basic, settings)) as sts:
            granted = sts.assume_role(**arguments)["Credentials"]
        return {
            "access_key": granted["AccessKeyId"],
            "secret_key": granted["SecretAccessKey"],
            "token": granted["SessionToken"],
            "expiry_time": granted["Expiration"].isoformat(),
        }

    return RefreshableCredentials.create_from_metadata(
        metadata=fetch(), refresh_using=fetch, method="sts-assume-role"
    )


def _set_credentials(session: Session, credentials: Any) -> None:
    session._credentials = credentials  # type: ignore[attr-defined]  # noqa: SLF001 - as the Amazon provider does


def _sts_config(settings: Settings) -> Config:
    return add_proxies(_STS_CONFIG, settings)


def add_proxies(config: Config, settings: Settings) -> Config:
    """Add to the options of a client what a connection says of all services: its proxies."""
    own = settings.config
    if own is None:
        return config
    proxies = {name: getattr(own, name) for name in ("proxies", "proxies_config")}
    return config.merge(Config(**proxies))
