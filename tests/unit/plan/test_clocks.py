"""Between two servers, dates of the source are read by the destination's clock."""

from __future__ import annotations

from s3copy_tasks.core.batch import Batch
from tests.support.builders.bench import Bench

LAG = 60


def put_by_a_late_clock(bench: Bench, key: str, content: bytes) -> None:
    """Write to the source, whose clock is behind."""
    bench.clock.tick(-LAG)
    bench.put(key, content=content)
    bench.clock.tick(LAG)


def test_a_change_of_the_same_size_is_found() -> None:
    """A source that changes just after its copy has an older date by its own clock, and is copied again."""
    bench = Bench()
    put_by_a_late_clock(bench, "in/a", b"old")
    job = bench.started(relayed=True, source_behind_seconds=LAG)
    bench.clock.tick()
    bench.run(job)
    bench.clock.tick(5)
    put_by_a_late_clock(bench, "in/a", b"new")
    bench.clock.tick(5)
    assert bench.plan(bench.started(relayed=True)).batches == ()
    bench.run(bench.started(relayed=True, source_behind_seconds=LAG))
    assert bench.written["out/a"] == b"new"


def test_a_second_run_finds_nothing() -> None:
    """What was copied after its change, by one clock, stays unchanged."""
    bench = Bench()
    put_by_a_late_clock(bench, "in/a", b"old")
    bench.clock.tick()
    for expected in (1, 0):
        job = bench.started(relayed=True, source_behind_seconds=LAG)
        batches: tuple[Batch, ...] = bench.plan(job).batches
        assert len(batches) == expected
        bench.run(job)
