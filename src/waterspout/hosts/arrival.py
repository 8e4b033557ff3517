"""A request whose head Tornado has read, until it is decided about."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate

from ..engine import ANSWERED, Admission, Decision
from ..types import Request
from .reception import Reception
from .requests import watch
from .residence import Residence
from .takeover import Takeover


class Arrival(HTTPMessageDelegate):
    """Goes on as a Takeover or a Reception; while users' functions decide, Tornado reads no further."""

    def __init__(self, residence: Residence, request: Request, connection: HTTP1Connection) -> None:
        self._residence = residence
        self._request = request
        self._connection = connection
        self._next: HTTPMessageDelegate | None = None
        self._decided: asyncio.Future[None] | None = None
        self._admission: Admission | None = None
        admission = residence.engine.admit(request, self._go_on)
        if self._next is None:
            self._admission = admission

    @property
    def delegate(self) -> HTTPMessageDelegate:
        """What goes on; this object itself while it is not decided."""
        return self._next or self

    async def headers_received(self, start_line: Any, headers: Any) -> None:
        """Wait for the decision, and watch the connection meanwhile, which nobody reads."""
        self._decided = asyncio.get_running_loop().create_future()
        stream = self._connection.stream
        stream.set_close_callback(self.on_connection_close)
        watch_no_longer = watch(self._residence, self._connection)
        if watch_no_longer is None:
            self.on_connection_close()
            return
        await self._decided
        watch_no_longer()
        stream.set_close_callback(None)
        if self._next is not None:
            self._next.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass on a part of the body."""
        return None if self._next is None else self._next.data_received(chunk)

    def finish(self) -> None:
        """Pass on the end of the body."""
        if self._next is not None:
            self._next.finish()

    def on_connection_close(self) -> None:
        """The client has gone."""
        if self._next is not None:
            self._next.on_connection_close()
        elif self._admission is not None:
            self._admission.abort()
            self._end()

    def _go_on(self, decision: Decision) -> None:
        if not isinstance(decision, ANSWERED) and (greeting := decision.greeting) is not None:
            self._next = Takeover(self._residence, self._request, decision, greeting, self._connection)
        else:
            self._next = Reception(self._residence, decision, self._request, self._connection)
        self._end()

    def _end(self) -> None:
        self._admission = None
        if self._decided is not None and not self._decided.done():
            self._decided.set_result(None)
