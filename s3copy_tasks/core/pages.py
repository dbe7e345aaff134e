"""The first page of a listing, and whether pages lead on, whatever they list: keys, or open uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from s3copy_tasks.errors import Code, RequestError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from s3copy_tasks.core.store import Page


class Listed(NamedTuple):
    """What is listed from its first key on.

    Attributes:
        side: "source" or "destination".
        prefix: of all keys.
        recursive: False lists only direct children.
    """

    side: str
    prefix: str
    recursive: bool


FirstPages: TypeAlias = Mapping[Listed, "Page"]
"""First pages that are known already."""

EMPTY_PAGES_MAX = 5_000
"""Pages in a row that may hold no key: S3 sends such pages where it has 1,000 folders, or delete markers."""


class PageTrail:
    """The pages since the last one that led on; finds pages that lead in a circle, in constant memory.

    One earlier token is kept, and replaced after 1, 2, 4, ... pages: sooner or later it is one of the circle.
    """

    def __init__(self) -> None:
        self._kept: Hashable = None
        self._pages = 0

    def check(self, token: Hashable, *, leads_on: bool) -> RequestError | None:
        """Return the error of a page that leads nowhere.

        Args:
            token: opens the page after it; not None.
            leads_on: the page has a key that comes after all keys before it.
        """
        if leads_on:
            self._kept, self._pages = None, 0
            return None
        if token == self._kept:
            return RequestError("a page of the listing is empty, and leads to itself", code=Code.NOT_S3)
        self._pages += 1
        if self._pages > EMPTY_PAGES_MAX:
            msg = f"{EMPTY_PAGES_MAX} pages of the listing in a row are empty"
            return RequestError(msg, code=Code.NOT_S3)
        if self._pages & (self._pages - 1) == 0:
            self._kept = token
        return None
