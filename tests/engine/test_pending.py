"""A result that comes later, once, for coroutines, threads and callbacks."""

import asyncio
from typing import Any

import pytest

from waterspout.drivers import AsyncioDriver, InlineDriver
from waterspout.engine import Deadlines, Pending
from waterspout.testing import Clock


@pytest.fixture
def pending() -> Pending[Any]:
    return Pending(InlineDriver())


def test_there_is_no_result_before_there_is_one(pending: Pending[Any]) -> None:
    assert not pending.done
    with pytest.raises(RuntimeError, match=r"there is no result yet: await this, or call wait\(\)"):
        pending.result()


def test_what_takes_it_for_its_result_is_told_to_await_it(pending: Pending[Any]) -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match=r"neither true nor false: await it, as in `if await socket\.call"):
            bool(pending)
        with pytest.raises(TypeError, match=r"has no text: await it, or call its wait\(\) in a greenlet or thread"):
            f"{pending}"
        with pytest.raises(
            AttributeError, match="a Pending has no 'sockets', and this is not a result yet: await it first"
        ):
            pending.sockets  # type: ignore[attr-defined]  # noqa: B018
        pending.resolve(True)
    assert not hasattr(pending, "__len__")
    assert repr(pending).startswith("<")


@pytest.mark.parametrize("value", [None, False, 42, ("a", "b")])
def test_a_value_is_the_result(pending: Pending[Any], value: object) -> None:
    pending.resolve(value)
    assert pending.done
    assert pending.result() == value


def test_an_error_is_raised_each_time_the_result_is_asked_for(pending: Pending[Any]) -> None:
    pending.reject(KeyError("gone"))
    assert pending.done
    for _ in range(2):
        with pytest.raises(KeyError, match="gone"):
            pending.result()


def test_the_first_result_counts(pending: Pending[Any]) -> None:
    pending.resolve(1)
    pending.resolve(2)
    pending.reject(KeyError())
    assert pending.result() == 1


def test_callbacks_hear_once_in_their_order_and_late_ones_at_once(pending: Pending[Any]) -> None:
    heard: list[tuple[str, int]] = []
    pending.add_done_callback(lambda it: heard.append(("first", it.result())))
    pending.add_done_callback(lambda it: heard.append(("second", it.result())))
    assert heard == []
    pending.resolve(7)
    pending.resolve(8)
    pending.add_done_callback(lambda it: heard.append(("late", it.result())))
    assert heard == [("first", 7), ("second", 7), ("late", 7)]


def test_a_callback_sees_that_it_is_done_and_may_add_another(pending: Pending[Any]) -> None:
    heard: list[bool] = []
    pending.add_done_callback(lambda it: it.add_done_callback(lambda it: heard.append(it.done)))
    pending.resolve(None)
    assert heard == [True]


def test_a_callback_that_raises_is_reported_and_the_others_hear_nevertheless() -> None:
    clock, heard = Clock(), list[int]()
    pending: Pending[int] = Pending(clock)
    pending.add_done_callback(lambda it: heard.append(1 // 0))
    pending.add_done_callback(lambda it: heard.append(it.result()))
    pending.resolve(7)
    assert heard == [7]
    ((text, error),) = clock.reports
    assert text == "the callback of a result failed"
    assert isinstance(error, ZeroDivisionError)


def test_waiting_for_what_is_there_needs_no_loop(pending: Pending[Any]) -> None:
    pending.resolve(1)
    assert pending.wait() == 1

    async def wait() -> int:
        return int(await pending)

    with pytest.raises(StopIteration) as stopped:
        wait().send(None)
    assert stopped.value.value == 1


def test_without_a_loop_nothing_else_can_be_waited_for(pending: Pending[Any]) -> None:
    with pytest.raises(RuntimeError, match="nothing can be waited for yet: no host runs the server on an event loop"):
        pending.wait()
    with pytest.raises(RuntimeError, match="nothing can be awaited yet: no host runs the server on an event loop"):
        next(pending.__await__())


class Answer:
    """Resolves when its time comes."""

    def __init__(self, pending: Pending[Any]) -> None:
        self.pending = pending

    def due(self, kind: str, at: float) -> None:
        self.pending.resolve(kind)


def test_under_a_clock_time_passes_while_one_waits() -> None:
    clock = Clock()
    pending: Pending[Any] = Pending(clock)
    deadlines = Deadlines(lambda at: clock.alarm(at, lambda: deadlines.advance(clock.now())))
    deadlines.set(Answer(pending), "answer", clock.now() + 5)
    with pytest.raises(TimeoutError, match=r"no result within 4\.9 s"):
        pending.wait(4.9)
    assert pending.wait(5) == "answer"


def test_several_coroutines_await_one_result_and_a_cancelled_one_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        pending: Pending[Any] = Pending(AsyncioDriver())

        async def wait() -> Any:
            return await pending

        first, second, third = (asyncio.ensure_future(wait()) for _ in range(3))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert first.cancelled()
        pending.resolve("answer")
        assert [await second, await third, await pending] == ["answer"] * 3
        assert pending.wait() == "answer"

    asyncio.run(main())


def test_an_awaited_error_is_raised_where_it_is_awaited() -> None:
    async def main() -> None:
        driver = AsyncioDriver()
        pending: Pending[Any] = Pending(driver)
        driver.soon(pending.reject, KeyError("gone"))
        with pytest.raises(KeyError, match="gone"):
            await pending

    asyncio.run(main())


def test_a_thread_blocks_until_the_loop_has_the_result() -> None:
    async def main() -> None:
        driver = AsyncioDriver()
        pending: Pending[Any] = Pending(driver)

        def wait() -> Any:
            with pytest.raises(TimeoutError, match=r"no result within 0\.001 s"):
                pending.wait(0.001)
            driver.soon(pending.resolve, "answer")
            return pending.wait(10)

        assert await asyncio.to_thread(wait) == "answer"

    asyncio.run(main())


def test_a_callback_from_another_thread_runs_on_the_loops_own() -> None:
    async def main() -> None:
        driver = AsyncioDriver()
        pending: Pending[Any] = Pending(driver)
        heard: list[bool] = []
        for _ in range(2):  # before there is a result, and after
            await asyncio.to_thread(pending.add_done_callback, lambda it: heard.append(driver.foreign()))
            pending.resolve("answer")
            await asyncio.sleep(0)
        assert heard == [False, False]

    asyncio.run(main())


def test_the_loops_own_thread_must_not_block() -> None:
    async def main() -> None:
        pending: Pending[Any] = Pending(AsyncioDriver())
        with pytest.raises(RuntimeError, match=r"wait\(\) would block the event loop: await this instead"):
            pending.wait(1)

    asyncio.run(main())
