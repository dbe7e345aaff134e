"""Faults on the wire: what S3 may answer to a copy, and the result for the object."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.errors import TransientError
from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server
SMALL = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
OK_WITH_ERROR = Reply(
    200,
    b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code><Message>we fell over</Message></Error>",
)
EMPTY_OK = Reply(200)
COPY_SOURCE = "x-amz-copy-source"
PAGE = b"<html><body>nothing here</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}
CUT_OFF = Reply(200, b"<?xml version='1.0'?><CopyObjectResult><ETag>&quot;abc")


def first(times: int, kind: str, reply: Reply) -> Callable[[Request], Reply | None]:
    """Answer the first requests of a kind for each key by `reply`, the others by the server."""
    seen: Counter[str] = Counter()

    def answer(request: Request) -> Reply | None:
        if request.kind != kind:
            return None
        seen[request.key] += 1
        return reply if seen[request.key] <= times else None

    return answer


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(OK_WITH_ERROR, id="200 with an error"),
        pytest.param(EMPTY_OK, id="200 with nothing"),
        pytest.param(CUT_OFF, id="200 cut off"),
        pytest.param(Reply.error(500, "InternalError"), id="500"),
        pytest.param(Reply.error(503, "ServiceUnavailable"), id="503"),
        pytest.param(Reply.error(503, "SlowDown"), id="503 SlowDown"),
        pytest.param(Reply.error(400, "RequestTimeout"), id="RequestTimeout"),
        pytest.param(Reply.error(400, "ExpiredToken"), id="ExpiredToken"),
        pytest.param(Reply(408, PAGE, HTML), id="408 of a load balancer"),
        pytest.param(Reply(502, PAGE, HTML), id="502 of a gateway"),
        pytest.param(Reply(503, PAGE, HTML), id="503 of a gateway"),
        pytest.param(Reply(200, PAGE, HTML), id="200 of a gateway"),
    ],
)
def test_transient_answers_to_a_copy_are_tried_again(sides: Sides, proxy: Proxy, reply: Reply) -> None:
    """A reply that does not prove a copy is retried, and the object arrives (rules 1, 15 and 19)."""
    sides.put("data/a", b"body")
    proxy.answer = first(1, "CopyObject", reply)
    metrics = sides.run(sides.job())
    assert sides.copied() == {"copy/a": b"body"}
    assert metrics.files_copied_successfully == 1
    assert proxy.kinds()["CopyObject"] == 2


def test_attempts_end_after_three(sides: Sides, proxy: Proxy) -> None:
    """A transient error that lasts fails the object after exactly three requests (FR-005, rule 20)."""
    sides.put("data/a")
    proxy.answer = first(99, "CopyObject", Reply.error(500, "InternalError"))
    metrics = sides.run(sides.job())
    assert proxy.kinds()["CopyObject"] == 3
    assert (metrics.files_failed, metrics.errors_encountered.by_code) == (1, {"InternalError": 1})
    assert metrics.errors_encountered.first[0].attempts == 3


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply.error(403, "AccessDenied"), id="403"),
        pytest.param(Reply.error(400, "InvalidRequest"), id="400"),
        pytest.param(Reply.error(403, "InvalidObjectState"), id="archived"),
    ],
)
def test_refusals_are_not_tried_again(sides: Sides, proxy: Proxy, reply: Reply) -> None:
    """A request that a retry would not help is sent once; the other objects are copied anyway."""
    sides.put("data/a")
    sides.put("data/b")
    proxy.answer = lambda request: reply if (request.kind, request.key) == ("CopyObject", "copy/a") else None
    metrics = sides.run(sides.job())
    assert set(sides.copied()) == {"copy/b"}
    assert (metrics.files_failed, metrics.files_copied_successfully) == (1, 1)
    assert metrics.errors_encountered.first[0].key == "data/a"
    assert proxy.kinds()["CopyObject"] == 2


def test_expired_credentials_are_fetched_again(sides: Sides, proxy: Proxy) -> None:
    """After ExpiredToken the role is assumed again before the next attempt (rule 15)."""
    sides.put("data/a")
    job = sides.preflight(sides.job()).job
    proxy.forget()
    proxy.answer = first(1, "CopyObject", Reply.error(400, "ExpiredToken"))
    metrics = sides.run(job)
    assert metrics.files_copied_successfully == 1
    assert len([request for request in proxy.requests if request.target == "/"]) == 1


def test_vanished_object_is_a_count_of_its_own(sides: Sides, proxy: Proxy) -> None:
    """An object that is gone when its turn comes is not a failure."""
    sides.put("data/a")
    sides.put("data/b")

    def answer(request: Request) -> Reply | None:
        if request.kind == "CopyObject":
            sides.source.delete_object(Bucket=sides.source_bucket, Key=request.key.replace("copy/", "data/"))
        return None

    proxy.answer = answer
    metrics = sides.run(sides.job())
    assert metrics.files_vanished == 2
    assert (metrics.total_files_found, metrics.files_failed) == (2, 0)


def test_an_object_that_is_there_and_not_copied_has_not_vanished(sides: Sides, proxy: Proxy) -> None:
    """A server that lists a key, but can't find it as the source of a copy, does not lose it silently."""
    sides.put("data/a+b")
    sides.put("data/c")
    refusal = Reply.error(404, "NoSuchKey", "The specified key does not exist.")
    proxy.answer = lambda request: refusal if "a%2Bb" in request.headers.get(COPY_SOURCE, "") else None
    metrics = sides.run(sides.job())
    assert (metrics.files_vanished, metrics.files_failed, metrics.files_copied_successfully) == (0, 1, 1)
    assert "a HEAD finds it" in metrics.errors_encountered.first[0].message


