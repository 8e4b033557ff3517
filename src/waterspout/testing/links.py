"""A link in memory, the base of what carries a peer's packets over a connection of its own."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from ..engine import Admitted, Decision, Engine, Exchange, Fed
from ..types import Request
from .clock import Clock

if TYPE_CHECKING:
    from .peer import Peer

Headers = Sequence[tuple[str, str]]

HANDSHAKE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
"""The fields of an opening handshake (RFC 6455, section 1.3)."""


T = TypeVar("T")
Args = TypeVarTuple("Args")


def perform(engine: Engine, function: Callable[[*Args], T], *args: *Args) -> T:
    """Do what a host does; where the driver is a Clock, what that asks of users' functions has happened then."""
    driver = engine.driver
    return driver.perform(function, *args) if isinstance(driver, Clock) else function(*args)


def admit(engine: Engine, request: Request) -> Decision:
    """Return what the engine decides about a request; on a Clock, time passes until it has decided."""
    decisions: list[Decision] = []
    perform(engine, engine.admit, request, decisions.append)
    if not decisions and isinstance(engine.driver, Clock):
        engine.driver.await_until(lambda: bool(decisions))
    if not decisions:
        raise RuntimeError(
            "a function of cors_origins or on_handshake has not answered, and nothing is left that could make it answer"
        )
    return decisions[0]


def respond(engine: Engine, decision: Admitted, exchange: Exchange, body: bytes = b"") -> None:
    """Bring a request whose body is complete."""
    perform(engine, engine.respond, decision, exchange, body)


class MemoryLink:
    """A link in memory. While `blocked` it takes nothing; while `held` it takes all, and none of it leaves."""

    def __init__(self, peer: "Peer", name: str) -> None:
        self.peer = peer
        self.name = name
        self.blocked = self.held = self.finished = self.paused = False
        self.transport: Fed
        self._waiting: list[bytes] = []

    def lose(self) -> None:
        """Cut the connection, and all that is held with it."""
        self.finished = True
        perform(self.peer.engine, self.transport.lost)

    def unblock(self) -> None:
        """Take bytes again."""
        self.blocked = False
        perform(self.peer.engine, self.transport.writable)

    def release(self) -> None:
        """Deliver what is held."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._leave(data)

    @property
    def unsent_bytes(self) -> int:
        """How many bytes are held."""
        return sum(map(len, self._waiting))

    def write(self, data: bytes) -> bool:
        """Take what the transport writes."""
        if self.finished:
            return True  # nobody reads it any more
        if self.blocked:
            return False
        if self.held:
            self._waiting.append(data)
        else:
            self._leave(data)
        return True

    def finish(self, data: bytes) -> None:
        """Take the last bytes, behind all others."""
        self.blocked = False
        self.write(data)
        self.finished = True

    def close(self) -> None:
        """Close at once: what is held never arrives."""
        self.finished = True
        self._waiting.clear()

    def pause(self) -> None:
        """Called when the server stops reading; `paused` tells so."""
        self.paused = True

    def resume(self) -> None:
        """Called when the server reads again."""
        self.paused = False

    def arrive(self, data: bytes) -> None:
        """Called with what has left the link."""
        raise NotImplementedError

    def _leave(self, data: bytes) -> None:
        traffic = self.peer.engine.traffic
        traffic.messages_out += 1
        traffic.bytes_out += len(data)
        self.arrive(data)
