"""HTTP for a stand-alone process: Tornado's server, with a time limit for everything that it waits for."""

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
from .wsgimount import AppRequest

HEAD_TIMEOUT = 10.0  # s from the connection to the end of the first request's head, the TLS handshake included
IDLE_TIMEOUT = 75.0  # s until the end of each later head; proxies keep idle connections for 60 s
BODY_TIMEOUT = 10.0  # s for the body of a request for neither the engine nor an application beside it
UNREAD_TIMEOUT = 60.0  # s until a client is cut off that acknowledges nothing of its answer


class LimitedApplication(tornado_web.Application):
    """A Tornado application with a time limit for bodies, and a limit of header lines, for requests outside the engine.

    The engine has its own limits for its requests, and an application beside it has its own for bodies.
    """

    def __init__(self, routes: list[Any], *, max_header_lines: int) -> None:
        super().__init__(routes)
        self._most_lines = max_header_lines

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return the delegate that serves the request."""
        handler: Any = super().find_handler(request, **kwargs)
        if not isinstance(handler, Reception) and len(list(request.headers.get_all())) > self._most_lines:
            handler = self.get_handler_delegate(request, TooManyLines)
        if not isinstance(handler, Reception | AppRequest) and isinstance(request.connection, HTTP1Connection):
            request.connection.set_body_timeout(BODY_TIMEOUT)  # costs a task, so only where nothing else limits it
        return handler


class TooManyLines(tornado_web.RequestHandler):
    """Refuses a request with too many header lines (RFC 6585, section 5)."""

    def prepare(self) -> None:
        """Answer with a sentence."""
        self.set_status(431)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish("The request has too many header lines.\n")


class Web:
    """Serves HTTP at listeners, which it owns; `max_body_bytes` is the limit of bodies outside the engine."""

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
        self._acceptors = [Acceptor(listener, loop, self._welcome) for listener in listeners]

    def stop(self) -> None:
        """Stop accepting connections."""
        for acceptor in self._acceptors:
            acceptor.close()

    async def flush(self) -> None:
        """Wait until all answers have been sent."""
        await asyncio.gather(*map(_written, self._streams), return_exceptions=True)

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close_all_connections()

    def adopt(self, adopted: Adopted, address: Any) -> None:
        """Serve a connection that another owner has passed on."""
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
            connection.close()  # the client has disconnected already
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
    """A stream that first returns bytes that were read before."""

    ahead = b""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read from `ahead`, then from the socket."""
        if not self.ahead:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self.ahead))
        buf[:size], self.ahead = self.ahead[:size], self.ahead[size:]
        return size


class _SecureAhead(_Ahead, SSLIOStream): ...


class _FirstHeadServer(HTTPServer):
    """Tornado's server, with a shorter time limit for a connection's first request than for later ones."""

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Read a request; the longer limit applies from the next one on."""
        patient = copy.copy(self.conn_params)
        patient.header_timeout = IDLE_TIMEOUT
        cast(HTTP1ServerConnection, server_conn).params = patient
        return super().start_request(server_conn, request_conn)


def _read_on(handshake: "asyncio.Future[SSLIOStream]") -> None:
    """Register with the loop again: uvloop stops polling if a reset arrives together with the end of the handshake."""
    if handshake.cancelled() or handshake.exception() is not None:
        return  # the connection is closed
    stream = handshake.result()
    if not stream.closed():
        stream.io_loop.update_handler(stream.socket, IOLoop.ERROR)
        stream.io_loop.update_handler(stream.socket, IOLoop.READ)


async def _written(stream: IOStream) -> None:
    if stream.writing():
        await stream.write(b"")