def test_changed_source_is_headed_again(sides: Sides, proxy: Proxy) -> None:
    """412 for the source: HEAD it, and copy what it is now (rule 2)."""
    sides.put("data/a", b"old")
    refuse = first(1, "CopyObject", Reply.error(412, "PreconditionFailed"))

    def change(request: Request) -> Reply | None:
        reply = refuse(request)
        if reply is not None:
            sides.put("data/a", b"newer")
        return reply

    proxy.answer = change
    metrics = sides.run(sides.job())
    assert sides.copied() == {"copy/a": b"newer"}
    assert metrics.total_bytes_transferred == 5
    etag = sides.source.head_object(Bucket=sides.source_bucket, Key="data/a")["ETag"]
    assert proxy.of_kind("CopyObject")[-1].headers["x-amz-copy-source-if-match"] == etag


def test_source_that_keeps_changing_is_reported(sides: Sides, proxy: Proxy) -> None:
    """A source is headed again at most twice; then it is a failure with its own code (rule 2)."""
    sides.put("data/a")
    proxy.answer = first(99, "CopyObject", Reply.error(412, "PreconditionFailed"))
    metrics = sides.run(sides.job())
    assert metrics.errors_encountered.by_code == {"SourceChanged": 1}
    assert proxy.kinds()["CopyObject"] == 3


