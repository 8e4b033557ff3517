"""How messages wait for a client that does not read: volatile, latest, bounded; and whether they are compressed."""

from typing import Any

import pytest

from waterspout import Server, Socket
from waterspout.engine import Policy, Prepared
from waterspout.engine.outbox import Outbox
from waterspout.engine.traffic import Traffic
from waterspout.server.fanout import delivery
from waterspout.testing import SOCKETIO_1, Pair, PollingCarrier, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

CAP = 1000


class Slow:
    """A client that does not read until it is told to."""

    def __init__(self, options: dict[str, Any], **server: Any) -> None:
        self.reasons: list[str] = []
        self.server = Server(max_outbox_bytes=CAP, **server)
        self.server.on_disconnect(lambda socket, reason: self.reasons.append(str(reason)))
        self.pair = Pair(self.server, **options)
        self.socket, self.peer = self.pair.socket, self.pair.peer
        if isinstance(self.peer.carrier, WebSocketCarrier):
            self.peer.carrier.blocked = True
        else:
            self.peer.polls = False
            self.socket.emit("unpark")  # its poll is answered, and it does not come again
            self.peer.take()

    @property
    def waiting(self) -> int:
        return self.socket._member.session.outbox_bytes

    def read(self) -> list[tuple[Any, ...]]:
        """Let the client read, and return the events that come to "/"."""
        carrier = self.peer.carrier
        if isinstance(carrier, WebSocketCarrier):
            carrier.unblock()
            carrier.blocked = True
        else:
            assert isinstance(carrier, PollingCarrier)
            carrier.poll()
        return self.peer.events()


@pytest.fixture
def slow(client: dict[str, Any]) -> Slow:
    return Slow(client)


def test_volatile_is_dropped_if_something_waits(slow: Slow) -> None:
    slow.socket.emit("a")
    slow.socket.emit("b", volatile=True)
    slow.socket.emit("c")
    slow.server.emit("d", volatile=True)
    assert slow.read() == [("a",), ("c",)]
    assert slow.server.stats().dropped == 2


def test_volatile_is_kept_if_nothing_waits(slow: Slow) -> None:
    slow.socket.emit("a", volatile=True)
    slow.socket.emit("b", volatile=True)
    assert slow.read() == [("a",)]
    slow.socket.emit("c", volatile=True)  # the outbox is empty again
    assert slow.read() == [("c",)]
    assert slow.server.stats().dropped == 1


