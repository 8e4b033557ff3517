"""Links over real sockets, on a loop that is turned by hand."""

import os
import select
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from hosts.certificate import Certificate
from hosts.handloop import HandLoop, Keeper
from waterspout.engine import Traffic
from waterspout.hosts.link import HIGH_WATER_BYTES, LINGER
from waterspout.hosts.output import Output
from waterspout.hosts.socketlink import READ_BYTES, SecureLink, SocketLink, prepare

PATIENCE = 10.0  # s; no test waits this long unless something is wrong


class Line:
    """A link and its peer: the two ends of a connection."""

    def __init__(self, link: SocketLink, peer: socket.socket, descriptor: int, output: Output, loop: HandLoop) -> None:
        self.link, self.peer, self.descriptor = link, peer, descriptor
        self.output, self.loop = output, loop
        self.keeper = Keeper()
        peer.setblocking(False)

    def start(self, ahead: bytes = b"") -> None:
        self.link.start(self.keeper, ahead)

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.loop.turn()

    def hear(self) -> None:
        """Turn as soon as something has come from the peer."""
        self.loop.turn(PATIENCE)

    def end(self) -> None:
        """Turn until nothing is left of the link."""
        self.loop.turns(until=lambda: self.is_closed)

    def read(self, size: int = 1 << 20) -> bytes | None:
        """Return what the peer can read now: None if nothing, b"" at the end."""
        try:
            return self.peer.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def read_all(self, size: int) -> bytes:
        """Let the peer read, and the loop turn, until there are so many bytes; then nothing more may come."""
        pieces = bytearray()
        while len(pieces) < size and (piece := self.read()) != b"":
            pieces += piece or b""
            self.loop.turn(PATIENCE if piece is None else 0, also=self.peer)
        self.turn(2)
        return bytes(pieces) + (self.read() or b"")

    def send(self, data: bytes) -> None:
        """Send from the peer, as far as the kernel takes it."""
        self.peer.send(data)

    def block(self) -> int:
        """Write until the kernel takes no more, and return how many bytes that were."""
        size = 0
        while self.descriptor not in self.loop.writers:
            self.link.write(bytes(60_000))
            size += 60_000
            self.turn()
        return size

    def reset(self) -> None:
        """Let the peer send a RST."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    @property
    def is_closed(self) -> bool:
        """Whether nothing of the link is left, in the kernel and in the loop."""
        watched = self.descriptor in self.loop.readers or self.descriptor in self.loop.writers
        return not watched and self.link not in self.output.open_links and not is_open(self.descriptor)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        return listener.accept()[0], peer


def secured(
    certificate: Certificate, ours: socket.socket, theirs: socket.socket, relay: Callable[[], object]
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Speak TLS between two ends, as far as both have said all that belongs to the handshake."""
    server = certificate.server.wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
    client = certificate.client.wrap_socket(theirs, server_hostname="127.0.0.1", do_handshake_on_connect=False)
    server.setblocking(False)
    client.setblocking(False)
    waiting = [client, server]
    while waiting:
        for end in list(waiting):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                waiting.remove(end)
            relay()
    with suppress(ssl.SSLWantReadError):
        client.recv(1)  # the session tickets of TLS 1.3
    return server, client


def relay(*wires: socket.socket) -> None:
    """Hand on what has come to each of two sockets to the other."""
    for source, sink in (wires, wires[::-1]):
        with suppress(BlockingIOError):
            sink.send(source.recv(65_536, socket.MSG_DONTWAIT))


