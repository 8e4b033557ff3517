"""HTTP of a gevent server of ours: gevent's WSGIHandler writes the answers, and what it reads is read strictly.

How it works: each connection has a greenlet, which reads a head, calls the application and reads the next head. Heads
and chunks are those of `wire/heads.py`. Every wait for the client has a deadline. A body that the application has not
read is read out if it is short; else the connection ends behind the answer.
"""

import errno
import io
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import unquote

import gevent
from gevent.monkey import get_original
from gevent.pywsgi import WSGIHandler

from ..drivers.log import logger
from ..engine import INTERRUPTS
from ..errors import DecodeError
from ..types import split_target
from ..wire.heads import ChunkDecoder, Head, HeadDecoder
from .adopting import Adopted, is_secure
from .intake import BODY_RATE, BODY_TIMEOUT
from .wsgi import CONNECTION, Environ, adopt

__all__ = ["HEAD_TIMEOUT", "HandlerOwner", "StrictHandler"]

HEAD_TIMEOUT = 10.0  # s from the connection to the end of the first request's head, with the handshake of TLS
IDLE_TIMEOUT = 75.0  # s to the end of a later one's; proxies keep idle connections for 60 s
READ_OUT_BYTES = 65_536  # of a body that the application did not want
LINGER = 2.0  # s in which a client that still sends may read why nobody listens
LINGER_BYTES = 1_000_000

_READ_BYTES = 65_536
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNPREFIXED = ("content-type", "content-length")
_PHRASES = {400: "Bad Request", 431: "Request Header Fields Too Large"}

_poll: Any = get_original("select", "poll")  # which does not wait in a greenlet

log = logger("waterspout.host")


class HandlerOwner(Protocol):
    """What the handler needs of its server."""

    application: Any
    is_ending: bool

    def get_environ(self) -> Environ:
        """Return a new environment, with what all requests have in common."""


