"""Replies are read as in botocore, except those that it wrongly accepts as success."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.errors import AccessError, Code, CopyError, MissingError, TransientError
from s3copy_tasks.s3.errors import from_client_error, from_reply
from s3copy_tasks.s3.fast.listing_rows import parse_rows
from s3copy_tasks.s3.fast.replies import Refusal, Replies, Reply, parse_headers
from s3copy_tasks.s3.fast.xml import parse_xml, plain_texts

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'
ETAG = "9b2cf535f27731c974343645a3985328"


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> list[bytes]:
        return [self.read()]


class Oracle:
    """A client of boto3 that sends nothing, and gets the replies of the test."""

    def __init__(self) -> None:
        self.reply = Reply(200, {}, b"")
        self.client: Any = boto3.client(
            "s3",
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                response_checksum_validation="when_required",
            ),
        )
        instead: Any = self._instead
        self.client.meta.events.register("before-send.s3", instead)

    def _instead(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers: Any = HeadersDict(self.reply.headers)
        raw: Any = _Raw(self.reply.body)
        return AWSResponse(request.url, self.reply.status, headers, raw)

    def read(self, operation: str, reply: Reply) -> dict[str, Any] | CopyError:
        self.reply = reply
        try:
            result: dict[str, Any] = getattr(self.client, xform_name(operation))(**PARAMS[operation])
        except ClientError as error:
            return from_client_error(error)
        if "Body" in result:
            result["Body"] = result["Body"].read()
        return without_metadata(result)


OBJECT = {"Bucket": "bucket", "Key": "k"}
UPLOAD = {**OBJECT, "UploadId": "u"}
SOURCE = {"CopySource": {"Bucket": "b", "Key": "k"}}
PARAMS: dict[str, dict[str, Any]] = {
    "CopyObject": {**OBJECT, **SOURCE},
    "UploadPartCopy": {**UPLOAD, **SOURCE, "PartNumber": 1},
    "CreateMultipartUpload": OBJECT,
    "CompleteMultipartUpload": UPLOAD,
    "AbortMultipartUpload": UPLOAD,
    "HeadObject": OBJECT,
    "GetObject": OBJECT,
    "GetObjectTagging": OBJECT,
    "PutObject": OBJECT,
    "UploadPart": {**UPLOAD, "PartNumber": 1},
    "ListObjectsV2": {"Bucket": "bucket"},
    "ListMultipartUploads": {"Bucket": "bucket"},
    "ListObjectVersions": {"Bucket": "bucket", "EncodingType": "url"},
    "GetBucketVersioning": {"Bucket": "bucket"},
    "DeleteObject": OBJECT,
    "DeleteObjects": {"Bucket": "bucket", "Delete": {"Objects": [{"Key": "k"}]}},
}
RESULT_IN_BODY = (
    "CopyObject",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "ListObjectsV2",
    "ListMultipartUploads",
    "ListObjectVersions",
    "GetBucketVersioning",
    "DeleteObjects",
)
ORACLE = Oracle()
REPLIES = Replies(ORACLE.client.meta.service_model)


def without_metadata(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "ResponseMetadata"}


def read_reply(operation: str, reply: Reply) -> dict[str, Any] | CopyError:
    """Return the result without its metadata, or the error."""
    result = REPLIES.read(operation, reply)
    if isinstance(result, Refusal):
        return from_reply(operation, result.code, result.message, result.status, reply.headers)
    return without_metadata(result)


def assert_same(operation: str, reply: Reply) -> None:
    """Compare with botocore: results by value, errors by class, code and message."""
    expected, found = ORACLE.read(operation, reply), read_reply(operation, reply)
    if isinstance(expected, CopyError) or isinstance(found, CopyError):
        assert (type(found), str(found)) == (type(expected), str(expected))
    assert isinstance(expected, CopyError) or found == expected


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
words = st.text("abcXYZ019-", min_size=1, max_size=10)
header_values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
object_headers = st.fixed_dictionaries(
    {"content-length": st.just("5")},
    optional={
        "last-modified": st.just("Wed, 12 Oct 2009 17:50:00 GMT"),
        "expires": st.sampled_from(["Wed, 12 Oct 2009 17:50:00 GMT", "0", "-1", "whenever"]),
        "etag": header_values,
        "x-amz-storage-class": header_values,
        "x-amz-tagging-count": st.integers(0, 10).map(str),
        "x-amz-delete-marker": st.sampled_from(["true", "false"]),
        "x-amz-object-lock-retain-until-date": st.just("2030-01-02T03:04:05.000Z"),
        "x-amz-missing-meta": st.just("2"),
        "x-amz-meta-a": header_values,
        "x-amz-meta-": header_values,
        "x-amz-checksum-crc64nvme": header_values,
        "x-amz-checksum-type": st.just("FULL_OBJECT"),
        "x-something-else": header_values,
    },
)


@given(operation=st.sampled_from(["HeadObject", "GetObject"]), headers=object_headers)
@settings(max_examples=200)
def test_headers_as_botocore_reads_them(operation: str, headers: dict[str, str]) -> None:
    """Numbers are numbers, dates have a zone, an unreadable Expires is only text, metadata is a mapping."""
    assert_same(operation, Reply(200, headers, b"hello" if operation == "GetObject" else b""))


confirmations = st.fixed_dictionaries(
    {"ETag": st.just(f'"{ETAG}"') | header_values},
    optional={
        "LastModified": st.just("2026-11-01T12:34:56.000Z"),
        "ChecksumCRC64NVME": texts,
        "Other": texts,
    },
)


def element(name: str, content: str, quote: str = "&quot;") -> str:
    return f"<{name}>{escape(content, {chr(34): quote})}</{name}>"


@given(
    operation=st.sampled_from([("CopyObject", "CopyObjectResult"), ("UploadPartCopy", "CopyPartResult")]),
    said=confirmations,
    declared=st.sampled_from(["", DECLARED, DECLARED.replace("\n", "\n    \n")]),
    between=st.sampled_from(["", "\n  "]),
    quote=st.sampled_from(["&quot;", "&#34;", '"']),
)
@settings(max_examples=200)
def test_confirmations_as_botocore_reads_them(
    operation: tuple[str, str], said: dict[str, str], declared: str, between: str, quote: str
) -> None:
    """Confirmations are read however a server writes XML, even after blanks that keep a connection alive."""
    name, root = operation
    inside = between.join(element(tag, text, quote) for tag, text in said.items())
    body = f"{declared}<{root} {XMLNS}>{between}{inside}{between}</{root}>"
    assert_same(name, Reply(200, {"x-amz-version-id": "v"}, body.encode()))


@given(st.lists(st.tuples(st.text("abcXYZ", min_size=1), texts | header_values), min_size=1, max_size=4))
@settings(max_examples=300)
def test_plain_texts_agree_with_the_parser(children: list[tuple[str, str]]) -> None:
    """What is read without the parser is what the parser reads."""
    body = f"<Root {XMLNS}>{''.join(element(tag, text) for tag, text in children)}</Root>".encode()
    found = plain_texts(body)
    root = parse_xml(body)
    assert found is None or found == (
        "Root",
        [(child.tag.partition("}")[2], child.text or "") for child in root],
    )


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "Key": texts.filter(bool),
            "LastModified": st.sampled_from(["2026-11-01T12:34:56.000Z", "2026-11-01T12:34:56.123Z"]),
            "ETag": st.just(f'"{ETAG}"') | st.just(f'"{ETAG}-2"'),
            "Size": st.integers(0, 2**50).map(str),
            "StorageClass": st.sampled_from(["STANDARD", "GLACIER"]),
        },
        optional={
            "ChecksumAlgorithm": st.just("CRC64NVME"),
            "ChecksumType": st.just("FULL_OBJECT"),
            "Owner": st.just("owner"),
            "RestoreStatus": st.just("true"),
        },
    ),
    max_size=4,
)
_FIRST = ("Key", "LastModified", "ETag", "ChecksumAlgorithm", "ChecksumType")
IN_ORDER = (*_FIRST, "Size", "Owner", "StorageClass", "RestoreStatus")


def row(fields: dict[str, str], *, encoded: bool) -> str:
    """Return a row in S3's order."""
    inside = ""
    for name in IN_ORDER:
        if name == "Owner" and name in fields:
            inside += f"<Owner>{element('ID', fields[name])}</Owner>"
        elif name == "RestoreStatus" and name in fields:
            inside += f"<RestoreStatus>{element('IsRestoreInProgress', fields[name])}</RestoreStatus>"
        elif name == "Key":
            inside += element(name, quote_plus(fields[name], safe="/") if encoded else fields[name])
        elif name in fields:
            inside += element(name, fields[name])
    return f"<Contents>{inside}</Contents>"


