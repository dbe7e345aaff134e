"""Checks before the first copy that everything exists and is allowed: rule 17 of docs/design/rules.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.abilities import Abilities
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.mirror_group import find_deleted
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError
from s3copy_tasks.preflight.apart import explain_two_servers, is_aws
from s3copy_tasks.preflight.checks import SIDES, Checks
from s3copy_tasks.preflight.mirror_checks import MirrorChecks, may_delete
from s3copy_tasks.preflight.queue_proof import QueueProof
from s3copy_tasks.preflight.read_proofs import ListedProof, Readable, ReadProof, RowProof
from s3copy_tasks.preflight.write_checks import WriteChecks, name_unused_key
from s3copy_tasks.s3.negotiation import guessing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from s3copy_tasks.core.job import EffectiveJob, ObjectEntry, PrefixEntry
    from s3copy_tasks.core.pages import FirstPages
    from s3copy_tasks.core.queue import QueueState
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import Sides

_CLOCKS = (
    "The clock of the source's server is up to {seconds} s behind the destination's: this run adds that to "
    "the dates of the source. Keep both in sync (NTP)"
)
_DIRECTORY_BUCKET = "--x-s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The result of preflight.

    Attributes:
        job: the job with `run_started`, `relayed` and `abilities` set, with the files of its list, and with
            what its mirror needs to know of the destination.
        not_proven: what could not be checked, or is not as on S3, in words; not an error.
        relay: why the bytes go through this worker, and what would avoid it; None if S3 copies.
        on_list: remarks on the list or the queue, in words; not errors.
        queue: what the queue has, of which nothing was received; None if there is none.
    """

    job: EffectiveJob
    not_proven: tuple[str, ...]
    relay: str | None = None
    on_list: tuple[str, ...] = ()
    queue: QueueState | None = None


class _OtherChecks(NamedTuple):
    """Checks that need what was listed."""

    writing: WriteChecks
    mirroring: MirrorChecks


def preflight(
    job: EffectiveJob, sides: Sides, *, on_listed: Callable[[FirstPages], None] = lambda _: None
) -> Preflight:
    """Check roles, buckets, and the permissions to list, read and write, on both sides.

    Args:
        job: the run.
        sides: of the job.
        on_listed: called when both sides can be listed, with the first pages; more are added later.

    Raises:
        AccessError: something is not allowed; the message names principal, action and resource,
            and ends with the missing policy statement.
        MissingError: a bucket, an object or a list does not exist, or no prefix has any object.
        ConfigError: one server can't copy from the other, and the job does not allow a relay; the list is not
            what the config says; or deletes of a mirror could not be undone.
        TransientError: S3 can't be reached.
    """
    _refuse_directory_buckets(job)
    copies = bool(job.prefixes or job.objects)
    two_servers = explain_two_servers(job, sides) if copies else None
    if two_servers is not None and job.transfer.relay != "auto":
        raise two_servers
    sender = make_sender(job.transfer)
    checks = Checks(job, sides, sender)
    others = _OtherChecks(WriteChecks(job, sides, sender), MirrorChecks(job, sides, sender))
    proof = _open_proof(job, sides, sender, checks)
    clients = sides.source.negotiator, sides.destination.negotiator
    more = [manager.negotiator for manager in (sides.lists, sides.results) if manager is not None]
    with guessing(*clients, *more), ThreadPoolExecutor(job.transfer.in_flight) as pool:
        try:
            first = _find_listed(job)[0]
            finding = pool.submit(proof.find)
            listed = pool.map(checks.can_list, SIDES, (first, first))
            checks.raise_first([*listed, finding.result()])
            on_listed(checks.first_pages)
            relay, unproven = _check_rest(job, checks, others, proof, pool, two_servers)
        finally:
            pool.shutdown(cancel_futures=True)  # once something is refused, nothing more is asked for
    source_lacks, destination_lacks = (tuple(sorted(client.lacks)) for client in clients)
    abilities = Abilities(source_lacks=source_lacks, destination_lacks=destination_lacks)
    proven = replace(
        proof.found.job,
        run_started=checks.times["destination"],
        relayed=relay is not None,
        abilities=abilities,
        mirror=job.mirror and replace(job.mirror, on_aws=is_aws(sides.destination)),
    )
    if relay is not None and checks.source_behind_seconds:
        proven = replace(proven, source_behind_seconds=checks.source_behind_seconds)
        relay += f"\n{_CLOCKS.format(seconds=checks.source_behind_seconds)}"
    not_proven = tuple(dict.fromkeys([*unproven, *checks.not_proven, *others.mirroring.not_proven]))
    found = proof.found
    return Preflight(job=proven, not_proven=not_proven, relay=relay, on_list=found.remarks, queue=found.queue)


