"""What runs beside the handlers: when it begins, what it may do, and how it ends."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from turns import until
from waterspout import Reason, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.server.signatures import Function
from waterspout.testing import Clock, Pair, Peer

KINDS = pytest.mark.parametrize("decorator", ["on_start", "on_stop"])


def on_loop(test: Callable[[Server], Any], **options: Any) -> None:
    """Run a test on a real loop."""

    async def main() -> None:
        async with asyncio.timeout(30):
            await test(Server(**options))

    asyncio.run(main())


def test_plain_functions_have_ended_before_the_first_client_is_served(server: Server) -> None:
    seen: list[object] = []
    server.on_start(lambda: seen.append("first"))
    server.on_start(lambda: seen.append("second"))
    server.on_connect(lambda socket, auth: seen.append("client"))
    Pair(server)
    Pair(server)
    assert seen == ["first", "second", "client", "client"]


def test_nothing_is_called_before_there_is_a_loop(server: Server) -> None:
    seen: list[object] = []
    server.on_start(lambda: seen.append("start"))
    server.on_stop(lambda: seen.append("stop"))
    server.close()
    assert seen == []


def test_a_task_goes_on_with_the_clock_until_the_server_is_closed(server: Server) -> None:
    ended = []

    @server.on_start
    async def tick() -> None:
        try:
            while True:
                await asyncio.sleep(1)
                server.emit("tick")
        finally:
            ended.append(True)

    pair = Pair(server)
    pair.clock.advance(3)
    assert pair.peer.events() == [("tick",)] * 3
    closing = server.close()
    assert closing.done
    assert ended == [True]
    assert pair.clock.reports == []
    pair.clock.advance(3)
    assert pair.peer.events() == []


def test_what_stops_is_called_while_clients_are_connected_and_tasks_run(server: Server) -> None:
    seen: list[object] = []
    changed = asyncio.Event()

    @server.on_start
    async def task() -> None:
        await changed.wait()
        seen.append("task")
        await asyncio.sleep(1000)

    @server.on_stop
    async def stop() -> None:
        server.emit("farewell")
        changed.set()
        await asyncio.sleep(2)
        seen.append(len(server.sockets()))

    @server.on_disconnect
    def gone(socket: Socket, reason: Reason) -> None:
        seen.append(reason)

    pair = Pair(server)
    closing = server.close()
    pair.clock.settle()
    assert pair.peer.events() == [("farewell",)]
    assert pair.peer.closed is None
    assert seen == ["task"]
    assert not closing.done
    pair.clock.advance(2)
    assert seen == ["task", 1, Reason.SHUTDOWN]
    assert closing.done


def test_a_function_that_does_not_stop_has_the_shutdown_timeout(server: Server) -> None:
    @server.on_stop
    async def stop() -> None:
        await asyncio.sleep(1000)

    pair = Pair(server)
    closing = server.close()
    pair.clock.advance(4.9)
    assert pair.peer.closed is None
    pair.clock.advance(0.1)
    assert pair.peer.closed is not None
    assert closing.wait(2) is None


def test_a_task_that_will_not_be_cancelled_has_it_too() -> None:
    async def test(server: Server) -> None:
        @server.on_start
        async def task() -> None:
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    tried.append(True)
                    if len(tried) == 2:
                        raise

        tried: list[bool] = []
        driver = AsyncioDriver()
        server.engine.bind(driver)
        await asyncio.sleep(0)
        await server.close()
        assert len(tried) == 2
        assert not driver._tasks

    on_loop(test, shutdown_timeout=0.01)


def test_on_a_loop_a_task_ends_with_the_server_and_no_handler_is_cancelled() -> None:
    async def test(server: Server) -> None:
        seen: list[str] = []

        @server.on_start
        async def task() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                seen.append("task")

        @server.on("slow")
        async def slow(socket: Socket) -> None:
            while "task" not in seen:
                await asyncio.sleep(0)
            seen.append("handler")

        server.engine.bind(AsyncioDriver())
        peer = Peer(server)
        peer.connect()
        peer.emit("slow")
        await until(server.sockets)
        await server.close()
        assert seen == ["task", "handler"]

    on_loop(test)


def test_a_task_may_close_the_server_and_go_on_after_that() -> None:
    async def test(server: Server) -> None:
        seen: list[str] = []
        over = asyncio.Event()

        @server.on_start
        async def task() -> None:
            await server.close()
            seen.append("closed")
            over.set()

        server.engine.bind(AsyncioDriver())
        await over.wait()
        assert seen == ["closed"]

    on_loop(test)


@KINDS
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_function_raises_is_reported_with_its_name_and_the_others_are_called(
    server: Server, decorator: str, is_async: bool
) -> None:
    seen: list[str] = []
    register = getattr(server, decorator)

    def broken() -> None:
        raise ValueError("no")

    async def broken_later() -> None:
        broken()

    register(broken_later if is_async else broken)
    register(lambda: seen.append("other"))
    pair = Pair(server)
    closing = server.close()
    pair.clock.settle()
    assert closing.done
    ((text, error),) = pair.clock.reports
    name = f"{test_what_a_function_raises_is_reported_with_its_name_and_the_others_are_called.__name__}.<locals>."
    name += broken_later.__name__ if is_async else broken.__name__
    assert text == f"the function {name!r} of {decorator} failed"
    assert isinstance(error, ValueError)
    assert seen == ["other"]


def test_a_function_that_is_registered_late_is_called_at_once(server: Server) -> None:
    seen: list[str] = []
    clock = Pair(server).clock
    server.on_start(lambda: seen.append("start"))
    clock.settle()
    assert seen == ["start"]


def test_a_second_loop_starts_the_server_again() -> None:
    server, seen = Server(), []
    server.on_start(lambda: seen.append("start"))
    server.on_stop(lambda: seen.append("stop"))

    @server.on_start
    async def task() -> None:
        seen.append("task")
        await asyncio.sleep(1000)

    async def main() -> None:
        server.engine.bind(AsyncioDriver())
        await asyncio.sleep(0)
        await server.close()

    for _ in range(2):
        asyncio.run(main())
    assert seen == ["start", "task", "stop"] * 2


def test_a_loop_that_ends_without_a_close_is_no_failure_of_its_tasks(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()

    @server.on_start
    async def task() -> None:
        await asyncio.sleep(1000)

    async def main() -> None:
        server.engine.bind(AsyncioDriver())
        await asyncio.sleep(0)

    asyncio.run(main())
    assert caplog.records == []


@KINDS
@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (5, "a function of {} is 5: give a function"),
        (lambda socket: None, "a function of {} is called with (), but takes (socket)"),
    ],
)
def test_what_cannot_be_called_is_refused(server: Server, decorator: str, function: Any, sentence: str) -> None:
    with pytest.raises(TypeError) as refusal:
        getattr(server, decorator)(function)
    assert str(refusal.value) == sentence.format(decorator)


def test_the_guard_of_the_loop_names_a_function(server: Server) -> None:
    background = server._background
    named = Function(test_the_guard_of_the_loop_names_a_function)
    assert background.describe(named) == ("the function 'test_the_guard_of_the_loop_names_a_function' of on_start")


def test_a_clock_that_is_bound_starts_the_server(server: Server) -> None:
    seen: list[str] = []
    server.on_start(lambda: seen.append("start"))
    clock = Clock()
    server.engine.bind(clock)
    clock.settle()
    assert seen == ["start"]


def test_a_test_may_end_in_the_middle_of_a_task(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()

    @server.on_start
    async def task() -> None:
        await asyncio.sleep(1000)

    Pair(server).close()
    del server, task
    gc.collect()
    assert caplog.records == []
