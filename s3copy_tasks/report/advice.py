"""What to do about an error, by its code: one table."""

from __future__ import annotations

from s3copy_tasks.errors import Code

_FAILED = "clear the failed tasks of this run: only what is missing is copied"
_ANEW = "clear this run from `preflight` on"
_ACCESS = (
    f"A role may not do something. `s3copy policy {{job}}` prints all that both roles need. Then {_FAILED}."
)
_ARCHIVED = (
    f"Restore the objects in Glacier first, and {_FAILED}; "
    f"or leave them out by `object.archived: skip`, and {_ANEW}."
)
_BUSY = (
    "S3 asked for fewer requests in every attempt. Lower `transfer.max_requests_per_second`, "
    f"and {_ANEW}; or later, {_FAILED}."
)
_CHANGED = f"Somebody wrote there at the same time. When that has ended, {_FAILED}."
_CONFIG = f"Mend the config, as the error says; `s3copy validate` checks it. Then {_ANEW}."
_FAULT = f"S3 was out of reach, or had a fault of its own, in every attempt. Later, {_FAILED}."
_GONE = f"Check bucket and keys in the config, and that the data has arrived. Then {_ANEW}."
_LOST = f"A worker was lost: look for memory, or for a node that went away, at that time. Then {_FAILED}."
_MISMATCH = f"The plan was cleared without its copies: {_ANEW}."
_OTHERS = f"What arrived is something else: look for others who write to the destination. Then {_FAILED}."
_OTHERWISE = f"The log of the failed task has the reason. When it is mended, {_FAILED}."
_ADVICE = {
    "403": _ACCESS,
    "404": _GONE,
    "429": _BUSY,
    "503": _BUSY,
    "AccessDenied": _ACCESS,
    "AllAccessDisabled": _ACCESS,
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
    Code.CREDENTIALS: _ACCESS,
    Code.DESTINATION_CONFLICT: _CONFIG,
    Code.DIRECTORY_BUCKET: _CONFIG,
    Code.EMPTY_REPLY: _FAULT,
    Code.ENDPOINT_UNREACHABLE: _FAULT,
    Code.INVALID_CONFIG: _CONFIG,
    Code.KEY_TOO_LONG: _CONFIG,
    Code.NOTHING_FOUND: _GONE,
    Code.PLAN_MISMATCH: _MISMATCH,
    Code.RELAY_NEEDED: _CONFIG,
    Code.RELAY_TOO_LARGE: _CONFIG,
    Code.SOURCE_CHANGED: _CHANGED,
    Code.VERIFICATION_FAILED: _OTHERS,
    Code.WRONG_ACCOUNT: _ACCESS,
}


def advice(code: str, job: str) -> str:
    """Return what an engineer does about an error, in a sentence or two; every way ends in clearing the run.

    Args:
        code: S3's, or one of `s3copy_tasks.errors`; any other has words, too.
        job: the job's name.
    """
    return _ADVICE.get(code, _OTHERWISE).format(job=job)
