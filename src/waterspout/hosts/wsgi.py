"""A request of the engine's that a WSGI server on gevent has read, and its answer.

How it works: the server calls the application in a greenlet for each connection, and that waits here until the engine
has answered: so long-polling costs a greenlet for each client that polls. A WebSocket or an endless answer is taken
over with its greeting. The server's greenlet ends then, and a link has a descriptor of its own.

The socket is no part of WSGI. `Connection` knows where the servers have it.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.client import responses
from typing import Any
from urllib.parse import quote

from gevent.event import Event
from gevent.pywsgi import WSGIHandler

from ..engine import Admitted, Greeting, Response, Stream
from ..types import Request
from .adopting import Adopted, begin
from .hubs import GeventLoop, settle
from .intake import Intake, announced_bytes
from .residence import Residence

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

_READ_BYTES = 65_536
_SAFE = "/%:@!$&'()*+,;=~-._"  # in a path; RFC 3986, section 3.3


class Connection:
    """The connection of a request, which is gevent's WSGIHandler's."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        handler = getattr(start_response, "__self__", None)
        if not isinstance(handler, WSGIHandler):
            raise TypeError(
                "this is no request of a gevent server: serve the App with waterspout.hosts.gevent.serve or a "
                "gevent.pywsgi.WSGIServer, and put middleware inside it, not around it"
            )
        self._handler: Any = handler
        self._environ = environ
        self.socket: Any = handler.socket

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return str(self._handler.path)

    def take(self) -> Adopted:
        """Take it from the server, with what that has read behind the request."""
        handler, sock = self._handler, self.socket
        sock.settimeout(0.0)
        peeked = handler.rfile.peek(1)
        ahead = handler.rfile.read1(len(peeked)) if peeked else b""
        taken = Adopted(socket.socket(fileno=os.dup(sock.fileno())), ahead)
        handler.socket = None  # else it would read once more, for the client's sake
        handler.close_connection = True
        return taken

    def close_behind(self) -> None:
        """Let the server close it behind the answer."""
        self._handler.close_connection = True

    def shut(self, how: int) -> None:
        """Wake whoever reads it."""
        with suppress(OSError):
            self.socket.shutdown(how)


class WsgiIntake(Intake):
    """A request in the greenlet that a WSGI server has made for it."""

    def __init__(self, residence: Residence, environ: Environ, start_response: StartResponse) -> None:
        super().__init__(residence.engine)
        self._residence = residence
        self._environ = environ
        self._start_response = start_response
        self._connection = Connection(environ, start_response)
        self._is_over = Event()  # as far as this greenlet has to wait
        self._is_reading = self._is_lost = self._has_left = False
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
        if self._is_reading:
            self._connection.close_behind()
            self._connection.shut(socket.SHUT_RD)

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        self.is_over = True
        taken = self._connection.take()
        link = taken.link(self._residence.output, streams=isinstance(greeting, Stream))
        chunked = self._environ["SERVER_PROTOCOL"] != "HTTP/1.0"
        begin(link, self._residence, self.request, decision, greeting, taken.ahead, chunked=chunked)
        self._is_over.set()

    def _cut(self) -> None:
        self._connection.close_behind()
        self._connection.shut(socket.SHUT_RDWR)

    # Below this line: how it is done

    def _read_body(self) -> None:
        """Read the body while it is wanted."""
        self.expect(announced_bytes(self._environ.get("CONTENT_LENGTH")))
        source = self._environ["wsgi.input"]
        self._is_reading = True
        try:
            while not self._is_over.is_set():
                chunk = source.read1(_READ_BYTES) if hasattr(source, "read1") else source.read(_READ_BYTES)
                if not chunk:
                    break
                self.feed(chunk)
        except OSError:
            if not self._is_over.is_set():
                self.gone()
        finally:
            self._is_reading = False

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
        phrase = responses.get(response.status, "Unknown")
        write = self._start_response(f"{response.status} {phrase}", fields)
        del write
        if body and self.request.method != "HEAD":
            yield body
        self._has_left = True
        if self.written is not None:
            self.written()


def read(residence: Residence, connection: Connection, environ: Environ) -> Request:
    """Make a request of a WSGI environment; RuntimeError on another loop than that which the engine runs on."""
    settle(residence)
    processes = "this server" if environ.get("wsgi.multiprocess") else None
    residence.look_around(connection.socket, processes)
    fields = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    fields += [
        (name.replace("_", "-"), environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)
    ]
    if environ["SERVER_PROTOCOL"] == "HTTP/1.0":  # Upgrade means nothing there (RFC 9110, section 7.8)
        fields = [field for field in fields if field[0] != "UPGRADE"]
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
    handler = getattr(start_response, "__self__", None)
    if isinstance(handler, WSGIHandler):
        return str(handler.path).partition("?")[0]
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return quote(path.encode("latin-1"), safe=_SAFE)


def _has_body(environ: Environ) -> bool:
    return bool(announced_bytes(environ.get("CONTENT_LENGTH"))) or "HTTP_TRANSFER_ENCODING" in environ
