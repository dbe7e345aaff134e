"""Roles that are assumed by a token or an assertion of an identity provider, by Airflow's Amazon provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

from s3copy_tasks.s3.models import LOADER

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

    from s3copy_tasks.s3.settings import Settings


def assume_federated_role(settings: Settings, region: str | None, config: Config) -> Any:
    """Return credentials of botocore; some are fetched when they are first used.

    Args:
        settings: of the connection.
        region: of STS.
        config: of STS.
    """
    wrapper = AwsConnectionWrapper.from_connection_metadata(
        settings.name, login=settings.login, password=settings.password, extra=dict(settings.extra)
    )
    wrapper.region_name = region
    factory = BaseSessionFactory(conn=wrapper, config=config)
    _prepare(factory.basic_session, settings)
    return _prepare(factory.create_session(), settings).get_credentials()


def _prepare(session: boto3.session.Session, settings: Settings) -> boto3.session.Session:
    """Let sessions share botocore's models, and check the certificates of STS as those of S3."""
    core = session._session  # noqa: SLF001 - boto3 has no other way
    core.register_component("data_loader", LOADER)
    if settings.verify is not None:
        core.set_config_variable("ca_bundle", settings.verify)
    return session
