"""A request of the engine's that a WSGI server on gevent has read, and its answer.

How it works: the server calls the application in a greenlet for each connection, and that waits here until the engine
has answered: so long-polling costs a greenlet for each client that polls. A WebSocket or an endless answer is taken
over with its greeting. The server's greenlet ends then, and a link has a descriptor of its own.

The socket is no part of WSGI: a `Connection` knows where the server has it.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from http.client import responses
from typing import Any, Protocol
from urllib.parse import quote

from gevent.event import Event
from gevent.pywsgi import WSGIHandler
from greenlet import getcurrent

from ..engine import Admitted, Greeting, Response, Stream
from ..types import Request, split_target
from .adopting import Adopted, begin, is_secure
from .hubs import GeventLoop, settle
from .intake import Intake, announced_bytes
from .residence import Residence

__all__ = ["target_of"]  # the rest is for hosts

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

CONNECTION = "waterspout.connection"
"""The key of a `Connection` in the environment, where the server is one of ours: so middleware may stand between."""

_READ_BYTES = 65_536
_SAFE = "/%:@!$&'()*+,;=~-._"  # in a path; RFC 3986, section 3.3

_FOREIGN = (
    "this is no request of a server that can serve the App: take waterspout.hosts.gevent.serve, gunicorn with "
    "--worker-class waterspout.hosts.gunicorn.Worker, or a gevent.pywsgi.WSGIServer with middleware inside the App only"
)


class Connection(Protocol):
    """The connection of a request."""

    socket: Any

    @property
    def target(self) -> str:
        """Path and query as they were sent."""

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The header fields, each as it was sent."""

    def take(self) -> Adopted:
        """Take it from the server, with what that has read behind the request."""

    def close_behind(self) -> None:
        """Let the server close it behind the answer, and read no more of the request."""


class PywsgiConnection:
    """That of a request which gevent's own WSGIHandler has read."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self.socket: Any = handler.socket

    @property
    def target(self) -> str:
        return str(self._handler.path)

    @property
    def fields(self) -> list[tuple[str, str]]:
        return list(self._handler.headers.items())

    def take(self) -> Adopted:
        handler, sock = self._handler, self.socket
        sock.settimeout(0.0)
        try:
            peeked = handler.rfile.peek(1)
        except OSError:  # with TLS, nothing is there; or the client has gone, which the link will see
            peeked = b""
        ahead = handler.rfile.read1(len(peeked)) if peeked else b""
        taken = _Kept(sock, handler.rfile) if is_secure(sock) else socket.socket(fileno=os.dup(sock.fileno()))
        handler.socket = None  # else it would read once more, for the client's sake
        self.close_behind()
        return Adopted(taken, ahead)

    def close_behind(self) -> None:
        self._handler.close_connection = True
        self._handler.wsgi_input = _NothingToDiscard()


class _NothingToDiscard:
    """Stands for a body: gevent would read all of it behind the answer, however much it is."""

    def _discard(self) -> None: ...


class _Kept:
    """A TLS connection that its server closes behind the request: it stays open as long as it has a file."""

    def __init__(self, sock: Any, file: Any) -> None:
        self._file = file
        self.family = sock.family
        self.fileno, self.recv, self.send, self.pending = sock.fileno, sock.recv, sock.send, sock.pending
        self.unwrap, self.shutdown, self.setsockopt = sock.unwrap, sock.shutdown, sock.setsockopt

    def close(self) -> None:
        """Close it."""
        self._file.close()


def connection_of(environ: Environ, start_response: StartResponse) -> Connection | None:
    """Return the connection of a request, as far as its server is gevent's."""
    known: Connection | None = environ.get(CONNECTION)
    if known is not None:
        return known
    handler = getattr(start_response, "__self__", None)
    return PywsgiConnection(handler) if isinstance(handler, WSGIHandler) else None


def adopt(sock: Any) -> Any:
    """Make a socket of gevent's one that no greenlet reads: a non-blocking one."""
    if is_secure(sock):
        sock.settimeout(0.0)
        return sock
    return socket.socket(sock.family, sock.type, sock.proto, sock.detach())


