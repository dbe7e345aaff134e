"""Servers that receive notifications: for JSON by POST, for mail, and a queue that listens to a topic."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import boto3

from tests.support.s3.listener import Listener
from tests.support.s3.servers.endpoint import WORKER, Endpoint


class Gateway(Listener):
    """Receives JSON by POST.

    Attributes:
        posts: (path, document) of each request, in order.
        status: of the replies.
    """

    def __init__(self) -> None:
        gateway = self
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.status = 200

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.posts.append((self.path, json.loads(body)))
                self.send_response(gateway.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        super().__init__(server)

    def of(self, job: str) -> list[dict[str, Any]]:
        """Return the documents about a job."""
        return [document for _, document in self.posts if document["job"] == job]

    def connections(self) -> dict[str, str]:
        """Return environment variables with connections to it: for a webhook, and for Slack's webhook."""
        slack = {"conn_type": "slackwebhook", "host": f"http://127.0.0.1:{self.port}/services"}
        return {
            "AIRFLOW_CONN_OPS_GATEWAY": f"http://127.0.0.1:{self.port}",
            "AIRFLOW_CONN_SLACK_ALERTS": json.dumps(slack | {"password": "T0/B0/not-a-token"}),
        }


class Mailbox(Listener):
    """Receives mail, with as little of SMTP as that needs.

    Attributes:
        mails: received mails, in order.
    """

    def __init__(self) -> None:
        mailbox = self
        self.mails: list[Message] = []

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 mailbox\r\n")
                while line := self.rfile.readline():
                    command = line[:4].upper()
                    if command == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        mailbox.mails.append(
                            message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n")))
                        )
                    self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")

        server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        super().__init__(server)

    def connections(self) -> dict[str, str]:
        """Return environment variables with the connection to it."""
        extra = {"from_email": "s3copy@example.org", "disable_tls": True, "disable_ssl": True}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra}
        return {"AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(connection)}


@dataclass
class Topic:
    """An SNS topic on a test server, and a queue that receives what is published."""

    server: Endpoint
    arn: str = field(init=False)

    def __post_init__(self) -> None:
        arguments = {**WORKER.arguments(), "endpoint_url": self.server.url}
        self._sqs: Any = boto3.client("sqs", **arguments)
        sns: Any = boto3.client("sns", **arguments)
        self.arn = sns.create_topic(Name="copy-alerts")["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName="alerts")["QueueUrl"]
        queue_arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"])

    def receive(self) -> list[dict[str, Any]]:
        """Return the published messages: a mapping with `Subject` and `Message` for each."""
        reply = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in reply.get("Messages", [])]

    def connections(self) -> dict[str, str]:
        """Return environment variables with the connection to it."""
        return {"AIRFLOW_CONN_AWS_ALERTS": self.server.connection(None)}