def page(rows: list[str], *, encoded: bool = True, between: str = "", tail: str = "") -> bytes:
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    head = f"<Name>bucket</Name><Prefix>a%2Bb+</Prefix>{kind}<KeyCount>{len(rows)}</KeyCount>"
    head += "<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>"
    head += "<NextContinuationToken>1/x+=%2F</NextContinuationToken>"
    inside = between.join([head, *rows, tail])
    return f"{DECLARED}<ListBucketResult {XMLNS}>{inside}</ListBucketResult>".encode()


@given(
    rows=ROWS,
    encoded=st.booleans(),
    between=st.sampled_from(["", "\n  "]),
    folders=st.lists(texts, max_size=2),
)
@settings(max_examples=300)
def test_listings_as_botocore_reads_them(
    rows: list[dict[str, str]],
    encoded: bool,  # noqa: FBT001
    between: str,
    folders: list[str],
) -> None:
    """Keys that S3 encoded are decoded, and rows are complete, with or without optional elements."""
    tail = "".join(f"<CommonPrefixes>{element('Prefix', quote_plus(f))}</CommonPrefixes>" for f in folders)
    body = page(
        [row(fields, encoded=encoded) for fields in rows], encoded=encoded, between=between, tail=tail
    )
    assert_same("ListObjectsV2", Reply(200, {}, body))


