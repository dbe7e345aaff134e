"""Clients from roles, one for each side, with credentials that refresh themselves.

Connections come from Airflow's own lookup (`AIRFLOW_CONN_<ID>`, a secrets backend, the database), so tasks,
the command line and tests find the same ones. Airflow is imported here, when a client is made.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, InvalidRegionError
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from s3copy_tasks.core.store import Stores
from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError, TransientError
from s3copy_tasks.iam.statements import build_remedy, build_trust_statement, normalize_principal
from s3copy_tasks.s3.boto3_client import Boto3Client, check_copies_are_conditional
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.client import Client
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.fast.client import CurlClient

if TYPE_CHECKING:
    import boto3
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.job import EffectiveJob, Location, TransferOptions

COPY_READ_TIMEOUT_SECONDS = 300
"""S3 holds the connection while it copies gigabytes (rule 21)."""
_CONNECT_TIMEOUT_SECONDS = 10
_UNREADABLE = "the reply can't be read"
"""Never with its text: a reply of STS holds credentials."""
_LOADER = Loader()
_AIRFLOW_LOOKUP = Lock()
"""Both sides connect concurrently, and `airflow dags test` mixes up its answers to two threads."""
_BOTO3_THREADS_MAX = 32
"""808 copies a second with 32 threads on one core, 598 with 128: docs/design/engine.md."""


class AwsConnectionManager:
    """Makes the client and the store of one side of a job; one session, one store.

    Args:
        location: the bucket and how to reach it.
        side: for messages and session names.
        transfer: which client, and how many concurrent requests.
    """

    def __init__(
        self, location: Location, side: Literal["source", "destination"], transfer: TransferOptions
    ) -> None:
        self.location = location
        self._side = side
        self._transfer = transfer
        self._lock = Lock()
        self._current: tuple[AwsConnectionWrapper, boto3.session.Session] | None = None
        self.client: Client = (
            CurlClient(self.connect, connections=2 * transfer.concurrency)
            if transfer.client == "fast"
            else Boto3Client(self.connect, threads=min(transfer.concurrency, _BOTO3_THREADS_MAX))
        )
        self.store = BucketStore(
            self.client, location.bucket, location.account, requester_pays=location.requester_pays
        )

    def connect(self, *, renew: bool = False) -> S3Client:
        """Make a client; a role's credentials refresh themselves.

        Args:
            renew: with a new session, because the credentials were refused as expired.

        Raises:
            AccessError: the connection does not exist, or the role can't be assumed.
            ConfigError: the endpoint is not a valid URL, or the installed boto3 is too old.
        """
        wrapper, session = self._session(renew=renew)
        try:
            client = session.client(
                "s3",
                region_name=self.location.region or wrapper.region_name,
                endpoint_url=_endpoint_url(self.location, wrapper),
                verify=wrapper.verify,
                config=_merge_config(wrapper, _s3_config(self._transfer.concurrency)),
            )
        except InvalidRegionError as error:
            raise ConfigError(str(error), code=Code.INVALID_CONFIG) from None
        except ValueError:  # its text holds the URL, and perhaps a password
            msg = f"the endpoint of {self._describe()} is not a valid URL. Check its endpoint_url"
            raise ConfigError(msg, code=Code.INVALID_CONFIG) from None
        if self._transfer.client == "boto3":
            check_copies_are_conditional(client)
        return client

    def endpoint_url(self) -> str | None:
        """Return the S3 endpoint of this side, None for AWS."""
        return _endpoint_url(self.location, self._session()[0])

    def principal(self) -> str:
        """Return the ARN of the principal that signs requests; a description if STS does not answer."""
        wrapper, session = self._session()
        sts = session.client(
            "sts",
            endpoint_url=_sts_endpoint(wrapper),
            verify=wrapper.verify,
            config=_sts_config(),
            region_name=self.location.region or wrapper.region_name or "us-east-1",
        )
        try:
            return sts.get_caller_identity()["Arn"]
        except (ClientError, BotoCoreError):
            return self.role()[0] or f"the {self._side} principal ({self._describe()})"

    def signer(self) -> str | None:
        """Return the principal as listings of uploads name their initiator; None if it is unknown."""
        return normalize_principal(self.principal())

    def role(self) -> tuple[str | None, str | None]:
        """Return the ARN of the role and the external id with which it is assumed, without assuming it.

        Raises:
            AccessError: the connection does not exist.
        """
        wrapper = self._wrapper()
        return wrapper.role_arn, wrapper.assume_role_kwargs.get("ExternalId")

    def _describe(self) -> str:
        if self.location.role_arn:
            return f"role {self.location.role_arn}"
        if self.location.connection:
            return f"Airflow connection {self.location.connection!r}"
        return "the environment's own credentials"

    def _session(self, *, renew: bool = False) -> tuple[AwsConnectionWrapper, boto3.session.Session]:
        with self._lock:
            if self._current is None or renew:
                self._current = self._new_session()
            return self._current

    def _new_session(self) -> tuple[AwsConnectionWrapper, boto3.session.Session]:
        from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory  # noqa: PLC0415 - slow

        wrapper = self._wrapper()
        try:
            factory = BaseSessionFactory(conn=wrapper, config=_sts_config())
            _share_loader(factory.basic_session)
            session = _share_loader(factory.create_session())
            if session.get_credentials() is None:
                raise self._refused(AccessError("no credentials were found", code=Code.CREDENTIALS))
        except ClientError as error:
            raise self._refused(from_client_error(error)) from None
        except BotoCoreError as error:
            raise self._refused(from_transport(error)) from None
        except ResponseParserError:  # its text holds the reply, and so the credentials
            raise self._refused(TransientError(_UNREADABLE, code=Code.EMPTY_REPLY)) from None
        return wrapper, session

    def _refused(self, reason: CopyError) -> CopyError:
        msg = f"{self._side}: no session with {self._describe()}: {reason}"
        if isinstance(reason, TransientError):  # STS is down or throttles: that is temporary
            temporary = type(reason)(msg, code=reason.code)
            temporary.may_be_done = False  # no request was sent to S3
            return temporary
        msg += ". Check the role's trust policy (principal, ExternalId) and the connection's extra"
        role, external_id = self.role()
        remedy = None
        if role is not None:
            remedy = build_remedy(
                f"the trust policy of {role}", json.dumps(build_trust_statement(external_id))
            )
        return AccessError(msg, code=Code.CREDENTIALS, remedy=remedy)

    def _wrapper(self) -> AwsConnectionWrapper:
        from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # noqa: PLC0415 - slow
        from airflow.providers.amazon.aws.utils.connection_wrapper import (  # noqa: PLC0415 - slow
            AwsConnectionWrapper,
        )
        from airflow.sdk import Connection  # noqa: PLC0415 - slow

        place = self.location
        if place.connection is None:
            extra = _role_extra(place)
            return AwsConnectionWrapper(
                conn=Connection(conn_id=f"s3copy_{self._side}", conn_type="aws", extra=extra)
            )
        try:
            with _AIRFLOW_LOOKUP:
                found = Connection.get(place.connection)
            return AwsConnectionWrapper(conn=found)
        except (AirflowNotFoundException, ImportError):  # Airflow 3.0 can't ask outside of a task
            variable = f"AIRFLOW_CONN_{place.connection.upper()}"
            if os.environ.get(variable):
                msg = f"{self._side}.connection: {variable} is set, but is not a connection as JSON or URI"
                raise AccessError(msg, code=Code.CREDENTIALS) from None
            msg = (
                f"{self._side}.connection: Airflow has no connection {place.connection!r} here. "
                "Tasks find one in its database (airflow connections add), the command line in "
                f"{variable} or a secrets backend"
            )
            raise AccessError(msg, code=Code.CREDENTIALS) from None


def _share_loader(session: boto3.session.Session) -> boto3.session.Session:
    """Let sessions share botocore's models of AWS's services: loading them takes 0.2 s for each session."""
    session._session.register_component("data_loader", _LOADER)  # noqa: SLF001 - boto3 has no other way
    return session


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of a job, each with its own credentials. Keep them for the job: new ones assume both roles.

    Attributes:
        source: lists the source, and reads it where the bytes are relayed.
        destination: lists the destination, and signs the copies.
    """

    source: AwsConnectionManager
    destination: AwsConnectionManager

    @classmethod
    def from_job(cls, job: EffectiveJob) -> Self:
        """Return the sides of a job; each connects when it is first used."""
        return cls(
            source=AwsConnectionManager(job.source, "source", job.transfer),
            destination=AwsConnectionManager(job.destination, "destination", job.transfer),
        )

    @property
    def stores(self) -> Stores:
        """The bucket of each side, for planning and copying."""
        return Stores(source=self.source.store, destination=self.destination.store)


def _role_extra(place: Location) -> str:
    extra: dict[str, Any] = {"region_name": place.region} if place.region else {}
    if place.role_arn:
        extra["role_arn"] = place.role_arn
    if place.external_id:
        extra["assume_role_kwargs"] = {"ExternalId": place.external_id}
    return json.dumps(extra)


def _s3_config(concurrency: int) -> Config:
    """The client does not retry: only `Sender` does (rule 20)."""
    return Config(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=COPY_READ_TIMEOUT_SECONDS,
        max_pool_connections=max(10, 2 * concurrency),
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="s3copy_tasks",
    )


def _sts_config() -> Config:
    return Config(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
    )


def _endpoint_url(place: Location, wrapper: AwsConnectionWrapper) -> str | None:
    return place.endpoint_url or wrapper.get_service_endpoint_url("s3")


def _merge_config(wrapper: AwsConnectionWrapper, config: Config) -> Config:
    """Keep the settings of the connection (proxies, addressing style), but not its retries and timeouts."""
    return wrapper.botocore_config.merge(config) if wrapper.botocore_config else config


def _sts_endpoint(wrapper: AwsConnectionWrapper) -> str | None:
    return wrapper.get_service_endpoint_url("sts", sts_connection_assume=True)
