"""SQS over HTTP: what requests say, and what becomes of each kind of reply."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.errors import (
    AccessError,
    ExpiredError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
)
from s3copy_tasks.s3.queue_client import SqsQueue
from tests.support.s3.proxy import Reply
from tests.support.s3.queues import EventQueue
from tests.support.s3.scripted import CLOSE, RESET, Asked, ScriptedServer, certificate, reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("queues")


@pytest.fixture
def made(server: Endpoint) -> EventQueue:
    """A queue without messages."""
    return EventQueue(server)


@pytest.fixture
def queue(made: EventQueue, sides: Sides, proxy: Proxy) -> SqsQueue:
    """The queue as a job reaches it: through the proxy, with the source's connection."""
    return SqsQueue(made.at(proxy.url, sides.job().source))


def _refuse(code: str, message: str = "made up by the test", status: int = 400) -> Reply:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message})
    return Reply(status, body.encode(), {"Content-Type": "application/x-amz-json-1.0"})


def _answer(proxy: Proxy, action: str, *replies: Reply | None) -> None:
    """Answer the first requests of an action in place of the server; None forwards one."""
    waiting = list(replies)

    def answer(request: Request) -> Reply | None:
        if request.headers.get("x-amz-target") != f"AmazonSQS.{action}" or not waiting:
            return None
        return waiting.pop(0)

    proxy.answer = answer


@pytest.mark.needs("refused_receives")
def test_what_preflight_asks_for_touches_no_message(made: EventQueue, queue: SqsQueue) -> None:
    """A request for no message, and handles that no message has: nothing is received, hidden or deleted."""
    made.send(["one"])
    queue.try_receive()
    assert queue.delete(["s3copy-preflight"]) == ["s3copy-preflight"]
    assert queue.hide(["s3copy-preflight"], 0) == ["s3copy-preflight"]
    assert made.state() == (1, 0)
    (message,) = queue.receive(wait_seconds=0, hidden_seconds=60)
    assert message.receives == 1


def test_messages_are_received_hidden_and_deleted(made: EventQueue, queue: SqsQueue) -> None:
    """What is received is hidden from others, until it is deleted or its time is over."""
    made.send(["one", "two"])
    assert (queue.read_state().waiting, queue.read_state().in_flight) == (2, 0)
    received = queue.receive(wait_seconds=0, hidden_seconds=60)
    assert sorted(message.body for message in received) == ["one", "two"]
    assert {message.receives for message in received} == {1}
    assert all(datetime.now(UTC) - message.sent < timedelta(minutes=1) for message in received)
    assert queue.receive(wait_seconds=0, hidden_seconds=60) == []
    first, second = (message.handle for message in received)
    assert queue.delete([first]) == []
    assert queue.hide([second], 0) == []
    (again,) = queue.receive(wait_seconds=0, hidden_seconds=60)
    assert again.receives == 2
    assert queue.read_state().in_flight == 1


def test_what_is_not_deleted_is_returned(made: EventQueue, queue: SqsQueue) -> None:
    """More than ten handles take more requests, and a handle that SQS refuses does not hide the others."""
    made.send(map(str, range(11)))
    handles = [
        message.handle for _ in range(2) for message in queue.receive(wait_seconds=0, hidden_seconds=60)
    ]
    assert queue.delete([*handles[:5], "unknown", *handles[5:]]) == ["unknown"]
    assert made.state() == (0, 0)


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (_refuse("RequestThrottled"), ThrottledError),
        (_refuse("OverLimit", status=403), ThrottledError),
        (_refuse("ServiceUnavailable", status=503), TransientError),
        (Reply(200), TransientError),
        (Reply(200, b'{"Messages": [{"Mess'), TransientError),
        (Reply(200, b"[]"), TransientError),
        (Reply(200, b'{"Messages": [{"MessageId": "1"}]}'), TransientError),
        (Reply(200, b'{"Messages": 1}'), TransientError),
    ],
    ids=["throttled", "too many in flight", "503", "nothing", "cut off", "a list", "no handle", "a number"],
)
def test_a_failed_receive_is_not_an_empty_queue(
    queue: SqsQueue, proxy: Proxy, reply: Reply, kind: type[Exception]
) -> None:
    """A receive that failed is an error that a retry may fix, and never looks like an empty queue."""
    _answer(proxy, "ReceiveMessage", reply)
    with pytest.raises(kind):
        queue.receive(wait_seconds=0, hidden_seconds=60)


@pytest.mark.one_server
def test_a_state_without_numbers_is_not_an_empty_queue(queue: SqsQueue, proxy: Proxy) -> None:
    """A reply that lacks the number of messages does not mean that none wait."""
    _answer(proxy, "GetQueueAttributes", Reply(200, b"{}"))
    with pytest.raises(TransientError, match="the reply can't be read"):
        queue.read_state()