class WsgiIntake(Intake):
    """A request in the greenlet that a WSGI server has made for it."""

    def __init__(self, residence: Residence, environ: Environ, start_response: StartResponse) -> None:
        super().__init__(residence.engine)
        self._residence = residence
        self._environ = environ
        self._start_response = start_response
        connection = connection_of(environ, start_response)
        if connection is None:
            raise TypeError(_FOREIGN)
        self._connection = connection
        self._greenlet = getcurrent()
        self._is_over = Event()  # as far as this greenlet has to wait
        self._is_busy = False  # reading or writing
        self._is_lost = self._has_left = False
        self._response: Response | None = None

    def serve(self) -> Iterable[bytes]:
        """Let the engine serve it, and return the body of the answer."""
        self.admit(read(self._residence, self._connection, self._environ))
        try:
            if _has_body(self._environ):
                self._read_body()
            self.complete()
            if not self._is_over.is_set():
                self._park()
        finally:
            if not self._is_over.is_set():  # this greenlet is killed
                self.gone()
        if self._response is None:
            return ()
        return self._send(self._response)

    def gone(self) -> None:
        super().gone()
        self._is_over.set()

    # What a kind of intake adds

    def take_back(self) -> bool:
        if self._has_left:
            return False
        self._is_lost = True
        self._cut()
        return True

    def _answer(self, response: Response) -> None:
        self._response = response
        self._is_over.set()
        if self._is_busy:  # the body is not complete
            self._cut()

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        try:
            taken = self._connection.take()
        except OSError:  # there is no descriptor for it
            self.gone()
            return
        self.is_over = True
        link = taken.link(self._residence.output, streams=isinstance(greeting, Stream))
        chunked = self._environ["SERVER_PROTOCOL"] != "HTTP/1.0"
        begin(link, self._residence, self.request, decision, greeting, taken.ahead, chunked=chunked)
        self._is_over.set()

    def _cut(self) -> None:
        self._connection.close_behind()
        self._residence.output.loop.soon(self._interrupt)

    # Below this line: how it is done

    def _read_body(self) -> None:
        """Read the body while it is wanted."""
        self.expect(announced_bytes(self._environ.get("CONTENT_LENGTH")))
        source = self._environ["wsgi.input"]
        read = getattr(source, "read1", source.read)
        most = min(_READ_BYTES, self.engine.policy.max_payload_bytes + 1)  # gevent's waits until it has so many
        try:
            while not self._is_over.is_set():
                self._is_busy = True
                chunk = read(most)
                self._is_busy = False
                if not chunk:
                    return
                self.feed(chunk)
        except OSError:
            if not self._is_over.is_set():
                self.gone()
        finally:
            self._is_busy = False
        self._connection.close_behind()  # the body is not complete

    def _interrupt(self) -> None:
        """End what this greenlet waits for; called by the hub."""
        if self._is_busy:
            self._greenlet.throw(ConnectionResetError(errno.ECONNRESET, "given up by the server"))

    def _park(self) -> None:
        """Wait for the answer; the client may go meanwhile."""
        loop = self._residence.output.loop
        assert isinstance(loop, GeventLoop)
        descriptor = self._connection.socket.fileno()
        loop.failures.watch(descriptor, self.gone, with_end=True)
        try:
            self._is_over.wait()
        finally:
            loop.failures.forget(descriptor, self.gone)

    def _send(self, response: Response) -> Iterator[bytes]:
        if self._is_lost:
            return
        body = response.body
        fields = list(response.headers)
        if response.status != 204:
            fields.append(("Content-Length", str(len(body))))
        self._start_response(f"{response.status} {responses.get(response.status, 'Unknown')}", fields)
        if body and self.request.method != "HEAD":
            self._is_busy = True
            try:
                yield body
            finally:
                self._is_busy = False
        self._has_left = True
        if self.written is not None:
            self.written()


def read(residence: Residence, connection: Connection, environ: Environ) -> Request:
    """Make a request of a WSGI environment; RuntimeError on another loop than that which the engine runs on."""
    settle(residence)
    processes = "this server" if environ.get("wsgi.multiprocess") else None
    residence.look_around(connection.socket, processes)
    fields = connection.fields
    if environ["SERVER_PROTOCOL"] == "HTTP/1.0":  # Upgrade means nothing there (RFC 9110, section 7.8)
        fields = [field for field in fields if field[0].lower() != "upgrade"]
    return Request(
        environ["REQUEST_METHOD"],
        connection.target,
        fields,
        remote_address=environ.get("REMOTE_ADDR") or "unix",
        secure=True if environ["wsgi.url_scheme"] == "https" else None,
        native=environ,
    )


def path_of(environ: Environ, start_response: StartResponse) -> str:
    """Return the path of a request as it was sent, as far as the server says so."""
    connection = connection_of(environ, start_response)
    if connection is not None:
        return split_target(connection.target)[1].partition("?")[0]
    return target_of(environ).partition("?")[0]


def target_of(environ: Environ) -> str:
    """Return path and query as an environment has them, quoted."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING")
    return quote(path.encode("latin-1"), safe=_SAFE) + (f"?{query}" if query else "")


def is_framed_wrongly(environ: Environ) -> bool:
    """Tell whether the length of the body is none, which gevent's own handler takes for one, as `+3` for 3."""
    length = environ.get("CONTENT_LENGTH") or "0"
    return not (length.isascii() and length.isdecimal())


def _has_body(environ: Environ) -> bool:
    return bool(announced_bytes(environ.get("CONTENT_LENGTH"))) or "HTTP_TRANSFER_ENCODING" in environ