def test_volatile_reaches_who_reads(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    for number in range(3):
        pair.socket.emit("a", number, volatile=True)
    assert pair.peer.events() == [("a", number) for number in range(3)]
    assert server.stats().dropped == 0


def test_volatile_never_ends_a_slow_client(slow: Slow) -> None:
    slow.socket.emit("first")
    for _ in range(1000):
        slow.socket.emit("big", "x" * CAP, volatile=True)
    assert slow.socket.connected


def test_the_latest_waits_in_the_place_of_the_first(slow: Slow) -> None:
    slow.socket.emit("before")
    slow.socket.emit("price", 1, latest="ACME")
    slow.socket.emit("between")
    slow.socket.emit("price", 2, latest="ACME")
    slow.socket.emit("price", 9, latest="OTHER")
    slow.server.emit("price", 3, latest="ACME")
    encode = slow.peer.generation.socketio.encode_event
    left: list[tuple[Any, ...]] = [("before",), ("price", 3), ("between",), ("price", 9)]
    assert slow.waiting == sum(len(encode("/", name, args)[0]) for name, *args in left)
    assert slow.read() == left
    assert slow.waiting == 0
    stats = slow.server.stats()
    assert (stats.replaced, stats.dropped) == (2, 0)


def test_the_same_key_in_another_namespace_is_another(slow: Slow) -> None:
    slow.server.of("/x")
    slow.peer.connect("/x")
    slow.read()
    slow.socket.emit("filler")
    slow.server.of("/x").emit("price", 1, latest="ACME")
    slow.socket.emit("price", 2, latest="ACME")
    assert slow.read() == [("filler",), ("price", 2)]
    assert slow.peer.events("/x") == [("price", 1)]
    assert slow.server.stats().replaced == 0


def test_after_it_was_sent_the_next_waits_anew(slow: Slow) -> None:
    for number in range(3):
        slow.socket.emit("filler")
        slow.socket.emit("price", number, latest="ACME")
        assert slow.read() == [("filler",), ("price", number)]
    assert slow.server.stats().replaced == 0


def test_a_thousand_prices_are_one(slow: Slow) -> None:
    for number in range(1000):
        slow.socket.emit("price", number, "x" * 100, latest="ACME")
    assert slow.socket.connected
    assert len(slow.read()) == 1
    assert slow.server.stats().replaced == 999


def test_latest_with_attachments_is_counted_and_sent_whole(slow: Slow) -> None:
    slow.socket.emit("filler")
    slow.socket.emit("p", b"x" * 500, latest="k")
    slow.socket.emit("p", b"y", latest="k")
    assert slow.waiting < 100
    assert slow.read()[1:] == [("p", "eQ==" if slow.peer.generation is SOCKETIO_1 else b"y")]


def test_a_latest_that_grows_over_the_cap_ends_the_client(slow: Slow) -> None:
    slow.socket.emit("filler", "x" * 500)
    slow.socket.emit("p", latest="k")
    slow.socket.emit("p", "y" * CAP, latest="k")
    assert slow.reasons == ["slow consumer"]
    assert slow.server.stats().replaced == 0


def test_more_than_the_cap_ends_the_client(slow: Slow) -> None:
    slow.socket.emit("a", "x" * 900)
    assert slow.reasons == []
    slow.socket.emit("b", "x" * 900)
    assert slow.reasons == ["slow consumer"]
    assert slow.server.stats().slow_consumers == 1
    slow.socket.emit("c")
    assert slow.socket.gone
    slow.pair.clock.advance(60)
    assert not slow.server.engine.sessions
    assert len(slow.server.engine.deadlines) == 0


def test_the_first_message_may_be_larger_than_the_cap(slow: Slow) -> None:
    slow.socket.emit("a", "x" * 10 * CAP)
    slow.socket.emit("v", volatile=True)
    assert slow.socket.connected
    assert slow.read() == [("a", "x" * 10 * CAP)]
    slow.socket.emit("a", "x" * 10 * CAP)
    slow.socket.emit("b")
    assert slow.reasons == ["slow consumer"]


def test_a_slow_client_is_cut_and_a_polite_one_beside_it_gets_all(client: dict[str, Any]) -> None:
    slow = Slow(client)
    polite = Pair(slow.server, **client)
    for number in range(10):
        slow.server.emit("news", number, "x" * 200)
    assert len(polite.peer.take()) == 10
    assert slow.reasons == ["slow consumer"]
    assert polite.socket.connected


def test_a_number_of_messages_counts_too() -> None:
    box, policy, traffic = Outbox(), Policy(max_packets=3), Traffic()
    assert [box.add(Prepared(b"x"), policy, traffic) for _ in range(5)] == [True, True, True, False, False]
    assert (len(box), box.size_bytes) == (3, 3)


def test_an_outbox_counts_right_whatever_is_replaced() -> None:
    box, policy, traffic = Outbox(), Policy(max_outbox_bytes=10), Traffic()
    assert box.add(Prepared(b"1" * 20, key="a"), policy, traffic)  # the first, however large
    assert box.add(Prepared(b"1" * 30, key="a"), policy, traffic)  # and its place
    assert box.size_bytes == 30
    assert box.add(Prepared(b"1" * 4, key="a"), policy, traffic)
    assert box.add(Prepared(b"1" * 6, key="b"), policy, traffic)
    assert not box.add(Prepared(b"1" * 5, key="a"), policy, traffic)
    assert not box.add(Prepared(b"1", key="c"), policy, traffic)
    assert box.size_bytes == 10
    assert [one.size_bytes for one in box.take()] == [4, 6]
    assert (len(box), box.size_bytes, traffic.replaced) == (0, 0, 2)
    assert box.add(Prepared(b"1" * 4, key="a"), policy, traffic)
    assert [one.size_bytes for one in box.take()] == [4]


class Taking:
    """A transport that takes as many messages as it is told to."""

    def __init__(self) -> None:
        self.most, self.taken = 0, list[bytes]()

    def write(self, prepared: Prepared) -> bool:
        if len(self.taken) < self.most:
            self.taken.append(prepared.text)
            return True
        return False


def test_what_was_written_is_replaced_no_more() -> None:
    box, policy, traffic, transport = Outbox(), Policy(), Traffic(), Taking()
    for text, key in ((b"a1", "a"), (b"b1", "b"), (b"x", None), (b"a2", "a")):
        assert box.add(Prepared(text, key=key), policy, traffic)
    for most, text in ((1, b"a3"), (2, b"b3"), (3, b"a4")):
        transport.most = most
        assert not box.write_to(transport)  # type: ignore[arg-type]
        assert box.add(Prepared(text, key=text[:1].decode()), policy, traffic)
    assert box.size_bytes == 4
    transport.most = 9
    assert box.write_to(transport)  # type: ignore[arg-type]
    assert transport.taken == [b"a2", b"b1", b"x", b"a4", b"b3"]
    assert (len(box), box.size_bytes) == (0, 0)


@pytest.mark.parametrize("latest", [1, ("a",), b"a", True])
def test_the_key_is_a_string(server: Server, latest: Any) -> None:
    pair = Pair(server)
    with pytest.raises(TypeError, match=r"latest is .*: give a string"):
        pair.socket.emit("a", latest=latest)
    with pytest.raises(TypeError, match=r"latest is .*: give a string"):
        server.emit("a", latest=latest)


def test_of_a_key_only_the_latest_waits_behind_what_a_transport_has_given_back() -> None:
    box, policy, traffic, transport = Outbox(), Policy(), Traffic(), Taking()
    box.give_back([Prepared(b"a1", key="a")])
    assert box.add(Prepared(b"a2", key="a"), policy, traffic)
    transport.most = 1
    assert not box.write_to(transport)  # type: ignore[arg-type]
    assert box.add(Prepared(b"a3", key="a"), policy, traffic)
    assert [one.text for one in box.take()] == [b"a3"]
    assert (transport.taken, traffic.replaced) == ([b"a1"], 1)


# compress


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("how", ["socket", "broadcast", "server", "namespace"])
def test_the_flag_decides_whether_a_frame_is_compressed(generation: Any, compress: bool, how: str) -> None:
    server = Server(per_message_deflate=True)
    options = {"generation": generation, "extensions": "permessage-deflate"}
    pair, other = Pair(server, **options), Pair(server, **options)
    carrier = pair.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    carrier.written.clear()
    text = "all work and no play " * 500
    if how == "socket":
        pair.socket.emit("a", text, compress=compress)
    elif how == "broadcast":
        other.socket.broadcast("a", text, compress=compress)
    elif how == "server":
        server.emit("a", text, compress=compress)
    else:
        server.of("/").emit("a", text, to=pair.socket.id, compress=compress)
    (written,) = carrier.written
    assert bool(written[0] & 0x40) is compress
    assert pair.peer.events() == [("a", text)]


def test_what_is_ordinary_is_one_value() -> None:
    ordinary = delivery(volatile=False, compress=True, latest=None)
    assert ordinary is delivery(volatile=False, compress=True, latest=None)
    assert delivery(volatile=True, compress=True, latest="k").latest == "k"


def test_what_is_emitted_before_the_acceptance_keeps_its_flags(client: dict[str, Any]) -> None:
    server = Server()

    @server.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        socket.emit("a", volatile=True)
        socket.emit("b", latest="k")

    pair = Pair(server, **client)
    volatile = [("a",)] if client["transport"] == "websocket" else []  # by polling the acceptance waits already
    assert pair.peer.events() == [*volatile, ("b",)]
    assert pair.socket.connected
