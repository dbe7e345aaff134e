"""Jobs and objects with defaults, and a bench that plans and copies between two buckets in memory."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.objects import S3Object
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.core.store import Stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import ConfigError
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report.summary import outside_metrics, run_metrics
from tests.support.builders.results import PLACE, RESULTS, check_rows, read_folder, read_rows
from tests.support.s3.memory import DAY_ONE, Clock, MemoryServer, MemoryStore, threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.planner import Plan

SOURCE, DESTINATION = "the-source", "the-destination"


def make_job(**changes: Any) -> EffectiveJob:
    """Return a job that copies `in/` of one bucket to `out/` of another, with changes."""
    values: dict[str, Any] = {
        "name": "demo",
        "run_id": "manual__1",
        "digest": "0123456789abcdef" * 4,
        "source": Location(bucket=SOURCE),
        "destination": Location(bucket=DESTINATION),
        "prefixes": () if "objects" in changes else (PrefixEntry(source="in/", destination="out/"),),
        "transfer": TransferOptions(concurrency=2),
        "run_started": DAY_ONE,
    }
    return EffectiveJob(**(values | changes))


def make_object(
    key: str = "in/a",
    *,
    size: int = 1,
    modified: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    etag: str | None = None,
    bucket: str = SOURCE,
) -> S3Object:
    """Return a listed object; its ETag is derived from its key unless given."""
    return S3Object(
        bucket=bucket,
        key=key,
        size=size,
        last_modified=modified,
        etag=etag or f'"{hashlib.md5(key.encode("utf-8", "surrogatepass")).hexdigest()}"',
    )


def impatient(in_flight: int = 2, in_flight_most: int | None = None) -> Sender:
    """Return a sender that never waits."""
    now = 0.0

    async def wait(seconds: float) -> bool:
        nonlocal now
        now += seconds
        return False

    return Sender(in_flight, in_flight_most=in_flight_most, wait=wait, clock=lambda: now)


def impatient_for(job: EffectiveJob) -> Sender:
    """Return a sender that never waits, with as many requests in flight as a job wants."""
    return impatient(job.transfer.in_flight, job.transfer.in_flight_most)


class Bench:
    """Two buckets on a server in memory, with a clock for tests; does what a Dag does, without Airflow."""

    def __init__(self, *, page_keys: int = 1_000, single_copy_bytes: int = 5 * 2**30) -> None:
        self.clock = Clock()
        self.server = MemoryServer(self.clock, page_keys=page_keys, single_copy_bytes=single_copy_bytes)
        self.server.buckets = {SOURCE: {}, DESTINATION: {}, RESULTS: {}}
        self.source = MemoryStore(self.server, SOURCE)
        self.destination = MemoryStore(self.server, DESTINATION)
        self.stores = Stores(
            source=threaded(self.source),
            destination=threaded(self.destination),
            results=threaded(MemoryStore(self.server, RESULTS)),
        )

    def put(self, *keys: str, content: bytes = b"x", **values: Any) -> None:
        """Write objects to the source."""
        for key in keys:
            self.server.put(SOURCE, key, content, **values)

    def delete(self, *keys: str) -> None:
        """Delete objects from the source."""
        for key in keys:
            self.server.buckets[SOURCE].pop(key, None)

    @property
    def written(self) -> dict[str, bytes]:
        """The destination's objects."""
        return self.server.contents(DESTINATION)

    @property
    def results(self) -> dict[str, bytes]:
        """The objects of the results, for jobs that write any."""
        return self.server.contents(RESULTS)

    def started(self, **changes: Any) -> EffectiveJob:
        """Return a job whose run starts now; then a second passes, like before the first copy."""
        job = make_job(**({"run_started": self.destination.server_time(), "results": PLACE} | changes))
        self.clock.tick()
        return job

    def plan(self, job: EffectiveJob) -> Plan:
        return plan_job(job, self.stores, sender=impatient_for(job))

    def collector(self, job: EffectiveJob) -> MetricsCollector:
        collector = MetricsCollector(self.clock)
        collector.start_operation(job.run_id)
        return collector

    def copy(
        self,
        job: EffectiveJob,
        batch: Batch,
        *,
        retried: bool = False,
        limits: Limits | None = None,
        metrics: MetricsCollector | None = None,
        on_counted: Callable[[int], None] | None = None,
    ) -> TransferMetrics:
        """Carry out a batch and return its metrics; however it ends, its results must agree with them."""
        collector = metrics or self.collector(job)
        with self._checking_rows(job, batch, collector), count_batch(job, batch, collector):
            copy_batch(
                job,
                batch,
                self.stores,
                metrics=collector,
                attempt=Attempt(retried=retried),
                limits=limits,
                on_counted=on_counted,
                sender=impatient_for(job),
            )
        return collector.metrics()

    @contextmanager
    def _checking_rows(self, job: EffectiveJob, batch: Batch, collector: MetricsCollector) -> Iterator[None]:
        try:
            yield
        except ConfigError:
            raise  # the batch was refused
        except BaseException:
            self._check_rows(job, batch, collector.metrics())
            raise
        self._check_rows(job, batch, collector.metrics())

    def _check_rows(self, job: EffectiveJob, batch: Batch, metrics: TransferMetrics) -> None:
        folder = find_results_folder(job, [batch])
        if folder is not None and "ResultsNotWritten" not in metrics.errors_encountered.by_code:
            check_rows(read_rows(self.results[folder.name_batch(batch)]), metrics)

    def run(
        self, job: EffectiveJob, plan: Plan | None = None, *, limits: Limits | None = None
    ) -> TransferMetrics:
        """Plan a run, unless it is planned already, carry out its batches and add up their metrics."""
        plan = plan or self.plan(job)
        now = self.clock()
        outside = outside_metrics(job, plan, now, now)
        if job.dry_run:
            return outside
        accounts = {batch.id: self.copy(job, batch, limits=limits) for batch in plan.batches}
        metrics = run_metrics(job, outside, plan.batches, accounts)
        folder = find_results_folder(job, plan.batches)
        if folder is not None and "ResultsNotWritten" not in metrics.errors_encountered.by_code:
            check_rows(read_folder(self.results, folder.prefix), metrics)
        return metrics
