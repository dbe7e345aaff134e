"""Servers that answer as S3 never does: a run works, or a sentence names the object and what is wrong."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import ObjectEntry, Overwrite
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import Code, CopyError
from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

OBJECT = ObjectEntry(source="a", destination="copy/a")
EMPTY_PAGE = (
    b"<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>"
    b"<NextContinuationToken>%s</NextContinuationToken></ListBucketResult>"
)


@pytest.fixture(params=["fast", "boto3"])
def job(request: pytest.FixtureRequest, sides: Sides) -> EffectiveJob:
    """A job with each client."""
    return sides.job(transfer=TransferOptions(concurrency=8, client=request.param))


def edit(proxy: Proxy, **changes: Callable[[Reply], Reply]) -> None:
    """Change the server's replies by kind of request."""

    def answer(request: Request) -> Reply | None:
        change = changes.get(request.kind)
        if change is None:
            return None
        reply = proxy.forward(request)
        return change(reply) if reply.status == HTTPStatus.OK else reply

    proxy.answer = answer


def body(pattern: str, replacement: str) -> Callable[[Reply], Reply]:
    """Replace a pattern in a reply's body."""
    return lambda reply: replace(reply, body=re.sub(pattern, replacement, reply.body.decode()).encode())


def headers(**changes: str | None) -> Callable[[Reply], Reply]:
    """Set headers of a reply; None leaves a header out."""
    wanted = {name.replace("_", "-").lower(): value for name, value in changes.items()}

    def change(reply: Reply) -> Reply:
        kept: Mapping[str, str] = {k: v for k, v in reply.headers.items() if k.lower() not in wanted}
        return replace(reply, headers={**kept, **{k: v for k, v in wanted.items() if v is not None}})

    return change


def refusal(sides: Sides, job: EffectiveJob) -> CopyError:
    with pytest.raises(CopyError) as caught:
        sides.run(job)
    return caught.value


# --- pages that lead nowhere


@pytest.mark.parametrize("tokens", ["A", "ABC"], ids=["itself", "a circle"])
def test_empty_pages_that_lead_nowhere(sides: Sides, proxy: Proxy, job: EffectiveJob, tokens: str) -> None:
    """A listing whose pages hold nothing and never end is an error of the server, before the first copy."""
    sides.put("data/a")
    turns = itertools.cycle(tokens.encode())

    def answer(request: Request) -> Reply | None:
        if request.kind != "ListObjectsV2" or "max-keys" in request.query:
            return None
        return Reply(200, EMPTY_PAGE % chr(next(turns)).encode(), {"Content-Type": "application/xml"})

    proxy.answer = answer
    error = refusal(sides, job)
    assert error.code == Code.NOT_S3
    assert f"s3://{sides.source_bucket}/data/: " in error.message
    assert proxy.kinds()["ListObjectsV2"] < 15


# --- dates

NO_DATES = {
    "none": None,
    "not a date": "yesterday",
    "empty": "",
    "out of range": "Fri, 31 Dec 99999 23:59:59 GMT",
}


@pytest.mark.parametrize("date", NO_DATES.values(), ids=NO_DATES)
def test_replies_without_a_valid_date(
    sides: Sides, proxy: Proxy, job: EffectiveJob, date: str | None
) -> None:
    """Without the server's clock a run uses its own, and says so."""
    sides.put("data/a")
    kinds = ("ListObjectsV2", "HeadObject", "CopyObject", "GetObject", "CreateMultipartUpload")
    edit(proxy, **dict.fromkeys(kinds, headers(date=date)))
    proven = sides.preflight(job)
    assert proven.job.run_started is not None
    assert proven.job.run_started.microsecond == 0
    assert [remark for remark in proven.not_proven if "no valid Date header" in remark] == [
        f"{side}: the server's replies have no valid Date header. This machine's clock is used instead: keep "
        "both in sync"
        for side in ("source", "destination")
    ]
    assert sides.run(job).files_copied_successfully == 1


