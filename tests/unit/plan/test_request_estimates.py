"""A plan estimates the requests that its run will send, by kind, whatever way the objects go."""

from __future__ import annotations

from typing import Any

import pytest

from s3copy_tasks.core.multipart import RELAY_LIMITS
from s3copy_tasks.core.options import ObjectOptions
from tests.support.builders.bench import Bench

WRITES = ("CopyObject", "PutObject", "CreateMultipartUpload", "UploadPartCopy", "UploadPart")
WAYS: dict[str, dict[str, Any]] = {
    "copy": {},
    "verified by checksums": {"verify": "checksum"},
    "relay": {"relayed": True},
    "relay, verified by checksums": {"relayed": True, "verify": "checksum"},
    "relay without tags": {"relayed": True, "options": ObjectOptions(tags="drop")},
}


@pytest.mark.parametrize("changes", WAYS.values(), ids=WAYS)
def test_an_estimate_is_what_the_run_sends(changes: dict[str, Any]) -> None:
    """For objects of all kinds, the estimate of writes, HEADs and GETs is exact."""
    bench = Bench()
    bench.put("in/empty", content=b"")
    bench.put("in/small")
    bench.put("in/in-parts", content=b"abc", parts=2)
    bench.put("in/two-parts-of-a-relay", content=bytes(RELAY_LIMITS.part_bytes + 1))
    job = bench.started(**changes)
    plan = bench.plan(job)
    (entry,) = plan.entries
    metrics = bench.run(job, plan)
    assert metrics.files_copied_successfully == 4
    sent = metrics.requests.by_kind
    writes = sum(sent.get(kind, 0) for kind in (*WRITES, "CompleteMultipartUpload"))
    reads = sent.get("GetObject", 0) + sent.get("GetObjectTagging", 0)
    assert (entry.copy_requests, entry.head_requests, entry.get_requests) == (
        writes,
        sent.get("HeadObject", 0),
        reads,
    )
