"""Plays a script of a mirror as a Dag does: plan, judge, and attempts of batches; the oracle looks on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.deletions import DeleteMetrics, KeptReason
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics
from s3copy_tasks.delete.counting import DeleteCollector
from s3copy_tasks.delete.judge import VALID_FOR, Circumstances, Verdict, add_up_deletes, judge_deletes
from s3copy_tasks.delete.runner import count_deletes, delete_batch
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.delete_planning import plan_deletes
from tests.faults.mirror_oracle import Attempt, Oracle, Planned, check_plan, expect_kept
from tests.faults.mirror_rules import Rules
from tests.faults.mirror_script import FAULTS, PLACES
from tests.support.builders.bench import DESTINATION, SOURCE, impatient

if TYPE_CHECKING:
    from datetime import datetime

    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.sender import Sender
    from tests.faults.mirror_script import Happening, Script

ENABLED = "Enabled"
LATE_SECONDS = 25 * 3_600
_FAILED = Errors(
    by_code={"X": 1}, first=(Failure.of(entry=None, key="k", code="X", message="m", attempts=1),)
)
METRICS = {
    "a copy failed": TransferMetrics(total_files_found=1, files_failed=1, errors_encountered=_FAILED),
    "a copy is unknown": TransferMetrics(total_files_found=1, files_unknown=1),
    "a listing failed": TransferMetrics(errors_encountered=_FAILED),
}


class Killed(BaseException):
    """The process is dead: nothing that it would do takes place."""


class Stage(ABC):
    """A server, its clients, and the oracle. Its subclasses are the server.

    Args:
        script: to play.

    Attributes:
        oracle: knows what the server saw.
        stores: both sides, for the code under test.
        happenings: that are to come.
        disturbances: how often other clients acted, or a request failed.
        leads_to: the bucket that requests to the source reach; None if there is none.
        step: 0 for the first plan; each plan and each attempt is one more.
        is_dead: the process that the code under test runs in was killed.
    """

    stores: Stores

    def __init__(self, script: Script) -> None:
        self.script, self.job = script, script.job
        assert self.job.mirror is not None
        self.rules = Rules(self.job, self.job.mirror, script.is_approved)
        self.oracle = Oracle(self.rules, conditional=script.conditional)
        self.lock = RLock()
        self.happenings = script.happenings
        self.disturbances = 0
        self.leads_to: str | None = SOURCE
        self.is_dead = False
        self.step = -1
        self._counts: Counter[str] = Counter()
        self._sender: Sender | None = None

    def prepare(self) -> None:
        """Write the objects of the script."""
        for bucket, objects in ((SOURCE, self.script.source), (DESTINATION, self.script.destination)):
            for key, content in objects.items():
                self.put(bucket, key, content)
        self.versioning = self.script.versioning

    @abstractmethod
    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object, as another client."""

    @abstractmethod
    def remove(self, bucket: str, key: str) -> None:
        """Delete an object, as another client."""

    @abstractmethod
    def list_etags(self, bucket: str) -> dict[str, str]:
        """Return what a bucket has: ETags by key."""

    @property
    @abstractmethod
    def versioning(self) -> str | None:
        """The state of the destination's versioning."""

    @versioning.setter
    @abstractmethod
    def versioning(self, state: str | None) -> None: ...

    @abstractmethod
    def now(self) -> datetime:
        """Return the time."""

    @abstractmethod
    def tick(self, seconds: float = 1) -> None:
        """Let time pass."""

    def strike(self, kind: str) -> str | None:
        """Let other clients act when a request arrives, and return the fault that strikes it."""
        self._counts[kind] += 1
        fault = None
        for each in self.happenings:
            if (each.step, each.kind) != (self.step, kind):
                continue
            if each.what not in FAULTS:
                if each.nth == self._counts[kind]:
                    self._act(each)
            elif each.nth <= self._counts[kind] < each.nth + each.times:
                fault = each.what
        if fault is not None:
            self._disturb()
        if fault in {"stop", "lost, and stop"} and self._sender is not None:
            self._sender.stop()
        return fault

    def _disturb(self) -> None:
        self.disturbances += 1
        if self.oracle.attempt is not None:
            self.oracle.attempt.is_disturbed = True

    def _act(self, each: Happening) -> None:
        """Do what another client does."""
        self._disturb()
        self.tick()
        if each.what in PLACES:
            self._change_place(each.what)
        elif each.what.startswith("put"):
            self.put(each.bucket, each.key, each.content)
        else:
            self.remove(each.bucket, each.key)
        if each.what.endswith("destination") and self.oracle.attempt is not None:
            self.oracle.attempt.touched.add(each.key)

    def _change_place(self, what: str) -> None:
        if what in {"suspend", "enable"}:
            self.versioning = "Suspended" if what == "suspend" else ENABLED
        else:
            self.leads_to = None if what == "source is gone" else "elsewhere"

    def begin(self) -> None:
        """Begin a step: a process of its own."""
        self.step += 1
        self._counts.clear()
        self.is_dead = False
        self.leads_to = SOURCE

    def plan(self) -> Planned:
        """Plan, and compare with what the rules say if nothing happens meanwhile."""
        self.begin()
        disturbances = self.disturbances
        source, destination = self.list_etags(SOURCE), self.list_etags(DESTINATION)
        listed: list[S3Object] = []
        plan = plan_deletes(
            self.job,
            self.stores,
            sender=impatient(self.script.concurrency),
            on_extraneous=listed.append,
            sizes=self.script.sizes,
        )
        planned = Planned(
            plan, {found.key: found.etag for found in listed}, self.now() + VALID_FOR, disturbances
        )
        if disturbances == self.disturbances:
            planned.source = frozenset(source)
            check_plan(self.rules, planned, source, destination)
        return planned

    def judge(self, planned: Planned) -> Verdict:
        """Judge, and compare with what the rules say."""
        values: dict[str, Any] = {"digest": self.job.digest, "is_approved": self.script.is_approved}
        values |= self.script.circumstances
        metrics = METRICS.get(values.pop("metrics", ""), TransferMetrics())
        is_versioned = self.versioning == ENABLED
        circumstances = Circumstances(**values, metrics=metrics, is_versioned=is_versioned)
        verdict = judge_deletes(self.job, planned.plan, circumstances)
        doubts = bool(self.script.circumstances) or not (is_versioned or self.rules.mirror.allows_unversioned)
        assert verdict.kept == expect_kept(self.rules, planned.plan, doubts=doubts)
        assert (verdict.reason is not None) == (verdict.kept is KeptReason.REFUSED)
        return verdict

    def attempt(self, planned: Planned, index: int, *, late: bool = False) -> DeleteMetrics | None:
        """Make an attempt of a batch; return its account, None if it died without one."""
        before = self.disturbances
        self.begin()
        if late:
            self.tick(LATE_SECONDS)
        batch = replace(planned.plan.batches[index], not_after=planned.not_after)
        attempt = self.oracle.attempt = Attempt(planned, batch, self.now())
        attempt.is_disturbed = self.disturbances > before
        there = self.list_etags(DESTINATION)
        attempt.absent = {key for key in planned.listed if attempt.has_in_range(key) and key not in there}
        counted = DeleteCollector(batch)
        try:
            self._delete(attempt, counted)
        except InterruptedError:
            assert self._sender is not None
            assert self._sender.is_stopped
        except Killed:
            return None
        finally:
            self.oracle.attempt = None
        account = counted.metrics()
        self.oracle.judge_account(attempt, account)
        can_delete = self.script.conditional or not self.rules.mirror.allows_unversioned
        is_first = not attempt.absent and planned.disturbances == self.disturbances
        if is_first and can_delete and attempt.began <= planned.not_after:
            assert account.total.deleted == batch.extraneous
        return account

    def _delete(self, attempt: Attempt, counted: DeleteCollector) -> None:
        self._sender = impatient(self.script.concurrency)
        with count_deletes(self.job, attempt.batch, counted):
            delete_batch(
                self.job,
                attempt.batch,
                self.stores,
                counted=counted,
                sender=self._sender,
                reader=impatient(self.script.concurrency),
                clock=self.now,
            )