# --- rows and heads that lack something

ROWS = {
    "no ETag": ("<ETag>.*?</ETag>", "", "has no ETag"),
    "an empty ETag": ("<ETag>.*?</ETag>", "<ETag></ETag>", "has no ETag"),
    "quotes without an ETag": ("<ETag>.*?</ETag>", '<ETag>""</ETag>', "has no ETag"),
    "no size": ("<Size>.*?</Size>", "", "has no Size"),
    "a negative size": ("<Size>.*?</Size>", "<Size>-7</Size>", "has Size -7"),
    "no date": ("<LastModified>.*?</LastModified>", "", "has no LastModified"),
}


@pytest.mark.parametrize(("pattern", "replacement", "words"), ROWS.values(), ids=ROWS)
def test_a_row_of_a_listing(
    sides: Sides, proxy: Proxy, job: EffectiveJob, pattern: str, replacement: str, words: str
) -> None:
    """The error names the object, and what the server does not say of it."""
    sides.put("data/a b")
    edit(proxy, ListObjectsV2=body(pattern, replacement))
    error = refusal(sides, job)
    assert error.code == Code.NOT_S3
    assert f"{sides.source_bucket} describes 'data/a b' as S3 never does: it {words}" in error.message


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        pytest.param("<Size>.*?</Size>", "<Size>many</Size>", id="size"),
        pytest.param(
            "<LastModified>.*?</LastModified>", "<LastModified>soon</LastModified>", id="last modified"
        ),
    ],
)
def test_a_row_that_is_not_readable(
    sides: Sides, proxy: Proxy, job: EffectiveJob, pattern: str, replacement: str
) -> None:
    """A number or a date that is none is a sentence; our client names the object, too."""
    sides.put("data/a")
    edit(proxy, ListObjectsV2=body(pattern, replacement))
    error = refusal(sides, job)
    wanted = "describes 'data/a' as S3 never does" if job.transfer.client == "fast" else "can't be read"
    assert wanted in error.message


def test_other_forms_of_a_date(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """A date in another form is a date."""
    sides.put("data/a")
    edit(proxy, ListObjectsV2=body(r"<LastModified>.*?<", "<LastModified>Fri, 02 Jan 2026 03:04:05 GMT<"))
    assert sides.run(job).files_copied_successfully == 1


def test_a_wrong_count_of_keys(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """The rows of a page count, not what it says about their number."""
    sides.put("data/a")
    edit(proxy, ListObjectsV2=body("<KeyCount>.*?</KeyCount>", "<KeyCount>70</KeyCount>"))
    assert sides.run(job).files_copied_successfully == 1


@pytest.mark.parametrize("token", ["", "<NextContinuationToken></NextContinuationToken>"])
def test_a_page_that_leads_on_without_a_token(
    sides: Sides, proxy: Proxy, job: EffectiveJob, token: str
) -> None:
    """A page that says that there are more, but not where, is an error."""
    sides.put("data/a")
    more = f"<IsTruncated>true</IsTruncated>{token}"
    edit(proxy, ListObjectsV2=body("<IsTruncated>.*?</IsTruncated>", more))
    assert "is truncated, but has no NextContinuationToken" in refusal(sides, job).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(headers(ETag=None), "has no ETag", id="no ETag"),
        pytest.param(headers(Last_Modified=None), "has no LastModified", id="no date"),
        pytest.param(headers(Content_Length=None), "has no ContentLength", id="no length"),
    ],
)
def test_a_head(
    sides: Sides, proxy: Proxy, job: EffectiveJob, change: Callable[[Reply], Reply], words: str
) -> None:
    """The reply to a HEAD is checked as a row of a listing is."""
    sides.put("a")
    edit(proxy, HeadObject=change)
    error = refusal(sides, replace(job, prefixes=(), objects=(OBJECT,)))
    assert f"describes 'a' as S3 never does: it {words}" in error.message


