"""What a job with a queue needs: the rights to read it, and those of S3 to send events to it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from s3copy_tasks.iam.documents import add_principal, allow, build_policy
from s3copy_tasks.iam.statements import find_partition, own_bucket_arn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s3copy_tasks.core.location import Location
    from s3copy_tasks.core.queue import Queue
    from s3copy_tasks.iam.trust import Trust

READ_ACTIONS = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
)
EVENTS = "s3:ObjectCreated:*"
NOTIFICATIONS_MAX = 100
"""Filters in the configuration of a bucket."""
_SAFE = "/!-_.*'()"
"""What S3 takes unencoded in a filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReader:
    """Who reads a queue.

    Attributes:
        queue: with the events.
        role: ARN of the role that signs the requests.
        trust: how that role is assumed.
    """

    queue: Queue
    role: str
    trust: Trust

    @property
    def arn(self) -> str:
        """The ARN of the queue; of any region if neither the URL nor the source has one."""
        queue, partition = self.queue, find_partition(self.role) or "aws"
        region = queue.region or queue.location.region or "*"
        return f"arn:{partition}:sqs:{region}:{queue.account}:{queue.name}"

    def statements(self) -> list[dict[str, Any]]:
        """Return what reading the queue requires."""
        return [allow("ReadQueue", [*READ_ACTIONS], [self.arn])]


def queue_policies(
    reader: QueueReader, source: Location, patterns: Iterable[Sequence[str | None]]
) -> dict[str, Any]:
    """Return the policy of the queue, and the configuration with which the source bucket sends to it.

    A reader of another account needs the queue's policy, too.

    Args:
        reader: of the queue.
        source: the bucket.
        patterns: of the source's keys, as `Side` has them.
    """
    bucket = own_bucket_arn(find_partition(reader.role) or "aws", source.bucket)
    send = allow("SendEvents", ["sqs:SendMessage"], [reader.arn])
    send["Principal"] = {"Service": "s3.amazonaws.com"}
    send["Condition"] = {"ArnLike": {"aws:SourceArn": bucket}}
    if source.account is not None:
        send["Condition"]["StringEquals"] = {"aws:SourceAccount": source.account}
    is_foreign = reader.role.split(":")[4] != reader.queue.account
    reads = [add_principal(one, [reader.role]) for one in reader.statements()] if is_foreign else []
    filters = [
        {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": quote_plus(prefix, safe=_SAFE)}]}}}
        if prefix
        else {}
        for prefix in find_outer_prefixes(patterns)
    ]
    sends = [{"QueueArn": reader.arn, "Events": [EVENTS]} | one for one in filters]
    return {
        "queue_policy": build_policy([send, *reads]),
        "source_bucket_notification": {"QueueConfigurations": sends},
    }


def find_outer_prefixes(patterns: Iterable[Sequence[str | None]]) -> list[str]:
    """Return the prefixes that keys begin with, without those that are below another.

    S3 refuses a configuration in which two filters take the same key.
    """
    kept: list[str] = []
    for prefix in sorted("".join(takewhile(bool, pattern)) for pattern in patterns):  # type: ignore[arg-type]
        if not (kept and prefix.startswith(kept[-1])):
            kept.append(prefix)
    return kept
