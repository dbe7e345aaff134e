"""Headers that a server lacks are left out from then on, or named with the field that leaves them out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.abilities import Abilities
from s3copy_tasks.core.job import EffectiveJob, Overwrite
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.dag.xcom import dump, load
from s3copy_tasks.errors import CopyError, UnsupportedError
from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

    Answer: TypeAlias = Callable[[str], Reply]

pytestmark = pytest.mark.one_server

GENERIC = "A header you provided implies functionality that is not implemented"
LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)


def unnamed(_: str) -> Reply:
    return Reply.error(501, "NotImplemented", GENERIC)


def in_an_element(header: str) -> Reply:
    """S3's own way to name a header."""
    text = f"<Error><Code>NotImplemented</Code><Message>{GENERIC}</Message><Header>{header}</Header></Error>"
    return Reply(501, text.encode(), {"Content-Type": "application/xml"})


def in_the_message(header: str) -> Reply:
    return Reply.error(400, "InvalidArgument", f"Unsupported header '{header}' received for this API call.")


def in_a_success(header: str) -> Reply:
    return replace(Reply.error(501, "NotImplemented", f"{header}: not implemented"), status=200)


def each(*answers: Answer, by_boto3: tuple[Answer, ...] = (in_an_element,)) -> pytest.MarkDecorator:
    """Run a test with each answer; boto3 gets fewer, because both clients find names in the same way."""
    cases = [("fast", answer) for answer in answers] + [("boto3", answer) for answer in by_boto3]
    return pytest.mark.parametrize(("job", "answer"), cases, indirect=["job"])


each_answer = each(unnamed, in_an_element, in_the_message)


@pytest.fixture(params=["fast", "boto3"])
def job(request: pytest.FixtureRequest, sides: Sides) -> EffectiveJob:
    """A job with each client, of buckets whose owners are not named."""
    made = sides.job(transfer=TransferOptions(concurrency=8, client=request.param))
    return replace(
        made, source=replace(made.source, account=None), destination=replace(made.destination, account=None)
    )


def lack(proxy: Proxy, *headers: str, answer: Answer = unnamed, kinds: tuple[str, ...] = ()) -> None:
    """Let a server lack headers, in some kinds of requests or in all."""

    def refuse(request: Request) -> Reply | None:
        found = [header for header in headers if header in request.headers]
        return answer(found[0]) if found and (not kinds or request.kind in kinds) else None

    proxy.answer = refuse


def refusal(sides: Sides, job: EffectiveJob) -> CopyError:
    with pytest.raises(CopyError) as caught:
        sides.preflight(job)
    return caught.value


# --- precautions


@each_answer
def test_without_conditional_writes(sides: Sides, proxy: Proxy, job: EffectiveJob, answer: Answer) -> None:
    """`overwrite: changed` does without its guards: preflight finds it out, and no copy is sent twice."""
    sides.put("data/new")
    sides.put("data/old", b"newer")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/old", Body=b"an older one")
    lack(proxy, "if-none-match", "if-match", answer=answer)
    proven = sides.preflight(job).job
    assert proven.abilities == Abilities(destination_lacks=("IfMatch", "IfNoneMatch"))
    assert sides.run(job).files_copied_successfully == 2
    assert sides.copied() == {"copy/new": b"x", "copy/old": b"newer"}
    assert Counter(request.key for request in proxy.of_kind("CopyObject")) == {"copy/new": 1, "copy/old": 1}


