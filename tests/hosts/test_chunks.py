"""The framing of an endless answer: what a link carries, and what of it has left."""

import pytest

from hosts.handloop import HandLoop
from hosts.test_link import Wire
from waterspout.engine import Prepared, Stream, Traffic, Upgrade
from waterspout.hosts.adopting import head
from waterspout.hosts.chunks import ChunkedLink, UnframedLink
from waterspout.hosts.link import HIGH_WATER_BYTES
from waterspout.hosts.output import Output


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def wire(loop: HandLoop) -> Wire:
    return Wire(Output(loop, Traffic()))


def test_each_write_is_a_chunk_and_the_end_is_the_last_one(loop: HandLoop, wire: Wire) -> None:
    link = ChunkedLink(wire.link)
    assert link.write(b"hello")
    assert link.write(bytes(26))
    link.finish(b"")
    loop.turn()
    assert wire.writes == [b"5\r\nhello\r\n1a\r\n" + bytes(26) + b"\r\n0\r\n\r\n"]
    assert wire.has_ended


def test_the_last_bytes_have_a_chunk_of_their_own(loop: HandLoop, wire: Wire) -> None:
    ChunkedLink(wire.link).finish(b"bye")
    loop.turn()
    assert wire.writes == [b"3\r\nbye\r\n0\r\n\r\n"]


def test_content_is_unsent_until_its_chunk_has_left_as_a_whole(loop: HandLoop, wire: Wire) -> None:
    wire.is_full = True
    wire.link.write(b"HTTP/1.1 200 OK\r\n\r\n")  # what is below the answer does not count
    link = ChunkedLink(wire.link)
    for size in (10, 20, 30):
        link.write(bytes(size))
    assert link.unsent_bytes == 60
    for unsent, content in ((77, 60), (63, 60), (62, 50), (37, 50), (36, 30), (1, 30), (0, 0)):
        wire.link.unsent_bytes = unsent
        assert link.unsent_bytes == content


def test_what_the_link_refuses_is_not_content_and_what_has_left_is_forgotten(loop: HandLoop, wire: Wire) -> None:
    link = ChunkedLink(wire.link)
    for _ in range(1000):
        link.write(b"x")
        loop.turn()
    assert len(link._ends or ()) == 1
    wire.is_full = True
    assert link.write(bytes(HIGH_WATER_BYTES + 1))
    assert not link.write(b"x")
    assert link.unsent_bytes == HIGH_WATER_BYTES + 1


def test_a_host_that_owns_the_socket_writes_the_handshake_of_the_standard() -> None:
    """The example of RFC 6455, section 1.3."""
    greeting = Upgrade((("Vary", "Origin"),), "dGhlIHNhbXBsZSBub25jZQ==", "chat", (("Sec-WebSocket-Extensions", "x"),))
    assert head(greeting) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n"
        b"Sec-WebSocket-Extensions: x\r\nVary: Origin\r\n\r\n"
    )


def test_it_writes_the_handshake_of_draft_76_and_the_head_of_an_endless_answer() -> None:
    assert head(Upgrade((), None, None, (("Sec-WebSocket-Location", "ws://a/"),))) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Location: ws://a/\r\n\r\n"
    )
    assert head(Stream((("Content-Type", "text/html"),))) == (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: text/html\r\n\r\n"
    )


def test_what_is_sent_to_many_is_framed_once_and_an_end_may_be_left_incomplete(loop: HandLoop) -> None:
    prepared = Prepared(b"hello")
    wires = [Wire(Output(loop, Traffic())) for _ in range(2)]
    for wire in wires:
        link = ChunkedLink(wire.link)
        assert link.send(prepared)
        link.cut(b"bye")
    loop.turn()
    assert [wire.writes for wire in wires] == [[b"5\r\nhello\r\n3\r\nbye\r\n"]] * 2
    assert prepared.frames == b"5\r\nhello\r\n"


def test_without_chunks_the_content_is_all_there_is(loop: HandLoop, wire: Wire) -> None:
    link = UnframedLink(wire.link)
    assert link.send(Prepared(b"hello"))
    link.cut(b"bye")
    loop.turn()
    assert wire.writes == [b"hellobye"]
    assert head(Stream(()), chunked=False) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
