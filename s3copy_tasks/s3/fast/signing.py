"""Signatures of requests to S3, version 4: only hashing, a few microseconds each.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Not libcurl's signer: it
normalises paths, and a key may contain `..` or `//`. Not botocore's: it takes ten times as long.
"""

from __future__ import annotations

import time
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""In place of a body's hash, if TLS protects the body."""
_EMPTY_HASH = sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """What requests are signed with; `token` is None for long-lived keys."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        """Return a text without the secret."""
        return "Credentials(***)"


class Signer:
    """Signs requests to one region; caches the day's derived key, and the second's timestamp.

    Args:
        region: as in the credential's scope.
        service: as in the credential's scope; "s3", or "s3-object-lambda" and others behind access points.
    """

    def __init__(self, region: str, service: str = "s3") -> None:
        self._scope_end = f"/{region}/{service}/aws4_request"
        self._parts = region.encode(), service.encode(), b"aws4_request"
        self._second = -1
        self._timestamp = ""
        self._day = ""
        self._derived: tuple[Credentials, str] | None = None
        self._keyed = _Keyed(b"")

    def sign(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        payload_hash: str,
        *,
        now: float,
    ) -> list[str]:
        """Return the header lines of a request: those given, those that signing adds, and the signature.

        Args:
            credentials: to sign with.
            method: in capitals.
            path: percent-encoded once; it is not normalised.
            query: percent-encoded, its parameters in order, each with its `=`.
            headers: names in lower case, `host` among them, values as sent.
            payload_hash: `hash_body` of the body, or `UNSIGNED_PAYLOAD`.
            now: Unix time in seconds, by the server's clock.
        """
        if int(now) != self._second:
            self._second = int(now)
            self._timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._second))
            self._day = self._timestamp[:8]
        signed = {**headers, "x-amz-content-sha256": payload_hash, "x-amz-date": self._timestamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names, listed = _sort_names(tuple(signed))
        lines = [f"{name}:{signed[name]}" for name in names]
        values = "".join(headers.values())
        if values.split() == [values]:
            signed_lines = "\n".join(lines)
        else:  # blanks are signed as one, and stripped at both ends
            signed_lines = "\n".join([f"{name}:{' '.join(signed[name].split())}" for name in names])
        canonical = f"{method}\n{path}\n{query}\n{signed_lines}\n\n{listed}\n{payload_hash}"
        scope = self._day + self._scope_end
        hashed = sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{self._timestamp}\n{scope}\n{hashed}"
        signature = self._key_for(credentials).digest(to_sign.encode())
        lines.append(
            f"authorization:{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return lines

    def _key_for(self, credentials: Credentials) -> _Keyed:
        if self._derived != (credentials, self._day):
            key = digest(f"AWS4{credentials.secret_key}".encode(), self._day.encode(), "sha256")
            for part in self._parts:
                key = digest(key, part, "sha256")
            self._derived, self._keyed = (credentials, self._day), _Keyed(key)
        return self._keyed


class _Keyed:
    """HMAC-SHA256 (RFC 2104) with one key for many messages: a quarter of the cost of `hmac`."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(sha256().block_size, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, message: bytes) -> str:
        """Return a message's digest, in hexadecimal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()


@lru_cache(maxsize=256)
def _sort_names(names: tuple[str, ...]) -> tuple[list[str], str]:
    """Return names in signing order, and the same as one text; cached for each kind of request."""
    ordered = sorted(names)
    return ordered, ";".join(ordered)


def hash_body(body: bytes) -> str:
    """Return the SHA-256 of a body, in hexadecimal."""
    return sha256(body).hexdigest() if body else _EMPTY_HASH
