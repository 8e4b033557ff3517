"""Thousands of what a client may cause for nothing: bounded, told, and drained to zero."""

import re
from typing import Any

import pytest

from attacks.measures import memory, slope
from waits import waits
from waterspout import Pending, Server
from waterspout.errors import TooManyCalls
from waterspout.testing import Clock, Pair, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(Server(driver=Clock()), generation=request.param)


def drained(server: Server) -> bool:
    stats = server.stats()
    return (
        not server.engine.sessions
        and not waits(server.engine)
        and stats.outbox_bytes == 0
        and not any(stats.sockets.values())
        and not any(stats.rooms.values())
    )


def forget(pair: Pair) -> None:
    """Let the client keep nothing of what it has got: only the server is measured."""
    assert isinstance(pair.peer.carrier, WebSocketCarrier)
    pair.peer.take()
    pair.peer.frames.clear()
    pair.peer.carrier.written.clear()


@pytest.mark.parametrize("end", ["lose", "advance", "disconnect", "time"])
def test_thousands_of_questions_that_nobody_answers(pair: Pair, end: str, many: int) -> None:
    before = len(pair.server.engine.deadlines)
    failed: list[Pending[Any]] = []
    asked = [pair.socket.call("q", timeout=10) for _ in range(many)]
    assert len(pair.peer.take()) == 1000
    assert len(pair.server.engine.deadlines) == before + 1000
    refused = [one for one in asked if one.done]
    assert len(refused) == many - 1000
    for one in refused:
        with pytest.raises(TooManyCalls, match="max_pending_acks"):
            one.result()
    for one in asked:
        one.add_done_callback(failed.append)
    match end:
        case "lose":
            pair.peer.lose()
        case "advance":
            pair.clock.advance(100)
        case "disconnect":
            pair.socket.disconnect(close=True)
        case "time":
            pair.clock.advance(10)
            assert pair.socket.connected
            assert not pair.socket.call("q").done  # it may be asked again
            pair.peer.lose()
    assert len(failed) == many
    assert drained(pair.server)


def test_thousands_of_questions_to_a_room_of_silent_clients(pair: Pair, many: int) -> None:
    Pair(pair.server)
    replies = [pair.server.call("q", timeout=10) for _ in range(many)]
    assert sum(one.done for one in replies) == many - 1000
    assert len(pair.peer.take()) == 1000
    pair.clock.advance(10)
    assert all(len(one.result().missing) == 2 for one in replies)


def test_answers_that_nobody_has_asked_for(pair: Pair, many: int) -> None:
    for number in range(many):
        pair.peer.acknowledge(number, "x")
    assert pair.socket.connected
    assert pair.peer.take() == []


@pytest.mark.parametrize("kind", ["pattern", "function", "nobody"])
def test_thousands_of_namespaces(pair: Pair, kind: str, many: int) -> None:
    if kind == "pattern":
        pair.server.of(re.compile(r"/n\d+/\d+"))
    elif kind == "function":
        pair.server.of(lambda name, auth: True)

    def kept_bytes(count: int) -> int:
        with memory() as used:
            for number in range(count):
                pair.peer.connect(f"/n{count}/{number}")
                forget(pair)
            return used.now

    kept_bytes(200)  # more than are allowed
    assert slope(kept_bytes, many // 8, many // 2) < 20
    assert len(pair.socket._member.session.data) == (1 if kind == "nobody" else 100)
    assert sum(pair.server.stats().sockets.values()) == (1 if kind == "nobody" else 100)
    pair.peer.lose()
    assert drained(pair.server)
    assert set(pair.server.stats().sockets) == {"/"}


@pytest.mark.parametrize("accepted", [True, False])
def test_thousands_of_namespaces_entered_and_left_or_refused(pair: Pair, accepted: bool, many: int) -> None:
    farewells: list[str] = []
    family = pair.server.of(re.compile(r"/n\d+"))
    family.on_connect(lambda socket, auth: accepted)
    family.on_disconnect(lambda socket, reason: farewells.append(socket.namespace))
    for number in range(many):
        pair.peer.connect(f"/n{number}")
        if accepted:
            pair.peer.leave(f"/n{number}")
        assert family.namespaces() == []
    assert len(pair.peer.take()) == many
    assert len(pair.socket._member.session.data) <= 100
    assert len(farewells) == (many if accepted else 0)
    assert set(pair.server.stats().sockets) == {"/"}
    pair.peer.lose()
    assert drained(pair.server)


def test_namespaces_with_names_of_a_megabyte_are_not_kept(pair: Pair) -> None:
    pair.server.of(re.compile("/.*"))
    with memory() as used:
        for number in range(50):
            pair.peer.send(f"40/{number}{'x' * 500_000},")
            forget(pair)
        assert used.now < 3_000_000
    assert pair.socket.connected


def test_thousands_of_events_that_fail(pair: Pair, many: int) -> None:
    pair.server.on("bad")(lambda socket: 1 / 0)
    pair.server.on("ok")(lambda socket: "ok")
    for _ in range(many):
        pair.peer.emit("bad", id=1)
    assert len(pair.clock.reports) == 10
    pair.peer.emit("ok", id=2)
    assert pair.peer.take() == ['432["ok"]']
    assert pair.server.stats().errors == many


def test_thousands_of_events_beyond_the_rate(many: int) -> None:
    server, heard = Server(driver=Clock(), max_events_per_second=10), list[int]()
    server.on("say")(lambda socket, number: heard.append(number))
    pair = Pair(server)
    polite = Pair(server)
    for number in range(many):
        pair.peer.emit("say", number)
    polite.peer.emit("say", -1)
    assert heard == [*range(10), -1]
    assert pair.clock.reports == []
