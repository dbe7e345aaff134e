"""Sends requests with either S3 client in a separate process, and measures their cost."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from s3copy_tasks.s3.boto3_client import Boto3Client
from s3copy_tasks.s3.client import Client
from s3copy_tasks.s3.fast.client import CurlClient
from tests.performance.child import obey

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client

ROUNDS_BEFORE = 3
_ETAG = '"9b2cf535f27731c974343645a3985328"'
_OWNERS = {"ExpectedBucketOwner": "111122223333", "ExpectedSourceBucketOwner": "444455556666"}


class Clients:
    """The methods that the benchmark calls."""

    def copies(self, **asked: Any) -> dict[str, float]:
        """Copy objects; return seconds and CPU seconds of this process."""
        return asyncio.run(_measured(_copy, **asked))

    def pages(self, **asked: Any) -> dict[str, float]:
        """List pages of 1,000 keys; return the same."""
        return asyncio.run(_measured(_page, **asked))


async def _measured(
    request: Callable[[Client, int], Any],
    *,
    client: str,
    url: str,
    requests: int,
    at_once: int,
    ca_bundle: str,
) -> dict[str, float]:
    def connect(*, renew: bool = False) -> S3Client:
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            verify=ca_bundle,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            aws_session_token="t" * 600,  # about as long as those of STS
            config=Config(
                max_pool_connections=at_once,
                retries={"mode": "standard", "total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    made: Client = Boto3Client(connect, threads=at_once)
    if client == "curl":
        made = CurlClient(connect, connections=at_once)
    try:
        await _all(request, made, ROUNDS_BEFORE * at_once, at_once)  # connects
        gc.collect()
        started, cpu = time.perf_counter(), os.times()
        await _all(request, made, requests, at_once)
        seconds, after = time.perf_counter() - started, os.times()
    finally:
        await made.close()
    return {"seconds": seconds, "cpu": after.user + after.system - cpu.user - cpu.system}


async def _all(request: Callable[[Client, int], Any], client: Client, requests: int, at_once: int) -> None:
    numbers = iter(range(requests))

    async def worker() -> None:
        for number in numbers:
            await request(client, number)

    await asyncio.gather(*[worker() for _ in range(at_once)])


async def _copy(client: Client, number: int) -> None:
    key = f"data/year=2026/part-{number:08}.parquet"
    source = {"Bucket": "source", "Key": key}
    params = {"Bucket": "bucket", "Key": key, "CopySource": source, "CopySourceIfMatch": _ETAG, **_OWNERS}
    result = await client.call("CopyObject", params)
    if result["CopyObjectResult"]["ETag"] != _ETAG:
        raise RuntimeError(result)


async def _page(client: Client, _: int) -> None:
    result = await client.call("ListObjectsV2", {"Bucket": "bucket", "Prefix": ""})
    if len(result["Contents"]) != result["KeyCount"]:
        raise RuntimeError(result)


if __name__ == "__main__":
    obey(Clients())
