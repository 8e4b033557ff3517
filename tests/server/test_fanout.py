"""One event to many clients: encoded once for each generation, all or nobody."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from waterspout import Reason, Server
from waterspout.testing import SOCKETIO_1, Pair
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4


class Counted(str):
    """Text that counts how often it is encoded."""

    encodings = 0

    def __str__(self) -> str:
        type(self).encodings += 1
        return "text"


def written(pair: Pair) -> list[bytes]:
    carrier = pair.peer.carrier
    assert carrier.name == "websocket"
    return carrier.written  # type: ignore[union-attr]


ROWS = {"1": SOCKETIO_1, "3": ENGINEIO_3, "4": ENGINEIO_4}


@pytest.mark.parametrize("clients", ["4", "3", "1", "444", "34344", "1343141"])
def test_an_event_is_encoded_once_for_each_generation(server: Server, clients: str) -> None:
    pairs = [Pair(server, generation=ROWS[row]) for row in clients]
    Counted.encodings = 0
    server.emit("say", Counted())
    assert Counted.encodings == len(set(clients))
    assert [pair.peer.events() for pair in pairs] == [[("say", "text")]] * len(clients)


def test_what_cannot_be_sent_is_refused_also_where_nobody_hears_it(server: Server) -> None:
    """An error that waits for the second user is found in production."""
    for send in (
        lambda: server.emit("say", object(), to="empty"),
        lambda: server.of("/chat").emit("say", object()),
        lambda: Pair(server).socket.broadcast("say", object()),
    ):
        with pytest.raises(TypeError, match="the event 'say' cannot be sent: object"):
            send()


@pytest.mark.parametrize("args", [("hello",), (b"\x00", {"a": b"\x01"})])
def test_all_websockets_of_a_generation_get_the_very_same_bytes(server: Server, args: tuple[Any, ...]) -> None:
    groups = [[Pair(server, generation=row) for _ in range(3)] for row in ROWS.values()]
    server.emit("say", *args)
    for pairs in groups:
        first, *others = (written(pair)[-1] for pair in pairs)
        assert all(frames is first for frames in others)
    assert len({id(written(pairs[0])[-1]) for pairs in groups}) == len(ROWS)


def test_each_generation_reads_the_event_in_its_own_spelling(server: Server) -> None:
    pairs = [Pair(server, generation=row) for row in ROWS.values()]
    server.emit("say", "é😀", {"data": b"\x01"})
    spelt = ["AQ==", b"\x01", b"\x01"]
    assert [pair.peer.events() for pair in pairs] == [[("say", "é😀", {"data": data})] for data in spelt]


def test_all_transports_and_generations_meet_in_a_room(server: Server) -> None:
    pairs = [
        Pair(server, generation=generation, transport=transport)
        for generation in (ENGINEIO_3, ENGINEIO_4)
        for transport in ("polling", "websocket")
    ]
    pairs += [Pair(server, generation=SOCKETIO_1, transport=transport) for transport in ("htmlfile", "jsonp-polling")]
    upgraded = Pair(server, transport="polling")
    upgraded.peer.upgrade()
    upgraded.peer.take()
    for pair in [*pairs, upgraded]:
        pair.socket.join("lobby")
    server.emit("say", b"\x07", to="lobby")
    for pair in [*pairs, upgraded]:
        assert pair.peer.events() == [("say", "Bw==" if pair.peer.generation is SOCKETIO_1 else b"\x07")]


@dataclass
class Point:
    x: int
    y: Decimal


class Colour(Enum):
    RED = "red"


VALUES = [
    (Point(1, Decimal("1.50")), {"x": 1, "y": "1.50"}),
    (Colour.RED, "red"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (float("nan"), None),
    ((1, 2), [1, 2]),
    (2**70, 1180591620717411303424),
]


@pytest.mark.parametrize(("value", "read"), VALUES)
def test_values_that_json_has_no_word_for_are_spelt_out(
    server: Server, generation: Any, value: object, read: object
) -> None:
    pair = Pair(server, generation=generation)
    server.emit("say", value)
    pair.socket.emit("say", value)
    assert pair.peer.events() == [("say", read)] * 2


loop: list[Any] = []
loop.append(loop)

UNSENDABLE = [
    (object(), "object cannot be sent as JSON: make it a dict, a list, a string or a number"),
    ([1, {"a": 1j}], "complex cannot be sent as JSON"),
    (loop, ""),
    (Server, "type cannot be sent as JSON"),
]


@pytest.mark.parametrize(("value", "word"), UNSENDABLE)
def test_what_cannot_be_encoded_is_refused_by_name_before_anybody_is_served(
    server: Server, value: object, word: str
) -> None:
    pairs = [Pair(server, generation=row) for row in ROWS.values()]
    for emit in server.emit, pairs[0].socket.broadcast, pairs[1].socket.emit:
        with pytest.raises(TypeError, match=f"the event 'say' cannot be sent: .*{word}"):
            emit("say", "before", value)
    assert [pair.peer.take() for pair in pairs] == [[], [], []]
    server.emit("say", "after")
    assert [pair.peer.events() for pair in pairs] == [[("say", "after")]] * 3


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"users": [{"name": "Ada"}, {"name": object()}]}, "(args[1]['users'][1]['name'])"),
        ({"a": {None: 3}}, "(the key None of args[1]['a'])"),
        (["\ud800", 1, object()], "(args[1][2])"),
        (object(), "(args[1])"),
        ([loop, object()], "(args[1][1])"),
    ],
)
def test_the_sentence_says_where_the_value_is_that_cannot_be_sent(server: Server, value: Any, place: str) -> None:
    pair = Pair(server)
    with pytest.raises(TypeError, match=re.escape(place) + "$"):
        pair.socket.emit("say", "before", value)


def test_a_consumer_that_is_too_slow_is_cut_off_after_the_others_were_served() -> None:
    server = Server(max_outbox_bytes=1000)
    order: list[str] = []
    slow, quick = Pair(server), Pair(server)
    slow.peer.carrier.blocked = True  # type: ignore[union-attr]

    @server.on_disconnect
    def gone(socket: object, reason: str) -> None:
        order.append(reason)
        assert len(quick.peer.take()) == 3

    for _ in range(3):
        server.emit("say", "x" * 500)
    assert order == [Reason.SLOW_CONSUMER]
    assert slow.peer.closed == 1008
    assert server.sockets() == [quick.socket]


def test_nothing_is_left_of_a_generation_that_has_gone(server: Server) -> None:
    old, new = Pair(server, generation=ENGINEIO_3), Pair(server)
    old.peer.lose()
    Counted.encodings = 0
    server.emit("say", Counted())
    assert Counted.encodings == 1
    assert new.peer.events() == [("say", "text")]
