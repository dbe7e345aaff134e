"""What is missing or denied is reported before the first copy, with principal, action and resource."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.errors import AccessError, ConfigError, CopyError, MissingError, TransientError
from s3copy_tasks.preflight.apart import _server, explain_two_servers
from s3copy_tasks.s3 import connections
from tests.support.builders.bench import make_job
from tests.support.s3.proxy import Reply, Request
from tests.support.s3.servers import WRITER, put_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

DENIED = Reply.error(403, "AccessDenied", "Access Denied")


def refuse(kind: str, bucket: str, reply: Reply = DENIED) -> Callable[[Request], Reply | None]:
    """Answer requests of a kind to a bucket by `reply`."""
    return lambda request: reply if request.kind == kind and bucket in request.target else None


def refusal(sides: Sides, **changes: object) -> CopyError:
    with pytest.raises(CopyError) as caught:
        sides.preflight(sides.job(**changes))
    return caught.value


def test_a_passed_preflight_leaves_nothing_behind(sides: Sides, proxy: Proxy) -> None:
    """An upload that is aborted proves the permission to write; no object and no upload stays (rule 17)."""
    sides.put("data/a")
    proven = sides.preflight(sides.job())
    assert proven.not_proven == ()
    assert proven.job.run_started is not None
    assert sides.copied() == {}
    assert sides.open_uploads() == []
    (created,) = proxy.of_kind("CreateMultipartUpload")
    assert created.key == "copy/.s3copy-preflight-run-1"
    assert proxy.kinds()["AbortMultipartUpload"] == 1


@pytest.mark.needs("encryption", "storage_classes")
def test_the_upload_that_proves_writing_has_the_options_of_the_job(sides: Sides, proxy: Proxy) -> None:
    """A key, ACL or class that S3 would refuse is found before the first copy."""
    sides.put("data/a")
    sides.preflight(sides.job(options=ObjectOptions(kms_key_id="key-1", storage_class="GLACIER_IR")))
    (created,) = proxy.of_kind("CreateMultipartUpload")
    assert created.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
    assert created.headers["x-amz-storage-class"] == "GLACIER_IR"


@pytest.mark.parametrize("side", ["source", "destination"])
def test_missing_bucket(sides: Sides, side: str) -> None:
    """A bucket that does not exist is named, with its side."""
    job = sides.job()
    place = replace(getattr(job, side), bucket="no-such-bucket")
    error = refusal(sides, **{side: place})
    assert isinstance(error, MissingError)
    assert f"{side}.bucket: bucket 'no-such-bucket' does not exist" in error.message


def test_no_object_below_any_prefix(sides: Sides) -> None:
    """If all prefixes of a job are empty, that is an error: nothing to copy is a mistake."""
    error = refusal(sides)
    assert isinstance(error, MissingError)
    assert f"no object below s3://{sides.source_bucket}/data/" in error.message


def test_a_job_may_allow_that_all_its_prefixes_are_empty(sides: Sides) -> None:
    """Then the run goes on, with one remark, however many prefixes there are."""
    prefixes = tuple(PrefixEntry(source=f"{name}/", destination=f"copy/{name}/") for name in "ab")
    proven = sides.preflight(sides.job(prefixes=prefixes, on_empty="succeed"))
    bucket = sides.source_bucket
    assert proven.not_proven == (f"nothing to copy: no object below s3://{bucket}/a/, s3://{bucket}/b/",)


def test_an_object_must_exist_even_if_prefixes_may_be_empty(sides: Sides) -> None:
    """A job names it, so its absence is never normal."""
    objects = (ObjectEntry(source="gone", destination="copy/gone"),)
    assert refusal(sides, objects=objects, on_empty="succeed").code == "NoSuchKey"


def test_one_empty_prefix_among_others_is_said_and_no_error(sides: Sides) -> None:
    """If one prefix of several is empty, reading it is not proven, and a remark says so."""
    sides.put("data/a")
    prefixes = (
        PrefixEntry(source="data/", destination="copy/"),
        PrefixEntry(source="empty/", destination="copy2/"),
    )
    proven = sides.preflight(sides.job(prefixes=prefixes))
    assert len(proven.not_proven) == 1
    assert "empty/" in proven.not_proven[0]


def test_every_missing_object_is_named(sides: Sides) -> None:
    """All named objects that do not exist are reported together."""
    objects = tuple(ObjectEntry(source=f"gone-{i}", destination=f"copy/{i}") for i in range(3))
    error = refusal(sides, prefixes=(), objects=objects)
    assert isinstance(error, MissingError)
    assert all(f"/gone-{i}" in error.message for i in range(3))


def test_after_a_refusal_nothing_more_is_asked_for(sides: Sides, proxy: Proxy) -> None:
    """Where a prefix can't be listed, the checks of writing that have not begun are left out."""
    prefixes = tuple(PrefixEntry(source=f"{n}/", destination=f"copy/{n}/") for n in range(20))
    sides.put("0/a")

    def answer(request: Request) -> Reply | None:
        is_other = request.kind == "ListObjectsV2" and request.query["prefix"] == "7/"
        return DENIED if is_other else None

    proxy.answer = answer
    assert isinstance(refusal(sides, prefixes=prefixes, transfer=TransferOptions(concurrency=1)), AccessError)
    assert len(proxy.of_kind("CreateMultipartUpload")) < 5
    assert sides.open_uploads() == []


