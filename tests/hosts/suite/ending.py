"""The end of a server: clients are told, and nothing is left."""

import asyncio
import weakref
from typing import Any

import pytest

from hosts.client import opening, request, target, text
from hosts.host import Host
from hosts.suite.echo import Echo
from waterspout import Engine, Reason, Socket


@pytest.mark.usefixtures("quiet")
class Ending:
    """A host's tests of `close`."""

    async def test_websockets_are_told_with_1001_and_their_sockets_close(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        before = host.connections()
        wires = [await host.websocket(eio=eio) for eio in (3, 4, 4)]
        closing = echo.server.close()
        assert [await wire.closing() for wire in wires] == [1001, 1001, 1001]
        await closing
        assert echo.left == [Reason.SHUTDOWN] * 3
        assert echo.is_empty
        for wire in wires:
            wire.abort()
        await host.until(lambda: host.connections() <= before)

    @pytest.mark.parametrize(("eio", "goodbye"), [(3, "1:1"), (4, "1")])
    async def test_a_parked_poll_is_answered_with_a_close_packet(self, host: Host, eio: int, goodbye: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session(eio=eio)
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        closing = echo.server.close()
        assert await session.polled() == goodbye
        await closing
        assert echo.left == [Reason.SHUTDOWN]
        assert echo.is_empty

    async def test_what_was_sent_comes_before_the_goodbye(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire, session = await host.websocket(), await host.session()
        echo.server.emit("last", "x" * 500_000)
        closing = echo.server.close()
        assert await wire.text() == f'42["last","{"x" * 500_000}"]'
        assert await wire.closing() == 1001
        assert await session.get() == f'42["last","{"x" * 500_000}"]'
        assert await session.get() == "1"
        await closing

    async def test_an_upgrade_under_way_ends_on_both_of_its_connections(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        wire = await host.connect()
        wire.send(opening(session.sid) + text("2probe"))
        assert (await wire.answer()).status == 101
        assert await wire.text() == "3probe"
        session.poll()
        assert await session.polled() == "6"
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        closing = echo.server.close()
        assert await wire.closing() == 1000
        assert await session.polled() == "1"
        await closing

    async def test_nobody_is_let_in_any_more(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        assert (await wire.ask("OPTIONS", target("polling"))).status == 204
        await echo.server.close()
        for message in (request("GET", target("polling")), opening()):
            wire.send(message)
            assert (await wire.answer()).status == 503
        assert echo.is_empty

    async def test_who_was_at_the_door_is_told_too(self, host: Host) -> None:
        """The head of a handshake has come, its body has not; and a greeting waits for Engine.IO 3's pause."""
        echo = Echo()
        await host.serve(echo.server)
        late, paused = await host.connect(), await host.connect()
        late.send(request("GET", target("polling"), ("Content-Length", "1")))
        paused.send(opening(eio=3))
        assert (await paused.answer()).status == 101
        await echo.server.close()
        assert await paused.closing() == 1001
        late.send(b"x")
        answer = await late.answer()
        assert (answer.status, b"connect again later" in answer.body) == (503, True)
        assert echo.is_empty

    async def test_handlers_that_run_are_waited_for(self, host: Host) -> None:
        echo = Echo()
        done = asyncio.Event()

        @echo.server.on("slow", ordered=False)
        async def slow(socket: Socket) -> None:
            await done.wait()
            echo.heard.append(("done",))

        await host.serve(echo.server)
        wire = await host.websocket()
        wire.send(text('42["slow"]', '420["echo",1]'))
        assert await wire.text() == "430[1]"
        closing = asyncio.ensure_future(closed(echo))
        assert await wire.closing() == 1001
        assert not closing.done()
        done.set()
        await closing
        assert echo.heard == [(1,), ("done",)]

    async def test_handlers_that_run_too_long_are_cancelled(self, host: Host, caplog: pytest.LogCaptureFixture) -> None:
        echo = Echo(shutdown_timeout=0.01)

        @echo.server.on("for ever", ordered=False)
        async def for_ever(socket: Socket) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                echo.heard.append(("cancelled",))

        await host.serve(echo.server)
        wire = await host.websocket()
        wire.send(text('42["for ever"]', '420["echo",1]'))
        assert await wire.text() == "430[1]"
        await echo.server.close()
        assert echo.heard == [(1,), ("cancelled",)]
        assert "the handler of 'for ever' in / failed" in caplog.text
        caplog.clear()

    async def test_a_server_without_clients_ends_at_once_and_as_often_as_one_likes(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        await echo.server.close()
        await echo.server.close()

    async def test_bare_engineio_ends_too(self, host: Host) -> None:
        class Application:
            def open(self, session: Any, request: Any) -> None: ...
            def message(self, session: Any, data: Any) -> None: ...
            def close(self, session: Any, reason: Reason) -> None:
                reasons.append(reason)

        reasons: list[Reason] = []
        engine = Engine(Application())
        await host.serve(engine)
        wire = await host.websocket(path="/engine.io", enter=False)
        closing = engine.close()
        assert await wire.closing() == 1001
        await closing
        assert reasons == [Reason.SHUTDOWN]

    async def test_what_was_of_a_client_is_freed_without_the_garbage_collector(self, host: Host) -> None:
        """A cycle for each connection would wait for the collector, 4 KB at a time."""
        echo = Echo()
        kept: list[weakref.ref[Any]] = []

        @echo.server.on_connect
        def connect(socket: Socket, auth: Any) -> None:
            kept.extend((weakref.ref(socket), weakref.ref(socket._member.session)))

        await host.serve(echo.server)
        wire = await host.websocket()
        wire.abort()
        await host.until(lambda: echo.is_empty)
        await host.until(lambda: not any(reference() for reference in kept))


async def closed(echo: Echo) -> None:
    await echo.server.close()
