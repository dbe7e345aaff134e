"""The operator's copy as a value: what to copy, where to, and its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from s3copy_tasks.core.bucket_names import find_address_problem, find_bucket_problem, split_address
from s3copy_tasks.core.job import (
    KEY_BYTES_MAX,
    EffectiveJob,
    ObjectEntry,
    Overwrite,
    PrefixEntry,
    compute_digest,
    key_bytes,
)
from s3copy_tasks.core.key_list import FAILED_COLUMNS, Column, KeyList, find_columns_problem
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import ConfigError

BATCH_SIZE_MAX = 1_000
_KEYS = ("source_key", "destination_key")


class OperationState(StrEnum):
    """How far an operation has come.

    Example:
        >>> OperationState("copying") is OperationState.COPYING
        True
    """

    INITIALIZED = "initialized"
    VALIDATING = "validating"
    COPYING = "copying"
    COMPLETED = "completed"
    VALIDATION_FAILED = "validation_failed"
    COPY_FAILED = "copy_failed"


_NEXT: dict[OperationState, frozenset[OperationState]] = {
    OperationState.INITIALIZED: frozenset({OperationState.VALIDATING}),
    OperationState.VALIDATING: frozenset({OperationState.COPYING, OperationState.VALIDATION_FAILED}),
    OperationState.COPYING: frozenset({OperationState.COMPLETED, OperationState.COPY_FAILED}),
    OperationState.COMPLETED: frozenset(),
    OperationState.VALIDATION_FAILED: frozenset(),
    OperationState.COPY_FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3CopyOperation:
    """One copy of an object, or of everything below a prefix, between two buckets.

    Attributes:
        source_bucket: name of the bucket.
        source_key: key of the object; with `recursive` a prefix that ends with "/", empty for the whole
            bucket.
        destination_bucket: name of the bucket.
        destination_key: key of the copy; with `recursive` the prefix that replaces the source's.
        recursive: copy everything below the prefix.
        source_aws_conn_id: Airflow connection; None means the environment's own credentials.
        dest_aws_conn_id: the same for the destination, which also signs the copies.
        batch_size: objects per batch, 1 to 1,000; progress is reported per batch.
        overwrite: True replaces objects that exist at the destination; False keeps them.
        manifest: address of a list of keys below source_key, or of a prefix of lists; None lists source_key.
        manifest_columns: what each column of the list holds; None means those of a list of failed objects.
        state: how far it has come.

    Raises:
        ValueError: names every wrong field.

    Example:
        >>> buckets = {"source_bucket": "science", "destination_bucket": "archive"}
        >>> keys = {"source_key": "daily/", "destination_key": "copies/"}
        >>> operation = S3CopyOperation(**buckets, **keys, recursive=True)
        >>> operation.moved_to(OperationState.VALIDATING).state
        <OperationState.VALIDATING: 'validating'>
    """

    source_bucket: str
    source_key: str
    destination_bucket: str
    destination_key: str
    recursive: bool = False
    source_aws_conn_id: str | None = None
    dest_aws_conn_id: str | None = None
    batch_size: int = 100
    overwrite: bool = True
    manifest: str | None = None
    manifest_columns: Sequence[str] | None = None
    state: OperationState = OperationState.INITIALIZED

    def __post_init__(self) -> None:
        inputs = asdict(self)
        problems = [
            *_check_buckets(inputs),
            *(_check_prefixes(inputs) if self.recursive else _check_keys(inputs)),
            *_check_lengths(inputs),
            *_check_connections(inputs),
            *_check_options(inputs),
            *_check_manifest(inputs),
        ]
        if not problems:
            problems = self._find_overlaps()
        if problems:
            raise ValueError("\n".join(problems))

    def _find_overlaps(self) -> list[str]:
        try:
            self.job("", "")
        except ConfigError as error:
            if error.message.startswith("from: "):
                return [error.message.replace("from: ", "manifest: ", 1)]
            source = f"s3://{self.source_bucket}/{self.source_key}"
            return [f"destination_key: {self.destination_key!r} overlaps the source {source}; choose another"]
        return []

    def moved_to(self, state: OperationState) -> S3CopyOperation:
        """Return the operation in its next state.

        Raises:
            ValueError: the operation can't change to that state now.
        """
        if state not in _NEXT[self.state]:
            msg = f"an operation that is {self.state} can't become {state}"
            raise ValueError(msg)
        return replace(self, state=state)

    def job(self, name: str, operation_id: str) -> EffectiveJob:
        """Return the job that a run takes.

        Args:
            name: for people.
            operation_id: the id of the run.
        """
        inputs = {
            field: value
            for field, value in asdict(self).items()
            if field != "state" and not (field.startswith("manifest") and value is None)
        }
        source, destination = self.source_key, self.destination_key
        return EffectiveJob(
            name=name,
            run_id=operation_id,
            digest=compute_digest(inputs),
            source=self._source,
            destination=Location(bucket=self.destination_bucket, connection=self.dest_aws_conn_id),
            prefixes=(PrefixEntry(source=source, destination=destination),) if self.recursive else (),
            objects=() if self.recursive else (ObjectEntry(source=source, destination=destination),),
            overwrite=Overwrite.ALWAYS if self.overwrite else Overwrite.NEVER,
            transfer=TransferOptions(batch_objects=self.batch_size),
            keys_from=self._key_list,
        )

    @property
    def _source(self) -> Location:
        return Location(bucket=self.source_bucket, connection=self.source_aws_conn_id)

    @property
    def _key_list(self) -> KeyList | None:
        if self.manifest is None:
            return None
        bucket, key = split_address(self.manifest)
        columns = FAILED_COLUMNS if self.manifest_columns is None else self.manifest_columns
        return KeyList(location=self._source.reach(bucket), key=key, columns=tuple(map(Column, columns)))


def _check_buckets(inputs: Mapping[str, Any]) -> list[str]:
    problems = {
        field: _find_bucket_problem(inputs[field]) for field in ("source_bucket", "destination_bucket")
    }
    return [f"{field}: {inputs[field]!r} {words}" for field, words in problems.items() if words is not None]


def _find_bucket_problem(bucket: Any) -> str | None:
    return find_bucket_problem(bucket) if isinstance(bucket, str) else "is not a text"


def _check_prefixes(inputs: Mapping[str, Any]) -> list[str]:
    return [
        f"{field}: {inputs[field]!r} must end with '/' when recursive is set (without it, the prefix matches "
        "its siblings too), or be empty for the whole bucket"
        for field in _KEYS
        if not isinstance(inputs[field], str) or (inputs[field] and not inputs[field].endswith("/"))
    ]


def _check_keys(inputs: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{field}: {inputs[field]!r} is not a valid key: name one object, or set recursive for a prefix"
        for field in _KEYS
        if not isinstance(inputs[field], str) or not inputs[field]
    ]
    source, destination = (inputs[field] for field in _KEYS)
    if not problems and destination.endswith("/") and not source.endswith("/"):
        whole = destination + source.rpartition("/")[2]
        problems.append(f"destination_key: {destination!r} is not a complete key; write {whole!r}")
    return problems


def _check_lengths(inputs: Mapping[str, Any]) -> list[str]:
    return [
        f"{field}: {key_bytes(inputs[field])} bytes; an S3 key has at most {KEY_BYTES_MAX}"
        for field in _KEYS
        if isinstance(inputs[field], str) and key_bytes(inputs[field]) > KEY_BYTES_MAX
    ]


def _check_connections(inputs: Mapping[str, Any]) -> list[str]:
    return [
        f"{field}: {inputs[field]!r} is not a valid connection id; None means the environment's credentials"
        for field in ("source_aws_conn_id", "dest_aws_conn_id")
        if inputs[field] is not None and not (isinstance(inputs[field], str) and inputs[field])
    ]


def _check_options(inputs: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{field}: must be True or False, not {inputs[field]!r}"
        for field in ("recursive", "overwrite")
        if not isinstance(inputs[field], bool)
    ]
    size = inputs["batch_size"]
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= BATCH_SIZE_MAX:
        problems.append(f"batch_size: must be a whole number from 1 to {BATCH_SIZE_MAX}, not {size!r}")
    return problems


def _check_manifest(inputs: Mapping[str, Any]) -> list[str]:
    manifest, columns = inputs["manifest"], inputs["manifest_columns"]
    problems = []
    if manifest is not None:
        words = find_address_problem(manifest) if isinstance(manifest, str) else "is not a text"
        if words is None and not inputs["recursive"]:
            words = "needs recursive=True: source_key and destination_key are the prefixes of its keys"
        problems += [f"manifest: {manifest!r}: {words}"] if words else []
    if columns is not None:
        if manifest is None:
            words = "needs manifest"
        elif isinstance(columns, list | tuple):
            words = find_columns_problem(columns)
        else:
            words = f"must be a list of names, not {columns!r}"
        problems += [f"manifest_columns: {words}"] if words else []
    return problems
