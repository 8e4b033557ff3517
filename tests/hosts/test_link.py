"""Links that own no socket, and the `Output` that they share, in memory."""

import asyncio
import socket
import struct

import pytest

from hosts.handloop import HandLoop, Keeper
from waterspout.engine import Traffic
from waterspout.hosts.link import HIGH_WATER_BYTES, LINGER, Piece
from waterspout.hosts.loops import AsyncioLoop
from waterspout.hosts.output import Output
from waterspout.hosts.transportlink import TransportLink


class Wire:
    """A transport whose kernel takes everything, or nothing while `is_full`."""

    def __init__(self, output: Output, descriptor: int | None = None) -> None:
        self.writes: list[bytes] = []
        self.is_full = self.is_paused = self.has_ended = self.is_aborted = False
        self._buffered = 0
        self.keeper = Keeper()
        self.link = TransportLink(self, output, descriptor=descriptor)
        self.link.start(self.keeper)

    def take_all(self) -> None:
        """Let the kernel take what waits, and everything from now on."""
        self.is_full, self._buffered = False, 0
        self.link.resume_writing()

    def write(self, data: Piece, /) -> None:
        self.writes.append(bytes(data))
        self._buffered += len(data) * self.is_full

    def get_write_buffer_size(self) -> int:
        return self._buffered

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.is_aborted

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        raise AssertionError("it can end its output alone")

    def write_eof(self) -> None:
        self.has_ended = True

    def abort(self) -> None:
        self.is_aborted = True


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def output(loop: HandLoop) -> Output:
    return Output(loop, Traffic(), close_timeout=5.0)


@pytest.fixture
def wire(output: Output) -> Wire:
    return Wire(output)


def test_what_a_turn_writes_is_one_write_of_each_transport(loop: HandLoop, output: Output) -> None:
    first, second = Wire(output), Wire(output)
    for data in (b"one ", b"two"):
        first.link.write(data)
    second.link.write(b"three")
    assert (first.writes, len(loop.scheduled)) == ([], 1)
    loop.turn()
    assert (first.writes, second.writes) == ([b"one two"], [b"three"])
    assert (output.traffic.messages_out, output.traffic.bytes_out) == (3, 12)


def test_a_transport_may_be_empty_again_before_its_write_returns(loop: HandLoop, wire: Wire) -> None:
    class Eager(list[bytes]):
        def append(self, data: bytes) -> None:
            super().append(data)
            wire.link.resume_writing()

    wire.writes = Eager()
    wire.link.write(b"once")
    loop.turn()
    assert wire.writes == [b"once"]


def test_with_a_descriptor_the_transport_writes_only_what_the_kernel_refuses(loop: HandLoop, output: Output) -> None:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with ours, peer:
        wire = Wire(output, ours.fileno())
        wire.link.write(b"hello")
        loop.turn()
        assert (peer.recv(10), wire.writes) == (b"hello", [])
        wire.is_full = True
        data = bytes(range(256)) * 40_000
        wire.link.write(data)
        loop.turn()
        peer.setblocking(False)
        taken = peer.recv(len(data))
        (rest,) = wire.writes
        assert 0 < wire.link.unsent_bytes == len(rest) < len(data)
        assert data.endswith(rest)
        assert data.startswith(taken)


def test_nothing_is_written_to_a_descriptor_that_may_be_another_connections(loop: HandLoop, output: Output) -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        wire = Wire(output, ours.fileno())
        wire.is_aborted = True
        wire.link.write(b"secret")
        loop.turn()
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(10)
    assert wire.keeper.losses == 1


def test_what_lies_in_the_transport_is_unsent_and_above_high_water_a_write_is_refused(
    loop: HandLoop, wire: Wire
) -> None:
    wire.is_full = True
    assert wire.link.write(bytes(HIGH_WATER_BYTES))
    loop.turn()
    assert wire.link.unsent_bytes == HIGH_WATER_BYTES
    assert wire.link.write(b"more")
    loop.turn()
    assert len(wire.writes) == 1
    assert not wire.link.write(b"too much")
    assert wire.link.unsent_bytes == HIGH_WATER_BYTES + 4
    wire.take_all()
    assert (wire.writes[1:], wire.link.unsent_bytes, wire.keeper.writables) == ([b"more"], 0, 1)


