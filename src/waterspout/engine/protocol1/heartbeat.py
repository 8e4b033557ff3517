"""The heartbeat of Socket.IO 0.7 to 0.9 where missed beats are counted, as TornadIO2 did."""

from typing import TYPE_CHECKING

from ..heartbeat import HeartbeatMonitor, signal

if TYPE_CHECKING:
    from ..session import Session


class CountedHeartbeat(HeartbeatMonitor):
    """The heartbeat that the policy's `missed_heartbeats` asks for (docs/protocol-1.md, WP-70 and WP-71).

    It comes each `ping_interval` whatever the client says, and counts those without an answer.
    """

    __slots__ = ("_unanswered", "most")

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._unanswered = 0

    def known(self, session: "Session") -> None:
        """Begin, if it beats without a transport."""
        if session.table.policy.protocol1.global_heartbeats:
            self.begin(session)

    def present(self, session: "Session", *, streams: bool) -> None:
        """Begin with what streams, if it beats there only."""
        if not session.table.policy.protocol1.global_heartbeats:
            if streams:
                self.begin(session)
            else:
                session.beat_no_more()

    def absent(self, session: "Session") -> None:
        """Rest, if it beats with a transport only."""
        if not session.table.policy.protocol1.global_heartbeats:
            session.beat_no_more()

    def begin(self, session: "Session") -> None:
        """Count from now on."""
        self._unanswered = 0
        self._next(session)

    def pong(self, session: "Session") -> None:
        """Take an answer, which counts for all before it."""
        self._unanswered = 0

    def spare(self, session: "Session") -> None:
        """Beat without counting: the answers of a client that is not read lie unread."""
        session.push(signal(session.generation.ping))
        self._next(session)

    def due(self, session: "Session", at: float) -> None:
        """Beat, and give up with the last that may stay without an answer."""
        self._unanswered += 1
        session.push(signal(session.generation.ping))
        if self._unanswered < self.most:
            self._next(session)
        else:
            session.dialect.expire(session)

    @staticmethod
    def _next(session: "Session") -> None:
        session.beat_at(session.now() + session.policy.ping_interval)
