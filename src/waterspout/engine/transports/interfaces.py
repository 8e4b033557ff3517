"""What a transport may ask of a session, a session of a transport, and both of the host.

Transport and sink stand between the socket of a host and a session. The host lends a `Link`, which carries bytes, or
a `Messenger`, which carries whole messages of a WebSocket. The host calls the transport
(`receive`, `lost`, `writable`), the transport its sink; a session calls its transport. Where HTTP requests
carry a session, the engine calls the `PollingTransport`, which fetches from the session with `take`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ...errors import ProtocolError
from ...types import Reason, Request
from ..http.response import Response
from ..prepared import Prepared

if TYPE_CHECKING:
    from .polling import PollingTransport


class Transport(Protocol):
    """The way to a client. It does not promise that what it took arrives."""

    name: str
    fetches: bool
    """Whether it empties the outbox by itself, with `Session.take`, and so refuses every `write`."""

    @property
    def http(self) -> "PollingTransport | None":
        """Itself, if it serves the HTTP requests of a session; None for a WebSocket."""

    def write(self, prepared: Prepared) -> bool:
        """Take this, or return False: the sink's `writable` is called when there is room again."""

    def notify(self) -> None:
        """Called when the outbox is no longer empty; a transport that fetches from it does so after this turn."""

    def pause(self) -> None:
        """Deliver nothing, and read nothing as far as possible, until `resume`."""

    def resume(self) -> None:
        """Deliver what has come meanwhile, after what is running now, and read on."""

    def finish(self, code: int, text: str = "") -> bool:
        """Close after what was taken, with a WebSocket close code.

        Return whether that is done; if not, the session's `finished` is called later.
        """

    def retire(self) -> bool:
        """End without a goodbye: the client has said its own, or goes on elsewhere. Return as `finish` does."""


class Sink(Protocol):
    """Where a transport delivers: a session, or the probe of an upgrade."""

    def receive_text(self, text: str) -> None:
        """Take one Engine.IO packet, its type digit first."""

    def receive_binary(self, data: bytes) -> None:
        """Take one binary message."""

    def receive_pong(self) -> None:
        """Take the answer to a ping of WebSockets, which says that the client lives."""

    def writable(self) -> None:
        """Write on, after a `write` that returned False."""

    def failed(self, error: ProtocolError) -> None:
        """The client broke the protocol; nothing more comes."""

    def lost(self, reason: Reason) -> None:
        """The connection is gone; nothing more comes."""


class Fed(Protocol):
    """What a host feeds with what comes from a link."""

    def receive(self, data: bytes) -> None:
        """Take what was read."""

    def writable(self) -> None:
        """There is room again, after a `write` that returned False."""

    def lost(self) -> None:
        """The socket is gone."""


class Link(Protocol):
    """A connected socket that a host lends to a WebSocket or an endless answer. It counts in `Traffic` what leaves."""

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not gone to the kernel; also after the end, how much it was then."""

    def write(self, data: bytes) -> bool:
        """Take bytes to be sent at the end of the turn, or return False while too much waits."""

    def finish(self, data: bytes) -> None:
        """Send these last bytes after all others, whatever waits, and close."""

    def close(self) -> None:
        """Close at once, without what waits, and tell nobody."""

    def pause(self) -> None:
        """Read nothing until `resume`."""

    def resume(self) -> None:
        """Read again."""


class StreamLink(Link, Protocol):
    """A link for the content of an endless answer, which the host frames."""

    def send(self, prepared: Prepared) -> bool:
        """Write the text of what is sent; all answers share its framed form. Not counted in `unsent_bytes`."""

    def cut(self, data: bytes) -> None:
        """Send these last bytes as `finish` does, but leave the answer incomplete, as far as its framing can."""


class Messenger(Protocol):
    """A connected WebSocket, or an endless answer, whose form is the host's own affair: it carries whole messages.

    Of a WebSocket the host answers pings and close frames itself, and compresses as it likes. It calls `receive` with
    each message, `writable` after a `send` that returned False, and `lost` at the end, whoever closed it.
    """

    @property
    def unsent_bytes(self) -> int:
        """The bytes of messages that were taken and have not gone to the kernel; also after the end."""

    def send(self, messages: Sequence[str | bytes]) -> bool:
        """Take messages, text as str, to be sent in this order, or return False while too much waits."""

    def finish(self, code: int, reason: str) -> None:
        """Close after all that was taken, with this code of RFC 6455, section 7.4."""

    def close(self) -> None:
        """Close at once, without what waits."""

    def pause(self) -> None:
        """Bring no more messages until `resume`, as far as possible: what is on its way may still come."""

    def resume(self) -> None:
        """Bring messages again."""


class Candidate(Transport, Protocol):
    """A WebSocket that delivers to the probe of an upgrade first, and then to the session."""

    sink: "Sink"


class Exchange(Protocol):
    """An HTTP request that waits for its answer."""

    @property
    def request(self) -> Request:
        """The request."""

    def respond(self, response: Response, written: Callable[[], object] | None = None) -> None:
        """Answer it, once; nothing happens where the client has given it up.

        `written` is called, now or later, once the kernel has all of it; not if the client goes first.
        """

    def take_back(self) -> bool:
        """Cut the connection of one whose answer has not gone to the kernel as a whole; tell whether that was so."""