Lines = Callable[..., Line]


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def lines(loop: HandLoop, request: pytest.FixtureRequest) -> Iterator[Lines]:
    """Make lines of a kind, all with the same output; what is left of them is closed in the end."""
    output = Output(loop, Traffic())

    with ExitStack() as stack:

        def make(kind: str) -> Line:
            if kind == "tls":
                server, client = secured(request.getfixturevalue("certificate"), *tcp_pair(), lambda: None)
                stack.callback(server.close)
                link: SocketLink = SecureLink(server, output)
                line = Line(link, client, server.fileno(), output, loop)
            else:
                types = {"unix": socket.SOCK_STREAM, "packets": socket.SOCK_DGRAM}
                ours, theirs = tcp_pair() if kind == "tcp" else socket.socketpair(socket.AF_UNIX, types[kind])
                ours.setblocking(False)
                descriptor = ours.detach()
                link = SocketLink(descriptor, output)
                line = Line(link, theirs, descriptor, output, loop)
            stack.callback(link.close)
            stack.callback(line.peer.close)
            return line

        yield make


@pytest.fixture(params=["tcp", "unix", "tls"])
def line(lines: Lines, request: pytest.FixtureRequest) -> Line:
    """A line that has begun."""
    made = lines(request.param)
    made.start()
    return made


# One turn, one write


def test_all_that_a_turn_writes_leaves_in_one_system_call_at_its_end(lines: Lines) -> None:
    line = lines("packets")  # such a socket keeps the bounds of each write
    line.start()
    for data in (b"one ", b"two ", b"three"):
        assert line.link.write(data)
    assert line.read() is None
    line.turn()
    assert line.read() == b"one two three"
    assert line.read() is None

    line.link.write(b"four")
    line.turn()
    assert line.read() == b"four"


def test_each_link_of_a_turn_gets_its_own_write(lines: Lines) -> None:
    first, second = lines("packets"), lines("packets")
    first.link.write(b"a")
    second.link.write(b"x")
    first.link.write(b"b")
    assert len(first.loop.scheduled) == 1
    first.turn()
    assert (first.read(), first.read()) == (b"ab", None)
    assert (second.read(), second.read()) == (b"x", None)


def test_what_a_receiver_answers_leaves_in_the_same_turn(lines: Lines) -> None:
    line = lines("unix")

    class Echo(Keeper):
        def receive(self, data: bytes) -> None:
            line.link.write(data)

    line.link.start(Echo())
    line.send(b"hello")
    line.hear()
    assert line.read() == b"hello"


# Reading


def test_what_comes_is_received_and_the_end_is_heard_once(line: Line) -> None:
    line.send(b"hello")
    line.hear()
    assert (line.keeper.received, line.keeper.losses) == ([b"hello"], 0)
    line.peer.close()
    line.end()
    assert (line.keeper.received, line.keeper.losses) == ([b"hello"], 1)
    assert line.is_closed


def test_a_turn_that_brings_nothing_changes_nothing(line: Line) -> None:
    line.loop.readers[line.descriptor]()
    assert (line.keeper.received, line.keeper.losses) == ([], 0)
    assert not line.is_closed


def test_one_turn_reads_a_bounded_number_of_bytes(lines: Lines) -> None:
    line = lines("unix")
    line.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    line.start()
    sent = line.peer.send(bytes(3 * READ_BYTES))
    assert sent > READ_BYTES
    line.turn()
    assert [len(data) for data in line.keeper.received] == [READ_BYTES]
    line.turn(5)
    assert max(map(len, line.keeper.received)) == READ_BYTES
    assert sum(map(len, line.keeper.received)) == sent


def test_what_somebody_has_read_ahead_comes_first(line: Line) -> None:
    line.send(b" world")
    line.start(b"hello")
    assert line.keeper.received == [b"hello"]
    line.turn()
    assert line.keeper.received == [b"hello", b" world"]


# Pausing


def test_a_paused_link_reads_nothing_and_the_loop_is_not_asked_to_look(line: Line) -> None:
    line.send(b"before")
    line.hear()
    line.link.pause()
    line.send(b" meanwhile")
    line.turn(3)
    assert (line.keeper.received, line.loop.readers) == ([b"before"], {})
    line.link.resume()
    line.hear()
    assert line.keeper.received == [b"before", b" meanwhile"]


def test_pausing_and_resuming_twice_is_once(line: Line) -> None:
    for step in (line.link.pause, line.link.pause, line.link.resume, line.link.resume):
        step()
    line.send(b"hello")
    line.hear()
    assert line.keeper.received == [b"hello"]