def test_most_listings_need_no_parser() -> None:
    """A row as S3 writes it needs no parser: the speed of a plan depends on that."""
    fields = {"Key": "a/\u00e9 ", "LastModified": "2026-11-01T12:34:56.000Z", "ETag": f'"{ETAG}"'}
    fields |= {"Size": "1", "StorageClass": "STANDARD", "ChecksumAlgorithm": "CRC64NVME"}
    taken = parse_rows(page([row({**fields, "ChecksumType": "FULL_OBJECT"}, encoded=True)] * 3))
    assert taken is not None
    assert len(taken.rows) == 3
    assert b"Contents" not in taken.rest


@pytest.mark.parametrize("keys", [["a\nb", "c"], ["\n", "a+b", "%0A", "\ud7ff %"], ["a%", "%zz", "\n\n"]])
def test_keys_with_line_feeds(keys: list[str]) -> None:
    """Keys of a page are decoded at once, and a line feed does not split a key."""
    fields = {"LastModified": "2026-11-01T12:34:56.000Z", "ETag": f'"{ETAG}"', "Size": "1"}
    fields["StorageClass"] = "STANDARD"
    assert_same(
        "ListObjectsV2", Reply(200, {}, page([row({**fields, "Key": k}, encoded=True) for k in keys]))
    )


UPLOADS = st.lists(
    st.fixed_dictionaries(
        {
            "Key": texts,
            "UploadId": words,
            "Initiated": st.sampled_from(["2026-11-01T12:34:56.000Z", "2026-11-01T12:34:56.123Z"]),
        },
        optional={"StorageClass": st.just("STANDARD"), "ChecksumAlgorithm": st.just("CRC64NVME")},
    ),
    max_size=3,
)
INITIATOR = f"<Initiator>{element('ID', 'arn:aws:iam::1:user/a')}{element('DisplayName', 'a')}</Initiator>"


@given(
    rows=UPLOADS,
    who=st.sampled_from(["", "<Initiator/>", INITIATOR]),
    more=st.booleans(),
    between=st.sampled_from(["", "\n  "]),
)
@settings(max_examples=200)
def test_uploads_as_botocore_reads_them(
    rows: list[dict[str, str]],
    who: str,
    more: bool,  # noqa: FBT001
    between: str,
) -> None:
    """Open uploads are returned unchanged: keys stay encoded, as botocore does not decode them."""
    head = "<Bucket>bucket</Bucket><KeyMarker></KeyMarker><EncodingType>url</EncodingType>"
    head += f"<MaxUploads>1000</MaxUploads><IsTruncated>{str(more).lower()}</IsTruncated>"
    head += "<NextKeyMarker>a%2Bb+</NextKeyMarker><NextUploadIdMarker/>" if more else ""
    inside = [
        "".join(element(name, quote_plus(text) if name == "Key" else text) for name, text in row.items())
        for row in rows
    ]
    body = between.join([head, *(f"<Upload>{one}{who}</Upload>" for one in inside)])
    body = f"{DECLARED}<ListMultipartUploadsResult {XMLNS}>{body}</ListMultipartUploadsResult>"
    assert_same("ListMultipartUploads", Reply(200, {}, body.encode()))


