"""A WSGI application among Tornado's handlers, in a bounded number of threads: a slow view delays no socket."""

import asyncio
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

from tornado import version
from tornado.escape import url_unescape
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine, split_host_and_port
from tornado.wsgi import WSGIContainer, to_wsgi_str

from ..drivers.threads import ThreadPool
from ..engine import Asker

__all__ = ["ThreadedWSGI", "environ_of"]

Future = asyncio.Future[Any]
Fields = list[tuple[str, str]]

_MOST_WAITING = 1000  # requests that wait for a thread; each holds its body
_BUSY = "503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "5")], b"too many requests wait"
_OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class ThreadedWSGI(WSGIContainer, Asker):
    """Serves as the fallback of a `tornado.web.FallbackHandler`, with at most so many requests at once.

    Up to 1000 more wait, and others are answered with 503. A request is dropped if its client leaves while it waits.
    A response is complete before it is sent, and is made and closed in one thread, where a framework may have opened a
    connection to its database. If the application raises, the connection to the client is closed.
    """

    def __init__(self, application: Callable[..., Any], threads: int) -> None:
        super().__init__(application)
        self._limit = threads
        self._running: set[Any] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Answer a request."""
        if len(self._running) >= self._limit + _MOST_WAITING:
            self._send(request, *_BUSY)
            return
        connection: Any = request.connection
        task, is_done = asyncio.current_task(), False
        self._running.add(task)
        try:
            made = await self._make(request)
            if made is not None:
                self._send(request, *made)
            is_done = True
        finally:
            self._running.discard(task)
            if not is_done:
                connection.stream.close()

    def environ(self, request: HTTPServerRequest) -> dict[str, Any]:
        """Return what the application is told about a request."""
        return environ_of(request)

    async def drain(self) -> None:
        """Wait until the requests of now are answered."""
        if self._running:
            await asyncio.wait(self._running)

    # What the pool of threads calls

    def answered(self, token: Future, result: Any) -> None:
        if not token.done():
            token.set_result(result)

    def failed(self, token: Future, error: BaseException) -> None:
        if not token.done():
            token.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)

    # Below this line: how it is done

    def _make(self, request: HTTPServerRequest) -> Future:
        """Return a future of the response, or of None if the client has left."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._pool = loop, ThreadPool(loop.call_soon_threadsafe)
        done = loop.create_future()
        call = _Call(self.wsgi_application, self.environ(request), done)
        connection: Any = request.connection
        connection.set_close_callback(call.leave)
        self._pool.submit(self._limit, None, call.make, (), self, done)
        return done

    def _send(self, request: HTTPServerRequest, status: str, fields: Fields, body: bytes) -> None:
        code, _, reason = status.partition(" ")
        headers = HTTPHeaders()
        for name, value in fields:
            if name.lower() not in _OF_THE_CONNECTION:
                headers.add(name, value.strip(" \t"))  # Django writes a blank before each cookie, which Tornado refuses
        if code in ("204", "304"):
            headers.pop("Content-Length", None)
            body = b""
        else:
            headers.setdefault("Content-Length", str(len(body)))
            headers.setdefault("Content-Type", "text/html; charset=UTF-8")
        headers.setdefault("Server", f"TornadoServer/{version}")
        connection: Any = request.connection
        sent = None if request.method == "HEAD" else body
        connection.write_headers(ResponseStartLine("HTTP/1.1", int(code), reason), headers, chunk=sent)
        connection.finish()
        self._log(int(code), request)


class _Call:
    """A request on its way through a thread."""

    def __init__(self, application: Callable[..., Any], environ: dict[str, Any], done: Future) -> None:
        self._application = application
        self._environ = [environ]  # until it begins; which thread has it is decided by `pop`
        self._done = done
        self._is_wanted = True

    def leave(self) -> None:
        """Drop the request if it waits, and what is still to come of its response: the client has left."""
        self._is_wanted = False
        try:
            self._environ.pop()
        except IndexError:
            return  # it runs, and the end of the process waits for it
        if not self._done.done():
            self._done.set_result(None)

    def make(self) -> tuple[str, Fields, bytes] | None:
        """Call the application, and return status, header fields and body; None if the client has left."""
        try:
            environ = self._environ.pop()
        except IndexError:
            return None
        heads: list[tuple[str, Fields]] = []
        parts: list[bytes] = []

        def start_response(status: str, fields: Fields, exc_info: Any = None) -> Callable[[bytes], None]:
            heads.append((status, fields))
            return parts.append

        response = self._application(environ, start_response)
        try:
            for part in response:
                if not self._is_wanted:
                    return None
                parts.append(part)
        finally:
            if hasattr(response, "close"):
                response.close()
        if not heads:
            raise RuntimeError("the application has not called start_response")
        return *heads[-1], b"".join(parts)


def environ_of(request: HTTPServerRequest) -> dict[str, Any]:
    """Return the environment of WSGI for a request, whose body is complete.

    Fields with an underscore in their names are left out: in the environment they would look like those with a hyphen,
    which a proxy may vouch for.
    """
    host, port = split_host_and_port(request.host)
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": to_wsgi_str(url_unescape(request.path, encoding=None, plus=False)),
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": request.remote_ip,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or (443 if request.protocol == "https" else 80)),
        "SERVER_PROTOCOL": request.version,
        "CONTENT_LENGTH": str(len(request.body)),  # that of the header may be of a compressed or a chunked body
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.protocol,
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        if name == "Content-Type":
            environ["CONTENT_TYPE"] = value
        elif "_" not in name and name not in ("Content-Length", "Transfer-Encoding"):
            environ[f"HTTP_{name.replace('-', '_').upper()}"] = value
    return environ