class StrictHandler(WSGIHandler):
    """One connection. `is_idle`: it waits for the first byte of a request.

    `owner` accepted it. `server` is what methods of a derived class may use, and by default the same.
    """

    def __init__(self, sock: Any, address: Any, server: HandlerOwner) -> None:
        self.socket: Any = sock
        self.client_address = address
        self.server: Any = server
        self.owner: HandlerOwner = server
        self.rfile: Any = None
        self.ahead = bytearray()  # received, and not read yet
        self.is_idle = True
        self.is_broken = False  # nothing that is written leaves any more
        self.has_served = False  # a request
        self._born = time.monotonic()
        self._left: int | None = None  # bytes of the answer, where it has said how many
        self.head: Head
        self.body: Any = None
        self._heads = HeadDecoder()
        self._is_unread = False  # the client may still be sending
        self._is_cut = False

    def handle(self) -> None:
        """Serve requests until the connection ends."""
        end_at = self._born + HEAD_TIMEOUT
        try:
            while self.socket is not None and self._serve_one(end_at):
                end_at = time.monotonic() + IDLE_TIMEOUT
                gevent.sleep(0)  # others go on, also while this client sends one request after the other
        except OSError:
            pass  # the client has gone, or was too slow
        finally:
            self.body = self.environ = self.wsgi_input = None
            if self.socket is not None:
                self._end()

    # What an engine's request needs

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return str(self.path)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The header fields as they were sent."""
        return self.head.fields

    def take(self) -> Adopted:
        """Take the connection from the handler, with what was read behind the request."""
        taken, self.socket = adopt(self.socket), None
        self.close_connection = True
        return Adopted(taken, bytes(self.ahead))

    def close_behind(self) -> None:
        """End the connection behind the answer."""
        self.close_connection = True

    # Requests

    def cut(self) -> None:
        """Called before its greenlet is killed: read nothing more, and do not wait for the client."""
        self.close_connection = True
        self._is_cut = True

    def is_readable(self) -> bool:
        """Tell whether something has come that nobody has read."""
        if self.socket is None:
            return False
        poll = _poll()
        poll.register(self.socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _serve_one(self, end_at: float) -> bool:
        self.headers_sent, self.status = False, None
        try:
            head = self._read_head(end_at)
        except DecodeError as error:
            self.refuse(error)
            return False
        if head is None:
            return False
        self.command, self.path, self.request_version = head.method, head.target, head.version
        self.head = head
        self.close_connection = not head.keeps_open
        self.body = self.wsgi_input = Body(self, head)  # type: ignore[assignment]
        self.environ = self.get_environ()
        self.environ.setdefault(CONNECTION, self)  # which a derived class may not know of
        self.application = self.owner.application
        self._left = None
        self.has_served = True
        self.handle_one_response()
        self.body._discard()  # which a derived class may have left to us
        self.environ = None
        if self._left and not self.close_connection:
            self.close_connection = True  # what comes next would be taken for the rest
            log.error("the answer to %s %.80s was %d bytes shorter than it said", head.method, head.target, self._left)
        return not (self.close_connection or self.owner.is_ending)

    def _read_head(self, end_at: float) -> Head | None:
        while True:
            head = self._heads.take(self.ahead)
            self.is_idle = not self.ahead and head is None
            if head is not None:
                return head
            if self.is_idle and self.owner.is_ending and self.has_served:
                return None
            if not self.receive(end_at - time.monotonic()):
                return None

    def receive(self, seconds: float) -> int:
        """Wait for bytes; return how many have come, 0 at the end. OSError if none come in time."""
        seconds = max(0.001, seconds)
        if is_secure(self.socket):  # with TLS, `settimeout` would begin anew with each segment
            with gevent.Timeout(seconds, TimeoutError()):
                received = self.socket.recv(_READ_BYTES)
        else:
            self.socket.settimeout(seconds)
            received = self.socket.recv(_READ_BYTES)
            self.socket.settimeout(None)
        self.ahead += received
        return len(received)

    def refuse(self, error: DecodeError) -> None:
        """Answer what is no HTTP, unless an answer has begun, and end the connection."""
        self.close_connection = self._is_unread = True
        text = f"{error.outline}\n".encode()
        if not (self.is_broken or self.headers_sent):
            lines = f"HTTP/1.1 {error.status} {_PHRASES[error.status]}", "Connection: close", "Content-Type: text/plain"
            head = "\r\n".join([*lines, f"Content-Length: {len(text)}", "", ""]).encode()
            self.is_broken = True
            with suppress(OSError):
                self.socket.sendall(head + text)

    def get_environ(self) -> Environ:
        """Write what PEP 3333 asks for."""
        head = self.head
        environ: Environ = self.owner.get_environ()
        host, target = split_target(head.target)
        path, _, query = target.partition("?")
        environ["REQUEST_METHOD"] = head.method
        environ["SERVER_PROTOCOL"] = head.version
        environ["PATH_INFO"] = unquote(path, "latin-1")
        environ["QUERY_STRING"] = query
        if isinstance(self.client_address, tuple):
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self.client_address[0], str(self.client_address[1])
        for key, value in self._headers():
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
        if host is not None:
            environ["HTTP_HOST"] = host
        if kinds := head.values("content-type"):
            environ["CONTENT_TYPE"] = ",".join(kinds)
        if head.values("content-length"):
            environ["CONTENT_LENGTH"] = str(head.length)
        environ["wsgi.input"] = io.BytesIO() if head.length == 0 else io.BufferedReader(self.body, _READ_BYTES)
        environ["wsgi.input_terminated"] = True
        return environ

    def _headers(self) -> Iterator[tuple[str, str]]:
        """Return the header fields under the names that they have in the environment."""
        for name, value in self.head.fields:
            if "_" not in name and name.lower() not in _UNPREFIXED:  # `X_Real_IP` would be X-Real-IP
                yield f"HTTP_{name.upper().replace('-', '_')}", value

    # Answers

    def finalize_headers(self) -> None:
        """Say how long the answer is, and whether it is the last one."""
        super().finalize_headers()
        if self.command == "HEAD":
            self.response_use_chunked = False
        fields: Any = self.response_headers
        lengths = [value for name, value in fields if name.lower() == b"content-length"]
        has_body = self.command != "HEAD" and self.code not in (204, 304)
        if has_body and lengths:
            self._left = int(lengths[-1])
        ends_with_connection = has_body and not lengths and not self.response_use_chunked
        if self.owner.is_ending or self.body.is_in_the_way or ends_with_connection:
            self.close_connection = True
            fields[:] = [field for field in fields if field[0].lower() != b"connection"]
        if self.close_connection and not any(name.lower() == b"connection" for name, _ in fields):
            fields.append((b"Connection", b"close"))

    def _write(self, data: Any, *more: Any) -> None:
        if self.command == "HEAD":
            return
        if self._left is not None:
            if len(data) > self._left:
                self.close_connection = True
                log.error("the answer to %s %.80s is longer than it said, and is cut", self.command, self.path)
            data = data[: self._left]
            self._left -= len(data)
        super()._write(data, *more)  # type: ignore[misc]

    def _sendall(self, data: Any) -> None:
        if self.is_broken:
            raise ConnectionResetError(errno.ECONNRESET, "the connection is at its end")
        try:
            super()._sendall(data)  # type: ignore[misc]
        except OSError as error:  # with TLS, gevent knows only some of them for a client that has gone
            self.is_broken = self.close_connection = True
            raise ConnectionResetError(errno.ECONNRESET, f"the client has gone: {error}") from error

    def log_request(self) -> None:
        """Log nothing: this is the application's, or a proxy's."""

    def _log_error(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if isinstance(error, Exception):
            log.error("the WSGI application failed", exc_info=error)
        elif isinstance(error, INTERRUPTS):
            gevent.get_hub().handle_system_error(kind, error, trace)  # raised where the program waits, as by gevent

    # The end

    def _end(self) -> None:
        """Close; a client that still sends may read the answer first, since bytes that nobody reads are a reset."""
        sock, self.socket = self.socket, None
        try:
            if self._is_unread and not self._is_cut:
                self._linger(sock)
        except (OSError, ValueError):
            pass  # the client was faster
        finally:
            sock.close()

    def _linger(self, sock: Any) -> None:
        sock.settimeout(0.0)
        if hasattr(sock, "unwrap"):
            with suppress(OSError):
                sock.unwrap()
        sock.shutdown(socket.SHUT_WR)
        end_at, left = time.monotonic() + LINGER, LINGER_BYTES
        while left > 0 and (seconds := end_at - time.monotonic()) > 0:
            sock.settimeout(seconds)
            received = len(sock.recv(_READ_BYTES))
            if not received:
                break
            left -= received

    def left_unread(self) -> None:
        """Called when a body is not read to its end."""
        self.close_connection = self._is_unread = True


class Body(io.RawIOBase):
    """The body of a request, as it comes from a connection."""

    def __init__(self, connection: StrictHandler, head: Head) -> None:
        self._connection = connection
        self._left = head.length or 0
        self._chunks = ChunkDecoder() if head.length is None else None
        expects = any(value.lower() == "100-continue" for value in head.values("expect"))
        self._is_awaited = expects and head.version != "HTTP/1.0" and not self.is_complete
        self._is_broken = False  # nothing more comes
        self._waited = 0.0
        self._read_bytes = 0

    @property
    def is_complete(self) -> bool:
        """Whether the application has all of it."""
        return not self._left if self._chunks is None else self._chunks.is_complete

    @property
    def is_in_the_way(self) -> bool:
        """Whether it is not worth to be read for the next request's sake."""
        return not self.is_complete and (self._is_awaited or self._left > READ_OUT_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read a part; 0 at the end. OSError where the client goes, or is too slow."""
        if self.is_complete:
            return 0
        while not (content := self._take(len(buffer))):
            if self.is_complete:
                return 0
            if not self._receive():
                raise ConnectionResetError(errno.ECONNRESET, "the client has gone in the middle of its body")
        buffer[: len(content)] = content
        self._read_bytes += len(content)
        return len(content)

    def _receive(self) -> int:
        """Wait for more. ConnectionResetError, which is nobody's fault here, for all that may go wrong."""
        connection = self._connection
        if self._is_broken:
            raise ConnectionResetError(errno.ECONNRESET, "the body has ended before")
        began = time.monotonic()
        try:
            if self._is_awaited:
                self._is_awaited = False
                connection.socket.sendall(_CONTINUE)
            return connection.receive(BODY_TIMEOUT + self._read_bytes / BODY_RATE - self._waited)
        except OSError as error:
            self._is_broken = connection.close_connection = True
            raise ConnectionResetError(errno.ECONNRESET, f"the body does not come: {error}") from error
        finally:
            self._waited += time.monotonic() - began

    def _take(self, most: int) -> bytes:
        ahead = self._connection.ahead
        if self._chunks is None:
            content = bytes(ahead[: min(most, self._left)])
            del ahead[: len(content)]
            self._left -= len(content)
            return content
        try:
            return self._chunks.take(ahead, most)
        except DecodeError as error:
            self._connection.refuse(error)
            raise ConnectionResetError(errno.ECONNRESET, error.outline) from None

    def _discard(self) -> None:
        """Called behind the answer: read the rest, if it is short."""
        connection, buffer, left = self._connection, bytearray(_READ_BYTES), READ_OUT_BYTES
        if connection.socket is None:
            return
        with suppress(OSError):
            while not (self.is_complete or self.is_in_the_way or connection.close_connection) and left > 0:
                left -= self.readinto(memoryview(buffer))
        if not self.is_complete:
            connection.left_unread()
