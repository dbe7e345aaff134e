"""Where the results of a run are written: a folder for each plan, so that rows of two plans never mix."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from s3copy_tasks.core.batch import make_plan_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.core.job import EffectiveJob

FAILED = "failed/"
"""Of the lists of failed objects, below the folder of a plan: together a list of keys, for another run."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_HASH_CHARACTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsFolder:
    """The folder of one plan's results.

    Attributes:
        bucket: as an address, `s3://bucket`.
        prefix: of all keys, ends in "/".
    """

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}"

    def name_batch(self, batch: Batch) -> str:
        """Return the key of a batch's rows; the number is the one of its label."""
        return f"{self.prefix}batch-{batch.id + 1:04}.csv.gz"

    def name_failed(self, batch: Batch) -> str:
        """Return the key of the list of a batch's failed objects."""
        return f"{self.prefix}{FAILED}batch-{batch.id + 1:04}.csv"

    def name_deletes(self, batch: DeleteBatch) -> str:
        """Return the key of the rows of a batch of deletes; the number is the one of its label."""
        return f"{self.prefix}deletes-{batch.id + 1:04}.csv.gz"

    def name_plan(self, number: int) -> str:
        """Return the key of a file of the plan's own rows, numbered from 1."""
        return f"{self.prefix}plan-{number:04}.csv.gz"

    def describe(self, key: str) -> str:
        """Return the address of an object, for messages."""
        return f"{self.bucket}/{key}"


def find_results_folder(
    job: EffectiveJob, batches: Sequence[Batch] | Sequence[DeleteBatch]
) -> ResultsFolder | None:
    """Return the folder of a plan's results; None if the run writes none. A plan of deletes has its own.

    Args:
        job: the run.
        batches: of its plan.
    """
    if job.results is None or job.dry_run:
        return None
    plan_id = batches[0].plan_id if batches else make_plan_id(job, [])
    plan = hashlib.sha256(plan_id.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARACTERS]
    started = f"{job.run_started.astimezone(UTC):%Y%m%dT%H%M%SZ}-" if job.run_started else ""
    folder = f"{job.results.name_folder(job.name)}{_UNSAFE.sub('_', job.run_id)}/{started}{plan}/"
    return ResultsFolder(bucket=str(job.results.location), prefix=folder)
