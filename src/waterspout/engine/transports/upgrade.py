"""The way from polling to a WebSocket (Engine.IO, "Upgrade"): probe, answer, and the client's `5`.

How it works: the client opens a WebSocket for its session and sends `2probe` there. The `Probe` is the sink of that
WebSocket meanwhile; the session goes on over polling. It answers `3probe`, and lets the parked GET go with a noop,
again every 0.1 s, until the client has stopped polling and sends `5`. Then polling retires, the session becomes the
sink, and `Session.upgrade` sends what is queued to the WebSocket.

Nothing is lost because nothing is sent to the WebSocket before the `5`, and nothing is taken from the outbox for
polling behind it. Anything else that comes over the WebSocket, or `upgrade_timeout`, ends the attempt, and polling
goes on.
"""

from enum import Enum

from ...errors import ProtocolError
from ...types import Reason
from ..prepared import Prepared
from ..session import Session
from .interfaces import Candidate
from .polling import PollingTransport

PROBED = Prepared(b"3probe")

_NOOP_INTERVAL = 0.1  # s; as often as the JavaScript server does


class ProbeTimer(Enum):
    """What an upgrade waits for."""

    UPGRADE = "upgrade"
    NOOP = "noop"


class Probe:
    """A WebSocket that is to carry a session. If it fails, the session lives on over polling."""

    __slots__ = ("_polling", "_session", "_websocket")

    def __init__(self, session: Session, polling: PollingTransport, websocket: Candidate) -> None:
        self._session, self._polling, self._websocket = session, polling, websocket
        websocket.sink = self
        session.begin_upgrade(self)
        self._wait(ProbeTimer.UPGRADE, session.policy.upgrade_timeout)

    def receive_text(self, text: str) -> None:
        """Take the probe, then the upgrade; anything else ends the attempt."""
        if text == "2probe":
            self._websocket.write(PROBED)
            self._polling.release()
            self._wait(ProbeTimer.NOOP, _NOOP_INTERVAL)
        elif text == "5" and not self._polling.posting:  # else it did not pause its polling: the order would be lost
            self._clear()
            self._polling.retire()
            self._websocket.sink = self._session
            self._session.upgrade(self._websocket)
        else:
            self._abandon()

    def receive_binary(self, data: bytes) -> None:
        """No binary message belongs to an upgrade."""
        self._abandon()

    def receive_pong(self) -> None:
        """The client pongs unasked, which changes nothing."""

    def writable(self) -> None:
        """Nothing waits here: what is queued goes to polling."""

    def failed(self, error: ProtocolError) -> None:
        """The WebSocket is being closed for a broken frame."""
        self._give_up()

    def lost(self, reason: Reason) -> None:
        """The WebSocket is gone."""
        self._give_up()

    def leave(self) -> None:
        """The session ends, and the attempt with it."""
        self._clear()
        self._websocket.finish(1000)

    def due(self, kind: ProbeTimer, at: float) -> None:
        """Answer a parked poll, so that the client can pause its polling; or end an attempt that takes too long."""
        if kind is ProbeTimer.NOOP:
            self._polling.release()
            self._wait(ProbeTimer.NOOP, _NOOP_INTERVAL)
        else:
            self._abandon()

    def _abandon(self) -> None:
        self._give_up()
        self._websocket.finish(1000)

    def _give_up(self) -> None:
        self._clear()
        self._session.abandon_upgrade()

    def _wait(self, kind: ProbeTimer, seconds: float) -> None:
        self._session.table.deadlines.set(self, kind, self._session.now() + seconds)

    def _clear(self) -> None:
        for kind in ProbeTimer:
            self._session.table.deadlines.clear(self, kind)
