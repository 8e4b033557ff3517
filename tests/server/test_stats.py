"""What a server tells of itself: numbers, and the events that it takes."""

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, NoReturn

import pytest

from server.later import Handler, LateClock
from server.listener import Listener
from turns import packets
from waterspout import ArgumentError, EventRefused, Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.server.handlers import Timing
from waterspout.testing import EVENTS, SOCKETIO_1, Clock, Pair, Peer, Refused, WebSocketCarrier
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4


def test_a_new_server_has_done_nothing(server: Server) -> None:
    stats = server.stats()
    assert (stats.sessions, stats.sockets, stats.rooms, stats.closed) == ({}, {"/": 0}, {"/": 0}, {})
    numbers = (stats.outbox_bytes, stats.opened, stats.refused, stats.slow_consumers, stats.dropped, stats.replaced)
    assert (*numbers, stats.errors) == (0, 0, 0, 0, 0, 0, 0)
    assert (stats.messages_in, stats.messages_out, stats.bytes_in, stats.bytes_out) == (0, 0, 0, 0)
    assert stats.handlers == {"/": {}}
    assert (stats.channels, stats.subscribers, stats.history_bytes) == (0, {}, 0)
    assert (stats.published, stats.resets) == (0, {})


def test_sessions_are_counted_by_generation_and_transport(server: Server) -> None:
    pairs = [
        Pair(server, generation=row, transport=transport)
        for row in (ENGINEIO_3, ENGINEIO_4)
        for transport in ("polling", "websocket", "polling")
    ]
    each = {"polling": 2, "websocket": 1}
    assert server.stats().sessions == {"Engine.IO 3": each, "Engine.IO 4": each}
    pairs[0].peer.upgrade()
    assert server.stats().sessions["Engine.IO 3"] == {"websocket": 2, "polling": 1}
    for pair in pairs:
        pair.peer.lose()
    stats = server.stats()
    assert (stats.sessions, stats.opened) == ({}, 6)
    assert stats.closed == {"transport error": 3, "transport close": 3}


def test_sockets_and_rooms_are_counted_by_namespace(server: Server, client: dict[str, Any]) -> None:
    server.of("/a")
    server.of(re.compile("/d.*"))
    pair = Pair(server, **client)
    pair.socket.join("one", "two")
    for name in ("/a", "/d1"):
        pair.peer.connect(name)
    server.of("/a").join("three")
    stats = server.stats()
    assert stats.sockets == {"/": 1, "/a": 1, "/d1": 1}
    assert stats.rooms == {"/": 2, "/a": 1, "/d1": 0}


def test_refusals_are_counted(server: Server) -> None:
    server.engine.bind(Clock())
    for _ in range(3):
        with pytest.raises(Refused):
            Peer(server, query="sid=unknown")
    assert server.stats().refused == 3


def test_messages_and_bytes_are_counted_in_both_directions(server: Server, generation: Any) -> None:
    server.on("echo")(lambda socket, text: text)
    pair = Pair(server, generation=generation)
    before = server.stats()
    pair.peer.emit("echo", "x" * 100, id=1)
    (answer,) = pair.peer.take()
    after = server.stats()
    asked = '5:1+::{"name":"echo","args":[""]}' if generation is SOCKETIO_1 else '421["echo",""]'
    head = 8 if 100 + len(asked) > 125 else 6  # and mask
    assert after.messages_in - before.messages_in == after.messages_out - before.messages_out == 1
    assert after.bytes_in - before.bytes_in == 100 + len(asked) + head
    assert after.bytes_out - before.bytes_out == len(answer) + 2


def test_what_waits_and_what_was_dropped_is_counted(server: Server) -> None:
    pair = Pair(server)
    assert isinstance(pair.peer.carrier, WebSocketCarrier)
    pair.peer.carrier.blocked = True
    pair.socket.emit("a")
    pair.socket.emit("b", volatile=True)
    stats = server.stats()
    assert (stats.outbox_bytes, stats.dropped) == (len('42["a"]'), 1)


