"""Two sorted listings, side by side."""

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
        RequestError: a listing is not in that order, as those of directory buckets are not.
    """
    cut, destinations = len(destination_prefix), _sorted(destination)
    other = next(destinations, None)
    for one in _sorted(source):
        suffix = one.key[len(source_prefix) :]
        while other is not None and other.key[cut:] < suffix:
            other = next(destinations, None)
        match = other if other is not None and other.key[cut:] == suffix else None
        yield suffix, one, match


def _sorted(listing: Iterable[S3Object]) -> Iterator[S3Object]:
    last = ""
    for one in listing:
        if one.key <= last:
            msg = f"the listing of {one.bucket} is not sorted: {one.key!r} comes after {last!r}"
            raise RequestError(msg, code=Code.NOT_SORTED)
        last = one.key
        yield one
