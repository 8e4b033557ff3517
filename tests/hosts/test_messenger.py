"""Messengers of any kind, over a channel in memory."""

import pytest

from hosts.client import HANDSHAKE
from hosts.handloop import HandLoop
from waterspout import Server
from waterspout.engine import Engine, Open, Traffic
from waterspout.hosts.link import HIGH_WATER_BYTES
from waterspout.hosts.messenger import QueuedMessenger
from waterspout.hosts.output import Output
from waterspout.testing import admit
from waterspout.types import Request


class ListMessenger(QueuedMessenger):
    """Its channel is a list, which holds what it was given until the test says that it has left."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.deliveries: list[list[str | bytes]] = []
        self.ends: list[tuple[int, str]] = []
        self.cuts = self.lets_in = 0
        self.breaks = False

    def _deliver(self, messages: list[str | bytes]) -> None:
        if self.breaks:
            raise LookupError("this channel fails")
        self.deliveries.append(messages)
        self.took(sum(map(len, messages)))

    def _end(self, code: int, reason: str) -> None:
        self.ends.append((code, reason))

    def _cut(self) -> None:
        self.cuts += 1

    def _let_in(self) -> None:
        self.lets_in += 1


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


@pytest.fixture
def messenger(loop: HandLoop) -> ListMessenger:
    return ListMessenger(Output(loop, Traffic()))


class Keeper:
    """A transport that keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[str | bytes] = []
        self.writables = self.losses = 0

    def receive(self, message: str | bytes) -> None:
        self.received.append(message)

    def writable(self) -> None:
        self.writables += 1

    def lost(self) -> None:
        self.losses += 1


def started(messenger: ListMessenger) -> Keeper:
    keeper = Keeper()
    messenger.start(keeper)  # type: ignore[arg-type]
    return keeper


def test_the_messages_of_a_turn_are_one_delivery(loop: HandLoop, messenger: ListMessenger) -> None:
    assert messenger.send(["one", b"two"])
    assert messenger.send(["three"])
    assert (messenger.deliveries, len(loop.scheduled)) == ([], 1)
    loop.turn()
    assert messenger.deliveries == [["one", b"two", "three"]]


def test_what_the_queue_and_the_channel_hold_is_unsent_and_above_high_water_refused(
    loop: HandLoop, messenger: ListMessenger
) -> None:
    keeper = started(messenger)
    assert messenger.send(["x" * HIGH_WATER_BYTES, "é"])
    assert messenger.unsent_bytes == HIGH_WATER_BYTES + 2
    assert not messenger.send(["too much"])
    loop.turn()
    assert messenger.unsent_bytes == HIGH_WATER_BYTES + 1  # as the channel counts, which counts characters
    messenger.left(1)
    messenger.left(1)
    assert (keeper.writables, messenger.unsent_bytes) == (1, HIGH_WATER_BYTES - 1)


def test_the_goodbye_comes_after_what_is_queued_and_once(loop: HandLoop, messenger: ListMessenger) -> None:
    messenger.send(["last words"])
    messenger.finish(1001, "é" * 100)
    messenger.finish(1002, "again")
    loop.turn()
    assert (messenger.deliveries, messenger.ends) == ([["last words"]], [(1001, "é" * 61)])


def test_a_pause_is_let_out_of_once_and_the_end_is_no_pause(messenger: ListMessenger) -> None:
    keeper = started(messenger)
    messenger.resume()
    messenger.pause()
    messenger.pause()
    assert (messenger.is_paused, messenger.lets_in) == (True, 0)
    messenger.resume()
    assert (messenger.is_paused, messenger.lets_in) == (False, 1)
    messenger.pause()
    messenger.lost()
    assert (messenger.lets_in, keeper.losses) == (2, 1)
    assert messenger.send(["to nobody"])
    assert messenger.unsent_bytes == 0


def test_what_comes_before_there_is_a_transport_waits_for_it(messenger: ListMessenger) -> None:
    messenger.receive("a")
    messenger.receive(b"b")
    keeper = started(messenger)
    messenger.receive("c")
    assert keeper.received == ["a", b"b", "c"]


def test_who_sends_much_before_there_is_a_transport_is_cut_off(messenger: ListMessenger) -> None:
    for _ in range(2):
        messenger.receive("x" * 900_000)
    assert messenger.cuts == 0
    messenger.receive("x")
    assert messenger.cuts == 1


def test_a_channel_that_fails_is_cut_and_the_loop_hears_of_it(loop: HandLoop, messenger: ListMessenger) -> None:
    messenger.breaks = True
    messenger.send(["one"])
    with pytest.raises(LookupError):
        loop.turn()
    assert messenger.cuts == 1


@pytest.fixture
def engine() -> Engine:
    server = Server()
    server.on("echo")(lambda socket, *args: args)
    return server.engine


def test_a_session_speaks_over_it(loop: HandLoop, engine: Engine, messenger: ListMessenger) -> None:
    request = Request("GET", "/socket.io/?EIO=4&transport=websocket", HANDSHAKE)
    decision = admit(engine, request)
    assert isinstance(decision, Open)
    messenger.start(engine.connect_messages(decision, request, messenger))
    messenger.receive("40")
    messenger.receive('421["echo","a"]')
    loop.turn()
    [[opened, _, answer]] = messenger.deliveries
    assert isinstance(opened, str)
    assert (opened[0], answer) == ("0", '431["a"]')
    messenger.lost()
    assert engine.sessions == {}
