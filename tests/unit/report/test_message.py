"""The messages about a run: numbers, first errors, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.core.deletions import DeleteMetrics, DeletePlan, GroupPlan
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.errors import Code
from s3copy_tasks.report.advice import advice, advise_faster, make_rerun_command
from s3copy_tasks.report.deletions import report_deletions
from s3copy_tasks.report.message import (
    Message,
    Run,
    describe_failure,
    describe_lateness,
    describe_places,
    describe_success,
    describe_unpublished,
)
from s3copy_tasks.report.summary import without_plan
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.mirror import make_mirror

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(job="demo", run_id="manual__1", places=("s3://a/x/ > s3://b/y/",), link="https://airflow/runs/1")
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CODES = sorted(Code)


def metrics(*, denied: int = 0, unknown: int = 0, copied: int = 2_450) -> dict[str, Any]:
    """Return the metrics of a run that skipped 504 objects."""
    failures = [
        Failure.of(entry=0, key=f"x/{n}", code="AccessDenied", message="no", attempts=1)
        for n in range(min(denied, 100))
    ]
    by_code = {"AccessDenied": denied, "BatchLost": unknown}
    made = TransferMetrics(
        operation_id="manual__1",
        start_time=START,
        end_time=START + timedelta(seconds=13.9),
        total_files_found=copied + 504 + denied + unknown,
        files_copied_successfully=copied,
        files_skipped={SkipReason.EXCLUDED: 504},
        files_failed=denied,
        files_unknown=unknown,
        total_bytes_transferred=102_300_000 if copied else 0,
        errors_encountered=Errors(
            by_code={code: count for code, count in by_code.items() if count}, first=tuple(failures)
        ),
    )
    return {**made.as_dict()}


def test_a_failed_run() -> None:
    """The subject has the main numbers; the text has job, run, places, counts, errors and advice."""
    message = describe_failure(RUN, metrics(denied=3, copied=2_447))
    assert message.subject == "s3copy demo failed: 3 of 2,954 objects"
    assert (
        message.text
        == """\
Job: demo
Run: manual__1
Page: https://airflow/runs/1
Copies: s3://a/x/ > s3://b/y/

Found: 2,954
Copied: 2,447 (102.3 MB in 13.9 s)
Skipped: 504 excluded
Failed: 3
Vanished: 0
Unknown: 0

First errors:
- x/0: AccessDenied after 1 attempt: no
- x/1: AccessDenied after 1 attempt: no
- x/2: AccessDenied after 1 attempt: no

