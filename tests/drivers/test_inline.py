"""The driver without a loop: what plain functions do is there at once."""

import asyncio
import contextvars
import logging
import re
import types
from typing import Any

import pytest

from drivers.keeper import Keeper
from waterspout import Pending
from waterspout.drivers import InlineDriver
from waterspout.engine import Layer, Level


def test_a_plain_function_is_called_at_once_and_its_result_is_the_answer() -> None:
    keeper = Keeper()
    InlineDriver().run(lambda a, b: a + b, (1, 2), keeper, "token")
    assert keeper.heard == [("answered", "token", 3)]


def test_an_exception_is_an_answer_too() -> None:
    keeper = Keeper()
    InlineDriver().run(lambda: 1 / 0, (), keeper, "token")
    assert keeper.heard == [("failed", "token", "ZeroDivisionError('division by zero')")]


def test_an_asynchronous_function_fails_with_a_sentence_and_leaves_no_coroutine_behind() -> None:
    async def function() -> None: ...

    keeper = Keeper()
    InlineDriver().run(function, (), keeper, "token")
    ((kind, _, error),) = keeper.heard
    assert kind == "failed"
    assert "is asynchronous: run it on a host with an event loop, or write a plain function" in error


class Cursor:
    """What a handler may return: it can be closed and sent to, and is no coroutine."""

    def close(self) -> None:
        raise AssertionError("nobody asked for that")

    def send(self, value: object) -> None: ...


def test_an_object_with_close_and_send_is_a_result_like_any_other() -> None:
    keeper, cursor = Keeper(), Cursor()
    InlineDriver().run(lambda: cursor, (), keeper, "token")
    assert keeper.heard == [("answered", "token", cursor)]


@pytest.mark.parametrize("awaitable", [Pending(InlineDriver()), types.coroutine(lambda: (yield))()], ids=["", "yield"])
def test_any_other_awaitable_fails_too(awaitable: Any) -> None:
    keeper = Keeper()
    InlineDriver().run(lambda: awaitable, (), keeper, "token")
    assert [kind for kind, *_ in keeper.heard] == ["failed"]


@pytest.mark.parametrize("error", [LookupError, GeneratorExit, asyncio.CancelledError])
def test_whatever_a_function_raises_is_told_once_and_ends_nothing_else(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    keeper = Keeper()
    InlineDriver().run(fail, (), keeper, "token")
    assert keeper.heard == [("failed", "token", f"{error.__name__}()")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_told_once_and_then_raised(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    keeper, driver = Keeper(), InlineDriver()
    with pytest.raises(error):
        driver.run(fail, (), keeper, "token")
    assert keeper.heard == [("failed", "token", f"{error.__name__}()")]
    heard: list[int] = []
    driver.soon(heard.append, 1)
    assert heard == [1]


def test_what_a_function_sets_in_its_context_no_other_sees() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")
    driver, keeper = InlineDriver(), Keeper()
    driver.run(name.set, ("ada",), keeper, 1)
    driver.run(name.get, (), keeper, 2)
    assert keeper.heard[1] == ("answered", 2, "nobody")
    assert name.get() == "nobody"


class Counted:
    """A value that counts how often it is written out."""

    written = 0

    def __str__(self) -> str:
        self.written += 1
        return "value"


def test_a_note_is_written_only_where_somebody_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    driver, value = InlineDriver(), Counted()
    caplog.set_level(logging.INFO, "waterspout.engine")
    for _ in range(1000):
        driver.note(Layer.ENGINE, Level.DEBUG, "a %s", value)
    assert (value.written, caplog.records) == (0, [])
    driver.note(Layer.ENGINE, Level.INFO, "a %s", value)
    assert caplog.record_tuples == [("waterspout.engine", logging.INFO, "a value")]
    assert value.written


def test_levels_are_those_of_logging() -> None:
    assert {level.name: level.value for level in Level}.items() <= logging.getLevelNamesMapping().items()


def test_what_is_to_be_done_soon_is_done_at_once_where_nothing_is_running() -> None:
    heard: list[int] = []
    InlineDriver().soon(heard.append, 1)
    assert heard == [1]


def test_what_is_to_be_done_soon_waits_for_what_is_running() -> None:
    driver, heard = InlineDriver(), list[str]()

    def function() -> None:
        driver.soon(heard.append, "first")
        driver.soon(later)
        driver.run(lambda: heard.append("inner"), (), Keeper(), None)
        heard.append("function")

    def later() -> None:
        driver.soon(heard.append, "last")
        heard.append("later")

    driver.run(function, (), Keeper(), None)
    assert heard == ["inner", "function", "first", "later", "last"]


def test_a_function_that_fails_keeps_nothing_from_being_done() -> None:
    driver, heard = InlineDriver(), list[str]()

    def function() -> None:
        driver.soon(heard.append, "later")
        raise LookupError

    driver.run(function, (), Keeper(), None)
    assert heard == ["later"]


def test_tokens_are_long_and_differ() -> None:
    driver = InlineDriver()
    tokens = [driver.token() for _ in range(1000)]
    assert len(set(tokens)) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)


def test_time_goes_on() -> None:
    driver = InlineDriver()
    assert driver.now() <= driver.now()
    assert driver.wall() > 1_600_000_000


def test_nothing_can_be_waited_for_and_the_sentences_say_why() -> None:
    pending: Pending[None] = Pending(InlineDriver())
    with pytest.raises(RuntimeError, match="nothing can be waited for yet: no host runs the server on an event loop"):
        pending.wait()
    with pytest.raises(RuntimeError, match="nothing can be awaited yet: no host runs the server on an event loop"):
        pending.__await__().send(None)


def test_nobody_is_foreign_nothing_rings_and_nothing_is_waited_for_at_the_end() -> None:
    driver, heard = InlineDriver(), list[str]()
    driver.alarm(0, lambda: heard.append("alarm"))
    assert not driver.foreign()
    driver.finish(60, lambda: heard.append("done"))
    assert heard == ["done"]


def test_what_is_reported_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    error = LookupError("why")
    with caplog.at_level(logging.ERROR, "waterspout"):
        InlineDriver().report("it failed: %s", error)
    ((record),) = caplog.records
    assert (record.name, record.getMessage(), record.levelname) == ("waterspout.server", "it failed: %s", "ERROR")
    assert record.exc_info is not None
    assert record.exc_info[1] is error