def play(stage: Stage) -> None:
    """Play a script to its end.

    Raises:
        AssertionError: the oracle has found something wrong.
    """
    stage.prepare()
    try:
        planned = stage.plan()
    except (CopyError, Killed):
        return  # the run fails, and nothing was deleted: the oracle knows no batch
    finally:
        stage.oracle.raise_problems()
    verdict = stage.judge(planned)
    accounts: dict[int, DeleteMetrics] = {}
    if verdict.kept is None:
        _play_attempts(stage, planned, accounts)
    stage.oracle.raise_problems()
    total = add_up_deletes(planned.plan, verdict, accounts)
    found = {prefix: counts.extraneous for prefix, counts in total.groups.items()}
    assert found == {group.prefix: group.extraneous for group in planned.plan.groups}


def _play_attempts(stage: Stage, first: Planned, accounts: dict[int, DeleteMetrics]) -> None:
    plans = [first]
    for each in stage.script.attempts:
        if each.plans_again:
            try:
                again = stage.plan()
            except (CopyError, Killed):
                continue
            if stage.judge(again).kept is None:
                plans.append(again)
        planned = plans[-1 - each.plan % len(plans)]
        if planned.plan.batches:
            index = each.batch % len(planned.plan.batches)
            account = stage.attempt(planned, index, late=each.late)
            if account is not None and planned is first:
                accounts[index] = account
    if not stage.disturbances:
        _finish(stage, first)


def _finish(stage: Stage, planned: Planned) -> None:
    """Delete what is left, if nothing has gone wrong: then another run has nothing to delete."""
    stage.happenings = ()
    for index in range(len(planned.plan.batches)):
        stage.attempt(planned, index)
    if stage.now() <= planned.not_after and stage.script.conditional:
        assert stage.plan().plan.to_delete == 0
