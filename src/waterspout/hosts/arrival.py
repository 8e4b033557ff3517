"""A request whose head Tornado has read, until it is decided about."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate

from ..engine import ANSWERED, Decision
from ..types import Request
from .reception import Reception
from .residence import Residence
from .takeover import Takeover


class Arrival(HTTPMessageDelegate):
    """Goes on as a Takeover or a Reception; while users' functions decide, Tornado reads no further.

    `delegate` is what goes on, or this object itself while it is not decided.
    """

    def __init__(self, residence: Residence, request: Request, connection: HTTP1Connection) -> None:
        self._residence = residence
        self._request = request
        self._connection = connection
        self._decided: asyncio.Future[None] | None = None
        self._is_lost = False
        self.delegate: HTTPMessageDelegate = self
        self._admission = residence.engine.admit(request, self._go_on)

    def headers_received(self, start_line: Any, headers: Any) -> Awaitable[None]:
        """Let Tornado wait for the decision, and watch the connection meanwhile, which nobody reads."""
        return self._wait(start_line, headers)

    async def _wait(self, start_line: Any, headers: Any) -> None:
        self._decided = asyncio.get_running_loop().create_future()
        self._connection.stream.set_close_callback(self.on_connection_close)
        watch_no_longer = self._residence.watch(self._connection)
        if watch_no_longer is None:
            self.on_connection_close()
            return
        await self._decided
        watch_no_longer()
        self._connection.stream.set_close_callback(None)
        if not self._is_lost:
            coming = self.delegate.headers_received(start_line, headers)
            assert coming is None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass on a part of the body."""
        return None if self._is_lost else self.delegate.data_received(chunk)

    def finish(self) -> None:
        """Pass on the end of the body."""
        if not self._is_lost:
            self.delegate.finish()

    def on_connection_close(self) -> None:
        """The client has gone."""
        if self.delegate is not self:
            self.delegate.on_connection_close()
        elif not self._is_lost:
            self._is_lost = True
            if self._admission is not None:
                self._admission.abort()
            if self._decided is not None:
                self._decided.set_result(None)

    def _go_on(self, decision: Decision) -> None:
        if not isinstance(decision, ANSWERED) and (greeting := decision.greeting) is not None:
            self.delegate = Takeover(self._residence, self._request, decision, greeting, self._connection)
        else:
            self.delegate = Reception(self._residence, decision, self._request, self._connection)
        if self._decided is not None:
            self._decided.set_result(None)