@pytest.mark.parametrize("kind", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_failed_multipart_copy_leaves_no_upload(sides: Sides, proxy: Proxy, kind: str) -> None:
    """A multipart copy that fails is aborted (rule 7)."""
    sides.put("data/large", b"x" * (11 * 2**20))
    proxy.answer = first(99, kind, Reply.error(403, "AccessDenied"))
    metrics = sides.run(sides.job(), limits=SMALL)
    assert metrics.files_failed == 1
    assert sides.copied() == {}
    assert sides.open_uploads() == []


@pytest.mark.parametrize("kind", ["UploadPartCopy", "CompleteMultipartUpload"])
@pytest.mark.parametrize("reply", [OK_WITH_ERROR, EMPTY_OK], ids=["error inside", "empty"])
def test_multipart_success_needs_a_body(sides: Sides, proxy: Proxy, kind: str, reply: Reply) -> None:
    """200 without a result is not a success for parts and completions either (rule 1)."""
    body = b"x" * (11 * 2**20)
    sides.put("data/large", body)
    proxy.answer = first(1, kind, reply)
    metrics = sides.run(sides.job(), limits=SMALL)
    assert metrics.files_copied_successfully == 1
    assert sides.copied() == {"copy/large": body}
    assert sides.open_uploads() == []


def test_listing_is_tried_again(sides: Sides, proxy: Proxy) -> None:
    """A page of a listing is retried like any other request."""
    sides.put("data/a")
    pages: Counter[str] = Counter()

    def answer(request: Request) -> Reply | None:
        if request.kind != "ListObjectsV2":
            return None
        pages["seen"] += 1
        return Reply.error(500, "InternalError") if pages["seen"] % 2 else None

    proxy.answer = answer
    metrics = sides.run(sides.job())
    assert metrics.files_copied_successfully == 1


def test_a_revoked_grant_ends_the_batch(sides: Sides, proxy: Proxy) -> None:
    """After 100 denied objects in a row the rest is counted as not attempted (rule 19)."""
    for i in range(150):
        sides.put(f"data/{i:03}", b"")
    proxy.answer = first(99, "CopyObject", Reply.error(403, "AccessDenied"))
    metrics = sides.run(sides.job())
    codes = metrics.errors_encountered.by_code
    assert metrics.files_failed == codes["AccessDenied"] + codes["NotAttempted"] == 150
    assert 100 <= codes["AccessDenied"] <= 100 + 2 * 8
    assert proxy.kinds()["CopyObject"] == codes["AccessDenied"]


def test_a_gone_object_that_s3_calls_denied_has_vanished(sides: Sides, proxy: Proxy) -> None:
    """A role that may not list gets 403 for an object that is gone: the source's role finds that out."""
    sides.put("data/a")

    def answer(request: Request) -> Reply | None:
        if request.kind != "CopyObject":
            return None
        sides.source.delete_object(Bucket=sides.source_bucket, Key="data/a")
        return Reply.error(403, "AccessDenied")

    proxy.answer = answer
    metrics = sides.run(sides.job())
    assert (metrics.files_vanished, metrics.files_failed) == (1, 0)


def test_a_404_of_a_strange_kind_is_a_failure(sides: Sides, proxy: Proxy) -> None:
    """Only S3's own code makes an object vanished; a gateway's 404 does not make a run succeed."""
    sides.put("data/a")
    proxy.answer = first(99, "CopyObject", Reply(404, b"<html>not here</html>"))
    metrics = sides.run(sides.job())
    assert (metrics.files_vanished, metrics.files_failed) == (0, 1)


def test_credentials_in_a_broken_reply_are_shown_nowhere(sides: Sides, proxy: Proxy) -> None:
    """A reply of STS that is cut off contains the keys: its text is not in any message."""
    cut = b"<AssumeRoleResponse><Credentials><SecretAccessKey>TOPSECRET</SecretAccessKey><Sess"
    proxy.answer = lambda request: Reply(200, cut) if request.target == "/" else None
    with pytest.raises(TransientError) as caught:
        sides.preflight(sides.job())
    assert "TOPSECRET" not in str(caught.value)


def test_credentials_that_stay_expired_end_the_batch(sides: Sides, proxy: Proxy) -> None:
    """Credentials that stay expired are an access error: counted, and the task is not retried (rule 19)."""
    sides.put("data/a")
    proxy.answer = first(99, "CopyObject", Reply.error(400, "ExpiredToken"))
    metrics = sides.run(sides.job())
    assert metrics.errors_encountered.by_code == {"ExpiredToken": 1}
    assert metrics.errors_encountered.transient == 0
