"""What an engine asks of the application that stands on it."""

from typing import Protocol, runtime_checkable

from ..types import Reason
from ..wire.packets import Packet
from .session import Session


class EngineApplication(Protocol):
    """What every application of an engine has. Nothing here may block, or raise more than it says.

    An exception of `message` or `packet` that is no ProtocolError is logged, and ends the session (close code 1011).

    Beside this it may have `open(session, request)`, which is called before a client's handshake is answered. It is
    a user's function, plain or asynchronous: the handshake waits for it. It refuses the client by raising
    HandshakeRefused, and may return header fields for the answer, pairs or a dictionary. What it sends waits for the
    client's first transport. With `opens_in_thread` it is plain, blocks and runs in a thread.

    It may also have `new_data()`, which returns what `session.data` begins with; else that is None.
    """

    def close(self, session: Session, reason: Reason) -> None:
        """The session has ended: nothing more is received or sent."""


@runtime_checkable
class MessageApplication(EngineApplication, Protocol):
    """An application that speaks bare Engine.IO."""

    def message(self, session: Session, data: str | bytes) -> None:
        """A message was received; ProtocolError ends the session."""


@runtime_checkable
class PacketApplication(EngineApplication, Protocol):
    """An application that speaks Socket.IO, in all its generations.

    A client that has to ask is given the policy's `connect_timeout`; `Session.connected` says that it has entered.
    One with a method `reserved(session, error)` decides about events that bear a name of Socket.IO's own
    (ReservedName), and may raise ProtocolError; without it they are ignored, and end a session of 3.x or 4.x. One with
    a method `broken(session, text, error)` decides about texts of clients of 0.7 to 0.9 that are no packets; without it
    they end the session.
    """

    def packet(self, session: Session, packet: Packet) -> None:
        """A packet was received; ProtocolError ends the session."""

    def announced(self, session: Session, namespace: str) -> None:
        """A packet for this namespace waits for its attachments; ProtocolError ends the session instead."""
