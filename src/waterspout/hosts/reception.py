"""A request that Tornado reads for an engine, and its answer.

How it works: the engine decides by the head of the request; while users' functions decide, Tornado reads no further.
The body goes to the `Intake`. While a request waits for its decision or its answer (a parked GET), the connection is
not read, so it is watched for a disconnect.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http.client import responses

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, ResponseStartLine, format_timestamp

from ..engine import Admitted, Decision, Greeting, Response
from .intake import Intake, announced_bytes
from .loops import AsyncioLoop
from .residence import Residence
from .takeover import take_over


class TornadoIntake(Intake):
    """A request on a connection of Tornado's, which is watched while the request waits.

    `is_lost`: the answer does not arrive, as the client had disconnected when it was written, or as writing failed.
    """

    def __init__(self, residence: Residence, connection: HTTP1Connection) -> None:
        super().__init__(residence.engine)
        self._residence = residence
        self.connection = connection
        self.is_lost = False
        self._held: asyncio.Future[None] | None = None  # Tornado waits for it
        self._leave: Callable[[], None] | None = None
        self._left: asyncio.Future[None] | None = None  # done when the kernel has the rest of the answer

    def hold(self) -> "asyncio.Future[None]":
        """Return a future that is done when the request is decided or aborted; Tornado reads no further until then."""
        self._held = asyncio.get_running_loop().create_future()
        self.connection.stream.set_close_callback(self._lost)
        self.watch()
        return self._held

    def watch(self) -> None:
        """Close the connection when the client disconnects."""
        stream, loop = self.connection.stream, self._residence.output.loop
        assert isinstance(loop, AsyncioLoop)
        if stream.closed():  # since the head was read; Tornado does not report that
            loop.soon(self._lost)
        elif self._leave is None:
            watched = stream.socket.fileno(), stream.close
            loop.failures.watch(*watched, with_end=True)
            self._leave = partial(loop.failures.forget, *watched)

    def leave(self) -> None:
        """Stop watching: the request is over, or the connection is read again."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def complete(self) -> None:
        super().complete()
        if not self.is_over:
            self.watch()

    def gone(self) -> None:
        super().gone()
        self._go_on()

    def sent(self, sent: "asyncio.Future[None]") -> None:
        """Called when the answer is written, before Tornado's `finish`; `sent` is also done after a disconnect."""
        stream, written = self.connection.stream, self.written
        self.is_lost |= stream.closed()
        if not self.is_lost and (written is not None or not sent.done()):
            self._left = stream.write(b"")
            if written is not None:
                self._left.add_done_callback(lambda left: written() if _is_done(left) else None)

    def take_back(self) -> bool:
        if self.is_lost:
            return True
        if self._left is None or _is_done(self._left):
            return False
        self.connection.close()
        return True

    def _decided(self, decision: Decision) -> None:
        self._go_on()
        super()._decided(decision)

    def _go_on(self) -> None:
        if self._held is not None and not self._held.done():
            self.leave()
            self.connection.stream.set_close_callback(None)
            self._held.set_result(None)

    def _cut(self) -> None:
        self.connection.close()

    def _lost(self) -> None:
        self.gone()

    def _wait_no_longer(self) -> None:
        super()._wait_no_longer()
        self.leave()


class Reception(TornadoIntake, HTTPMessageDelegate):
    """A request whose head Tornado has read."""

    version = "HTTP/1.1"

    # What Tornado calls

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> Awaitable[None] | None:
        """Expect a body, once the request is decided."""
        if self.admission is not None:
            return self._expect_later(headers)
        self._expect(headers)
        return None

    def data_received(self, chunk: bytes) -> None:
        self.feed(chunk)

    def finish(self) -> None:
        """Serve the complete request."""
        self.complete()
        if not self.is_over:
            self.connection.set_close_callback(self.gone)

    def on_connection_close(self) -> None:
        self.gone()

    # Below this line: how it is done

    async def _expect_later(self, headers: HTTPHeaders) -> None:
        await self.hold()
        if not self.is_over:
            self._expect(headers)

    def _expect(self, headers: HTTPHeaders) -> None:
        length = announced_bytes(headers.get("Content-Length"))
        if length or "Transfer-Encoding" in headers:
            self.expect(length)

    def _answer(self, response: Response) -> None:
        fields = HTTPHeaders()
        for name, value in response.headers:
            fields.add(name, value)
        fields.add("Date", format_timestamp(time.time()))
        if response.status != 204:
            fields.add("Content-Length", str(len(response.body)))
        start_line = ResponseStartLine("HTTP/1.1", response.status, responses.get(response.status, "Unknown"))
        body = None if self.request.method == "HEAD" else response.body or None
        sent = self.connection.write_headers(start_line, fields, body)
        sent.add_done_callback(_is_done)
        self.sent(sent)
        self.connection.finish()

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        self.is_over = True
        take_over(self.connection.detach(), self._residence, self.request, decision, greeting, self.version)


def _is_done(future: "asyncio.Future[None]") -> bool:
    """Tell whether a write has completed; retrieve its error, which asyncio would log otherwise."""
    return future.done() and not future.cancelled() and future.exception() is None
