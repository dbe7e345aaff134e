"""One proxy and one client for all: to make a client takes longer than most of these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.bench import connect
from tests.faults.proxy import FaultProxy
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client


@pytest.fixture(scope="session")
def fault_proxy() -> Iterator[FaultProxy]:
    """A proxy that strikes by rule."""
    with FaultProxy(SmallS3()) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def fault_client(fault_proxy: FaultProxy) -> S3Client:
    """A client of the proxy."""
    return connect(fault_proxy.url)
