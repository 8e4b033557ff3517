"""WebSocket: the handshake, frames, and the way from polling to it, over real connections."""

import asyncio
from typing import Any

import pytest

from hosts.client import ACCEPT, HANDSHAKE, KEY, Wire, opening, request, target, text
from hosts.host import Host
from hosts.suite.echo import Echo
from waterspout import Reason, Socket
from waterspout.testing import client_frame

ENTER = text("40")


@pytest.mark.usefixtures("quiet")
class WebSocket:
    """A host's tests of WebSockets."""

    # The handshake

    @pytest.mark.parametrize("eio", [3, 4])
    async def test_the_handshake_is_answered(self, host: Host, eio: int) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(opening(eio=eio))
        assert (await wire.answer()).head == [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {ACCEPT}",
        ]
        opened = await wire.text()
        assert opened.startswith('0{"sid":"')
        assert '"upgrades":[]' in opened

    async def test_the_handshake_brings_cors_and_the_cookie(self, host: Host) -> None:
        echo = Echo(cors_origins=["http://good.example"], cookie="io")
        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(opening("", ("Origin", "http://good.example")))
        answer = await wire.answer()
        sid = (await wire.text()).split('"')[3]
        assert answer.field("set-cookie") == f"io={sid}; Path=/; HttpOnly; SameSite=Lax"
        assert answer.field("access-control-allow-origin") == "http://good.example"

    @pytest.mark.parametrize(
        ("spoken", "chosen"), [(None, "chat"), (("v2", "superchat"), "superchat"), (("v2",), None), ((), None)]
    )
    async def test_a_subprotocol_is_agreed_on(
        self, host: Host, spoken: tuple[str, ...] | None, chosen: str | None
    ) -> None:
        """In all generations, also where a WebSocket comes after polling: a client that needs one closes without."""
        offers = [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "n@ne, superchat")]
        echo = Echo(subprotocols=spoken)
        await host.serve(echo.server)
        visitor = await (await host.connect()).ask("GET", "/socket.io/1/")
        sid = visitor.body.decode().partition(":")[0]
        polling = await (await host.connect()).ask("GET", target("polling"))
        for handshake in (
            opening("", *offers, eio=3),
            opening("", *offers, eio=4),
            opening(polling.body.decode().split('"')[3], *offers),
            request("GET", f"/socket.io/1/websocket/{sid}", *HANDSHAKE, *offers),
        ):
            wire = await host.connect()
            wire.send(handshake)
            answer = await wire.answer()
            assert answer.status == 101
            assert answer.field("sec-websocket-protocol") == chosen

    async def test_another_origin_is_refused_and_the_connection_can_be_used_on(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(opening("", ("Origin", "http://evil.example")))
        assert (await wire.answer()).status == 403
        assert echo.is_empty
        wire.send(opening())
        assert (await wire.answer()).status == 101

    @pytest.mark.parametrize(
        ("name", "value", "status"),
        [
            ("Sec-WebSocket-Version", "8", 426),
            ("Sec-WebSocket-Version", "99", 426),
            ("Sec-WebSocket-Version", "13, 8", 426),
            ("Sec-WebSocket-Version", None, 426),
            ("Sec-WebSocket-Key", None, 400),
            ("Sec-WebSocket-Key", "", 400),
            ("Sec-WebSocket-Key", "short", 400),
            ("Sec-WebSocket-Key", KEY[:-1], 400),
            ("Sec-WebSocket-Key", KEY + KEY, 400),
            ("Sec-WebSocket-Key", "\xff" * 22 + "==", 400),
            ("Sec-WebSocket-Key", "x" * 50_000, 400),
            ("Upgrade", "h2c", 400),
            ("Upgrade", None, 400),
            ("Connection", "close", 400),
            ("Connection", None, 400),
        ],
    )
    async def test_a_handshake_that_is_not_one_is_refused(
        self, host: Host, name: str, value: str | None, status: int
    ) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        fields = {**dict(HANDSHAKE), name: value}
        present = [(field, content) for field, content in fields.items() if content is not None]
        answer = await wire.ask("GET", target("websocket"), *present)
        assert answer.status == status
        assert answer.field("sec-websocket-version") == ("13" if status == 426 else None)
        assert len(answer.body) < 300
        assert echo.is_empty

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
    async def test_a_handshake_is_a_get(self, host: Host, method: str) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        assert (await wire.ask(method, target("websocket"), *HANDSHAKE)).status == 400

    async def test_a_handshake_of_http_1_0_is_refused(self, host: Host) -> None:
        """RFC 6455, section 4.2.1, item 1."""
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(request("GET", target("websocket"), *HANDSHAKE, version="1.0"))
        assert (await wire.answer()).status == 400
        assert echo.is_empty

    @pytest.mark.parametrize(
        "fields",
        [
            [("Sec-WebSocket-Extensions", value)]
            for value in (
                "permessage-deflate; client_max_window_bits",
                "constructor",
                "__proto__; __class__=1",
                '"\\' * 4000,
                ';a="' * 4000,
                ", ".join(["permessage-deflate"] * 1000),
                "permessage-deflate; server_max_window_bits=999999999999999999999",
                "\x80\xff",
            )
        ]
        + [
            [("Sec-WebSocket-Protocol", "b" + " " * 60_000 + "x")],  # CVE-2021-32640
            [("Sec-WebSocket-Protocol", "cha\xff, \xff")],
            [(f"X-{number}", "a") for number in range(95)],
            [("X-Same", "a")] * 95,
            [("Cookie", 'a="' + "\\" * 60_000)],  # CVE-2024-7592
            [("Cookie", "io=1; io=2; \xff=\xfe; =; ;")],
        ],
        ids=lambda fields: f"{fields[0][0]}-{len(fields)}-{fields[0][1][:12]!a}",
    )
    async def test_odd_headers_change_nothing(self, host: Host, fields: list[tuple[str, str]]) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(opening("", *fields))
        answer = await wire.answer()
        assert len(answer.head) == 4
        assert answer.status == 101
        assert answer.field("sec-websocket-extensions") is None
        assert answer.field("sec-websocket-protocol") is None

    @pytest.mark.parametrize("name", ["X-{}", "X-Same"])  # CVE-2024-37890, CVE-2025-67725
    async def test_too_many_header_lines_are_refused(self, host: Host, name: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        for ask in (opening, lambda *more: request("GET", target("polling"), *more[1:])):
            wire.send(ask("", *[(name.format(number), "a") for number in range(2000)]))
            answer = await wire.answer()
            assert answer.status == 431
            assert b"header lines, more than the 100 of max_header_lines" in answer.body
        assert echo.is_empty
        wire.send(opening())
        assert (await wire.answer()).status == 101

    async def test_a_page_whose_own_name_points_here_is_refused(self, host: Host) -> None:
        echo = Echo(allowed_hosts=["localhost", "127.0.0.0/8"])
        await host.serve(echo.server)
        for name, status in [("localhost:8000", 101), ("127.0.0.1", 101), ("evil.example", 403)]:
            wire = await host.connect()
            wire.send(opening("", ("Origin", f"http://{name}")).replace(b"Host: localhost", b"Host: " + name.encode()))
            # with TLS, a page of http:// is no page of this server's
            assert (await wire.answer()).status == (403 if host.server_tls else status)
        for target_ in (target("polling"), "/socket.io/1/", target("polling", "unknown")):
            for method in ("GET", "POST", "OPTIONS"):
                wire = await host.connect()
                wire.send(request(method, target_).replace(b"Host: localhost", b"Host: evil.example"))
                answer = await wire.answer()
                assert answer.status == 403
                assert b"the host 'evil.example' is not allowed" in answer.body
        for head in (
            f"GET {target('polling')} HTTP/1.0",
            f"GET http://localhost{target('polling')} HTTP/1.1\r\nHost: b",
        ):
            wire = await host.connect()
            wire.send(f"{head}\r\n\r\n".encode())
            assert (await wire.answer()).status == (403 if "HTTP/1.0" in head else 200)

    async def test_too_large_a_head_is_refused_and_the_neighbours_notice_nothing(self, host: Host) -> None:
        await host.serve(Echo().server)
        neighbour = await host.websocket()
        wire = await host.connect()
        wire.send(opening("", *[(f"X-{number}", "a") for number in range(20_000)]))
        assert b" 101 " not in await wire.rest()
        assert await echoes(neighbour)

    # What comes with the handshake, in one segment

    async def test_a_frame_behind_the_handshake_is_read(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(opening() + ENTER + text('420["echo",1]'))
        assert (await wire.answer()).status == 101
        assert (await wire.text()).startswith('0{"sid":"')
        assert (await wire.text()).startswith('40{"sid":"')
        assert await wire.text() == "430[1]"

    async def test_a_frame_behind_the_handshake_of_engineio_3_is_read(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(opening(eio=3) + text('420["echo",1]'))
        assert (await wire.answer()).status == 101
        assert (await wire.text()).startswith('0{"sid":"')
        assert [await wire.text(), await wire.text()] == ["40", "430[1]"]

    @pytest.mark.parametrize("frame", [b"\xa1\x80\0\0\0\0", b"\xc1\x80\0\0\0\0", b"\x91\x80\0\0\0\0", b"\x81\x00"])
    async def test_a_broken_frame_behind_the_handshake_closes(self, host: Host, frame: bytes) -> None:
        """CVE-2022-21676: nobody listened yet for the error, and the process ended."""
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(opening() + frame)
        assert (await wire.answer()).status == 101
        assert await wire.closing() == 1002
        assert echo.is_empty

    async def test_half_a_frame_behind_the_handshake_waits_for_the_other(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(opening() + ENTER[:5])
        assert (await wire.answer()).status == 101
        assert (await wire.text()).startswith('0{"sid":"')
        wire.send(ENTER[5:])
        assert (await wire.text()).startswith('40{"sid":"')

    async def test_a_large_message_behind_the_handshake_is_read(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(opening() + ENTER + text(f'420["echo","{"x" * 300_000}"]'))
        assert (await wire.answer()).status == 101
        await wire.text()
        await wire.text()
        assert await wire.text() == f'430["{"x" * 300_000}"]'

    async def test_the_end_behind_the_handshake_leaves_nothing(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        async with asyncio.timeout(5):  # half of `connect_timeout`, at which each session would end by itself
            for frames in (b"", ENTER, ENTER[:3]):
                wire = await host.connect()
                wire.send(opening() + frames)
                wire.end()
                await wire.rest()
            assert await echoes(neighbour)
            await host.until(lambda: len(echo.server.engine.sessions) == 1)

    # Frames

    async def test_messages_are_echoed_whatever_their_frames(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.websocket()
        first, second = '420["echo","h\u00e9'.encode()[:12], '420["echo","h\u00e9'.encode()[12:] + b'"]'
        wire.send(client_frame(1, first, final=False) + client_frame(9, b"?") + client_frame(0, second))
        assert await wire.frame() == (10, b"?")
        assert await wire.text() == '430["h\u00e9"]'

    async def test_bytes_follow_their_packet(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.websocket()
        wire.send(text('451-0["echo",{"_placeholder":true,"num":0}]') + client_frame(2, b"\0\xff"))
        assert await wire.text() == '461-0[{"_placeholder":true,"num":0}]'
        assert await wire.frame() == (2, b"\0\xff")

    async def test_a_conversation_byte_by_byte_is_the_same(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        whole = opening() + ENTER + client_frame(9, b"!") + text('420["echo",[1,{"a":"\U0001f600"}]]')
        for byte in whole:
            wire.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await wire.answer()).status == 101
        assert (await wire.text()).startswith('0{"sid":"')
        assert (await wire.text()).startswith('40{"sid":"')
        assert await wire.frame() == (10, b"!")
        assert await wire.text() == '430[[1,{"a":"\U0001f600"}]]'

    async def test_900_kb_are_echoed(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.websocket()
        wire.send(text(f'420["echo","{"x" * 900_000}"]'))
        assert await wire.text() == f'430["{"x" * 900_000}"]'

    async def test_a_client_that_reads_late_gets_all_in_its_order(self, host: Host) -> None:
        echo = Echo(max_outbox_bytes=10_000_000)

        @echo.server.on("flood")
        def flood(socket: Socket) -> None:
            for number in range(100):
                socket.emit("n", number, "x" * 50_000)

        await host.serve(echo.server)
        wire = await host.websocket()
        neighbour = await host.websocket()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(text('42["flood"]'))
        assert await echoes(neighbour)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for number in range(100):
            assert (await wire.text())[:12] == f'42["n",{number},"x'.ljust(12, "x")
        assert await echoes(wire)

    @pytest.mark.parametrize(
        ("frames", "code"),
        [
            (client_frame(8, b"\x03\xe8"), 1000),
            (client_frame(8, b"\x0f\xa0bye"), 4000),
            (client_frame(1, b"42\xff"), 1007),
            (client_frame(3, b""), 1002),
            (client_frame(0, b""), 1002),
            (client_frame(9, bytes(126)), 1002),
            (text('42["echo"'), 1002),
            (text("9"), 1002),
            (b"\xc1\x80\0\0\0\0", 1002),
            (b"\x81\xff" + (1 << 40).to_bytes(8, "big"), 1009),
            (b"\x81\xff" + (1 << 63).to_bytes(8, "big"), 1002),
        ],
    )
    async def test_what_a_client_says_last_is_answered_with_a_code(self, host: Host, frames: bytes, code: int) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.websocket()
        wire.send(frames)
        assert await wire.closing() == code
        assert echo.is_empty
        assert len(echo.left) == 1

    async def test_a_close_frame_without_a_code_is_answered_without_one(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.websocket()
        wire.send(client_frame(8, b""))
        assert await wire.frame() == (8, b"")

    async def test_messages_up_to_the_limit_are_taken_and_one_byte_more_is_not(self, host: Host) -> None:
        echo = Echo(max_payload_bytes=1000)
        await host.serve(echo.server)
        wire = await host.websocket()
        wire.send(text(f'42["echo","{"x" * 987}"]'))
        assert await echoes(wire)
        wire.send(text(f'42["echo","{"x" * 988}"]'))
        assert await wire.closing() == 1009
        assert [len(args[0]) for args in echo.heard] == [987, 5]

    async def test_a_client_that_vanishes_has_left(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.websocket()
        wire.abort()
        await host.until(lambda: echo.left)
        assert echo.left == [Reason.TRANSPORT_CLOSE]
        assert echo.is_empty

    async def test_a_server_that_disconnects_says_so_and_closes(self, host: Host) -> None:
        echo = Echo()
        echo.server.on("out")(lambda socket: socket.disconnect(close=True))
        await host.serve(echo.server)
        wire = await host.websocket()
        wire.send(text('42["out"]'))
        assert await wire.text() == "41"
        assert await wire.closing() == 1000
        assert echo.is_empty

    # From polling to WebSocket

    @pytest.mark.parametrize("eio", [3, 4])
    async def test_a_client_changes_from_polling_to_a_websocket(self, host: Host, eio: int) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session(eio=eio)
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        wire = await host.connect()
        wire.send(opening(session.sid, eio=eio) + text("2probe"))
        assert (await wire.answer()).status == 101
        assert await wire.text() == "3probe"
        assert await session.polled() == ("1:6" if eio == 3 else "6")
        echo.server.emit("while", "between")
        wire.send(text("5"))
        assert await wire.text() == '42["while","between"]'
        assert await echoes(wire)
        assert (await session.polling.ask("GET", session.target())).status == 400
        wire.send(client_frame(8, b"\x03\xe8"))
        assert await wire.closing() == 1000
        assert echo.is_empty

    async def test_a_failed_upgrade_leaves_the_session_on_polling(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        for frames in (b"", text("2probe"), text("42[]"), text("2probe", "2probe", "x"), b"\xff\xff", text("2")[:6]):
            wire = await host.connect()
            wire.send(opening(session.sid) + frames)
            assert (await wire.answer()).status == 101
            wire.cut()
            await host.until(lambda: echo.server.engine.sessions[session.sid].can_upgrade)
        assert (await session.post('420["echo","on polling"]')).body == b"ok"
        assert await session.get() == '430["on polling"]'

    async def test_a_second_websocket_of_a_session_is_closed_after_its_101(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        first, second = await host.connect(), await host.connect()
        first.send(opening(session.sid) + text("2probe", "5"))
        assert (await first.answer()).status == 101
        assert await first.text() == "3probe"
        second.send(opening(session.sid) + text("2probe", '42["echo","stolen"]'))
        assert (await second.answer()).status == 101
        assert await second.closing() == 1000
        assert await echoes(first)
        assert echo.heard == [("again",)]

    # What a handler sees

    async def test_a_handler_sees_the_request(self, host: Host) -> None:
        seen: dict[str, Any] = {}
        echo = Echo()

        @echo.server.on_connect
        def connect(socket: Socket, auth: Any) -> None:
            asked = socket.request
            seen.update(method=asked.method, path=asked.path, address=asked.remote_address, secure=asked.secure)
            seen.update(colour=asked.param("colour"), agent=asked.header("user-agent"), cookies=asked.cookies)

        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(opening("", ("User-Agent", "test"), ("Cookie", "a=1; b=2"), more="&colour=red") + ENTER)
        assert (await wire.answer()).status == 101
        await wire.text()
        await wire.text()
        assert seen == {
            "method": "GET",
            "path": "/socket.io/",
            "address": host.address,
            "secure": True if host.server_tls else None,
            "colour": "red",
            "agent": "test",
            "cookies": {"a": "1", "b": "2"},
        }
        (socket,) = echo.server.sockets()
        assert socket.request.native is None
        assert socket.request.header("user-agent") == "test"


async def echoes(wire: Wire) -> bool:
    """Whether an event is echoed."""
    wire.send(text('420["echo","again"]'))
    return await wire.text() == '430["again"]'
