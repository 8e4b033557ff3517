"""A WSGI application among Tornado's handlers, in a bounded number of threads: a slow view delays no socket.

How it works: a request is complete before a thread takes it, and an answer before it is sent, so a client that is slow
occupies no thread. The answer is spooled (`spools`): a large one waits in a file for a client that reads slowly.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from http.client import responses
from io import BytesIO
from typing import IO, Any

from tornado import version
from tornado.escape import url_unescape
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine, format_timestamp, split_host_and_port
from tornado.iostream import StreamClosedError
from tornado.wsgi import WSGIContainer, to_wsgi_str

from ..drivers.log import logger
from ..drivers.threads import ThreadPool
from ..engine import Asker
from .spools import MEMORY_BYTES, Store
from .wsgicalls import BodySource, WSGIAnswer, WSGICall

__all__ = ["MAX_BYTES", "ThreadedWSGI", "environ_of"]

MAX_BYTES = 100_000_000

Future = asyncio.Future[Any]

_STORED = 10  # times the limit of one body, for the files of all together
_MOST_WAITING = 1000  # requests that wait for a thread
_MOST_LEFT = 10_000  # requests that no thread has dropped yet, after their clients have left
_READ_TIMEOUT = 60.0  # s for each 64 KB of a long answer

log = logger("waterspout.host")


class ThreadedWSGI(WSGIContainer, Asker):
    """Serves as the fallback of a `tornado.web.FallbackHandler`, with at most so many requests at once.

    Up to 1000 more wait, and others are answered with 503. A request is dropped if its client leaves while it waits.
    An answer is complete before it is sent, and is made and closed in one thread, where a framework may have opened a
    connection to its database. It has at most `max_bytes`; a longer one is answered with 500, and so is an exception
    of the application. What is longer than 64 KB is in a file; these have up to ten times `max_bytes` in all.
    """

    def __init__(self, application: Callable[..., Any], threads: int, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(application)
        self.store = Store(max_bytes, _STORED * max_bytes)
        self._limit = threads
        self._running: set[Any] = set()
        self._waiting = 0  # requests without an answer, whose client is there
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ending = self._has_warned = False

    def __call__(self, request: HTTPServerRequest) -> None:
        self._begin_whole(request)

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Answer a request, whose body is in it."""
        await asyncio.wait([self._begin_whole(request)])

    def begin(
        self, request: HTTPServerRequest, body: IO[bytes], size_bytes: int, source: BodySource
    ) -> asyncio.Task[None]:
        """Answer a request with this body, and close its source."""
        environ = {**self.environ(request), "wsgi.input": body, "CONTENT_LENGTH": str(size_bytes)}
        call = WSGICall(self.wsgi_application, environ, source, self.store)
        task = asyncio.get_running_loop().create_task(self._answer(request, call))
        self._running.add(task)

        def end(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                log.error("a request for the WSGI application could not be served", exc_info=error)
            if error is not None or task.cancelled():
                call.drop()
                connection: Any = request.connection
                connection.stream.close()

        task.add_done_callback(end)
        return task

    def environ(self, request: HTTPServerRequest) -> dict[str, Any]:
        """Return what the application is told about a request."""
        return environ_of(request)

    def refuse(self, request: HTTPServerRequest, status: int, text: str) -> None:
        """Answer with a sentence; the connection is closed behind it if the body of the request is not complete."""
        headers = HTTPHeaders({"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"})
        headers["Content-Length"] = str(len(text))
        if status == 503:
            headers["Retry-After"] = "5"
        self._begin(request, status, responses[status], headers, None if request.method == "HEAD" else text.encode())
        self._end(request, status)

    async def drain(self) -> None:
        """Answer what has been asked, and what is asked meanwhile over open connections, which are told to close."""
        self._is_ending = True
        while self._running:
            await asyncio.wait(self._running)

    def close(self) -> None:
        """Give up what still runs; its clients get no answer."""
        for task in list(self._running):
            task.cancel()
        if self._loop is not None:
            self._loop = None
            self._pool.close()

    # What the pool of threads calls

    def answered(self, token: Future, result: Any) -> None:
        if not token.done():
            token.set_result(result)
        elif result is not None:
            result.body.close()

    def failed(self, token: Future, error: BaseException) -> None:
        if not token.done():
            token.set_result(error)

    # Below this line: how it is done

    def _begin_whole(self, request: HTTPServerRequest) -> asyncio.Task[None]:
        body = BytesIO(request.body)
        return self.begin(request, body, len(request.body), body)

    async def _answer(self, request: HTTPServerRequest, call: WSGICall) -> None:
        pool = self._own_pool()
        if self._waiting >= self._limit + _MOST_WAITING or pool.busy >= self._limit + _MOST_LEFT:
            call.drop()
            self.refuse(request, 503, "too many requests wait")
            return
        self._waiting += 1
        try:
            made = await self._make(request, call, pool)
        finally:
            self._waiting -= 1
        if isinstance(made, Exception):
            log.error("the WSGI application failed at %s %.80s", request.method, request.path, exc_info=made)
            self.refuse(request, 500, "the application failed")
        elif isinstance(made, BaseException):
            raise made  # KeyboardInterrupt and SystemExit end the process
        elif made is not None:
            await self._send(request, made)

    def _own_pool(self) -> ThreadPool:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._pool = loop, ThreadPool(loop.call_soon_threadsafe)
            self._is_ending = False
        return self._pool

    def _make(self, request: HTTPServerRequest, call: WSGICall, pool: ThreadPool) -> Future:
        """Return a future of the answer, of what was raised, or of None if the client has left before it began."""
        done = asyncio.get_running_loop().create_future()

        def leave() -> None:
            if call.drop() and not done.done():
                done.set_result(None)

        connection: Any = request.connection
        connection.set_close_callback(leave)
        pool.submit(self._limit, None, call.make, (), self, done)
        return done

    async def _send(self, request: HTTPServerRequest, answer: WSGIAnswer) -> None:
        self._warn_of_streams(answer)
        connection: Any = request.connection
        body = answer.body
        try:
            is_short = answer.is_bodiless or body.size_bytes <= MEMORY_BYTES
            first = None if answer.is_bodiless else body.rewind().read() if is_short else None
            self._begin(request, answer.status, answer.reason, answer.headers, first)
            for part in () if is_short else body.parts():
                async with asyncio.timeout(_READ_TIMEOUT):
                    await connection.write(part)
            self._end(request, answer.status)
        except (StreamClosedError, TimeoutError):
            connection.stream.close()  # the client has left, or reads nothing
        finally:
            body.close()

    def _begin(
        self, request: HTTPServerRequest, status: int, reason: str, headers: HTTPHeaders, body: bytes | None
    ) -> None:
        headers.setdefault("Server", f"TornadoServer/{version}")
        headers.setdefault("Date", format_timestamp(time.time()))
        if self._is_ending:
            headers["Connection"] = "close"
        connection: Any = request.connection
        connection.write_headers(ResponseStartLine("HTTP/1.1", status, reason), headers, chunk=body)

    def _end(self, request: HTTPServerRequest, status: int) -> None:
        connection: Any = request.connection
        connection.finish()
        self._log(status, request)

    def _warn_of_streams(self, answer: WSGIAnswer) -> None:
        if not self._has_warned and answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            self._has_warned = True
            log.warning(
                "a view has answered with an event stream, which is sent when it is complete: publish to a channel and "
                "expose that, or serve with --host gevent"
            )


def environ_of(request: HTTPServerRequest) -> dict[str, Any]:
    """Return the environment of WSGI for a request of Tornado's, whose body is complete or does not matter.

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
        "wsgi.input_terminated": True,
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
    if cookies := request.headers.get_list("Cookie"):
        environ["HTTP_COOKIE"] = "; ".join(cookies)  # HTTP/2 splits them, and not every proxy joins them again
    return environ
