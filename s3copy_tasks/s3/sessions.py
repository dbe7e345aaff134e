"""Sessions of boto3 from connections, by the Amazon provider, with errors of this package.

The provider's sessions fetch credentials when they are first used, and again before they expire. So the
credentials themselves convert errors, wherever botocore asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import NoCredentialsError

from s3copy_tasks.s3.identity import make_session_name
from s3copy_tasks.s3.regions import LOADER, region_of_environment
from s3copy_tasks.s3.session_errors import explain_no_session

if TYPE_CHECKING:
    import boto3
    from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

    from s3copy_tasks.s3.side_connection import SideConnection

CONNECT_TIMEOUT_SECONDS = 10
_STS_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
)


def make_sts_config(wrapper: AwsConnectionWrapper) -> Config:
    """Return the settings for STS; the connection's proxies are for all of AWS."""
    own = wrapper.botocore_config
    if own is None:
        return _STS_CONFIG
    proxies = {name: getattr(own, name) for name in ("proxies", "proxies_config")}
    return _STS_CONFIG.merge(Config(**proxies))


def open_session(of: SideConnection) -> boto3.session.Session:
    """Return a session whose credentials are there, and refresh themselves, or that signs nothing.

    Raises:
        CopyError: see `explain_no_session`.
    """
    try:
        factory = _make_factory(of.wrapper)
        _prepare(factory.basic_session, of.wrapper)
        session = _prepare(factory.create_session(), of.wrapper)
        if _is_anonymous(of.wrapper):
            return session
        credentials = session.get_credentials()
        checked = _CheckedCredentials(credentials, of)
        checked.get_frozen_credentials()
    except Exception as error:  # noqa: BLE001 - the provider and botocore raise many kinds
        raise explain_no_session(error, of) from None
    session._session._credentials = checked  # type: ignore[attr-defined]  # noqa: SLF001 - as the provider does
    return session


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


def _make_factory(wrapper: AwsConnectionWrapper) -> BaseSessionFactory:
    """Return the provider's factory of sessions, with a region and a valid name for a role's session."""
    from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory  # noqa: PLC0415 - slow

    if wrapper.assume_role_method == "assume_role":
        named = {"RoleSessionName": make_session_name(str(wrapper.conn_id))}
        wrapper.assume_role_kwargs = named | wrapper.assume_role_kwargs
    factory = BaseSessionFactory(conn=wrapper, config=make_sts_config(wrapper))
    if factory.basic_session.region_name is None:  # not in connection, YAML, profile or AWS_DEFAULT_REGION
        wrapper.region_name = region_of_environment()
        factory = BaseSessionFactory(conn=wrapper, config=make_sts_config(wrapper))
    return factory


def _is_anonymous(wrapper: AwsConnectionWrapper) -> bool:
    """Say whether requests are not signed, as for a public bucket: config_kwargs.signature_version."""
    own = wrapper.botocore_config
    return own is not None and getattr(own, "signature_version", None) is UNSIGNED


def _prepare(session: boto3.session.Session, wrapper: AwsConnectionWrapper) -> boto3.session.Session:
    """Let sessions share botocore's models, and check the certificates of STS as those of S3."""
    core = session._session  # noqa: SLF001 - boto3 has no other way
    core.register_component("data_loader", LOADER)
    if wrapper.verify is not None:
        core.set_config_variable("ca_bundle", wrapper.verify)
    return session
