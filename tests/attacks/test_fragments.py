"""Messages in tiny pieces (B3): their number is bounded as their bytes are."""

from collections.abc import Iterator

import pytest

from attacks.measures import memory
from waterspout import Server
from waterspout.testing import Peer, WebSocketCarrier, client_frame

MOST = 16_384


def tiny(payload: bytes, *, ping: bool = False) -> Iterator[bytes]:
    """Write a message that does not end, 1,000 fragments at a time."""
    fragment = client_frame(0, payload, final=False) + (client_frame(9, b"?") if ping else b"")
    yield client_frame(1, payload, final=False)
    while True:
        yield fragment * 1000


@pytest.mark.parametrize(
    ("payload", "ping"), [(b"", False), (b"4", False), (b"4", True)], ids=["empty", "one byte", "with pings"]
)
def test_a_message_without_end_is_closed_for_its_fragments(payload: bytes, ping: bool) -> None:
    """CVE-2026-48779, CVE-2026-42786."""
    server = Server()
    peer = Peer(server)
    carrier = peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    fed = 0
    with memory() as used:
        for piece in tiny(payload, ping=ping):
            carrier.feed(piece)
            fed += 1
            if peer.closed is not None:
                break
            carrier.written.clear()
            peer.frames.clear()
        assert used.peak < 2_000_000
    assert peer.closed == 1008
    assert fed == MOST // 1000 + 2
    assert server.engine.sessions == {}


def test_as_many_fragments_as_are_allowed_make_a_message() -> None:
    server = Server()
    server.on("echo")(lambda socket, *args: args)
    peer = Peer(server)
    peer.connect()
    peer.take()
    carrier = peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    message = b'420["echo","' + b"x" * 1000 + b'"]'
    carrier.feed(client_frame(1, b"", final=False) + client_frame(0, b"", final=False) * (MOST - 2))
    carrier.feed(client_frame(0, message))
    assert peer.take() == [f'430["{"x" * 1000}"]']


def test_a_message_byte_by_byte_in_reads_of_one_byte_keeps_what_it_weighs() -> None:
    peer = Peer(Server())
    carrier = peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    frame = client_frame(1, b"4" * 50_000)
    with memory() as used:
        for at in range(len(frame) - 1):
            carrier.feed(frame[at : at + 1])
        assert used.now < 200_000
    assert peer.closed is None


@pytest.mark.long
@pytest.mark.parametrize("payload", [b"", b"4"], ids=["empty", "one byte"])
def test_two_million_fragments_change_nothing_after_the_close(payload: bytes) -> None:
    peer = Peer(Server())
    carrier = peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    with memory() as used:
        for _, piece in zip(range(2000), tiny(payload), strict=False):
            carrier.feed(piece)
        assert used.peak < 2_000_000
    assert peer.closed == 1008
