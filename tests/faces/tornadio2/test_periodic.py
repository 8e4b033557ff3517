"""Callbacks that come again and again, and may be put off (T2-24 to T2-28)."""

import asyncio
import logging
import time

import pytest
from tornado.ioloop import IOLoop

from faces.tornadio2.loops import FakeLoop
from waterspout.faces.tornadio2.periodic import Callback


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def calls() -> list[float]:
    return []


@pytest.fixture
def callback(loop: FakeLoop, calls: list[float]) -> Callback:
    """A callback every 2 s."""
    return Callback(lambda: calls.append(loop.now), 2000, loop)


def test_it_is_called_again_and_again_from_its_start_to_its_stop(
    loop: FakeLoop, callback: Callback, calls: list[float]
) -> None:
    loop.advance(10)
    assert calls == []
    callback.start()
    loop.advance(7)
    assert calls == [1012, 1014, 1016]
    callback.stop()
    loop.advance(100)
    assert calls == [1012, 1014, 1016]


def test_the_next_run_is_in_seconds_and_the_period_in_milliseconds(loop: FakeLoop, callback: Callback) -> None:
    assert callback.calculate_next_run() == 1002
    loop.advance(0.25)
    assert callback.calculate_next_run() == 1002.25


def test_the_first_call_can_be_at_a_time_of_its_own(loop: FakeLoop, callback: Callback, calls: list[float]) -> None:
    callback.start(1005)
    loop.advance(10)
    assert calls == [1005, 1007, 1009]


def test_a_second_start_replaces_the_first(loop: FakeLoop, callback: Callback, calls: list[float]) -> None:
    callback.start()
    loop.advance(1)
    callback.start()
    loop.advance(4)
    assert calls == [1003, 1005]


def test_a_delay_puts_the_next_call_off_once(loop: FakeLoop, callback: Callback, calls: list[float]) -> None:
    callback.start()
    loop.advance(1.5)
    callback.delay()
    loop.advance(5.5)
    assert calls == [1003.5, 1005.5]


def test_a_delay_is_forgotten_with_a_stop(loop: FakeLoop, callback: Callback, calls: list[float]) -> None:
    callback.start()
    loop.advance(1)
    callback.delay()
    callback.stop()
    callback.start()
    loop.advance(2)
    assert calls == [1003]


def test_a_number_that_it_returns_is_the_time_of_the_next_call(loop: FakeLoop) -> None:
    calls: list[float] = []
    answers = iter([1005.5, None, True, 1020])

    def call() -> float | None:
        calls.append(loop.now)
        return next(answers, None)

    Callback(call, 2000, loop).start()
    loop.advance(23)
    assert calls == [1002, 1005.5, 1007.5, 1009.5, 1020, 1022]


def test_it_may_stop_or_start_itself(loop: FakeLoop, calls: list[float]) -> None:
    def call() -> None:
        calls.append(loop.now)
        if len(calls) == 1:
            timer.start(1010)
        else:
            timer.stop()

    timer = Callback(call, 2000, loop)
    timer.start()
    loop.advance(50)
    assert calls == [1002, 1010]
    assert loop.timeouts == []


def test_what_it_raises_is_logged_and_it_goes_on(loop: FakeLoop, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise LookupError("no")

    Callback(fail, 2000, loop).start()
    loop.advance(4)
    assert [(record.name, record.levelno) for record in caplog.records] == [("tornadio2.periodic", logging.ERROR)] * 2
    assert "LookupError: no" in caplog.text


def test_an_interrupt_is_not_caught(loop: FakeLoop) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    Callback(interrupt, 2000, loop).start()
    with pytest.raises(KeyboardInterrupt):
        loop.advance(2)


def test_without_a_loop_it_takes_the_one_that_runs_at_its_start() -> None:
    called = asyncio.Event()
    callback = Callback(called.set, 1, None)
    assert callback.calculate_next_run() == pytest.approx(time.time(), abs=5)

    async def main() -> None:
        callback.start()
        assert callback.io_loop is IOLoop.current()
        await called.wait()
        callback.stop()

    asyncio.run(main())
