"""Handlers of Tornado's that keep their connections, because their class redefines something."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from hosts import flash
from hosts.client import HANDSHAKE, opening, request, text
from hosts.handler_host import HandlerHost
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.old import PATH, Old, chunk, stream, visit
from hosts.suite.polling import Polling
from hosts.suite.vanishing import Vanishing
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


class TestEnding(Ending): ...


class TestOld(Old):
    test_a_broken_frame_ends_its_session_and_no_other = None  # type: ignore[assignment]


async def test_a_websocket_before_its_standard_is_refused_for_the_handler_would_carry_it(host: HandlerHost) -> None:
    """Tornado's own WebSocket, which such a class keeps, knows no draft 76; the client takes its next transport."""
    echo = Echo()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    wire = await host.connect()
    wire.send(flash.handshake(f"{PATH}/flashsocket/{sid}", host.page))
    answer = await wire.answer()
    assert answer.status == 426
    assert "13" in (answer.field("sec-websocket-version") or "")
    assert answer.field("sec-websocket-location") is answer.field("sec-websocket-origin") is None
    assert (await (await host.connect()).ask("GET", f"{PATH}/xhr-polling/{sid}")).body == b"1::"
    wire = await host.connect()
    wire.send(draft_handshake(sid))
    assert (await wire.answer()).status in (426, 101)  # before 6.6, Tornado speaks versions 7 and 8


def draft_handshake(sid: str) -> bytes:
    """Write the opening handshake of version 8."""
    fields = dict(HANDSHAKE) | {"Sec-WebSocket-Version": "8"}
    return request("GET", f"{PATH}/websocket/{sid}", *fields.items())


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


@pytest.mark.parametrize("own", ["superchat", None])
async def test_a_subprotocol_of_the_handlers_own_wins(host: HandlerHost, own: str | None) -> None:
    class Choosy(EngineWebSocketHandler):
        def select_subprotocol(self, subprotocols: list[str]) -> str | None:
            assert subprotocols == ["chat", "superchat"]
            return own

    host.handler = Choosy
    await host.serve(Echo(subprotocols=("chat",)).server)
    wire = await host.connect()
    wire.send(opening("", ("Sec-WebSocket-Protocol", "chat, superchat")))
    answer = await wire.answer()
    assert (answer.status, answer.field("sec-websocket-protocol")) == (101, own)


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


# Classes that fail, or leave out what they should do


def failing(*_: Any, **__: Any) -> None:
    raise LookupError("this class fails")


def open_and_fail(handler: Any, *args: Any, **kwargs: Any) -> None:
    EngineWebSocketHandler.open(handler, *args, **kwargs)
    failing()


def left_out(*_: Any, **__: Any) -> None:
    """Do nothing, and do not call `super`."""


BAD: dict[str, dict[str, Any]] = {
    "open fails": {"open": failing},
    "open fails late": {"open": open_and_fail},
    "on_message fails": {"on_message": failing},
    "on_close fails": {"on_close": failing},
    "on_close does nothing": {"on_close": left_out},
    "on_connection_close fails": {"on_connection_close": failing},
    "on_connection_close does nothing": {"on_connection_close": left_out},
    "send_messages fails": {"send_messages": failing},
    "send_messages does nothing": {"send_messages": left_out},
    "select_subprotocol fails": {"select_subprotocol": failing},
    "get_compression_options fails": {"get_compression_options": failing},
    "on_finish fails": {"on_finish": failing},
    "prepare fails": {"prepare": failing},
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("eio", [3, 4])
async def test_whatever_a_class_does_wrong_nothing_of_it_is_left(host: HandlerHost, name: str, eio: int) -> None:
    handlers: list[weakref.ref[Any]] = []
    ended: list[str] = []
    told: list[Any] = []  # without tracebacks, which would keep the handlers

    class Bad(Kept):
        def begun(self) -> None:
            handlers.append(weakref.ref(self))

        def ended(self) -> None:
            ended.append(name)

        def log_exception(self, *error: Any) -> None:
            told.append(error[0])

    echo = Echo()
    host.handler = type("Worse", (Bad,), BAD[name])
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(type(context["exception"])))
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening(eio=eio, more="&user=1") + text("40", '42["echo",1]'))
    await wire.answer()
    for _ in range(20):
        await asyncio.sleep(0)
    if name == "send_messages fails":  # which is later for clients of 1.x and 2.x: their greeting waits
        await host.until(lambda: told)
    wire.cut()
    await host.until(lambda: echo.is_empty)
    await host.until(lambda: len(ended) == len(handlers))
    await host.until(lambda: gc.collect() is not None and not any(handler() for handler in handlers))
    assert told == ([LookupError] if "fails" in name else [])


@pytest.mark.parametrize("eio", [3, 4])
async def test_a_session_does_not_wait_for_an_open_that_never_comes(host: HandlerHost, eio: int) -> None:
    class Silent(EngineWebSocketHandler):
        def open(self, *args: Any, **kwargs: Any) -> None: ...

    host.handler = Silent
    echo = Echo(connect_timeout=0.1)
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening(eio=eio))
    assert (await wire.answer()).status == 101
    assert len(echo.server.engine.sessions) == 1
    await host.until(lambda: echo.is_empty)


async def test_what_is_unsent_is_counted_down_to_nothing(host: HandlerHost) -> None:
    echo = Echo(max_outbox_bytes=10_000_000)
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (session,) = echo.server.engine.sessions.values()
    messenger = session.transport.messenger  # type: ignore[attr-defined]
    sent = 0
    while not session.outbox_bytes:
        echo.server.emit("n", "x" * 1000)
        sent += 1
        await asyncio.sleep(0)
    assert messenger.unsent_bytes > 65_536
    wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(sent):
        assert await wire.text() == f'42["n","{"x" * 1000}"]'
    await host.until(lambda: messenger.unsent_bytes == 0)
    assert await echoes(wire)


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


@pytest.mark.parametrize("loop", LOOPS)
class TestVanishing:
    """Where Tornado's stream has the socket of a WebSocket."""

    test_an_event_and_the_end = Vanishing.test_an_event_and_the_end

    @pytest.fixture
    def host(self, loop: str) -> HandlerHost:
        host = HandlerHost(LOOPS[loop])
        host.handler = Kept
        return host


@pytest.mark.parametrize("loop", LOOPS)
class TestVanishingStreams:
    """The same of endless answers."""

    @pytest.fixture
    def host(self, loop: str) -> HandlerHost:
        host = HandlerHost(LOOPS[loop])
        host.handler = Paged
        return host

    test_a_request_that_waits_and_the_end = Vanishing.test_a_request_of_0_9_that_waits_and_the_end


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
    assert b"\r\n7:::1+0\r\n" in await chunk(wire)
    assert await chunk(wire) == b""
    wire.cut()
    await Residence.of(echo.server.engine).drain()
