"""Connections of Server-Sent Events: an endless answer, over which the client says nothing.

Such a session has a dialect, a heartbeat and a transport of its own. Channels and their paths are in server/.
"""

from zlib import crc32

from ..types import Reason
from ..wire.generations import EVENT_STREAM
from ..wire.sse import encode_retry
from .dialects import NullDialect
from .heartbeat import HeartbeatMonitor
from .prepared import Prepared
from .session import Session
from .states import Ending
from .transports.interfaces import Sink, StreamLink
from .transports.null import NOWHERE, NullTransport

HEARTBEAT_INTERVAL = 15.0  # s, as the standard advises: proxies close what is silent for 30 s or more (section 9.2.7)
RETRY = (1000, 5000)  # ms: not all clients of a server that has ended come back at once
STREAM_OVER = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=1000)
"""Nothing more comes: the answer ends as a whole."""

_COMMENT = Prepared(EVENT_STREAM.ping, volatile=True)  # dropped while others wait for a slow client


def retry_of(token: str) -> int:
    """Return when a client is to come back, a time of its own for each, in milliseconds."""
    shortest, longest = RETRY
    return shortest + crc32(token.encode()) % (longest - shortest)


class Comments(HeartbeatMonitor):
    """A comment each 15 s. The client answers nothing: whether it lives, the kernel finds out (TCP_USER_TIMEOUT)."""

    __slots__ = ()

    def begin(self, session: Session) -> None:
        """Send the first in 15 s."""
        self.limit = float("inf")
        session.beat_at(session.now() + HEARTBEAT_INTERVAL)

    def due(self, session: Session, at: float) -> None:
        """Send one."""
        session.push(_COMMENT)
        session.beat_at(session.now() + HEARTBEAT_INTERVAL)


class EventStreamDialect(NullDialect):
    """The dialect of clients that only read. Their transport tells them the end."""

    def heartbeat(self, session: Session) -> HeartbeatMonitor:
        """Send comments."""
        return Comments()


class EventStreamTransport(NullTransport):
    """An endless answer; each message goes out as one write, and what the client sends on its connection is not read.

    An end that is meant (`STREAM_OVER`) completes the answer. Any other leaves it incomplete, after telling the client
    when to come back.
    """

    __slots__ = ("__weakref__", "_link", "_token", "sink", "write")

    name = "event-stream"

    def __init__(self, link: StreamLink, token: str) -> None:
        self._link = link
        self._token = token
        self.sink: Sink = NOWHERE
        # a method that calls it would be one more call for each subscriber
        self.write = link.send  # type: ignore[method-assign]

    def finish(self, code: int, text: str = "") -> bool:
        """End the answer, as a whole if the code is 1000."""
        self.sink = NOWHERE
        if code == STREAM_OVER.code:
            self._link.finish(b"")
        else:
            self._link.cut(encode_retry(retry_of(self._token)))
        return True

    def retire(self) -> bool:
        """End the answer."""
        return self.finish(1001)

    # What the host calls

    def receive(self, data: bytes) -> None:
        """Read nothing."""

    def writable(self) -> None:
        """The socket takes bytes again."""
        self.sink.writable()

    def lost(self) -> None:
        """The socket is gone."""
        sink, self.sink = self.sink, NOWHERE
        sink.lost(Reason.TRANSPORT_CLOSE)


EVENT_STREAM_DIALECT = EventStreamDialect()