What to do:
- AccessDenied (3): A role lacks a permission. `s3copy policy demo` prints every permission that both roles \
need. \
Then clear the failed tasks of this run: only what is missing is copied.
"""
    )


RESULTS = "s3://ops-results/copies/demo/manual__1/20260131T020000Z-1b4b16b5/"


def test_a_run_with_results() -> None:
    """The text has their folder, and how to run only the failed objects again: by command and by trigger."""
    for message in (
        describe_failure(RUN, metrics(denied=1_200) | {"results": RESULTS}),
        describe_success(RUN, metrics(denied=1_200) | {"results": RESULTS}),
    ):
        assert f"Unknown: 0\nResults: {RESULTS}\n" in message.text
        assert message.text.endswith(
            "- 1,200 failed. To run only these again: "
            f"`s3copy run demo --manifest {RESULTS}failed/`; "
            f"or trigger the job with the parameter `manifest: {RESULTS}failed/`. "
            "If its prefixes have dates, both need the logical date of this run (`--logical-date`).\n"
        )
        assert message.facts["metrics"]["results"] == RESULTS


@pytest.mark.parametrize("results", [RESULTS, None])
def test_nothing_to_run_again(results: str | None) -> None:
    """Without failed objects, or without results, no list of failed objects is named."""
    failed = 0 if results else 3
    assert "--manifest" not in describe_success(RUN, metrics(denied=failed) | {"results": results}).text


def test_a_command_is_quoted_for_the_shell() -> None:
    """A folder or a file with a space can be copied into a terminal."""
    command = make_rerun_command("s3://ops-results/all copies/", "my jobs/demo.yaml")
    assert command == "s3copy run 'my jobs/demo.yaml' --manifest 's3://ops-results/all copies/failed/'"


SUBJECTS: dict[str, tuple[str, str]] = {
    "lost objects": (describe_failure(RUN, metrics(unknown=5)).subject, "failed: 5 of 2,959 objects unknown"),
    "both": (
        describe_failure(RUN, metrics(denied=3, unknown=5)).subject,
        "failed: 3 failed and 5 unknown of 2,962 objects",
    ),
    "before the copies": (
        describe_failure(RUN, {**without_plan("manual__1", "plan").as_dict()}).subject,
        "failed: PlanFailed, nothing was copied",
    ),
    "no summary": (describe_failure(RUN, None).subject, "failed: its summary was lost"),
    "no asset event": (
        describe_unpublished(RUN, metrics()).subject,
        "failed after copying: no asset event was emitted",
    ),
    "success": (describe_success(RUN, metrics()).subject, "succeeded: 2,450 of 2,954 objects copied"),
    "success with failures": (
        describe_success(RUN, metrics(denied=3)).subject,
        "succeeded: 2,450 of 2,957 objects copied, 3 failed, within the limit",
    ),
    "nothing to do": (describe_success(RUN, metrics(copied=0)).subject, "succeeded: nothing to copy"),
    "dry run": (
        describe_success(
            RUN, metrics(copied=0) | {"dry_run": True, "files_skipped": {"dry_run": 504}}
        ).subject,
        "succeeded: dry run, 504 of 504 objects to copy",
    ),
    "late": (
        describe_lateness(RUN, timedelta(hours=2), "2026-11-24T12:00:00Z").subject,
        "is late: not finished 2:00:00 after it was queued",
    ),
}


@pytest.mark.parametrize(("subject", "words"), SUBJECTS.values(), ids=SUBJECTS)
def test_the_subject_of_each_result(subject: str, words: str) -> None:
    """The subject says how a run ended."""
    assert subject == f"s3copy demo {words}"


def test_many_errors_are_counted_and_few_are_named() -> None:
    """A message stays short, for people and for programs."""
    message = describe_failure(RUN, metrics(denied=1_000))
    assert "- x/4: AccessDenied" in message.text
    assert "- and 995 more\n" in message.text
    assert len(message.facts["metrics"]["errors"]) == 5
    assert len(message.text) < 2_000


def mirrored(**changes: Any) -> dict[str, Any]:
    """Return the metrics of a mirror's run that copied nothing, with changes of its deletes."""
    plan = DeletePlan(groups=(GroupPlan(prefix="y/", in_scope=20_000, extraneous=12_345),))
    deletions = {**report_deletions(make_mirror(), plan, DeleteMetrics(), None), **changes}
    return metrics(copied=0) | {"deletions": deletions}


REFUSAL = (
    "would delete 12,345 of 20,000, limit 1,000; deletes nothing: more than 1,000 are extraneous. "
    "`s3copy plan demo --json` lists them. If they should go, raise mirror.max_deleted_objects for one run"
)
OF_MIRRORS: dict[str, tuple[Message, str]] = {
    "deleted": (
        describe_success(RUN, mirrored(deleted=12_345)),
        "succeeded: nothing to copy, 12,345 deleted",
    ),
    "a dry run": (
        describe_success(RUN, mirrored(kept={"dry_run": 5}) | {"dry_run": True}),
        "succeeded: dry run, 0 of 504 objects to copy, 5 to delete",
    ),
    "a limit of 0": (
        describe_success(RUN, mirrored(kept={"report_only": 5})),
        "succeeded: nothing to copy, 5 extraneous",
    ),
    "refused": (
        describe_failure(RUN, mirrored(refused=REFUSAL)),
        "failed: deletes refused, would delete 12,345 of 20,000, limit 1,000",
    ),
    "failed": (
        describe_failure(RUN, mirrored(extraneous=7, failed=1, unknown=2, errors_by_code={"BatchLost": 2})),
        "failed: deletes 1 failed and 2 unknown of 7",
    ),
    "kept for an error": (
        describe_failure(RUN, mirrored(errors_by_code={"DeleteNotProven": 1})),
        "failed: deletes: DeleteNotProven",
    ),
    "after failed copies": (
        describe_failure(RUN, mirrored(refused=REFUSAL) | metrics(denied=3)),
        "failed: 3 of 2,957 objects",
    ),
}