@pytest.mark.one_server
def test_a_missing_statement_is_not_wider_than_the_prefix(sides: Sides, proxy: Proxy) -> None:
    """What IAM would read as a wildcard or a variable is escaped."""
    sides.put("team-*/a")
    entry = PrefixEntry(source="team-*/", destination="copy/")
    proxy.answer = refuse("ListObjectsV2", sides.source_bucket)
    assert '"s3:prefix": "team-${*}/*"' in refusal(sides, prefixes=(entry,)).message
    proxy.answer = refuse("GetObject", sides.source_bucket)
    assert f"{sides.source_bucket}/team-${{*}}/*" in refusal(sides, prefixes=(entry,)).message


@pytest.mark.one_server
def test_a_connection_with_an_invalid_endpoint(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the connection, but not the URL, which may contain a password."""
    extra = {"endpoint_url": "http://user:hunter2@[::1", "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "key", "password": "key's", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SOURCE", json.dumps(connection))
    assert "hunter2" not in refusal(sides).message  # the two are on different servers
    error = refusal(sides, destination=replace(sides.job().destination, connection="aws_source"))
    assert isinstance(error, ConfigError)
    assert "connection 'aws_source'" in error.message
    assert "hunter2" not in error.message


@pytest.mark.one_server
def test_an_invalid_region_is_reported(sides: Sides) -> None:
    """The error is about the region, not the endpoint."""
    error = refusal(sides, source=replace(sides.job().source, region="us-west-2-"))
    assert isinstance(error, ConfigError)
    assert "source: Provided region_name 'us-west-2-'" in error.message


@pytest.mark.needs("caller_identity")
def test_denied_listing_names_principal_action_and_resource(sides: Sides, proxy: Proxy) -> None:
    """The error names the principal and the bucket, with the missing statement."""
    proxy.answer = refuse("ListObjectsV2", sides.source_bucket)
    error = refusal(sides)
    assert isinstance(error, AccessError)
    assert "arn:aws:sts::111122223333:assumed-role/reader/" in error.message
    assert f"is not allowed to perform s3:ListBucket on arn:aws:s3:::{sides.source_bucket}" in error.message
    statement = json.loads(error.message[error.message.index('{"Effect"') :])
    assert statement == {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": f"arn:aws:s3:::{sides.source_bucket}",
        "Condition": {"StringLike": {"s3:prefix": "data/*"}},
    }


@pytest.mark.needs("accounts")
def test_denied_read_asks_for_a_bucket_policy_for_the_signing_role(sides: Sides, proxy: Proxy) -> None:
    """The destination's role must read the source: the missing bucket policy is printed (rule 14)."""
    sides.put("data/a")
    proxy.answer = refuse("GetObject", sides.source_bucket)
    error = refusal(sides)
    assert isinstance(error, AccessError)
    statement = json.loads(error.message[error.message.index('{"Effect"') :])
    assert statement["Principal"] == {"AWS": WRITER}
    assert statement["Action"] == ["s3:GetObject", "s3:GetObjectTagging"]
    assert statement["Resource"] == f"arn:aws:s3:::{sides.source_bucket}/data/*"


@pytest.mark.needs("accounts")
def test_denied_write_is_found_before_the_first_copy(sides: Sides, proxy: Proxy) -> None:
    """A destination that is not writable is a permission error, and nothing was copied."""
    sides.put("data/a")
    proxy.answer = refuse("CreateMultipartUpload", sides.destination_bucket)
    error = refusal(sides)
    assert isinstance(error, AccessError)
    assert "s3:PutObject" in error.message
    assert "arn:aws:sts::444455556666:assumed-role/writer/" in error.message
    assert proxy.kinds()["CopyObject"] == 0


def test_denied_abort_names_the_upload_that_is_left(sides: Sides, proxy: Proxy) -> None:
    """If the upload can't be aborted, the error names it."""
    sides.put("data/a")
    proxy.answer = refuse("AbortMultipartUpload", sides.destination_bucket)
    error = refusal(sides)
    (left,) = sides.open_uploads()
    assert left["UploadId"] in error.message
    assert "s3:AbortMultipartUpload" in error.message


def test_wrong_account_is_not_a_missing_permission(sides: Sides, proxy: Proxy) -> None:
    """A bucket of another account than in the config is reported as such, though S3 answers 403 to both."""

    def owner_mismatch(request: Request) -> Reply | None:
        owner = request.headers.get("x-amz-expected-bucket-owner")
        return DENIED if sides.source_bucket in request.target and owner == "999900009999" else None

    proxy.answer = owner_mismatch
    place = replace(sides.job().source, account="999900009999")
    error = refusal(sides, source=place)
    assert error.code == "WrongAccount"
    assert "does not belong to account 999900009999" in error.message


def test_role_that_cannot_be_assumed(sides: Sides, proxy: Proxy) -> None:
    """A refused AssumeRole names the connection and what STS said, and no secret."""
    proxy.answer = lambda request: (
        Reply.sts_error("AccessDenied", "not authorized to perform: sts:AssumeRole")
        if request.target == "/"
        else None
    )
    error = refusal(sides)
    assert isinstance(error, AccessError)
    assert error.code == "RoleNotAssumed"
    assert "'aws_source'" in error.message
    assert "sts:AssumeRole" in error.message
    assert "not-a-secret-of-anybody" not in error.message


def test_unknown_connection(sides: Sides) -> None:
    """A connection that Airflow does not have is named, with the variable that would set it."""
    place = replace(sides.job().source, connection="missing")
    error = refusal(sides, source=place)
    assert "source.connection: Airflow has no connection 'missing'" in error.message
    assert "AIRFLOW_CONN_MISSING" in error.message


def test_unreachable_endpoint(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that does not answer is an error that names the side, and that a retry may fix."""
    closed = "http://127.0.0.1:9"
    job = sides.job()
    places = {
        "source": replace(job.source, endpoint_url=closed),
        "destination": replace(job.destination, endpoint_url=closed),
    }
    error = refusal(sides, **places)
    assert isinstance(error, TransientError)
    assert error.code == "EndpointUnreachable"
    assert "source: S3 can't be reached" in error.message


@pytest.mark.parametrize("status", [200, 301, 403, 404], ids=str)
def test_a_web_page_is_not_a_refusal_of_s3(sides: Sides, proxy: Proxy, status: int) -> None:
    """The page of a proxy, or of a server's console, asks for another address, not for another policy."""
    page = Reply(status, b"<!doctype html><p>Access denied</p>", {"Content-Type": "text/html"})
    proxy.answer = refuse("ListObjectsV2", sides.source_bucket, page)
    error = refusal(sides)
    place = f"source: s3://{sides.source_bucket}/data/"
    assert error.message.startswith(f"{place}: ListObjectsV2: a web page answers, not S3. Check endpoint_url")
    assert "Missing from" not in error.message


HINTS = {
    "AccessControlListNotSupported": (400, "Remove object.acl"),
    "KMS.NotFoundException": (400, "key in the bucket's region in object.kms_key_id"),
    "KMS.DisabledException": (400, "an enabled key"),
    "PermanentRedirect": (301, "Set destination.region"),
}


@pytest.mark.parametrize("code", HINTS)
def test_what_no_policy_allows_names_the_field(sides: Sides, proxy: Proxy, code: str) -> None:
    """A refusal that no statement would lift names the field of the config that does, and no statement."""
    sides.put("data/a")
    status, words = HINTS[code]
    reply = Reply.error(status, code, "Invalid keyId 'arn:aws:kms:eu-west-1:444455556666:key/1234'.")
    proxy.answer = refuse("CreateMultipartUpload", sides.destination_bucket, reply)
    error = refusal(sides)
    assert (error.code, error.message.startswith("destination: ")) == (code, True)
    assert words in error.message
    assert "Missing from" not in error.message


def test_two_servers_cannot_copy_between_each_other(sides: Sides) -> None:
    """Different endpoints need a relay, which never happens silently (rule 14)."""
    place = replace(sides.job().source, endpoint_url="http://127.0.0.1:9")
    error = refusal(sides, source=place)
    assert isinstance(error, ConfigError)
    assert error.code == "RelayNeeded"


def test_directory_buckets_are_refused(sides: Sides) -> None:
    """A directory bucket, whose listings are not sorted, is refused by its name (rule 23)."""
    error = refusal(sides, source=Location(bucket="fast--usw2-az1--x-s3"))
    assert error.code == "DirectoryBucket"


def test_role_in_the_config_sends_its_external_id(
    sides: Sides, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`role_arn` and `external_id` in the YAML work without any Airflow connection."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAWORKER0000000000",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody",
        "AWS_ENDPOINT_URL_STS": proxy.url,
    }.items():
        monkeypatch.setenv(name, value)
    sides.put("data/a")
    job = sides.job()
    by_role: dict[str, Any] = {
        "connection": None,
        "endpoint_url": proxy.url,
        "region": "us-east-1",
        "external_id": "ext-1",
    }
    sides.run(
        sides.job(
            source=replace(job.source, role_arn=sides.server.reader, **by_role),
            destination=replace(job.destination, role_arn=sides.server.writer, **by_role),
        )
    )
    assert set(sides.copied()) == {"copy/a"}
    assumed = [request.body for request in proxy.requests if request.target == "/"]
    assert len(assumed) == 2
    assert all(b"ExternalId=ext-1" in body for body in assumed)


@pytest.mark.needs("back_door")
def test_folders_alone_on_a_page_hide_no_object(sides: Sides) -> None:
    """With `recursive: false`, more than a page of folders may come before the first object."""
    put_many(sides.source_bucket, {f"data/a{i:04}/x": b"" for i in range(1_001)})
    sides.put("data/z")
    entry = PrefixEntry(source="data/", destination="copy/", recursive=False)
    assert sides.preflight(sides.job(prefixes=(entry,))).not_proven == ()


def test_a_role_that_may_list_its_prefix_alone_passes(sides: Sides, proxy: Proxy) -> None:
    """Every listing stays below a prefix of the job, as a policy with `s3:prefix` demands."""
    sides.put("data/a")
    sides.run(sides.job())
    prefixes = {request.query["prefix"] for request in proxy.of_kind("ListObjectsV2")}
    assert {prefix.partition("/")[:2] for prefix in prefixes} == {("data", "/"), ("copy", "/")}


def test_an_outage_of_sts_is_worth_a_retry(sides: Sides, proxy: Proxy) -> None:
    """A role that can't be assumed for the moment is not a missing permission."""
    proxy.answer = lambda request: Reply(503, b"") if request.target == "/" else None
    assert isinstance(refusal(sides), TransientError)


def test_a_key_that_may_not_be_used_is_named(sides: Sides, proxy: Proxy) -> None:
    """If KMS refuses, the statement is about the key and not about the bucket."""
    sides.put("data/a")
    key = "arn:aws:kms:us-east-1:111122223333:key/1234"
    text = f"not authorized to perform: kms:Decrypt on resource: {key} because"
    proxy.answer = refuse("GetObject", sides.source_bucket, Reply.error(403, "AccessDenied", text))
    error = refusal(sides)
    statement = json.loads(error.message[error.message.index('{"Effect"') :])
    assert statement == {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": key}


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        pytest.param(None, "https://s3.us-west-2.amazonaws.com", id="default"),
        pytest.param("https://s3.us-east-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com", id="two"),
        pytest.param("http://localhost:9000", "http://LOCALHOST:9000/", id="a slash"),
    ],
)
def test_endpoints_of_one_server(source: str | None, destination: str) -> None:
    """AWS is one server, by whatever endpoint; so is any other, however its address is written."""
    assert _server(source) == _server(destination)


@pytest.mark.parametrize(
    ("destination", "partition"),
    [
        pytest.param({"region": "cn-north-1"}, "aws-cn", id="region"),
        pytest.param({"role_arn": "arn:aws-us-gov:iam::444455556666:role/writer"}, "aws-us-gov", id="role"),
        pytest.param({"region": "eu-west-1"}, None, id="one partition"),
    ],
)
def test_two_partitions_are_known_before_a_request(
    monkeypatch: pytest.MonkeyPatch, destination: dict[str, Any], partition: str | None
) -> None:
    """Roles and regions show that the buckets are in two partitions of AWS: a relay is needed."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    job = make_job(
        source=Location(bucket="granules", role_arn="arn:aws:iam::111122223333:role/reader"),
        destination=Location(bucket="partner", **destination),
    )
    found = explain_two_servers(job, connections.Sides.from_job(job))
    assert (found is None) is (partition is None)
    if found is not None:
        assert f"is in the partition aws of AWS, s3://partner in {partition}" in found.reason
        assert found.code == "RelayNeeded"


def test_heading_the_copy_of_a_single_object_is_refused(sides: Sides, proxy: Proxy) -> None:
    """A single object is headed on both sides: a missing permission is named before the first copy."""
    sides.put("a")
    proxy.answer = refuse("HeadObject", sides.destination_bucket, Reply(403))
    error = refusal(sides, prefixes=(), objects=(ObjectEntry(source="a", destination="copy/a"),))
    assert isinstance(error, AccessError)
    assert (
        f"is not allowed to perform s3:GetObject on arn:aws:s3:::{sides.destination_bucket}/copy/a"
        in error.message
    )
    assert proxy.kinds()["CopyObject"] == 0


ODD = Reply.error(400, "InvalidRequest", "made up")
OTHER_REFUSALS: dict[str, tuple[str, str, Reply, str]] = {
    "a source object that may not be headed": (
        "HeadObject",
        "source",
        Reply(403),
        "s3:GetObject on arn:aws:s3",
    ),
    "a source object that can't be headed": ("HeadObject", "source", Reply(400), "400"),
    "a copy that can't be headed": ("HeadObject", "destination", Reply(400), "400"),
    "an upload that can't be started": ("CreateMultipartUpload", "destination", ODD, "destination: "),
    "an upload that can't be aborted": ("AbortMultipartUpload", "destination", ODD, "InvalidRequest"),
}
"""Kind of request, side, reply, and what the error says."""


@pytest.mark.parametrize(("kind", "side", "reply", "words"), OTHER_REFUSALS.values(), ids=OTHER_REFUSALS)
def test_any_other_refusal_ends_preflight(
    sides: Sides, proxy: Proxy, kind: str, side: str, reply: Reply, words: str
) -> None:
    """Whatever S3 answers in place of what a check needs, the run ends before the first copy."""
    sides.put("a")
    bucket = {"source": sides.source_bucket, "destination": sides.destination_bucket}[side]
    proxy.answer = refuse(kind, bucket, reply)
    error = refusal(sides, prefixes=(), objects=(ObjectEntry(source="a", destination="copy/a"),))
    assert words in str(error)
    assert proxy.kinds()["CopyObject"] == 0
