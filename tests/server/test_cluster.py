"""Several nodes: what is emitted on one reaches the clients of all; what else the bus carries reaches nobody."""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from server.stranger import TOPIC, Stranger, word
from turns import events, until
from waterspout import Server, Socket
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.engine import Driver, Pending
from waterspout.errors import DecodeError
from waterspout.server.cluster import Broadcast, BroadcastHere, decode, encode
from waterspout.server.cluster.messages import beginnings, decode_word, encode_word
from waterspout.server.rooms import Except
from waterspout.testing import ENGINEIO_4, SOCKETIO_1, Clock, Pair, Peer
from waterspout.wire.generations import ENGINEIO_3

ROWS = (ENGINEIO_4, ENGINEIO_3, SOCKETIO_1)


class Nodes:
    """Three servers on one bus, each with a client of another generation; and a stranger who writes on the bus."""

    def __init__(self) -> None:
        bus, self.clock = MemoryBus(), Clock()
        self.servers = [Server(adapter=MemoryAdapter(bus), driver=self.clock) for _ in range(3)]
        self.pairs = [Pair(server, generation=row) for server, row in zip(self.servers, ROWS, strict=True)]
        self.stranger = Stranger(bus, self.clock)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def received(self, namespace: str = "/") -> list[list[tuple[Any, ...]]]:
        return [pair.peer.events(namespace) for pair in self.pairs]

    def reports(self) -> list[str]:
        return [text for text, _ in self.clock.reports]


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


# What is emitted


def test_an_event_reaches_the_clients_of_all_nodes_once(nodes: Nodes) -> None:
    nodes.servers[0].emit("news", 1, {"a": b"\x01"})
    assert nodes.received() == [[("news", 1, {"a": content})] for content in (b"\x01", b"\x01", "AQ==")]


def test_an_event_reaches_the_rooms_of_all_nodes(nodes: Nodes) -> None:
    one, two, three = nodes
    one.socket.join("red")
    two.socket.join("red", "blue")
    for to in ("red", ["red", "blue"], iter(["red"]), ("blue", two.socket.id, one.socket.id)):
        nodes.servers[2].emit("news", to=to)
        assert nodes.received() == [[("news",)], [("news",)], []]
    nodes.servers[0].emit("news", to=three.socket.id)
    assert nodes.received() == [[], [], [("news",)]]
    nodes.servers[0].emit("news", to=[])
    assert nodes.received() == [[], [], []]


def test_the_excepted_are_excepted_on_all_nodes(nodes: Nodes) -> None:
    one, two, three = nodes
    one.socket.join("red")
    two.socket.join("red", "blue")
    forms: list[Except] = ["red", [one.socket, two.socket.id], ("blue", one.socket), iter(["red"])]
    for except_ in forms:
        nodes.servers[2].emit("news", except_=except_)
        assert nodes.received() == [[], [], [("news",)]]
    three.socket.broadcast("news")
    assert nodes.received() == [[("news",)], [("news",)], []]
    three.socket.broadcast("news", to="red", except_="blue")
    assert nodes.received() == [[("news",)], [], []]


def test_a_namespace_is_the_same_on_all_nodes_that_have_it(nodes: Nodes) -> None:
    for server in nodes.servers[:2]:
        server.of("/chat")
    for pair in nodes:
        pair.peer.connect("/chat")
        pair.peer.take()
    nodes.servers[0].of("/chat").emit("news")
    assert nodes.received("/chat") == [[("news",)]] * 2 + [[]]
    assert nodes.reports() == []


def test_what_is_said_to_one_client_stays_on_its_node(nodes: Nodes) -> None:
    next(iter(nodes)).socket.emit("news")
    assert nodes.received() == [[("news",)], [], []]


class Name(str):
    """Text of a class of its own."""


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "read"),
    [("é", "é"), (Name("Ada"), "Ada"), (Point(1), {"x": 1}), (float("nan"), None), ({1: (2, None)}, {"1": [2, None]})],
)
def test_a_value_arrives_on_all_nodes_alike(nodes: Nodes, value: object, read: object) -> None:
    nodes.servers[0].emit("news", value)
    assert nodes.received() == [[("news", read)]] * 3