@pytest.mark.parametrize(("message", "words"), OF_MIRRORS.values(), ids=OF_MIRRORS)
def test_the_subject_of_a_mirror(message: Message, words: str) -> None:
    """It says what was deleted, or why it was not; copies that failed come first."""
    assert message.subject == f"s3copy demo {words}"


def test_a_mirror_that_was_refused() -> None:
    """The text has the numbers, and what to do."""
    message = describe_failure(RUN, mirrored(refused=REFUSAL, kept={"refused": 12_345}, extraneous=12_345))
    assert (
        "Unknown: 0\nExtraneous: 12,345 of 20,000 at the destination\nDeleted: 0\nKept: 12,345 refused\n"
        in (message.text)
    )
    advice = REFUSAL.partition("; deletes nothing: ")[2]
    assert message.text.endswith(f"What to do:\n- Nothing was deleted: {advice}\n")


def test_a_mirror_whose_deletes_failed() -> None:
    """Its errors are named and counted with those of the copies, and untrusted text stays in its line."""
    errors = [f"y/{number}\x1b: AccessDenied after 1 attempt: no" for number in range(9)]
    counts = {"failed": 9, "gone": 4, "at_least": True, "results": f"{RESULTS}d/"}
    message = describe_failure(RUN, mirrored(errors=errors, errors_by_code={"AccessDenied": 9}, **counts))
    assert "Deleted: at least 0\nDeleted by others: 4\nDeletes failed: 9\n" in message.text
    assert f"Results of deletes: {RESULTS}d/\n" in message.text
    assert "- y/4\\x1b: AccessDenied after 1 attempt: no\n- and 4 more\n" in message.text
    assert "- AccessDenied (9): A role lacks a permission." in message.text
    assert len(message.facts["metrics"]["deletions"]["errors"]) == 5


def test_untrusted_text_stays_in_its_line() -> None:
    """What a terminal or an email would interpret is escaped, wherever it is; templates are not rendered."""
    found = metrics(denied=1)
    found["errors"] = ["x/{{ 7*7 }}\r\nBcc: b@example.org\x1b[2J"]
    message = describe_failure(RUN, found)
    assert "- x/{{ 7*7 }}\\r\\nBcc: b@example.org\\x1b[2J\n" in message.text
    evil = Run(job="demo", run_id="a\r\nb", places=())
    assert "Run: a\\r\\nb\n" in describe_failure(evil, found).text


@pytest.mark.parametrize("code", [*CODES, "AccessDenied", "SlowDown", "a code that nothing knows"])
def test_every_code_has_advice(code: str) -> None:
    """All advice ends with clearing the run, or a part of it."""
    words = advice(code, "demo")
    assert "clear" in words
    assert "{" not in words


def test_every_bottleneck_has_advice() -> None:
    """What limits a copy comes with what to change; a bottleneck of a later version has none."""
    assert all(advise_faster(str(bottleneck)).endswith(".") for bottleneck in Bottleneck)
    assert "more messages were received" in advise_faster("listing", has_queue=True)
    assert advise_faster("a bottleneck that nothing knows") == ""


def test_places(tmp_path: Path) -> None:
    """The first entries are named, the others counted."""
    entries = [{"source": f"{n}/", "destination": f"to/{n}/"} for n in range(5)]
    assert describe_places(job_of(write(tmp_path, document(prefixes=entries)))) == (
        "s3://ops-granules/0/ > s3://partner-granules/to/0/",
        "s3://ops-granules/1/ > s3://partner-granules/to/1/",
        "s3://ops-granules/2/ > s3://partner-granules/to/2/",
        "and 2 more",
    )
