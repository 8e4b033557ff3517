"""What stands above and below an engine in these tests."""

from collections.abc import Callable
from typing import Any, TypeVarTuple

from waterspout.engine import Engine, Policy, Prepared, Session
from waterspout.testing import Clock, Peer, PollingCarrier, WebSocketCarrier
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_4, SOCKETIO_1
from waterspout.wire.packets import Connect, Event, Message, Packet

Args = TypeVarTuple("Args")


class Recorder:
    """An application of bare Engine.IO that remembers what it hears, and gives it back if `echoes`."""

    def __init__(self, *, echoes: bool = False) -> None:
        self.echoes = echoes
        self.sessions: list[Session] = []
        self.heard: list[str | bytes] = []
        self.closed: list[Reason] = []

    @property
    def session(self) -> Session:
        """The latest one."""
        return self.sessions[-1]

    def open(self, session: Session, request: Request) -> None:
        self.sessions.append(session)

    def message(self, session: Session, data: str | bytes) -> None:
        self.heard.append(data)
        if self.echoes:
            session.send(data)

    def close(self, session: Session, reason: Reason) -> None:
        self.closed.append(reason)


class TurningClock(Clock):
    """A clock with turns, as an event loop has them: what is to be done afterwards waits for `turn`."""

    def __init__(self) -> None:
        super().__init__()
        self._afterwards: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        self._afterwards.append((function, args))

    @property
    def is_waiting(self) -> bool:
        """Whether something is to be done afterwards."""
        return bool(self._afterwards)

    def turn(self) -> None:
        """End the turn, and those that come of it."""
        while self._afterwards:
            self.turn_once()

    def turn_once(self) -> None:
        """End the turn alone."""
        jobs, self._afterwards = self._afterwards, []
        for function, args in jobs:
            function(*args)


def link_of(peer: Peer) -> WebSocketCarrier:
    """The WebSocket of a client that has one."""
    assert isinstance(peer.carrier, WebSocketCarrier)
    return peer.carrier


def polling_of(peer: Peer) -> PollingCarrier:
    """The requests of a client that polls."""
    assert isinstance(peer.carrier, PollingCarrier)
    return peer.carrier


class Packets:
    """An application of Socket.IO that remembers what it hears, and acknowledges what asks for it."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.heard: list[Packet] = []
        self.closed: list[Reason] = []

    @property
    def session(self) -> Session:
        """The latest one."""
        return self.sessions[-1]

    def open(self, session: Session, request: Request) -> None:
        self.sessions.append(session)

    def packet(self, session: Session, packet: Packet) -> None:
        self.heard.append(packet)
        codec = session.generation.socketio
        if isinstance(packet, Connect):
            session.push(Prepared(*codec.encode_connect(packet.namespace, "")))
        elif isinstance(packet, Event | Message) and packet.id is not None:
            session.push(Prepared(*codec.encode_ack(packet.namespace, packet.id, [])))

    def announced(self, session: Session, namespace: str) -> None: ...

    def close(self, session: Session, reason: Reason) -> None:
        self.closed.append(reason)

    def words(self) -> list[object]:
        """What came in messages."""
        return [packet.data for packet in self.heard if isinstance(packet, Message)]


def make(**policy: Any) -> Engine:
    """Return an engine with such an application, for clients of 4.x and of 0.7 to 0.9 at the same time."""
    options = {"generations": (ENGINEIO_4, SOCKETIO_1), **policy}
    return Engine(Packets(), driver=Clock(), path="/socket.io", policy=Policy(**options))
