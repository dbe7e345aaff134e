"""Relays one object in a separate process, and measures memory, time and CPU."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import boto3

from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import NoRecord
from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.objects import S3Object
from s3copy_tasks.core.store import CopyRequest, Stores
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.connections import _s3_config
from s3copy_tasks.s3.fast.client import CurlClient
from tests.performance.child import obey

IN_FLIGHT = 64


class Relaying:
    """The methods that the benchmark calls."""

    def relay(self, url: str) -> dict[str, float]:
        """Relay the server's object; return memory before and at the peak, seconds and CPU seconds."""
        client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="AKIAMADEUP",
            aws_secret_access_key="made-up",
            config=_s3_config(IN_FLIGHT),
        )
        stores = Stores(source=_store(client, "source"), destination=_store(client, "destination"))
        job = EffectiveJob(
            name="relay",
            run_id="run",
            digest="0" * 64,
            source=Location(bucket="source"),
            destination=Location(bucket="destination"),
            prefixes=(PrefixEntry(source="in/", destination="out/"),),
            relayed=True,
        )
        found = wait_for(stores.source.head_object("in/a"))
        assert found is not None
        before = _resident()
        start, cpu = time.perf_counter(), time.process_time()
        wait_for(
            Transfer(job, pace_stores(stores, Sender(IN_FLIGHT)), NoRecord()).copy(
                _request(found.object, job)
            )
        )
        return {
            "before": before,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
            "seconds": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
        }


def _store(client: Any, bucket: str) -> BucketStore:
    return BucketStore(CurlClient(lambda *, renew=False: client), bucket, None)


def _request(source: S3Object, job: EffectiveJob) -> CopyRequest:
    return CopyRequest(source=source, source_account=None, key="out/a", options=job.options)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    obey(Relaying())