def test_a_transport_that_takes_it_all_in_the_middle_of_a_turn_refuses_nothing(wire: Wire, output: Output) -> None:
    for _ in range(4):
        assert wire.link.write(bytes(HIGH_WATER_BYTES + 1))
    output.flush()
    assert list(map(len, wire.writes)) == [HIGH_WATER_BYTES + 1] * 4
    assert output.traffic.messages_out == 4


@pytest.mark.parametrize("is_full", [False, True])
def test_the_last_bytes_come_behind_all_others_then_the_end(loop: HandLoop, wire: Wire, is_full: bool) -> None:
    wire.is_full = is_full
    wire.link.write(b"all")
    loop.turn()
    wire.link.finish(b"bye")
    loop.turn()
    assert wire.has_ended is not is_full
    if is_full:
        wire.take_all()
        loop.turn()
    assert (wire.writes, wire.has_ended, wire.is_aborted) == ([b"all", b"bye"], True, False)
    loop.advance(LINGER)
    assert (wire.is_aborted, wire.keeper.losses) == (True, 0)


def test_a_peer_that_takes_nothing_is_left_after_the_close_timeout(loop: HandLoop, wire: Wire, output: Output) -> None:
    wire.is_full = True
    wire.link.write(b"all")
    loop.turn()
    wire.link.finish(b"bye")
    loop.advance(4.9)
    assert not wire.is_aborted
    loop.advance(0.2)
    assert (wire.is_aborted, output.open_links) == (True, set())


def test_pausing_reaches_the_transport(wire: Wire) -> None:
    wire.link.pause()
    assert wire.is_paused
    wire.link.resume()
    assert not wire.is_paused
    wire.link.data_received(b"hello")
    assert wire.keeper.received == [b"hello"]


def test_a_lost_connection_is_told_once_and_what_waited_for_its_end_too(wire: Wire, output: Output) -> None:
    ends: list[str] = []
    output.when_closed(wire.link, lambda: ends.append("closed"))
    output.when_empty(lambda: ends.append("empty"))
    wire.link.write(b"to nobody")
    wire.link.connection_lost(None)
    wire.link.connection_lost(None)
    output.flush()
    assert (wire.keeper.losses, ends, wire.writes) == (1, ["closed", "empty"], [])
    output.when_closed(wire.link, lambda: ends.append("closed before"))
    assert ends == ["closed", "empty", "closed before"]


def test_a_pause_of_nothing_is_none_at_all(loop: HandLoop, output: Output) -> None:
    called: list[float] = []
    output.after(0.0, lambda: called.append(0.0))
    output.after(0.5, lambda: called.append(0.5))
    assert called == [0.0]
    loop.advance(0.5)
    assert called == [0.0, 0.5]


def test_a_reset_before_the_end_of_an_output_does_not_stop_what_others_are_sent() -> None:
    """asyncio raises then, in the middle of the turn's output."""

    async def lent(output: Output) -> tuple[TransportLink, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            sock, _ = listener.accept()
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, sock)
        link = TransportLink(transport, output, descriptor=sock.fileno())
        transport.set_protocol(link)  # type: ignore[arg-type]
        link.start(Keeper())
        return link, client

    async def test() -> None:
        loop = asyncio.get_running_loop()
        output = Output(AsyncioLoop(loop), Traffic())
        (first, leaver), (second, reader) = [await lent(output) for _ in range(2)]
        leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaver.close()
        first.finish(b"")
        second.write(b"hello")
        reader.setblocking(False)
        async with asyncio.timeout(10):
            assert await loop.sock_recv(reader, 100) == b"hello"
            reader.close()
            while output.open_links:
                await asyncio.sleep(0.001)

    asyncio.run(test())
