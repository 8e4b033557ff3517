"""Server-Sent Events from request handlers of Tornado's that users derive from, without a channel.

How it works: the handler is Tornado's, and so are its `write`, `flush` and `finish`. The first `flush` of an answer
that is not complete takes the socket over, and puts a `StreamConnection` in the place of Tornado's connection, to
which Tornado writes from then on. Behind it stands a session of the engine: what waits for a client is bounded,
comments keep the connection alive, and a client that has vanished is noticed. The session is there before the answer
begins, so that what is sent to it early waits. All such handlers on a loop have one engine.
"""

import asyncio
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPConnection, HTTPHeaders, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from ..engine import (
    EVENT_STREAM_DIALECT,
    STREAM_OVER,
    Engine,
    EventStreamTransport,
    Handshake,
    Prepared,
    Session,
    Stream,
    StreamLink,
)
from ..types import Reason
from ..wire.generations import EVENT_STREAM
from .adopting import head
from .chunks import ChunkedLink, UnframedLink
from .loops import settle
from .overrides import OUTCOME
from .requests import read
from .residence import Residence
from .takeover import give_away

__all__ = ["EventStreamHandler", "close_streams", "stream_engine"]

_FRAMING = ("connection", "content-length", "keep-alive", "transfer-encoding")

_engines: dict[asyncio.AbstractEventLoop, Engine] = {}


def stream_engine() -> Engine:
    """Return the engine of all event streams of handlers on the running loop; RuntimeError without one."""
    loop = asyncio.get_running_loop()
    if loop not in _engines:
        for over in [one for one in _engines if one.is_closed()]:
            del _engines[over]
        _engines[loop] = engine = Engine(_Streams())
        engine.is_clustered = True  # whoever publishes knows of other processes
        settle(Residence.of(engine))
    return _engines[loop]


async def close_streams() -> None:
    """End all event streams of handlers on the running loop, for its end: clients are told when to come back.

    Done once all is sent; a client that takes nothing has 10 s.
    """
    engine = _engines.pop(asyncio.get_running_loop(), None)
    if engine is not None:
        await engine.close()
        await Residence.of(engine).drain()


class EventStreamHandler(RequestHandler):
    """An event stream: `get` begins it, and `send` may be called before that. All methods may be overridden."""

    is_streaming = False
    """Whether the socket was taken over."""

    _session: Session | None = None
    _over: "asyncio.Future[None] | None" = None

    @property
    def session(self) -> Session:
        """The session, to which `push_to_all` can send what is written once for many."""
        if self._session is None:
            engine = stream_engine()
            request = read(Residence.of(engine), self.request)
            token = engine.driver.token()
            self._session = Session(engine.table, token, EVENT_STREAM, request, EVENT_STREAM_DIALECT)
            self._session.data = self
            engine.table.enter(self._session)
        return self._session

    def get(self, *args: Any, **kwargs: Any) -> "asyncio.Future[None]":
        """Begin the stream. An override awaits this, which is done when the stream is over."""
        self.flush()
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not (self.is_streaming and self.session.is_live):
            over.set_result(None)
        elif type(self).get is EventStreamHandler.get:  # nobody needs a task that waits
            self._auto_finish = False
            over.set_result(None)
        else:
            self._over = over
        return over

    def send(self, content: bytes) -> "asyncio.Future[None]":
        """Send whole events; the result is done when there is room for more, StreamClosedError if nobody reads them."""
        session = self.session
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if content and session.is_live:
            session.push(Prepared(content))

        def decide() -> None:
            if not session.is_live:
                sent.set_exception(StreamClosedError())
                sent.exception()  # perhaps nobody waits
            elif not sent.done():
                sent.set_result(None)

        if session.is_live and not session.has_room:
            session.table.when_drained(session, decide)
        else:
            decide()
        return sent

    def ended(self) -> None:
        """Called when nothing more can be sent, perhaps more than once. For subclasses."""

    # What Tornado calls

    def flush(self, include_footers: bool = False) -> "asyncio.Future[None]":
        """Send what was written, and before it the head of the answer, if it has not begun."""
        is_whole = include_footers or self._status_code != 200 or self.request.method == "HEAD"
        if not (is_whole or self._headers_written or "Content-Length" in self._headers):
            self._transforms = []  # compression would wait for more
            self.is_streaming = True
            connection = cast(HTTP1Connection, self.request.connection)
            self.request.connection = StreamConnection(self, connection, self.request.version)
        return super().flush(include_footers)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """End the answer as a whole."""
        try:
            return super().finish(chunk)
        finally:
            if self._session is not None and not self.is_streaming:
                self._session.drop(Reason.FORCED_CLOSE)
            self.ended()

    # What the session calls

    def session_over(self) -> None:
        """Act on the end of the session, for whatever reason."""
        self.ended()
        if self._finished:
            return
        self.session.table.driver.run(self.on_connection_close, (), OUTCOME, self._failed)
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        elif self.is_streaming and not (self._auto_finish or self._finished):
            self.finish()

    def _failed(self, error: BaseException) -> None:
        self.log_exception(type(error), error, error.__traceback__)


class StreamConnection(HTTPConnection):
    """What Tornado writes the answer to, in the place of its own connection."""

    def __init__(self, handler: EventStreamHandler, connection: HTTP1Connection, version: str) -> None:
        self._handler = handler
        self._session = handler.session
        self._connection = connection
        self._version = version

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> "asyncio.Future[None]":
        """Take the socket over, and begin."""
        session = self._session
        adopted = give_away(self._connection.detach())
        if adopted is None:
            session.drop(Reason.TRANSPORT_CLOSE)
        else:
            chunked = self._version != "HTTP/1.0"
            fields = tuple(field for field in headers.get_all() if field[0].lower() not in _FRAMING)
            link = adopted.link(Residence.of(stream_engine()).output, streams=True)
            link.write(head(Stream(fields), chunked=chunked))
            lent: StreamLink = ChunkedLink(link) if chunked else UnframedLink(link)
            begun = _StreamHandshake(session)
            link.start(begun.carry(session.table, EventStreamTransport(lent, session.id)), adopted.ahead)
        return self.write(chunk or b"")

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        return self._handler.send(chunk)

    def finish(self) -> None:
        self._session.close(STREAM_OVER)

    def set_close_callback(self, callback: object) -> None:
        """Do nothing: the session calls the handler."""


class _StreamHandshake(Handshake):
    def __init__(self, session: Session) -> None:
        self.session = session


class _Streams:
    """The application of the engine: each session is a handler's."""

    def message(self, session: Session, data: str | bytes) -> None:
        """Raise AssertionError: such clients send nothing."""
        raise AssertionError("an event stream receives nothing")

    def close(self, session: Session, reason: Reason) -> None:
        handler, session.data = session.data, None
        handler.session_over()
