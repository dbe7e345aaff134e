"""S3's operations by name, one request each: the interface between the store and its clients.

Every failure is one of this package's errors. Nothing is retried here: only `Sender` retries
(rule 20). There are two clients: `s3.fast.client.CurlClient`, and `s3.boto3_client.Boto3Client`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3.client import S3Client


class Connect(Protocol):
    """Makes a client of boto3."""

    def __call__(self, *, renew: bool = False) -> S3Client:
        """Return a client; with `renew`, its credentials are fetched again."""


class Client(Protocol):
    """Carries out operations of S3."""

    async def call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out an operation.

        Args:
            operation: S3's name, such as "CopyObject".
            params: boto3's names. CopySource is a mapping, Body is bytes.

        Returns:
            What boto3 returns, with its names and types; a body is bytes. A write has its ETag: see
            `s3.results.check_confirmed`.

        Raises:
            CopyError: S3 refused it, or did not reply; ExpiredError if the credentials have expired:
                the next call connects again.
        """

    async def close(self) -> None:
        """Close all connections; the client can't be used after that."""
