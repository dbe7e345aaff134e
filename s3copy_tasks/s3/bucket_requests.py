"""Requests to one bucket, with one set of credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.errors import AccessError
from s3copy_tasks.iam.statements import explain_refusal
from s3copy_tasks.s3.parameters import payer_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from s3copy_tasks.s3.client import Client


class BucketRequests:
    """Sends requests to one bucket.

    Args:
        client: carries out the requests.
        bucket: its name.
        account: twelve digits, sent as the bucket's expected owner; None sends nothing.
        requester_pays: agree to pay for reads.
        partition: returns the partition of AWS that the bucket is in, for policies.
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        account: str | None,
        *,
        requester_pays: bool = False,
        partition: Callable[[], str] = lambda: "aws",
    ) -> None:
        self._client = client
        self._partition = partition
        self.bucket = bucket
        self._asked: dict[str, Any] = {"Bucket": bucket}
        if account:
            self._asked["ExpectedBucketOwner"] = account
        self._read = self._asked | payer_params(agreed=requester_pays)

    async def _call(self, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._client.call(operation, asked)
        except AccessError as error:
            raise explain_refusal(error) from None
