"""Proves before the first copy that everything is there and allowed: rule 17 of docs/design/rules.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError, MissingError
from s3copy_tasks.preflight.checks import Checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.s3.connections import Sides

_SHOWN = 10
_DIRECTORY_BUCKET = "--x-s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was found out.

    Attributes:
        job: the job with `run_started` and `relayed` set.
        not_proven: what could not be checked, in words; not an error.
        relay: why the bytes go through this worker, and what would avoid it; None where S3 copies.
    """

    job: EffectiveJob
    not_proven: tuple[str, ...]
    relay: str | None = None


def preflight(job: EffectiveJob, sides: Sides) -> Preflight:
    """Check roles, buckets, and the rights to list, read and write, on both sides.

    Raises:
        AccessError: something is not allowed; the message names principal, action and resource,
            and ends with the policy statement that is missing.
        MissingError: a bucket or an object is not there, or no prefix has any object.
        ConfigError: the two sides can't be copied between by one server, and the job allows no relay.
        TransientError: S3 can't be reached.
    """
    apart = _servers_apart(job, sides)
    if apart is not None and job.transfer.relay != "auto":
        msg = f"{apart}. Set transfer.relay to auto to send the bytes through the worker's memory"
        raise ConfigError(msg, code=Code.RELAY_NEEDED)
    checks = Checks(job, sides)
    checks.raise_first([checks.can_list("source"), checks.can_list("destination")])
    started = checks.times["destination"]
    with ThreadPoolExecutor(job.transfer.concurrency) as pool:
        others = job.prefixes[1:]  # the first has been listed
        checks.raise_first(pool.map(lambda e: checks.can_list("source", e.source), others))
        checks.raise_first(pool.map(lambda e: checks.can_list("destination", e.destination), others))
        checks.raise_first(pool.map(checks.object_exists, job.objects))
        firsts = list(pool.map(checks.first_key, job.prefixes))
        _something_found(job, firsts)
        relay, reads = _reads(
            pool, checks, _readable(job, firsts), apart, may_relay=job.transfer.relay == "auto"
        )
        writes = list(pool.map(lambda pair: checks.can_write(*pair), _write_keys(job)))
        looks = list(pool.map(lambda pair: checks.can_look(*pair), _look_keys(job)))
        checks.raise_first([*reads, *writes, *looks])
    empty = (
        f"read not proven below s3://{job.source.bucket}/{entry.source}: no object there"
        for entry, first in zip(job.prefixes, firsts, strict=True)
        if first is None
    )
    proven = replace(job, run_started=started, relayed=relay is not None)
    return Preflight(job=proven, not_proven=(*empty, *checks.not_proven), relay=relay)


def _reads(
    pool: ThreadPoolExecutor,
    checks: Checks,
    readable: Sequence[tuple[str, str, str | None]],
    apart: str | None,
    *,
    may_relay: bool,
) -> tuple[str | None, list[CopyError | None]]:
    """Return why a relay is needed, and the errors of reading as the side that will read."""
    if apart is None:
        reads = list(pool.map(lambda one: checks.can_read("destination", *one), readable))
        refused = [error for error in reads if error is not None]
        if not refused or not may_relay or not all(isinstance(error, AccessError) for error in refused):
            return None, reads
        reason = f"the destination's role may not read the source. {refused[0].message}"
    else:
        reason = apart
    return reason, list(pool.map(lambda one: checks.can_read("source", *one), readable))


def _servers_apart(job: EffectiveJob, sides: Sides) -> str | None:
    """Say why no server can copy: it needs both buckets on one (rule 14); None where they are."""
    for side, bucket in (("source", job.source.bucket), ("destination", job.destination.bucket)):
        if bucket.endswith(_DIRECTORY_BUCKET):
            msg = f"{side}.bucket: {bucket} is a directory bucket, whose listings are not sorted"
            raise ConfigError(msg, code=Code.DIRECTORY_BUCKET)
    source, destination = _server(sides.source.endpoint_url()), _server(sides.destination.endpoint_url())
    if source == destination:
        return None
    return (
        f"{job.source} is on {source or 'AWS'}, {job.destination} on {destination or 'AWS'}: "
        "one server can't copy from the other"
    )


def _server(endpoint_url: str | None) -> str | None:
    """Return what two endpoints of one server have in common; None for AWS, whose endpoints are one.

    A connection may hold anything: no password that stands in its address, and no error where it is none.
    """
    host = (endpoint_url or "").partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    return None if not host or host.removesuffix(".cn").endswith(".amazonaws.com") else host


def _something_found(job: EffectiveJob, firsts: list[str | None]) -> None:
    if job.objects or any(first is not None for first in firsts):
        return
    where = ", ".join(f"s3://{job.source.bucket}/{entry.source}" for entry in job.prefixes[:_SHOWN])
    msg = f"no object below {where}. Check the source prefixes, and that their data has arrived"
    raise MissingError(msg, code=Code.NOTHING_FOUND)


def _readable(job: EffectiveJob, firsts: list[str | None]) -> list[tuple[str, str, str | None]]:
    """Return (keys that must be readable, one of them, its version)."""
    found = zip(job.prefixes, firsts, strict=True)
    below: list[tuple[str, str, str | None]] = [(e.source + "*", key, None) for e, key in found if key]
    return [*below, *((entry.source, entry.source, entry.version_id) for entry in job.objects)]


def _below_prefixes(job: EffectiveJob) -> list[tuple[str, str]]:
    """Return (all keys, one that nobody uses) below each destination prefix."""
    run = "".join(c if c.isalnum() else "-" for c in job.run_id)
    prefixes = dict.fromkeys(entry.destination for entry in job.prefixes)
    return [(f"{prefix}*", f"{prefix}.s3copy-preflight-{run}") for prefix in prefixes]


def _write_keys(job: EffectiveJob) -> list[tuple[str, str]]:
    """Return (keys that must be writable, a key to try)."""
    return [*_below_prefixes(job), *((entry.destination, entry.destination) for entry in job.objects)]


def _look_keys(job: EffectiveJob) -> list[tuple[str, str]]:
    """Return (keys that must be readable in the destination, a key to try)."""
    replaced = _below_prefixes(job) if job.overwrite is Overwrite.CHANGED else []
    return [*replaced, *((entry.destination, entry.destination) for entry in job.objects)]
