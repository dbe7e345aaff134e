"""Proves before the first copy that everything is there and allowed: rule 17 of docs/design/rules.md.

Nothing is written: the right to write is proven by starting a multipart upload and aborting it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
from s3copy_tasks.s3.policies import (
    bucket_arn,
    kms_statement,
    read_actions,
    statement,
    write_actions,
)
from s3copy_tasks.s3.store import BucketStore
from s3copy_tasks.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

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
    started = checks.times["destination"]
    with ThreadPoolExecutor(job.transfer.concurrency) as pool:
        others = job.prefixes[1:]  # the first has been listed
        checks.raise_first(pool.map(lambda e: checks.can_list("source", e.source), others))
        checks.raise_first(pool.map(lambda e: checks.can_list("destination", e.destination), others))
        checks.raise_first(pool.map(checks.object_exists, [entry.source for entry in job.objects]))
        firsts = list(pool.map(checks.first_key, job.prefixes))
        _something_found(job, firsts)
        found = [(e.source + "*", key) for e, key in zip(job.prefixes, firsts, strict=True) if key]
        readable = [*found, *((entry.source, entry.source) for entry in job.objects)]
        reads = list(pool.map(lambda pair: checks.can_read(*pair), readable))
        writes = list(pool.map(lambda pair: checks.can_write(*pair), _write_keys(job)))
        looks = list(pool.map(checks.can_look, [entry.destination for entry in job.objects]))
        checks.raise_first([*reads, *writes, *looks])
    empty = (
        f"read not proven below s3://{job.source.bucket}/{entry.source}: no object there"
        for entry, first in zip(job.prefixes, firsts, strict=True)
        if first is None
    )
    return Preflight(job=replace(job, run_started=started), not_proven=(*empty, *checks.not_proven))


def _places(job: EffectiveJob, side: str) -> list[str]:
    """Return the prefixes and keys of one side."""
    return [getattr(entry, side) for entry in (*job.prefixes, *job.objects)] or [""]


def _same_server(job: EffectiveJob, source: AwsConnectionManager, destination: AwsConnectionManager) -> None:
    """A server-side copy needs both buckets on one server (rule 14)."""
    for side, manager in (("source", source), ("destination", destination)):
        if manager.location.bucket.endswith(_DIRECTORY_BUCKET):
            bucket = manager.location.bucket
            msg = f"{side}.bucket: {bucket} is a directory bucket, whose listings are not sorted"
            raise ConfigError(msg, code=DIRECTORY_BUCKET)
    ours, theirs = source.endpoint_url(), destination.endpoint_url()
    if _server(ours) != _server(theirs):
        msg = (
            f"{job.source} is on {ours or 'AWS'}, {job.destination} on {theirs or 'AWS'}: "
            "one server can't copy from the other, and bytes are never sent through the worker"
        )
        raise ConfigError(msg, code=RELAY_NEEDED)


def _server(endpoint_url: str | None) -> str | None:
    """Return what two endpoints of one server have in common; None for AWS, whose endpoints are one."""
    host = urlsplit(endpoint_url or "").netloc.lower()
    return None if not host or host.removesuffix(".cn").endswith(".amazonaws.com") else host


def _something_found(job: EffectiveJob, firsts: list[str | None]) -> None:
    if job.objects or any(first is not None for first in firsts):
        return
    where = ", ".join(f"s3://{job.source.bucket}/{entry.source}" for entry in job.prefixes[:_SHOWN])
    msg = f"no object below {where}. Check the source prefixes, and that their data has arrived"
    raise MissingError(msg, code=NOTHING_FOUND)


def _write_keys(job: EffectiveJob) -> list[tuple[str, str]]:
    """Return (keys that must be writable, a key to try): one that nobody uses below each prefix."""
    run = "".join(c if c.isalnum() else "-" for c in job.run_id)
    prefixes = dict.fromkeys(entry.destination for entry in job.prefixes)
    below = [(f"{prefix}*", f"{prefix}.s3copy-preflight-{run}") for prefix in prefixes]
    return [*below, *((entry.destination, entry.destination) for entry in job.objects)]


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
        self.times: dict[str, datetime] = {}

    def raise_first(self, found: Iterable[CopyError | None]) -> None:
        """Raise the first error, its message followed by the others'."""
        errors = [error for error in found if error is not None]
        if not errors:
            return
        messages = list(dict.fromkeys(error.message for error in errors))
        more = [f"... and {len(messages) - _SHOWN} more"] if len(messages) > _SHOWN else []
        raise type(errors[0])("\n".join(messages[:_SHOWN] + more), code=errors[0].code)

    def can_list(self, side: str, prefix: str | None = None) -> CopyError | None:
        """Assume the role, find the bucket, list it below a prefix, or else below the job's first."""
        manager = self._managers[side]
        location = manager.location
        store = self.source if side == "source" else self.destination
        where = _places(self._job, side)[0] if prefix is None else prefix
        try:
            self.times[side] = self.send(lambda: store.server_time(where))
        except AccessError as error:
            if error.code == CREDENTIALS:
                return error
            return self._wrong_account(side, manager, where) or self._denied(
                side, ["s3:ListBucket"], location.bucket, error, prefix=where
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

    def _wrong_account(self, side: str, manager: AwsConnectionManager, prefix: str) -> CopyError | None:
        """S3 answers 403 for another owner than expected, as for everything else: ask without it."""
        location = manager.location
        if location.account is None:
            return None
        try:
            stranger = BucketStore(manager.connect, location.bucket, None)
            self.send(lambda: stranger.server_time(prefix))
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
            return self._denied("source", ["s3:GetObject"], self._job.source.bucket, error, keys=key)
        except CopyError as error:
            return error
        if found is None:
            msg = f"there is no object s3://{self._job.source.bucket}/{key}"
            return MissingError(msg, code="NoSuchKey")
        return None

    def can_look(self, key: str) -> CopyError | None:
        """Look for the copy of a single object: no listing tells of it."""
        try:
            self.send(lambda: self.destination.head_object(key))
        except AccessError as error:
            return self._denied("destination", ["s3:GetObject"], self.destination.bucket, error, keys=key)
        except CopyError as error:
            return error
        return None

    def first_key(self, entry: PrefixEntry) -> str | None:
        """Return the first key below a source prefix, None where there is none."""
        token = None
        while True:  # a page may hold nothing but folders
            page = self.send(
                lambda token=token: self.source.list_page(  # type: ignore[misc]
                    entry.source, after=None, token=token, recursive=entry.recursive
                )
            )
            token = page.token
            if page.objects or token is None:
                return page.objects[0].key if page.objects else None

    def can_read(self, keys: str, key: str) -> CopyError | None:
        """Read a byte of a source object as the principal that will copy it and all like it."""
        source = self._job.source
        try:
            self.send(lambda: self.destination.read_first_byte(source.bucket, key, source.account))
        except AccessError as error:
            actions = read_actions(self._job.options)
            return self._denied("destination", actions, source.bucket, error, keys=keys)
        except (RequestError, MissingError) as error:
            self.not_proven.append(f"read not proven by s3://{source.bucket}/{key}: {error}")
        except CopyError as error:
            return error
        return None

    def can_write(self, keys: str, key: str) -> CopyError | None:
        """Start an upload with the job's options and abort it."""
        store, options = self.destination, self._job.options
        try:
            upload_id = self.send(lambda: store.try_upload(key, options))
        except AccessError as error:
            return self._denied("destination", write_actions(options), store.bucket, error, keys=keys)
        except CopyError as error:
            return type(error)(f"destination: {error.message}", code=error.code)
        return self._can_abort(keys, key, upload_id)

    def _can_abort(self, keys: str, key: str, upload_id: str) -> CopyError | None:
        store = self.destination
        try:
            self.send(lambda: store.abort_multipart_upload(key, upload_id))
        except AccessError as error:
            denied = self._denied("destination", ["s3:AbortMultipartUpload"], store.bucket, error, keys=keys)
            left = f"Upload {upload_id} of {key!r} in {store.bucket} is left behind: abort it."
            return AccessError(f"{denied.message}\n{left}", code=error.code)
        except CopyError as error:
            return error
        return None

    def _denied(
        self,
        side: str,
        actions: list[str],
        bucket: str,
        error: CopyError,
        *,
        keys: str | None = None,
        prefix: str | None = None,
    ) -> CopyError:
        """Say who may not do what on which resource, and which statement would allow it."""
        manager = self._managers[side]
        principal = manager.principal()
        resource = bucket_arn(principal, bucket, keys)
        named = f"{principal} may not {' or '.join(actions)} on {resource} ({error})."
        by_kms = kms_statement(error.message, self._job.options.kms_key_id)
        if by_kms is not None:
            missing = f"Missing in the policies of the key and of the role: {by_kms}"
        elif bucket == manager.location.bucket:
            missing = f"Missing in the policy of the role: {statement(actions, resource, prefix=prefix)}"
        else:
            allowed = statement(actions, resource, principal=manager.location.role_arn or principal)
            where = f"in the policy of bucket {bucket}, and without its Principal in that of the role"
            missing = f"Missing {where}: {allowed}"
        return AccessError(f"{named}\n{missing}", code=error.code)
