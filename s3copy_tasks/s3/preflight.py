"""Proves before the first copy that everything is there and allowed: rule 17 of docs/design/rules.md.

Nothing is written: the right to write is proven by starting a multipart upload and aborting it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.errors import (
    CREDENTIALS,
    DIRECTORY_BUCKET,
    ENDPOINT_UNREACHABLE,
    NOTHING_FOUND,
    RELAY_NEEDED,
    WRONG_ACCOUNT,
    AccessError,
    ConfigError,
    CopyError,
    MissingError,
    RequestError,
)
from s3copy_tasks.s3.policies import bucket_arn, read_actions, statement, write_actions
from s3copy_tasks.s3.store import BucketStore
from s3copy_tasks.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
    from s3copy_tasks.s3.accounts import AwsConnectionManager

log = structlog.get_logger(__name__)

_SHOWN = 10
_DIRECTORY_BUCKET = "--x-s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was found out.

    Attributes:
        job: the job with `run_started` set.
        not_proven: what could not be checked, in words; not an error.
    """

    job: EffectiveJob
    not_proven: tuple[str, ...]


def preflight(
    job: EffectiveJob, source: AwsConnectionManager, destination: AwsConnectionManager
) -> Preflight:
    """Check roles, buckets, and the rights to list, read and write, on both sides.

    Raises:
        AccessError: something is not allowed; the message names principal, action and resource,
            and ends with the policy statement that is missing.
        MissingError: a bucket or an object is not there, or no prefix has any object.
        ConfigError: the two sides can't be copied between by one server.
        TransientError: S3 can't be reached.
    """
    _same_server(job, source, destination)
    checks = _Checks(job, source, destination)
    checks.raise_first([checks.can_list("source"), checks.can_list("destination")])
    started = checks.send(checks.destination.server_time)
    with ThreadPoolExecutor(job.transfer.concurrency) as pool:
        heads = list(pool.map(checks.object_exists, [entry.source for entry in job.objects]))
        firsts = list(pool.map(checks.first_key, job.prefixes))
        checks.raise_first(heads)
        _something_found(job, firsts)
        readable = [key for key in (*firsts, *(entry.source for entry in job.objects)) if key is not None]
        checks.raise_first(
            [*pool.map(checks.can_read, readable), *pool.map(checks.can_write, _write_keys(job))]
        )
    empty = (
        f"read not proven below s3://{job.source.bucket}/{entry.source}: no object there"
        for entry, first in zip(job.prefixes, firsts, strict=True)
        if first is None
    )
    return Preflight(job=replace(job, run_started=started), not_proven=(*empty, *checks.not_proven))


def _same_server(job: EffectiveJob, source: AwsConnectionManager, destination: AwsConnectionManager) -> None:
    """A server-side copy needs both buckets on one server (rule 14)."""
    for side, manager in (("source", source), ("destination", destination)):
        if manager.location.bucket.endswith(_DIRECTORY_BUCKET):
            bucket = manager.location.bucket
            msg = f"{side}.bucket: {bucket} is a directory bucket, whose listings are not sorted"
            raise ConfigError(msg, code=DIRECTORY_BUCKET)
    ours, theirs = source.endpoint_url(), destination.endpoint_url()
    if ours != theirs:
        msg = (
            f"{job.source} is on {ours or 'AWS'}, {job.destination} on {theirs or 'AWS'}: "
            "one server can't copy from the other, and bytes are never sent through the worker"
        )
        raise ConfigError(msg, code=RELAY_NEEDED)


def _something_found(job: EffectiveJob, firsts: list[str | None]) -> None:
    if job.objects or any(first is not None for first in firsts):
        return
    where = ", ".join(f"s3://{job.source.bucket}/{entry.source}" for entry in job.prefixes[:_SHOWN])
    msg = f"no object below {where}. Check the source prefixes, and that their data has arrived"
    raise MissingError(msg, code=NOTHING_FOUND)


def _write_keys(job: EffectiveJob) -> list[str]:
    """A key that nobody uses below each destination prefix, and each single destination key."""
    run = "".join(c if c.isalnum() else "-" for c in job.run_id)
    below = dict.fromkeys(f"{entry.destination}.s3copy-preflight-{run}" for entry in job.prefixes)
    return [*below, *(entry.destination for entry in job.objects)]


