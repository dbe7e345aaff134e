"""An HTTP server that sends what a test says, even what is not valid HTTP."""

from __future__ import annotations

import socket
import ssl
import struct
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

RESET = b"reset"
"""An answer: the connection is reset."""
CLOSE = b""
"""An answer: the connection is closed."""


class Asked(NamedTuple):
    """A request: its number on its connection, that connection's number, and what was sent; both from 1."""

    connection: int
    number: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(body: bytes = b"", status: int = 200, *, length: int | None = None, **headers: str) -> bytes:
    """Return a reply on the wire; `length` is the Content-Length, if it is not the real one."""
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class ScriptedServer:
    """Answers every request with the bytes that `answer` returns; None sends nothing until it is closed.

    Args:
        answer: gets every request.
        tls: a certificate's path, its key in the same file; None for plain HTTP.
    """

    def __init__(self, answer: Callable[[Asked], bytes | None], *, tls: Path | None = None) -> None:
        self.asked: list[Asked] = []
        self.silent = Event()
        self.left = Event()
        self._answer = answer
        self._context = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = Thread(target=self._accept, daemon=True)
        self._connections: list[socket.socket] = []
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return len(self._connections)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for connection in self._connections:
            _end(connection)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = Thread(target=self._serve, args=(connection, len(self._connections)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            wire = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with wire, wire.makefile("rb") as lines:
                count = 0
                while first := lines.readline():
                    count += 1
                    method, target, _ = first.decode().split(" ")
                    headers: dict[str, str] = {}
                    while line := lines.readline().strip():
                        name, _, value = line.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip()
                    body = lines.read(int(headers.get("content-length", 0)))
                    asked = Asked(number, count, method, target, headers, body)
                    self.asked.append(asked)
                    answer = self._answer(asked)
                    if answer is None:
                        self.silent.set()
                        lines.read(1)
                        self.left.set()
                        return
                    if answer == RESET:
                        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    if answer in {RESET, CLOSE}:
                        return
                    wire.sendall(answer)
                    if not _is_whole(answer, method):
                        return
        except OSError:
            self.left.set()


def _is_whole(answer: bytes, method: str) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    claimed = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    return method == "HEAD" or len(body) == claimed


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()


def certificate(path: Path, host: str = "127.0.0.1") -> Path:
    """Write a self-signed certificate for an address, and its key, to a file; return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path