def test_channels_are_counted_with_what_they_keep() -> None:
    clock = Clock()
    server = Server(driver=clock)
    channels = [server.channel(name, ttl=60) for name in ("one", "two")]
    channels[0].publish("x" * 1000)
    channels[0].end()
    stats = server.stats()
    assert (stats.channels, stats.published) == (2, 2)
    assert 1000 < stats.history_bytes < 2000
    clock.advance(60)
    del channels
    stats = server.stats()
    assert (stats.channels, stats.history_bytes, stats.published) == (0, 0, 2)


@pytest.mark.at_once
def test_subscribers_are_counted_by_the_kind_of_their_client(server: Server) -> None:
    prices, news = server.channel("prices"), server.channel("news")
    server.expose("/prices", prices)
    server.expose("/both", [prices, news])
    old, modern = Pair(server, generation=SOCKETIO_1), Pair(server)
    for pair in (old, modern):
        pair.socket.subscribe(prices)
    listeners = [Listener(server, path) for path in ("/prices", "/prices", "/both")]
    websocket = Peer(server, generation=EVENTS, path="/prices")
    stream = prices.stream()
    counts = {"Engine.IO 4": 1, "Socket.IO 1": 1, "EventSource": 4, "WebSocket": 1, "stream": 1}
    assert server.stats().subscribers == counts
    assert (prices.count, news.count) == (7, 1)
    assert isinstance(modern.peer.carrier, WebSocketCarrier)
    modern.peer.carrier.blocked = listeners[0].blocked = True
    prices.publish("x")
    modern.socket.subscribe(prices, "earliest")  # and is behind now
    assert server.stats().subscribers == counts
    old.socket.disconnect()
    modern.peer.lose()
    websocket.lose()
    for listener in listeners[1:]:
        listener.lose()
    del stream
    assert server.stats().subscribers == {"EventSource": 1}


@pytest.mark.at_once
def test_resets_are_counted_by_reason(server: Server) -> None:
    prices = server.channel("prices", history=1)
    server.expose("/prices", prices)
    server.expose("/both", [prices, server.channel("news")])
    epoch = prices.log.epoch
    prices.publish(1)
    prices.publish(2)
    Pair(server).socket.subscribe(prices, f"{epoch}-0")
    Listener(server, "/prices", "elsewhere-1")
    Listener(server, "/both", f"{epoch}-9")
    Peer(server, generation=EVENTS, path="/prices", query="last_event_id=nonsense")
    prices.stream("nonsense")
    # of "/both", the other channel has no place in the id
    assert server.stats().resets == {"expired": 1, "epoch": 2, "future": 1, "unknown": 2}
    Listener(server, "/prices", prices.last_id)
    assert sum(server.stats().resets.values()) == 6


def test_errors_are_counted_and_refusals_are_none(server: Server, client: dict[str, Any]) -> None:
    server.on("bad")(lambda socket: 1 / 0)
    server.on("answer")(lambda socket: object())

    @server.on("refuse")
    def refuse(socket: Socket) -> None:
        raise EventRefused("no")

    pair = Pair(server, **client)
    for name in ("bad", "answer", "refuse", "bad"):
        pair.peer.emit(name, id=1)
    pair.peer.emit("bad", "too many")
    assert server.stats().errors == 3


def test_handlers_are_measured_from_the_first_look_on(generation: Any) -> None:
    server, slow = Server(driver=LateClock()), Handler()
    server.on("quick")(lambda socket: None)
    server.on("slow", ordered=True)(slow)
    server.on("typed")(_typed)
    pair = Pair(server, generation=generation)
    pair.peer.emit("quick")
    assert server.stats().handlers == {"/": {}}
    pair.peer.emit("quick")
    pair.peer.emit("slow")
    pair.peer.emit("slow")
    pair.peer.emit("typed", "no number")  # never called
    pair.clock.advance(2)
    slow.answer()
    pair.clock.advance(3)
    slow.answer()
    first = server.stats()
    assert first.handlers == {"/": {"quick": Timing(1, 0.0), "slow": Timing(2, 5.0)}}
    pair.peer.emit("quick")
    assert first.handlers["/"]["quick"].calls == 1  # what was told stays as it was


