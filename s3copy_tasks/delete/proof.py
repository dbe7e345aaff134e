"""Proves by HEADs that no source has an object before it is deleted; listings alone may be late, or lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import KeptReason
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.workers import Workers
from s3copy_tasks.errors import Code, CopyError, MissingError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.mirror_group import MirrorGroup
    from s3copy_tasks.delete.candidates import Candidate
    from s3copy_tasks.engine.paced_store import PacedStore
    from s3copy_tasks.engine.sender import Sender


_HEADS_LEFT = 2_500
"""HEADs that are still to be sent when another batch may begin: it lists its ranges meanwhile."""


class Proof:
    """Which of a batch's candidates no source has.

    A HEAD's 404 has no body: the bucket may be gone, or the endpoint may lead elsewhere. So a witness, a key
    that a listing of the source has just shown, must be there before the first HEAD and after the last.

    Args:
        source: the store of the source.
        sender: of its requests.
        witness: key of the source; None if no candidate may have a source.

    Attributes:
        kept: why candidates are kept, by their keys.
        refused: errors of candidates whose HEAD was refused, by their keys.
    """

    def __init__(self, source: PacedStore, sender: Sender, witness: str | None) -> None:
        self._source = source
        self._sender = sender
        self._witness = witness
        self.kept: dict[str, KeptReason] = {}
        self.refused: dict[str, CopyError] = {}
        self._is_answered = True

    def prove(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates that no source has.

        Raises:
            CopyError: the witness is missing, or a HEAD was not answered: nothing may be deleted.
            InterruptedError: the sender was stopped.
        """
        self._check_witness()
        workers = Workers(self._head_sources, lambda: self._sender.in_flight_limit)
        try:
            for number, candidate in enumerate(candidates):
                if number + _HEADS_LEFT >= len(candidates):
                    self._sender.last_begun.set()
                workers.add(candidate)
            workers.finish()
        except BaseException:
            workers.abandon()
            raise
        self._check_witness()
        return [each for each in candidates if each.found.key not in self.kept]

    async def _head_sources(self, candidate: Candidate) -> None:
        key = candidate.found.key
        if not self._is_answered:
            return
        try:
            for source_key in candidate.group.find_sources(key):
                if await self._source.head_object(source_key, entry=candidate.group.number) is not None:
                    self.kept[key] = KeptReason.SOURCE_EXISTS
                    return
        except (MissingError, TransientError):
            self._is_answered = False
            raise
        except CopyError as error:
            self.kept[key] = KeptReason.NOT_PROVEN
            self.refused[key] = error

    def _check_witness(self) -> None:
        if self._witness is None:
            return
        if wait_for(self._source.head_object(self._witness)) is None:
            msg = (
                f"{self._witness!r} was listed in the source, but a HEAD does not find it: HEADs do not "
                "prove that anything is gone"
            )
            raise MissingError(msg, code=Code.NOT_PROVEN)


def find_witness(source: PacedStore, groups: Sequence[MirrorGroup]) -> str | None:
    """Return a key that the source has now; None if all groups are deleted whatever the source has.

    Raises:
        CopyError: a listing failed, or the source has no object below any prefix of the groups.
    """
    if not any(group.entries for group in groups):
        return None
    for group in groups:
        for entry in group.entries:
            # One page is enough, and no other is requested ahead: any key below the prefix will do.
            page = wait_for(
                source.list_page(entry.source, after=None, token=None, recursive=True, entry=group.number)
            )
            if page.objects:
                return page.objects[0].key
    msg = "the source has no object: HEADs would not prove that anything is gone"
    raise MissingError(msg, code=Code.NOT_PROVEN)
