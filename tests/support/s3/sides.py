"""A source and a destination bucket, each in its account, and jobs between them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from s3copy_tasks.copy.runner import copy_batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.store import Stores
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.preflight.preflight import Preflight, preflight
from s3copy_tasks.report.summary import outside_metrics, run_metrics
from s3copy_tasks.s3 import connections
from tests.support.s3.queues import ImpatientQueue
from tests.support.s3.servers import DESTINATION_ACCOUNT, SOURCE_ACCOUNT, Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.planner import Plan

_numbers = itertools.count(1)


@dataclass
class Sides:
    """Two new buckets on `server`; the job's own requests go to `endpoint`, which may be a proxy.

    Connections must be in the environment: `environment` has them.
    """

    server: Endpoint
    endpoint: Endpoint
    source_bucket: str = field(default_factory=lambda: f"source-{next(_numbers):04}")
    destination_bucket: str = field(default_factory=lambda: f"destination-{next(_numbers):04}")

    def __post_init__(self) -> None:
        self._connected: dict[Any, connections.Sides] = {}
        self.source: S3Client
        self.destination: S3Client
        self.source, self.destination = self.server.owner_clients()
        self.source.create_bucket(Bucket=self.source_bucket)
        self.destination.create_bucket(Bucket=self.destination_bucket)

    @property
    def environment(self) -> dict[str, str]:
        return self.endpoint.connections()

    def job(self, **changes: Any) -> EffectiveJob:
        """Return a job from `data/` to `copy/`, with changes."""
        job = EffectiveJob(
            name="job",
            run_id="run-1",
            digest="0" * 64,
            source=Location(bucket=self.source_bucket, account=SOURCE_ACCOUNT, connection="aws_source"),
            destination=Location(
                bucket=self.destination_bucket, account=DESTINATION_ACCOUNT, connection="aws_destination"
            ),
            prefixes=(PrefixEntry(source="data/", destination="copy/"),),
            transfer=TransferOptions(concurrency=8),
        )
        return replace(job, **changes)

    def put(self, key: str, body: bytes = b"x", **options: Any) -> None:
        self.source.put_object(Bucket=self.source_bucket, Key=key, Body=body, **options)

    def copied(self) -> dict[str, bytes]:
        """Return every object of the destination."""
        return _contents(self.destination, self.destination_bucket)

    def originals(self) -> dict[str, bytes]:
        """Return every object of the source."""
        return _contents(self.source, self.source_bucket)

    def open_uploads(self) -> list[Any]:
        reply = self.destination.list_multipart_uploads(Bucket=self.destination_bucket)
        return list(reply.get("Uploads", []))

    def connected(self, job: EffectiveJob) -> connections.Sides:
        """Return both sides; jobs to the same places share them, because a session takes half a second."""
        places = (job.source, job.destination, job.keys_from, job.results)
        if places not in self._connected:
            self._connected[places] = connections.Sides.from_job(job)
        return self._connected[places]

    def stores(self, job: EffectiveJob) -> Stores:
        stores = self.connected(job).stores
        return stores if stores.queue is None else replace(stores, queue=ImpatientQueue(stores.queue))

    def preflight(self, job: EffectiveJob) -> Preflight:
        return preflight(job, self.connected(job))

    def plan(self, job: EffectiveJob) -> Plan:
        return plan_job(job, self.stores(job))

    def run(self, job: EffectiveJob, *, limits: Limits | None = None) -> TransferMetrics:
        """Check, plan and copy, as a Dag does."""
        return self.copy_all(self.preflight(job).job, limits=limits)

    def copy_all(self, job: EffectiveJob, *, limits: Limits | None = None) -> TransferMetrics:
        """Plan and copy."""
        plan, start = self.plan(job), now()
        metrics_by_batch = {}
        for batch in plan.batches:
            collector = MetricsCollector(now)
            collector.start_operation(job.run_id)
            copy_batch(job, batch, self.stores(job), metrics=collector, limits=limits)
            metrics_by_batch[batch.id] = collector.metrics()
        return run_metrics(job, outside_metrics(job, plan, start, start), plan.batches, metrics_by_batch)


def now() -> datetime:
    return datetime.now(UTC)


def _contents(client: S3Client, bucket: str) -> dict[str, bytes]:
    keys = [
        row["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for row in page.get("Contents", [])
    ]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
