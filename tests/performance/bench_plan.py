"""Planning large buckets: rate, memory added to the process, and size of the plan as XCom.

The listings are made up while they are read, so what is measured is the plan and not a server. Each case
runs in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from s3copy_tasks.core.job import EffectiveJob, Location, PrefixEntry
from s3copy_tasks.core.objects import ObjectDetails, S3Object
from s3copy_tasks.core.store import Page
from s3copy_tasks.core.wire import dump
from s3copy_tasks.listing import Stores
from s3copy_tasks.planning import plan_job

SOURCE_TIME, COPY_TIME = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
ETAG = '"9b2cf535f27731c974343645a3985328"'
CASES = {
    "1,000,000 keys, all to copy": (1_000_000, 1),
    "1,000,000 keys, nothing to copy": (1_000_000, 0),
    "10,000,000 keys, 1 in 1,500 to copy": (10_000_000, 1_500),
}


@dataclass(frozen=True)
class MadeUpBucket:
    """A bucket of `keys` keys of 60 bytes; every `gap`-th is missing, none where `gap` is 0."""

    bucket: str
    prefix: str
    keys: int
    gap: int

    async def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        start = int(token or 0)
        stop = min(start + 1_000, self.keys)
        made = tuple(self._object(i) for i in range(start, stop) if not (self.gap and i % self.gap == 0))
        return Page(objects=made, token=str(stop) if stop < self.keys else None)

    def _object(self, index: int) -> S3Object:
        moment = COPY_TIME if self.bucket == "copies" else SOURCE_TIME
        key = f"{self.prefix}granules-of-the-instrument/orbit-{index:024}.nc"
        return S3Object(bucket=self.bucket, key=key, size=1_000, last_modified=moment, etag=ETAG)

    async def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False
    ) -> ObjectDetails | None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


def case(keys: int, gap: int) -> dict[str, float]:
    """Plan one case and return its figures."""
    job = EffectiveJob(
        name="bench",
        run_id="bench",
        digest="0" * 64,
        source=Location(bucket="originals"),
        destination=Location(bucket="copies"),
        prefixes=(PrefixEntry(source="data/", destination="copy/"),),
    )
    stores = Stores(
        source=MadeUpBucket("originals", "data/", keys, 0),
        destination=MadeUpBucket("copies", "copy/", keys, gap),
    )
    before, start = _peak_mb(), time.process_time()
    plan = plan_job(job, stores)
    seconds = time.process_time() - start
    batches = [dump(batch) for batch in plan.batches]
    return {
        "keys_per_second": keys / seconds,
        "added_mb": _peak_mb() - before,
        "xcom_kb": len(json.dumps(batches)) / 1_000,
        "batches": len(batches),
        "ranges": sum(len(batch["ranges"]) for batch in batches),
        "to_copy": plan.entries[0].objects,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def main() -> None:
    """Run every case and print the table."""
    table = Table(title="planning, one core, listings made up as they are read", title_justify="left")
    for name in ("case", "keys/s", "MB added", "XCom kB", "batches", "ranges", "to copy"):
        table.add_column(name, justify="left" if name == "case" else "right")
    for name, (keys, gap) in CASES.items():
        command = [sys.executable, "-m", "tests.performance.bench_plan", str(keys), str(gap)]
        root = Path(__file__).parent.parent.parent
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        table.add_row(
            name,
            f"{found['keys_per_second']:,.0f}",
            f"{found['added_mb']:.1f}",
            f"{found['xcom_kb']:.1f}",
            f"{found['batches']:,}",
            f"{found['ranges']:,}",
            f"{found['to_copy']:,}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(case(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201 - the parent reads it
    else:
        main()
