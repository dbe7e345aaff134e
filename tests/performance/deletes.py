"""Deletes what a mirror finds extraneous at a null S3, in a separate process, and times that."""

from __future__ import annotations

import os
import resource
import time
from typing import Any

import structlog

from s3copy_tasks.core.job import EffectiveJob, Mirror, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.delete.judge import Verdict
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.run import InProcessRun
from s3copy_tasks.s3.connections import Sides
from tests.performance.child import obey
from tests.performance.listings import PREFIX, bucket_of


class Deletes:
    """The methods that a benchmark calls."""

    def run(self, objects: int, url: str, per_second: int) -> dict[str, float]:
        """Delete all objects of a bucket but one; return seconds, CPU seconds and MB.

        Args:
            objects: that are extraneous.
            url: of the server.
            per_second: limit of requests to each bucket, in keys for deletes.
        """
        job = _make_job(objects, url, per_second)
        run = InProcessRun(job, Sides.from_job(job).stores, make_sender(job.transfer))
        run.carry_out()
        plan = run.delete_plan
        if plan is None or plan.to_delete != objects:
            raise RuntimeError(f"planned {plan}")
        memory, began, cpu = _peak_mb(), time.perf_counter(), time.process_time()
        run.delete(plan, Verdict())
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        deletions: Any = run.details["deletions"]
        if deletions["deleted"] != objects:
            raise RuntimeError(str(deletions)[:1_000])
        return {"seconds": seconds, "cpu": cpu, "planned MB": memory, "peak MB": _peak_mb()}


def _make_job(objects: int, url: str, per_second: int) -> EffectiveJob:
    prefixes = (PrefixEntry(source=PREFIX, destination=PREFIX),)
    return EffectiveJob(
        name="bench",
        run_id="run-1",
        digest="0" * 64,
        source=Location(bucket=bucket_of(1), endpoint_url=url, region="us-east-1"),
        destination=Location(bucket=bucket_of(objects + 1), endpoint_url=url, region="us-east-1"),
        prefixes=prefixes,
        transfer=TransferOptions(max_requests_per_second=per_second),
        mirror=Mirror(max_deleted_objects=objects, max_deleted_percent=100, on_aws=True, prefixes=prefixes),
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(open(os.devnull, "w")),  # noqa: SIM115, PTH123
    )
    obey(Deletes())
