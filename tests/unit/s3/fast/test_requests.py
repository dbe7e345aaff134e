"""Requests are botocore's: method, path, query, headers and body."""

from __future__ import annotations

import io
from base64 import b64encode
from copy import deepcopy
from datetime import UTC, datetime
from hashlib import md5
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import boto3
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.model import ServiceModel
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.text import can_be_in_xml
from s3copy_tasks.errors import ConfigError, RequestError
from s3copy_tasks.s3.boto3_client import check_copies_are_conditional
from s3copy_tasks.s3.fast.requests import INVALID, Request, Serializer

BUCKET = "bucket"
# What a signature and botocore's own bookkeeping add.
OTHERS = {"authorization", "user-agent", "expect", "content-length", "amz-sdk-invocation-id"}
OTHERS |= {"amz-sdk-request", "x-amz-date", "x-amz-content-sha256"}


class _Empty(io.BytesIO):
    def stream(self, **_: Any) -> list[bytes]:
        return []


class Oracle:
    """A client of boto3 that sends nothing, and keeps what it would have sent."""

    def __init__(self) -> None:
        self.sent: list[AWSPreparedRequest] = []
        self.client: Any = boto3.client(
            "s3",
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )
        instead: Any = self._instead
        self.client.meta.events.register("before-send.s3", instead)

    def _instead(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.sent.append(request)
        headers: Any = {}
        return AWSResponse(request.url, 200, headers, _Empty())

    def request(self, operation: str, params: dict[str, Any]) -> AWSPreparedRequest:
        getattr(self.client, xform_name(operation))(**params)
        return self.sent.pop()


ORACLE = Oracle()
MODEL: ServiceModel = ORACLE.client.meta.service_model
SERIALIZER = Serializer(MODEL)

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
ascii_words = st.text("abcXYZ019-", min_size=1, max_size=10)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)
etags = st.from_regex(r"\A\"[0-9a-f]{32}(-[1-9])?\"\Z")
accounts = st.from_regex(r"\A[0-9]{12}\Z")
dates = st.integers(946_684_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC))
metadata = st.dictionaries(ascii_words.map(str.lower), header_values, max_size=3)
sources = st.fixed_dictionaries(
    {
        "Bucket": st.sampled_from(["other", "arn:aws:s3:eu-west-1:111122223333:accesspoint/point"]),
        "Key": keys,
    },
    optional={"VersionId": ascii_words},
)
OF_OBJECT = {
    "ContentType": header_values,
    "CacheControl": header_values,
    "Expires": dates,
    "Metadata": metadata,
    "StorageClass": st.sampled_from(["GLACIER", "STANDARD_IA"]),
    "ACL": st.just("bucket-owner-full-control"),
    "ServerSideEncryption": st.just("aws:kms"),
    "SSEKMSKeyId": header_values,
    "BucketKeyEnabled": st.booleans(),
    "Tagging": header_values,
    "ExpectedBucketOwner": accounts,
    "ObjectLockRetainUntilDate": dates,
}
OF_SOURCE = {
    "CopySourceIfMatch": etags,
    "CopySourceIfModifiedSince": dates,
    "ExpectedSourceBucketOwner": accounts,
    "RequestPayer": st.just("requester"),
}
OF_PART: dict[str, Any] = {"UploadId": header_values, "PartNumber": st.integers(1, 10_000)}
READ = {"VersionId": header_values, "RequestPayer": st.just("requester"), "ExpectedBucketOwner": accounts}
CONDITIONS = {"IfMatch": etags, "IfNoneMatch": st.just("*")}
PARTS = st.lists(
    st.fixed_dictionaries({"PartNumber": st.integers(1, 9), "ETag": keys.filter(str.isprintable)}), min_size=1
)

OPERATIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CopyObject": ({"CopySource": sources}, {**OF_OBJECT, **OF_SOURCE, **CONDITIONS}),
    "UploadPartCopy": ({**OF_PART, "CopySource": sources}, {**OF_SOURCE, "CopySourceRange": header_values}),
    "CreateMultipartUpload": ({}, {**OF_OBJECT, "ChecksumAlgorithm": st.just("CRC64NVME")}),
    "CompleteMultipartUpload": (
        {"UploadId": header_values, "MultipartUpload": st.fixed_dictionaries({"Parts": PARTS})},
        {**CONDITIONS, "MpuObjectSize": st.integers(0, 2**50)},
    ),
    "AbortMultipartUpload": ({"UploadId": header_values}, {"ExpectedBucketOwner": accounts}),
    "HeadObject": ({}, {**READ, "ChecksumMode": st.just("ENABLED")}),
    "GetObject": ({}, {**READ, "IfMatch": etags, "Range": st.just("bytes=0-0")}),
    "GetObjectTagging": ({}, READ),
    "PutObject": (
        {"Body": st.binary(max_size=9)},
        {**OF_OBJECT, **CONDITIONS, "ContentMD5": header_values},
    ),
    "UploadPart": ({**OF_PART, "Body": st.binary(max_size=9)}, {"ContentMD5": header_values}),
    "DeleteObject": ({"IfMatch": etags}, {"ExpectedBucketOwner": accounts}),
}
LISTING = {
    "Prefix": keys,
    "Delimiter": st.just("/"),
    "StartAfter": keys,
    "ContinuationToken": header_values,
    "MaxKeys": st.integers(1, 1000),
    "FetchOwner": st.booleans(),
    "OptionalObjectAttributes": st.lists(st.just("RestoreStatus"), max_size=1),
    "RequestPayer": st.just("requester"),
}
UPLOADS = {
    "Prefix": keys,
    "KeyMarker": keys,
    "UploadIdMarker": header_values,
    "EncodingType": st.just("url"),
    "MaxUploads": st.integers(1, 1000),
    "ExpectedBucketOwner": accounts,
}


def pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def assert_same(found: Request, expected: AWSPreparedRequest, operation: str) -> None:
    """Compare what is sent, except the host, which always comes from botocore."""
    url = urlsplit(expected.url)
    prepared: dict[str, Any] = dict(expected.headers.items())
    headers = {k.lower(): v.decode() if isinstance(v, bytes) else v for k, v in prepared.items()}
    assert found.method == expected.method
    assert url.path == (f"/{BUCKET}" if found.key is None else f"/{BUCKET}/{found.key}")
    assert pairs(found.query) == sorted(pairs(url.query))
    assert found.headers == {name: value for name, value in headers.items() if name not in OTHERS}
    body: Any = expected.body
    assert found.body == (body.read() if hasattr(body, "read") else body or b"")
    assert (found.flag in url.query.split("&")) or not found.flag, operation


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
@settings(max_examples=100)
def test_as_botocore_serializes(operation: str, data: st.DataObject) -> None:
    """Whatever the parameters of an operation on an object, the request is botocore's."""
    required, optional = OPERATIONS[operation]
    known: Any = MODEL.operation_model(operation).input_shape
    optional = {name: values for name, values in optional.items() if name in known.members}
    given_params = st.fixed_dictionaries({"Key": keys, **required}, optional=optional)
    params = {"Bucket": BUCKET, **data.draw(given_params)}
    expected = ORACLE.request(operation, dict(params))
    assert_same(SERIALIZER.serialize(operation, params), expected, operation)


def model_before_conditional_copies() -> ServiceModel:
    """Return botocore's model of S3 from before 1.40.61."""
    document = deepcopy(vars(MODEL)["_service_description"])
    for name in CONDITIONS:
        document["shapes"]["CopyObjectRequest"]["members"].pop(name, None)
    return ServiceModel(document)


def test_copies_are_conditional_with_an_older_botocore() -> None:
    """Airflow 3.0 comes with a boto3 that is older than S3's conditional copies."""
    params = {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "b", "Key": "j"}}
    for name, header in (("IfMatch", "if-match"), ("IfNoneMatch", "if-none-match")):
        request = Serializer(model_before_conditional_copies()).serialize("CopyObject", {**params, name: "*"})
        assert (request.headers[header], request.once) == ("*", True)


def test_an_older_boto3_can_not_be_chosen() -> None:
    """`client: boto3` would copy without conditions: it is refused, with both solutions."""
    client: Any = SimpleNamespace(meta=SimpleNamespace(service_model=model_before_conditional_copies()))
    with pytest.raises(ConfigError, match=r"transfer.client: .* 1\.40\.61.* `fast`, works"):
        check_copies_are_conditional(client)


@given(params=st.fixed_dictionaries({}, optional=LISTING))
@settings(max_examples=50)
def test_listings_as_botocore_serializes_them(params: dict[str, Any]) -> None:
    """A listing requests percent-encoded keys, because XML can't contain every key."""
    params = {"Bucket": BUCKET, **params}
    expected = ORACLE.request("ListObjectsV2", dict(params))
    found = SERIALIZER.serialize("ListObjectsV2", params)
    assert "encoding-type=url" in found.query
    assert_same(found, expected, "ListObjectsV2")


@given(params=st.fixed_dictionaries({}, optional=UPLOADS))
@settings(max_examples=50)
def test_listings_of_uploads_as_botocore_serializes_them(params: dict[str, Any]) -> None:
    """Listings of uploads have all parameters, such as the encoding and the marker."""
    params = {"Bucket": BUCKET, **params}
    expected = ORACLE.request("ListMultipartUploads", dict(params))
    assert_same(SERIALIZER.serialize("ListMultipartUploads", params), expected, "ListMultipartUploads")


def test_listings_of_versions_as_botocore_serializes_them() -> None:
    """With the encoding, and the place where the page begins."""
    params = {"Bucket": BUCKET, "Prefix": "a b/versions=", "EncodingType": "url"}
    params |= {"KeyMarker": "a b/\u00e9+", "VersionIdMarker": "v.1", "ExpectedBucketOwner": "012345678901"}
    expected = ORACLE.request("ListObjectVersions", dict(params))
    assert_same(SERIALIZER.serialize("ListObjectVersions", params), expected, "ListObjectVersions")


