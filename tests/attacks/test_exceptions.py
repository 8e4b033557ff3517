"""Users' functions that raise (C3): only that call fails, it is reported once, and all else goes on."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from attacks.measures import objects, slope
from hosts.client import text
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.websocket import echoes
from waterspout import AckTimeout, Pending, Server, Socket, SocketClosed
from waterspout.testing import Pair

Reported = list[tuple[str, BaseException | None]]


class Odd(BaseException):
    """What no `except Exception` catches."""


@pytest.fixture(params=[ValueError, Odd, asyncio.CancelledError, TimeoutError, StopIteration, RecursionError])
def failure(request: pytest.FixtureRequest) -> BaseException:
    made: BaseException = request.param("no")
    return made


@pytest.fixture(params=["plain", "async"])
def raising(request: pytest.FixtureRequest, failure: BaseException) -> Callable[..., Any]:
    """A handler that raises."""

    def plain(*_: Any) -> None:
        raise failure

    async def later(*_: Any) -> None:
        await asyncio.sleep(0)
        raise failure

    return plain if request.param == "plain" or isinstance(failure, StopIteration) else later  # no coroutine raises it


@pytest.fixture
def reported(caplog: pytest.LogCaptureFixture) -> Callable[[], Reported]:
    """Return what was logged, with the exceptions; also of tasks whose exceptions nobody has fetched."""

    def fetch() -> Reported:
        gc.collect()
        return [
            (record.getMessage(), record.exc_info[1] if record.exc_info else None)
            for record in caplog.records
            if record.levelname == "ERROR"
        ]

    return fetch


async def settled() -> None:
    """Let all tasks end that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_event_that_fails(
    host: Host, raising: Callable[..., Any], failure: BaseException, reported: Callable[[], Reported]
) -> None:
    echo = Echo()
    echo.server.on("bad")(raising)
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text('421["bad"]', '42["bad"]', '422["echo",2]'))
    assert await wire.text() == "432[2]"
    await settled()
    assert await echoes(wire)
    assert reported() == [("the handler of 'bad' in / failed", failure)] * 2


async def test_a_connect_handler_that_fails(
    host: Host, raising: Callable[..., Any], failure: BaseException, reported: Callable[[], Reported]
) -> None:
    echo = Echo()
    echo.server.of("/bad").on_connect(raising)
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text("40/bad,"))
    assert await wire.text() == '44/bad,{"message":"Internal error"}'
    assert await echoes(wire)
    assert reported() == [("the handler of 'connect' in /bad failed", failure)]
    assert echo.server.of("/bad").sockets() == []


async def test_a_disconnect_handler_that_fails(
    host: Host, raising: Callable[..., Any], failure: BaseException, reported: Callable[[], Reported]
) -> None:
    echo = Echo()
    echo.server.of("/bad").on_disconnect(raising)
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text("40/bad,"))
    assert (await wire.text()).startswith("40/bad,")
    wire.send(text("41/bad,"))
    assert await echoes(wire)
    await settled()
    assert reported() == [("the handler of 'disconnect' in /bad failed", failure)]
    assert echo.server.of("/bad").sockets() == []


async def test_an_error_handler_that_fails(
    host: Host, raising: Callable[..., Any], failure: BaseException, reported: Callable[[], Reported]
) -> None:
    echo = Echo()
    echo.server.on_error(raising)
    echo.server.on("bad")(lambda socket: 1 / 0)
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text('42["bad"]'))
    assert await echoes(wire)
    await settled()
    (first, _), second = reported()
    assert first == "the handler of 'bad' in / failed"
    assert second == ("the on_error handler in / failed", failure)


async def test_a_callback_of_a_question_that_fails(
    host: Host, failure: BaseException, reported: Callable[[], Reported]
) -> None:
    echo = Echo()

    def fail(pending: Pending[Any]) -> None:
        raise failure

    @echo.server.on("ask")
    def ask(socket: Socket) -> None:
        socket.call("question", timeout=5).add_done_callback(fail)

    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text('42["ask"]'))
    assert await wire.text() == '421["question"]'
    wire.send(text("431[]", '420["echo",1]'))
    assert await wire.text() == "430[1]"
    assert [error for _, error in reported()] == [failure]


async def test_an_answer_that_cannot_be_sent(host: Host, reported: Callable[[], Reported]) -> None:
    class Unsendable: ...

    deep: list[Any] = []
    deep.append(deep)
    answers: list[Any] = [Unsendable(), {1: {2, Unsendable()}}, deep, {Unsendable(): 1}]
    echo = Echo()
    echo.server.on("bad")(lambda socket, number: answers[number])
    await host.serve(echo.server)
    wire = await host.websocket()
    for number in range(len(answers)):
        wire.send(text(f'421["bad",{number}]'))
        assert await echoes(wire)
    assert [str(error)[:33] for _, error in reported()] == ["the answer to 'bad' cannot be senn"[:33]] * len(answers)


async def test_an_emit_that_cannot_be_sent_fails_where_it_was_said(host: Host) -> None:
    echo = Echo()
    caught: list[str] = []

    @echo.server.on("bad")
    def bad(socket: Socket) -> None:
        for emit in (socket.emit, socket.broadcast, echo.server.emit):
            with pytest.raises(TypeError) as error:
                emit("news", object())
            caught.append(str(error.value))

    await host.serve(echo.server)
    wire, neighbour = await host.websocket(), await host.websocket()
    wire.send(text('42["bad"]'))
    assert await echoes(wire)
    assert await echoes(neighbour)
    assert len(caught) == 3
    assert all("object" in sentence for sentence in caught)


async def test_questions_that_are_not_answered_raise_where_they_were_asked(host: Host) -> None:
    echo = Echo()
    raised: list[type[BaseException]] = []

    @echo.server.on("ask")
    async def ask(socket: Socket, timeout: float) -> None:
        try:
            await socket.call("question", timeout=timeout)
        except (AckTimeout, SocketClosed) as error:
            raised.append(type(error))

    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text('42["ask",0.001]'))
    await host.until(lambda: raised)
    wire.send(text('42["ask",60]'))
    assert await wire.text() == '421["question"]'
    assert await wire.text() == '422["question"]'
    wire.abort()
    await host.until(lambda: len(raised) == 2)
    assert raised == [AckTimeout, SocketClosed]


async def test_a_handler_that_never_returns_holds_up_nobody(host: Host, reported: Callable[[], Reported]) -> None:
    echo = Echo()

    @echo.server.on("never", ordered=False)
    async def never(socket: Socket) -> None:
        await asyncio.Event().wait()

    @echo.server.of("/never").on_connect
    async def enter(socket: Socket, auth: object) -> None:
        await asyncio.Event().wait()

    echo.server._shutdown_timeout = 0.0
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text('421["never"]', "40/never,", '42/never,["x"]'))
    assert await echoes(wire)
    wire.abort()
    await host.until(lambda: echo.is_empty)
    assert reported() == []


def test_failures_leave_nothing() -> None:
    server = Server()
    server.on("bad")(lambda socket: 1 / 0)
    pair = Pair(server)

    def kept_objects(count: int) -> int:
        before = objects()
        for _ in range(count):
            pair.peer.emit("bad", id=1)
            pair.clock.reports.clear()
        return objects() - before

    kept_objects(10)
    assert slope(kept_objects) < 0.5
    assert pair.peer.take() == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_what_is_to_end_the_process_does(interrupt: type[BaseException]) -> None:
    server = Server()

    @server.on("exit")
    def leave(socket: Socket) -> None:
        raise interrupt

    pair = Pair(server)
    with pytest.raises(interrupt):
        pair.peer.emit("exit")
