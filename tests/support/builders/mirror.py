"""Runs of a mirror on two buckets in memory: plan, judge, delete; as a Dag does, without Airflow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.deletions import DeleteMetrics, DeletePlan
from s3copy_tasks.core.job import EffectiveJob, Mirror, PrefixEntry
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.delete.counting import DeleteCollector
from s3copy_tasks.delete.judge import VALID_FOR, Circumstances, Verdict, add_up_deletes, judge_deletes
from s3copy_tasks.delete.runner import count_deletes, delete_batch
from s3copy_tasks.plan.delete_planning import plan_deletes
from tests.support.builders.bench import DESTINATION, Bench, impatient, make_job

if TYPE_CHECKING:
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.engine.sender import Sender


def make_mirror(**changes: Any) -> EffectiveJob:
    """Return a job that mirrors `in/` to `out/`, with generous limits, and changes of it or its mirror."""
    names = {"max_deleted_objects", "max_deleted_percent", "allows_unversioned", "approval", "on_aws"}
    limits: dict[str, Any] = {"max_deleted_objects": 1_000, "max_deleted_percent": 100, "on_aws": True}
    limits |= {name: changes.pop(name) for name in names & set(changes)}
    whole = {name: changes.pop(name) for name in ("all_prefixes", "all_objects") if name in changes}
    job = make_job(**changes)
    mirror = Mirror(
        **limits,
        prefixes=whole.get("all_prefixes", job.prefixes),
        objects=whole.get("all_objects", job.objects),
    )
    return replace(job, mirror=mirror)


def make_folder_deletes(folder: str, **changes: Any) -> EffectiveJob:
    """Return the run of a mirror that deletes a folder, with changes as in `make_mirror`."""
    job = make_mirror(**changes)
    mirror = job.mirror and replace(job.mirror, delete_folder=folder)
    return replace(job, prefixes=(), objects=(), mirror=mirror)


def entries(*pairs: tuple[str, str], recursive: bool = True) -> tuple[PrefixEntry, ...]:
    """Return entries of source and destination prefixes."""
    return tuple(PrefixEntry(source=s, destination=d, recursive=recursive) for s, d in pairs)


@dataclass
class MirrorBench:
    """Two buckets; the destination is versioned.

    Attributes:
        job: the run.
        bench: the buckets.
    """

    job: EffectiveJob = field(default_factory=make_mirror)
    bench: Bench = field(default_factory=Bench)

    def __post_init__(self) -> None:
        self.bench.server.versioning[DESTINATION] = "Enabled"

    def put_copies(self, *keys: str, content: bytes = b"x") -> None:
        """Write objects to the destination."""
        for key in keys:
            self.bench.server.put(DESTINATION, key, content)

    def plan(self) -> DeletePlan:
        return plan_deletes(self.job, self.bench.stores, sender=impatient())

    def judge(self, plan: DeletePlan, **changes: Any) -> Verdict:
        values: dict[str, Any] = {
            "metrics": TransferMetrics(),
            "is_versioned": True,
            "digest": self.job.digest,
        }
        return judge_deletes(self.job, plan, Circumstances(**(values | changes)))

    def delete(
        self, batch: DeleteBatch, *, sender: Sender | None = None, counted: DeleteCollector | None = None
    ) -> DeleteMetrics:
        """Delete a batch that may delete now; return its account."""
        counted = counted or DeleteCollector(batch)
        allowed = replace(batch, not_after=batch.not_after or utc_now() + VALID_FOR)
        with count_deletes(self.job, allowed, counted):
            delete_batch(
                self.job,
                allowed,
                self.bench.stores,
                counted=counted,
                sender=sender or impatient(),
                reader=impatient(),
            )
        return counted.metrics()

    def run(self, **circumstances: Any) -> DeleteMetrics:
        """Plan, judge and delete."""
        plan = self.plan()
        verdict = self.judge(plan, **circumstances)
        by_batch = {} if verdict.kept else {batch.id: self.delete(batch) for batch in plan.batches}
        return add_up_deletes(plan, verdict, by_batch)