def test_a_lone_surrogate_arrives_on_all_nodes_as_the_replacement_character(nodes: Nodes) -> None:
    nodes.servers[0].emit("\ud800", {"\udfff": ["\ud83d\ude00", b"1"]})
    contents = (b"1", b"1", "MQ==")
    assert nodes.received() == [[("\ufffd", {"\ufffd": ["😀", content]})] for content in contents]


@pytest.mark.parametrize("value", [object(), 2**70])
def test_what_the_bus_cannot_carry_is_refused_by_name_before_anybody_is_served(nodes: Nodes, value: object) -> None:
    with pytest.raises(TypeError, match="the event 'news' cannot be sent to other nodes"):
        nodes.servers[0].emit("news", value)
    assert nodes.received() == [[], [], []]


def test_a_value_that_a_client_cannot_get_is_told_to_no_other_node(nodes: Nodes) -> None:
    with pytest.raises(TypeError, match="the event 'news' cannot be sent: "):
        nodes.servers[0].emit("news", {(1, 2): 3})
    assert nodes.received() == [[], [], []]
    assert nodes.reports() == []


def test_servers_at_different_paths_of_one_bus_do_not_hear_each_other() -> None:
    bus = MemoryBus()
    one = Server(adapter=MemoryAdapter(bus))
    pair = Pair(Server(adapter=MemoryAdapter(bus), path="/other"))
    Pair(one)
    one.emit("news")
    assert pair.peer.take() == []


def test_a_node_that_has_closed_hears_nothing_more(nodes: Nodes) -> None:
    nodes.servers[1].close()
    nodes.servers[0].emit("news")
    assert nodes.received() == [[("news",)], [], [("news",)]]
    nodes.stranger.publish(TOPIC, b"garbage")
    assert len(nodes.reports()) == 2


def test_nodes_on_a_loop_hear_each_other() -> None:
    async def main() -> None:
        bus = MemoryBus()
        servers = [Server(adapter=MemoryAdapter(bus)) for _ in range(2)]
        driver = AsyncioDriver()
        peers = []
        for server in servers:
            server.engine.bind(driver)
            peers.append(Peer(server))
            peers[-1].connect()
            peers[-1].take()

        @servers[0].on("say")
        def say(socket: Socket, text: str) -> None:
            socket.broadcast("said", text)

        peers[0].emit("say", "hello")
        assert await events(peers[1], 1) == [("said", "hello")]
        assert peers[0].take() == []

    asyncio.run(main())


# Who a node is, and how long


def test_servers_on_clocks_of_their_own_are_two_nodes() -> None:
    bus = MemoryBus()
    pairs = [Pair(Server(adapter=MemoryAdapter(bus), driver=Clock())) for _ in range(2)]
    pairs[0].server.emit("news")
    assert [pair.peer.take() for pair in pairs] == [['42["news"]']] * 2


