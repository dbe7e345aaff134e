"""A session of one side with its client: of S3 for a bucket, of SQS for a queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from s3copy_tasks.errors import CopyError
from s3copy_tasks.iam.statements import find_partition, normalize_principal
from s3copy_tasks.s3.airflow_connection import read_connection
from s3copy_tasks.s3.regions import find_partition_of_region, region_of_environment
from s3copy_tasks.s3.sessions import make_sts_client, open_session

if TYPE_CHECKING:
    from botocore.session import Session

    from s3copy_tasks.core.location import Location
    from s3copy_tasks.s3.identity import Identity
    from s3copy_tasks.s3.side_connection import SideConnection, SideName

C = TypeVar("C", bound=Any)
"""A client of botocore."""


class _Opened(NamedTuple, Generic[C]):
    connection: SideConnection
    session: Session
    client: C


class SideSession(ABC, Generic[C]):
    """The credentials of one side, with the client that they are for; opened when it is first used.

    Args:
        location: the bucket and how to reach it.
        side: for messages and session names.
    """

    def __init__(self, location: Location, side: SideName) -> None:
        self.location = location
        self._side: SideName = side
        self._lock = Lock()
        self._read: SideConnection | None = None
        self._opened: _Opened[C] | None = None

    @abstractmethod
    def _make_client(self, connection: SideConnection, session: Session) -> C:
        """Return a client that the session signs for."""

    def connect(self, *, renew: bool = False) -> C:
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
            error.may_be_done = False  # no request was sent to the service
            raise

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
        """Return the region as far as it is configured."""
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

    def _open(self, *, renew: bool = False) -> _Opened[C]:
        with self._lock:
            if self._opened is None or renew:
                connection = self._connection(renew=renew)
                session = open_session(connection)
                self._opened = _Opened(connection, session, self._make_client(connection, session))
            return self._opened
