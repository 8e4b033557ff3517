"""What an engine asks of the application that stands on it."""

from typing import Protocol, runtime_checkable

from ..types import Reason, Request
from ..wire.packets import Packet
from .session import Session


class Application(Protocol):
    """What every application of an engine has. Nothing here may block, or raise more than it says."""

    def open(self, session: Session, request: Request) -> None:
        """A client wants to connect, and its handshake is not answered yet; HandshakeRefused refuses it.

        What is sent here waits for the client's first transport. (For clients of 0.7 to 0.9 this is called with that
        transport, and a refusal is a packet, unless the policy's `application_starts` says "handshake".)
        """

    def close(self, session: Session, reason: Reason) -> None:
        """The session is over: nothing more comes, nothing more goes."""


@runtime_checkable
class MessageApplication(Application, Protocol):
    """An application that speaks bare Engine.IO."""

    def message(self, session: Session, data: str | bytes) -> None:
        """A message came; ProtocolError ends the session."""


@runtime_checkable
class PacketApplication(Application, Protocol):
    """An application that speaks Socket.IO, in all its generations.

    A client that has to ask is given the policy's `connect_timeout`; `Session.connected` says that it has entered.
    One with a method `reserved(session, error)` decides about events that bear a name of Socket.IO's own
    (ReservedName), and may raise ProtocolError; without it they are ignored, and end a session of 3.x or 4.x.
    """

    def packet(self, session: Session, packet: Packet) -> None:
        """A packet came; ProtocolError ends the session."""

    def announced(self, session: Session, namespace: str) -> None:
        """A packet for this namespace waits for its attachments; ProtocolError ends the session instead."""
