"""Checks of listing and reading: a refusal names the principal, the action and the resource (rule 17)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from s3copy_tasks.core.clocks import ClockReading, find_lag_seconds
from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.job import PrefixEntry
from s3copy_tasks.core.objects import is_md5
from s3copy_tasks.core.pages import Listed, PageTrail
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore, pace_stores
from s3copy_tasks.errors import AccessError, Code, CopyError, MissingError, RequestError, UnsupportedError
from s3copy_tasks.iam.statements import read_actions
from s3copy_tasks.preflight.apart import explain_elsewhere
from s3copy_tasks.preflight.denial import describe_denial
from s3copy_tasks.preflight.hints import name_side
from s3copy_tasks.s3.bucket import BucketStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from datetime import datetime
    from typing import Any

    from s3copy_tasks.core.job import EffectiveJob, ObjectEntry
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import AwsConnectionManager, Sides
    from s3copy_tasks.s3.side_connection import SideName

SIDES: Final[tuple[SideName, SideName]] = ("source", "destination")
_SHOWN = 10
_FIRST_PAGES_MAX = 32
"""Pages that are kept, with 1,000 keys each; of any others, only the first key."""
_NO_CLOCK = (
    "the server's replies have no valid Date header. This machine's clock is used instead: keep both in sync"
)
_NO_BUCKET = "NoSuchBucket"
_NO_CONNECTION = frozenset({Code.ENDPOINT_UNREACHABLE, "ConnectionClosedError", "ReadTimeoutError"})


class Checks:
    """Each check returns the error that it found, so that one run reports all errors together.

    Args:
        job: the run.
        sides: the source lists, and reads for a relay; the destination copies.
        sender: the budget of requests.
        clock: of this machine, for servers that do not send a date.

    Attributes:
        times: the clock of each side.
        first_pages: those of the first listings.
    """

    def __init__(
        self, job: EffectiveJob, sides: Sides, sender: Sender, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._job = job
        self._clock = clock
        self._managers = {"source": sides.source, "destination": sides.destination}
        self._sender = sender
        self._stores = pace_stores(sides.stores, sender)
        self._remarks: list[str] = []
        self.times: dict[str, datetime] = {}
        self._readings: dict[str, ClockReading] = {}
        self.first_pages: dict[Listed, Page] = {}
        self._begun: dict[Listed, Page] = {}

    @property
    def not_proven(self) -> list[str]:
        """What could not be checked, or is not as on S3, in words."""
        no_clocks = [f"{side}: {_NO_CLOCK}" for side in SIDES if side in self.times.keys() - self._readings]
        return [*no_clocks, *self._remarks]

    @property
    def source_behind_seconds(self) -> int:
        """How far the source's clock may be behind the destination's, once both were listed."""
        return find_lag_seconds(self._readings.get("source"), self._readings.get("destination"))

    def raise_first(self, found: Iterable[CopyError | None]) -> None:
        """Raise the first error, with the messages of the others added to its own."""
        errors = [error for error in found if error is not None]
        if not errors:
            return
        messages = list(dict.fromkeys(error.message for error in errors))
        more = [f"... and {len(messages) - _SHOWN} more"] if len(messages) > _SHOWN else []
        raise type(errors[0])("\n".join(messages[:_SHOWN] + more), code=errors[0].code)

    def can_list(self, side: SideName, entry: PrefixEntry | ObjectEntry) -> CopyError | None:
        """Assume the role, find the bucket, and list the first page of an entry."""
        manager = self._managers[side]
        first = _listed(side, entry)
        try:
            manager.connect()
        except CopyError as error:  # it names the side itself
            return error
        sent = self._clock()
        try:
            page = wait_for(self._list_page(first))
        except AccessError as error:
            return self._wrong_account(side, manager, first.prefix) or self._denied(
                side, ["s3:ListBucket"], manager.location.bucket, error, prefix=first.prefix
            )
        except MissingError as error:
            msg = f"{side}.bucket: bucket {manager.location.bucket!r} does not exist ({error.code})"
            return MissingError(msg, code=error.code)
        except CopyError as error:
            if error.code in _NO_CONNECTION:
                msg = f"{side}: S3 can't be reached: {error.message}. Check endpoint_url and the network"
                return type(error)(msg, code=error.code)
            return name_side(side, error)
        self._begun[first] = replace(page, objects=page.objects[:1])
        if len(self.first_pages) < _FIRST_PAGES_MAX:
            self.first_pages[first] = page
        if side not in self.times:
            self._note_time(side, sent, page.server_time)
        return None

    def _list_page(self, first: Listed, token: str | None = None) -> Coroutine[Any, Any, Page]:
        store = self._stores.source if first.side == "source" else self._stores.destination
        return store.list_page(first.prefix, after=None, token=token, recursive=first.recursive)

    def _note_time(self, side: SideName, sent: datetime, server_time: datetime | None) -> None:
        if server_time is not None:
            self._readings[side] = ClockReading(server_time=server_time, sent=sent, received=self._clock())
        self.times[side] = server_time or self._clock().replace(microsecond=0)

    def _wrong_account(self, side: str, manager: AwsConnectionManager, prefix: str) -> CopyError | None:
        """List without the expected owner: S3 answers 403 for a wrong owner, as for any other refusal."""
        location = manager.location
        if location.account is None:
            return None
        try:
            store = BucketStore(manager.client, location.bucket, None, requester_pays=location.requester_pays)
            wait_for(PacedStore(store, self._sender).server_time(prefix))
        except CopyError:
            return None
        msg = (
            f"{side}.account: bucket {location.bucket!r} does not belong to account {location.account}. "
            "Check the bucket's name and the account"
        )
        return AccessError(msg, code=Code.WRONG_ACCOUNT)

    def object_exists(self, entry: ObjectEntry) -> CopyError | None:
        """Check that a named source object exists."""
        key, version_id = entry.source, entry.version_id
        try:
            found = wait_for(self._stores.source.head_object(key, version_id=version_id))
        except AccessError as error:
            actions = ["s3:GetObjectVersion" if version_id else "s3:GetObject"]
            return self._denied("source", actions, self._job.source.bucket, error, keys=key)
        except CopyError as error:
            return error
        if found is None:
            version = f" (version {version_id})" if version_id else ""
            msg = f"object s3://{self._job.source.bucket}/{key}{version} does not exist"
            return MissingError(msg, code="NoSuchKey")
        self._note_etag(found.object)
        return None

    def can_head(self, keys: str, key: str) -> CopyError | None:
        """Head a destination object: one that is named by its key, or one that may be replaced.

        S3 refuses `If-Match` to a principal that may not read the object it replaces.
        """
        return self._can_head("destination", keys, key)

    def can_head_source(self, keys: str, key: str, version_id: str | None = None) -> CopyError | None:
        """Head a source object, as the source does for each that a list does not describe."""
        return self._can_head("source", keys, key, version_id)

    def _can_head(
        self, side: SideName, keys: str, key: str, version_id: str | None = None
    ) -> CopyError | None:
        store = self._stores.source if side == "source" else self._stores.destination
        try:
            wait_for(store.head_object(key, version_id=version_id))
        except AccessError as error:
            actions = ["s3:GetObjectVersion" if version_id else "s3:GetObject"]
            return self._denied(side, actions, self._managers[side].location.bucket, error, keys=keys)
        except MissingError as error:
            return error if error.code == _NO_BUCKET else None
        except CopyError as error:
            return error
        return None

    def first_key(self, entry: PrefixEntry) -> str | None:
        """Return the first key below a source prefix that was listed, None if there is none.

        Raises:
            RequestError: the listing leads nowhere.
        """
        first, trail = _listed("source", entry), PageTrail()
        page = self._begun[first]
        while not page.objects:  # a page may hold nothing but folders
            if page.token is None:
                return None
            error = trail.check(page.token, leads_on=False)
            if error is not None:
                raise type(error)(
                    f"s3://{self._job.source.bucket}/{entry.source}: {error.reason}", code=error.code
                )
            page = wait_for(self._list_page(first, page.token))
        self._note_etag(page.objects[0])
        return page.objects[0].key

    def _note_etag(self, found: S3Object) -> None:
        """Note a server whose ETags prove nothing about content (rule 13)."""
        if not is_md5(found.etag):
            self._remarks.append(
                f"the ETags of s3://{found.bucket} are not MD5s as on S3: objects are compared by size and "
                "date, and copies are verified by size"
            )

    def can_read(self, reader: str, keys: str, key: str, version_id: str | None = None) -> CopyError | None:
        """Read a byte of a source object as the side that will read such objects."""
        source, store = self._job.source, self._managers[reader].store
        read = partial(store.read_first_byte, source, key, version_id)
        try:
            wait_for(self._sender.send("GetObject", read))
        except CopyError as error:
            apart = explain_elsewhere(self._job, error) if reader == "destination" else None
            return apart or self._judge_read(reader, keys, key, version_id, error)
        return None

    def _judge_read(
        self, reader: str, keys: str, key: str, version_id: str | None, error: CopyError
    ) -> CopyError | None:
        source = self._job.source
        if isinstance(error, AccessError):
            actions = read_actions(self._job.options, version=version_id is not None)
            return self._denied(reader, actions, source.bucket, error, keys=keys)
        if isinstance(error, UnsupportedError):
            return name_side(reader, error)
        if isinstance(error, (RequestError, MissingError)):
            self._remarks.append(f"read access not proven with s3://{source.bucket}/{key}: {error}")
            return None
        return error

    def _denied(
        self, side: str, actions: list[str], bucket: str, error: CopyError, **where: str | None
    ) -> CopyError:
        return describe_denial(self._job, side, self._managers[side], actions, bucket, error, **where)


def _listed(side: SideName, entry: PrefixEntry | ObjectEntry) -> Listed:
    prefix = entry.source if side == "source" else entry.destination
    return Listed(side, prefix, recursive=not isinstance(entry, PrefixEntry) or entry.recursive)
