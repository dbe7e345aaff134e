"""A queue of the source's account, and the events that S3 sends to it."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

import boto3
from botocore.exceptions import ClientError

from s3copy_tasks.core.queue import Queue
from tests.support.s3.servers.endpoint import READER, REGION, WORKER, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s3copy_tasks.core.location import Location
    from s3copy_tasks.core.queue import MessageQueue, Received

_numbers = itertools.count(1)
_TOGETHER = 10


@cache
def _client(endpoint: Endpoint) -> Any:
    sts = boto3.client("sts", endpoint_url=endpoint.url, **WORKER.arguments())
    got = sts.assume_role(RoleArn=endpoint.reader, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "sqs",
        endpoint_url=endpoint.url,
        region_name=REGION,
        aws_access_key_id=got["AccessKeyId"],
        aws_secret_access_key=got["SecretAccessKey"],
        aws_session_token=got["SessionToken"],
    )


@dataclass
class EventQueue:
    """A new queue on a server; the code under test reaches it at another address, such as a proxy's."""

    server: Endpoint
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = _client(self.server)
        made = self.client.create_queue(QueueName=f"changes-{next(_numbers)}", Attributes=self.attributes)
        self.path = urlsplit(made["QueueUrl"]).path
        self._url = self.server.url + self.path

    @property
    def arn(self) -> str:
        found = self.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def at(self, url: str, location: Location) -> Queue:
        """Return the queue as a job names it."""
        return Queue(url=url + self.path, location=location)

    def send(self, bodies: Iterable[str]) -> None:
        waiting = list(bodies)
        for first in range(0, len(waiting), _TOGETHER):
            ten = enumerate(waiting[first : first + _TOGETHER])
            entries = [{"Id": str(n), "MessageBody": body} for n, body in ten]
            reply = self.client.send_message_batch(QueueUrl=self._url, Entries=entries)
            assert len(reply["Successful"]) == len(entries)

    def follow(self, bucket: str) -> None:
        """Let the server send an event for each object that is written to a bucket of its account."""
        events: Any = {"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"]}
        self.server.client(READER).put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [events]}
        )
        self.client.purge_queue(QueueUrl=self._url)  # S3 sends a test event first

    def show(self, handles: Iterable[str]) -> None:
        """Let messages be received again now, as SQS does in the end; ignores deleted ones."""
        hides = self.client.change_message_visibility
        for handle in handles:
            with suppress(ClientError):
                hides(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)

    def refuses_to_receive_none(self) -> bool:
        """Return whether a receive of zero messages is refused, as by SQS."""
        try:
            self.client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=0)
        except ClientError:
            return True
        return False

    def state(self) -> tuple[int, int]:
        """Return how many messages may be received now, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


class ImpatientQueue:
    """A queue whose receives do not wait; see `MessageQueue`."""

    def __init__(self, queue: MessageQueue) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def receive(self, *, wait_seconds: int, hidden_seconds: int) -> Sequence[Received]:
        return self._queue.receive(wait_seconds=0, hidden_seconds=hidden_seconds)


def record(bucket: str, key: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Return a record of S3's own notification: its key is form-encoded."""
    named = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}
    return {"eventSource": "aws:s3", "eventName": event, "s3": named}


def notify(*records: dict[str, Any]) -> str:
    """Return S3's own notification."""
    return json.dumps({"Records": records})


def by_sns(message: str) -> str:
    """Return a message as SNS wraps it."""
    topic = "arn:aws:sns:us-east-1:111122223333:granules"
    return json.dumps({"Type": "Notification", "TopicArn": topic, "Message": message})


def by_eventbridge(bucket: str, key: str, kind: str = "Object Created") -> str:
    """Return EventBridge's event: its key is not encoded."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": kind, "detail": detail})


TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "granules"})
