"""Many deletes by one request: what is sent again, what is kept, and how the rate counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import AccessError, ConditionError, CopyError, ThrottledError, TransientError
from tests.support.builders.bench import impatient
from tests.support.builders.virtual import VirtualTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENTRY = 3
DONE = Deleted()


def slow() -> CopyError:
    return ThrottledError("slow down", code="SlowDown")


def broken() -> CopyError:
    return TransientError("try again", code="InternalError")


def denied() -> CopyError:
    return AccessError("no", code="AccessDenied")


def changed() -> CopyError:
    return ConditionError("it is another object", code="PreconditionFailed")


def absent() -> Deleted:
    return Deleted(was_absent=True)


class Scripted:
    """A store that answers each request for many deletes by the next of its answers, the last one again.

    An answer is an error of the whole request, or what becomes of some keys; all others are deleted.
    """

    def __init__(
        self, *answers: Callable[[], CopyError] | Mapping[str, Callable[[], Deleted | CopyError]]
    ) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []

    async def delete_objects(self, requests: Sequence[DeleteRequest]) -> Mapping[str, Deleted | CopyError]:
        self.sent.append("".join(request.key for request in requests))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            raise answer()
        return {request.key: answer.get(request.key, lambda: DONE)() for request in requests}

    async def delete_object(self, request: DeleteRequest) -> Deleted:
        outcome = (await self.delete_objects([request]))[request.key]
        if isinstance(outcome, CopyError):
            raise outcome
        return outcome


def delete(store: Any, keys: str, sender: Sender) -> dict[str, Deleted | CopyError]:
    requests = [DeleteRequest(key=key, etag='"e"') for key in keys]
    return dict(wait_for(PacedStore(store, sender).delete_objects(requests, entry=ENTRY)))


def test_only_what_may_succeed_is_sent_again() -> None:
    """A key that is asked to slow down inside a 200 is sent again, without those that have their answer."""
    store, sender = Scripted({"b": slow, "c": broken, "d": changed}, {"c": slow}, {}), impatient()
    outcomes = delete(store, "abcd", sender)
    assert store.sent == ["abcd", "bc", "c"]
    assert [outcomes[key] for key in "abc"] == [DONE] * 3
    assert isinstance(outcomes["d"], ConditionError)
    tally = sender.counted()
    requests = tally.requests()
    assert (requests.by_kind, requests.retried, requests.throttled) == ({"DeleteObjects": 3}, 2, 2)
    assert list(tally.by_entry()) == [ENTRY]


@pytest.mark.parametrize(("error", "attempts"), [(slow, 12), (broken, 3)])
def test_a_key_that_never_succeeds(error: Callable[[], CopyError], attempts: int) -> None:
    """After the usual number of attempts a key has its last error; the others keep their answers."""
    outcomes = delete(Scripted({"b": error}), "ab", impatient())
    last = outcomes["b"]
    assert outcomes["a"] == DONE
    assert isinstance(last, type(error()))
    assert (last.attempts, last.may_be_done) == (attempts, error is broken)


def test_a_refusal_of_all_that_is_left() -> None:
    """Rights that end between two attempts do not take back what the first one confirmed."""
    outcomes = delete(Scripted({"b": broken, "c": slow}, denied), "abc", impatient())
    assert outcomes["a"] == DONE
    errors = [outcomes[key] for key in "bc"]
    assert all(isinstance(error, AccessError) and error.attempts == 2 for error in errors)
    assert [error.may_be_done for error in errors if isinstance(error, CopyError)] == [True, False]


def test_no_answer_at_all() -> None:
    """If no attempt was answered, the error is that of the request, and any object may be deleted."""
    with pytest.raises(TransientError) as raised:
        delete(Scripted(broken), "ab", impatient())
    assert (raised.value.attempts, raised.value.may_be_done) == (3, True)


def test_a_lost_answer_is_remembered() -> None:
    """The object may be deleted by the request whose answer was lost, whatever the next one says."""
    found = delete(Scripted(broken, {"a": changed}), "a", impatient())["a"]
    assert isinstance(found, ConditionError)
    assert found.may_be_done


def test_what_a_lost_answer_deleted_is_not_gone() -> None:
    """An object that is absent after an attempt whose answer was lost was deleted by that attempt."""
    store: Any = Scripted({"a": absent, "b": broken}, {"b": absent})
    assert delete(store, "ab", impatient()) == {"a": absent(), "b": DONE}
    assert delete(Scripted(broken, {"a": absent}), "a", impatient()) == {"a": DONE}
    for lost, deleted in ((broken, DONE), (slow, absent())):
        store, sender = Scripted(lost, {"a": absent}), impatient()
        request = DeleteRequest(key="a", etag='"e"')
        assert wait_for(PacedStore(store, sender).delete_object(request, entry=ENTRY)) == deleted
        tally = sender.counted()
        assert tally.requests().by_kind == {"DeleteObject": 2}
        assert list(tally.by_entry()) == [ENTRY]


def test_a_stop_does_not_forget_a_lost_answer() -> None:
    """A key that was asked to slow down, and then sent again without an answer, may be deleted."""
    seconds = iter([0, 1])

    async def stops(_: float) -> bool:
        if next(seconds):
            sender.stop()
        return False

    sender = Sender(1, wait=stops)
    outcomes = delete(Scripted({"b": slow}, broken), "ab", sender)
    assert isinstance(outcomes["b"], ThrottledError)
    assert outcomes["b"].may_be_done


def test_a_stop_keeps_what_was_answered() -> None:
    """A task that is stopped while it waits for the next attempt reports what the first one did."""

    async def stops(_: float) -> bool:
        sender.stop()
        return True

    sender = Sender(1, wait=stops)
    outcomes = delete(Scripted({"b": slow}, {}), "ab", sender)
    assert outcomes["a"] == DONE
    assert isinstance(outcomes["b"], ThrottledError)
    with pytest.raises(InterruptedError):
        delete(Scripted({}), "ab", sender)


def test_each_key_takes_its_part_of_the_rate() -> None:
    """At 100 a second, the request after one for 20 keys starts 200 ms later, after one for 1 key 10 ms."""
    time = VirtualTime()
    sender = Sender(8, per_second=100, wait=time.sleep, clock=lambda: time.now)
    starts: list[float] = []

    class Store:
        async def delete_objects(self, requests: Sequence[DeleteRequest]) -> Mapping[str, Deleted]:
            starts.append(time.now)
            await time.sleep(0.001)
            return {request.key: DONE for request in requests}

    store: Any = Store()
    paced = PacedStore(store, sender)

    async def one(keys: int) -> None:
        await paced.delete_objects([DeleteRequest(key=str(key), etag="e") for key in range(keys)])

    wait_for(time.run(one(20), one(1), one(20), one(20)))
    assert starts == pytest.approx([0.0, 0.2, 0.21, 0.41], abs=0.0051)
