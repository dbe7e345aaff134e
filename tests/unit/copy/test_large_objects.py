"""Large objects beside small ones, in virtual time: 100 MB/s for each request, parts of 256 MiB."""

from __future__ import annotations

import pytest

from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import NoRecord
from s3copy_tasks.core.options import DEFAULT_OPTIONS, TransferOptions
from s3copy_tasks.core.store import CopyRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from tests.support.builders.bench import make_job
from tests.support.builders.virtual import VirtualTime
from tests.support.s3.timed import TimedServer

GIB, MIB = 2**30, 2**20
PART_SECONDS = 256 * MIB / 100e6
IN_FLIGHT = 16


class Trial:
    """Objects that are all copied at the same time, as by workers, with 16 requests in flight."""

    def __init__(self) -> None:
        self._time = VirtualTime(threads=True)
        self.server = TimedServer(sleep=self._time.sleep, clock=lambda: self._time.now)
        self._objects: list[tuple[float, CopyRequest]] = []

    def add(self, name: str, size: int, *, parts: int = 0, after: float = 0.0) -> None:
        """Add an object that is copied from a time on."""
        source = self.server.put(name, size, parts=parts)
        request = CopyRequest(source=source, source_account=None, key=name, options=DEFAULT_OPTIONS)
        self._objects.append((after, request))

    def run(self) -> float:
        """Copy all objects; return when the last was complete."""
        sender = Sender(IN_FLIGHT, wait=self._time.sleep, clock=lambda: self._time.now)
        job = make_job(transfer=TransferOptions(concurrency=IN_FLIGHT))
        transfer = Transfer(job, pace_stores(self.server.stores, sender), NoRecord())

        async def copy(after: float, request: CopyRequest) -> None:
            await self._time.sleep(after)
            await transfer.copy(request)

        wait_for(self._time.run(*(copy(after, request) for after, request in self._objects)))
        return max(self.server.done.values())

    @property
    def bound(self) -> float:
        """Seconds that the server needs if all slots are always in use."""
        return sum(copying.end - copying.start for copying in self.server.copies) / IN_FLIGHT


def test_small_objects_do_not_wait_behind_the_parts_of_large_ones() -> None:
    """They wait for the parts in flight; behind all parts of the large objects they would wait for 36 s."""
    trial = Trial()
    for number in range(4):
        trial.add(f"large-{number}", 13 * GIB)
    for number in range(200):
        trial.add(f"small-{number}", MIB, after=1.0)
    wall = trial.run()
    assert max(end for key, end in trial.server.done.items() if key.startswith("small")) < 2 * PART_SECONDS
    assert wall < 1.1 * trial.bound


def test_one_large_object_uses_all_slots() -> None:
    """Alone, an object has parts in every slot until the last ones."""
    trial = Trial()
    trial.add("large", 32 * GIB)
    assert trial.run() < 1.1 * trial.bound


def test_large_objects_are_copied_one_after_the_other() -> None:
    """Few are incomplete at a time: what an interrupted batch has copied of them is lost."""
    trial = Trial()
    for number in range(5):
        trial.add(f"large-{number}", 13 * GIB)
    wall = trial.run()
    begun: dict[str, float] = {}
    for copying in trial.server.copies:
        begun[copying.key] = min(copying.start, begun.get(copying.key, copying.start))
    for time in trial.server.done.values():
        assert sum(begun[key] < time <= end for key, end in trial.server.done.items()) <= 2
    assert wall < 1.1 * trial.bound


@pytest.mark.parametrize(("parts", "requests"), [(0, 1), (600, 20)], ids=["in one piece", "in parts"])
def test_what_was_uploaded_in_parts_is_copied_in_parts(parts: int, requests: int) -> None:
    """Above 1 GiB, if one request could not prove its content either: 5 GiB then take 4 s in place of 54."""
    trial = Trial()
    trial.add("large", 5 * GIB, parts=parts)
    assert trial.run() == pytest.approx(4.2 if parts else 53.7, abs=1.5)
    assert len(trial.server.copies) == requests


def test_a_gibibyte_that_was_uploaded_in_parts_is_copied_in_one_request() -> None:
    """It takes 11 seconds, and not six requests more."""
    trial = Trial()
    trial.add("large", GIB, parts=128)
    assert trial.run() == pytest.approx(10.8, abs=0.1)
