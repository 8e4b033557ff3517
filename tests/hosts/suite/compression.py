"""Compressed WebSockets over real connections: the handshake, events both ways, and the way from polling to one."""

import random
from binascii import hexlify
from typing import Any

import pytest

from hosts.client import Wire, opening, target, text
from hosts.host import Host
from hosts.suite.echo import Echo
from waterspout.testing import client_frame
from waterspout.wire.deflate import Deflate

OFFER = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
LARGE = hexlify(random.Random(0).randbytes(450_000)).decode()  # 900 kB, of which half is left


def packed(message: str | bytes) -> bytes:
    """Write a compressed message."""
    if isinstance(message, str):
        return client_frame(0x41, Deflate().deflate(message.encode()))
    return client_frame(0x42, Deflate().deflate(message))


async def compressed(host: Host, *, eio: int = 4, offer: tuple[str, str] = OFFER) -> Wire:
    """Open a WebSocket that is compressed, and enter "/"."""
    wire = await host.connect()
    wire.send(opening("", offer, eio=eio))
    assert (await wire.answer()).field("sec-websocket-extensions") == ANSWER
    await wire.text()
    if eio == 4:
        wire.send(packed("40"))
    assert (await wire.text()).startswith("40")
    return wire


@pytest.mark.usefixtures("quiet")
class Compression:
    """A host's tests of compression."""

    @pytest.mark.parametrize("eio", [3, 4])
    async def test_events_go_both_ways(self, host: Host, eio: int) -> None:
        await host.serve(Echo(per_message_deflate=True).server)
        wire = await compressed(host, eio=eio)
        for content, expected in (("small", False), ("x" * 2000, True), (LARGE, True)):
            wire.send(packed(f'420["echo","{content}"]'))
            assert await wire.text() == f'430["{content}"]'
            assert wire.compressed is expected

    async def test_bytes_go_both_ways(self, host: Host) -> None:
        await host.serve(Echo(per_message_deflate=True).server)
        wire = await compressed(host)
        for content, expected in ((b"\0\xff", False), (bytes(900_000), True)):
            wire.send(packed('451-0["echo",{"_placeholder":true,"num":0}]') + packed(content))
            assert await wire.text() == '461-0[{"_placeholder":true,"num":0}]'
            assert await wire.frame() == (2, content)
            assert wire.compressed is expected

    async def test_a_room_of_all_kinds_gets_the_same(self, host: Host) -> None:
        echo = Echo(per_message_deflate=True)
        await host.serve(echo.server)
        wires = [await compressed(host, eio=eio) for eio in (3, 4, 4)]
        plain, polling = await host.websocket(), await host.session()
        echo.server.emit("news", "x" * 5000)
        for wire in (*wires, plain):
            assert await wire.text() == f'42["news","{"x" * 5000}"]'
            assert wire.compressed is (wire is not plain)
        assert await polling.get() == f'42["news","{"x" * 5000}"]'

    async def test_a_client_changes_from_polling_to_a_compressed_websocket(self, host: Host) -> None:
        echo = Echo(per_message_deflate=True)
        await host.serve(echo.server)
        session = await host.session()
        wire = await host.connect()
        wire.send(opening(session.sid, OFFER) + packed("2probe"))
        assert (await wire.answer()).field("sec-websocket-extensions") == ANSWER
        assert await wire.text() == "3probe"
        wire.send(packed("5") + packed(f'420["echo","{LARGE}"]'))
        assert await wire.text() == f'430["{LARGE}"]'
        assert wire.compressed

    async def test_polling_is_as_it_was(self, host: Host) -> None:
        await host.serve(Echo(per_message_deflate=True).server)
        wire = await host.connect()
        gzip = ("Accept-Encoding", "gzip, deflate")
        answer = await wire.ask("GET", target("polling"), OFFER, gzip)
        assert answer.field("sec-websocket-extensions") is None
        assert answer.field("content-encoding") is None
        assert answer.body.startswith(b'0{"sid":')

    @pytest.mark.parametrize(
        "value",
        [
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; unknown",
            "constructor",
            "__proto__; __class__=1",
            '"\\' * 4000,
            ';a="' * 4000,
            "permessage-deflate; server_max_window_bits=999999999999999999999",
            "permessage-deflate;" + " " * 60_000 + "\x80",
            "\x80\xff",
        ],
        ids=lambda value: ascii(value[:30]),
    )
    async def test_an_odd_offer_is_declined_and_the_handshake_goes_on(self, host: Host, value: str) -> None:
        await host.serve(Echo(per_message_deflate=True).server)
        wire = await host.connect()
        wire.send(opening("", ("Sec-WebSocket-Extensions", value)) + text("40"))
        answer = await wire.answer()
        assert answer.status == 101
        assert answer.field("sec-websocket-extensions") is None
        assert (await wire.text()).startswith('0{"sid":"')
        assert (await wire.text()).startswith('40{"sid":"')

    async def test_offers_in_several_fields_are_one_list(self, host: Host) -> None:
        await host.serve(Echo(per_message_deflate=True).server)
        wire = await host.connect()
        wire.send(opening("", ("Sec-WebSocket-Extensions", "other; a=1"), OFFER))
        assert (await wire.answer()).field("sec-websocket-extensions") == ANSWER

    @pytest.mark.parametrize(
        ("frames", "code"),
        [
            (packed("4" + "x" * 20_000_000), 1009),
            (client_frame(0x41, b"\xff\xff"), 1002),
            (client_frame(0x49, b"?"), 1002),
        ],
        ids=["a bomb", "garbage", "RSV1 on a ping"],
    )
    async def test_what_is_broken_closes_its_own_connection(self, host: Host, frames: bytes, code: int) -> None:
        echo: Any = Echo(per_message_deflate=True)
        await host.serve(echo.server)
        neighbour = await compressed(host)
        wire = await compressed(host)
        wire.send(frames)
        assert await wire.closing() == code
        neighbour.send(packed('420["echo","still here"]'))
        assert await neighbour.text() == '430["still here"]'
