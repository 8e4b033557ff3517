"""A WebSocket of whole messages in memory, such as a host lends that reads and writes the frames itself."""

from collections.abc import Sequence

from waterspout.engine import Answer, Engine, MessageTransport, Refuse
from waterspout.testing import SOCKETIO_1, Peer, admit
from waterspout.types import Request
from waterspout.wire.generations import Generation

UPGRADE = (
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


class MemoryMessenger:
    """What it is given is in `sent`; while `blocked` it takes nothing, while `held` nothing of it leaves."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.blocked = self.held = self.paused = self.is_cut = False
        self.goodbye: tuple[int, str] | None = None
        self._waiting: list[str | bytes] = []

    def take(self) -> list[str | bytes]:
        """Return what has arrived since the last time."""
        sent, self.sent = self.sent, []
        return sent

    @property
    def unsent_bytes(self) -> int:
        return sum(len(message.encode() if isinstance(message, str) else message) for message in self._waiting)

    def send(self, messages: Sequence[str | bytes]) -> bool:
        assert self.goodbye is None
        assert not self.is_cut
        if self.blocked:
            return False
        (self._waiting if self.held else self.sent).extend(messages)
        return True

    def finish(self, code: int, reason: str) -> None:
        assert self.goodbye is None
        self.goodbye = code, reason

    def close(self) -> None:
        self.is_cut = True

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


def connect(
    engine: Engine, target: str, messenger: MemoryMessenger, fields: Sequence[tuple[str, str]] = UPGRADE
) -> MessageTransport:
    """Make a handshake, which the engine admits."""
    request = Request("GET", target, fields, remote_address="127.0.0.1")
    decision = admit(engine, request)
    assert not isinstance(decision, Refuse | Answer)
    assert decision.greeting is not None
    return engine.connect_messages(decision, request, messenger)


class Conversation:
    """A client of Engine.IO: its messenger, and its transport, which it feeds."""

    def __init__(self, engine: Engine, generation: Generation, query: str = "", sid: str = "") -> None:
        self.messenger = MemoryMessenger()
        self.sid = sid
        query = f"EIO={generation.revision}&transport=websocket{query}" + (f"&sid={sid}" if sid else "")
        self.transport = connect(engine, f"{engine.path}/?{query}", self.messenger)
        if not sid:
            (handshake,) = self.messenger.sent[:1]
            assert isinstance(handshake, str)
            self.sid = handshake.split('"')[3]

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            self.transport.receive(message)


class OldConversation:
    """A client of Socket.IO 0.7 to 0.9."""

    def __init__(self, engine: Engine, transport: str = "websocket", peer: Peer | None = None) -> None:
        self.peer = Peer(engine, generation=SOCKETIO_1, transport=None) if peer is None else peer
        self.messenger = MemoryMessenger()
        target = f"{engine.path}/1/{transport}/{self.peer.sid}"
        self.transport = connect(engine, target, self.messenger)

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            self.transport.receive(message)
