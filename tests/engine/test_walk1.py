"""Clients of 0.7 to 0.9 that do anything at any time: all that is said arrives once and in order, both ways."""

import random

import pytest

from engine.test_resumable import TRANSPORTS, World
from waterspout.engine import Protocol1Policy, Session
from waterspout.testing import MemoryExchange, PollingCarrier, StreamCarrier, WebSocketCarrier
from waterspout.wire.packets import Message, Packet

STEPS = 300


class Walk:
    """A client that has shown that it hears, and what each side has said."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        protocol1 = Protocol1Policy(resume_timeout=3600)
        self.world = World(self.random.choice(TRANSPORTS), max_calls=3, ping_timeout=3600, protocol1=protocol1)
        self.world.engine.table.packet = self.hear
        self.heard: list[str] = []
        self.calls = 0
        self.told = self.said = 0
        self.seen: list[str | bytes] = []
        self.world.peer.polls = False
        if isinstance(self.carrier, PollingCarrier):
            self.poll()
        else:
            self.world.peer.beat()

    @property
    def carrier(self) -> WebSocketCarrier | StreamCarrier | PollingCarrier:
        return self.world.peer.carrier

    def hear(self, session: Session, packet: Packet) -> None:
        """Hear a message; some take their time, so that the client is read no further."""
        if isinstance(packet, Message):
            self.heard.append(packet.data)
            if self.random.random() < 0.3:
                self.calls += 1
                session.begin_call()

    def answer(self) -> None:
        if self.calls:
            self.calls -= 1
            self.world.session.end_call()

    def tell(self) -> None:
        self.world.tell(f"{self.told}")
        self.told += 1

    def say(self) -> None:
        """Say several things at once: over a WebSocket in one read. A POST would wait for its answer."""
        if isinstance(self.carrier, WebSocketCarrier) and not self.carrier.finished and not self.carrier.paused:
            words = range(self.said, self.said + self.random.randint(1, 4))
            self.said = words.stop
            self.carrier.transport.receive(b"".join(self.carrier.frame(f"3:::{word}") for word in words))
        elif not isinstance(self.carrier, WebSocketCarrier) and not self.world.session.is_paused:
            peer = self.world.peer
            exchange = MemoryExchange(peer.request("POST", "xhr-polling"))
            peer.engine.respond(peer.admit(exchange.request), exchange, f"3:::{self.said}".encode())
            self.said += 1

    def poll(self) -> None:
        if isinstance(self.carrier, PollingCarrier) and not self.carrier.is_parked:
            self.carrier.poll()

    def hold(self) -> None:
        if not isinstance(self.carrier, PollingCarrier):
            self.carrier.held = True

    def release(self) -> None:
        if not isinstance(self.carrier, PollingCarrier) and not self.carrier.finished:
            self.carrier.release()

    def block(self) -> None:
        if not isinstance(self.carrier, PollingCarrier):
            self.carrier.blocked = True

    def unblock(self) -> None:
        if not isinstance(self.carrier, PollingCarrier) and not self.carrier.finished:
            self.carrier.unblock()

    def lose(self) -> None:
        if isinstance(self.carrier, PollingCarrier) or not self.carrier.finished:
            self.world.peer.lose()

    def switch(self) -> None:
        self.world.peer.switch(self.random.choice(TRANSPORTS))

    def wait(self) -> None:
        self.world.clock.advance(self.random.choice([0.1, 1, 10, 21]))

    def settle(self) -> None:
        """Let everything arrive, over one more transport."""
        while self.calls:
            self.answer()
        self.world.peer.switch("xhr-polling")
        while self.calls:
            self.answer()
        self.poll()

    def take(self) -> None:
        self.seen += [packet for packet in self.world.peer.take() if packet not in ("2::", "8::")]


@pytest.mark.parametrize("seed", range(60))
def test_all_that_is_said_arrives_once_and_in_order(seed: int) -> None:
    walk = Walk(seed)
    steps = [walk.tell, walk.tell, walk.say, walk.say, walk.poll, walk.answer, walk.hold, walk.release, walk.block]
    steps += [walk.unblock, walk.lose, walk.switch, walk.wait]
    walk.take()
    for _ in range(STEPS):
        walk.random.choice(steps)()
        walk.take()
    walk.settle()
    walk.take()
    assert walk.heard == [f"{number}" for number in range(walk.said)]
    assert walk.seen == [f"3:::{number}" for number in range(walk.told)]
    assert walk.world.application.closed == []
    walk.world.peer.leave()
    assert walk.world.is_forgotten()
