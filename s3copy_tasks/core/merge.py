"""Merges two sorted listings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.errors import Code, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from s3copy_tasks.core.objects import S3Object


def merge(
    source: Iterable[S3Object], destination: Iterable[S3Object], source_prefix: str, destination_prefix: str
) -> Iterator[tuple[str, S3Object, S3Object | None]]:
    """Yield (key below the prefix, source object, destination object or None) for every source object.

    Both listings come in S3's order, UTF-8 binary, which is the order of Python's strings.

    Raises:
        RequestError: a listing is not in that order; those of directory buckets are not.
    """
    cut, existing = len(destination_prefix), check_sorted(destination)
    candidate = next(existing, None)
    for source_object in check_sorted(source):
        suffix = source_object.key[len(source_prefix) :]
        while candidate is not None and candidate.key[cut:] < suffix:
            candidate = next(existing, None)
        match = candidate if candidate is not None and candidate.key[cut:] == suffix else None
        yield suffix, source_object, match


def check_sorted(listing: Iterable[S3Object]) -> Iterator[S3Object]:
    """Yield a listing unchanged.

    Raises:
        RequestError: it is not in S3's order.
    """
    last = ""
    for listed in listing:
        if listed.key <= last:
            msg = f"the listing of {listed.bucket} is not sorted: {listed.key!r} comes after {last!r}"
            raise RequestError(msg, code=Code.NOT_SORTED)
        last = listed.key
        yield listed
