"""A WebSocket of Socket.IO 0.7 to 0.9 that has to show that anything gets through (docs/protocol-1.md, WP-22).

A proxy may let the handshake pass and nothing that follows. The client, which gets no `1::`, tries its next transport.
"""

from enum import Enum
from typing import Protocol

from ...errors import ProtocolError
from ...types import Reason
from ...wire.protocol1 import socketio as socketio1
from ..prepared import Prepared
from ..transports.interfaces import Candidate
from .session import Resumable, ResumableSession

HEARTBEAT = Prepared(socketio1.HEARTBEAT)


class CheckTimer(Enum):
    """What it waits for."""

    ANSWER = "answer"


class ResumableCandidate(Candidate, Resumable, Protocol):
    """The WebSocket that is looked at."""


class Check:
    """Stands where the session will stand, until the client has said something; it has `ping_timeout` for that."""

    __slots__ = ("_session", "_websocket")

    def __init__(self, session: ResumableSession, websocket: ResumableCandidate) -> None:
        self._session, self._websocket = session, websocket
        websocket.sink = self
        websocket.write(HEARTBEAT)
        session.replay.forget(1)  # it is not the session's: of those that are, the latest would be taken for it
        session.table.deadlines.set(self, CheckTimer.ANSWER, session.now() + session.policy.ping_timeout)
        session.add_opening(self)

    def receive_text(self, text: str) -> None:
        """Let the WebSocket carry the session, which gets this text first."""
        self._give_up()
        self._websocket.sink = self._session
        self._session.attach(self._websocket)
        self._session.receive_text(text)

    def receive_binary(self, data: bytes) -> None:
        """End: these clients send text only."""
        self._give_up()
        self._websocket.finish(ProtocolError.close_code)

    def writable(self) -> None:
        """Nothing waits here: what is queued is with the session."""

    def failed(self, error: ProtocolError) -> None:
        """The WebSocket is being closed for a broken frame; the session waits for another transport."""
        self._session.blame(error)
        self._give_up()

    def lost(self, reason: Reason) -> None:
        """The WebSocket is gone."""
        self._give_up()

    def due(self, kind: CheckTimer, at: float) -> None:
        """End what nothing has come through, so that the client tries another transport."""
        self._give_up()
        self._websocket.finish(1000)

    def retire(self) -> None:
        """End the WebSocket with the session."""
        self._give_up()
        self._websocket.retire()

    def _give_up(self) -> None:
        self._session.remove_opening(self)
        self._session.table.deadlines.clear(self, CheckTimer.ANSWER)
