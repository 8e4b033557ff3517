"""uvicorn's HTTP, in which sessions poll without a call of the application; `hosts.uvicorn` gives it its public name.

How it works: where uvicorn calls an `App`, with nothing around it but uvicorn's own middleware, the protocol reads the
polls of its sessions (`polls`), and asks the engine itself, in the place of uvicorn's parser, scope, task and events.
All else on the same connection is uvicorn's: the first request of a session, WebSockets, event streams, other paths.
Its timeouts, access log, counters and shutdown hold for polls as well.
"""

import copy
from contextlib import ExitStack, suppress
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}: pip install 'uvicorn[standard]'", name=error.name) from None

from ..engine import Response
from ..types import Request
from ..wire.heads import Fields
from .asgi import residences_of
from .asgirequests import Receive, Scope, Send, sender_of, unforwarded
from .polls import Poll, PollIntake, PollReader, Sender, head_of

__all__ = ["HttpProtocol"]


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's usual protocol, but for the polls of an `App`."""

    _intake: PollIntake | None = None
    _ahead = b""  # what was read behind a poll that is not answered
    _is_reading = False  # uvicorn has a part of a request
    _is_ending = False
    _idle_at = 0.0

    def __init__(self, config: Config, *args: Any, **options: Any) -> None:
        super().__init__(config, *args, **options)
        self._front = _Front.of(config)
        self._reader = PollReader(self._front.residences, self._identify) if self._front.residences else None

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Serve a poll; uvicorn serves what is none."""
        if self.transport.is_closing():
            return  # the last answer has been given, and TLS had more of the client's
        if self._intake is not None:
            self._hold(self._intake.take(data))
        elif self._ahead:
            self._hold(data)
        elif (poll := self._poll(data)) is None:
            super().data_received(data)
        elif not self._is_free:
            self._hold(data)
        else:
            residence, request, start, length = poll
            self._intake = intake = PollIntake(residence.engine, self, length)
            self._hold(intake.start(request, data[start:]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell a poll that its client has gone."""
        intake, self._intake, self._ahead = self._intake, None, b""
        self._reader = None  # a reference cycle
        if intake is not None:
            intake.gone()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Serve the next poll of a client that has read its last answer."""
        super().resume_writing()
        self._go_on_soon()

    # What uvicorn calls

    def on_message_begin(self) -> None:
        """Called by uvicorn's parser."""
        self._is_reading = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Called by uvicorn's parser."""
        self._is_reading = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called by uvicorn, which waits for the next request now."""
        self._idle_at = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for all of the time; a poll does not set the timer anew."""
        self.timeout_keep_alive_task = None
        if self._intake is None and not self._ahead:  # else the next answer sets it
            left = self._idle_at + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self._set_timer(left)
            else:
                super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """End the connection, behind the answer to a poll."""
        if self._intake is None:
            super().shutdown()
        else:
            self._is_ending = True

    # What a poll calls

    def answer(self, response: Response, *, is_last: bool) -> None:
        """Send this, and close the connection then if it is the last."""
        intake, self._intake = self._intake, None
        assert intake is not None
        state = self.server_state
        state.total_requests += 1
        if self.access_log:
            self._log(intake.request, response.status)
        is_last = is_last or self._is_ending
        self.transport.write(self._front.write(response, state.default_headers, is_last=is_last))
        if is_last:
            self.transport.close()
            return
        self._idle_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._set_timer(self.timeout_keep_alive)
        self._go_on_soon()

    # Below this line: how it is done

    def _poll(self, data: bytes) -> Poll | None:
        """Read the poll that this begins with, if uvicorn has nothing else to do here, and its engine runs here."""
        cycle: RequestResponseCycle | None = self.cycle
        if self._reader is None or self._is_reading or not (cycle is None or cycle.response_complete):
            return None
        poll = self._reader.read(data)
        return None if poll is None or poll.residence.home is not self.loop else poll

    def _hold(self, data: bytes) -> None:
        """Keep what stands behind a poll until that is answered."""
        if data:
            self._ahead += data
            self._go_on_soon()
            if len(self._ahead) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    @property
    def _is_free(self) -> bool:
        """Whether a poll may be served: none waits, and the client has read what it was answered."""
        return self._intake is None and not self.flow.write_paused

    def _go_on_soon(self) -> None:
        if self._ahead and self._is_free:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._is_free or self.transport.is_closing():
            return
        data, self._ahead = self._ahead, b""
        self.flow.resume_reading()
        if data:
            with ExitStack() as fault:
                fault.callback(self.transport.abort)  # as the loop does where it calls
                self.data_received(data)
                fault.pop_all()

    def _set_timer(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _identify(self, fields: Fields) -> Sender:
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        scope: Scope = {"type": "http", "client": self.client, "scheme": self.scheme, "headers": raw}
        self._front.evaluate(scope)
        left = unforwarded(scope, raw)
        return Sender(*sender_of(scope), [(name.decode("latin-1"), value.decode("latin-1")) for name, value in left])

    def _log(self, request: Request, status: int) -> None:
        """Write the line that uvicorn would write."""
        address, port = self.client or ("", 0)
        if request.remote_address not in (address, "unix"):
            address, port = request.remote_address, 0  # a proxy has told
        client = f"{address}:{port}" if address else ""
        target = self.root_path + request.target
        self.access_logger.info('%s - "%s %s HTTP/%s" %d', client, request.method, target, "1.1", status)


class _Front:
    """What the connections of one server of uvicorn's have in common: whose polls they serve, and how they answer."""

    def __init__(self, config: Config) -> None:
        app: Any = config.loaded_app
        self._middleware: Any = None
        if type(app) is ProxyHeadersMiddleware:
            self._middleware = copy.copy(app)
            self._middleware.app = _nothing
            app = app.app
        residences = residences_of(app) if config.limit_concurrency is None else {}  # uvicorn refuses by that
        self.residences = {path.encode(): residence for path, residence in residences.items()}
        self._default_headers: object = None
        self._lines = b""

    @classmethod
    def of(cls, config: Config) -> "_Front":
        """Return the one of this server."""
        front = _FRONTS.get(config)
        if front is None:
            front = _FRONTS[config] = cls(config)
        return front

    def evaluate(self, scope: Scope) -> None:
        """Set what uvicorn's middleware believes of a proxy's fields."""
        if self._middleware is not None:
            call = self._middleware(scope, None, None)
            with suppress(StopIteration):
                call.send(None)
            call.close()

    def write(self, response: Response, default_headers: list[tuple[bytes, bytes]], *, is_last: bool) -> bytes:
        """Write an answer, with the header fields that uvicorn adds to any, a new list of them each second."""
        if self._default_headers is not default_headers:
            self._default_headers = default_headers
            self._lines = b"".join(b"%b: %b\r\n" % field for field in default_headers)
        close = b"connection: close\r\n" if is_last else b""
        head, body = head_of(response.status, response.headers), response.body
        return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (head, self._lines, close, len(body), body)


_FRONTS: "WeakKeyDictionary[Config, _Front]" = WeakKeyDictionary()


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """The application behind uvicorn's middleware, where only its word is asked for."""
