"""The URLs of Socket.IO 0.7 to 0.9 over real sockets: endless answers, WebSockets, polling, and who leaves them."""

import asyncio
import re
from typing import Any

import pytest

from hosts import flash
from hosts.client import ACCEPT, HANDSHAKE, Answer, Wire, request, text
from hosts.flash import Flash
from hosts.host import Host
from hosts.suite.echo import Echo
from waterspout import Engine, Reason
from waterspout.engine import Session
from waterspout.engine.protocol1.polling import OldPollingTransport
from waterspout.engine.transports.null import NOBODY
from waterspout.testing import client_frame

EVENT = '5:::{"name":"echo","args":["hé 😀\\n</script>"]}'
ECHO = '5:1+::{"name":"echo","args":["x"]}'
LEAVE = "0::"
PATH = "/socket.io/1"


async def visit(wire: Wire) -> str:
    """Make a handshake, and return the session's id."""
    answer = await wire.ask("GET", f"{PATH}/?t=1")
    assert answer.status == 200
    found = re.fullmatch(rb"([\w-]{22}):\d+:\d+:[\w,-]+", answer.body)
    assert found, answer
    return found[1].decode()


async def post(host: Host, sid: str, body: str, transport: str = "xhr-polling") -> Answer:
    """Send a payload on a connection of its own."""
    return await (await host.connect()).ask("POST", f"{PATH}/{transport}/{sid}", body=body.encode())


async def chunk(wire: Wire) -> bytes:
    """Read a chunk of an endless answer; the last is empty."""
    size = int(await wire.reader.readuntil(b"\r\n"), 16)
    return (await wire.reader.readexactly(size + 2))[:-2]


async def attach(host: Host, sid: str, transport: str = "websocket") -> Wire:
    """Open a WebSocket for a session."""
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/{transport}/{sid}", *HANDSHAKE))
    assert (await wire.answer()).status == 101
    return wire


async def flash_page(host: Host, sid: str, transport: str = "flashsocket") -> Flash:
    """Open a WebSocket of Flash for a session, from a page of the server's own."""
    client = Flash(await host.connect(), host.page)
    await client.open(f"{PATH}/{transport}/{sid}")
    assert await client.text() == "1::"
    return client


async def stream(host: Host, sid: str, transport: str) -> tuple[Wire, Answer, bytes]:
    """Begin an endless answer: its connection, its head, and its first chunk."""
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/{transport}/{sid}"))
    head = await wire.answer(bodiless=True)
    return wire, head, await chunk(wire)


def parked(echo: Echo, sid: str) -> bool:
    transport: Any = echo.server.engine.sessions[sid].transport
    return isinstance(transport, OldPollingTransport) and transport._poll is not None


class Bare:
    """An application of bare Engine.IO that does nothing."""

    def open(self, session: Session, request: object) -> None: ...
    def message(self, session: Session, data: str | bytes) -> None: ...
    def close(self, session: Session, reason: Reason) -> None: ...


