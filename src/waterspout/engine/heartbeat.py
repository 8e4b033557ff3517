"""The heartbeat of a session: clients of Engine.IO 3 ping, from Engine.IO 4 on the server does.

Engine.IO 4, "Heartbeat": the server pings each `ping_interval` and closes when no pong has come within
`ping_timeout`. Engine.IO 3, "Timeouts": it closes when no ping has come within the sum of the two.
"""

from functools import cache
from typing import Protocol

from ..errors import DecodeError
from ..wire.generations import Generation
from .policy import Policy
from .prepared import Prepared


@cache
def signal(text: bytes) -> Prepared:
    """Return a ping or noop of a generation, which all its sessions share."""
    return Prepared(text)


_SLACK = 0.1  # of the timeout: a timer this late counts as punctual


class Beating(Protocol):
    """What the heartbeat needs of its session."""

    generation: Generation

    @property
    def policy(self) -> Policy: ...

    def now(self) -> float: ...

    def beat_at(self, at: float) -> None:
        """Call `due` at this time."""

    def beat_no_more(self) -> None:
        """Call `due` no more, until `beat_at`."""

    def push(self, prepared: Prepared) -> None: ...

    def expire(self) -> None:
        """End: the client is silent."""


class Heartbeat:
    """Whether the client lives. `limit` is when it counts as dead, whether or not a timer has gone off.

    A client that is busy with a long message sends data but no heartbeat: its time is extended, once.
    """

    __slots__ = ("_awaiting_pong", "_extended", "heard", "limit")

    def __init__(self) -> None:
        self._awaiting_pong = self._extended = self.heard = False
        self.limit = 0.0

    def begin(self, session: Beating) -> None:
        """Count from now on: at the opening, and whenever the client has shown that it lives."""
        policy, now = session.policy, session.now()
        self._awaiting_pong = self._extended = self.heard = False
        self.limit = now + policy.ping_interval + policy.ping_timeout
        session.beat_at(self.limit if session.generation.client_pings else now + policy.ping_interval)

    def known(self, session: Beating) -> None:
        """Hear that the application knows the client, of 0.7 to 0.9; it may have no transport."""

    def present(self, session: Beating, *, streams: bool) -> None:
        """Hear that it has one, or a GET: that shows that it lives."""
        self.begin(session)

    def absent(self, session: Beating) -> None:
        """Hear that it has none."""
        session.beat_no_more()

    def ping(self, session: Beating, data: str) -> None:
        """Answer the client's ping, with its data."""
        if not session.generation.client_pings:
            raise DecodeError(
                f"a client of {session.generation.name} sent a ping: there the server pings, and it answers"
            )
        session.push(Prepared(b"3" + data.encode(errors="replace")))
        self.begin(session)

    def pong(self, session: Beating) -> None:
        """Take the client's pong; one that nobody awaits changes nothing."""
        if self._awaiting_pong:
            self.begin(session)

    def spare(self, session: Beating) -> None:
        """Wait for a client that is not read, for its heartbeat may lie unread; and let it hear that we live.

        A client that pings waits `ping_timeout` for its pong, and is content with any packet.
        """
        row = session.generation
        session.push(signal(row.noop if row.client_pings else row.ping))
        self.begin(session)
        self.hasten(session)

    def hasten(self, session: Beating) -> None:
        """Act before a client that pings gives up its pong, which it will not get: it is not read."""
        if session.generation.client_pings:
            session.beat_at(session.now() + session.policy.ping_timeout / 2)

    def due(self, session: Beating, at: float) -> None:
        """Ping, extend or give up: the time `at` has come."""
        now, timeout = session.now(), session.policy.ping_timeout
        if session.generation.client_pings and now < self.limit:
            session.beat_at(self.limit)  # it was hastened, and is read again
            return
        if not session.generation.client_pings and not self._awaiting_pong:
            self._awaiting_pong, self.heard = True, False
            # a process that slept must not take its sleep for the client's silence
            self.limit = (at if now - at < _SLACK * timeout else now) + timeout
            session.beat_at(self.limit)
            session.push(signal(session.generation.ping))
        elif self.heard and not self._extended:
            self._extended = True
            self.limit = now + timeout
            session.beat_at(self.limit)
        else:
            session.expire()
