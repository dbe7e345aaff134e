"""A queue of SQS: the operations of `core.queue.MessageQueue`, with this package's errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from s3copy_tasks.core.queue import RECEIVED_TOGETHER, QueueState, Received
from s3copy_tasks.errors import (
    AccessError,
    Code,
    ConfigError,
    CopyError,
    ExpiredError,
    MissingError,
    RequestError,
    TransientError,
)
from s3copy_tasks.iam.denials import explain_deny, find_limiting_policy
from s3copy_tasks.iam.statements import (
    KEY_AND_ROLE,
    build_kms_statement,
    build_remedy,
    build_statement,
)
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.session_errors import explain_no_client
from s3copy_tasks.s3.sessions import CONNECT_TIMEOUT_SECONDS, add_proxies
from s3copy_tasks.s3.side_session import SideSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from botocore.session import Session

    from s3copy_tasks.core.queue import Queue
    from s3copy_tasks.s3.side_connection import SideConnection

_OK = 200
_RECEIVES, _SENT = "ApproximateReceiveCount", "SentTimestamp"
_WAITING, _IN_FLIGHT, _DELAYED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_REDRIVE, _ARN = "RedrivePolicy", "QueueArn"
_STATE = (_WAITING, _IN_FLIGHT, _DELAYED, _REDRIVE, _ARN)
_ACTIONS = {
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "delete_message_batch": "sqs:DeleteMessage",
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "receive_message": "sqs:ReceiveMessage",
}
"""What each request is called in policies."""


class SqsQueue(SideSession[Any]):
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
        reply = self._send("get_queue_attributes", AttributeNames=list(_STATE))
        found = reply.get("Attributes", {})
        if _WAITING not in found or _ARN not in found:
            msg = f"{self._queue}: the reply says nothing about the queue"
            raise TransientError(msg, code=Code.EMPTY_REPLY)
        return QueueState(
            waiting=int(found[_WAITING]),
            in_flight=int(found.get(_IN_FLIGHT, 0)),
            delayed=int(found.get(_DELAYED, 0)),
            has_redrive=bool(found.get(_REDRIVE)),
            arn=found[_ARN],
        )

    def receive(self, *, wait_seconds: int, hidden_seconds: int) -> Sequence[Received]:
        """Return up to ten messages, which no one else receives for `hidden_seconds`."""
        reply = self._send(
            "receive_message",
            MaxNumberOfMessages=RECEIVED_TOGETHER,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=hidden_seconds,
            MessageSystemAttributeNames=[_RECEIVES, _SENT],
        )
        return [_read_message(message) for message in reply.get("Messages", ())]

    def try_receive(self) -> None:
        """Ask for no message at all, which needs the same permission as to receive one.

        SQS refuses that for its number, once it has found that the request is allowed.
        """
        with suppress(RequestError):
            self._send("receive_message", MaxNumberOfMessages=0, VisibilityTimeout=0)

    def delete(self, handles: Sequence[str]) -> Sequence[str]:
        """Delete messages; return the handles of those that were not deleted."""
        return self._send_tens("delete_message_batch", handles, {})

    def hide(self, handles: Sequence[str], seconds: int) -> Sequence[str]:
        """Let no one receive messages for `seconds` from now; return the handles that this failed for."""
        return self._send_tens("change_message_visibility_batch", handles, {"VisibilityTimeout": seconds})

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
            done = {entry.get("Id") for entry in reply.get("Successful", ())}
            left += [handle for n, handle in enumerate(ten) if str(n) not in done]
        return left

    def _send(self, operation: str, **asked: Any) -> Mapping[str, Any]:
        client = self._current()
        try:
            return getattr(client, operation)(QueueUrl=self._queue.url, **asked)  # type: ignore[no-any-return]
        except ClientError as error:
            refusal = from_client_error(error)
            if isinstance(refusal, ExpiredError):
                self._expired = client
            raise self._explain(refusal, operation) from None
        except BotoCoreError as error:
            raise from_transport(error) from None
        except (ResponseParserError, ValueError):
            raise _unreadable(operation) from None

    def _current(self) -> Any:
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

    def _make_client(self, connection: SideConnection, session: Session) -> Any:
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
        client.meta.events.register("response-received.sqs", _check_body)
        return client


_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 1},
    tcp_keepalive=True,
    user_agent_extra="s3copy_tasks",
)
"""A long poll takes 20 seconds at most."""


def _read_message(message: Mapping[str, Any]) -> Received:
    attributes = message.get("Attributes", {})
    return Received(
        id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message.get("Body", ""),
        receives=int(attributes.get(_RECEIVES, 1)),
        sent=datetime.fromtimestamp(int(attributes.get(_SENT, 0)) / 1000, UTC),
    )


def _check_body(response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse a reply that is not JSON: botocore reads it as one that says nothing, as of an empty queue."""
    if response_dict["status_code"] != _OK or not isinstance(response_dict["body"], bytes):
        return
    try:
        content = json.loads(response_dict["body"])
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise _unreadable("SQS")


def _unreadable(operation: str) -> TransientError:
    return TransientError(f"{operation}: the reply can't be read", code=Code.EMPTY_REPLY)
