"""Whatever happens in whatever order: no message is deleted too early, and none is lost or held for ever."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from s3copy_tasks.copy.keeper import Keeper
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.held_messages import HIDDEN_SECONDS, HeldMessages, Incoming
from s3copy_tasks.errors import TransientError
from tests.support.s3.memory_queue import MemoryQueue, Seconds

KEYS = st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map("".join)
"""A message: the keys that it names. Capital letters are out of scope."""
HIDDEN_MAX = 15 * 60
RETRY_SECONDS = 2
"""A keeper whose request failed waits so long."""


class Batches(RuleBasedStateMachine):
    """Batches that receive, find, settle, fail and die, over one queue that fails at times."""

    @initialize()
    def begin(self) -> None:
        self.clock = Seconds()
        self.queue = MemoryQueue(self.clock)
        self.queue.before = self.refuse_if_down
        self.queue.on_delete = self.check_deleted
        self.is_down = False
        self.sent: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.begin_batch()

    def begin_batch(self) -> None:
        self.held = HeldMessages(self.clock, self.clock.now)
        metrics = MetricsCollector()
        metrics.start_operation("run")
        self.keeper = Keeper(self.queue, self.held, metrics, clock=self.clock, pause=self.clock.pause)
        self.finding: dict[str, int] = {}
        self.outcomes: dict[str, list[tuple[int, bool]]] = {}
        self.received_at: dict[str, int] = {}
        self.taken: set[str] = set()
        self.step = 0
        self.in_scope = False

    def refuse_if_down(self, operation: str) -> None:
        if self.is_down:
            raise TransientError(f"{operation}: down", code="InternalError")

    def check_deleted(self, body: str) -> None:
        """Since a message was received, each of its objects was found, and settled without a failure."""
        name, _, keys = body.partition(":")
        self.deleted[body] += 1
        for key in keys.lower() if keys.islower() else "":
            assert any(
                found >= self.received_at[name] and not failed for found, failed in self.outcomes.get(key, ())
            ), body
        assert self.in_scope or not keys or not keys.isupper()

    @rule(keys=KEYS, outside=st.booleans())
    def send(self, keys: str, *, outside: bool) -> None:
        body = f"{len(self.sent)}:{keys.upper() if outside else keys}"
        self.sent[body] += 1
        self.queue.send(body)

    @precondition(lambda self: not self.is_down and not self.held.is_full)
    @rule()
    def receive(self) -> None:
        incoming = []
        self.step += 1
        for message in self.queue.receive(wait_seconds=0, hidden_seconds=HIDDEN_SECONDS):
            name, _, keys = message.body.partition(":")
            is_outside = keys.isupper()
            self.in_scope |= bool(keys) and not is_outside
            self.received_at.setdefault(name, self.step)
            named = () if is_outside else tuple(keys)
            incoming.append(
                Incoming(message, named, in_scope=bool(named), outside=keys if is_outside else "")
            )
        taken = self.held.take(incoming)
        self.taken |= taken.new
        self.find(taken.keys)

    def find(self, keys: object) -> None:
        for key in keys:  # type: ignore[attr-defined]
            assert key not in self.finding
            self.finding[key] = self.step

    @precondition(lambda self: self.finding)
    @rule(data=st.data(), failed=st.booleans())
    def settle(self, data: st.DataObject, *, failed: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.finding)))
        self.settle_one(key, failed=failed)

    def settle_one(self, key: str, *, failed: bool) -> None:
        self.step += 1
        self.outcomes.setdefault(key, []).append((self.finding.pop(key), failed))
        self.held.settle(key, failed=failed)
        self.find(self.held.take_again())

    @rule(seconds=st.sampled_from([1, 30, 59]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.pause(seconds)
        self.keeper.send_due()
        if not self.is_down and seconds > RETRY_SECONDS:
            held = [self.queue.messages.get(name) for name in self.taken]
            assert all(one is None or one.visible_from > self.clock() + HIDDEN_SECONDS / 2 for one in held)

    @rule()
    def change_the_weather(self) -> None:
        self.is_down = not self.is_down

    @rule(how=st.sampled_from(["killed", "aborted", "finished"]))
    def end(self, how: str) -> None:
        """A killed batch sends nothing; one that ends by an error gives back what is not settled."""
        if how == "finished":
            self.finish()
        elif how == "aborted":
            self.keeper.end(aborted=True)
        self.begin_batch()

    def finish(self) -> None:
        while self.finding:
            self.settle_one(min(self.finding), failed=False)
        assert not self.held.waits
        self.keeper.end(aborted=False)
        assert self.held.counts(at_least=False).left >= 0

    @invariant()
    def nothing_is_lost(self) -> None:
        """A message is in the queue, or was deleted once."""
        if hasattr(self, "sent"):
            assert Counter(self.queue.bodies) + self.deleted == self.sent

    @invariant()
    def nothing_is_hidden_for_ever(self) -> None:
        """Whoever dies: a message comes again."""
        if hasattr(self, "queue"):
            assert all(seconds <= HIDDEN_MAX for seconds in self.queue.hidden_seconds())

    def teardown(self) -> None:
        """A last batch in which all goes well empties the queue, but for what is out of scope."""
        if not hasattr(self, "queue"):
            return
        self.is_down = False
        self.begin_batch()
        self.clock.pause(HIDDEN_MAX)
        self.send("a", outside=False)
        while any(seconds == 0 for seconds in self.queue.hidden_seconds()):
            self.receive()
        self.finish()
        assert self.queue.bodies == []


TestBatches = Batches.TestCase
TestBatches.settings = settings(stateful_step_count=40, max_examples=50, deadline=None)