@pytest.mark.parametrize("more", [True, False])
def test_versions_as_botocore_reads_them(*, more: bool) -> None:
    """Versions and delete markers are two lists, whatever their order in the reply; keys stay encoded."""
    parts = [element("Key", "a%2Bb+%0A"), element("VersionId", "v1"), element("IsLatest", "true")]
    inside = "".join([*parts, element("LastModified", "2026-11-01T12:34:56.000Z")])
    rows = [f"<DeleteMarker>{inside}</DeleteMarker>", f"<Version>{inside}{element('ETag', ETAG)}</Version>"]
    head = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
    head += "<NextKeyMarker>a+b</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>" * more
    body = f"{DECLARED}<ListVersionsResult {XMLNS}>{head}{''.join(rows * 2)}</ListVersionsResult>"
    assert_same("ListObjectVersions", Reply(200, {}, body.encode()))


DELETES = st.lists(
    st.fixed_dictionaries(
        {"Key": texts}, optional={"DeleteMarkerVersionId": words, "DeleteMarker": st.just("true")}
    )
    | st.fixed_dictionaries({"Key": texts, "Code": words, "Message": texts}),
    max_size=4,
)


@given(rows=DELETES, between=st.sampled_from(["", "\n  "]))
@settings(max_examples=100)
def test_deletes_as_botocore_reads_them(rows: list[dict[str, str]], between: str) -> None:
    """What became of each key is read in any order, and keys are not decoded."""
    inside = between.join(
        f"<{tag}>{''.join(element(name, text) for name, text in row.items())}</{tag}>"
        for row in rows
        for tag in ["Error" if "Code" in row else "Deleted"]
    )
    body = f"{DECLARED}<DeleteResult {XMLNS}>{between}{inside}{between}</DeleteResult>"
    assert_same("DeleteObjects", Reply(200, {}, body.encode()))


@pytest.mark.parametrize("inside", ["/>", "><Status>Enabled</Status></VersioningConfiguration>"])
def test_versioning(inside: str) -> None:
    """A bucket that never had versions has no status: its element is empty. moto names it otherwise."""
    body = f"{DECLARED}<VersioningConfiguration {XMLNS}{inside}"
    for name in ("VersioningConfiguration", "GetBucketVersioningResponse"):
        renamed = body.replace("VersioningConfiguration", name)
        assert_same("GetBucketVersioning", Reply(200, {}, renamed.encode()))


def test_tags() -> None:
    """Tags are a list in order, which is empty if there are none."""
    tags = "".join(f"<Tag>{element('Key', key)}{element('Value', key * 2)}</Tag>" for key in ("b", "a", "&"))
    for inside in (tags, ""):
        assert_same(
            "GetObjectTagging", Reply(200, {}, f"<Tagging><TagSet>{inside}</TagSet></Tagging>".encode())
        )