@pytest.mark.one_server
def test_expired_credentials_are_fetched_again(queue: SqsQueue, proxy: Proxy) -> None:
    """After a refusal of expired credentials, the next request is signed with new ones."""
    _answer(proxy, "ReceiveMessage", _refuse("ExpiredToken", status=403))
    with pytest.raises(ExpiredError):
        queue.receive(wait_seconds=0, hidden_seconds=60)
    assert queue.receive(wait_seconds=0, hidden_seconds=60) == []
    first, second = (
        request.headers["x-amz-security-token"]
        for request in proxy.requests
        if request.headers.get("x-amz-target") == "AmazonSQS.ReceiveMessage"
    )
    assert first != second


@pytest.mark.one_server
def test_a_refusal_names_who_may_not_do_what(made: EventQueue, queue: SqsQueue, proxy: Proxy) -> None:
    """A refusal names the principal, the action, the ARN of the queue, and the statement that would help."""
    words = "because no identity-based policy allows the sqs:deletemessage action"
    _answer(proxy, "DeleteMessageBatch", _refuse("AccessDenied", words, 403))
    with pytest.raises(AccessError) as refused:
        queue.delete(["handle"])
    arn = f"arn:aws:sqs:us-east-1:111122223333:{made.path.rpartition('/')[2]}"
    assert "assumed-role/reader" in refused.value.message
    assert f"is not allowed to perform sqs:DeleteMessage on {arn}" in refused.value.message
    assert f'"Action": ["sqs:DeleteMessage"], "Resource": "{arn}"' in refused.value.message


def test_a_queue_that_does_not_exist_is_named(made: EventQueue, queue: SqsQueue) -> None:
    """The error of a missing queue names the field and the URL."""
    made.client.delete_queue(QueueUrl=made.server.url + made.path)
    with pytest.raises(MissingError, match=rf"from.queue: the queue .*{made.path} does not exist"):
        queue.read_state()


def _at(monkeypatch: pytest.MonkeyPatch, url: str, **extra: Any) -> SqsQueue:
    """Return the queue of a server, by a connection with keys of its own."""
    extra = {"region_name": "eu-west-1", **extra}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SQS", json.dumps(connection))
    location = Location(bucket="granules", connection="aws_sqs")
    return SqsQueue(Queue(url=f"{url}/111122223333/changes", location=location))


def _receive(queue: SqsQueue) -> list[str]:
    return [message.body for message in queue.receive(wait_seconds=0, hidden_seconds=60)]


MESSAGES = reply(b'{"Messages": [{"MessageId": "1", "ReceiptHandle": "h", "Body": "one"}]}')


@pytest.mark.one_server
def test_the_proxy_of_the_connection_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for S3: a proxy in the connection is used, and the request is signed for the queue's own host."""
    with ScriptedServer(lambda _: MESSAGES) as between:
        proxies = {"http": between.url}
        queue = _at(monkeypatch, "http://sqs.invalid:8080", config_kwargs={"proxies": proxies})
        assert _receive(queue) == ["one"]
        (asked,) = between.asked
    assert (asked.target, asked.headers["host"]) == ("http://sqs.invalid:8080/", "sqs.invalid:8080")
    assert "/eu-west-1/sqs/aws4_request" in asked.headers["authorization"]


@pytest.mark.one_server
def test_the_certificates_of_the_connection_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As for S3: `verify` names the certificates to trust, and no others are."""
    mine, other = certificate(tmp_path / "mine.pem"), certificate(tmp_path / "other.pem")
    with ScriptedServer(lambda _: MESSAGES, tls=mine) as server:
        assert _receive(_at(monkeypatch, server.url, verify=str(mine))) == ["one"]
        with pytest.raises(RequestError):
            _receive(_at(monkeypatch, server.url, verify=str(other)))


@pytest.mark.one_server
@pytest.mark.parametrize("broken", [RESET, CLOSE, MESSAGES[:-9]], ids=["reset", "closed", "half"])
def test_a_broken_connection_is_replaced(monkeypatch: pytest.MonkeyPatch, broken: bytes) -> None:
    """A reply that does not come whole is an error that a retry may fix; the next request connects again."""

    def answer(asked: Asked) -> bytes:
        return broken if asked.connection == 1 else MESSAGES

    with ScriptedServer(answer) as server:
        queue = _at(monkeypatch, server.url)
        with pytest.raises(TransientError):
            _receive(queue)
        assert [_receive(queue), _receive(queue)] == [["one"], ["one"]]
        assert server.connections == 2


class _StoppedError(Exception):
    """Raised by the handler of a signal."""


@pytest.mark.one_server
def test_a_signal_interrupts_a_long_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is stopped does not wait for the end of a poll: Airflow kills it after five seconds."""

    def stop(*_: object) -> None:
        raise _StoppedError

    def answer(_: Asked) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with ScriptedServer(answer) as server, pytest.raises(_StoppedError):
            _receive(_at(monkeypatch, server.url))
    finally:
        signal.signal(signal.SIGUSR1, before)