FORKED = """
import asyncio, os, sys
from waterspout import Server
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.engine import Driver, Pending
from waterspout.server.cluster.messages import decode_word

class Adapter(MemoryAdapter):
    def publish(self, topic, data):
        sys.stdout.write(decode_word(data).node + "\\n")
        sys.stdout.flush()
        return super().publish(topic, data)

async def serve():
    server.engine.bind(AsyncioDriver())
    server.emit("news")

server = Server(adapter=Adapter(MemoryBus()))
for _ in range(2):
    child = os.fork()
    if not child:
        asyncio.run(serve())
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_servers_that_were_made_before_a_fork_are_two_nodes() -> None:
    run = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True)
    assert len(set(run.stdout.split())) == 2


def test_two_servers_that_are_given_one_adapter_are_refused() -> None:
    adapter = MemoryAdapter(MemoryBus())
    pair = Pair(Server(adapter=adapter))
    with pytest.raises(RuntimeError, match="give each server an adapter of its own"):
        Pair(Server(adapter=adapter))
    pair.server.emit("news")
    assert pair.peer.take() == ['42["news"]']
    pair.server.close()
    pair.clock.close()
    Pair(Server(adapter=adapter))


def test_an_adapter_is_attached_while_its_server_has_a_loop() -> None:
    bus = MemoryBus()
    server, clock = Server(adapter=MemoryAdapter(bus)), Clock()
    assert bus.adapters == []
    server.engine.bind(clock)
    assert len(bus.adapters) == 1
    server.close()
    assert bus.adapters == []
    server.emit("news")
    assert clock.reports == []


def test_what_handlers_say_while_their_server_ends_reaches_the_others(nodes: Nodes) -> None:
    one, two, _ = nodes
    one.server.on_disconnect(lambda socket, reason: one.server.emit("left"))
    one.server.close()
    assert two.peer.take() == ['42["left"]']


def test_a_server_that_begins_anew_hears_the_others_again_under_another_name() -> None:
    bus, names = MemoryBus(), set[str]()
    stranger = Stranger(bus, Clock())
    stranger.subscribe(TOPIC, lambda data: names.add(decode_word(data).node))
    server = Server(adapter=MemoryAdapter(bus))

    async def live() -> None:
        server.engine.bind(AsyncioDriver())
        peer = Peer(server)
        peer.connect()
        peer.take()
        server.emit("mine")
        stranger.say(GOOD)
        assert await events(peer, 2) == [("mine",), ("news", 1)]

    asyncio.run(live())
    asyncio.run(live())
    names.discard("another")
    assert len(names) == 2


def test_a_loop_that_was_closed_before_its_server_keeps_nobody_else_from_publishing() -> None:
    bus = MemoryBus()
    gone = Server(adapter=MemoryAdapter(bus))

    async def main() -> None:
        gone.engine.bind(AsyncioDriver())

    asyncio.run(main())
    pair = Pair(Server(adapter=MemoryAdapter(bus)))
    pair.server.emit("news")
    assert pair.peer.take() == ['42["news"]']
    assert len(bus.adapters) == 1


def test_an_adapter_whose_loop_was_closed_is_detached_on_the_next_one() -> None:
    loops: list[object] = []

    class Slow(MemoryAdapter):
        def detach(self) -> Any:
            super().detach()
            return self.note()

        async def note(self) -> None:
            loops.append(asyncio.get_running_loop())

    async def main() -> None:
        server.engine.bind(AsyncioDriver())

    server = Server(adapter=Slow(MemoryBus()))
    asyncio.run(main())

    async def again() -> None:
        server.engine.bind(AsyncioDriver())
        await until(lambda: loops)
        assert loops == [asyncio.get_running_loop()]

    asyncio.run(again())


def test_what_is_said_to_other_nodes_before_there_is_a_loop_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(adapter=MemoryAdapter(MemoryBus()))
    for _ in range(2):
        server.emit("news")
    texts = [record.getMessage() for record in caplog.records]
    assert texts == ["a message to other nodes is lost: the server has not started on a loop yet"]


class Failing(MemoryAdapter):
    """An adapter that cannot publish; the ways to say so differ."""

    def __init__(self, publish: Callable[[], object]) -> None:
        super().__init__(MemoryBus())
        self._publish = publish

    def publish(self, topic: str, data: bytes) -> Any:
        return self._publish()


async def lose() -> None:
    raise ConnectionError("no broker")


async def vanish() -> None:
    raise asyncio.CancelledError


async def succeed() -> int:
    return 3


def rejected(clock: Clock) -> Pending[None]:
    pending: Pending[None] = Pending(clock)
    pending.reject(ConnectionError("no broker"))
    return pending


@pytest.mark.parametrize(
    ("publish", "errors"),
    [
        (rejected, [ConnectionError]),
        (lambda clock: lose(), [ConnectionError]),
        (lambda clock: vanish(), [RuntimeError]),
        (lambda clock: succeed(), []),
        (lambda clock: None, []),
    ],
    ids=["a Pending", "a coroutine", "a cancelled one", "one that succeeds", "nothing"],
)
def test_a_failure_to_publish_is_reported_once(publish: Callable[[Clock], object], errors: list[type]) -> None:
    clock = Clock()
    pair = Pair(Server(adapter=Failing(lambda: publish(clock)), driver=clock))
    clock.advance(2)
    for _ in range(3):
        pair.server.emit("news")
    assert pair.peer.take() == ['42["news"]'] * 3
    clock.settle()
    assert [type(error) for _, error in clock.reports] == errors
    for text, _ in clock.reports:
        assert text == f"the adapter could not publish to {TOPIC!r}, further failures of this kind are not logged"


class Leaving(MemoryAdapter):
    """An adapter whose other verbs return or raise something."""

    def __init__(self, clock: Clock, **verbs: Callable[[Clock], object]) -> None:
        super().__init__(MemoryBus())
        self._clock = clock
        self._verbs = verbs

    def attach(self, driver: Driver, *reports: Any) -> Any:
        super().attach(driver, *reports)
        return self._verbs.get("attach", lambda clock: None)(self._clock)

    def unsubscribe(self, topic: str) -> Any:
        super().unsubscribe(topic)
        return self._verbs.get("unsubscribe", lambda clock: None)(self._clock)

    def detach(self) -> Any:
        super().detach()
        return self._verbs.get("detach", lambda clock: None)(self._clock)


def resolved_later(clock: Clock) -> Pending[None]:
    pending: Pending[None] = Pending(clock)

    async def resolve() -> None:
        await asyncio.sleep(1)
        pending.resolve(None)

    clock.run(resolve, (), Quiet(), None)
    return pending


class Quiet:
    """An asker that hears nothing."""

    def answered(self, token: Any, result: Any) -> None: ...

    def failed(self, token: Any, error: BaseException) -> None: ...

    def later(self, token: Any) -> Any:
        return self


def refuse(clock: Clock) -> None:
    raise ConnectionError("no broker")


@pytest.mark.parametrize("detach", [lambda clock: asyncio.sleep(1), resolved_later], ids=["a coroutine", "a Pending"])
def test_the_end_of_a_server_waits_for_its_adapter(detach: Callable[[Clock], object]) -> None:
    clock = Clock()
    pair = Pair(Server(adapter=Leaving(clock, detach=detach), driver=clock))
    closing = pair.server.close()
    clock.advance(0.9)
    assert not closing.done
    clock.advance(0.1)
    assert (closing.done, clock.reports) == (True, [])


@pytest.mark.parametrize(("handler", "end"), [(0.0, 5.0), (100.0, 6.0)], ids=["alone", "behind a slow handler"])
def test_an_adapter_that_does_not_come_to_an_end_is_cancelled(handler: float, end: float) -> None:
    """It has the rest of `shutdown_timeout`, and 1 s at least."""
    clock = Clock()
    pair = Pair(Server(adapter=Leaving(clock, detach=lambda clock: asyncio.sleep(1000)), driver=clock))
    pair.server.on("say")(lambda socket: asyncio.sleep(handler))
    pair.peer.emit("say")
    closing = pair.server.close()
    clock.advance(end - 0.1)
    assert not closing.done
    clock.advance(0.1)
    assert closing.done
    text = f"the adapter could not detach from {TOPIC!r}, further failures of this kind are not logged"
    found, error = clock.reports[-1]
    assert (found, str(error)) == (text, "it ended with CancelledError()")


@pytest.mark.parametrize("fail", [refuse, rejected, lambda clock: lose()], ids=["raised", "a Pending", "a coroutine"])
@pytest.mark.parametrize("verb", ["unsubscribe", "detach"])
def test_a_failure_at_the_end_is_reported_and_the_server_ends(verb: str, fail: Callable[[Clock], object]) -> None:
    clock = Clock()
    pair = Pair(Server(adapter=Leaving(clock, **{verb: fail}), driver=clock))
    assert pair.server.close().done
    text = f"the adapter could not {verb} from {TOPIC!r}, further failures of this kind are not logged"
    assert [(found, type(error)) for found, error in clock.reports] == [(text, ConnectionError)]


def test_a_failure_to_attach_that_comes_later_is_reported() -> None:
    clock = Clock()
    Pair(Server(adapter=Leaving(clock, attach=lambda clock: lose()), driver=clock))
    text = f"the adapter could not attach to {TOPIC!r}, further failures of this kind are not logged"
    assert [(found, type(error)) for found, error in clock.reports] == [(text, ConnectionError)]


def test_a_failure_that_comes_later_is_reported_and_each_kind_of_it() -> None:
    clock, waiting = Clock(), list[Pending[None]]()

    def publish() -> Pending[None]:
        waiting.append(Pending(clock))
        return waiting[-1]

    pair = Pair(Server(adapter=Failing(publish), driver=clock))
    clock.advance(2)
    for error in (ConnectionError(), ConnectionError(), OSError()):
        pair.server.emit("news")
        assert not waiting[-1].done
        waiting[-1].reject(error)
    clock.settle()
    assert [type(error) for _, error in clock.reports] == [ConnectionError, OSError]


# What else is on the bus

GOOD = Broadcast("news", [1], namespace="/")


def changed(**fields: Any) -> bytes:
    """Write a word whose message has other fields; `...` leaves one out."""
    message = msgspec.msgpack.decode(encode(GOOD)) | fields
    return word(msgspec.msgpack.encode({key: value for key, value in message.items() if value is not ...}))


GARBAGE = {
    "nothing": b"",
    "text": b"hello",
    "JSON": b'{"type":"broadcast"}',
    "a pickle": pickle.dumps({"method": "emit", "event": "news", "data": [1]}),
    "half a word": word(GOOD)[:-3],
    "more than a word": word(GOOD) + b"\x00",
    "a number": b"\x05",
    "nil": b"\xc0",
    "a map": encode(GOOD),
    "a list of something else": msgspec.msgpack.encode(["another", "/", "news", [1]]),
    "a word of nobody": msgspec.msgpack.encode([None, 0, 0, encode(GOOD)]),
    "a word with a map for its message": msgspec.msgpack.encode(["another", 0, 0, msgspec.Raw(encode(GOOD))]),
    "a word without a message": msgspec.msgpack.encode(["another", 0, 0]),
    "a message of another kind": changed(kind="disconnect"),
    "a message without a kind": changed(kind=...),
    "a message without an event": changed(event=...),
    "a number for a namespace": changed(namespace=5),
    "a list for an event": changed(event=["news"]),
    "a list for arguments": changed(args=[1]),
    "text for arguments": changed(args=msgspec.msgpack.encode("news")),
    "a map for arguments": changed(args=msgspec.msgpack.encode({"a": 1})),
    "no arguments": changed(args=b""),
    "text for rooms": changed(to="lobby"),
    "bytes among rooms": changed(to=[b"lobby"]),
    "lists among rooms": changed(to=[["lobby"]]),
    "nil for the excepted": changed(except_=None),
    "a reserved name": changed(event="connect"),
    "another reserved name": changed(event="disconnect"),
    "depth": changed(args=b"\x91" * 100_000 + b"\x01"),
    "depth beside the arguments": word(encode(GOOD)[:-6] + b"\x91" * 100_000 + b"\x01"),
    "text that is not UTF-8": word(encode(GOOD).replace(b"news", b"ne\xff\xff")),
    "arguments that are not UTF-8": changed(args=b"\x91\xa2\xff\xff"),
    "a list of four thousand millions": changed(args=b"\xdd\xff\xff\xff\xff\x01"),
    "bytes of four thousand millions": changed(args=b"\x91\xc6\xff\xff\xff\xff\x01"),
    "a map with a map for a key": changed(args=b"\x91\x81\x80\x01"),
    "a map with a list for a key": changed(args=b"\x91\x81\x91\x01\x01"),
    "an extension": changed(args=b"\x91\xd6\x05abcd"),
    "a sender with a name that is too long": word(GOOD, "n" * 65),
    "a long kind in many lines": changed(kind="secret\n" * 10_000),
    "a long event that cannot be sent": changed(event="e" * 10_000, args=b"\x91\xd6\x05abcd"),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_dropped_and_the_node_lives(nodes: Nodes, data: bytes) -> None:
    nodes.stranger.publish(TOPIC, data)
    assert nodes.received() == [[], [], []]
    assert len(nodes.reports()) == 3
    for text in nodes.reports():
        assert text.startswith("a message from the bus is dropped, further ones are not logged: ")
        assert len(text) < 400
        assert "secret" not in text
    nodes.servers[0].emit("news")
    assert nodes.received() == [[("news",)]] * 3


def test_garbage_without_end_is_reported_once_by_each_node(nodes: Nodes) -> None:
    for data in [*GARBAGE.values()] * 3:
        nodes.stranger.publish(TOPIC, data)
    assert len(nodes.reports()) == 3


def test_the_arguments_of_an_event_are_not_read_where_nobody_gets_it(nodes: Nodes) -> None:
    nodes.stranger.publish(TOPIC, changed(args=b"\xc1", to=["nobody"]))
    assert nodes.reports() == []


def test_the_message_of_another_node_is_delivered(nodes: Nodes) -> None:
    nodes.stranger.say(GOOD)
    assert nodes.received() == [[("news", 1)]] * 3
    assert nodes.reports() == []


def test_a_message_of_a_newer_node_is_delivered_without_what_is_new_in_it(nodes: Nodes) -> None:
    nodes.stranger.publish(TOPIC, changed(epoch=1))
    newer_word = msgspec.msgpack.encode(["another", 0, 0, encode(GOOD), {"epoch": 1}])
    nodes.stranger.publish(TOPIC, newer_word)
    assert nodes.received() == [[("news", 1), ("news", 1)]] * 3
    assert nodes.reports() == []


def test_the_echo_of_a_node_is_dropped_without_a_word(nodes: Nodes) -> None:
    heard: list[bytes] = []
    nodes.stranger.subscribe(TOPIC, heard.append)
    nodes.servers[0].emit("news")
    nodes.received()
    nodes.stranger.publish(TOPIC, heard[0])
    assert nodes.received() == [[], [], []]
    assert nodes.reports() == []


def test_a_namespace_that_is_not_here_is_ignored(nodes: Nodes) -> None:
    nodes.stranger.publish(TOPIC, changed(namespace="/nowhere"))
    assert nodes.received() == [[], [], []]
    assert nodes.reports() == []
    for pair in nodes:
        pair.peer.take()
        pair.peer.connect("/nowhere")
        assert str(pair.peer.take()[0])[:10] in ("44/nowhere", "7::/nowher")


@pytest.mark.parametrize(
    "message",
    [
        GOOD,
        Broadcast("é", [], namespace="/chat", to=("a", 1), except_=("b",)),
        Broadcast("", [], namespace=""),
    ],
)
def test_a_message_is_read_as_it_was_written(message: Broadcast) -> None:
    read = decode(encode(message))
    assert isinstance(read, BroadcastHere)
    assert (read.event, read.read_args(), read.namespace) == (message.event, message.args, message.namespace)
    assert (read.to, read.except_) == (message.to, message.except_)


@pytest.mark.parametrize("name", ["a", "feeder01", "é" * 40])
def test_all_words_of_a_node_begin_alike_and_those_without_a_number_differ_from_all_others(name: str) -> None:
    own, own_unnumbered = beginnings(name)
    for number in (0, 1, 127, 128, 70_000, 1 << 40):
        word = encode_word(name, number, 0, b"\0")
        assert word.startswith(own)
        assert word.startswith(own_unnumbered) is (number == 0)
        assert not encode_word(f"{name}b", number, 0, b"").startswith(own)


def test_the_decoder_says_what_is_wrong() -> None:
    with pytest.raises(DecodeError, match=r"not a message of a node: .*\$\.event"):
        decode(decode_word(changed(event=["news"])).message)
    read = decode(decode_word(changed(args=b"\xa4news")).message)
    assert isinstance(read, BroadcastHere)
    with pytest.raises(DecodeError, match=r"not the arguments of an event: .*\$\.args"):
        read.read_args()
