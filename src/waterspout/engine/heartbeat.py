"""The heartbeat of a session: clients of Engine.IO 3 ping, from Engine.IO 4 on the server does.

Engine.IO 4, "Heartbeat": the server pings each `ping_interval` and closes when no pong has come within
`ping_timeout`. Engine.IO 3, "Timeouts": it closes when no ping has come within the sum of the two.
"""

from functools import cache
from typing import TYPE_CHECKING

from ..errors import DecodeError
from ..wire.websocket import ping_frame
from .prepared import Prepared

if TYPE_CHECKING:
    from .session import Session


@cache
def signal(text: bytes) -> Prepared:
    """Return a ping or noop of a generation, which all its sessions share."""
    return Prepared(text)


_SLACK = 0.1  # of the timeout: a timer this late counts as punctual


class HeartbeatMonitor:
    """Whether the client lives. `limit` is when it counts as dead, whether or not a timer has gone off.

    A client that is busy with a long message sends data but no heartbeat: its time is extended, once.
    """

    __slots__ = ("_extended", "heard", "limit")

    def __init__(self) -> None:
        self._extended = self.heard = False
        self.limit = 0.0

    def begin(self, session: "Session") -> None:
        """Count from now on: at the opening, and whenever the client has shown that it lives."""
        raise NotImplementedError

    def known(self, session: "Session") -> None:
        """The application knows the client, of 0.7 to 0.9, which may have no transport yet."""

    def present(self, session: "Session", *, streams: bool) -> None:
        """A transport or a GET of the client has arrived, which shows that it lives."""
        self.begin(session)

    def absent(self, session: "Session") -> None:
        """The client has no transport."""
        session.beat_no_more()

    def ping(self, session: "Session", data: str) -> None:
        """The client pings."""
        raise NotImplementedError

    def pong(self, session: "Session") -> None:
        """The client answers a ping, or sends a pong that nobody awaits, which changes nothing."""

    def pong_frame(self, session: "Session") -> None:
        """The client answers a ping of WebSockets."""

    def spare(self, session: "Session") -> None:
        """Send a sign of life to a client that is not read, whose own heartbeat may lie unread."""
        raise NotImplementedError

    def hasten(self, session: "Session") -> None:
        """The client is read no further."""

    def due(self, session: "Session", at: float) -> None:
        """Act, for the time `at` has come."""
        raise NotImplementedError

    def _extend(self, session: "Session") -> None:
        """Give a client that has sent something more time, once; end the session of another."""
        if self.heard and not self._extended:
            self._extended = True
            self.limit = session.now() + session.policy.ping_timeout
            session.beat_at(self.limit)
        else:
            session.dialect.expire(session)


class ServerPings(HeartbeatMonitor):
    """The server pings each `ping_interval`; the client answers within `ping_timeout`: Engine.IO 4, and 0.7 to 0.9."""

    __slots__ = ("_awaiting_pong",)

    def __init__(self) -> None:
        super().__init__()
        self._awaiting_pong = False

    def begin(self, session: "Session") -> None:
        """Ping after `ping_interval`."""
        policy, now = session.policy, session.now()
        self._awaiting_pong = self._extended = self.heard = False
        self.limit = now + policy.ping_interval + policy.ping_timeout
        session.beat_at(now + policy.ping_interval)

    def ping(self, session: "Session", data: str) -> None:
        """Refuse it."""
        raise DecodeError(
            f"a client of {session.generation.name} sent a ping: in this generation the server pings, "
            "and the client answers"
        )

    def pong(self, session: "Session") -> None:
        """Count from now on."""
        if self._awaiting_pong:
            self.begin(session)

    def spare(self, session: "Session") -> None:
        """Ping without waiting for the pong."""
        self.send_ping(session)
        self.begin(session)

    def due(self, session: "Session", at: float) -> None:
        """Ping, or give up."""
        if self._awaiting_pong:
            self._extend(session)
            return
        now, timeout = session.now(), session.policy.ping_timeout
        self._awaiting_pong, self.heard = True, False
        # a process that slept must not take its sleep for the client's silence
        self.limit = (at if now - at < _SLACK * timeout else now) + timeout
        session.beat_at(self.limit)
        self.send_ping(session)

    def send_ping(self, session: "Session") -> None:
        """Send the ping of the generation."""
        session.push(signal(session.generation.ping))


class WebSocketPings(ServerPings):
    """The same with the pings of WebSockets (RFC 6455, section 5.5.2), which every client answers by itself."""

    __slots__ = ()

    def send_ping(self, session: "Session") -> None:
        """Send a ping frame."""
        session.push(_PING_FRAME)

    def pong_frame(self, session: "Session") -> None:
        """Count from now on."""
        self.pong(session)


_PING_FRAME = Prepared(b"", frames=ping_frame(), compress=False)


class HostPings(HeartbeatMonitor):
    """Whether the client lives is its host's affair, which has the frames of the WebSocket."""

    __slots__ = ()

    def begin(self, session: "Session") -> None:
        """Wait for nothing."""
        self.limit = float("inf")


class ClientPings(HeartbeatMonitor):
    """The client pings, and gives up when no answer comes within `ping_timeout`: Engine.IO 3."""

    __slots__ = ()

    def begin(self, session: "Session") -> None:
        """Wait for a ping as long as interval and timeout together."""
        policy, now = session.policy, session.now()
        self._extended = self.heard = False
        self.limit = now + policy.ping_interval + policy.ping_timeout
        session.beat_at(self.limit)

    def ping(self, session: "Session", data: str) -> None:
        """Answer, with the client's data."""
        session.push(Prepared(b"3" + data.encode(errors="replace")))
        self.begin(session)

    def spare(self, session: "Session") -> None:
        """Send a packet without a meaning: the client takes any packet for a sign of life."""
        session.push(signal(session.generation.noop))
        self.begin(session)
        self.hasten(session)

    def hasten(self, session: "Session") -> None:
        """Act before the client gives up its pong, which it will not get while it is not read."""
        session.beat_at(session.now() + session.policy.ping_timeout / 2)

    def due(self, session: "Session", at: float) -> None:
        """Give up, unless the time was hastened and the client is read again."""
        if session.now() < self.limit:
            session.beat_at(self.limit)
        else:
            self._extend(session)
