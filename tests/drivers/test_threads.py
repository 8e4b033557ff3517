"""Plain functions that block: how many run at once, where their answers are heard, and what is left at the end."""

import asyncio
import contextvars
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from drivers.keeper import Keeper
from turns import turn, until
from waterspout.drivers import AsyncioDriver, InlineDriver

PATIENCE = 30.0  # s; no test waits this long unless something is wrong


def on_a_loop(test: Callable[[AsyncioDriver, Keeper], Any]) -> None:
    async def main() -> None:
        driver = AsyncioDriver()
        await test(driver, Keeper())
        driver.finish(0, lambda: None)

    asyncio.run(main())


async def heard(keeper: Keeper, count: int) -> None:
    """Wait for so many answers."""
    async with asyncio.timeout(PATIENCE):
        while len(keeper.heard) < count:
            keeper.news.clear()
            await keeper.news.wait()


def test_a_function_runs_in_another_thread_and_is_answered_on_the_cores() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.run_threaded(lambda number: (number, threading.get_ident()), (7,), keeper, "token")
        assert keeper.heard == []
        await heard(keeper, 1)
        ((kind, token, (number, thread)),) = keeper.heard
        assert (kind, token, number) == ("answered", "token", 7)
        assert thread != threading.get_ident()
        assert keeper.threads == {threading.get_ident()}

    on_a_loop(test)


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_whatever_it_raises_is_an_answer_and_the_thread_goes_on(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.threads = 1
        driver.run_threaded(fail, (), keeper, 1)
        driver.run_threaded(lambda: "on", (), keeper, 2)
        await heard(keeper, 2)
        assert keeper.heard == [("failed", 1, f"{error.__name__}()"), ("answered", 2, "on")]

    on_a_loop(test)


def test_an_asynchronous_function_fails_with_a_sentence_and_leaves_no_coroutine_behind() -> None:
    async def function() -> None: ...

    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.run_threaded(function, (), keeper, "token")
        await heard(keeper, 1)
        ((kind, _, error),) = keeper.heard
        assert kind == "failed"
        assert (
            "function is asynchronous, and a thread has no event loop: write a plain function, or register it" in error
        )

    on_a_loop(test)


def test_no_more_than_threads_run_at_once_and_the_others_wait() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.threads = 2
        began, gate = threading.Semaphore(0), threading.Event()
        running: list[int] = []

        def block(number: int) -> int:
            running.append(number)
            began.release()
            assert gate.wait(PATIENCE)
            return threading.get_ident()

        for number in range(5):
            driver.run_threaded(block, (number,), keeper, number)
        for _ in range(2):
            assert began.acquire(timeout=PATIENCE)
        assert sorted(running) == [0, 1]
        assert not began.acquire(blocking=False)
        gate.set()
        await heard(keeper, 5)
        assert running[2:] == [2, 3, 4]
        assert len({thread for _, _, thread in keeper.heard}) == 2

    on_a_loop(test)


def test_threads_are_made_only_when_none_is_free() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        for number in range(20):
            driver.run_threaded(threading.get_ident, (), keeper, number)
            await heard(keeper, number + 1)
        assert len({thread for _, _, thread in keeper.heard}) == 1

    on_a_loop(test)


def test_each_has_a_context_of_its_own_made_when_it_was_asked_for() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    def swap(new: str) -> str:
        before = name.get()
        name.set(new)
        return before

    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.threads = 1
        name.set("ada")
        driver.run_threaded(swap, ("bob",), keeper, 1)
        name.set("cy")
        driver.run_threaded(swap, ("dan",), keeper, 2)
        await heard(keeper, 2)
        assert [result for _, _, result in keeper.heard] == ["ada", "cy"]
        assert name.get() == "cy"

    on_a_loop(test)


def test_a_free_thread_keeps_nothing_of_its_last_call() -> None:
    class Big: ...

    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        big, gone = Big(), threading.Event()
        weakref.finalize(big, gone.set)
        driver.run_threaded(lambda _: None, (big,), keeper, None)
        del big
        await heard(keeper, 1)
        assert await asyncio.to_thread(gone.wait, PATIENCE)

    on_a_loop(test)


# The end


def test_the_end_waits_for_threads() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        gate, ended = threading.Event(), driver.loop.create_future()
        driver.run_threaded(lambda: gate.wait(PATIENCE), (), keeper, "token")
        driver.finish(PATIENCE, lambda: ended.set_result(list(keeper.heard)))
        await turn()
        assert not ended.done()
        gate.set()
        assert await ended == [("answered", "token", True)]

    on_a_loop(test)


def test_the_end_leaves_behind_what_needs_too_long_and_answers_for_it_once() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.threads = 1
        began, gate, ended = threading.Event(), threading.Event(), list[str]()
        threads: list[threading.Thread] = []

        def stubborn() -> str:
            threads.append(threading.current_thread())
            began.set()
            gate.wait(PATIENCE)
            return "too late"

        driver.run_threaded(stubborn, (), keeper, 1)
        driver.run_threaded(ended.append, ("it ran",), keeper, 2)
        assert began.wait(PATIENCE)
        driver.finish(0, lambda: ended.append("done"))
        await until(lambda: ended)
        assert ended == ["done"]
        assert sorted((kind, token) for kind, token, _ in keeper.heard) == [("failed", 1), ("failed", 2)]
        assert "stubborn was still in its thread at the end" in str(keeper.heard)
        gate.set()
        await asyncio.to_thread(threads[0].join, PATIENCE)
        assert not threads[0].is_alive()
        await turn()
        assert len(keeper.heard) == 2

    on_a_loop(test)


def test_a_thread_that_never_ends_does_not_keep_the_process() -> None:
    program = """
import asyncio, threading
from waterspout.drivers import AsyncioDriver

class Asker:
    def later(self, token): return self
    def answered(self, token, result): ...
    def failed(self, token, error): print(type(error).__name__)

async def main():
    driver, ended = AsyncioDriver(), asyncio.Event()
    driver.run_threaded(threading.Event().wait, (), Asker(), None)
    driver.finish(0.01, ended.set)
    await ended.wait()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr, done.returncode) == ("TimeoutError\n", "", 0)


def test_without_a_loop_it_runs_in_place() -> None:
    keeper = Keeper()
    InlineDriver().run_threaded(threading.get_ident, (), keeper, "token")
    assert keeper.heard == [("answered", "token", threading.get_ident())]