@pytest.mark.parametrize(
    ("operation", "headers", "body"),
    [
        ("PutObject", {"etag": f'"{ETAG}"', "x-amz-checksum-crc32": "AAAA"}, b""),
        ("UploadPart", {"etag": f'"{ETAG}"'}, b""),
        ("AbortMultipartUpload", {}, b""),
        ("DeleteObject", {"x-amz-delete-marker": "true", "x-amz-version-id": "v"}, b""),
        ("DeleteObject", {}, b""),
        (
            "CreateMultipartUpload",
            {"x-amz-abort-date": "Wed, 12 Oct 2009 17:50:00 GMT"},
            f"<InitiateMultipartUploadResult {XMLNS}><Bucket>b</Bucket><Key>k</Key><UploadId>u.-_</UploadId>"
            "</InitiateMultipartUploadResult>".encode(),
        ),
        (
            "CompleteMultipartUpload",
            {"x-amz-version-id": "v"},
            f"{DECLARED}\n \n<CompleteMultipartUploadResult {XMLNS}><Location>http://x/y?z&amp;a</Location>"
            f"<ETag>&quot;{ETAG}-2&quot;</ETag></CompleteMultipartUploadResult>".encode(),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_results(operation: str, headers: dict[str, str], body: bytes) -> None:
    """Every operation's result is botocore's."""
    assert_same(operation, Reply(200, headers, body))


def error_body(code: str, message: str, root: str = "Error") -> bytes:
    said = element("Code", code) + element("Message", message) + "<RequestId>r</RequestId>"
    return f"{DECLARED}<{root}>{said}</{root}>".encode()


@given(
    operation=st.sampled_from(sorted(PARAMS)),
    status=st.sampled_from([301, 307, 400, 403, 404, 405, 409, 412, 416, 429, 500, 501, 503, 504]),
    code=st.sampled_from(["AccessDenied", "NoSuchKey", "SlowDown", "ExpiredToken", "InternalError", "Odd"]),
    message=texts,
)
@settings(max_examples=200)
def test_refusals_as_botocore_reads_them(operation: str, status: int, code: str, message: str) -> None:
    """An error has S3's code and message, and the class for its code and status."""
    if message:
        assert_same(operation, Reply(status, {"x-amz-bucket-region": "eu-west-1"}, error_body(code, message)))


@pytest.mark.parametrize("operation", RESULT_IN_BODY)
def test_an_error_inside_a_success(operation: str) -> None:
    """A 200 with an error is that error (rule 1)."""
    assert_same(operation, Reply(200, {}, error_body("SlowDown", "less")))
    assert_same(operation, Reply(200, {}, error_body("Odd", "an unknown code")))


@pytest.mark.parametrize(("status", "cls"), [(403, AccessError), (404, MissingError), (503, TransientError)])
@pytest.mark.parametrize(
    "body", [b"", b"<html><body>secret</body></html>", b"<html><br>secret", b"\xff\xfe", b"secret"]
)
def test_errors_of_gateways(status: int, cls: type[CopyError], body: bytes) -> None:
    """A reply that is not from S3 has its status as code, and its text is not in the message."""
    found = read_reply("CopyObject", Reply(status, {}, body))
    assert isinstance(found, cls)
    assert found.code == str(status)
    assert "secret" not in str(found)


@pytest.mark.parametrize("operation", RESULT_IN_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        DECLARED.encode() + b"   ",
        b"<html><body>Please log in</body></html>",
        b"<CopyObjectResult><ETag>&quot;1",
        page([])[:-5],
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><CopyObjectResult><ETag>&a;</ETag></CopyObjectResult>",
        f"<CopyObjectResult><ETag>{ETAG}</ETag></CopyObjectResult>".encode("utf-16"),
        b"<CopyObjectResult><LastModified>now</LastModified><ETag>x</ETag></CopyObjectResult>",
    ],
    ids=["empty", "blank", "gateway", "cut", "cut listing", "entities", "UTF-16", "odd date"],
)
def test_a_success_that_says_nothing(operation: str, body: bytes) -> None:
    """An empty, foreign or broken 200 can be retried: it is never a success, and never an empty bucket."""
    with pytest.raises(TransientError) as raised:
        REPLIES.read(operation, Reply(200, {}, body))
    assert raised.value.code == Code.EMPTY_REPLY
    assert "log in" not in str(raised.value)


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_an_unconfirmed_write(operation: str) -> None:
    """A 200 without an ETag confirms nothing."""
    with pytest.raises(TransientError):
        REPLIES.read(operation, Reply(200, {}, b""))


def test_where_the_bucket_is() -> None:
    """The region is in a header, or in the body of an error."""
    in_body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>"
    for reply in (Reply(400, {}, in_body), Reply(301, {"x-amz-bucket-region": "eu-north-1"}, b"")):
        refusal = REPLIES.read("HeadObject", reply)
        assert isinstance(refusal, Refusal)
        assert refusal.region == "eu-north-1"


def test_header_lines() -> None:
    """Names are in lower case, repeated ones together, and only the last reply counts."""
    lines = [b"HTTP/1.1 200 Connection established\r\n", b"Via: proxy\r\n", b"\r\n"]
    lines += [
        b"HTTP/1.1 200 OK\r\n",
        b'ETag:  "x" \r\n',
        b"A: 1\r\n",
        b"x-amz-meta-note: by HTTP/1.1 \r\n",
        b"X-Odd: \xe9:\r\n",
        b"a: 2\r\n",
        b"\r\n",
    ]
    assert parse_headers(lines) == {
        "etag": '"x"',
        "a": "1, 2",
        "x-amz-meta-note": "by HTTP/1.1",
        "x-odd": "\u00e9:",
    }
