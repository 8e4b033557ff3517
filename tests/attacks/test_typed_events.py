"""Clients that send what no handler takes: each is told so in a few words, nothing is called, nobody else notices."""

import gc
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from attacks.measures import memory, slope
from waterspout import ArgumentError, Reason, Server, Socket
from waterspout.testing import Clock, Pair, Peer, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

MANY = 10_000
KEYS = 1000
LONGEST = 600  # bytes of an acknowledgement that says what was wrong


class Colour(Enum):
    RED = "red"


class Item(Struct, forbid_unknown_fields=True):
    price: Annotated[float, Meta(ge=0)]
    tags: Annotated[set[str], Meta(max_length=10)] = set()


@dataclass
class Order:
    items: list[Item]
    colour: Colour = Colour.RED
    by_name: dict[str, Item] = field(default_factory=dict)


class Site:
    """A server with typed handlers, a polite client, and what its handlers and hooks have heard."""

    def __init__(self, generation: Generation, **options: Any) -> None:
        self.called: list[object] = []
        self.errors: list[BaseException] = []
        self.left: list[tuple[str, Reason]] = []
        self.server = server = Server(driver=Clock(), **options)
        server.on("order")(self.order)
        server.on("pick")(self.pick)
        server.on_error(lambda socket, event, error: self.errors.append(error))
        server.on_disconnect(lambda socket, reason: self.left.append((socket.id, reason)))
        self.generation = generation
        self.polite = Pair(server, generation=generation)

    def order(self, socket: Socket, order: Order, count: int = 1, *notes: str) -> str:
        self.called.append(order)
        return "ok"

    def pick(
        self, socket: Socket, one: Literal["a", "b"], number: Annotated[int, Meta(ge=0, le=9)], data: bytes
    ) -> str:
        self.called.append(one)
        return "ok"

    def is_well(self) -> bool:
        """Tell whether the polite client is still served."""
        before = len(self.called)
        self.polite.peer.emit("order", {"items": [{"price": 1}]}, id=9)
        return self.polite.peer.take() == ['439["ok"]'] and len(self.called) == before + 1


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


def nested(depth: int, text: str = "1") -> str:
    return "[" * depth + text + "]" * depth


GOOD = '{"items":[{"price":1}]}'
LONG = '"' + "x" * 100_000 + '"'
HOSTILE = {
    "nothing": "", "null": "null", "a number": "7", "a boolean": "true", "a list": "[]", "an empty object": "{}",
    "a long text": LONG, "400 digits": "9" * 400, "more than a double": '{"items":[{"price":-1e999}]}',
    "deep": nested(200), "deep inside": f'{{"items":{nested(200)}}}',
    "a wrong item behind 10,000": '{"items":[' + '{"price":1},' * MANY + "7]}",
    "10,000 names": "{" + ",".join(f'"k{number}":{number}' for number in range(MANY)) + "}",
    "a long name": f'{{"items":[{{"price":1,{LONG}:1}}]}}',
    "a long name of an item": f'{{"items":[],"by_name":{{{LONG}:{{"price":"x"}}}}}}',
    "a place that is long": f'{{"items":[],"by_name":{{{LONG}:{{"price":1,"tags":[1]}}}}}}',
    "names of Python's own": '{"__class__":"x","__init__":"y","items":5}',
    "names of JavaScript's own": '{"__proto__":{"items":[]},"constructor":1}',
    "a colour that is none": '{"items":[],"colour":["red"]}',
    "a colour that is long": f'{{"items":[],"colour":{LONG}}}',
    "a surrogate": r'{"items":"\ud800"}', "control characters": r'{"items":"\u0000\u001b[2J\r\nERROR forged"}',
    "more tags than ten": '{"items":[{"price":1,"tags":[' + ",".join(f'"{n}"' for n in range(11)) + "]}]}",
    "a float for an integer": f"{GOOD},1.5", "a text for an integer": f'{GOOD},"1"',
    "true for an integer": f"{GOOD},true", "null for an integer": f"{GOOD},null",
    "a number among the notes": f'{GOOD},1,"a",2',
    "a placeholder": '{"_placeholder":true,"num":0}',
}  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_no_handler_takes_is_told_in_a_few_words_and_reaches_nobody(generation: Generation, hostile: str) -> None:
    site = Site(generation)
    pair = Pair(site.server, generation=generation)
    text = f'421["order",{HOSTILE[hostile]}]' if HOSTILE[hostile] else '421["order"]'
    pair.peer.send(text)
    (answer,) = pair.peer.take()
    assert isinstance(answer, str)
    assert len(answer) < LONGEST
    assert answer.isascii()
    error = json.loads(answer.removeprefix("431"))[0]["error"]
    assert set(error) == {"event", "argument", "place", "message"}
    assert error["event"] == "order"
    assert error["message"].isprintable()
    (heard,) = site.errors
    assert isinstance(heard, ArgumentError)
    assert str(heard) == error["message"]
    assert (site.called, pair.clock.reports, pair.peer.closed) == ([], [], None)
    assert site.is_well()


