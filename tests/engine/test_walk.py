"""A random walk through TRANSITIONS: whatever client, application and time do, in whatever order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.applications import Recorder, TurningClock, link_of, polling_of
from waterspout.engine import TRANSITIONS, Engine, Policy, State
from waterspout.engine.transports.polling import PollingTransport
from waterspout.testing import Peer, Refused, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

CAP = 40


class Walk:
    """A session and its client. Each method is a step: it does one thing that can happen at any time."""

    def __init__(self, generation: Generation, transport: str) -> None:
        self.clock, self.application = TurningClock(), Recorder()
        self.engine = Engine(self.application, policy=Policy(max_outbox_bytes=CAP), driver=self.clock)
        self.peer = Peer(self.engine, generation=generation, transport=transport)
        self.probe: WebSocketCarrier | None = None
        self.session = self.application.session
        self.sent = self.said = 0
        self.received: list[Any] = []

    # The application

    def send(self) -> None:
        self.session.send(f"{self.sent}")
        self.sent += 1

    def flood(self) -> None:
        for _ in range(CAP // 2):
            self.send()

    def close(self) -> None:
        self.session.close()

    def shut_down(self) -> None:
        self.engine.close()

    # The client

    def say(self) -> None:
        self._send(f"4{self.said}")
        self.said += 1

    def beat(self) -> None:
        self._attempt(self.peer.beat)

    def break_the_protocol(self) -> None:
        self._send("9")

    def say_goodbye(self) -> None:
        self._send("1")

    def vanish(self) -> None:
        self.peer.lose()

    def stop_reading(self) -> None:
        if isinstance(self.peer.carrier, WebSocketCarrier):
            link_of(self.peer).blocked = True
        self.peer.polls = False

    def read_again(self) -> None:
        if isinstance(self.peer.carrier, WebSocketCarrier):
            link_of(self.peer).unblock()
        self.peer.polls = True
        transport = self.session.transport
        if isinstance(transport, PollingTransport) and not transport.waiting and self.peer.closed is None:
            self._attempt(polling_of(self.peer).poll)

    def begin_an_upgrade(self) -> None:
        def begin() -> None:
            self.probe = self.peer.probe()

        self._attempt(begin)

    def probe_it(self) -> None:
        if self.probe is not None:
            self.probe.send(["2probe"])

    def finish_it(self) -> None:
        if self.probe is not None:
            self.probe.send(["5"])
            transport: object = self.probe.transport
            if self.session.transport is transport:
                self.peer.carrier = self.probe

    def spoil_it(self) -> None:
        if self.probe is not None and self.probe is not self.peer.carrier:
            self.probe.send(["4hello"])

    def cut_it(self) -> None:
        if self.probe is not None:
            self.probe.lose()

    # Time

    def turn(self) -> None:
        self.clock.turn()

    def moment(self) -> None:
        self.clock.advance(0.1)

    def while_(self) -> None:
        self.clock.advance(11)

    def _send(self, packet: str) -> None:
        self._attempt(lambda: self.peer.send(packet))

    @staticmethod
    def _attempt(act: Any) -> None:
        try:
            act()
        except Refused:
            pass

    # What holds at any time

    def check(self, before: State) -> None:
        session, closed = self.session, self.application.closed
        assert session.state is before or session.state in TRANSITIONS[before].values()
        self.received += [int(packet[1:]) for packet in self.peer.take() if packet[:1] == "4"]
        assert self.received == list(range(len(self.received)))
        assert len(self.received) <= self.sent
        assert self.application.heard == [f"{number}" for number in range(len(self.application.heard))]
        assert session.outbox_bytes <= CAP
        assert len(closed) <= 1
        assert not (closed and session.is_live)
        assert (self.engine.sessions == {}) == (session.state is State.CLOSED)
        if session.state is State.CLOSED:
            assert (session.outbox_bytes, len(self.engine.deadlines)) == (0, 0)

    def finish(self) -> None:
        """Let all be said and done: what is live has lost nothing, what is over has been told, once."""
        self.read_again()
        self.turn()
        self.check(self.session.state)
        if self.session.is_live:
            assert len(self.received) == self.sent
            assert self.session.outbox_bytes == 0
            assert self.application.closed == []
        else:
            self.clock.advance(10)
            self.turn()
            assert self.session.state is State.CLOSED
            assert len(self.application.closed) == 1
            transport = self.session.transport
            assert not (isinstance(transport, PollingTransport) and transport.waiting)


STEPS = [
    name for name, step in vars(Walk).items() if callable(step) and name[0] != "_" and name not in ("check", "finish")
]
EDGES = {(state, after) for state, row in TRANSITIONS.items() for after in row.values() if after is not state}


def test_a_random_walk_keeps_to_the_table_and_knows_all_of_it() -> None:
    walked = set()

    @settings(max_examples=100 * settings().max_examples)
    @given(
        st.sampled_from([ENGINEIO_3, ENGINEIO_4]),
        st.sampled_from(["polling", "polling", "websocket"]),
        st.lists(st.sampled_from(STEPS), max_size=50),
    )
    def walk(generation: Generation, transport: str, steps: list[str]) -> None:
        it = Walk(generation, transport)
        for step in steps:
            before = it.session.state
            getattr(it, step)()
            it.check(before)
            walked.add((before, it.session.state))
        it.finish()

    walk()
    assert walked - {(state, state) for state in State} == EDGES
