"""What one run copies: the job, with all templates rendered and all values checked.

These values travel between tasks, so they hold no secret and check themselves when they are made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Any, TypeAlias

from s3copy_tasks.core.abilities import ALL_ABILITIES, Abilities
from s3copy_tasks.core.key_list import KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import DEFAULT_OPTIONS, DEFAULT_TRANSFER, ObjectOptions, TransferOptions
from s3copy_tasks.core.places import find_clashes, find_ties, find_unsafe_deletes
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.errors import Code, ConfigError

DELETED_OBJECTS_MAX = 100_000
"""Highest limit of deletes in one run: its plan has a hash of 8 bytes for each key."""
KEY_BYTES_MAX = 1024
"""Longest key in bytes of UTF-8. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

EntryId: TypeAlias = int | None
"""Which entry of a job: the index of a prefix; None for its `objects`, all of them together."""


def entry_number(entry: EntryId) -> int:
    """Return the number of an entry in metrics and logs: the index of a prefix; -1 for the `objects`."""
    return -1 if entry is None else entry


class Overwrite(StrEnum):
    """What happens when the destination already has an object of that key."""

    ALWAYS = "always"
    CHANGED = "changed"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixEntry:
    """All objects below a source prefix, written below a destination prefix.

    Attributes:
        source: prefix, empty for the whole bucket, else ending in "/".
        destination: prefix that replaces it.
        recursive: False takes direct children only.
        folder: what the run has appended to both prefixes; filters apply to a key from there on.
    """

    source: str
    destination: str
    recursive: bool = True
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEntry:
    """One object by its key, written to one key.

    Attributes:
        source: key.
        destination: key.
        version_id: of the source; None means the current version.
    """

    source: str
    destination: str
    version_id: str | None = None


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


class Approval(StrEnum):
    """When a person has to approve what a run deletes."""

    NEVER = "never"
    ALWAYS = "always"
    ABOVE_CAPS = "above_caps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """What a job may delete of what its sources no longer have: docs/design/deleting.md.

    Attributes:
        max_deleted_objects: limit of deletes in one run, at most 100,000; 0 only reports what is extraneous.
        max_deleted_percent: limit in percent of the destination's objects in scope: of each group of entries,
            and of the run.
        approval: when a person decides; above the limits only then anything is deleted.
        allows_unversioned: delete where versioning is not enabled, and so nothing can be undone.
        on_aws: preflight found that the destination is AWS's S3: it compares the ETags of DeleteObjects, and
            two names are never one key.
        prefixes: all of the job's prefixes, rendered, whichever of them the run copies.
        objects: all of the job's single objects, rendered: their destinations are never deleted.
        delete_folder: destination prefix below which the run deletes everything, and copies nothing; None
            deletes what is extraneous.

    Raises:
        ConfigError: a limit is out of its range.
    """

    max_deleted_objects: int
    max_deleted_percent: float
    approval: Approval = Approval.NEVER
    allows_unversioned: bool = False
    on_aws: bool = False
    prefixes: tuple[PrefixEntry, ...] = ()
    objects: tuple[ObjectEntry, ...] = ()
    delete_folder: str | None = None

    def __post_init__(self) -> None:
        objects, percent = self.max_deleted_objects, self.max_deleted_percent
        if not 0 <= objects <= DELETED_OBJECTS_MAX or not 0 < percent <= 100:  # noqa: PLR2004 - all of them
            msg = f"mirror: limits out of range: {objects} objects, {percent} percent"
            raise ConfigError(msg, code=Code.INVALID_CONFIG)

    @property
    def most_deleted(self) -> int:
        """How many objects a run can delete at all, approved or not."""
        is_limited = self.approval is Approval.NEVER or not self.max_deleted_objects
        return self.max_deleted_objects if is_limited else DELETED_OBJECTS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveJob:
    """One run of a job: what `preflight` returns and every later task takes.

    Attributes:
        name: the job's name, which is its file's stem.
        run_id: names the run.
        digest: sha256 of the canonical config that this was rendered from.
        verify: "size" or "checksum": how a copy is verified.
        on_empty: "fail" or "succeed": what happens if no prefix has an object.
        run_started: time of the destination's clock before the first listing, in whole seconds.
        dry_run: plan and count, but copy nothing.
        relayed: preflight found that only a relay through the worker can copy (rule 14).
        source_behind_seconds: added to the dates of the source of a relay, whose clock is so far behind.
        abilities: what preflight found that the servers lack.
        assets: URIs of the destination folders that are the same in every run.
        keys_from: the list or the queue that names the keys; None means that the prefixes are listed.
        results: where a row for each object is written; None means nowhere.
        mirror: what the run may delete; None means nothing.

    Raises:
        ConfigError: two entries write one key, a destination overlaps a source, a key is empty or too long,
            the list or the results are in a place that the job copies to, or the mirror would delete what it
            must not. The message names the fields.
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
    verify: str = "size"
    on_empty: str = "fail"
    options: ObjectOptions = DEFAULT_OPTIONS
    transfer: TransferOptions = DEFAULT_TRANSFER
    max_failed_objects: int = 0
    run_started: datetime | None = None
    dry_run: bool = False
    relayed: bool = False
    source_behind_seconds: int = 0
    abilities: Abilities = ALL_ABILITIES
    assets: tuple[str, ...] = ()
    keys_from: KeyList | Queue | None = None
    results: ResultsPlace | None = None
    mirror: Mirror | None = None

    def __post_init__(self) -> None:
        whole = self.mirror or self  # a mirror needs the entries that the run leaves out, too
        entries = list_entries(whole.prefixes, whole.objects)
        found = [
            *find_bad_keys(list_entries(self.prefixes, self.objects)),
            *find_overlaps(self.source, self.destination, entries),
            *find_written_twice(entries),
            *find_ties(self.keys_from, entries),
        ]
        clashes = find_clashes(self.source, self.destination, entries, self.key_list, self.results)
        problems = [f"{field}[{index}].{side}: {words}" for (field, index, side), words in found]
        problems += [f"{field}: {words}" for field, _, words in clashes]
        problems += [f"mirror: {words}" for words in find_unsafe_deletes(self)]
        if problems:
            raise ConfigError("\n".join(problems), code=Code.INVALID_CONFIG)

    @property
    def key_list(self) -> KeyList | None:
        """The list that names the keys; None without a list."""
        return self.keys_from if isinstance(self.keys_from, KeyList) else None

    @property
    def locations(self) -> tuple[Location, ...]:
        """Every bucket that the run uses, and how its queue is read."""
        others = (each.location for each in (self.keys_from, self.results) if each is not None)
        return tuple(filter(None, (self.source, self.destination, *others)))


