"""Judges a run by what the server has and what the proxy saw, not by what the product reports."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from s3copy_tasks.core.job import Overwrite
from tests.faults.bench import DESTINATION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.faults.bench import FaultBench
    from tests.faults.proxy import Exchange
    from tests.support.s3.small_objects import Stored

Fate: TypeAlias = tuple[str, int]
"""A possible outcome of an object, and the bytes that are counted for it."""
_LISTING = "ListObjectsV2"
SKIPPED, VANISHED, UNKNOWN, UNSEEN, FAILED = (
    (name, 0) for name in ("skipped", "vanished", "unknown", "unseen", "failed")
)


@dataclass
class Oracle:
    """Knows what existed before a run.

    Attributes:
        bench: on which the run takes place.
        job: the run.
        suffixes: of the source's objects.
        skippable: of these, the ones that the destination already has.
    """

    bench: FaultBench
    job: EffectiveJob
    suffixes: tuple[str, ...]
    skippable: frozenset[str]

    def check(self, metrics: TransferMetrics, *, retried: bool) -> None:
        """Fail the test unless the run's metrics are exact and nothing is wrong, lost or left behind."""
        for suffix in self.suffixes:
            self._check_objects(suffix)
        self._check_failures(metrics)
        self._check_counts(metrics, retried=retried)
        self._check_uploads()

    def own_writes(self, suffix: str) -> list[Stored]:
        """Return what this run, or an attempt of it, wrote."""
        return [one for one in self._history(suffix) if one.by != "test"]

    def _history(self, suffix: str) -> list[Stored]:
        return self.bench.server.history(DESTINATION, f"out/{suffix}")

    def _check_objects(self, suffix: str) -> None:
        """Every write is one whole version of its source; `never` overwrites nothing."""
        versions = self.bench.versions(suffix)
        for one in self.own_writes(suffix):
            assert any(self.bench.server.same(one, version) for version in versions), (
                f"a wrong object at {suffix}: {one}, the source had {versions}"
            )
        if self.job.overwrite is Overwrite.NEVER and not self._did("destination deleted", suffix):
            late = [one for one in self._history(suffix)[1:] if one.by != "test"]
            assert not late, f"never overwrite: {suffix} was overwritten by {late}"

    def _check_failures(self, metrics: TransferMetrics) -> None:
        for failure in metrics.errors_encountered.first:
            if failure.key.startswith("in/"):
                suffix = failure.key.removeprefix("in/")
                has_reason = self._struck(suffix) or any(name == suffix for _, name in self.bench.deeds)
                assert has_reason or self._struck_listings(), f"{failure} without any fault"

    def _check_counts(self, metrics: TransferMetrics, *, retried: bool) -> None:
        failed = Counter(
            failure.key.removeprefix("in/")
            for failure in metrics.errors_encountered.first
            if failure.key.startswith("in/")
        )
        assert max(failed.values(), default=1) == 1, f"counted as failed more than once: {failed}"
        assert failed.total() == metrics.files_failed
        fates = {
            suffix: {FAILED} if suffix in failed else self._fates(suffix, metrics, retried=retried)
            for suffix in self.suffixes
        }
        for suffix, allowed in fates.items():
            assert allowed, f"lost: {suffix} has not arrived, without a reason in {metrics}"
        reported = (
            metrics.files_copied_successfully,
            sum(metrics.files_skipped.values()),
            metrics.files_failed,
            metrics.files_vanished,
            metrics.total_bytes_transferred,
        )
        possible = {_counted(chosen) for chosen in product(*fates.values())}
        assert reported in possible, (
            f"wrong count: {reported} of {metrics}; possible are {possible}, by {fates}"
        )

    def _fates(self, suffix: str, metrics: TransferMetrics, *, retried: bool) -> set[Fate]:
        """Return the possible outcomes of an object that was not reported as failed."""
        never = self.job.overwrite is Overwrite.NEVER
        deleted = self._did("source deleted", suffix)
        said_gone = bool({"NoSuchKey", "NoSuchUpload"} & (self._struck(suffix) | self._struck_listings()))
        written = self._counted_writes(suffix, retried=retried)
        fates = {("copied", one.size) for one in written}
        is_known = any(one.is_known for one in self._writes_of(suffix))
        if not written and suffix in self.skippable:
            fates.add(SKIPPED)
        if never and self._did("destination written", suffix):
            fates.add(SKIPPED)
        if never and retried and self._did("source changed", suffix):
            fates.add(SKIPPED)  # by dates, the first attempt's copy is older than the source
        if retried and said_gone and self.job.overwrite is not Overwrite.ALWAYS:
            fates.add(SKIPPED)  # a HEAD of the copy found nothing, so it was made again, and refused
        if (deleted or said_gone) and (not is_known or retried):
            fates.add(VANISHED)
        if deleted and (not written or retried):
            fates.add(UNSEEN)
        if metrics.files_unknown and (not written or retried):
            fates.add(UNKNOWN)
        return fates

    def _counted_writes(self, suffix: str, *, retried: bool) -> list[Stored]:
        """Return the writes that may count: the last one; with several attempts, any of them."""
        written = self.own_writes(suffix)
        return written if retried else written[-1:]

    def _check_uploads(self) -> None:
        """No upload is left, unless the reply that named it was lost, or its abort was struck, too."""
        for name, upload in self.bench.server.uploads.items():
            created = self._exchanges("CreateMultipartUpload", upload.key, name)
            aborted = self._exchanges("AbortMultipartUpload", upload.key, name)
            excused = [one for one in aborted if one.fault] or [one for one in created if not one.is_known]
            assert excused, f"an orphaned upload: {name} of {upload.key}"

    def _exchanges(self, kind: str, key: str, upload_id: str) -> list[Exchange]:
        name = re.compile(rf"{upload_id}\b")
        return [
            one
            for one in self.bench.proxy.exchanges
            if (one.request.kind, one.request.key) == (kind, key)
            and name.search(one.request.target + (one.acted.body.decode() if one.acted else ""))
        ]

    def _struck(self, suffix: str) -> set[str]:
        """Return the faults that struck requests for an object."""
        keys = {f"in/{suffix}", f"out/{suffix}"}
        return {one.fault for one in self.bench.proxy.exchanges if one.fault and one.request.key in keys}

    def _struck_listings(self) -> set[str]:
        """Return the faults that struck listings: also those that say why a HEAD found nothing."""
        exchanges = self.bench.proxy.exchanges
        return {one.fault for one in exchanges if one.fault and one.request.kind == _LISTING}

    def _did(self, deed: str, suffix: str) -> bool:
        return (deed, suffix) in self.bench.deeds

    def _writes_of(self, suffix: str) -> list[Exchange]:
        """Return the requests by which this run wrote an object."""
        return [
            one
            for one in self.bench.proxy.exchanges
            if one.has_written
            and one.request.key == f"out/{suffix}"
            and one.request.kind != "CreateMultipartUpload"
        ]


def _counted(fates: Iterable[Fate]) -> tuple[int, int, int, int, int]:
    chosen = list(fates)
    count = Counter(name for name, _ in chosen)
    size = sum(size for _, size in chosen)
    return count["copied"], count["skipped"], count["failed"], count["vanished"], size