def test_a_receiver_that_pauses_gets_no_more_of_what_has_come(lines: Lines) -> None:
    line = lines("unix")

    class Sated(Keeper):
        def receive(self, data: bytes) -> None:
            super().receive(data)
            line.link.pause()

    line.keeper = Sated()
    line.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    line.start()
    sent = line.peer.send(bytes(3 * READ_BYTES))
    assert sent > READ_BYTES
    for number in range(1, 3):
        line.turn(3)
        assert len(line.keeper.received) == number
        line.link.resume()


def test_what_tls_has_decrypted_already_waits_too_and_is_read_after_the_pause(lines: Lines) -> None:
    line = lines("tls")
    line.send(b"hello world")
    server = line.link._socket  # type: ignore[attr-defined]
    select.select([server], (), (), PATIENCE)
    assert (server.recv(1), server.pending()) == (b"h", 10)
    line.link.pause()
    line.start(b"h")
    line.turn()
    assert line.keeper.received == [b"h"]
    line.link.resume()
    line.link.pause()  # before the loop has turned
    line.turn()
    assert line.keeper.received == [b"h"]
    line.link.resume()
    assert line.keeper.received == [b"h"]  # not within the call, which may come from the receiver itself
    line.turn()
    assert line.keeper.received == [b"h", b"ello world"]


def test_a_link_that_is_paused_before_it_starts_reads_when_it_is_resumed(lines: Lines) -> None:
    for kind in ("unix", "tls"):
        line = lines(kind)
        line.link.pause()
        line.start(b"ahead")
        line.send(b"hello")
        line.turn(3)
        assert line.keeper.received == [b"ahead"]
        line.link.resume()
        line.hear()
        assert line.keeper.received == [b"ahead", b"hello"]


def test_a_paused_link_writes_and_is_heard(line: Line) -> None:
    line.link.pause()
    line.link.write(b"hello")
    line.turn()
    assert line.read_all(5) == b"hello"


def test_a_paused_link_notices_a_reset_when_it_writes(lines: Lines) -> None:
    line = lines("tcp")
    line.start()
    line.link.pause()
    line.reset()
    line.turn(3)
    assert line.keeper.losses == 0
    line.link.write(b"is anybody there?")
    line.end()
    assert line.keeper.losses == 1


def test_nothing_is_left_of_a_paused_link_whose_peer_has_vanished_and_which_is_finished(line: Line) -> None:
    line.link.pause()
    line.block()
    line.link.finish(b"goodbye")  # what a session does that hears no heartbeat
    assert not line.is_closed
    line.loop.advance(line.output.close_timeout)
    assert line.is_closed
    line.link.resume()
    line.link.pause()
    assert line.is_closed


def test_a_paused_link_that_is_finished_drops_what_comes_and_sees_the_peer_leave(line: Line) -> None:
    line.send(b"unread")
    line.link.pause()
    line.link.finish(b"goodbye")
    line.turn(3)
    assert line.read_all(7) == b"goodbye"
    line.peer.close()
    line.end()
    assert (line.keeper.received, line.keeper.losses) == ([], 0)


# Writing more than the kernel takes


def test_what_the_kernel_does_not_take_at_once_comes_in_parts_and_whole(line: Line) -> None:
    data = os.urandom(1 << 16) * 64
    line.link.write(b"the start")
    line.link.write(data)
    line.turn()
    assert line.descriptor in line.loop.writers
    assert line.read_all(len(data) + 9) == b"the start" + data
    assert line.loop.writers == {}
    assert line.keeper.writables == 0  # nothing was refused