def _open_proof(job: EffectiveJob, sides: Sides, sender: Sender, checks: Checks) -> ReadProof:
    """Return what proves that the job may read what it copies."""
    queue = sides.stores.queue
    if isinstance(job.keys_from, Queue) and queue is not None:
        return QueueProof(job, job.keys_from, queue, checks)
    return ListedProof(job, checks) if job.keys_from is None else RowProof(job, sides, sender)


def _check_rest(
    job: EffectiveJob,
    checks: Checks,
    others: _OtherChecks,
    proof: ReadProof,
    pool: ThreadPoolExecutor,
    two_servers: ConfigError | None,
) -> tuple[str | None, Sequence[str]]:
    """Ask for everything else side by side, once each side could list one entry: docs/design/start.md.

    Returns:
        Why a relay is needed, None if it is not; and remarks on what can't be read yet.
    """
    listed = [pool.submit(checks.can_list, side, entry) for side in SIDES for entry in _find_listed(job)[1:]]
    named = proof.begin(pool)
    writing, mirroring = others.writing, others.mirroring.begin(pool)
    guards = [pool.submit(writing.can_guard, *keys) for keys in _write_keys(job)[:1]]
    writes = [pool.submit(writing.can_write, *keys) for keys in _write_keys(job)]
    results = pool.submit(writing.can_write_results)
    heads = [pool.submit(checks.can_head, *keys) for keys in _head_keys(job)]
    checks.raise_first(each.result() for each in (*listed, *named))
    chosen = proof.choose(pool)
    headed = [*chosen.heads, *(chosen.reads if may_delete(job) else ())]
    heads += [pool.submit(checks.can_head_source, *readable) for readable in headed]
    relay, reads = _check_reads(
        pool, checks, chosen.reads, two_servers, may_relay=job.transfer.relay == "auto"
    )
    others_asked = (*writes, *heads, *guards, results, *mirroring)
    checks.raise_first([*reads, *(each.result() for each in others_asked)])
    return relay, chosen.remarks


def _check_reads(
    pool: ThreadPoolExecutor,
    checks: Checks,
    readable: Sequence[Readable],
    two_servers: ConfigError | None,
    *,
    may_relay: bool,
) -> tuple[str | None, list[CopyError | None]]:
    """Return why a relay is needed, None if it is not, and the errors of the side that will read."""
    if two_servers is None:
        reads = list(pool.map(lambda keys: checks.can_read("destination", *keys), readable))
        refused = [error for error in reads if error is not None]
        if not refused or not may_relay or not all(map(_is_solved_by_relay, refused)):
            return None, reads
        reason = _explain_relay(refused[0])
    else:
        reason = two_servers.reason
    return reason, list(pool.map(lambda keys: checks.can_read("source", *keys), readable))


def _is_solved_by_relay(error: CopyError) -> bool:
    """Say whether a relay gets around an error of the destination's side when it reads the source."""
    return isinstance(error, AccessError) or error.code == Code.RELAY_NEEDED


def _explain_relay(error: CopyError) -> str:
    if error.code == Code.RELAY_NEEDED:
        return error.reason
    return f"the destination's role may not read the source. {error.message}"


def _refuse_directory_buckets(job: EffectiveJob) -> None:
    for side, bucket in (("source", job.source.bucket), ("destination", job.destination.bucket)):
        if bucket.endswith(_DIRECTORY_BUCKET):
            msg = f"{side}.bucket: {bucket} is a directory bucket, whose listings are not sorted"
            raise ConfigError(msg, code=Code.DIRECTORY_BUCKET)


def _find_listed(job: EffectiveJob) -> Sequence[PrefixEntry | ObjectEntry]:
    """Return what is listed on both sides, at least one: of a run that copies nothing, what it deletes."""
    return job.prefixes or job.objects[:1] or find_deleted(job.mirror)


def _below_prefixes(job: EffectiveJob, entries: Sequence[PrefixEntry]) -> list[tuple[str, str]]:
    """Return (all keys, a key that is not in use) below each destination prefix."""
    prefixes = dict.fromkeys(entry.destination for entry in entries)
    return [(f"{prefix}*", name_unused_key(prefix, job.run_id)) for prefix in prefixes]


def _write_keys(job: EffectiveJob) -> list[tuple[str, str]]:
    """Return (keys that must be writable, a key to check)."""
    return [
        *_below_prefixes(job, job.prefixes),
        *((entry.destination, entry.destination) for entry in job.objects),
    ]


def _head_keys(job: EffectiveJob) -> list[tuple[str, str]]:
    """Return (keys that must be readable in the destination, a key to check)."""
    listed = job.prefixes or find_deleted(job.mirror)
    replaced = _below_prefixes(job, listed) if job.overwrite is Overwrite.CHANGED or may_delete(job) else []
    return [*replaced, *((entry.destination, entry.destination) for entry in job.objects)]
