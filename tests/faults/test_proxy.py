"""The fault proxy itself: in front of any S3 server, by kind, key and count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.faults.bench import DESTINATION, SOURCE, FaultBench, connect
from tests.faults.kinds import FAULTS
from tests.faults.proxy import FaultProxy
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from tests.support.s3.servers import Endpoint


@pytest.mark.one_server
def test_it_works_with_any_server(server: Endpoint) -> None:
    """It forwards to an address; a rule strikes the nth request of a kind, so many times."""
    with FaultProxy(server.url) as proxy:
        client = connect(proxy.url)
        client.create_bucket(Bucket="behind-the-proxy")
        proxy.add(FAULTS["SlowDown"], "PutObject", "a", nth=2, times=2)
        for status in (200, 503, 503, 200):
            try:
                reply = client.put_object(Bucket="behind-the-proxy", Key="a", Body=b"body")
                assert reply["ResponseMetadata"]["HTTPStatusCode"] == status
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status  # noqa: PT017
        client.put_object(Bucket="behind-the-proxy", Key="b", Body=b"body")
        assert proxy.kinds()["PutObject"] == 5
        assert [one.fault for one in proxy.exchanges if one.request.key == "a"] == [
            None,
            "SlowDown",
            "SlowDown",
            None,
        ]


@pytest.mark.parametrize(
    ("name", "acts"), [("reset", False), ("reset after the act", True)], ids=["before", "after"]
)
def test_a_reset_comes_before_or_after_the_act(
    fault_proxy: FaultProxy, fault_client: S3Client, name: str, *, acts: bool
) -> None:
    """The client sees the same; the server has acted, or got no request."""
    server = SmallS3()
    fault_proxy.begin(server)
    rule = fault_proxy.add(FAULTS[name], "PutObject")
    with pytest.raises(ConnectionClosedError):
        fault_client.put_object(Bucket="b", Key="a", Body=b"body")
    assert rule.seen == 1
    assert ("a" in server.contents("b")) is acts
    assert [one.is_known for one in fault_proxy.exchanges] == [False]


def test_the_small_server_knows_a_mix(fault_proxy: FaultProxy, fault_client: S3Client) -> None:
    """An object with parts of two versions is neither of them, even if its size is right."""
    bench = FaultBench(fault_proxy, fault_client, part_bytes_min=1)
    first = bench.put("a", 100)
    upload = fault_client.create_multipart_upload(Bucket=DESTINATION, Key="out/a")["UploadId"]
    parts = []
    for number, bounds in enumerate(("0-49", "50-99"), start=1):
        reply = fault_client.upload_part_copy(
            Bucket=DESTINATION,
            Key="out/a",
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": SOURCE, "Key": "in/a"},
            CopySourceRange=f"bytes={bounds}",
        )
        parts.append({"PartNumber": number, "ETag": reply["CopyPartResult"]["ETag"]})
        second = bench.put("a", 100)
    fault_client.complete_multipart_upload(
        Bucket=DESTINATION,
        Key="out/a",
        UploadId=upload,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
    )
    copy = bench.written["a"]
    assert copy.size == 100
    assert not bench.server.same(copy, first)
    assert not bench.server.same(copy, second)