def _typed(socket: Socket, number: int) -> None: ...


def test_measured_handlers_answer_as_before(client: dict[str, Any]) -> None:
    server = Server()
    server.on("a")(lambda socket, text: text)
    server.stats()
    pair = Pair(server, **client)
    pair.peer.emit("a", "x", id=1)
    pair.peer.emit("a", id=2)
    good, bad = pair.peer.acks().values()
    assert good == "x"
    assert "takes 1 argument, 0 came" in str(bad)


# describe


@dataclass
class Message:
    text: str
    stars: int = 0


def test_the_events_are_listed_with_their_arguments() -> None:
    server = Server()

    @server.on("say", ordered=True)
    def say(socket: Socket, message: Message, *rest: int) -> None:
        """Say something.

        And more.
        """

    server.on("done", threaded=True)(lambda socket: None)
    server.on("bound")(wraps(say)(lambda *args: None))
    server.of(re.compile("/x.*")).on("only")(lambda socket: None)
    described = server.describe()
    assert described.keys() == {"/", "/x.*"}
    first, done, bound = described["/"]
    assert (first["event"], first["description"], first["ordered"], first["threaded"]) == (
        "say", "Say something.", True, False,
    )  # fmt: skip
    assert [(one["name"], one["required"], one["variadic"]) for one in first["arguments"]] == [
        ("message", True, False), ("rest", False, True),
    ]  # fmt: skip
    assert (done["description"], done["ordered"], done["threaded"]) == ("", True, True)
    assert bound["description"] == "Say something."


def test_a_partial_is_described_by_its_function() -> None:
    server = Server()

    def say(greeting: str, socket: Socket, name: str) -> None:
        """Greet."""

    server.on("say")(partial(say, "hello"))
    assert server.describe()["/"][0]["description"] == "Greet."


def _returning(annotation: Any) -> Any:
    def handler(socket: Socket) -> None: ...

    handler.__annotations__["return"] = annotation
    return handler


