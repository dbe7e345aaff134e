"""A queue of SQS: the operations of `core.queue.MessageQueue`, with this package's errors."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from s3copy_tasks.core.queue import RECEIVED_TOGETHER, QueueState, Received
from s3copy_tasks.errors import (
    AccessError,
    Code,
    ConfigError,
    CopyError,
    ExpiredError,
    MissingError,
    RequestError,
)
from s3copy_tasks.iam.denials import explain_deny, find_limiting_policy
from s3copy_tasks.iam.statements import (
    KEY_AND_ROLE,
    build_kms_statement,
    build_remedy,
    build_statement,
)
from s3copy_tasks.s3.fast.sqs_client import SqsClient
from s3copy_tasks.s3.fast.xml import unreadable_reply
from s3copy_tasks.s3.session_errors import explain_no_client
from s3copy_tasks.s3.sessions import CONNECT_TIMEOUT_SECONDS, add_proxies
from s3copy_tasks.s3.side_session import SideSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from botocore.session import Session

    from s3copy_tasks.core.queue import Queue
    from s3copy_tasks.s3.side_connection import SideConnection

_RECEIVES, _SENT = "ApproximateReceiveCount", "SentTimestamp"
_WAITING, _IN_FLIGHT, _DELAYED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_REDRIVE, _ARN = "RedrivePolicy", "QueueArn"
_STATE = (_WAITING, _IN_FLIGHT, _DELAYED, _REDRIVE, _ARN)
_ACTIONS = {
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "ReceiveMessage": "sqs:ReceiveMessage",
}
"""What each request is called in policies."""


class SqsQueue(SideSession[SqsClient]):
    """A queue of SQS, with one set of credentials; see `MessageQueue`. Nothing is retried here.

    Args:
        queue: its address.
    """

    def __init__(self, queue: Queue) -> None:
        super().__init__(queue.location, "from")
        self._queue = queue
        self._expired: object = None

    def read_state(self) -> QueueState:
        """Return how many messages it has; receives none."""
        reply = self._send("GetQueueAttributes", AttributeNames=list(_STATE))
        with self._reading("GetQueueAttributes"):
            return _read_state(reply["Attributes"])

    def receive(self, *, wait_seconds: int, hidden_seconds: int) -> Sequence[Received]:
        """Return up to ten messages, which no one else receives for `hidden_seconds`."""
        reply = self._send(
            "ReceiveMessage",
            MaxNumberOfMessages=RECEIVED_TOGETHER,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=hidden_seconds,
            MessageSystemAttributeNames=[_RECEIVES, _SENT],
        )
        with self._reading("ReceiveMessage"):
            return [_read_message(message) for message in reply.get("Messages", ())]

    def try_receive(self) -> None:
        """Ask for no message at all, which needs the same permission as to receive one.

        SQS refuses that for its number, once it has found that the request is allowed.
        """
        with suppress(RequestError):
            self._send("ReceiveMessage", MaxNumberOfMessages=0, VisibilityTimeout=0)

    def delete(self, handles: Sequence[str]) -> Sequence[str]:
        """Delete messages; return the handles of those that were not deleted."""
        return self._send_tens("DeleteMessageBatch", handles, {})

    def hide(self, handles: Sequence[str], seconds: int) -> Sequence[str]:
        """Let no one receive messages for `seconds` from now; return the handles that this failed for."""
        return self._send_tens("ChangeMessageVisibilityBatch", handles, {"VisibilityTimeout": seconds})

    def arn(self, principal: str | None = None) -> str:
        """Return the queue's ARN as its URL says it, for policies.

        Args:
            principal: who signs, if that is known.
        """
        region = self._queue.region or self._region() or "*"
        return f"arn:{self.partition(principal)}:sqs:{region}:{self._queue.account}:{self._queue.name}"

    def _send_tens(self, operation: str, handles: Sequence[str], more: Mapping[str, Any]) -> list[str]:
        """Send handles by ten; return those that the replies do not confirm."""
        left: list[str] = []
        for first in range(0, len(handles), RECEIVED_TOGETHER):
            ten = handles[first : first + RECEIVED_TOGETHER]
            entries = [{"Id": str(n), "ReceiptHandle": handle, **more} for n, handle in enumerate(ten)]
            reply = self._send(operation, Entries=entries)
            with self._reading(operation):
                done = {entry["Id"] for entry in reply.get("Successful", ())}
            left += [handle for n, handle in enumerate(ten) if str(n) not in done]
        return left

    def _send(self, operation: str, **params: Any) -> Mapping[str, Any]:
        client = self._current()
        credentials = client.fetch_credentials()
        try:
            return client.call(credentials, operation, {"QueueUrl": self._queue.url, **params})
        except CopyError as error:
            if isinstance(error, ExpiredError):
                self._expired = client
            raise self._explain(error, operation) from None

    @contextmanager
    def _reading(self, operation: str) -> Iterator[None]:
        try:
            yield
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
            raise self._explain(unreadable_reply(operation), operation) from None

    def _current(self) -> SqsClient:
        """Return a client whose credentials were not refused as expired."""
        client = self.connect()
        return self.connect(renew=True) if client is self._expired else client

    def _explain(self, error: CopyError, operation: str) -> CopyError:
        """Return a refusal in words that name the queue."""
        if isinstance(error, AccessError) and error.code != Code.CREDENTIALS:
            return self._explain_denial(error, _ACTIONS[operation])
        if isinstance(error, MissingError):
            msg = f"from.queue: the queue {self._queue} does not exist ({error.reason})"
            return MissingError(msg, code=error.code)
        return type(error)(f"{self._queue}: {error.reason}", code=error.code)

    def _explain_denial(self, error: CopyError, action: str) -> AccessError:
        principal = self.principal()
        arn = self.arn(principal)
        kms = build_kms_statement(error.reason, None)
        if kms is not None:
            remedy = build_remedy(KEY_AND_ROLE, kms)
        elif f":{self._queue.account}:" in principal:
            limiting = find_limiting_policy(error.reason)
            remedy = build_remedy(limiting or "the policy of the role", build_statement([action], arn))
        else:
            where = f"the policy of queue {self._queue.name} and (without Principal) from the role's policy"
            remedy = build_remedy(where, build_statement([action], arn, principal=principal))
        msg = f"{principal} is not allowed to perform {action} on {arn} ({error.code}: {error.reason})."
        return AccessError(msg, code=error.code, remedy=explain_deny(error.reason) or remedy)

    def _make_client(self, connection: SideConnection, session: Session) -> SqsClient:
        named = self._queue.region or self.location.region
        region = named or session.get_config_variable("region")
        if region is None:
            where = connection.fields()["region"]
            msg = f"from: the region of {self._queue} is not known. Write it into {where}"
            raise ConfigError(msg, code=Code.INVALID_CONFIG)
        try:
            client: Any = session.create_client(
                "sqs",
                region_name=region,
                endpoint_url=self._queue.endpoint_url,
                config=add_proxies(_CONFIG, connection.settings),
            )
        except Exception as error:  # noqa: BLE001 - botocore does not check most values of its Config
            raise explain_no_client(error, connection) from None
        return SqsClient(client)


_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=30,
    user_agent_extra="s3copy_tasks",
)
"""A long poll takes 20 seconds at most."""


def _read_state(attributes: Mapping[str, str]) -> QueueState:
    return QueueState(
        waiting=int(attributes[_WAITING]),
        in_flight=int(attributes.get(_IN_FLIGHT, 0)),
        delayed=int(attributes.get(_DELAYED, 0)),
        has_redrive=bool(attributes.get(_REDRIVE)),
        arn=attributes[_ARN],
    )


def _read_message(message: Mapping[str, Any]) -> Received:
    attributes = message.get("Attributes", {})
    return Received(
        id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message.get("Body", ""),
        receives=int(attributes.get(_RECEIVES, 1)),
        sent=datetime.fromtimestamp(int(attributes.get(_SENT, 0)) / 1000, UTC),
    )
