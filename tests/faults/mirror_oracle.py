"""Judges every delete of a mirror when the server carries it out, and each batch's account when it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from s3copy_tasks.core.deletions import KeptReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from s3copy_tasks.core.deletions import DeleteBatch, DeleteMetrics, DeletePlan
    from tests.faults.mirror_rules import Rules

Name: TypeAlias = tuple[str, ...]
"""What a request has in common with its retries: its kind first."""
MUST_BE_ANSWERED = frozenset({"list source", "list destination", "head source", "versioning"})


@dataclass(frozen=True)
class Seen:
    """A request, and its answer.

    Attributes:
        kind: of `mirror_script.KINDS`.
        request: names it; a retry has the same name.
        answer: "answered", "refused" for good, or "unanswered".
        found: for a HEAD and for versioning, what the server had, whatever it answered.
        rows: of a listing or a HEAD of the destination: ETags by key.
    """

    kind: str
    request: Name
    answer: str
    found: bool = False
    rows: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Planned:
    """A plan, and what became of it.

    Attributes:
        plan: as it was returned.
        listed: what it named as extraneous: ETags by key.
        not_after: when its batches end to be allowed.
        disturbances: how many there had been when it began.
        source: the keys that the source had; None if something happened while it was made.
        deleted: keys that its batches deleted, in all attempts.
    """

    plan: DeletePlan
    listed: dict[str, str]
    not_after: datetime
    disturbances: int
    source: frozenset[str] | None = None
    deleted: set[str] = field(default_factory=set)


@dataclass
class Attempt:
    """An attempt of a batch, while it runs.

    Attributes:
        planned: the plan of the batch.
        batch: of it.
        began: when it did.
        seen: requests so far.
        deleted: keys, by the server.
        unclear: keys of deletes whose replies were lost.
        touched: keys of the destination that other clients have changed.
        absent: planned keys that the destination did not have when it began.
        is_disturbed: a fault or another client has interfered.
    """

    planned: Planned
    batch: DeleteBatch
    began: datetime
    seen: list[Seen] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unclear: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    is_disturbed: bool = False

    def has_in_range(self, key: str) -> bool:
        """Say whether a key is in a range of the batch."""
        return any(
            key.startswith(each.prefix) and (each.after is None or each.after < key) and key <= each.through
            for each in self.batch.ranges
        )

    def find_checked(self, key: str) -> str | None:
        """Return the ETag that a HEAD has just shown; None if there was none since the last delete."""
        about = (each for each in reversed(self.seen) if each.kind in {"head destination", "delete"})
        last = next((each for each in about if key in each.request), None)
        return None if last is None else last.rows.get(key)


class Oracle:
    """Knows everything that the server saw.

    Args:
        rules: of the run.
        conditional: the server has conditional deletes; else the HEAD just before has to do.
    """

    def __init__(self, rules: Rules, *, conditional: bool) -> None:
        self._rules = rules
        self._conditional = conditional
        self.attempt: Attempt | None = None
        self._problems: list[str] = []

    def raise_problems(self) -> None:
        """Fail the test if anything was wrong; called in its thread."""
        assert not self._problems, self._problems

    def _check(self, holds: bool, problem: str) -> None:  # noqa: FBT001
        if not holds:
            self._problems.append(problem)

    def see(self, seen: Seen) -> None:
        """Note a request."""
        if self.attempt is not None:
            self.attempt.seen.append(seen)

    def judge_delete(self, key: str, etag: str) -> None:
        """Judge a delete that the server has just carried out for the run."""
        attempt, rules = self.attempt, self._rules
        if attempt is None:
            self._problems.append(f"{key!r} was deleted by no batch")
            return
        planned = attempt.planned
        attempt.deleted.append(key)
        planned.deleted.add(key)
        if not self._conditional:
            etag = attempt.find_checked(key) or etag
        self._check(planned.listed.get(key) == etag, f"{key!r} with {etag} was not planned")
        self._check(attempt.has_in_range(key), f"{key!r} is of another batch")
        self._check(rules.is_in_scope(key), f"{key!r} is not in scope")
        named = {entry.destination for entry in rules.mirror.objects}
        self._check(key not in named, f"{key!r} is the destination of a single object")
        self._check(len(planned.deleted) <= rules.most_deleted, f"{key!r} is one more than the limit")
        self._check(not rules.job.dry_run, f"{key!r} was deleted by a dry run")
        if planned.source is not None:
            same = rules.find_same_names(planned.source, [key])
            self._check(not same, f"{key!r} has the name of a copy")
        self._check_proof(attempt, key, etag)

    def _check_proof(self, attempt: Attempt, key: str, etag: str) -> None:
        """Check what must be proven before any delete of a batch, and before this one."""
        seen = attempt.seen
        last = {each.request: each for each in seen}
        asked = MUST_BE_ANSWERED
        if self._rules.mirror.delete_folder is not None:  # only its plan lists the source, for a remark
            asked = asked - {"list source"}
        for each in last.values():
            must_be = each.kind in asked and each.request[0] != "time"
            is_kept_alone = each.answer == "refused" and each.kind == "head source"
            self._check(
                not must_be or each.answer == "answered" or is_kept_alone,
                f"{key!r} was deleted, although {each.request} was {each.answer}",
            )
        for source_key in self._rules.find_sources(key):
            head = last.get(("head source", source_key))
            self._check(head is not None, f"{key!r} was deleted without a HEAD of {source_key!r}")
            self._check(
                head is None or (head.answer == "answered" and not head.found),
                f"{key!r} was deleted, although {source_key!r} was there or not answered",
            )
        answered = [each for each in seen if each.answer == "answered"]
        heads = [each for each in answered if each.kind == "head source"]
        is_witnessed = not self._rules.entries or (len(heads) > 1 and heads[0].found and heads[-1].found)
        self._check(is_witnessed, f"{key!r} was deleted without a witness")
        versioning = [each for each in answered if each.kind == "versioning"]
        is_enabled = bool(versioning) and versioning[-1].found
        self._check(is_enabled or self._rules.mirror.allows_unversioned, f"{key!r} was deleted for good")
        self._check(attempt.began <= attempt.planned.not_after, f"{key!r} was deleted too late")
        rows = [each.rows[key] for each in answered if each.kind == "list destination" and key in each.rows]
        self._check(bool(rows) and rows[-1] == etag, f"{key!r} was not listed with {etag} by this attempt")

    def note_unclear(self, keys: set[str]) -> None:
        """Note deletes whose answers are lost."""
        if self.attempt is not None:
            self.attempt.unclear |= keys

    def judge_account(self, attempt: Attempt, metrics: DeleteMetrics) -> None:
        """Judge the account of an attempt that has ended."""
        expected: Counter[str] = Counter()
        for each in attempt.batch.ranges:
            expected[each.prefix] += each.extraneous
        found = {prefix: counts.extraneous for prefix, counts in metrics.groups.items()}
        self._check(found == dict(expected), f"the account has {found}, and the plan {dict(expected)}")
        total, deleted = metrics.total, len(attempt.deleted)
        ambiguous = len(attempt.unclear & attempt.touched)
        self._check(
            deleted - total.unknown - ambiguous <= total.deleted <= deleted + ambiguous,
            f"{deleted} were deleted, but {total}",
        )
        left = sum(total.kept.values()) + total.failed
        self._check(
            left <= total.extraneous - deleted + ambiguous,
            f"{deleted} were deleted, and some of them are kept or failed: {total}",
        )
        absent = len(attempt.absent | attempt.touched)
        self._check(total.gone <= absent, f"{absent} were gone, but {total}")
        can_delete = self._conditional or not self._rules.mirror.allows_unversioned
        if not attempt.is_disturbed and can_delete:
            self._check(not (total.unknown or total.failed), f"nothing went wrong, but {total}")


def check_plan(rules: Rules, planned: Planned, source: dict[str, str], destination: dict[str, str]) -> None:
    """Compare a plan with the rules, if nothing happened while it was made."""
    plan, extraneous = planned.plan, rules.find_extraneous(source, destination)
    within = len(extraneous) <= rules.most_deleted
    assert planned.listed == {key: destination[key] for key in extraneous}
    assert [group.prefix for group in plan.groups] == rules.find_groups()
    for group in plan.groups:
        below = {key for key in extraneous if key.startswith(group.prefix)}
        scope = {key for key in destination if key.startswith(group.prefix) and rules.is_in_scope(key)}
        assert (group.extraneous, group.in_scope) == (len(below), len(scope))
        assert not within or group.same_name == len(rules.find_same_names(source, below))
        assert set(group.empty_sources) == rules.find_empty_sources(source, below)
    assert sum(batch.extraneous for batch in plan.batches) == (plan.to_delete if within else 0)


def expect_kept(rules: Rules, plan: DeletePlan, *, doubts: bool) -> KeptReason | None:
    """Return what the rules say of a plan."""
    if plan.to_delete == 0:
        return None
    if rules.job.dry_run:
        return KeptReason.DRY_RUN
    if rules.mirror.max_deleted_objects == 0:
        return KeptReason.REPORT_ONLY
    totals: list[Any] = [plan, *plan.groups]
    refused = (
        doubts
        or any(group.empty_sources for group in plan.groups)
        or rules.exceeds_limits(plan.extraneous, [(each.to_delete, each.in_scope) for each in totals])
    )
    return KeptReason.REFUSED if refused else None