def test_a_message_that_leaves_in_several_parts_is_counted_once(line: Line) -> None:
    size = line.block()
    line.link.write(b"x")
    assert len(line.read_all(size + 1)) == size + 1
    traffic = line.output.traffic
    assert (traffic.messages_out, traffic.bytes_out) == (size // 60_000 + 1, size + 1)


def test_a_link_asks_for_writability_only_while_the_kernel_refuses(line: Line) -> None:
    line.link.write(b"small")
    line.turn()
    assert line.loop.writers == {}
    assert line.read_all(5) == b"small"
    sent = line.block()
    assert [*line.loop.writers] == [line.descriptor]
    assert len(line.read_all(sent)) == sent
    assert line.loop.writers == {}


def test_above_high_water_a_write_is_refused_and_writable_is_heard_once_there_is_room(line: Line) -> None:
    sent = line.block()
    while line.link.write(bytes(1000)):
        sent += 1000
    assert line.link.write(b"too much") is False
    assert line.keeper.writables == 0
    assert len(line.read_all(sent)) == sent
    assert line.keeper.writables == 1
    assert line.link.write(b"again") is True
    assert line.read_all(5) == b"again"
    assert line.keeper.writables == 1


def test_what_waits_in_a_link_is_bounded(line: Line) -> None:
    line.block()
    accepted = 0
    while line.link.write(bytes(1000)):
        accepted += 1000
    assert accepted <= HIGH_WATER_BYTES + 1000


def test_one_turn_takes_what_the_kernel_takes_and_no_more_than_high_water_and_a_write_behind_it(lines: Lines) -> None:
    """A fast reader is not slow because much is said in one turn."""
    line = lines("unix")
    line.start()
    accepted = 0
    while line.link.write(bytes(1000)):
        accepted += 1000
    taken = line.output.traffic.bytes_out
    assert taken > HIGH_WATER_BYTES
    assert accepted - taken <= HIGH_WATER_BYTES + 1000
    assert line.keeper.writables == 0
    assert len(line.read_all(accepted)) == accepted
    assert line.keeper.writables == 1


def test_a_receiver_that_writes_on_when_there_is_room_keeps_the_order(lines: Lines) -> None:
    line = lines("unix")
    waiting = deque(b"%d," % number for number in range(100_000))
    whole = b"".join(waiting)

    class Writer(Keeper):
        def writable(self) -> None:
            self.writables += 1
            while waiting and line.link.write(waiting[0]):
                waiting.popleft()

    writer = Writer()
    line.link.start(writer)
    writer.writable()
    assert line.read_all(len(whole)) == whole
    assert writer.writables > 2


# The end


def test_the_last_bytes_come_behind_all_others_then_the_end(line: Line) -> None:
    line.link.write(b"one ")
    line.link.finish(b"two")
    assert line.link.write(b" three") is True
    line.link.finish(b" four")
    assert line.read_all(7) == b"one two"
    line.peer.close()
    line.end()
    assert line.keeper.losses == 0


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_after_the_last_bytes_a_link_says_that_no_more_comes_and_waits_for_the_peer(lines: Lines, kind: str) -> None:
    line = lines(kind)
    line.start()
    line.link.finish(b"bye")
    line.turn()
    assert (line.read(), line.read()) == (b"bye", b"")
    line.send(b"still here")
    line.hear()
    assert line.keeper.received == []
    assert not line.is_closed
    line.peer.shutdown(socket.SHUT_WR)
    line.end()


def test_a_peer_that_stays_is_left_when_the_lingering_ends(line: Line) -> None:
    line.link.finish(b"bye")
    line.turn()
    line.loop.advance(LINGER - 0.1)
    assert not line.is_closed
    line.loop.advance(0.1)
    assert line.is_closed
    assert line.keeper.losses == 0
    assert line.read() == b"bye"


def test_while_the_kernel_refuses_the_last_bytes_wait_behind_all_others(line: Line) -> None:
    sent = line.block()
    while line.link.write(bytes(1000)):
        sent += 1000
    line.link.finish(b"bye")
    assert line.link.write(b"more") is True
    line.turn()
    whole = line.read_all(sent + 3)
    assert len(whole) == sent + 3
    assert whole.endswith(b"bye")
    assert line.keeper.writables == 0
    line.peer.close()
    line.end()


@pytest.mark.parametrize("blocked", [True, False], ids=["blocked before", "blocked by the last bytes"])
def test_a_peer_that_takes_nothing_is_left_after_the_close_timeout(line: Line, blocked: bool) -> None:
    if blocked:
        line.block()
    line.link.finish(bytes(20_000_000))
    line.turn()
    line.loop.advance(line.output.close_timeout - 0.1)
    assert not line.is_closed
    line.loop.advance(0.1)
    assert line.is_closed
    assert line.keeper.losses == 0


def test_a_peer_that_reads_slowly_gets_all_and_the_lingering_begins_with_the_last_byte(line: Line) -> None:
    line.link.finish(bytes(8_000_000))
    line.turn()
    line.loop.advance(LINGER + 0.1)
    assert len(line.read_all(8_000_000)) == 8_000_000
    line.loop.advance(LINGER - 0.1)
    assert not line.is_closed
    line.loop.advance(0.1)
    assert line.is_closed


def test_who_waits_for_the_end_of_all_links_hears_of_it_once(lines: Lines) -> None:
    first, second = lines("unix"), lines("unix")
    output = first.output
    assert second.output is output
    heard: list[str] = []
    output.when_empty(lambda: heard.append("empty"))
    first.link.close()
    assert heard == []
    second.link.close()
    assert heard == ["empty"]
    output.when_empty(lambda: heard.append("empty already"))
    assert heard == ["empty", "empty already"]


def test_a_link_is_closed_at_once_and_tells_nobody(line: Line) -> None:
    line.link.write(b"never sent")
    line.link.close()
    assert line.is_closed
    assert line.link.write(b"more") is True
    line.turn(2)
    assert line.keeper.losses == 0
    assert line.read() == b""


def test_a_receiver_may_close_its_link_while_it_receives(lines: Lines) -> None:
    line = lines("unix")

    class Closer(Keeper):
        def receive(self, data: bytes) -> None:
            line.link.close()

    line.link.start(Closer())
    line.send(b"hello")
    line.hear()
    assert line.is_closed


def test_what_was_read_ahead_may_end_a_link_that_has_just_begun(lines: Lines) -> None:
    line = lines("tls")

    class Finisher(Keeper):
        def receive(self, data: bytes) -> None:
            line.link.close()

    line.link.start(Finisher(), b"ahead")
    assert line.is_closed


def test_a_descriptor_is_closed_once_though_its_number_is_in_use_again(lines: Lines) -> None:
    line = lines("unix")
    line.start()
    line.link.finish(b"bye")
    line.turn()
    line.link.close()
    assert line.is_closed
    with open(os.devnull, "rb") as other:
        assert other.fileno() == line.descriptor
        line.link.close()
        line.link.finish(b"again")
        line.link.send_out()
        line.loop.advance(LINGER)
        assert is_open(other.fileno())


def test_what_was_written_before_the_start_leaves_with_the_turn(lines: Lines) -> None:
    line = lines("tcp")
    line.link.write(b"HTTP/1.1 101")
    line.turn()
    assert line.read() == b"HTTP/1.1 101"
    line.start()
    line.send(b"hello")
    line.hear()
    assert line.keeper.received == [b"hello"]


def test_a_link_that_was_lost_before_its_start_says_so_then(lines: Lines) -> None:
    line = lines("tcp")
    line.link.write(bytes(1000))
    line.reset()
    line.link.send_out()
    assert line.is_closed
    assert line.keeper.losses == 0
    line.start(b"ahead")
    assert (line.keeper.received, line.keeper.losses) == ([], 1)


# A peer that resets the connection


def idle(line: Line) -> None: ...


def with_bytes_unread(line: Line) -> None:
    line.send(b"hello")


def with_bytes_unsent(line: Line) -> None:
    line.link.write(b"hello")


def while_blocked(line: Line) -> None:
    line.block()


def while_refusing(line: Line) -> None:
    line.block()
    while line.link.write(bytes(1000)):
        pass


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("stage", [idle, with_bytes_unread, with_bytes_unsent, while_blocked, while_refusing])
def test_a_peer_that_resets_is_lost_once(lines: Lines, kind: str, stage: Callable[[Line], None]) -> None:
    line = lines(kind)
    line.start()
    stage(line)
    line.reset()
    line.end()
    assert line.keeper.losses == 1


def finished(line: Line) -> None:
    line.link.finish(b"bye")


def finished_and_sent(line: Line) -> None:
    line.link.finish(b"bye")
    line.turn()


def finished_while_blocked(line: Line) -> None:
    line.block()
    line.link.finish(b"bye")
    line.turn()


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("stage", [finished, finished_and_sent, finished_while_blocked])
def test_a_peer_that_resets_after_the_last_bytes_is_left_in_silence(
    lines: Lines, kind: str, stage: Callable[[Line], None]
) -> None:
    line = lines(kind)
    line.start()
    stage(line)
    line.reset()
    line.end()
    assert line.keeper.losses == 0


def test_the_loss_of_one_link_does_not_keep_the_others_from_their_bytes(lines: Lines) -> None:
    broken, sound = lines("tcp"), lines("tcp")
    broken.start()
    sound.start()
    broken.reset()
    broken.link.write(b"to nobody")
    sound.link.write(b"hello")
    sound.turn()
    broken.end()
    assert sound.read() == b"hello"


# TLS


def test_what_tls_has_decrypted_already_is_received_without_a_turn(lines: Lines) -> None:
    line = lines("tls")
    line.send(b"hello world")
    server = line.link._socket  # type: ignore[attr-defined]
    select.select([server], (), (), PATIENCE)
    assert (server.recv(1), server.pending()) == (b"h", 10)
    line.start(b"h")
    assert line.keeper.received == [b"h", b"ello world"]
    line.turn()
    assert line.keeper.received == [b"h", b"ello world"]


def test_a_record_that_comes_in_parts_is_received_when_it_is_whole(certificate: Certificate, loop: HandLoop) -> None:
    near, near_wire = socket.socketpair()
    far, far_wire = socket.socketpair()
    server, client = secured(certificate, near, far, lambda: relay(near_wire, far_wire))
    link, keeper = SecureLink(server, Output(loop, Traffic())), Keeper()
    link.start(keeper)
    client.send(b"hello")
    record = far_wire.recv(1000)
    for byte in record[:-1]:
        near_wire.send(bytes((byte,)))
        loop.turn()
    assert keeper.received == []
    near_wire.send(record[-1:])
    loop.turn()
    assert keeper.received == [b"hello"]
    link.close()
    for end in (client, near_wire, far_wire):
        end.close()


def test_a_peer_that_says_what_is_no_tls_is_lost(lines: Lines) -> None:
    line = lines("tls")
    line.start()
    plain = socket.socket(fileno=os.dup(line.peer.fileno()))
    plain.send(b"GET / HTTP/1.1\r\n\r\n" * 10)
    line.end()
    plain.close()
    assert (line.keeper.received, line.keeper.losses) == ([], 1)


def test_a_peer_that_ends_without_saying_so_in_tls_is_lost(lines: Lines) -> None:
    line = lines("tls")
    line.start()
    plain = socket.socket(fileno=os.dup(line.peer.fileno()))
    plain.shutdown(socket.SHUT_WR)
    plain.close()
    line.end()
    assert line.keeper.losses == 1


def test_one_turn_of_tls_reads_a_bounded_number_of_bytes(lines: Lines) -> None:
    line = lines("tls")
    line.start()
    for _ in range(20):
        line.send(bytes(16_000))
    line.hear()
    assert 0 < sum(map(len, line.keeper.received)) <= READ_BYTES
    line.loop.turns(until=lambda: sum(map(len, line.keeper.received)) == 320_000)


# What a socket needs


def test_a_tcp_socket_sends_small_messages_at_once_and_notices_a_vanished_peer() -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        prepare(ours, user_timeout=4.5)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4500


def test_a_unix_socket_is_taken_as_it_is() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        prepare(ours, user_timeout=4.5)
