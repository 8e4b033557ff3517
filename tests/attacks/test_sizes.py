"""Messages that are too large (B2): refused at their header, with nothing kept, on a WebSocket of any generation."""

import pytest

from attacks.measures import memory
from waterspout import Reason, Server
from waterspout.testing import Peer, WebSocketCarrier, client_frame
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

LIMIT = 10_000
HEAD = {"text": b"\x81\xff", "binary": b"\x82\xff", "first fragment": b"\x01\xff", "ping": b"\x89\xff"}


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


@pytest.fixture
def server() -> Server:
    return Server(max_payload_bytes=LIMIT)


def opened(server: Server, generation: Generation) -> tuple[Peer, WebSocketCarrier]:
    """A WebSocket that has entered nothing: what is large is refused before anybody is asked."""
    peer = Peer(server, generation=generation)
    assert isinstance(peer.carrier, WebSocketCarrier)
    return peer, peer.carrier


@pytest.mark.parametrize("size", [LIMIT + 1, 65_536, 1 << 31, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("kind", ["text", "binary", "first fragment"])
def test_a_frame_is_refused_at_its_header(server: Server, generation: Generation, kind: str, size: int) -> None:
    peer, carrier = opened(server, generation)
    head = HEAD[kind] + size.to_bytes(8, "big") if size > 65_535 else HEAD[kind][:1] + b"\xfe" + size.to_bytes(2, "big")
    carrier.feed(head)
    assert peer.closed == 1009
    assert server.engine.sessions == {}


@pytest.mark.parametrize("size", [1 << 63, (1 << 63) + 1, (1 << 64) - 1])
@pytest.mark.parametrize("kind", ["text", "binary", "first fragment", "ping"])
def test_a_length_with_its_highest_bit_is_no_length(
    server: Server, generation: Generation, kind: str, size: int
) -> None:
    """CVE-2026-27889 and RFC 6455, section 5.2."""
    peer, carrier = opened(server, generation)
    carrier.feed(HEAD[kind] + size.to_bytes(8, "big"))
    assert peer.closed == 1002


def test_a_message_in_fragments_is_refused_with_the_one_that_exceeds(server: Server, generation: Generation) -> None:
    peer, carrier = opened(server, generation)
    carrier.feed(client_frame(1, b"4" * 1000, final=False))
    for _ in range(9):
        carrier.feed(client_frame(0, b"4" * 1000, final=False))
    assert peer.closed is None
    carrier.feed(b"\x00\x81")
    assert peer.closed == 1009


def test_what_follows_a_refused_header_is_not_kept(server: Server, generation: Generation) -> None:
    _, carrier = opened(server, generation)
    carrier.feed(HEAD["text"] + (1 << 40).to_bytes(8, "big"))
    with memory() as used:
        for _ in range(100):
            carrier.feed(bytes(65_536))
        assert used.now < 10_000


def test_an_incomplete_message_keeps_no_more_than_has_come(server: Server, generation: Generation) -> None:
    _, carrier = opened(server, generation)
    with memory() as used:
        carrier.feed(b"\x81\xfe" + LIMIT.to_bytes(2, "big") + bytes(4))
        assert used.now < 2000
        for _ in range(9):
            carrier.feed(bytes(1000))
        assert used.now < 2 * LIMIT


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10])
def test_a_compressed_frame_is_refused_before_it_is_unpacked(server: Server, generation: Generation, bit: int) -> None:
    """CVE-2026-27571: no extension was agreed on, so none is unpacked, before CONNECT or after."""
    peer, carrier = opened(server, generation)
    carrier.feed(bytes((0x81 | bit, 0xFE)) + LIMIT.to_bytes(2, "big"))
    assert peer.closed == 1002


def test_a_refused_message_ends_its_own_connection_only(server: Server, generation: Generation) -> None:
    left: list[Reason] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    server.on("echo")(lambda socket, *args: args)
    neighbour = Peer(server)
    neighbour.connect()
    attacker, carrier = opened(server, generation)
    if not generation.implicit_connect:
        attacker.connect()
    carrier.feed(client_frame(1, b"4" * (LIMIT + 1)))
    assert left == [Reason.PARSE_ERROR]
    neighbour.take()
    neighbour.emit("echo", 1, id=1)
    assert neighbour.take() == ["431[1]"]