@pytest.mark.usefixtures("quiet")
class Old:
    """A host's tests of the oldest clients."""

    @pytest.mark.parametrize("transport", ["websocket", "flashsocket"])
    async def test_a_websocket_by_either_name(self, host: Host, transport: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await attach(host, await visit(await host.connect()), transport)
        assert await wire.text() == "1::"
        wire.send(text(ECHO, "3:::nobody listens"))
        assert await wire.text() == '6:::1+["x"]'
        wire.send(text(LEAVE))
        assert await wire.closing() == 1000
        assert echo.left == [Reason.CLIENT_DISCONNECT]
        assert echo.is_empty

    async def test_a_frame_in_the_segment_of_the_handshake(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sid = await visit(await host.connect())
        wire = await host.connect()
        wire.send(request("GET", f"{PATH}/websocket/{sid}", *HANDSHAKE) + text(ECHO))
        assert (await wire.answer()).status == 101
        assert [await wire.text(), await wire.text()] == ["1::", '6:::1+["x"]']

    async def test_an_htmlfile(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sid = await visit(await host.connect())
        wire, head, preamble = await stream(host, sid, "htmlfile")
        assert head.status == 200
        assert head.field("transfer-encoding") == "chunked"
        assert head.field("content-type") == "text/html; charset=UTF-8"
        assert len(preamble) >= 256
        assert await chunk(wire) == b'<script>_("1::");</script>'
        server = echo.server
        server.emit("news", "</script><script>alert(1)</script>")
        said = await chunk(wire)
        assert said.count(b"<script") == said.count(b"</script") == 1
        assert (await post(host, sid, ECHO, "htmlfile")).body == b"1"
        assert await chunk(wire) == b'<script>_("6:::1+[\\"x\\"]");</script>'
        assert (await post(host, sid, LEAVE, "htmlfile")).body == b"1"
        assert await chunk(wire) == b""
        assert await wire.rest() == b""
        assert echo.is_empty

    async def test_an_xhr_multipart(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sid = await visit(await host.connect())
        wire, head, first = await stream(host, sid, "xhr-multipart")
        assert head.field("content-type") == 'multipart/x-mixed-replace;boundary="socketio"'
        part = b"Content-Type: text/plain; charset=UTF-8\r\n\r\n%b\r\n--socketio\r\n"
        assert first == b"--socketio\r\n" + part % sid.encode()
        assert await chunk(wire) == part % b"1::"
        assert (await post(host, sid, ECHO, "xhr-multipart")).body == b"1"
        assert await chunk(wire) == part % b'6:::1+["x"]'

    async def test_polling(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        sid = await visit(wire)
        url = f"{PATH}/xhr-polling/{sid}"
        assert (await wire.ask("GET", url)).body == b"1::"
        wire.send(request("GET", url, ("If-None-Match", '"x"')))
        await host.until(lambda: parked(echo, sid))
        assert (await post(host, sid, f"\ufffd{len(EVENT) + 1}\ufffd{EVENT}\ufffd{len(ECHO)}\ufffd{ECHO}")).body == b"1"
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, b'6:::1+["x"]')
        assert answer.field("etag") is None
        assert echo.heard == [("hé 😀\n</script>",), ("x",)]

    async def test_a_get_that_is_cut_costs_nothing(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        sid = await visit(wire)
        url = f"{PATH}/xhr-polling/{sid}"
        assert (await wire.ask("GET", url)).body == b"1::"
        wire.send(request("GET", url))
        await host.until(lambda: parked(echo, sid))
        wire.abort()
        await host.until(lambda: not parked(echo, sid))
        echo.server.emit("a")
        echo.server.emit("b")
        answer = await (await host.connect()).ask("GET", url)
        assert answer.body.decode() == '\ufffd16\ufffd5:::{"name":"a"}\ufffd16\ufffd5:::{"name":"b"}'
        assert echo.left == []

    @pytest.mark.parametrize("first", ["websocket", "htmlfile"])
    async def test_what_no_connection_could_take_comes_over_the_next(self, host: Host, first: str) -> None:
        """What the kernel took is sent, as far as anybody can know; all behind that comes, once and in order."""
        echo = Echo(max_outbox_bytes=100_000_000)
        await host.serve(echo.server)
        sid = await visit(await host.connect())
        session = echo.server.engine.sessions[sid]
        wire = (await stream(host, sid, first))[0] if first == "htmlfile" else await attach(host, sid)
        await host.until(echo.server.sockets)
        echo.server.emit("n", 0)
        await wire.reader.readuntil(b":[0]")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(1, 400):
            echo.server.emit("n", number, "x" * 50_000)
        await host.until(lambda: session.outbox_bytes)
        wire.cut()
        await host.until(lambda: session.transport is NOBODY)
        echo.server.emit("n", 400)
        answer = await (await host.connect()).ask("GET", f"{PATH}/xhr-polling/{sid}")
        numbers = [int(found) for found in re.findall(rb'"args":\[(\d+)', answer.body)]
        assert numbers == list(range(numbers[0], 401))
        assert 0 < numbers[0] < 400

    @pytest.mark.parametrize("end", ["cut", "silence"])
    async def test_an_answer_that_no_connection_could_take_comes_again(self, host: Host, end: str) -> None:
        echo = Echo(max_outbox_bytes=100_000_000)
        await host.serve(echo.server)
        wire = await host.connect()
        sid = await visit(wire)
        url = f"{PATH}/xhr-polling/{sid}"
        assert (await wire.ask("GET", url)).body == b"1::"
        for number in range(400):
            echo.server.emit("n", number, "x" * 50_000)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(request("GET", url))
        session = echo.server.engine.sessions[sid]
        await host.until(lambda: not session.outbox_bytes)
        if end == "cut":
            wire.cut()
        echo.server.emit("n", 400)
        answer = await (await host.connect()).ask("GET", url)
        assert re.findall(rb'"args":\[(\d+)', answer.body) == [b"%d" % number for number in range(401)]
        if end == "silence":
            wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert b'"args":[399' not in await wire.rest()
        echo.server.emit("n", 401)
        answer = await (await host.connect()).ask("GET", url)
        assert answer.body == b'5:::{"name":"n","args":[401]}'
        assert echo.left == []

    async def test_a_session_goes_on_where_its_client_comes_next(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sid = await visit(await host.connect())
        wire = await attach(host, sid)
        assert await wire.text() == "1::"
        wire.cut()
        await host.until(lambda: echo.server.engine.sessions[sid].transport is NOBODY)
        echo.server.emit("a")
        again = await attach(host, sid)
        assert await again.text() == '5:::{"name":"a"}'
        answer = await (await host.connect()).ask("GET", f"{PATH}//{sid}/?disconnect=1")
        assert (answer.status, answer.body) == (200, b"")
        assert await again.closing() == 1000
        assert echo.is_empty

    async def test_a_client_of_today_shares_the_room(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        modern = await host.websocket()
        old = await attach(host, await visit(await host.connect()))
        assert await old.text() == "1::"
        echo.server.emit("both", 1)
        assert await old.text() == '5:::{"name":"both","args":[1]}'
        assert await modern.text() == '42["both",1]'

    # What is none of it

    @pytest.mark.parametrize(
        ("method", "below", "status"),
        [
            ("GET", "/?jsonp=alert(1)", 400),
            ("GET", "/jsonp-polling/{sid}?i=alert(1)", 400),
            ("GET", "/webtransport/{sid}", 404),
            ("GET", "/xhr-polling", 404),
            ("PUT", "/xhr-polling/{sid}", 405),
            ("GET", "/websocket/{sid}", 400),
            ("GET", "/xhr-polling/{other}", 200),
            ("POST", "/xhr-polling/{other}", 200),
            ("OPTIONS", "/xhr-polling/{sid}", 204),
            ("GET", "x/", 503),
            ("GET", "/../../1/", 404),
            ("GET", "/xhr-polling/{sid}/%2e%2e/x", 404),
        ],
    )
    async def test_what_is_refused_repeats_nothing(self, host: Host, method: str, below: str, status: int) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        sid = await visit(wire)
        below = below.format(sid=sid, other="<script>alert(1)</script>"[1:7] * 3)
        answer = await wire.ask(method, PATH + below, ("Referer", "http://localhost/"))
        assert answer.status == status
        assert b"alert" not in answer.body
        assert sid.encode() not in answer.body
        assert (await wire.ask("GET", f"{PATH}/xhr-polling/{sid}")).body == b"1::"

    @pytest.mark.parametrize("body", ["<script>alert(1)</script>", "\ufffd9\ufffd3:::x", "6:::x", "5:::{", "9::", "\0"])
    async def test_a_broken_post_ends_its_session_and_no_other(self, host: Host, body: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await attach(host, await visit(await host.connect()))
        assert await neighbour.text() == "1::"
        sid = await visit(await host.connect())
        answer = await post(host, sid, body)
        assert (answer.status, answer.body) == (400, b"this is no payload of Socket.IO 0.7 to 0.9")
        assert sid not in echo.server.engine.sessions
        neighbour.send(text('6:::7+["a+b"]', ECHO))
        assert await neighbour.text() == '6:::1+["x"]'

    @pytest.mark.parametrize("frame", [text("garbage"), client_frame(2, b"binary"), text("5:::{"), b"\xff" * 20])
    async def test_a_broken_frame_ends_its_session_and_no_other(self, host: Host, frame: bytes) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await attach(host, await visit(await host.connect()))
        wire = await attach(host, await visit(await host.connect()))
        assert [await neighbour.text(), await wire.text()] == ["1::", "1::"]
        wire.send(frame)
        assert await wire.closing() in (1002, 1003, 1007)
        assert echo.left == [Reason.PARSE_ERROR]
        neighbour.send(text(ECHO))
        assert await neighbour.text() == '6:::1+["x"]'

    async def test_a_body_above_the_limit_is_refused_and_the_session_goes_on(self, host: Host) -> None:
        echo = Echo(max_payload_bytes=1000)
        await host.serve(echo.server)
        sid = await visit(await host.connect())
        assert (await post(host, sid, "3:::" + "x" * 997)).status == 413
        assert (await post(host, sid, "3:::" + "x" * 996)).status == 200

    async def test_a_post_with_newlines_that_comes_first(self, host: Host) -> None:
        echo = Echo()
        heard: list[str] = []
        echo.server.on("message")(lambda socket, words: heard.append(words))
        await host.serve(echo.server)
        wire = await host.connect()
        sid = await visit(wire)
        assert (await post(host, sid, "3:::a\nb\r\nc")).body == b"1"
        assert heard == ["a\nb\r\nc"]
        assert (await wire.ask("GET", f"{PATH}/xhr-polling/{sid}")).body == b"1::"

    async def test_an_engine_without_them_leaves_these_paths_to_others(self, host: Host) -> None:
        await host.serve(Engine(Bare(), path="/socket.io"))
        assert (await (await host.connect()).ask("GET", f"{PATH}/")).status == 404


@pytest.mark.usefixtures("quiet")
class OldDrafts:
    """A host's tests of WebSockets before RFC 6455, where it carries their bytes."""

    @pytest.mark.parametrize("version", ["7", "8"])
    async def test_a_websocket_of_a_draft_of_the_standard(self, host: Host, version: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sid, wire = await visit(await host.connect()), await host.connect()
        fields = dict(HANDSHAKE) | {"Sec-WebSocket-Version": version}
        foreign = await wire.ask(
            "GET", f"{PATH}/websocket/{sid}", *fields.items(), ("Sec-WebSocket-Origin", "http://x")
        )
        assert (foreign.status, foreign.body) == (403, b"handshake bad origin")
        fields["Sec-WebSocket-Origin"] = host.page
        wire.send(request("GET", f"{PATH}/websocket/{sid}", *fields.items()) + text(ECHO))
        assert (await wire.answer()).field("sec-websocket-accept") == ACCEPT
        assert [await wire.text(), await wire.text()] == ["1::", '6:::1+["x"]']

    @pytest.mark.parametrize("transport", ["websocket", "flashsocket"])
    async def test_a_websocket_of_flash(self, host: Host, transport: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        client = await flash_page(host, await visit(await host.connect()), transport)
        client.send(ECHO, "3:::nobody listens", EVENT)
        assert await client.text() == '6:::1+["x"]'
        echo.server.emit("n", "é" * 50_000)
        assert len(await client.text()) > 50_000
        await host.until(lambda: len(echo.heard) == 2)
        client.send(LEAVE)
        await client.closing()
        assert echo.left == [Reason.CLIENT_DISCONNECT]
        assert echo.is_empty

    async def test_a_websocket_of_flash_byte_by_byte_and_in_one_segment(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        slow, fast = [Flash(await host.connect(), host.page) for _ in range(2)]
        sids = [await visit(await host.connect()) for _ in range(2)]
        opening = [flash.handshake(f"{PATH}/flashsocket/{sid}", host.page) + flash.text(ECHO) for sid in sids]
        for at in range(len(opening[0])):
            slow.wire.send(opening[0][at : at + 1])
            await asyncio.sleep(0)  # each in a segment of its own
        fast.wire.send(opening[1])
        for client in (slow, fast):
            await client.opened()
            assert [await client.text(), await client.text()] == ["1::", '6:::1+["x"]']

    async def test_the_head_of_flash_is_answered_before_what_comes_behind_it(self, host: Host) -> None:
        """A proxy passes on no more before it has seen the 101."""
        echo = Echo()
        await host.serve(echo.server)
        client = Flash(await host.connect(), host.page)
        opening = flash.handshake(f"{PATH}/flashsocket/{await visit(await host.connect())}", host.page)
        client.wire.send(opening[:-8])
        assert (await client.wire.answer()).status == 101
        client.wire.send(opening[-8:])
        assert await client.wire.reader.readexactly(16) == flash.DIGEST
        assert await client.text() == "1::"

    async def test_who_begins_like_flash_and_does_not_end_it_is_cut_and_no_other(self, host: Host) -> None:
        echo = Echo(upgrade_timeout=0.05)
        await host.serve(echo.server)
        neighbour = await flash_page(host, await visit(await host.connect()))
        sid, wire = await visit(await host.connect()), await host.connect()
        wire.send(flash.handshake(f"{PATH}/flashsocket/{sid}", host.page)[:-1])
        assert (await wire.answer()).status == 101
        assert await wire.rest() == b""
        neighbour.send(ECHO)
        assert await neighbour.text() == '6:::1+["x"]'
        assert (await (await host.connect()).ask("GET", f"{PATH}/xhr-polling/{sid}")).body == b"1::"

    @pytest.mark.parametrize("frame", [b"\x80\x03abc", b"\xff\x01", b"\x01", b"\x00garbage\xff", b"\x00" + b"x" * 2000])
    async def test_a_broken_frame_of_flash_ends_its_session_and_no_other(self, host: Host, frame: bytes) -> None:
        echo = Echo(max_payload_bytes=1000)
        await host.serve(echo.server)
        neighbour, client = [await flash_page(host, await visit(await host.connect())) for _ in range(2)]
        client.wire.send(frame)
        await client.closing()
        assert echo.left == [Reason.PARSE_ERROR]
        neighbour.send(ECHO)
        assert await neighbour.text() == '6:::1+["x"]'
