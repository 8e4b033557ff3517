"""Compression turned against the server (B2): what unpacks to more than it should, and bits that are not agreed on."""

import zlib
from typing import Any

import pytest

from attacks.measures import memory
from waterspout import Reason, Server
from waterspout.testing import Peer, WebSocketCarrier, client_frame
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

LIMIT = 100_000
OFFER = "permessage-deflate; client_max_window_bits"


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


@pytest.fixture
def server() -> Server:
    server = Server(max_payload_bytes=LIMIT, per_message_deflate=True)
    server.on("size")(lambda socket, text: len(text))
    return server


def raw(payload: bytes, *, final: bool = False) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    if final:
        return stream.compress(payload) + stream.flush(zlib.Z_FINISH)
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def entered(server: Server, generation: Generation, extensions: str = OFFER) -> tuple[Peer, WebSocketCarrier]:
    peer = Peer(server, generation=generation, extensions=extensions)
    if not generation.implicit_connect:
        peer.connect()
    peer.take()
    assert isinstance(peer.carrier, WebSocketCarrier)
    return peer, peer.carrier


def event(size: int) -> bytes:
    """Make an event of so many bytes, which is answered with the length of its text."""
    return b'420["size","' + b"x" * (size - 14) + b'"]'


BOMB = raw(event(50_000_000))


@pytest.mark.parametrize("fragments", [1, 2, 100])
def test_a_bomb_of_1000_to_1_costs_its_limit_and_its_own_connection(
    server: Server, generation: Generation, fragments: int
) -> None:
    left: list[Reason] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    neighbour, _ = entered(server, generation)
    peer, carrier = entered(server, generation)
    assert len(BOMB) * 1000 < 50_000_000
    size = len(BOMB) // fragments
    with memory() as used:
        carrier.feed(client_frame(0x41, BOMB[:size], final=fragments == 1))
        for number in range(1, fragments):
            piece = BOMB[number * size : None if number == fragments - 1 else (number + 1) * size]
            carrier.feed(client_frame(0, piece, final=number == fragments - 1))
        assert used.peak < 6 * LIMIT
    assert peer.closed == 1009
    assert left == [Reason.PARSE_ERROR]
    neighbour.send(event(1000).decode())
    assert neighbour.take() == ["430[986]"]


def test_a_bomb_that_is_itself_above_the_limit_is_refused_at_its_header(server: Server, generation: Generation) -> None:
    peer, carrier = entered(server, generation)
    carrier.feed(b"\xc1\xff" + (LIMIT + 1).to_bytes(8))
    assert peer.closed == 1009


def test_as_much_as_the_limit_is_taken(server: Server, generation: Generation) -> None:
    peer, carrier = entered(server, generation)
    carrier.feed(client_frame(0x41, raw(event(LIMIT))))
    assert peer.take() == [f"430[{LIMIT - 14}]"]
    carrier.feed(client_frame(0x41, raw(event(LIMIT + 1))))
    assert peer.closed == 1009


def test_many_bombs_in_one_read_are_never_in_memory_together(server: Server, generation: Generation) -> None:
    """Each is within the limit, all of them are a hundred times as much."""
    peer, carrier = entered(server, generation)
    read = client_frame(0x41, raw(event(LIMIT))) * 100
    assert len(read) < LIMIT
    with memory() as used:
        carrier.feed(read)
        assert used.peak < 10 * LIMIT
    assert peer.take() == [f"430[{LIMIT - 14}]"] * 100


def test_a_bomb_before_connect_costs_no_more(server: Server) -> None:
    peer = Peer(server, extensions=OFFER)
    assert isinstance(peer.carrier, WebSocketCarrier)
    peer.carrier.feed(client_frame(0x41, BOMB))
    assert peer.closed == 1009


def test_a_bomb_in_an_attachment_ends_the_connection(server: Server, generation: Generation) -> None:
    peer, carrier = entered(server, generation)
    carrier.feed(client_frame(0x41, raw(b'451-0["size",{"_placeholder":true,"num":0}]')))
    with memory() as used:
        carrier.feed(client_frame(0x42, BOMB))
        assert used.peak < 6 * LIMIT
    assert peer.closed == 1009


HOSTILE: dict[str, tuple[bytes, int]] = {
    "garbage": (client_frame(0x41, b"\xff" * 100), 1002),
    "garbage behind a final block": (client_frame(0x41, raw(event(20), final=True) + b"\xff" * 100), 1002),
    "a truncated stream": (client_frame(0x41, raw(event(5000))[:-4]), 1002),
    "half of a stream": (client_frame(0x41, BOMB[:20]), 1002),
    "a flood of empty final blocks": (client_frame(0x41, b"\x03\0" * (LIMIT // 2 - 1)), 1008),
    "RSV1 on a continuation": (client_frame(0x41, BOMB[:10], final=False) + client_frame(0x40, BOMB[10:20]), 1002),
    "RSV1 on a continuation of plain text": (client_frame(1, b"4", final=False) + client_frame(0x40, b"2"), 1002),
    "RSV1 on a ping": (client_frame(0x49, raw(b"?")), 1002),
    "RSV1 on a pong": (client_frame(0x4A, raw(b"?")), 1002),
    "RSV1 on a close": (client_frame(0x48, raw(b"\x03\xe8")), 1002),
    "RSV2": (client_frame(0x21, raw(event(20))), 1002),
    "RSV3": (client_frame(0x11, raw(event(20))), 1002),
    "all reserved bits": (client_frame(0x71, raw(event(20))), 1002),
    "text that is not UTF-8": (client_frame(0x41, raw(b'420["size","\xff"]')), 1007),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_hostile_is_closed_and_nobody_else_notices(
    server: Server, generation: Generation, hostile: str
) -> None:
    neighbour, _ = entered(server, generation)
    peer, carrier = entered(server, generation)
    data, code = HOSTILE[hostile]
    for at in range(0, len(data), 4096):
        carrier.feed(data[at : at + 4096])
    assert (peer.closed, carrier.finished) == (code, True)
    neighbour.send(event(20).decode())
    assert neighbour.take() == ["430[6]"]
    assert list(server.engine.sessions) == [neighbour.sid]


@pytest.mark.parametrize("offer", ["", "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=8"])
def test_rsv1_without_an_agreement_is_closed_before_it_is_unpacked(
    server: Server, generation: Generation, offer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams: list[Any] = []
    peer, carrier = entered(server, generation, offer)
    monkeypatch.setattr(zlib, "decompressobj", lambda *args: streams.append(args))
    carrier.feed(client_frame(0x41, BOMB[:1000]))
    assert peer.closed == 1002
    assert streams == []


def test_windows_of_all_sizes_make_four_forms_of_a_broadcast(server: Server) -> None:
    """One for 9, 10 and 11, and one for all that the policy's 12 are few enough for."""
    offers = [f"permessage-deflate; server_max_window_bits={9 + number % 7}" for number in range(21)]
    peers = [entered(server, ENGINEIO_4, offer)[0] for offer in offers]
    made: list[Any] = []
    real = zlib.compressobj

    def counting(*args: Any) -> Any:
        made.append(args)
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zlib, "compressobj", counting)
        server.emit("news", "x" * 5000)
    assert len(made) == 4
    assert [peer.take() for peer in peers] == [[f'42["news","{"x" * 5000}"]']] * 21
