"""Handlers of Tornado's that keep their connections, because their class redefines something."""

import asyncio
from typing import Any

import pytest

from hosts.client import opening, request, target, text
from hosts.handler_host import HandlerHost
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.old import Old, chunk, stream, visit
from hosts.suite.polling import Polling
from hosts.suite.websocket import WebSocket, echoes
from hosts.tornado_host import LOOPS
from waterspout import Reason, Socket
from waterspout.hosts.handlers import EngineHandler, EngineStreamHandler, EngineWebSocketHandler
from waterspout.hosts.residence import Residence


class Kept(EngineWebSocketHandler):
    """Keeps its connections, and says nothing of its own."""

    def on_message(self, message: Any) -> Any:
        return super().on_message(message)


@pytest.fixture
def host() -> HandlerHost:
    host = HandlerHost(LOOPS["asyncio"])
    host.handler = Kept
    return host


class TestWebSocket(WebSocket):
    """Its head, its pongs and its answers to broken frames are Tornado's own."""

    test_the_handshake_is_answered = None  # type: ignore[assignment]
    test_odd_headers_change_nothing = None  # type: ignore[assignment]
    test_a_conversation_byte_by_byte_is_the_same = None  # type: ignore[assignment]
    test_a_broken_frame_behind_the_handshake_closes = None  # type: ignore[assignment]
    test_what_a_client_says_last_is_answered_with_a_code = None  # type: ignore[assignment]

    @pytest.mark.parametrize("frame", [b"\xa1\x80\0\0\0\0", b"\x91\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\xff" * 20])
    async def test_a_broken_frame_ends_its_connection_and_no_other(self, host: HandlerHost, frame: bytes) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        wire = await host.websocket()
        wire.send(frame + text('42["echo","late"]'))
        assert await wire.rest() == b""
        assert await echoes(neighbour)
        assert echo.left == [Reason.TRANSPORT_CLOSE]


class TestEnding(Ending):
    async def test_who_was_at_the_door_is_told_too(self, host: Host) -> None:
        """A GET is decided about when its body is there, and a greeting waits for the pause of Engine.IO 3."""
        echo = Echo()
        await host.serve(echo.server)
        late, paused = await host.connect(), await host.connect()
        late.send(request("GET", target("polling"), ("Content-Length", "1")))
        paused.send(opening(eio=3))
        assert (await paused.answer()).status == 101
        await echo.server.close()
        assert await paused.closing() == 1001
        late.send(b"x")
        assert (await late.answer()).status == 503
        assert echo.is_empty


class TestOld(Old):
    test_a_broken_frame_ends_its_session_and_no_other = None  # type: ignore[assignment]


class TestPolling(Polling): ...


async def test_a_message_of_several_frames_waits_for_the_session(host: HandlerHost) -> None:
    """While too many calls are pending, Tornado reads no further."""
    echo = Echo(max_calls=1)
    going = asyncio.Event()

    @echo.server.on("slow")
    async def slow(socket: Socket, number: int) -> None:
        echo.heard.append((number,))
        await going.wait()

    await host.serve(echo.server)
    wire = await host.websocket()
    (session,) = echo.server.engine.sessions.values()
    for number in range(5):
        wire.send(text(f'42["slow",{number}]'))
    await host.until(lambda: echo.heard)
    for _ in range(20):
        await asyncio.sleep(0)
    assert echo.heard == [(0,)]
    assert session.is_paused
    going.set()
    await host.until(lambda: len(echo.heard) == 5)
    assert echo.heard == [(number,) for number in range(5)]
    assert await echoes(wire)


async def test_compression_is_tornados(host: HandlerHost) -> None:
    echo = Echo(per_message_deflate=True)
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening("", ("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover")))
    answer = await wire.answer()
    assert answer.field("sec-websocket-extensions") == "permessage-deflate"
    assert (await wire.text()).startswith('0{"sid":"')
    assert wire.compressed


async def test_a_handler_may_speak_for_itself(host: HandlerHost) -> None:
    class Talkative(EngineWebSocketHandler):
        def open(self, *args: Any, **kwargs: Any) -> None:
            super().open(*args, **kwargs)
            self.write_message({"hello": 1})

        def on_message(self, message: Any) -> Any:
            if message == "mine":
                return self.write_message("yours")
            return super().on_message(message)

    host.handler = Talkative
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(opening())
    assert (await wire.answer()).status == 101
    assert await wire.text() == '{"hello": 1}'
    assert (await wire.text()).startswith('0{"sid":"')
    wire.send(text("mine", "40", '420["echo",1]'))
    assert await wire.text() == "yours"
    assert (await wire.text()).startswith('40{"sid":"')
    assert await wire.text() == "430[1]"


@pytest.mark.parametrize("frames", [b"", text("40")])
async def test_a_refusal_of_the_handlers_own_leaves_no_session(host: HandlerHost, frames: bytes) -> None:
    class Closed(EngineWebSocketHandler):
        def check_origin(self, origin: str) -> bool:
            return False

    host.handler = Closed
    echo = Echo(cors_origins="*")
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening("", ("Origin", "http://page.example")) + frames)
    assert (await wire.answer()).status == 403
    await host.until(lambda: echo.is_empty)


# The end


@pytest.mark.parametrize("handler", [EngineHandler, Kept])
async def test_connections_are_drained_or_cut_like_those_of_a_mount(
    host: HandlerHost, handler: type[EngineHandler]
) -> None:
    host.handler = handler
    echo = Echo()
    await host.serve(echo.server)
    residence = Residence.of(echo.server.engine)
    polite, rude = await host.websocket(), await host.websocket()
    await echo.server.close()
    drained = asyncio.ensure_future(residence.drain())
    assert await polite.closing() == 1001
    for _ in range(10):
        await asyncio.sleep(0)
    assert not drained.done()
    residence.cut()
    await drained
    assert (await rude.rest())[:4] in (b"", b"\x88\x02\x03\xe9")
    assert echo.is_empty


class Paged(EngineStreamHandler):
    """Keeps its endless answers."""

    def session_closed(self) -> None:
        super().session_closed()


@pytest.mark.parametrize("handler", [EngineStreamHandler, Paged])
async def test_an_endless_answer_is_drained_or_cut_too(host: HandlerHost, handler: type[EngineHandler]) -> None:
    host.handler = handler
    echo = Echo()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    wire, _, first = await stream(host, sid, "xhr-multipart")
    assert sid.encode() in first
    assert b"\r\n1::\r\n" in await chunk(wire)
    echo.server.emit("a", "--socketio")
    assert b'5:::{"name":"a","args":["--socketio"]}' in await chunk(wire)
    await echo.server.close()
    assert await chunk(wire) == b""
    wire.cut()
    await Residence.of(echo.server.engine).drain()
