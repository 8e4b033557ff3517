"""What waits for the end of the turn: in order, never in the middle of something, and none for another's failure."""

import pytest

from engine.applications import TurningClock
from waterspout.drivers import InlineDriver
from waterspout.engine import Turn


def test_jobs_are_done_after_what_is_running_now_in_their_order() -> None:
    clock, done = TurningClock(), list[str]()
    turn = Turn(clock)
    turn.add(lambda: done.append("first"))
    turn.add(lambda: done.append("second"))
    assert done == []
    clock.turn()
    assert done == ["first", "second"]
    clock.turn()
    assert done == ["first", "second"]


def test_a_driver_without_turns_does_them_at_once() -> None:
    done = list[str]()
    Turn(InlineDriver()).add(lambda: done.append("first"))
    assert done == ["first"]


@pytest.mark.parametrize("driver", [InlineDriver(), TurningClock()], ids=["without turns", "with turns"])
def test_what_comes_of_a_job_is_done_after_those_that_waited(driver: InlineDriver) -> None:
    done = list[str]()
    turn = Turn(driver)

    def first() -> None:
        turn.add(lambda: done.append("third"))
        done.append("first")

    with turn:
        turn.add(first)
        turn.add(lambda: done.append("second"))
    if isinstance(driver, TurningClock):
        driver.turn()
    assert done == ["first", "second", "third"]


def test_who_holds_the_turn_sees_nothing_change_until_the_last_hold_ends() -> None:
    done = list[str]()
    turn = Turn(InlineDriver())
    with turn:
        turn.add(lambda: done.append("first"))
        with turn:
            turn.add(lambda: done.append("second"))
        assert done == []
    assert done == ["first", "second"]
    turn.add(lambda: done.append("third"))
    assert done == ["first", "second", "third"]


def test_a_hold_that_ends_with_an_exception_loses_nothing() -> None:
    done = list[str]()
    turn = Turn(InlineDriver())

    def fail() -> None:
        with turn:
            turn.add(lambda: done.append("first"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert done == ["first"]


def test_the_driver_is_asked_once_for_each_turn() -> None:
    asked = list[object]()

    class Driver(InlineDriver):
        def soon(self, function: object, *args: object) -> None:
            asked.append(function)

    turn = Turn(Driver())
    for _ in range(3):
        turn.add(lambda: None)
    assert asked == [turn.run]
    turn.run()
    with turn:
        turn.add(lambda: None)
    assert asked == [turn.run] * 2


def test_a_job_that_raises_costs_the_others_one_turn() -> None:
    clock, done = TurningClock(), list[str]()
    turn = Turn(clock)
    turn.add(lambda: done.append("first"))
    turn.add(lambda: 1 / 0)
    turn.add(lambda: done.append("third"))
    with pytest.raises(ZeroDivisionError):
        clock.turn()
    assert done == ["first"]
    turn.add(lambda: done.append("fourth"))
    clock.turn()
    assert done == ["first", "third", "fourth"]