@given(account=accounts)
@settings(max_examples=5)
def test_versioning_as_botocore_serializes_it(account: str) -> None:
    """The request for a bucket's versioning names the owner."""
    params = {"Bucket": BUCKET, "ExpectedBucketOwner": account}
    expected = ORACLE.request("GetBucketVersioning", dict(params))
    assert_same(SERIALIZER.serialize("GetBucketVersioning", params), expected, "GetBucketVersioning")


@given(rows=st.lists(st.fixed_dictionaries({"Key": keys, "ETag": etags}), min_size=1), account=accounts)
@settings(max_examples=50)
def test_deletes_as_botocore_serializes_them(rows: list[dict[str, str]], account: str) -> None:
    """The body is botocore's, line breaks in keys included; it is protected by the MD5 that AWS requires."""
    params = {
        "Bucket": BUCKET,
        "Delete": {"Objects": rows, "Quiet": False},
        "ExpectedBucketOwner": account,
    }
    expected = ORACLE.request("DeleteObjects", dict(params))
    for name in ("x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"):
        del expected.headers[name]
    body: Any = expected.body
    expected.headers["Content-MD5"] = b64encode(md5(body).digest()).decode()
    assert_same(SERIALIZER.serialize("DeleteObjects", params), expected, "DeleteObjects")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("PutObject", {"Bucket": "b", "Key": ""}),
        ("DeleteObject", {"Bucket": "b", "Key": ""}),
        ("DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "\ud800"}]}}),
        ("PutObject", {"Bucket": "", "Key": "k"}),
        ("AbortMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("HeadObject", {"Bucket": "b", "Key": "k", "NoSuchThing": 1}),
        ("HeadObject", {"Bucket": "b", "Key": "k", "SSECustomerKey": "made up"}),
        ("HeadObject", {"Bucket": "b", "Key": "\ud800"}),
        ("PutObject", {"Bucket": "b", "Key": "k", "Metadata": {"a": "1\r\nx-amz-acl: public-read"}}),
        ("PutObject", {"Bucket": "b", "Key": "k", "Metadata": {"a\r\nb": "1"}}),
        ("PutObject", {"Bucket": "b", "Key": "k", "Metadata": {"a": "\u00e9"}}),
        ("PutObject", {"Bucket": "b", "Key": "k", "ContentType": "a\nb"}),
        ("PutObject", {"Bucket": "b", "Key": "k", "Expires": "0\nx-amz-acl: public-read"}),
        ("CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "b/k"}),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_invalid_parameters(operation: str, params: dict[str, Any]) -> None:
    """An empty key, unknown or missing parameters, and values that break out of a header are refused."""
    with pytest.raises(RequestError) as raised:
        SERIALIZER.serialize(operation, params)
    assert raised.value.code == INVALID


@pytest.mark.parametrize(
    ("operation", "params", "once"),
    [
        ("CompleteMultipartUpload", {"UploadId": "u"}, True),
        ("CreateMultipartUpload", {}, True),
        ("AbortMultipartUpload", {"UploadId": "u"}, False),
        ("CopyObject", {"CopySource": {"Bucket": "b", "Key": "k"}}, False),
        ("CopyObject", {"CopySource": {"Bucket": "b", "Key": "k"}, "CopySourceIfMatch": '"e"'}, False),
        ("CopyObject", {"CopySource": {"Bucket": "b", "Key": "k"}, "IfNoneMatch": "*"}, True),
        ("PutObject", {"IfMatch": '"e"'}, True),
        ("GetObject", {"IfMatch": '"e"'}, False),
        ("DeleteObject", {"IfMatch": '"e"'}, True),
    ],
)
def test_what_must_not_come_twice(operation: str, params: dict[str, Any], once: bool) -> None:  # noqa: FBT001
    """A request that would fail after its own success, or leave something behind, is sent once."""
    assert SERIALIZER.serialize(operation, {"Bucket": "b", "Key": "k", **params}).once is once


def test_deletes_of_many_must_not_come_twice() -> None:
    """The second reply would say that the objects were absent, without the versions of their markers."""
    params = {"Bucket": "b", "Delete": {"Objects": [{"Key": "k", "ETag": '"e"'}]}}
    assert SERIALIZER.serialize("DeleteObjects", params).once


@given(names=st.lists(keys.filter(can_be_in_xml), min_size=1))
@settings(max_examples=50)
def test_keys_that_xml_carries(names: list[str]) -> None:
    """A key that is sent among others is read as the same key, even by a parser that strips blanks."""
    params = {"Bucket": "b", "Delete": {"Objects": [{"Key": key, "ETag": '"e"'} for key in names]}}
    read = ET.fromstring(SERIALIZER.serialize("DeleteObjects", params).body)
    found = [element.text or "" for element in read.iter() if element.tag.endswith("}Key")]
    assert names == found == [key.strip() for key in found]
