"""`s3copy policy`: the least privileges of a job as JSON."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from packaging.version import Version

from s3copy_tasks.cli.jobs import DONE
from s3copy_tasks.cli.rendering import valid_job
from s3copy_tasks.cli.runs import quiet
from s3copy_tasks.config.check.template import literal_parts
from s3copy_tasks.core.bucket_names import is_alias
from s3copy_tasks.core.job import list_entries
from s3copy_tasks.core.key_list import Column
from s3copy_tasks.errors import AccessError
from s3copy_tasks.iam.least_privileges import Side, least_privileges
from s3copy_tasks.iam.queues import NOTIFICATIONS_MAX, QueueReader, find_outer_prefixes
from s3copy_tasks.iam.sizes import fit_policies
from s3copy_tasks.s3.connections import AwsConnectionManager
from s3copy_tasks.s3.identity import UNKNOWN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal, TypeGuard

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import Mirror
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.iam.least_privileges import Pattern
    from s3copy_tasks.iam.trust import Trust
    from s3copy_tasks.s3.side_connection import SideName

_STORES_UPLOADS = (3, 3)
"""The first Airflow version that stores the open uploads of a task."""


def policy(options: argparse.Namespace) -> int:
    """Print the least policies that a job needs, without any request to AWS."""
    with quiet():
        job = valid_job(options)
        source, destination = _side(job, "source"), _side(job, "destination")
        keys_from = _queue_reader(job, source, destination) or _key_list_side(job, source, destination)
        results = _results_side(job, source, destination)
    found = least_privileges(
        source,
        destination,
        job.options,
        lists_uploads=lists_uploads(version("apache-airflow-core")),
        keys_from=keys_from,
        results=results,
        deletes=_delete_patterns(job),
        reads_versioning=_may_delete(job.mirror) and not job.mirror.allows_unversioned,
    )
    fitted, remarks = fit_policies(found)
    others = {"from": None if isinstance(keys_from, QueueReader) else keys_from, "results": results}
    remarks += _remark_unknown_owners(source, destination, others)
    if isinstance(keys_from, QueueReader):
        remarks += _remark_notification(keys_from, source)
    sys.stderr.write("".join(f"{remark}\n" for remark in remarks))
    sys.stdout.write(json.dumps(fitted, indent=2) + "\n")
    return DONE


def lists_uploads(airflow: str) -> bool:
    """Return whether a retry must list uploads on an Airflow version; a pre-release counts as its release."""
    return Version(airflow).release[:2] < _STORES_UPLOADS


def _side(job: CopyJob, name: Literal["source", "destination"]) -> Side:
    patterns = [
        [*literal_parts(getattr(entry, name)), *([None] if field == "prefixes" else [])]
        for field, _, entry in list_entries(job.prefixes, job.objects)
    ]
    location: Location = getattr(job, name)
    role, trust = _find_role(location, name, job)
    versions = _version_patterns(job, patterns) if name == "source" else []
    return Side(location=location, role=role, trust=trust, patterns=patterns, versions=versions)


def _version_patterns(job: CopyJob, patterns: Sequence[Pattern]) -> Sequence[Pattern]:
    """Return the patterns of keys that are read by their version: any that a list may name, or objects."""
    of = job.key_list
    if of is not None and Column.VERSION in of.columns and not of.inventory:
        return patterns
    return [list(literal_parts(one.source)) for one in job.objects if one.version_id]


def _may_delete(mirror: Mirror | None) -> TypeGuard[Mirror]:
    return mirror is not None and mirror.max_deleted_objects > 0


def _delete_patterns(job: CopyJob) -> Sequence[Pattern]:
    """Return the patterns of the keys that a job may delete."""
    prefixes = job.prefixes if _may_delete(job.mirror) else ()
    return [[*literal_parts(entry.destination), None] for entry in prefixes]


def _key_list_side(job: CopyJob, *known: Side) -> Side | None:
    of = job.key_list
    if of is None or of.location is None:
        return None
    parts = [of.key] if of.inventory else literal_parts(of.key)
    pattern = [*parts, *([None] if of.is_prefix else [])]
    return _other_side(job, "from", of.location, pattern, known)


def _queue_reader(job: CopyJob, *known: Side) -> QueueReader | None:
    if job.queue is None:
        return None
    role, trust = _find_other_role(job, "from", job.queue.location, known)
    return QueueReader(queue=job.queue, role=role, trust=trust)


def _results_side(job: CopyJob, *known: Side) -> Side | None:
    place = job.results
    if place is None:
        return None
    return _other_side(job, "results", place.location, [place.prefix, None], known)


def _other_side(
    job: CopyJob, name: SideName, location: Location, pattern: Pattern, known: Sequence[Side]
) -> Side:
    """Return what is used beside both sides."""
    role, trust = _find_other_role(job, name, location, known)
    return Side(location=location, role=role, trust=trust, patterns=[pattern])


def _find_other_role(
    job: CopyJob, name: SideName, location: Location, known: Sequence[Side]
) -> tuple[str, Trust]:
    """Return the role of what is used beside both sides: that of a side which is reached in the same way."""
    for side in known:
        if (side.location.connection, side.location.role_arn) == (location.connection, location.role_arn):
            return side.role, side.trust
    return _find_role(location, name, job)


def _find_role(location: Location, name: SideName, job: CopyJob) -> tuple[str, Trust]:
    """Return the role that a bucket is reached with, and how it is assumed; a name to replace if unknown."""
    manager = AwsConnectionManager(location, name, job.transfer)
    try:
        identity = manager.identity()
    except AccessError:  # the connection is elsewhere, perhaps on the workers
        identity = UNKNOWN
    role = identity.role
    if role is None:
        partition = manager.partition()
        role = f"arn:{partition}:iam::{location.account or '0' * 12}:role/THE-{name.upper()}-ROLE"
        sys.stderr.write(f"{name}: unknown role: replace {role} with its ARN\n")
    if is_alias(location.bucket):
        sys.stderr.write(
            f"{name}: {location.bucket} is an access point's alias: policies need its ARN as bucket\n"
        )
    return role, identity.trust(role)


def _remark_unknown_owners(
    source: Side, destination: Side, others: Mapping[str, Side | None]
) -> Iterator[str]:
    """Yield what to do where a bucket may belong to another account than the role that uses it."""
    known = {side.location.bucket for side in (source, destination)}
    for name, side in others.items():
        if side is not None and side.location.bucket not in known:
            yield (
                f"{name}: the account of {side.location} is not known. If it is not that of {side.role}, the "
                "bucket's policy also needs the statements about it, with this role as Principal"
            )


def _remark_notification(reader: QueueReader, source: Side) -> Iterator[str]:
    """Yield what to know of the configuration with which S3 sends events."""
    yield (
        "source_bucket_notification: S3 replaces the whole configuration of the bucket. Add what "
        f"`aws s3api get-bucket-notification-configuration --bucket {source.location.bucket}` shows"
    )
    count = len(find_outer_prefixes(source.patterns))
    if count > NOTIFICATIONS_MAX:
        yield (
            f"source_bucket_notification: has {count} filters, and S3 takes {NOTIFICATIONS_MAX}. Write "
            "prefixes that contain several of them, or let EventBridge send the events"
        )
    if source.location.account is None:
        yield "queue_policy: write `source.account`, so that it names the account whose bucket may send"
    if reader.arn.split(":")[3] == "*":
        yield "from: unknown region of the queue: replace `sqs:*` with it"
