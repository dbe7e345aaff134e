"""Clients from roles, one for each side, with credentials that refresh themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from botocore.config import Config

from s3copy_tasks.core.abilities import NO_DEMANDS, Demands
from s3copy_tasks.core.store import Stores
from s3copy_tasks.errors import CopyError
from s3copy_tasks.iam.statements import find_partition, normalize_principal
from s3copy_tasks.s3.airflow_connection import read_connection
from s3copy_tasks.s3.boto3_client import Boto3Client, check_copies_are_conditional
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.fast.client import CurlClient
from s3copy_tasks.s3.negotiation import NegotiatingClient
from s3copy_tasks.s3.regions import (
    endpoint_of_environment,
    find_partition_of_region,
    region_of_environment,
)
from s3copy_tasks.s3.session_errors import explain_no_client
from s3copy_tasks.s3.sessions import CONNECT_TIMEOUT_SECONDS, make_sts_client, open_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.core.options import TransferOptions
    from s3copy_tasks.s3.client import Client
    from s3copy_tasks.s3.identity import Identity
    from s3copy_tasks.s3.side_connection import SideConnection, SideName

COPY_READ_TIMEOUT_SECONDS = 300
"""S3 holds the connection while it copies gigabytes (rule 21)."""
_BOTO3_THREADS_MAX = 32
"""808 copies a second with 32 threads on one core, 598 with 128: docs/design/engine.md."""


class _Opened(NamedTuple):
    connection: SideConnection
    session: Session
    client: S3Client


class AwsConnectionManager:
    """Makes the client and the store of one side of a job; one session, one store.

    Args:
        location: the bucket and how to reach it.
        side: for messages and session names.
        transfer: which client, and how many concurrent requests.
        demands: the optional headers that the job depends on.
        lacks: parameters that the server is known to lack.
    """

    def __init__(
        self,
        location: Location,
        side: SideName,
        transfer: TransferOptions,
        *,
        demands: Demands = NO_DEMANDS,
        lacks: Iterable[str] = (),
    ) -> None:
        self.location = location
        self._side: SideName = side
        self._transfer = transfer
        self._lock = Lock()
        self._read: SideConnection | None = None
        self._opened: _Opened | None = None
        self.client: Client = (
            CurlClient(self.connect, connections=2 * transfer.in_flight_most)
            if transfer.client == "fast"
            else Boto3Client(self.connect, threads=min(transfer.in_flight, _BOTO3_THREADS_MAX))
        )
        self.negotiator = NegotiatingClient(self.client, demands, lacks)
        self.store = BucketStore(
            self.negotiator,
            location.bucket,
            location.account,
            requester_pays=location.requester_pays,
            partition=self.partition,
        )

    def connect(self, *, renew: bool = False) -> S3Client:
        """Return a client; a role's credentials refresh themselves.

        Args:
            renew: with a new session, because the credentials were refused as expired.

        Raises:
            AccessError: the connection does not exist, or the role can't be assumed.
            ConfigError: the connection has a value that can't work, or the installed boto3 is too old.
            TransientError: STS is down.
        """
        try:
            return self._open(renew=renew).client
        except CopyError as error:
            error.may_be_done = False  # no request was sent to S3
            raise

    def endpoint_url(self) -> str | None:
        """Return the S3 endpoint of this side, None for AWS."""
        return _endpoint_url(self._connection())

    def principal(self) -> str:
        """Return the ARN of the principal that signs requests; a description if STS does not answer."""
        connection, session, client = self._open()
        try:
            sts = make_sts_client(session, connection.settings, region=client.meta.region_name)
            return sts.get_caller_identity()["Arn"]
        except Exception:  # noqa: BLE001 - a server may lack STS, and the name is only for messages
            return self.identity().role or f"the {self._side} principal ({connection})"

    def signer(self) -> str | None:
        """Return the principal as listings of uploads name their initiator; None if it is unknown."""
        return normalize_principal(self.principal())

    def identity(self) -> Identity:
        """Return the role of this side, and how it is assumed, without assuming it.

        Raises:
            AccessError: the connection does not exist.
            ConfigError: the connection has a value that can't work.
        """
        return self._connection().identity

    def partition(self, principal: str | None = None) -> str:
        """Return the partition of AWS that this side is in, such as aws-cn, without a request.

        Args:
            principal: who signs, if that is known.
        """
        partition = find_partition(principal or "")
        return partition or find_partition_of_region(self._region()) or "aws"

    def _region(self) -> str | None:
        """Return the region of the bucket as far as it is configured."""
        if self.location.region:
            return self.location.region
        try:
            return self._connection().settings.region or region_of_environment()
        except CopyError:
            return region_of_environment()

    def _connection(self, *, renew: bool = False) -> SideConnection:
        if self._read is None or renew:
            self._read = read_connection(self.location, self._side)
        return self._read

    def _open(self, *, renew: bool = False) -> _Opened:
        with self._lock:
            if self._opened is None or renew:
                connection = self._connection(renew=renew)
                session = open_session(connection)
                self._opened = _Opened(connection, session, self._make_client(connection, session))
            return self._opened

    def _make_client(self, connection: SideConnection, session: Session) -> S3Client:
        try:
            client: Any = session.create_client(
                "s3",
                region_name=self.location.region or connection.settings.region,
                endpoint_url=_endpoint_url(connection),
                config=_merge_config(connection, _s3_config(self._transfer.in_flight)),
            )
        except Exception as error:  # noqa: BLE001 - botocore does not check most values of its Config
            raise explain_no_client(error, connection) from None
        if self._transfer.client == "boto3":
            check_copies_are_conditional(client)
        return client  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of a job, each with its own credentials. Keep them for the job: new ones assume both roles.

    Attributes:
        source: lists the source, and reads it where the bytes are relayed.
        destination: lists the destination, and signs the copies.
        lists: reads the list that names the keys; None if prefixes are listed.
        results: writes results; None if none are written.
    """

    source: AwsConnectionManager
    destination: AwsConnectionManager
    lists: AwsConnectionManager | None = None
    results: AwsConnectionManager | None = None

    @classmethod
    def from_job(cls, job: EffectiveJob) -> Self:
        """Return the sides of a job; each connects when it is first used."""
        connect = partial(AwsConnectionManager, transfer=job.transfer)
        demands = Demands.of(job)
        return cls(
            source=connect(job.source, "source", demands=demands, lacks=job.abilities.source_lacks),
            destination=connect(
                job.destination, "destination", demands=demands, lacks=job.abilities.destination_lacks
            ),
            lists=connect(job.keys_from.location, "from")
            if job.keys_from and job.keys_from.location
            else None,
            results=connect(job.results.location, "results") if job.results else None,
        )

    @property
    def stores(self) -> Stores:
        """The buckets, for planning and copying."""
        return Stores(
            source=self.source.store,
            destination=self.destination.store,
            lists=None if self.lists is None else self.lists.store,
            results=None if self.results is None else self.results.store,
        )


def _s3_config(in_flight: int) -> Config:
    """The client does not retry: only `Sender` does (rule 20)."""
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=COPY_READ_TIMEOUT_SECONDS,
        max_pool_connections=max(10, 2 * in_flight),
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="s3copy_tasks",
    )


def _endpoint_url(connection: SideConnection) -> str | None:
    named = connection.location.endpoint_url or connection.settings.s3_endpoint_url
    return named or endpoint_of_environment()


def _merge_config(connection: SideConnection, config: Config) -> Config:
    """Keep the settings of the connection (proxies, addressing style), but not its retries and timeouts."""
    own = connection.settings.config
    return own.merge(config) if own else config
