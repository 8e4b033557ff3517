"""A WSGI application among Tornado's handlers, in a bounded number of threads: a slow view delays no socket."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.wsgi import WSGIContainer

from ..drivers.threads import ThreadPool
from ..engine import Asker

__all__ = ["ThreadedWSGI"]


class ThreadedWSGI(WSGIContainer):
    """Serves as the fallback of a `tornado.web.FallbackHandler`, with at most so many requests at once; others wait.

    A response is complete before it is sent, and is made and closed in one thread, where a framework may have opened a
    connection to its database. If the application raises, the connection to the client is closed.
    """

    def __init__(self, application: Callable[..., Any], threads: int) -> None:
        super().__init__(_in_one_thread(application), _Threads(threads))
        self._running: set[Any] = set()

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Answer a request."""
        task, is_answered = asyncio.current_task(), False
        self._running.add(task)
        try:
            await super().handle_request(request)
            is_answered = True
        finally:
            self._running.discard(task)
            if not is_answered:
                connection: Any = request.connection
                connection.stream.close()

    async def drain(self) -> None:
        """Wait until the requests of now are answered."""
        if self._running:
            await asyncio.wait(self._running)


class _Threads(Executor, Asker):
    """Threads as Tornado wants them; they are daemons, so that a slow view does not keep a process from ending."""

    def __init__(self, threads: int) -> None:
        self._limit = threads
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._pool = loop, ThreadPool(loop.call_soon_threadsafe)
        future: Future[Any] = Future()
        self._pool.submit(self._limit, None, function, args, self, future)
        return future

    def answered(self, token: "Future[Any]", result: Any) -> None:
        if not token.cancelled():
            token.set_result(result)

    def failed(self, token: "Future[Any]", error: BaseException) -> None:
        if not token.cancelled():
            token.set_exception(error)


def _in_one_thread(application: Callable[..., Any]) -> Callable[..., Any]:
    def run(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        def start(status: str, fields: list[tuple[str, str]], *error: Any) -> Any:
            # Django writes a blank before each cookie, which Tornado refuses
            return start_response(status, [(name, value.strip(" \t")) for name, value in fields], *error)

        response = application(environ, start)
        try:
            return list(response)
        finally:
            if hasattr(response, "close"):
                response.close()

    return run
