"""Clients from roles, one for each side, with credentials that refresh themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from botocore.config import Config

from s3copy_tasks.core.abilities import NO_DEMANDS, Demands
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.core.store import Stores
from s3copy_tasks.s3.boto3_client import Boto3Client, check_copies_are_conditional
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.fast.client import CurlClient
from s3copy_tasks.s3.negotiation import NegotiatingClient
from s3copy_tasks.s3.queue_client import SqsQueue
from s3copy_tasks.s3.regions import endpoint_of_environment
from s3copy_tasks.s3.session_errors import explain_no_client
from s3copy_tasks.s3.sessions import CONNECT_TIMEOUT_SECONDS
from s3copy_tasks.s3.side_session import SideSession

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.core.options import TransferOptions
    from s3copy_tasks.s3.client import Client
    from s3copy_tasks.s3.side_connection import SideConnection, SideName

COPY_READ_TIMEOUT_SECONDS = 300
"""S3 holds the connection while it copies gigabytes (rule 21)."""
_BOTO3_THREADS_MAX = 32
"""808 copies a second with 32 threads on one core, 598 with 128: docs/design/engine.md."""


class AwsConnectionManager(SideSession["S3Client"]):
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
        super().__init__(location, side)
        self._transfer = transfer
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

    def endpoint_url(self) -> str | None:
        """Return the S3 endpoint of this side, None for AWS."""
        return _endpoint_url(self._connection())

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
        queue: the queue that names the keys; None if there is none.
    """

    source: AwsConnectionManager
    destination: AwsConnectionManager
    lists: AwsConnectionManager | None = None
    results: AwsConnectionManager | None = None
    queue: SqsQueue | None = None

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
            lists=connect(job.key_list.location, "from") if job.key_list and job.key_list.location else None,
            results=connect(job.results.location, "results") if job.results else None,
            queue=SqsQueue(job.keys_from) if isinstance(job.keys_from, Queue) else None,
        )

    @property
    def stores(self) -> Stores:
        """The buckets, for planning and copying."""
        return Stores(
            source=self.source.store,
            destination=self.destination.store,
            lists=None if self.lists is None else self.lists.store,
            results=None if self.results is None else self.results.store,
            queue=self.queue,
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
