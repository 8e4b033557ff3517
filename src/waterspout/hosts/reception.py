"""A request that Tornado reads for an engine: its body, with a deadline, and its answer.

How it works: the engine decides with the head of the request (`Engine.admit`). What is refused is answered at once,
and its body is read and dropped for a while, since a client that is still sending does not see an answer before a
reset. Otherwise the body is collected up to `max_payload_bytes`, within `BODY_TIMEOUT`, and given to
`Engine.respond`. The answer may come much later (a parked GET); until then the connection is watched for the end of
its client.
"""

import asyncio
import re
import time
from collections.abc import Callable
from http.client import responses

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, ResponseStartLine, format_timestamp

from ..engine import ANSWERED, Admitted, Decision, Response, Resume
from ..types import Request
from .requests import watch
from .residence import Residence

BODY_TIMEOUT = 30.0  # s for the body of a request that was admitted
REFUSED_BODY_TIMEOUT = 10.0  # s for one that nobody wants


class Rest:
    """What the kernel has not taken of an answer, if anything: made when all is written, before Tornado's `finish`."""

    def __init__(self, connection: HTTP1Connection, written: "asyncio.Future[None]") -> None:
        self._connection = connection
        self._is_lost = connection.stream.closed()
        self._left: asyncio.Future[None] | None = None
        if not (self._is_lost or written.done()):
            self._left = connection.stream.write(b"")  # `written` would be done as well when the client has gone

    def take_back(self) -> bool:
        """Cut the connection if there is a rest; tell whether there is."""
        left = self._left
        if not self._is_lost and (left is None or (left.done() and left.exception() is None)):
            return False
        self._connection.close()
        return True


class Exchange:
    """A request that waits for its answer."""

    def __init__(self, request: Request, connection: HTTP1Connection) -> None:
        self.request = request
        self._connection = connection
        self._rest: Rest | None = None
        self._watch_no_longer: Callable[[], None] | None = None
        self.is_over = False  # answered, or given up by the client

    def respond(self, response: Response) -> None:
        """Send the answer, unless the client has gone."""
        if self.is_over:
            return
        self.end()
        fields = HTTPHeaders()
        for name, value in response.headers:
            fields.add(name, value)
        fields.add("Date", format_timestamp(time.time()))
        if response.status != 204:
            fields.add("Content-Length", str(len(response.body)))
        start_line = ResponseStartLine("HTTP/1.1", response.status, responses.get(response.status, "Unknown"))
        body = None if self.request.method == "HEAD" else response.body or None
        written = self._connection.write_headers(start_line, fields, body)
        written.add_done_callback(_forget)
        self._rest = Rest(self._connection, written)
        self._connection.finish()

    def park(self, residence: Residence) -> bool:
        """Have the connection closed when the client goes before the answer; tell whether it is still open."""
        self._watch_no_longer = watch(residence, self._connection)
        return self._watch_no_longer is not None

    def end(self) -> None:
        """Wait no longer: it is answered, or the client has gone."""
        self.is_over = True
        if self._watch_no_longer is not None:
            self._watch_no_longer()

    def take_back(self) -> bool:
        """Cut the connection of one whose answer has not gone to the kernel as a whole; tell whether that was so."""
        return self._rest is not None and self._rest.take_back()


class Reception(HTTPMessageDelegate):
    """The body of a request that has been decided about, and then its service."""

    def __init__(self, residence: Residence, decision: Decision, request: Request, connection: HTTP1Connection) -> None:
        self._residence = residence
        self._engine = engine = residence.engine
        self._decision = decision
        self._exchange = Exchange(request, connection)
        self._connection = connection
        self._limit = engine.policy.max_payload_bytes
        self._is_wanted = not isinstance(decision, ANSWERED)
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> None:
        """Expect the body; the answer comes after it, for Tornado closes what it has not read out."""
        length = announced_bytes(headers)
        if length or "Transfer-Encoding" in headers:
            seconds = BODY_TIMEOUT if self._is_wanted else REFUSED_BODY_TIMEOUT
            self._deadline = asyncio.get_running_loop().call_later(seconds, self._connection.close)
            if isinstance(self._decision, Resume):
                self._engine.await_body(self._decision, self._exchange)
        self._expect(length)

    def data_received(self, chunk: bytes) -> None:
        """Collect a wanted body up to the limit; drop what is more, up to four times as much."""
        self._body_bytes += len(chunk)
        if self._body_bytes > self._limit:
            self._body.clear()
            self._expect(self._body_bytes)
        elif self._is_wanted:
            self._body.append(chunk)

    def finish(self) -> None:
        """Serve the request, which is complete."""
        self._wait_no_longer()
        decision = self._decision
        if isinstance(decision, ANSWERED):
            self._exchange.respond(decision.response)
        elif self._body_bytes > self._limit:
            self._refuse_body(decision)
        else:
            self._connection.set_close_callback(self.on_connection_close)
            self._engine.respond(decision, self._exchange, b"".join(self._body))
            if not (self._exchange.is_over or self._exchange.park(self._residence)):
                self.on_connection_close()

    def on_connection_close(self) -> None:
        """The client has gone before the answer, or was too slow: whatever waits for it ends."""
        self._wait_no_longer()
        if not self._exchange.is_over and not isinstance(self._decision, ANSWERED):
            self._exchange.end()
            self._engine.abort(self._decision)

    def _expect(self, length: int) -> None:
        """Answer at once, and close, if a body is so long that reading it out would be a service to an attacker."""
        if length <= 4 * self._limit:
            return
        if isinstance(self._decision, ANSWERED):
            self._exchange.respond(self._decision.response)
        else:
            self._refuse_body(self._decision)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse_body(self, decision: Admitted) -> None:
        if not self._exchange.is_over:
            self._exchange.respond(self._engine.refuse_body(decision))


def announced_bytes(headers: HTTPHeaders) -> int:
    """Return the announced length of the body; 0 for what is none, which Tornado refuses when it comes to the body."""
    length = headers.get("Content-Length", "").partition(",")[0]  # a proxy may have repeated it
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else 0


def _forget(future: "asyncio.Future[None]") -> None:
    """Look at the result, which is an error when the client has gone: nobody waits for it."""
    if not future.cancelled():
        future.exception()
