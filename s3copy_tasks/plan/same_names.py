"""Finds extraneous objects whose names a server may take for those of copies: it ignores case or form."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.plan.extraneous import GroupListing


def fold(key: str) -> str:
    """Return what keys have in common that a server may take for one: in case, or in form of Unicode."""
    return normalize("NFC", normalize("NFC", key).casefold())


def find_same_names(whole: GroupListing, extraneous: Iterable[S3Object]) -> list[S3Object]:
    """Return the extraneous objects that a server may take for the copy of an object under another name.

    Lists the sources of the whole group, if anything is extraneous.

    Args:
        whole: listing of a group.
        extraneous: what it found.

    Raises:
        CopyError: a listing failed.
    """
    folded: dict[str, list[S3Object]] = {}
    for found in extraneous:
        folded.setdefault(fold(found.key), []).append(found)
    same: list[S3Object] = []
    if folded:
        with closing(whole.map_sources()) as mapped:
            for key in chain(mapped, whole.named):
                same += folded.pop(fold(key), ())
    return same
