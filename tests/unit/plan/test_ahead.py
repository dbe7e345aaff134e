"""Listings that are begun ahead: in order, a limited number at a time, and none left running."""

from __future__ import annotations

from contextlib import closing

from s3copy_tasks.plan.listing import AHEAD, begin_ahead


class Counted:
    """A listing that remembers its calls."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.begun = self.closed = False

    def begin(self) -> None:
        self.begun = True

    def close(self) -> None:
        self.closed = True


def test_listings_come_in_order_each_begun() -> None:
    """Every listing is begun before it is yielded, and they come in the given order."""
    made = [Counted(number) for number in range(3 * AHEAD)]
    taken: list[Counted] = []
    for one in begin_ahead(iter(made)):
        assert one.begun
        assert sum(each.begun for each in made) <= len(taken) + AHEAD + 1
        taken.append(one)
    assert taken == made
    assert not any(one.closed for one in made), "whoever takes one closes it"


def test_what_was_begun_and_not_taken_is_closed() -> None:
    """When the reader stops early, the listings that were begun are closed."""
    made = [Counted(number) for number in range(3 * AHEAD)]
    with closing(begin_ahead(iter(made))) as listings:
        first = next(listings)
    assert first is made[0]
    assert [one.closed for one in made] == [False] + [True] * AHEAD + [False] * (2 * AHEAD - 1)
