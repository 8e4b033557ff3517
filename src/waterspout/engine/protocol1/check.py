"""A WebSocket of Socket.IO 0.7 to 0.9 that has to show that anything gets through (docs/protocol-1.md, WP-22).

A proxy may let the handshake pass and nothing that follows. The client, which gets no `1::`, tries its next transport.
"""

from typing import Protocol

from ...errors import ProtocolError
from ...types import Reason
from ...wire.protocol1 import socketio as socketio1
from ..prepared import Prepared
from ..transports.interfaces import Candidate
from .session import Opening, Resumable, ResumableSession

HEARTBEAT = Prepared(socketio1.HEARTBEAT)


class ResumableCandidate(Candidate, Resumable, Protocol):
    """The WebSocket that is looked at."""


class Check(Opening):
    """Stands where the session will stand, until the client has said something; it has `ping_timeout` for that."""

    __slots__ = ("_websocket",)

    def __init__(self, session: ResumableSession, websocket: ResumableCandidate) -> None:
        self._websocket = websocket
        websocket.sink = self
        websocket.write(HEARTBEAT)
        session.replay.forget(1)  # it is not the session's: of those that are, the latest would be taken for it
        super().__init__(session, session.policy.ping_timeout)

    def receive_text(self, text: str) -> None:
        """Make the WebSocket the session's transport, and deliver this text first."""
        self._wait_no_longer()
        self._websocket.sink = self._session
        self._session.attach(self._websocket)
        self._session.receive_text(text)

    def receive_binary(self, data: bytes) -> None:
        """End: these clients send text only."""
        self._wait_no_longer()
        self._websocket.finish(ProtocolError.close_code)

    def receive_pong(self) -> None:
        """The client pongs unasked, which changes nothing."""

    def writable(self) -> None:
        """Nothing waits here: what is queued is with the session."""

    def failed(self, error: ProtocolError) -> None:
        """The WebSocket is being closed for a broken frame; the session waits for another transport."""
        self._session.blame(error)
        self._wait_no_longer()

    def lost(self, reason: Reason) -> None:
        """The WebSocket is gone."""
        self._wait_no_longer()

    def retire(self) -> None:
        """End the WebSocket with the session."""
        self._wait_no_longer()
        self._websocket.retire()
