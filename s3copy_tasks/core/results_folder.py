"""Where the results of a run are written: a folder for each plan, so that rows of two plans never mix."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from s3copy_tasks.core.batch import make_plan_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.key_list import ResultsPlace

FAILED = "failed/"
"""Of the lists of failed objects, below the folder of a plan: together a list of keys, for another run."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_HASH_CHARACTERS = 8
_MOMENT = "%Y%m%dT%H%M%S.%fZ"
_DELETES = re.compile(r".*/deletes-\d+-(?P<started>\d{8}T\d{6}\.\d{6}Z)\.csv\.gz", re.DOTALL)


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

    def name_deletes(self, batch: DeleteBatch, started: datetime) -> str:
        """Return the key of the rows of a batch of deletes; the number is the one of its label.

        Each attempt has its own: what the first one deleted is just gone for the next, and has no row there.

        Args:
            batch: of the plan.
            started: when the attempt began, with its zone.
        """
        return f"{self.prefix}deletes-{batch.id + 1:04}-{started.astimezone(UTC):{_MOMENT}}.csv.gz"

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
    folder = f"{name_run_folder(job.results, job.name, job.run_id)}{started}{plan}/"
    return ResultsFolder(bucket=str(job.results.location), prefix=folder)


def name_run_folder(place: ResultsPlace, job: str, run_id: str) -> str:
    """Return the prefix of the results of all plans of a run."""
    return f"{place.name_folder(job)}{_UNSAFE.sub('_', run_id)}/"


def parse_deletes_name(key: str) -> datetime | None:
    """Return when the attempt began whose deletes a key has the rows of; None for any other key.

    The inverse of `ResultsFolder.name_deletes`.
    """
    match = _DELETES.fullmatch(key)
    return match and datetime.strptime(match["started"], _MOMENT).replace(tzinfo=UTC)
