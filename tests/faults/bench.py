"""Both sides of a job on a small S3 server behind a fault proxy: real requests, and the server's state."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import boto3

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.copy.uploads import Attempt, OpenUpload, UploadRecord
from s3copy_tasks.core.collector import MetricsCollector, utc_now
from s3copy_tasks.core.key_list import Column, KeyList, ListFile
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import DEFAULT_TRANSFER
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.core.store import Stores
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report.summary import outside_metrics, run_metrics
from s3copy_tasks.s3.boto3_client import Boto3Client
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.client import Client
from s3copy_tasks.s3.connections import _s3_config
from s3copy_tasks.s3.fast.client import CurlClient
from tests.faults.kinds import meanwhile
from tests.support.builders.bench import impatient_for, make_job
from tests.support.builders.lists import encode_key, make_list, make_rows
from tests.support.builders.results import RESULTS, check_failed, check_rows, read_failed, read_rows
from tests.support.s3.small_objects import Stored
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.planner import Plan
    from tests.faults.proxy import Fault, FaultProxy

SOURCE, DESTINATION, LISTS = "the-source", "the-destination", "the-lists"
SOURCE_ACCOUNT, DESTINATION_ACCOUNT = "111122223333", "444455556666"
CONNECTIONS = 16
ANOTHER_CLIENT = str(next(field.default for field in fields(Stored) if field.name == "by"))
"""`Stored.by` of an object that another client wrote: the default."""


class Clock:
    """Seconds since 1970 that advance with every call."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 1_780_000_000.0, step

    def __call__(self) -> float:
        self._now += self._step
        return self._now

    def tick(self, seconds: float = 1.0) -> None:
        self._now += seconds


@dataclass
class Uploads:
    """A record of open uploads, like Airflow's between the attempts of a task."""

    open: list[OpenUpload] = field(default_factory=list)

    def left(self, _: object = None) -> Sequence[OpenUpload]:
        return list(self.open)

    def opened(self, upload: OpenUpload) -> None:
        self.open.append(upload)

    def closed(self, upload: OpenUpload) -> None:
        self.open.remove(upload)