PICKS = ['"c",1', '["a"],1', '{"a":1},1', "null,1", '"a",10', '"a",-1', '"a",1e0', f'"a",{"9" * 400}', f"{LONG},1"]


@pytest.mark.parametrize("pick", PICKS)
def test_choices_and_bounds_hold_whatever_comes(generation: Generation, pick: str) -> None:
    site = Site(generation)
    pair = Pair(site.server, generation=generation)
    for data in ("null", '"AP8="', "[]"):
        pair.peer.send(f'421["pick",{pick},{data}]')
    pair.peer.send(f'451-1["pick",{pick},{{"_placeholder":true,"num":0}}]', b"\x00\xff")
    answers = pair.peer.take()
    assert len(answers) == 4
    assert all(isinstance(one, str) and one.startswith('431[{"error":') and len(one) < LONGEST for one in answers)
    assert site.called == []
    assert site.is_well()


def test_a_hundred_thousand_surplus_arguments_are_counted_and_not_looked_at(generation: Generation) -> None:
    site = Site(generation)
    pair = Pair(site.server, generation=generation)
    pair.peer.send('421["pick"' + ",1" * 100_000 + "]")
    (answer,) = pair.peer.take()
    assert "the event 'pick' takes 3 arguments, 100000 came" in str(answer)
    pair.peer.send(f'422["order",{GOOD},1' + ",7" * 100_000 + "]")
    (answer,) = pair.peer.take()
    assert "does not take this as 'notes': " in str(answer)
    assert ", at $[0]" in str(answer)
    assert site.called == []
    assert site.is_well()


def test_refusals_that_nobody_reads_end_one_connection(generation: Generation) -> None:
    site = Site(generation, max_outbox_bytes=100_000)
    pair = Pair(site.server, generation=generation)
    assert isinstance(pair.peer.carrier, WebSocketCarrier)
    pair.peer.carrier.blocked = True
    sent = 0
    with memory() as used:
        while not site.left and sent < MANY:
            site.polite.peer.emit("order", 5, id=sent)  # which reads what it is told
            assert len(site.polite.peer.take()) == 1
            site.errors.clear()
            pair.peer.emit("order", 5, id=sent)
            sent += 1
        assert used.peak < 2_000_000
    assert site.left == [(pair.socket.id, Reason.SLOW_CONSUMER)]
    assert sent <= 100_000 // 100 + 1
    assert site.called == []
    assert site.is_well()
    site.polite.peer.lose()
    pair.clock.advance(60)
    assert (site.server.engine.sessions, len(site.server.engine.deadlines)) == ({}, 0)


def test_refusals_that_are_read_cost_nothing_afterwards(generation: Generation) -> None:
    site = Site(generation)
    pair = Pair(site.server, generation=generation)
    carrier = pair.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)

    def kept_bytes(count: int) -> int:
        with memory() as used:
            for number in range(count):
                pair.peer.emit("order", {"items": [{"price": "free"}]}, id=number)
                pair.peer.emit("order")  # of which it is told nothing
            assert len(pair.peer.take()) == count
            pair.peer.frames.clear()
            carrier.written.clear()
            site.errors.clear()
            assert gc.collect() == 0  # and Python's own spare objects are given back
            return used.now

    kept_bytes(100)
    assert slope(kept_bytes) < 5
    assert (site.called, pair.clock.reports, pair.peer.closed) == ([], [], None)
    assert site.is_well()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_thousands_of_keys_of_latest_are_bounded_like_all_that_waits(generation: Generation, transport: str) -> None:
    left: list[Reason] = []
    server = Server()
    server.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=generation, transport=transport)
    polite = Peer(server)
    polite.connect()
    pair.peer.polls = False
    pair.socket.emit("answers the poll")
    if isinstance(pair.peer.carrier, WebSocketCarrier):
        pair.peer.carrier.blocked = True
    for number in range(3 * KEYS):
        pair.socket.emit("p", number, latest=f"key {number % KEYS}")
    assert left == []
    assert pair.socket._member.session.outbox_bytes < 100_000
    stats = server.stats()
    assert stats.replaced >= 2 * KEYS - 1
    for number in range(10_000):
        pair.socket.emit("p", number, latest=f"another key {number}")
    assert left == [Reason.SLOW_CONSUMER]
    server.emit("still here")
    assert polite.events() == [("still here",)]
