"""Lists, plans and copies millions of keys of a `PageServer`, in a separate process."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import time
from dataclasses import replace
from pathlib import Path
from threading import active_count
from typing import TYPE_CHECKING, Any

import boto3
import structlog
from botocore.config import Config

from s3copy_tasks.core.job import EffectiveJob, Overwrite, PrefixEntry
from s3copy_tasks.core.key_list import Column, KeyList
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.store import Stores
from s3copy_tasks.dag.xcom import dump
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.local_files import find_list_file
from s3copy_tasks.engine.loop import event_loop
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.plan.key_stream import KeyStream
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.run import InProcessRun, Watch
from s3copy_tasks.s3.boto3_client import Boto3Client
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.fast.client import CurlClient
from tests.performance.child import obey
from tests.performance.pages import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.s3.client import Client

IN_FLIGHT = TransferOptions().in_flight

Figures = dict[str, float]


class Millions:
    """The methods that a benchmark calls. Seconds are wall time, CPU seconds those of this process."""

    def list_keys(self, *, client: str, url: str, keys: int, listers: int) -> Figures:
        """List a number of keys of the source as one stream."""
        sender = Sender(IN_FLIGHT)
        store = PacedStore(BucketStore(_client(client, url), "originals", None), sender)

        def page(after: str | None, token: str | None) -> Any:
            return store.list_page(PREFIX, after=after, token=token, recursive=True)

        asyncio.run_coroutine_threadsafe(page("data/z", None), event_loop()).result()  # connects
        last = f"{PREFIX}year=2026/part-{keys - 1:09}.parquet"
        stream = KeyStream(page, PREFIX, after=None, through=last, listers=listers, loop=event_loop())
        measure = _start_measuring()
        sender.counted()
        with collect_garbage_rarely():  # as in plans and batches
            counted = sum(1 for _ in stream)
        if counted != keys:
            raise RuntimeError(f"{counted} keys of {keys}")
        return {**measure(), "keys": keys, "requests": sender.counted().requests().sent}

    def plan(self, *, url: str) -> Figures:
        """Plan from source to destination. The memory is that beyond a plan of empty buckets."""
        client = _client("curl", url)
        plan_job(_job("nothing", "nowhere"), _stores(client, "nothing", "nowhere"))
        before, measure, sender = _peak_mb(), _start_measuring(), Sender(IN_FLIGHT)
        plan = plan_job(_job(), _stores(client), sender=sender)
        batches = [dump(batch) for batch in plan.batches]
        return {
            **measure(),
            "added_mb": _peak_mb() - before,
            "peak_mb": _peak_mb(),
            "requests": sender.counted().requests().sent,
            "xcom_kb": len(json.dumps(batches)) / 1_000,
            "batches": len(batches),
            "ranges": sum(len(batch["ranges"]) for batch in batches),
            "to_copy": plan.entries[0].objects,
        }

    def plan_list(self, *, path: str, columns: list[str]) -> Figures:
        """Plan what a list names. The memory is that beyond a plan of its first row."""
        one = Path(path).with_name("one.csv")
        with Path(path).open("rb") as file:
            one.write_bytes(file.readline())
        stores = Stores(source=None, destination=None)  # type: ignore[arg-type] # a plan of a list sends nothing
        plan_job(_list_job(str(one), columns), stores)
        before, measure = _peak_mb(), _start_measuring()
        plan = plan_job(_list_job(path, columns), stores)
        batches = [dump(batch) for batch in plan.batches]
        return {
            **measure(),
            "added_mb": _peak_mb() - before,
            "xcom_kb": len(json.dumps(batches)) / 1_000,
            "batches": len(batches),
            "to_copy": plan.entries[0].objects,
        }

    def copy(self, *, url: str, every: int, batch_objects: int, overwrite: str) -> list[Figures]:
        """Copy everything in one run, batch after batch; return a sample for every so many objects."""
        job = _job(batch_objects=batch_objects, overwrite=Overwrite(overwrite))
        samples: list[Figures] = []
        measure = _start_measuring()

        def add_sample(objects: int) -> None:
            if objects >= every * len(samples):
                samples.append({"objects": objects, **measure(), **_measure_process()})

        sender = Sender(job.transfer.in_flight)
        watch = Watch(planned=lambda _: add_sample(0), counted=add_sample)
        run = InProcessRun(job, _stores(_client("curl", url)), sender, watch=watch)
        run.carry_out()
        metrics = run.metrics
        if metrics.files_verified != metrics.total_files_found:
            raise RuntimeError(str(metrics.as_dict()))
        return samples


def _start_measuring() -> Callable[[], Figures]:
    """Start to measure; return a function that returns the time since then."""
    started, cpu = time.perf_counter(), time.process_time()
    return lambda: {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def _measure_process() -> Figures:
    """Return memory, descriptors and threads of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss_mb": pages * resource.getpagesize() / 2**20,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())) - 1,
        "threads": active_count(),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def _client(name: str, url: str) -> Client:
    def connect(*, renew: bool = False) -> S3Client:
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            aws_session_token="t" * 600,  # about as long as those of STS
            config=Config(max_pool_connections=IN_FLIGHT, s3={"addressing_style": "path"}),
        )

    return CurlClient(connect, connections=IN_FLIGHT) if name == "curl" else Boto3Client(connect)


def _stores(client: Client, source: str = "originals", destination: str = "copies") -> Stores:
    return Stores(
        source=BucketStore(client, source, None), destination=BucketStore(client, destination, None)
    )


def _job(
    source: str = "originals",
    destination: str = "copies",
    *,
    batch_objects: int = 10_000,
    overwrite: Overwrite = Overwrite.CHANGED,
) -> EffectiveJob:
    return EffectiveJob(
        name="bench",
        run_id="bench",
        digest="0" * 64,
        source=Location(bucket=source),
        destination=Location(bucket=destination),
        prefixes=(PrefixEntry(source=PREFIX, destination=PREFIX),),
        transfer=TransferOptions(batch_objects=batch_objects),
        overwrite=overwrite,
    )


def _list_job(path: str, columns: list[str]) -> EffectiveJob:
    keys_from = KeyList(
        location=None, key=path, columns=tuple(map(Column, columns)), files=(find_list_file(path),)
    )
    return replace(_job(overwrite=Overwrite.ALWAYS), keys_from=keys_from)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))  # as in Airflow
    obey(Millions())