def connect(url: str) -> S3Client:
    """Return a client with the product's own settings: only `Sender` retries."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="ASIAMADEUP0000000000",
        aws_secret_access_key="made-up",
        config=_s3_config(CONNECTIONS),
    )


class FaultBench:
    """A source, a destination, and what a Dag does with them, without Airflow.

    Attributes:
        renewed: how often credentials were fetched again.
        deeds: what another client did, and to which object.

    Args:
        proxy: in front of the server; it is reset.
        client: of the proxy.
        step: seconds that pass between two readings of the clock.
        fast: use libcurl; else boto3.
        server: other arguments of `SmallS3`.
    """

    def __init__(
        self, proxy: FaultProxy, client: S3Client, *, step: float = 0.3, fast: bool = True, **server: Any
    ) -> None:
        self.clock = Clock(step)
        self.server = SmallS3(clock=self.clock, **server)
        self.server.owners = {SOURCE: SOURCE_ACCOUNT, DESTINATION: DESTINATION_ACCOUNT}
        self.proxy = proxy
        self.proxy.begin(self.server)
        self.renewed = 0
        self.deeds: set[tuple[str, str]] = set()
        self.uploads: UploadRecord = Uploads()
        self._client = client
        self._s3: Client = (
            CurlClient(self._connect, connections=CONNECTIONS)
            if fast
            else Boto3Client(self._connect, threads=CONNECTIONS)
        )
        self.stores = Stores(
            source=BucketStore(self._s3, SOURCE, SOURCE_ACCOUNT),
            destination=BucketStore(self._s3, DESTINATION, DESTINATION_ACCOUNT),
            lists=BucketStore(self._s3, LISTS, None),
            results=BucketStore(self._s3, RESULTS, None),
        )

    def _connect(self, *, renew: bool = False) -> S3Client:
        self.renewed += renew
        return self._client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wait_for(self._s3.close())

    def put(self, suffix: str, content: bytes | int = 10, *, age: float = 1e6, **kept: Any) -> Stored:
        """Write `in/<suffix>` to the source, so many seconds ago."""
        moment = self.clock() - age
        return self.server.put(SOURCE, f"in/{suffix}", content, modified=moment, **kept)

    @property
    def written(self) -> dict[str, Stored]:
        """The destination's objects, by key below `out/`."""
        objects = self.server.contents(DESTINATION)
        return {key.removeprefix("out/"): one for key, one in objects.items()}

    def versions(self, suffix: str) -> list[Stored]:
        """Return every version of a source object, oldest first."""
        return self.server.history(SOURCE, f"in/{suffix}")

    def changes(self, suffix: str, content: bytes | int = 11) -> Fault:
        """Another client writes the source object again, with other metadata and tags."""
        kept: dict[str, Any] = {"headers": {"x-amz-meta-by": "another client"}, "tags": {"changed": "yes"}}
        return self._deed(
            "source changed", suffix, lambda: self.server.put(SOURCE, f"in/{suffix}", content, **kept)
        )

    def deletes(self, suffix: str) -> Fault:
        """Another client deletes the source object."""
        return self._deed("source deleted", suffix, lambda: self.server.delete(SOURCE, f"in/{suffix}"))

    def overwrites(self, suffix: str, content: bytes | int = b"another client's") -> Fault:
        """Another client writes the destination's key."""
        return self._deed(
            "destination written",
            suffix,
            lambda: self.server.put(DESTINATION, f"out/{suffix}", content),
        )

    def clears(self, suffix: str) -> Fault:
        """Another client deletes the destination's object."""
        return self._deed(
            "destination deleted", suffix, lambda: self.server.delete(DESTINATION, f"out/{suffix}")
        )

    def _deed(self, name: str, suffix: str, act: Callable[[], object]) -> Fault:
        def do() -> None:
            self.deeds.add((name, suffix))
            act()

        return meanwhile(name, do)

    def put_list(self, columns: Sequence[Column]) -> KeyList:
        """Write a list of the source's objects, as they are now."""
        rows = [
            {Column.KEY: encode_key(key), Column.ETAG: one.etag, Column.SIZE: one.size}
            for key, one in self.server.contents(SOURCE).items()
        ]
        content = make_rows([row.get(column, "STANDARD") for column in columns] for row in rows)
        made = self.server.put(LISTS, "list.csv", content)
        return make_list(ListFile(key="list.csv", size=len(content), etag=made.etag), columns=columns)

    def started(self, **changes: Any) -> EffectiveJob:
        """Return a job whose run starts now; then a second passes, like before the first copy."""
        values: dict[str, Any] = {
            "source": Location(bucket=SOURCE, account=SOURCE_ACCOUNT),
            "destination": Location(bucket=DESTINATION, account=DESTINATION_ACCOUNT),
            "transfer": DEFAULT_TRANSFER,
            "run_started": wait_for(self.stores.destination.server_time()),
        }
        self.clock.tick()
        return make_job(**(values | changes))

    def plan(self, job: EffectiveJob) -> Plan:
        return plan_job(job, self.stores, sender=impatient_for(job))

    def copy(
        self,
        job: EffectiveJob,
        batch: Batch,
        *,
        limits: Limits | None = None,
        retried: bool = False,
        sender: Sender | None = None,
        metrics: MetricsCollector | None = None,
    ) -> TransferMetrics:
        """Carry out a batch and return its metrics; however it ends, its results must agree with them."""
        collector = metrics or MetricsCollector()
        with self._checking_results(job, batch, collector), count_batch(job, batch, collector):
            copy_batch(
                job,
                batch,
                self.stores,
                metrics=collector,
                attempt=Attempt(retried=retried, uploads=self.uploads),
                limits=limits,
                sender=sender or impatient_for(job),
            )
        return collector.metrics()

    @contextmanager
    def _checking_results(
        self, job: EffectiveJob, batch: Batch, collector: MetricsCollector
    ) -> Iterator[None]:
        try:
            yield
        finally:
            folder, metrics = find_results_folder(job, [batch]), collector.metrics()
            if folder is not None and "ResultsNotWritten" not in metrics.errors_encountered.by_code:
                check_rows(read_rows(self._read(folder.name_batch(batch)) or b""), metrics)
                check_failed(read_failed(self._read(folder.name_failed(batch)) or b""), metrics)

    def _read(self, key: str) -> bytes | None:
        """Return the content of an object of the results; None if there is none."""
        found = self.server.contents(RESULTS).get(key)
        return None if found is None else self.server.writes.read(found.spans)

    def run(
        self, job: EffectiveJob, plan: Plan | None = None, *, limits: Limits | None = None
    ) -> TransferMetrics:
        """Plan a run, unless it is planned already, carry out its batches and add up their metrics."""
        plan = plan or self.plan(job)
        batch_metrics = {batch.id: self.copy(job, batch, limits=limits) for batch in plan.batches}
        return self.add_up(job, plan, batch_metrics)

    def add_up(
        self, job: EffectiveJob, plan: Plan, batch_metrics: dict[int, TransferMetrics]
    ) -> TransferMetrics:
        moment = utc_now()
        return run_metrics(job, outside_metrics(job, plan, moment, moment), plan.batches, batch_metrics)
