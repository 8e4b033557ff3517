"""Greenlets that are killed, or have a timeout, in the middle of what they ask of a server: the core stays whole."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import greenlet
import pytest
from gevent.event import Event

from waterspout import Server, Socket
from waterspout.drivers.gevent import GeventDriver
from waterspout.drivers.greenlets import Runner
from waterspout.testing import Peer


class House:
    """A server on a hub, whose handlers block until `go_on`; two clients are there."""

    def __init__(self) -> None:
        self.driver = GeventDriver()
        self.server = Server(driver=self.driver)
        self.go_on = Event()
        self.blocked: list[Any] = []
        self.failed: list[tuple[str, type[BaseException]]] = []
        self.server.on("block")(self.block)
        self.server.on("echo")(lambda socket, *args: args)
        self.server.on_error(lambda socket, event, error: self.failed.append((event, type(error))))
        self.server.of("/slow").on_connect(lambda socket, auth: self.block(socket))
        self.server.of("/slow").on("echo")(lambda socket: "here")
        self.peer, self.other = self.client(), self.client()

    def client(self) -> Peer:
        peer = Peer(self.server)
        peer.connect()
        settle()
        peer.take()
        return peer

    def block(self, socket: Socket) -> str:
        self.blocked.append(gevent.getcurrent())
        self.go_on.wait()
        return "went on"

    def is_whole(self) -> bool:
        """Whether both clients are served as ever, and no call is left."""
        for peer in (self.peer, self.other):
            peer.take()
            peer.emit("echo", "x", id=9)
            settle()
            assert peer.acks()[9] == "x"
        return self.driver.busy == 0 and self.server.stats().running == 0


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    over = Event()
    house.server.close().add_done_callback(lambda _: over.set())
    assert over.wait(10)


def settle() -> None:
    for _ in range(8):
        gevent.sleep(0)


# Verbs never wait, so there is no middle of one in which a greenlet could be killed.

VERBS: dict[str, Callable[[House, Socket], object]] = {
    "emit": lambda house, socket: socket.emit("said", {"to": [1, b"bytes"]}),
    "emit to a room": lambda house, socket: house.server.emit("said", "x" * 100_000, to="room"),
    "emit to all": lambda house, socket: house.server.emit("said", 1),
    "broadcast": lambda house, socket: socket.broadcast("said", 1),
    "a question": lambda house, socket: socket.call("question", timeout=5),
    "a question to a room": lambda house, socket: house.server.call("question", to="room", timeout=5),
    "join": lambda house, socket: socket.join("other", "rooms"),
    "leave": lambda house, socket: socket.leave("room"),
    "close a room": lambda house, socket: house.server.close_room("room"),
    "publish": lambda house, socket: house.server.channel("news").publish("x"),
    "subscribe": lambda house, socket: socket.subscribe(house.server.channel("news")),
    "fetch sockets": lambda house, socket: house.server.fetch_sockets(),
    "stats": lambda house, socket: house.server.stats(),
    "disconnect": lambda house, socket: socket.disconnect(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_lets_no_other_greenlet_run_until_it_is_done(house: House, verb: str) -> None:
    socket = house.server.sockets()[0]
    socket.join("room")
    house.server.sockets()[1].join("room")
    switches: list[Any] = []

    def call() -> None:
        before = greenlet.settrace(lambda event, origins: switches.append((event, origins)))
        try:
            with gevent.Timeout(0):
                VERBS[verb](house, socket)
        finally:
            greenlet.settrace(before)

    gevent.spawn(call).get(timeout=10)
    assert switches == []


@pytest.mark.parametrize("verb", VERBS)
def test_who_is_killed_between_verbs_has_done_all_of_one_or_nothing(house: House, verb: str) -> None:
    socket = house.server.sockets()[0]
    begun: list[int] = []

    def call() -> None:
        for number in range(100):
            begun.append(number)
            VERBS[verb](house, socket)
            gevent.sleep(0)

    caller = gevent.spawn(call)
    for _ in range(3):
        gevent.sleep(0)
    caller.kill()
    assert 0 < len(begun) < 100
    house.peer, house.other = house.client(), house.client()
    assert house.is_whole()


# Handlers

ENDS: dict[str, type[BaseException]] = {
    "killed": gevent.GreenletExit,
    "killed by an exception": ValueError,
    "a timeout": gevent.Timeout,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_handler_that_is_ended_fails_alone(house: House, end: str) -> None:
    house.peer.emit("block", id=1)
    house.peer.emit("echo", "behind it", id=2)
    settle()
    assert house.peer.acks() == {}
    assert isinstance(house.blocked[0], Runner)
    gevent.kill(house.blocked[0], ENDS[end]())
    settle()
    assert house.peer.acks() == {2: "behind it"}
    assert [event for event, _ in house.failed] == ["block"]
    assert house.is_whole()


@pytest.mark.parametrize("end", ENDS)
def test_a_connect_handler_that_is_ended_refuses_its_client(house: House, end: str) -> None:
    house.peer.connect("/slow")
    settle()
    gevent.kill(house.blocked[0], ENDS[end]())
    settle()
    assert str(next(packet for packet in house.peer.take() if "/slow" in str(packet))).startswith("44/slow,")
    house.go_on.set()
    house.peer.connect("/slow")
    settle()
    house.peer.take()
    house.peer.emit("echo", id=3, namespace="/slow")
    settle()
    assert "here" in str(house.peer.take())
    assert house.is_whole()


def test_a_timeout_around_a_question_ends_the_wait_and_not_the_question(house: House) -> None:
    asked: list[Any] = []

    @house.server.on("ask")
    def ask(socket: Socket) -> str:
        asked.append(pending := socket.call("question", timeout=5))
        try:
            with gevent.Timeout(0.001):
                return str(pending.wait())
        except gevent.Timeout:
            return "too late"

    house.peer.emit("ask", id=1)
    gevent.sleep(0.02)
    settle()
    packets = house.peer.take()
    assert '431["too late"]' in packets
    (question,) = [str(packet) for packet in packets if "question" in str(packet)]
    house.peer.send("43" + question[2 : question.index("[")] + '["an answer"]')
    settle()
    assert asked[0].result() == "an answer"
    assert house.is_whole()


@pytest.mark.parametrize("end", ENDS)
def test_a_greenlet_of_the_applications_that_is_ended_while_it_waits_is_forgotten(house: House, end: str) -> None:
    pending = house.server.sockets()[0].call("question", timeout=5)
    waiting = gevent.spawn(pending.wait)
    settle()
    waiting.kill(ENDS[end]())
    settle()
    assert house.driver._attending == {}
    house.server.sockets()[0].disconnect()
    house.peer = house.client()
    assert house.is_whole()
