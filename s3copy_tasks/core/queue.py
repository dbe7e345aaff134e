"""A queue of events that names the keys of a run: its address, and what can be done with its messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from s3copy_tasks.core.location import Location

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
_PATH = re.compile(r"/(?P<account>[0-9]{12})/(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)")
_AWS_HOST = re.compile(
    r"(?:sqs\.(?P<region>[a-z0-9-]+)|(?P<older>[a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?"
)
_FIFO = ".fifo"
RECEIVED_TOGETHER = 10
"""SQS returns, deletes and extends at most this many messages in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue of S3's events, which names the keys of a run instead of a listing.

    Attributes:
        url: as SQS shows it, such as https://sqs.us-west-2.amazonaws.com/111122223333/granules-created.
        location: the job's source, with the connection that reads the queue.

    Raises:
        ValueError: the URL is not that of a queue.
    """

    url: str
    location: Location

    def __post_init__(self) -> None:
        problem = find_queue_problem(self.url)
        if problem is not None:
            raise ValueError(problem)

    @property
    def names_destinations(self) -> bool:
        """Whether events say which key a copy has: they do not."""
        return False

    @property
    def items(self) -> str:
        """What names the keys, for messages."""
        return "events of a queue"

    @property
    def endpoint_url(self) -> str:
        """The server that the URL names."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def region(self) -> str | None:
        """The region that the URL names; None for a server of another kind, or a VPC endpoint's name."""
        found = _AWS_HOST.fullmatch(urlsplit(self.url).netloc)
        return found and (found["region"] or found["older"])

    @property
    def account(self) -> str:
        """Its owner: twelve digits."""
        return urlsplit(self.url).path.split("/")[1]

    @property
    def name(self) -> str:
        """Its name."""
        return urlsplit(self.url).path.split("/")[2]

    @property
    def asset(self) -> str:
        """Name and URI of its asset in Airflow; a scheme without `x-` would import boto3 at every parse."""
        return f"x-sqs://{self.url.partition('://')[2]}"

    def __str__(self) -> str:
        return self.url


def find_queue_problem(url: str) -> str | None:
    """Return why a text is not the URL of a queue that a job can read; None if it is."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        return "not the URL of a queue, such as https://sqs.us-west-2.amazonaws.com/111122223333/name"
    found = _PATH.fullmatch(slash + path)
    if found is None:
        return "the URL of a queue ends with an account's twelve digits and a name: /111122223333/name"
    if found["name"].endswith(_FIFO):
        return "S3 sends no events to FIFO queues. Use a standard queue"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How many messages a queue has; SQS counts them approximately.

    Attributes:
        waiting: may be received now.
        in_flight: were received, and are neither deleted nor visible again.
        delayed: may be received later.
        has_redrive: SQS moves a message that was received too often to another queue.
        arn: of the queue, as SQS returns it.
    """

    waiting: int
    in_flight: int = 0
    delayed: int = 0
    has_redrive: bool = False
    arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it was received.

    Attributes:
        id: SQS's; the same in each receive.
        handle: names this receive: needed to delete the message.
        body: as it was sent.
        receives: how often it was received, from 1.
        sent: when it was sent.
    """

    id: str
    handle: str
    body: str
    receives: int
    sent: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCounts:
    """What became of the messages of a queue in a run, or in a part of it. `a + b` adds up.

    Attributes:
        waiting: could be received when the run was planned; SQS counts them approximately.
        received: were received; one that comes again in the same batch counts once.
        deleted: of these, the ones whose objects were all settled.
        oldest_seconds: age of the oldest one when it was received; None if none was received.
        outside: first key that is below no prefix of the job; empty if there was none.
        at_least: an attempt was lost, and with it the counts of what it received and deleted.
        may_wait: a batch was full, or its time was over, before the queue was empty.
    """

    waiting: int = 0
    received: int = 0
    deleted: int = 0
    oldest_seconds: float | None = None
    outside: str = ""
    at_least: bool = False
    may_wait: bool = False

    def __add__(self, other: MessageCounts) -> MessageCounts:
        ages = [one for one in (self.oldest_seconds, other.oldest_seconds) if one is not None]
        return MessageCounts(
            waiting=self.waiting + other.waiting,
            received=self.received + other.received,
            deleted=self.deleted + other.deleted,
            oldest_seconds=max(ages, default=None),
            outside=min(filter(None, (self.outside, other.outside)), default=""),
            at_least=self.at_least or other.at_least,
            may_wait=self.may_wait or other.may_wait,
        )

    @property
    def left(self) -> int:
        """Were received, and come again: something of them failed, or is not known."""
        return self.received - self.deleted


def add_messages(left: MessageCounts | None, right: MessageCounts | None) -> MessageCounts | None:
    """Return the sum of what parts of a run have counted; None if neither has a queue."""
    return left + right if left and right else left or right


class MessageQueue(Protocol):
    """A queue; safe to use from many threads. Each method makes one request, or one for each ten handles."""

    def read_state(self) -> QueueState:
        """Return how many messages it has; receives none.

        Raises:
            CopyError: like all others, see `s3copy_tasks.errors`.
        """

    def receive(self, *, wait_seconds: int, hidden_seconds: int) -> Sequence[Received]:
        """Return up to ten messages, which no one else receives for `hidden_seconds`."""

    def try_receive(self) -> None:
        """Ask for no message at all, which needs the same permission as to receive one."""

    def delete(self, handles: Sequence[str]) -> Sequence[str]:
        """Delete messages; return the handles of those that were not deleted."""

    def hide(self, handles: Sequence[str], seconds: int) -> Sequence[str]:
        """Let no one receive messages for `seconds` from now; return the handles that this failed for."""
