"""Watches copies and messages at a proxy: whether each message was deleted after its objects were settled."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from s3copy_tasks.core.messages import MessageError, parse_message
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

_RECEIVE, _DELETE = "ReceiveMessage", "DeleteMessageBatch"


class _Head(NamedTuple):
    """A HEAD of a source object: when it was sent, and the ETag in its answer; None for a 404."""

    sent: int
    etag: str | None


class QueueWire:
    """What passed the proxy of a job that copies `data/` to `copy/`.

    A message is settled if each of its objects was asked for after the message had come, and was then gone,
    or the destination has that content.

    Args:
        proxy: before both buckets and the queue.
        sides: both buckets.

    Attributes:
        copies: of each key with its content's ETag, copies that S3 confirmed.
        early: keys of messages that were deleted before they were settled.
        held: handles that were received, and not deleted.
    """

    def __init__(self, proxy: Proxy, sides: Sides) -> None:
        self.copies: Counter[tuple[str, str]] = Counter()
        self.early: list[str] = []
        self.held: dict[str, list[str]] = {}
        self._sides = sides
        self._received: dict[str, int] = {}
        self._heads: dict[str, list[_Head]] = {}
        self._times = count()
        self._lock = Condition()
        self._forward = proxy.forward
        proxy.forward = self._watch  # type: ignore[method-assign]

    def wait_for_copies(self, number: int) -> None:
        """Wait until so many copies were made."""
        with self._lock:
            self._lock.wait_for(lambda: self.copies.total() >= number, timeout=120)

    def _watch(self, request: Request) -> Reply:
        kind = request.kind
        if kind not in (_DELETE, "CopyObject", "HeadObject"):
            reply = self._forward(request)
            if kind == _RECEIVE:
                with self._lock:
                    self._note_messages(json.loads(reply.body).get("Messages", ()))
            return reply
        with self._lock:
            sent = next(self._times)
            if kind == _DELETE:
                self._note_deletes(json.loads(request.body)["Entries"])
            reply = self._refuse(request) or self._forward(request)
            if kind == "CopyObject" and reply.status == 200 and b"<Error>" not in reply.body:
                etag = request.headers["x-amz-copy-source-if-match"]
                self.copies[request.key.removeprefix("copy/"), etag.strip('"')] += 1
                self._lock.notify_all()
            elif kind == "HeadObject" and request.target.startswith(f"/{self._sides.source_bucket}/"):
                self._note_head(request.key.removeprefix("data/"), sent, reply)
        return reply

    def _refuse(self, request: Request) -> Reply | None:
        """Refuse a copy whose conditions do not hold, as S3 does: moto ignores them."""
        if request.kind != "CopyObject":
            return None
        sides, headers = self._sides, request.headers
        there = _find_etag(sides.destination, sides.destination_bucket, request.key)
        source = _find_etag(sides.source, sides.source_bucket, request.key.replace("copy/", "data/", 1))
        holds = (
            headers.get("x-amz-copy-source-if-match") in (None, source)
            and headers.get("if-match") in (None, there)
            and (there is None or "if-none-match" not in headers)
        )
        return None if holds else Reply.error(412, "PreconditionFailed")

    def _note_head(self, key: str, sent: int, reply: Reply) -> None:
        if reply.status in (200, 404):
            named = {name.lower(): value for name, value in reply.headers.items()}
            etag = named["etag"].strip('"') if reply.status == 200 else None
            self._heads.setdefault(key, []).append(_Head(sent, etag))

    def _note_messages(self, messages: list[dict[str, str]]) -> None:
        for message in messages:
            handle = message["ReceiptHandle"]
            self._received[handle] = next(self._times)
            self.held[handle] = [
                key.removeprefix("data/") for key in _find_keys(message["Body"]) if key.startswith("data/")
            ]

    def _note_deletes(self, entries: list[dict[str, str]]) -> None:
        for entry in entries:
            handle = entry["ReceiptHandle"]
            received, keys = self._received.get(handle), self.held.pop(handle, ())
            if received is not None:
                self.early += [key for key in keys if not self._is_settled(key, received)]

    def _is_settled(self, key: str, received: int) -> bool:
        return any(
            head.sent > received and (head.etag is None or (key, head.etag) in self.copies)
            for head in self._heads.get(key, ())
        )


def _find_etag(client: S3Client, bucket: str, key: str) -> str | None:
    try:
        return client.head_object(Bucket=bucket, Key=key)["ETag"]
    except ClientError:
        return None


def _find_keys(body: str) -> list[str]:
    try:
        return [event.key for event in parse_message(body) if not event.is_removal]
    except MessageError:
        return []
