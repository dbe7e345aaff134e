"""A mirror's stage over HTTP: the small server behind the fault proxy, and the product's own clients."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urlsplit

from tests.faults.bench import FaultBench
from tests.faults.kinds import FAULTS, refused
from tests.faults.mirror_oracle import Seen
from tests.faults.mirror_stage import ENABLED, Stage
from tests.faults.proxy import Fault, Rule, Severed
from tests.support.builders.bench import DESTINATION, SOURCE
from tests.support.s3.proxy import Reply
from tests.support.s3.small_deletes import parse_deletes

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mypy_boto3_s3.client import S3Client

    from tests.faults.mirror_script import Script
    from tests.faults.proxy import FaultProxy, Forward
    from tests.support.s3.proxy import Request

STRIKES = {
    "slow down": FAULTS["SlowDown"],
    "unavailable": FAULTS["InternalError"],
    "denied": FAULTS["AccessDenied"],
    "bad request": refused("bad request", 400, "InvalidRequest"),
    "no such bucket": refused("no such bucket", 404, "NoSuchBucket"),
    "lost": FAULTS["reset after the act"],
    "lost, and stop": FAULTS["reset after the act"],
    "cut off": FAULTS["XML cut off"],
    "empty": FAULTS["200 with nothing after the act"],
    "die after": FAULTS["reset after the act"],
}
ROW = re.compile(rb"<Key>(.*?)</Key>.*?<ETag>(.*?)</ETag>", re.DOTALL)
ANSWERED, NO_SUCH_KEY = frozenset({200, 204}), 404
DEAD = Severed(0)


class HttpStage(Stage):
    """A stage over HTTP; a process that dies is one whose connections are all reset. See `Stage`."""

    def __init__(self, script: Script, proxy: FaultProxy, client: S3Client) -> None:
        super().__init__(replace(script, conditional=True))
        self._bench = FaultBench(proxy, client, fast=script.fast, page_keys=script.page_keys)
        self._server = self._bench.server
        self.stores = self._bench.stores
        proxy.rules.append(Rule(Fault("the stage", self._answer), times=10**9))

    def __enter__(self) -> Self:
        self._bench.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bench.__exit__(kind, error, trace)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._server.put(bucket, key, content)

    def remove(self, bucket: str, key: str) -> None:
        state, self.versioning = self.versioning, None  # only the run's deletes leave markers
        self._server.delete(bucket, key)
        self.versioning = state

    def list_etags(self, bucket: str) -> dict[str, str]:
        return {key: one.etag for key, one in self._server.contents(bucket).items()}

    @property
    def versioning(self) -> str | None:
        return self._server.versioning.get(DESTINATION)

    @versioning.setter
    def versioning(self, state: str | None) -> None:
        self._server.versioning = {} if state is None else {DESTINATION: state}

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._bench.clock(), UTC)

    def tick(self, seconds: float = 1) -> None:
        self._bench.clock.tick(seconds)

    def begin(self) -> None:
        super().begin()
        denied = {each.key for each in self.happenings if each.denies_in(self.step)}
        self.disturbances += bool(denied)
        self._server.behave(denied=tuple(denied))

    def _answer(self, request: Request, forward: Forward) -> Reply:
        with self.lock:
            kind = _name_kind(request)
            fault = None if self.is_dead else self.strike(kind)
            if self.is_dead or fault == "die":
                self.is_dead = True
                self._see(kind, request, None, DEAD)
                return DEAD
            if fault == "no such bucket" and kind == "head source":
                self.leads_to, fault = None, None  # or a single HEAD would lie, which nothing can find out
            acted: list[Reply] = []

            def act(request: Request) -> Reply:
                acted.append(self._act_on(kind, request, forward))
                return acted[-1]

            reply = STRIKES[fault].strike(request, act) if fault in STRIKES else act(request)
            self.is_dead = fault == "die after"
            is_known = bool(acted) and reply == acted[-1]
            if kind == "delete" and not is_known and reply.status not in {400, 403, 503}:
                self.oracle.note_unclear(_find_keys(request))
            self._see(kind, request, acted[-1] if is_known else None, reply)
            return reply

    def _act_on(self, kind: str, request: Request, forward: Forward) -> Reply:
        """Return what the server answers, and let the oracle judge what it deleted."""
        if kind.endswith("source") and self.leads_to is None:
            return Reply(404) if request.method == "HEAD" else Reply.error(404, "NoSuchBucket")
        if kind.endswith("source") and self.leads_to != SOURCE:
            request = replace(request, target=request.target.replace(SOURCE, str(self.leads_to), 1))
        before = self.list_etags(DESTINATION)
        reply = forward(request)
        for key in before.keys() - self.list_etags(DESTINATION).keys():
            self.oracle.judge_delete(key, before[key])
        return reply

    def _see(self, kind: str, request: Request, acted: Reply | None, reply: Reply) -> None:
        answer = "refused" if reply.status in {400, 403} else "unanswered"
        if acted is not None and (acted.status in ANSWERED or request.method == "HEAD"):
            answer = "answered"
        query, found = request.query, self.versioning == ENABLED
        if kind == "head source":
            found = request.key in self.list_etags(SOURCE)
        names = "prefix", "start-after", "continuation-token", "delimiter"
        name = (kind, request.key) if request.key else (kind, *(query.get(each, "") for each in names))
        if query.get("max-keys") == "1":
            name = "time", query["prefix"]
        rows = {unquote_plus(key.decode()): etag.decode() for key, etag in ROW.findall(reply.body)}
        self.oracle.see(Seen(kind, name, answer, found, rows if kind == "list destination" else {}))


def _name_kind(request: Request) -> str:
    side = "source" if urlsplit(request.target).path.startswith(f"/{SOURCE}") else "destination"
    kinds = {"ListObjectsV2": f"list {side}", "HeadObject": f"head {side}"}
    return kinds.get(request.kind) or ("versioning" if request.kind == "GetBucketVersioning" else "delete")


def _find_keys(request: Request) -> set[str]:
    return {request.key} if request.key else {key for key, _ in parse_deletes(request)}