# --- storage classes


@pytest.mark.parametrize("name", ["data/", "a"])
def test_an_empty_storage_class_is_none(sides: Sides, proxy: Proxy, job: EffectiveJob, name: str) -> None:
    """No class, and an empty one, are S3's default: a copy sets none."""
    sides.put("data/a")
    sides.put("a")
    edit(
        proxy,
        ListObjectsV2=body("<StorageClass>.*?</StorageClass>", "<StorageClass></StorageClass>"),
        HeadObject=headers(x_amz_storage_class=""),
    )
    if name == "a":
        job = replace(job, prefixes=(), objects=(OBJECT,))
    assert sides.run(job).files_copied_successfully == 1
    assert not any("x-amz-storage-class" in request.headers for request in proxy.of_kind("CopyObject"))


# --- ETags of another form

ETAGS = {"azure": '"0x8DC{}-1"', "unquoted": "{}x", "weak": 'W/"{}"', "long": '"{0}{0}"'}


def rewrite_etags(proxy: Proxy, form: str) -> None:
    """Let the server's ETags have another form everywhere, and be compared in it."""
    inside = re.compile(r"<ETag>(?:&quot;|&#34;|\")?([0-9a-f]{32})(?:&quot;|&#34;|\")?</ETag>")

    sent_back = re.compile("[^0-9a-f]*([0-9a-f]{32}).*")

    def odd(etag: str) -> str:
        return form.format(etag)

    def answer(request: Request) -> Reply:
        sent = {
            name: sent_back.sub(r'"\1"', value) if name.endswith("if-match") else value
            for name, value in request.headers.items()
        }
        reply = proxy.forward(replace(request, headers=sent))
        text = inside.sub(lambda found: f"<ETag>{odd(found[1])}</ETag>", reply.body.decode("latin-1"))
        kept = {
            name: odd(value.strip('"')) if name.lower() == "etag" else value
            for name, value in reply.headers.items()
        }
        return replace(reply, body=text.encode("latin-1"), headers=kept)

    proxy.answer = answer


@pytest.mark.parametrize("form", ETAGS.values(), ids=ETAGS)
def test_etags_of_another_form(sides: Sides, proxy: Proxy, job: EffectiveJob, form: str) -> None:
    """Such a server works: by size and date, and preflight says so; a second run has nothing to copy."""
    sides.put("data/a", b"some")
    sides.put("data/b", b"more")
    rewrite_etags(proxy, form)
    (remark,) = sides.preflight(job).not_proven
    assert remark == (
        f"the ETags of s3://{sides.source_bucket} are not MD5s as on S3: objects are compared by size and "
        "date, and copies are verified by size"
    )
    metrics = sides.run(job)
    assert (metrics.files_copied_successfully, metrics.files_verified) == (2, 2)
    assert sides.copied() == {"copy/a": b"some", "copy/b": b"more"}


@pytest.mark.parametrize("form", ETAGS.values(), ids=ETAGS)
def test_equal_etags_of_another_form_prove_nothing(
    sides: Sides, proxy: Proxy, job: EffectiveJob, form: str
) -> None:
    """An ETag that may be made of size and date does not suffice to leave out an object that is newer."""
    sides.put("data/a", b"some")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"some")
    rewrite_etags(proxy, form)
    edit_date = re.compile(rb"<LastModified>.*?</LastModified>")
    odd = proxy.answer

    def newer_source(request: Request) -> Reply | None:
        reply = odd(request)
        if reply is None or f"/{sides.source_bucket}?" not in request.target:
            return reply
        tomorrow = b"<LastModified>2999-01-01T00:00:00.000Z</LastModified>"
        return replace(reply, body=edit_date.sub(tomorrow, reply.body))

    proxy.answer = newer_source
    plan = sides.plan(replace(job, overwrite=Overwrite.CHANGED))
    assert sum(entry.objects for entry in plan.entries) == 1
