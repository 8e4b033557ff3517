"""HTTP for a process of its own: Tornado's server, with a deadline for each thing that a client may leave undone."""

import asyncio
import copy
import socket
import ssl
from typing import Any, cast
from weakref import WeakSet

from tornado import web as tornado_web
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import ssl_wrap_socket

from .accepting import Acceptor
from .adopting import Adopted
from .loops import AsyncioLoop
from .reception import Reception
from .socketlink import prepare

HEAD_TIMEOUT = 10.0  # s from the connection to the end of the first request's head, with the handshake of TLS
IDLE_TIMEOUT = 75.0  # s to the end of a later one's; proxies keep idle connections for 60 s
BODY_TIMEOUT = 10.0  # s for the body of a request that is not for an engine, which has deadlines of its own
UNREAD_TIMEOUT = 60.0  # s in which a client that has an answer to read reads none of it


class LimitedApplication(tornado_web.Application):
    """A Tornado application whose requests do not wait for their bodies for ever.

    The pages beside the engine take no more header lines than it does; it counts those of its own requests itself.
    """

    def __init__(self, routes: list[Any], *, max_header_lines: int) -> None:
        super().__init__(routes)
        self._most_lines = max_header_lines

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Find who serves the request."""
        handler: Any = super().find_handler(request, **kwargs)
        if not isinstance(handler, Reception) and len(list(request.headers.get_all())) > self._most_lines:
            handler = self.get_handler_delegate(request, TooManyLines)
        if not isinstance(handler, Reception) and isinstance(request.connection, HTTP1Connection):
            request.connection.set_body_timeout(BODY_TIMEOUT)  # costs a task, so only where nobody else looks
        return handler


class TooManyLines(tornado_web.RequestHandler):
    """Refuses a request, whatever it asks for (RFC 6585, section 5)."""

    def prepare(self) -> None:
        """Answer with a sentence."""
        self.set_status(431)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish("The request has too many header lines.\n")


class Web:
    """HTTP at some listeners, which it owns; `max_body_bytes` is for the pages beside the engine."""

    def __init__(
        self,
        application: LimitedApplication,
        listeners: list[socket.socket],
        *,
        tls: ssl.SSLContext | None = None,
        max_body_bytes: int,
    ) -> None:
        self._server = _FirstHeadServer(application, idle_connection_timeout=HEAD_TIMEOUT, max_body_size=max_body_bytes)
        self._tls = tls
        self._streams: WeakSet[IOStream] = WeakSet()
        loop = AsyncioLoop(asyncio.get_running_loop())
        self._doors = [Acceptor(listener, loop, self._welcome) for listener in listeners]

    def stop(self) -> None:
        """Accept nothing more."""
        for door in self._doors:
            door.close()

    async def flush(self) -> None:
        """Wait until the clients have taken all that was answered."""
        await asyncio.gather(*map(_written, self._streams), return_exceptions=True)

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close_all_connections()

    def adopt(self, adopted: Adopted, address: Any) -> None:
        """Serve a connection that another owner has given away."""
        kind = _SecureAhead if isinstance(adopted.socket, ssl.SSLSocket) else _Ahead
        stream = kind(adopted.socket)
        stream.ahead = adopted.ahead
        self._streams.add(stream)
        self._server.handle_stream(stream, address)

    def _welcome(self, connection: socket.socket, address: Any) -> None:
        try:
            connection.setblocking(False)
            prepare(connection, user_timeout=UNREAD_TIMEOUT)
            stream = self._stream(connection)
        except OSError:
            connection.close()  # the client has gone already
            return
        self._streams.add(stream)
        self._server.handle_stream(stream, address)

    def _stream(self, connection: socket.socket) -> IOStream:
        if self._tls is None:
            return IOStream(connection)
        connection.getpeername()  # raises if it was reset: `ssl` would raise too, but leave it open
        stream = SSLIOStream(
            ssl_wrap_socket(connection, self._tls, server_side=True, do_handshake_on_connect=False),
            ssl_options=self._tls,
        )
        stream.wait_for_handshake().add_done_callback(_read_on)
        return stream


class _Ahead(IOStream):
    """Reads first what was read before."""

    ahead = b""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read as Tornado does, once that is used up."""
        if not self.ahead:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self.ahead))
        buf[:size], self.ahead = self.ahead[:size], self.ahead[size:]
        return size


class _SecureAhead(_Ahead, SSLIOStream): ...


class _FirstHeadServer(HTTPServer):
    """Is less patient with a connection's first request than with the later ones."""

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Read a request; the next one has the time that connections are kept open."""
        patient = copy.copy(self.conn_params)
        patient.header_timeout = IDLE_TIMEOUT
        cast(HTTP1ServerConnection, server_conn).params = patient
        return super().start_request(server_conn, request_conn)


def _read_on(handshake: "asyncio.Future[SSLIOStream]") -> None:
    """Poll for the request anew: uvloop polls no more where the end of the handshake came together with a reset."""
    if handshake.cancelled() or handshake.exception() is not None:
        return  # the connection is closed
    stream = handshake.result()
    if not stream.closed():
        stream.io_loop.update_handler(stream.socket, IOLoop.ERROR)
        stream.io_loop.update_handler(stream.socket, IOLoop.READ)


async def _written(stream: IOStream) -> None:
    if stream.writing():
        await stream.write(b"")