def test_what_preflight_found_reaches_the_batches(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """The tasks of a run get it with the job; a job of an older version has none."""
    sides.put("data/a")
    lack(proxy, "if-none-match")
    proven = sides.preflight(job).job
    plain = dump(proven)
    assert load(EffectiveJob, plain) == proven
    assert load(EffectiveJob, {k: v for k, v in plain.items() if k != "abilities"}).abilities == Abilities()


@each(in_an_element, in_the_message, in_a_success, by_boto3=(in_an_element, in_a_success))
@pytest.mark.parametrize("header", ["if-none-match", "x-amz-copy-source-if-match"])
def test_a_copy_that_lacks_a_precaution(
    sides: Sides, proxy: Proxy, job: EffectiveJob, header: str, answer: Answer
) -> None:
    """What only copies lack is found at the first one, if the server names it."""
    for number in range(20):
        sides.put(f"data/{number}")
    lack(proxy, header, answer=answer, kinds=("CopyObject",))
    assert sides.run(job).files_copied_successfully == 20
    assert proxy.kinds()["CopyObject"] < 20 + 9
    assert max(Counter(request.key for request in proxy.of_kind("CopyObject")).values()) <= 2


def test_several_at_once(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """A server that names one header after the other gets a request without all of them."""
    sides.put("data/a")
    headers = ("if-none-match", "x-amz-copy-source-if-match", "x-amz-optional-object-attributes")
    lack(proxy, *headers, answer=in_an_element)
    assert sides.run(job).files_copied_successfully == 1


@each_answer
def test_a_listing_without_restores(sides: Sides, proxy: Proxy, job: EffectiveJob, answer: Answer) -> None:
    """A plan, which has no preflight, finds out what listings lack, too."""
    sides.put("data/a")
    lack(proxy, "x-amz-optional-object-attributes", answer=answer)
    assert sum(entry.objects for entry in sides.plan(job).entries) == 1
    assert sides.run(job).files_copied_successfully == 1


def test_parts_without_the_size(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """A completion does without the object's size."""
    sides.put("data/a", b"x" * (7 * 2**20))
    lack(proxy, "x-amz-mp-object-size")
    assert sides.run(job, limits=LIMITS).files_copied_successfully == 1


def test_what_is_lacking_is_said_once(
    sides: Sides, proxy: Proxy, job: EffectiveJob, log_events: list[dict[str, Any]]
) -> None:
    """One line says which header, and what is different without it."""
    for number in range(5):
        sides.put(f"data/{number}")
    lack(proxy, "if-none-match")
    sides.run(job)
    lines = [line for line in log_events if line["event"] == "the server does not support a header"]
    assert [(line["header"], line["effect"]) for line in lines] == [
        (
            "conditional writes (If-None-Match, If-Match)",
            "what another client writes at the same time is overwritten",
        )
    ]


# --- what the job depends on

DEMANDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "overwrite": ("if-none-match", {"overwrite": Overwrite.NEVER}, "overwrite: always"),
    "storage class": (
        "x-amz-storage-class",
        {"options": ObjectOptions(storage_class="GLACIER_IR")},
        "object.storage_class: STANDARD",
    ),
    "acl": ("x-amz-acl", {"options": ObjectOptions(acl="bucket-owner-full-control")}, "object.acl"),
    "key": (
        "x-amz-server-side-encryption-aws-kms-key-id",
        {"options": ObjectOptions(kms_key_id="1")},
        "object.kms_key_id",
    ),
}

ONLY_COPIES = {
    "tags": ("x-amz-tagging-directive", ObjectOptions(tags="drop"), "object.tags: copy"),
    "class": (
        "x-amz-storage-class",
        ObjectOptions(storage_class="STANDARD_IA"),
        "object.storage_class: STANDARD",
    ),
}


@each_answer
@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
def test_what_the_job_asks_for_is_refused_before_the_first_copy(
    sides: Sides,
    proxy: Proxy,
    job: EffectiveJob,
    demand: tuple[str, dict[str, Any], str],
    answer: Answer,
) -> None:
    """The error names the field that leaves the header out."""
    header, changes, field = demand
    sides.put("data/a")
    lack(proxy, header, answer=answer)
    error = refusal(sides, replace(job, **changes))
    assert isinstance(error, UnsupportedError)
    assert error.message.startswith("destination: ")
    assert field in error.message
    assert proxy.kinds()["CopyObject"] == 0


@each_answer
@pytest.mark.parametrize("side", ["source", "destination"])
def test_an_owner_that_the_server_does_not_know(
    sides: Sides, proxy: Proxy, job: EffectiveJob, side: str, answer: Answer
) -> None:
    """The error names the account of that side, whichever side's credentials were used."""
    sides.put("data/a")
    lack(proxy, "x-amz-expected-bucket-owner", answer=answer)
    place = replace(getattr(job, side), account="111122223333")
    assert f"remove {side}.account" in refusal(sides, replace(job, **{side: place})).message


@each_answer
@pytest.mark.parametrize("demand", ONLY_COPIES.values(), ids=ONLY_COPIES)
def test_what_only_copies_lack_is_named_at_each_object(
    sides: Sides,
    proxy: Proxy,
    job: EffectiveJob,
    demand: tuple[str, ObjectOptions, str],
    answer: Answer,
) -> None:
    """One request for each object, and a message that names the field."""
    header, options, field = demand
    sides.put("data/a")
    sides.put("data/b")
    lack(proxy, header, answer=answer, kinds=("CopyObject",))
    metrics = sides.run(replace(job, options=options))
    assert metrics.files_failed == 2
    assert all(field in failure.message for failure in metrics.errors_encountered.first)
    assert Counter(request.key for request in proxy.of_kind("CopyObject")) == {"copy/a": 1, "copy/b": 1}


def test_a_copy_that_is_refused_without_a_name(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """If only copies lack the guard and the server does not say so, the error says how to do without it."""
    sides.put("data/a")
    lack(proxy, "if-none-match", kinds=("CopyObject",))
    (failure,) = sides.run(job).errors_encountered.first
    assert failure.message.endswith("write overwrite: always")
    assert proxy.kinds()["CopyObject"] == 1
    assert sides.run(replace(job, overwrite=Overwrite.ALWAYS)).files_copied_successfully == 1


def test_a_class_that_the_destination_does_not_know(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """A preserved class that is refused leads to the field, too."""
    sides.put("data/a", StorageClass="STANDARD_IA")
    odd = Reply.error(400, "InvalidStorageClass", "The storage class you specified is not valid")
    proxy.answer = lambda request: odd if "x-amz-storage-class" in request.headers else None
    (failure,) = sides.run(job).errors_encountered.first
    assert failure.code == "InvalidStorageClass"
    assert "write object.storage_class: STANDARD" in failure.message


def test_a_server_without_tags(sides: Sides, proxy: Proxy, job: EffectiveJob) -> None:
    """A copy in parts reads the tags of its source: if the server has none, the error names the field."""
    sides.put("data/a", b"x" * (7 * 2**20))
    proxy.answer = lambda request: unnamed("") if request.kind == "GetObjectTagging" else None
    (failure,) = sides.run(job, limits=LIMITS).errors_encountered.first
    assert "write object.tags: drop" in failure.message


# --- 501


@pytest.mark.parametrize("code", ["NotImplemented", "InternalError", "Whatever"])
def test_a_501_is_sent_once(sides: Sides, proxy: Proxy, job: EffectiveJob, code: str) -> None:
    """Another attempt would get the same answer (rule 19)."""
    sides.put("data/a")
    odd = Reply.error(501, code)
    proxy.answer = lambda request: odd if request.kind == "CopyObject" else None
    metrics = sides.run(job)
    assert (metrics.files_failed, metrics.errors_encountered.by_code) == (1, {code: 1})
    assert proxy.kinds()["CopyObject"] == 1
