"""Relayed copies: limited memory, one version only, and with everything that an object has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.copy.relay import RELAY_BYTES_MAX, Relay
from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import NoRecord
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.multipart import OBJECT_BYTES_MAX, RELAY_LIMITS, Limits
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.core.store import CopyRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.errors import AccessError, RequestError
from tests.support.builders.bench import DESTINATION, SOURCE, Bench, impatient, make_job, make_object
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from s3copy_tasks.core.metrics import TransferMetrics

LIMITS = Limits(single_copy_bytes=10, part_bytes=4)
CONTENTS = {"empty": b"", "small": b"0123456789", "large": b"0123456789abcdefghi"}
KEPT: dict[str, Any] = {
    "headers": {"ContentType": "image/tiff"},
    "metadata": {"k": "v"},
    "tags": {"a": "b"},
    "storage_class": "STANDARD_IA",
}


def relayed(bench: Bench, **changes: Any) -> TransferMetrics:
    """Run a job for which preflight found that it needs a relay."""
    return bench.run(bench.started(relayed=True, **changes), limits=LIMITS)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_everything_arrives(content: bytes) -> None:
    """Content, headers, metadata, tags and class of a relayed object are the source's; no server copies."""
    bench = Bench()
    bench.put("in/a", content=content, **KEPT)
    metrics = relayed(bench)
    assert (metrics.files_copied_successfully, metrics.total_bytes_transferred) == (1, len(content))
    (source,) = bench.server.buckets[SOURCE].values()
    (copied,) = bench.server.buckets[DESTINATION].values()
    for name in ("content", "headers", "metadata", "tags", "storage_class"):
        assert getattr(copied, name) == getattr(source, name)
    assert bench.server.count("copy_object") == bench.server.count("copy_part") == 0
    assert bench.server.open_uploads(DESTINATION) == []


def test_tags_are_dropped_when_asked() -> None:
    """`tags: drop` reads no tags and writes none."""
    bench = Bench()
    bench.put("in/a", content=CONTENTS["small"], **KEPT)
    relayed(bench, options=ObjectOptions(tags="drop"))
    (copied,) = bench.server.buckets[DESTINATION].values()
    assert copied.tags == {}
    assert bench.server.count("object_tags") == 0


@pytest.mark.parametrize("content", [CONTENTS["small"], CONTENTS["large"]], ids=["small", "large"])
def test_a_source_that_changes_is_never_mixed(content: bytes) -> None:
    """A source that changes between its ranges is checked again, and one version arrives (rule 2)."""
    bench, newer = Bench(), content.upper()[::-1]
    bench.put("in/a", content=content)
    change = lambda: bench.put("in/a", content=newer)  # noqa: E731
    bench.server.before.append(on("get_bytes", change, spare=0 if len(content) <= 10 else 2))
    assert relayed(bench).files_copied_successfully == 1
    assert bench.server.contents(DESTINATION) == {"out/a": newer}


def test_what_another_client_writes_stays() -> None:
    """A relayed copy is guarded like every copy (rule 3)."""
    bench = Bench()
    bench.put("in/a", content=b"source")
    write = lambda: bench.server.put(DESTINATION, "out/a", b"another")  # noqa: E731
    bench.server.before.append(on("complete_multipart_upload", write))
    metrics = relayed(bench, overwrite=Overwrite.NEVER)
    assert dict(metrics.files_skipped) == {"exists": 1}
    assert bench.server.contents(DESTINATION) == {"out/a": b"another"}


@pytest.mark.parametrize("verb", ["get_bytes", "put_part", "complete_multipart_upload"])
def test_failures_leave_no_upload(verb: str) -> None:
    """A relay that fails is counted, and its upload aborted."""
    bench = Bench()
    bench.put("in/a", content=CONTENTS["large"])
    bench.server.before.append(on(verb, fails(AccessError("no", code="AccessDenied")), times=99))
    metrics = relayed(bench)
    assert metrics.errors_encountered.by_code == {"AccessDenied": 1}
    assert bench.server.open_uploads(DESTINATION) == []
    assert bench.server.contents(DESTINATION) == {}


def test_memory_has_a_budget() -> None:
    """However many parts run in parallel, memory holds no more bytes than the budget."""
    bench, lock, three = Bench(), threading.Lock(), threading.Barrier(3)
    held, most = 0, 0
    bench.put("in/a", content=bytes(400))

    def reads() -> None:
        nonlocal held, most
        with lock:
            held += 4
            most = max(most, held)

    def wrote() -> None:
        nonlocal held
        with lock:
            held -= 4

    bench.server.after.append(on("get_bytes", reads, times=999))
    bench.server.after.append(on("get_bytes", lambda: three.wait(10), times=3))
    bench.server.before.append(on("put_part", wrote, times=999))
    job = bench.started(relayed=True, transfer=TransferOptions(concurrency=32))
    stores = pace_stores(bench.stores, impatient(32))
    request = CopyRequest(
        source=bench.source.list_page("in/", after=None, token=None, recursive=True).objects[0],
        source_account=None,
        key="out/a",
        options=job.options,
    )
    transfer = Transfer(job, stores, NoRecord(), LIMITS)
    transfer._relay = Relay(stores, budget_bytes=15)
    wait_for(transfer.copy(request))
    assert bench.server.contents(DESTINATION) == {"out/a": bytes(400)}
    assert most == 12


def test_too_large_for_a_budget_of_parts() -> None:
    """An object of more than 10,000 times the budget is refused, without a request."""
    bench = Bench()
    job = make_job(relayed=True)
    fits = 10_000 * 200 * 2**20
    stores = pace_stores(bench.stores, impatient())
    relay = Relay(stores)
    relay.check_size(fits, RELAY_LIMITS)
    transfer = Transfer(job, stores, NoRecord())
    for size in (10_000 * RELAY_BYTES_MAX, OBJECT_BYTES_MAX):
        request = CopyRequest(
            source=make_object(size=size), source_account=None, key="out/a", options=job.options
        )
        with pytest.raises(RequestError) as caught:
            wait_for(transfer.copy(request))
        assert caught.value.code == "RelayTooLarge"
    assert bench.server.calls == []
