"""What one run copies: the job with every template rendered and every value checked.

These values travel between tasks, so they hold no secret and check themselves when they are made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Any

from s3copy_tasks.errors import INVALID_CONFIG, ConfigError

KEY_BYTES_MAX = 1024
"""Longest key in bytes of UTF-8. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""


class Overwrite(StrEnum):
    """What happens when the destination already has an object of that key."""

    ALWAYS = "always"
    CHANGED = "changed"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A bucket, and how to reach it. Names of roles and connections only, never a secret.

    Attributes:
        bucket: the bucket's name.
        account: twelve digits; sent as the expected owner with every request to the bucket.
        connection: id of an Airflow AWS connection; excludes role_arn.
        role_arn: role to assume with the environment's own credentials.
        external_id: sent when role_arn is assumed.
        region: None means what the connection or the environment says.
        endpoint_url: of an S3-compatible server; None means AWS.
    """

    bucket: str
    account: str | None = None
    connection: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    region: str | None = None
    endpoint_url: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixEntry:
    """All objects below a source prefix, written below a destination prefix.

    Attributes:
        source: prefix, empty for the whole bucket, else ending in "/".
        destination: prefix that replaces it.
        recursive: False takes direct children only.
    """

    source: str
    destination: str
    recursive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEntry:
    """One object by its key, written to one key."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which objects below the prefixes take part.

    Attributes:
        include: globs on the key below the prefix; "*" crosses "/". Empty means everything.
        exclude: globs that win over include.
        modified_since: objects dated before this are left out.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    modified_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """What a copy sets on the new object.

    Attributes:
        storage_class: "preserve" keeps the source's class, else a class of S3.
        acl: None sends none; a bucket that enforces its owner refuses any other than
            bucket-owner-full-control.
        kms_key_id: encrypts with this key; None leaves it to the bucket's default.
        tags: "copy" or "drop".
    """

    storage_class: str = "preserve"
    acl: str | None = None
    kms_key_id: str | None = None
    tags: str = "copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """How much work a task does, and how much at once.

    Attributes:
        batch_objects: objects in a batch; grows when a run would need more than 500 batches.
        batch_bytes: bytes in a batch.
        concurrency: requests in flight per task.
        max_active_batches: batches that run at the same time.
        pool: Airflow pool of the batches.
    """

    batch_objects: int = 10_000
    batch_bytes: int = 100 * 2**30
    concurrency: int = 64
    max_active_batches: int = 8
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveJob:
    """One run of a job: what `preflight` returns and every later task takes.

    Attributes:
        name: the job's name, which is its file's stem.
        run_id: names the run.
        digest: sha256 of the canonical config that this was rendered from.
        run_started: the destination's own clock before the first listing, whole seconds.
        dry_run: plan, count, copy nothing.
        assets: URIs of the destination folders, as far as they are the same in every run.

    Raises:
        ConfigError: two entries write one key, a destination overlaps a source, or a key is
            empty or too long. The message names the entries.
    """

    name: str
    run_id: str
    digest: str
    source: Location
    destination: Location
    prefixes: tuple[PrefixEntry, ...] = ()
    objects: tuple[ObjectEntry, ...] = ()
    filters: Filters = Filters()
    overwrite: Overwrite = Overwrite.CHANGED
    options: ObjectOptions = ObjectOptions()
    transfer: TransferOptions = TransferOptions()
    max_failed_objects: int = 0
    run_started: datetime | None = None
    dry_run: bool = False
    assets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [*_bad_keys(self), *_overlaps(self), *_equal_objects(self)]
        if problems:
            raise ConfigError("\n".join(problems), code=INVALID_CONFIG)


def digest_of(document: dict[str, Any]) -> str:
    """Return the sha256 of a config, whatever the order of its keys."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def key_bytes(key: str) -> int:
    """Return the length of a key as S3 counts it: bytes of UTF-8."""
    return len(key.encode("utf-8", "surrogatepass"))


def _bad_keys(job: EffectiveJob) -> list[str]:
    problems = []
    for index, entry in enumerate(job.objects):
        for side, key in (("source", entry.source), ("destination", entry.destination)):
            if not key:
                problems.append(f"objects[{index}].{side}: the key is empty after rendering")
    for path, key in _keys(job):
        if key_bytes(key) > KEY_BYTES_MAX:
            problems.append(
                f"{path}: {key_bytes(key)} bytes after rendering; a key of S3 has at most {KEY_BYTES_MAX}"
            )
    return problems


def _keys(job: EffectiveJob) -> list[tuple[str, str]]:
    entries: list[tuple[str, PrefixEntry | ObjectEntry]] = [
        *((f"prefixes[{i}]", entry) for i, entry in enumerate(job.prefixes)),
        *((f"objects[{i}]", entry) for i, entry in enumerate(job.objects)),
    ]
    return [
        (f"{path}.{side}", getattr(entry, side))
        for path, entry in entries
        for side in ("source", "destination")
    ]


def _overlaps(job: EffectiveJob) -> list[str]:
    """Rule 25: a destination that overlaps any source of the job would feed or overwrite it."""
    if job.source.bucket != job.destination.bucket:
        return []  # buckets of one name on two servers are refused in preflight
    reads = [(entry.source, True) for entry in job.prefixes] + [(e.source, False) for e in job.objects]
    writes = [(entry.destination, True) for entry in job.prefixes] + [
        (e.destination, False) for e in job.objects
    ]
    return [
        f"destination {job.destination}/{write} overlaps source {job.source}/{read}: "
        "the job would copy what it wrote itself. Choose a destination apart from every source"
        for (read, reads_below), (write, writes_below) in product(reads, writes)
        if read == write
        or (reads_below and write.startswith(read))
        or (writes_below and read.startswith(write))
    ]


def _equal_objects(job: EffectiveJob) -> list[str]:
    first: dict[str, int] = {}
    problems = []
    for index, entry in enumerate(job.objects):
        earlier = first.setdefault(entry.destination, index)
        if earlier != index:
            problems.append(
                f"objects[{index}].destination: objects[{earlier}] writes {entry.destination!r} too"
            )
    return problems