INTEGER, TEXT, BINARY = {"type": "integer"}, {"type": "string"}, {"type": "string", "format": "binary"}
RESULTS: list[tuple[Any, dict[str, Any]]] = [
    (None, {"type": "null"}), (int, INTEGER), ("int", INTEGER), (bytes, BINARY), (Any, {}), (object, {}),
    (str | bytes, {"anyOf": [TEXT, BINARY]}), (set[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
    (Awaitable[int], {}), (NoReturn, {}), ("OnlyForTypeCheckers", {}), ("no type!", {}), (5, {}), (complex, {}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "schema"), RESULTS)
def test_the_result_is_described_by_the_return_annotation_and_nothing_is_refused(
    annotation: Any, schema: dict[str, Any]
) -> None:
    server = Server()
    server.on("say")(_returning(annotation))
    assert server.describe()["/"][0]["result"] == schema


def test_the_results_of_async_handlers_of_wrappers_and_of_classes_are_described() -> None:
    server = Server()

    @server.on("later")
    async def later(socket: Socket) -> int:
        return 1

    class Chat(Socket):
        @event
        def say(self) -> tuple[int, Message]: ...  # type: ignore[empty-body]

        @event
        def bare(self): ...

    server.on("bound")(wraps(later)(lambda *args: None))
    server.on("less")(partial(later))
    server.register("/chat", Chat)
    assert [one["result"] for one in server.describe()["/"]] == [INTEGER] * 3
    described = {one["event"]: one["result"] for one in server.describe()["/chat"]}
    assert described["bare"] == {}
    assert described["say"]["prefixItems"] == [INTEGER, {"$ref": "#/$defs/Message"}]


def test_what_is_described_can_be_written_as_json() -> None:
    server = Server()

    @server.on("say")
    def say(socket: Socket, message: Message, data: bytes = b"", of: float = float("inf"), *rest: int) -> Message:
        return message

    assert json.decode(json.encode(server.describe())) == server.describe()


class _Admitting:
    def __call__(self, name: str, auth: Any) -> bool:
        return True


def _admit(floor: int, name: str, auth: Any) -> bool:
    return True


def test_the_namespaces_of_a_function_stand_under_a_name_that_can_be_found() -> None:
    server = Server()

    def admit(name: str, auth: Any) -> bool:
        return True

    for function in (admit, _Admitting(), partial(_admit, 3), lambda name, auth: True):
        server.of(function)
    _, *names = server.describe()
    test = "test_the_namespaces_of_a_function_stand_under_a_name_that_can_be_found"
    line = test_the_namespaces_of_a_function_stand_under_a_name_that_can_be_found.__code__.co_firstlineno
    assert names == [f"{test}.admit", "_Admitting", "_admit", f"lambda at {__name__}:{line + 6}"]
    assert server.stats().handlers.keys() == {"/", *names}


def test_two_lambdas_of_one_line_are_told_apart() -> None:
    server = Server()
    for function in (lambda name, auth: True, lambda name, auth: False):
        server.of(function)
    _, first, second = server.describe()
    assert second == f"{first} #2"


# Typed events, end to end


@pytest.fixture
def typed(generation: Any) -> Pair:
    server = Server()
    server.on("say")(_say)
    server.on("data")(_data)
    return Pair(server, generation=generation)


def _say(socket: Socket, message: Message, *tags: str) -> list[Any]:
    assert type(message) is Message
    return [message.text, message.stars, *tags]


def _data(socket: Socket, data: bytes, name: str = "x") -> int:
    return len(data)


def test_what_fits_reaches_the_handler_converted(typed: Pair) -> None:
    typed.peer.emit("say", {"text": "hi", "stars": 3}, "a", "b", id=1)
    assert typed.peer.acks() == {1: ["hi", 3, "a", "b"]}
    if typed.peer.generation is not SOCKETIO_1:  # which has no binary
        typed.peer.emit("data", b"\x01\x02", id=2)
        assert typed.peer.acks() == {2: 2}


MISMATCHES = [
    ("say", (), "message", ""),
    ("say", (5,), "message", "$"),
    ("say", ({"text": 5},), "message", "$.text"),
    ("say", ({"text": "a", "stars": "b"},), "message", "$.stars"),
    ("say", ({"text": "a"}, "b", 7), "tags", "$[1]"),
    ("data", (b"a", "b", "c"), None, ""),
    ("data", ("text",), "data", "$"),
]


@pytest.mark.parametrize(("event", "args", "argument", "place"), MISMATCHES)
def test_a_mismatch_is_told_to_the_client_and_to_the_hook(
    typed: Pair, event: str, args: tuple[Any, ...], argument: str | None, place: str
) -> None:
    seen: list[Any] = []
    typed.server.on_error(lambda socket, event, error: seen.append((socket, event, error)))
    typed.peer.emit(event, *args, id=7)
    typed.peer.emit(event, *args)
    (answer,) = typed.peer.acks().values()
    report = answer["error"]
    assert (report["event"], report["argument"], report["place"]) == (event, argument, place)
    assert event in report["message"]
    assert [(socket, name) for socket, name, _ in seen] == [(typed.socket, event)] * 2
    assert all(isinstance(error, ArgumentError) for *_, error in seen)
    assert typed.clock.reports == []


def test_an_async_handler_is_typed_too() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())

        @server.on("say")
        async def say(socket: Socket, message: Message) -> str:
            await asyncio.sleep(0)
            return message.text

        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("say", {"text": "hi"}, id=1)
        peer.emit("say", 5, id=2)
        refused, said = sorted(await packets(peer, 2), reverse=True)
        assert said == '431["hi"]'
        assert str(refused).startswith('432[{"error":')

    asyncio.run(main())
