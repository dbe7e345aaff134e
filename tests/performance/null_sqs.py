"""A null SQS: answers every request at once, over TLS, and stores nothing. Each receive has ten events."""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

from tests.performance.child import obey
from tests.support.s3.queues import notify, record
from tests.support.s3.scripted import certificate
from tests.support.s3.servers.processes import free_port

TOGETHER = 10
_HANDLE = "AQEB" + "x" * 400
"""About as long as those of SQS."""
_numbers = count()


class NullSqs:
    """The methods that a benchmark calls."""

    def serve(self, home: str) -> dict[str, str]:
        """Answer until the process ends; return the URL of the queue, and the certificate to trust."""
        port, file = free_port(), certificate(Path(home) / "certificate.pem")
        server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        return {"url": f"https://127.0.0.1:{port}/111122223333/events", "ca_bundle": str(file)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        received = self.headers["x-amz-target"].endswith("ReceiveMessage")
        reply = json.dumps({"Messages": _events()} if received else _done(body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def _events() -> list[dict[str, object]]:
    return [
        {
            "MessageId": f"{number:036}",
            "ReceiptHandle": f"{_HANDLE}{number}",
            "Body": notify(record("granules", f"data/2026/331/granule-{number:012}.nc")),
            "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795000000000"},
        }
        for number in (next(_numbers) for _ in range(TOGETHER))
    ]


def _done(body: bytes) -> dict[str, object]:
    return {"Successful": [{"Id": entry["Id"]} for entry in json.loads(body)["Entries"]], "Failed": []}


if __name__ == "__main__":
    obey(NullSqs())
