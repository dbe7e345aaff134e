"""What to do about an error, by its code, and about a copy that should be faster, by what limited it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.core.results_folder import FAILED
from s3copy_tasks.errors import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMES_AGAIN = (
    "What failed is still in the queue, and comes again in a later run: nothing has to be run again by hand."
)
_CODES_SHOWN = 3
_FAILED = "clear the failed tasks of this run: only what is missing is copied"
_FROM_PREFLIGHT = "clear this run from `preflight` onward"
_ACCESS = (
    "A role lacks a permission. `s3copy policy {job}` prints every permission that both roles need. "
    f"Then {_FAILED}."
)
_ARCHIVED = (
    f"Restore the objects in Glacier, then {_FAILED}; "
    f"or leave them out with `object.archived: skip`, then {_FROM_PREFLIGHT}."
)
_BUSY = (
    "S3 asked for fewer requests on every attempt. Lower `transfer.max_requests_per_second`, "
    f"then {_FROM_PREFLIGHT}; or wait, then {_FAILED}."
)
_CHANGED = f"Another client wrote the object during the copy. When that client is done, {_FAILED}."
_CONFIG = (
    "Fix the config, or the Airflow connection, as the error says; `s3copy validate` checks configs. "
    f"Then {_FROM_PREFLIGHT}."
)
_CREDENTIALS = (
    "The error names the connection, the field or the policy that is wrong: fix that. "
    f"Then {_FROM_PREFLIGHT}."
)
_FAULT = f"S3 was unreachable or had an internal error on every attempt. When S3 works again, {_FAILED}."
_GONE = f"Check the bucket and the keys in the config, and that the data has arrived. Then {_FROM_PREFLIGHT}."
_NOTHING = (
    "Check the prefixes in the config, and that the data has arrived; if they may be empty, set "
    f"`on_empty: succeed`. Then {_FROM_PREFLIGHT}."
)
_SCOPE = (
    "Check the prefixes in the config, or let the bucket notify the queue of these prefixes only. The "
    f"messages are still in the queue. Then {_FROM_PREFLIGHT}, or wait for the next run."
)
_MESSAGE = (
    "Find out what else than S3 sends to the queue, which keeps such a message until its redrive policy "
    f"moves it. Then {_FROM_PREFLIGHT}, or wait for the next run."
)
_LIST = f"Fix the list, or `from` in the config, as the error says. Then {_FROM_PREFLIGHT}."
_LIST_CHANGED = (
    f"The run reads the list as it was at the start. When the list is complete, {_FROM_PREFLIGHT}."
)
_LIST_OLD = f"Check that S3 still delivers the inventory, or raise `from.max_age`. Then {_FROM_PREFLIGHT}."
_LOST = (
    "A worker was lost: check whether it ran out of memory, or its node went away, at that time. "
    f"Then {_FAILED}."
)
_MISMATCH = f"The plan task was cleared, but its copy tasks were not: {_FROM_PREFLIGHT}."
_OTHERS = f"The destination does not have what was copied: find out what else writes there. Then {_FAILED}."
_PARAMETERS = (
    "Start a new run with parameters that the job has, as the error says: if this one is cleared, it starts "
    "with the same ones again."
)
_SSE_C = (
    "The object may be encrypted with a key that only its writer has (SSE-C): exclude it, or write it again "
    f"without SSE-C. Then {_FROM_PREFLIGHT}."
)
_RESULTS = f"The metrics are exact, but rows are missing. Fix what the error says, then {_FAILED}."
_NOT_PROVEN = (
    "Nothing proved that these objects may be deleted, so they are kept: fix what the error says. "
    f"Then {_FROM_PREFLIGHT}."
)
_NOT_DELETED = (
    "S3 confirmed that objects are deleted, and still lists them: find out what else writes there. "
    f"Then {_FROM_PREFLIGHT}."
)
_OTHERWISE = f"The log of the failed task has the reason. When that is fixed, {_FAILED}."
_ADVICE = {
    "400": _SSE_C,
    "403": _ACCESS,
    "404": _GONE,
    "408": _FAULT,
    "429": _BUSY,
    "503": _BUSY,
    "AccessDenied": _ACCESS,
    "AllAccessDisabled": _ACCESS,
    "BadDigest": _FAULT,
    "Forbidden": _ACCESS,
    "InternalError": _FAULT,
    "KMS.AccessDeniedException": _ACCESS,
    "NoSuchBucket": _GONE,
    "NoSuchKey": _GONE,
    "NoSuchVersion": _GONE,
    "RequestTimeout": _FAULT,
    "ServiceUnavailable": _FAULT,
    "SlowDown": _BUSY,
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
    Code.ACCESS_BREAKER: _ACCESS,
    Code.ARCHIVED: _ARCHIVED,
    Code.BATCH_LOST: _LOST,
    Code.CREDENTIALS: _CREDENTIALS,
    Code.DELETE_MARKER: _CONFIG,
    Code.DESTINATION_CONFLICT: _CONFIG,
    Code.DIRECTORY_BUCKET: _CONFIG,
    Code.EMPTY_REPLY: _FAULT,
    Code.ENDPOINT_UNREACHABLE: _FAULT,
    Code.INVALID_CONFIG: _CONFIG,
    Code.INVALID_LIST: _LIST,
    Code.INVALID_MESSAGE: _MESSAGE,
    Code.INVALID_PARAMETERS: _PARAMETERS,
    Code.KEY_TOO_LONG: _CONFIG,
    Code.LIST_CHANGED: _LIST_CHANGED,
    Code.LIST_TOO_OLD: _LIST_OLD,
    Code.NOTHING_FOUND: _NOTHING,
    Code.NOTHING_IN_SCOPE: _SCOPE,
    Code.NOT_DELETED: _NOT_DELETED,
    Code.NOT_PROVEN: _NOT_PROVEN,
    Code.PLAN_MISMATCH: _MISMATCH,
    Code.RELAY_NEEDED: _CONFIG,
    Code.RELAY_TOO_LARGE: _CONFIG,
    Code.RESULTS_NOT_WRITTEN: _RESULTS,
    Code.SOURCE_CHANGED: _CHANGED,
    Code.VERIFICATION_FAILED: _OTHERS,
    Code.WRONG_ACCOUNT: _ACCESS,
}
_FASTER: Mapping[str, str] = {
    Bottleneck.RATE: "The job's own limit was reached. If S3 allows more, raise "
    "`transfer.max_requests_per_second`.",
    Bottleneck.S3: "S3 asked to slow down. It takes more for keys below several prefixes, and while no other "
    "client uses the bucket.",
    Bottleneck.IN_FLIGHT: "Requests waited for free slots. Set `transfer.concurrency: auto`; if it is, give "
    "workers more open files (`ulimit -n`) and memory, or raise `transfer.max_active_batches`.",
    Bottleneck.LISTING: "Nothing was left to copy until more keys were listed, maybe since most objects are "
    "unchanged. Smaller batches list in parallel: lower `transfer.batch_objects`.",
    Bottleneck.CPU: "The worker used all of a core. Raise `transfer.max_active_batches`, with a core for "
    "each batch.",
}
_BY_MESSAGES = (
    "Nothing was left to copy until more messages were received, as in the last 15 seconds of each batch. "
    "Smaller batches receive in parallel: lower `transfer.batch_objects`."
)


def advise_faster(bottleneck: str, *, has_queue: bool = False) -> str:
    """Return what makes a copy faster that was mostly limited by this; empty for an unknown bottleneck.

    Args:
        bottleneck: one of `Bottleneck`.
        has_queue: a queue names the keys of the job.
    """
    return _BY_MESSAGES if has_queue and bottleneck == Bottleneck.LISTING else _FASTER.get(bottleneck, "")


def advice(code: str, job: str) -> str:
    """Return what to do about an error, in a sentence or two; mostly it ends with clearing the run.

    Args:
        code: S3's, or one of `s3copy_tasks.errors.Code`; any other code gets general advice.
        job: the job's name.
    """
    return _ADVICE.get(code, _OTHERWISE).format(job=job)


def advise_rerun(failed: int, results: str | None, job: str, *, has_queue: bool) -> str | None:
    """Return how to copy only the failed objects of a run again; None if nothing failed, or no list has them.

    Args:
        failed: how many failed.
        results: address of the folder with the run's results; None if it has none.
        job: the job's name.
        has_queue: a queue names the keys of the job, and still has the messages of what failed.
    """
    if not failed:
        return None
    if has_queue:
        return f"{failed:,} failed. {COMES_AGAIN}"
    if not results:
        return None
    return (
        f"{failed:,} failed. To run only these again: `{make_rerun_command(results, job)}`; "
        f"or trigger the job with the parameter `manifest: {results}{FAILED}`. If its prefixes have dates, "
        "both need the logical date of this run (`--logical-date`)."
    )


def make_rerun_command(results: str, job: str, options: Sequence[str] = ()) -> str:
    """Return the command that copies only the failed objects of a run again.

    Args:
        results: address of the folder with the run's results.
        job: the job's name, or its file.
        options: of the run, which render the same prefixes.
    """
    return shlex.join(["s3copy", "run", job, *options, "--manifest", f"{results}{FAILED}"])


def advise(errors_by_code: Mapping[str, int], job: str) -> list[str]:
    """Return what to do about the most frequent codes, a text for each, with their number of errors.

    Args:
        errors_by_code: exact counts.
        job: the job's name.
    """
    by_code = sorted(errors_by_code.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{code} ({count:,}): {advice(code, job)}" for code, count in by_code[:_CODES_SHOWN]]
