"""Every wait in one table: exact, in order, whatever is set and cleared meanwhile, and without a trace afterwards."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterspout.engine import Deadlines


class Waiter:
    """Hears its deadlines, and does something then."""

    def __init__(self, name: str, told: list[Any], then: Callable[[], object] = lambda: None) -> None:
        self.name, self.told, self.then = name, told, then

    def due(self, kind: Any, at: float) -> None:
        self.told.append((self.name, kind, at))
        self.then()


class World:
    """A table of deadlines with its alarms, and what the waiters heard."""

    def __init__(self) -> None:
        self.alarms: list[float] = []
        self.told: list[Any] = []
        self.deadlines = Deadlines(self.alarms.append)

    def waiter(self, name: str, then: Callable[[], object] = lambda: None) -> Waiter:
        return Waiter(name, self.told, then)


@pytest.fixture
def world() -> World:
    return World()


def test_a_deadline_never_comes_early_and_comes_once(world: World) -> None:
    world.deadlines.set(world.waiter("a"), "ping", 10.03)
    world.deadlines.advance(10.029999)
    assert world.told == []
    world.deadlines.advance(10.03)
    world.deadlines.advance(99)
    assert world.told == [("a", "ping", 10.03)]
    assert len(world.deadlines) == 0


def test_a_late_deadline_is_told_with_the_time_that_was_set(world: World) -> None:
    world.deadlines.set(world.waiter("a"), "ping", 10)
    world.deadlines.advance(4000)
    assert world.told == [("a", "ping", 10)]


def test_the_earliest_comes_first_also_within_a_moment(world: World) -> None:
    for at in (10.05, 10.01, 12, 10.03, 9, 10.02):
        world.deadlines.set(world.waiter("a"), at, at)
    world.deadlines.advance(11)
    assert [at for _, _, at in world.told] == [9, 10.01, 10.02, 10.03, 10.05]


def test_a_second_deadline_of_the_same_kind_replaces_the_first(world: World) -> None:
    a = world.waiter("a")
    for at in (10, 10.01, 20):
        world.deadlines.set(a, "ping", at)
    world.deadlines.set(a, "close", 15)
    assert len(world.deadlines) == 2
    world.deadlines.advance(30)
    assert world.told == [("a", "close", 15), ("a", "ping", 20)]


def test_a_deadline_that_is_cleared_never_comes(world: World) -> None:
    a, b = world.waiter("a"), world.waiter("b")
    world.deadlines.set(a, "ping", 10)
    world.deadlines.set(a, "close", 10)
    world.deadlines.set(b, "ping", 10)
    world.deadlines.clear(a, "ping")
    world.deadlines.clear(a, "ping")
    world.deadlines.clear(b, "nothing that was set")
    world.deadlines.advance(10)
    assert world.told == [("a", "close", 10), ("b", "ping", 10)]


def test_the_next_one_is_the_earliest_that_is_left(world: World) -> None:
    a = world.waiter("a")
    assert world.deadlines.next() is None
    for at in (30, 10, 10.01, 20):
        world.deadlines.set(a, at, at)
    assert world.deadlines.next() == 10
    world.deadlines.clear(a, 10)
    assert world.deadlines.next() == 10.01
    world.deadlines.advance(10.01)
    assert world.deadlines.next() == 20


def test_one_alarm_serves_all(world: World) -> None:
    a = world.waiter("a")
    for at in (20, 30, 10, 15):
        world.deadlines.set(a, at, at)
    world.deadlines.set(world.waiter("b"), "at the same time", 10)
    assert world.alarms == [20, 10]
    world.deadlines.advance(12)
    assert world.alarms == [20, 10, 15]
    world.deadlines.clear(a, 15)
    world.deadlines.advance(15)
    assert world.alarms == [20, 10, 15, 20]
    world.deadlines.advance(40)
    world.deadlines.set(a, "later", 50)
    assert world.alarms == [20, 10, 15, 20, 50]


def test_a_new_driver_gets_the_alarm_anew(world: World) -> None:
    world.deadlines.rearm()
    assert world.alarms == []
    world.deadlines.set(world.waiter("a"), "ping", 10)
    world.deadlines.rearm()
    assert world.alarms == [10, 10]


def test_what_a_waiter_clears_or_moves_when_its_time_has_come_does_not_come_then(world: World) -> None:
    b, c = world.waiter("b"), world.waiter("c")

    def then() -> None:
        world.deadlines.clear(b, "ping")
        world.deadlines.set(c, "ping", 20)

    world.deadlines.set(world.waiter("a", then), "ping", 10)
    world.deadlines.set(b, "ping", 10.01)
    world.deadlines.set(c, "ping", 10.02)
    world.deadlines.advance(11)
    assert world.told == [("a", "ping", 10)]
    world.deadlines.advance(20)
    assert world.told[1:] == [("c", "ping", 20)]


def test_what_a_waiter_sets_in_the_past_comes_before_the_advance_is_over(world: World) -> None:
    def then() -> None:
        if len(world.told) < 3:
            world.deadlines.set(again, "ping", 10)

    again = world.waiter("a", then)
    world.deadlines.set(again, "ping", 10)
    world.deadlines.advance(11)
    assert world.told == [("a", "ping", 10)] * 3
    assert len(world.deadlines) == 0


def test_the_alarm_is_set_for_what_a_waiter_has_set_anew(world: World) -> None:
    again: Waiter = world.waiter("a", lambda: world.deadlines.set(again, "ping", 25))
    world.deadlines.set(again, "ping", 10)
    world.deadlines.advance(10)
    assert world.alarms == [10, 25]


def test_one_that_raises_costs_the_others_nothing(world: World) -> None:
    world.deadlines.set(world.waiter("a", lambda: 1 / 0), "ping", 10)
    world.deadlines.set(world.waiter("b"), "ping", 10.01)
    with pytest.raises(ZeroDivisionError):
        world.deadlines.advance(11)
    assert world.alarms == [10, 10.01]
    world.deadlines.advance(11)
    assert world.told == [("a", "ping", 10), ("b", "ping", 10.01)]


def test_no_trace_is_left_of_deadlines_that_are_cleared(world: World) -> None:
    tracemalloc.start()
    try:
        for second in range(20_000):
            waiter = world.waiter("a")
            world.deadlines.set(waiter, "ack", second + 60)
            world.deadlines.clear(waiter, "ack")
            if world.alarms and world.alarms[-1] <= second:
                world.alarms.clear()
                world.deadlines.advance(second)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100_000
    assert world.deadlines.next() is None


TIMES = st.integers(0, 200).map(lambda tick: tick / 40)
STEPS = st.lists(
    st.tuples(st.just("set"), st.sampled_from("abc"), st.sampled_from([1, 2]), TIMES)
    | st.tuples(st.just("clear"), st.sampled_from("abc"), st.sampled_from([1, 2]))
    | st.tuples(st.just("advance"), TIMES)
)


@given(STEPS)
def test_it_does_what_a_plain_list_would_do(steps: list[Any]) -> None:
    world = World()
    waiters = {name: world.waiter(name) for name in "abc"}
    plain: dict[Any, float] = {}
    now = 0.0
    for step, *args in steps:
        if step == "set":
            name, kind, seconds = args
            world.deadlines.set(waiters[name], kind, now + seconds)
            plain.pop((name, kind), None)
            plain[name, kind] = now + seconds
        elif step == "clear":
            name, kind = args
            world.deadlines.clear(waiters[name], kind)
            plain.pop((name, kind), None)
        else:
            now += args[0]
            world.told.clear()
            world.deadlines.advance(now)
            due = sorted((entry for entry in plain.items() if entry[1] <= now), key=lambda entry: entry[1])
            assert world.told == [(*key, at) for key, at in due]
            plain = {key: at for key, at in plain.items() if at > now}
        assert len(world.deadlines) == len(plain)
        assert world.deadlines.next() == min(plain.values(), default=None)
        assert not plain or world.alarms[-1] <= min(plain.values())