class _Checks:
    """Each check returns the error that it found, so that one run reports them together."""

    def __init__(
        self, job: EffectiveJob, source: AwsConnectionManager, destination: AwsConnectionManager
    ) -> None:
        self._job = job
        self._managers = {"source": source, "destination": destination}
        self.source, self.destination = source.store, destination.store
        self.send = Sender(job.transfer.concurrency).send
        self.not_proven: list[str] = []

    def raise_first(self, found: Iterable[CopyError | None]) -> None:
        """Raise the first error, its message followed by the others'."""
        errors = [error for error in found if error is not None]
        if not errors:
            return
        messages = list(dict.fromkeys(error.message for error in errors))
        more = [f"... and {len(messages) - _SHOWN} more"] if len(messages) > _SHOWN else []
        raise type(errors[0])("\n".join(messages[:_SHOWN] + more), code=errors[0].code)

    def can_list(self, side: str) -> CopyError | None:
        """Assume the role, find the bucket, list it."""
        manager = self._managers[side]
        location = manager.location
        store = self.source if side == "source" else self.destination
        try:
            self.send(store.server_time)
        except AccessError as error:
            if error.code == CREDENTIALS:
                return error
            return self._wrong_account(side, manager) or self._denied(
                side, ["s3:ListBucket"], bucket_arn(location.bucket), error
            )
        except MissingError as error:
            msg = f"{side}.bucket: there is no bucket {location.bucket!r} ({error.code})"
            return MissingError(msg, code=error.code)
        except CopyError as error:
            if error.code == ENDPOINT_UNREACHABLE:
                msg = f"{side}: S3 can't be reached: {error.message}. Check endpoint_url and the network"
                return type(error)(msg, code=error.code)
            return type(error)(f"{side}: {error.message}", code=error.code)
        return None

    def _wrong_account(self, side: str, manager: AwsConnectionManager) -> CopyError | None:
        """S3 answers 403 for another owner than expected, as for everything else: ask without it."""
        location = manager.location
        if location.account is None:
            return None
        try:
            self.send(BucketStore(manager.connect, location.bucket, None).server_time)
        except CopyError:
            return None
        msg = (
            f"{side}.account: bucket {location.bucket!r} does not belong to account {location.account}. "
            "Check the bucket's name and the account"
        )
        return AccessError(msg, code=WRONG_ACCOUNT)

    def object_exists(self, key: str) -> CopyError | None:
        """Look for one named source object."""
        try:
            found = self.send(lambda: self.source.head_object(key))
        except AccessError as error:
            resource = bucket_arn(self._job.source.bucket, key)
            return self._denied("source", ["s3:GetObject"], resource, error)
        except CopyError as error:
            return error
        if found is None:
            msg = f"there is no object s3://{self._job.source.bucket}/{key}"
            return MissingError(msg, code="NoSuchKey")
        return None

    def first_key(self, entry: PrefixEntry) -> str | None:
        """Return the first key below a source prefix, None where there is none."""
        page = self.send(
            lambda: self.source.list_page(entry.source, after=None, token=None, recursive=entry.recursive)
        )
        return page.objects[0].key if page.objects else None

    def can_read(self, key: str) -> CopyError | None:
        """Read a byte of a source object as the principal that will copy it."""
        source = self._job.source
        try:
            self.send(lambda: self.destination.read_first_byte(source.bucket, key, source.account))
        except AccessError as error:
            resource = bucket_arn(source.bucket, f"{key.rpartition('/')[0]}/*".lstrip("/"))
            return self._denied(
                "destination", read_actions(self._job.options), resource, error, other_bucket=source.bucket
            )
        except (RequestError, MissingError) as error:
            self.not_proven.append(f"read not proven by s3://{source.bucket}/{key}: {error}")
        except CopyError as error:
            return error
        return None

    def can_write(self, key: str) -> CopyError | None:
        """Start an upload with the job's options and abort it."""
        store, options = self.destination, self._job.options
        resource = bucket_arn(store.bucket, f"{key.rpartition('/')[0]}/*".lstrip("/"))
        actions = write_actions(options)
        try:
            upload_id = self.send(lambda: store.try_upload(key, options))
        except AccessError as error:
            return self._denied("destination", actions, resource, error)
        except CopyError as error:
            return type(error)(f"destination: {error.message}", code=error.code)
        return self._can_abort(key, upload_id, resource)

    def _can_abort(self, key: str, upload_id: str, resource: str) -> CopyError | None:
        try:
            self.send(lambda: self.destination.abort_multipart_upload(key, upload_id))
        except AccessError as error:
            denied = self._denied("destination", ["s3:AbortMultipartUpload"], resource, error)
            left = f"Upload {upload_id} of {key!r} in {self.destination.bucket} is left behind: abort it."
            return AccessError(f"{denied.message}\n{left}", code=error.code)
        except CopyError as error:
            return error
        return None

    def _denied(
        self,
        side: str,
        actions: list[str],
        resource: str,
        error: CopyError,
        *,
        other_bucket: str | None = None,
    ) -> CopyError:
        principal = self._managers[side].principal()
        where = (
            f"in the policy of bucket {other_bucket}, and without its Principal in that of the role"
            if other_bucket
            else "in the policy of the role"
        )
        missing = statement(actions, resource, principal if other_bucket else None)
        msg = (
            f"{principal} may not {' or '.join(actions)} on {resource} ({error}).\nMissing {where}: {missing}"
        )
        return AccessError(msg, code=error.code)