def canonical(document: dict[str, Any]) -> str:
    """Return a config as JSON that is the same whatever the order of its keys."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def compute_digest(document: dict[str, Any]) -> str:
    """Return the sha256 of a config, whatever the order of its keys."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


Where: TypeAlias = tuple[str, int, str]
"""A field of a job: `prefixes` or `objects`, an index, `source` or `destination`."""


def list_entries(
    prefixes: Sequence[PrefixEntry], objects: Sequence[ObjectEntry]
) -> list[tuple[str, int, PrefixEntry | ObjectEntry]]:
    """Return every entry with its field and its index."""
    return [
        *(("prefixes", index, entry) for index, entry in enumerate(prefixes)),
        *(("objects", index, entry) for index, entry in enumerate(objects)),
    ]


Entries: TypeAlias = Sequence[tuple[str, int, PrefixEntry | ObjectEntry]]


def key_bytes(key: str) -> int:
    """Return the length of a key as S3 counts it: in bytes of UTF-8."""
    return len(key.encode("utf-8", "surrogatepass"))


def find_bad_keys(entries: Entries) -> Iterator[tuple[Where, str]]:
    """Yield the rendered keys and prefixes that are not valid S3 keys, with the problem."""
    for field, index, entry in entries:
        for side in ("source", "destination"):
            key = getattr(entry, side)
            if field == "objects" and not key:
                yield (field, index, side), "the key is empty after rendering"
            if key_bytes(key) > KEY_BYTES_MAX:
                words = f"{key_bytes(key)} bytes after rendering; an S3 key has at most {KEY_BYTES_MAX}"
                yield (field, index, side), words


def find_overlaps(source: Location, destination: Location, entries: Entries) -> Iterator[tuple[Where, str]]:
    """Yield the destinations that overlap a source: the job would copy its own copies (rule 25).

    Templates may be compared before they are rendered: what overlaps then overlaps in every run.
    """
    if source.bucket != destination.bucket:
        return  # preflight refuses two buckets with the same name on two servers
    for (field, index, target), (other, other_index, origin) in product(entries, entries):
        write, read = target.destination, origin.source
        if (
            read == write
            or (other == "prefixes" and write.startswith(read))
            or (field == "prefixes" and read.startswith(write))
        ):
            words = (
                f"{destination}/{write} overlaps {source}/{read}, the source of {other}[{other_index}]: the "
                "job would copy what it wrote itself. Choose a destination apart from every source"
            )
            yield (field, index, "destination"), words


def find_written_twice(entries: Entries) -> Iterator[tuple[Where, str]]:
    """Yield the entries that write the same keys as an earlier one, in every run.

    Prefixes may share a destination: the plan makes sure that no key is written twice.
    """
    first: dict[tuple[str, ...], int] = {}
    for field, index, entry in entries:
        if field == "prefixes":
            earlier = first.setdefault((field, entry.destination, entry.source), index)
        else:
            earlier = first.setdefault((field, entry.destination), index)
        if earlier != index:
            yield (field, index, "destination"), f"{field}[{earlier}] writes {entry.destination!r} too"
