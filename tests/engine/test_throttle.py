"""How many lines of a kind there are in a second, and what becomes of the rest."""

from collections.abc import Hashable

import pytest

from waterspout.engine.throttle import Throttle


class Told:
    """A throttle, the deadlines it has asked for, and the counts it has told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Hashable, float]] = []
        self.counts: list[int] = []
        self.throttle = Throttle(lambda kind, at: self.asked.append((kind, at)))

    def allow(self, now: float, times: int = 1, kind: Hashable = "a") -> list[bool]:
        return [self.throttle.allows(kind, now, self.counts.append) for _ in range(times)]


@pytest.fixture
def told() -> Told:
    return Told()


def test_ten_lines_in_a_second_and_a_count_of_the_rest(told: Told) -> None:
    assert told.allow(5.0, 1000) == [True] * 10 + [False] * 990
    assert told.asked == [("a", 6.0)]
    told.throttle.due("a", 6.0)
    assert told.counts == [990]


def test_no_second_has_more_than_ten_wherever_it_begins(told: Told) -> None:
    times = [number / 64 for number in range(640) for allowed in told.allow(number / 64) if allowed]
    assert len(times) == 100
    assert all(sum(at <= other < at + 1 for other in times) <= 10 for at in times)


def test_the_next_line_brings_a_count_that_no_deadline_has_brought(told: Told) -> None:
    told.allow(0.0, 13)
    assert told.allow(9.0) == [True]
    assert told.counts == [3]


def test_each_kind_is_counted_by_itself(told: Told) -> None:
    assert told.allow(0.0, 11, "a") == [True] * 10 + [False]
    assert told.allow(0.0, 12, "b") == [True] * 10 + [False] * 2
    told.throttle.flush()
    assert told.counts == [1, 2]


def test_what_is_told_is_not_told_again(told: Told) -> None:
    told.allow(0.0, 12)
    told.throttle.flush()
    told.throttle.due("a", 1.0)
    told.allow(2.0)
    assert told.counts == [2]


def test_the_next_second_is_counted_anew(told: Told) -> None:
    told.allow(0.0, 12)
    told.throttle.due("a", 1.0)
    assert told.allow(1.0, 15) == [True] * 10 + [False] * 5
    told.throttle.due("a", 2.0)
    assert told.counts == [2, 5]
    assert told.asked == [("a", 1.0), ("a", 2.0)]


def test_long_lines_use_up_a_second_before_there_are_ten(told: Told) -> None:
    for now, allowed in ((0.0, True), (0.2, True), (0.4, True), (0.6, False), (0.9, False)):
        assert told.allow(now) == [allowed]
        if allowed:
            told.throttle.wrote("a", 20_000)
    told.throttle.due("a", 1.6)
    assert told.counts == [2]
    assert told.allow(0.9, kind="b") == [True]
    assert told.allow(1.0) == [True]  # the first of the three is a second old
