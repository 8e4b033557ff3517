"""An engine behind real request handlers of Tornado's, for classes that users derive from and override.

Who only wants to serve an engine uses `hosts/tornado.py`, which spares a request the handler. Here `prepare`, `get`,
`open` and all others are Tornado's own, with Tornado's meaning. A WebSocket is still taken over with its handshake,
unless its class redefines something: then the handler keeps it, and carries whole messages.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from tornado.escape import json_encode
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler, stream_request_body
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..engine import ANSWERED, FORMS, PREAMBLES, Admitted, Engine, Response, Resume, Visit
from ..types import Request
from ..wire.socketio1 import as_json_message
from .messenger import HandlerMessenger
from .reception import BODY_TIMEOUT, Decision, Rest, announced_bytes
from .residence import Residence
from .takeover import take_over

__all__ = ["EngineHandler", "EngineStreamHandler", "EngineWebSocketHandler", "HandlerExchange"]

_OF_THE_CONNECTION = ("Transfer-Encoding", "Connection")
_OF_THE_FRAMES = ("Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Extensions")


def _is_redefined(cls: type) -> bool:
    """Tell whether, before the first class of ours, anything of that is defined anew."""
    ours = next(at for at, base in enumerate(cls.__mro__) if base.__module__.partition(".")[0] == "waterspout")
    known = {name for name in dir(cls.__mro__[ours]) if not name.startswith("__") or name == "__init__"}
    return any(not known.isdisjoint(base.__dict__) for base in cls.__mro__[:ours])


class HandlerExchange:
    """A request that a handler answers."""

    def __init__(self, request: Request, answer: Callable[[Response], object], take_back: Callable[[], bool]) -> None:
        self.request = request
        self.is_over = False
        self.take_back = take_back
        self._answer = answer

    def respond(self, response: Response) -> None:
        """Answer, unless the client has gone."""
        if not self.is_over:
            self.is_over = True
            self._answer(response)


@stream_request_body
class EngineHandler(RequestHandler):
    """A request that an engine serves: `(pattern, EngineHandler, {"engine": engine})` among the routes.

    The engine answers when a method calls `serve`, as all do here: until then, Tornado's word and a subclass's count,
    and a request that they answer themselves has not been. The body is in `request.body` then, if it came in chunks
    only after `serve`. It is judged as it comes, and a POST before it comes, unless `prepare` is overridden without
    `super`.
    """

    is_redefined: ClassVar[bool] = False
    """Whether this is a user's class, and has redefined anything of ours."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.is_redefined = _is_redefined(cls)

    def __init__(self, application: Application, request: HTTPServerRequest, **options: Any) -> None:
        self._body = bytearray()
        self._body_bytes = 0
        self._decision: Decision | None = None
        self._exchange: HandlerExchange | None = None
        self._rest: Rest | None = None
        self._is_served = self._is_gone = self._has_ended = False
        super().__init__(application, request, **options)
        self._connection.set_body_timeout(BODY_TIMEOUT)
        self._announced_bytes = announced_bytes(request.headers)

    def initialize(self, engine: Engine) -> None:
        """Take the engine from the route."""
        self.engine = engine

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Let the engine answer, as it does whatever the method is."""
        return self.serve()

    post = options = head = put = delete = patch = get

    # What a subclass may call, and may override

    def serve(self) -> Awaitable[None] | None:
        """Let the engine answer this request, now or later; once."""
        self._auto_finish = False
        if self._is_served or self._finished or self._is_gone:
            return None
        self._is_served = True
        self.begun()
        decision, exchange = self._admitted()
        if isinstance(decision, ANSWERED):
            exchange.respond(decision.response)
        elif self._is_body_too_large:
            exchange.respond(self.engine.refuse_body(decision))
            if decision.greeting is not None:
                self.engine.abort(decision)
        elif (greeting := decision.greeting) is not None:
            exchange.is_over = True
            return self.begin(decision, exchange.request, greeting)
        else:
            self.request.body = self.body
            self.engine.respond(decision, exchange, self.request.body)
        return None

    @property
    def body(self) -> bytes:
        """What has come of the body, also in chunks."""
        return self.request.body or bytes(self._body)

    def begin(self, decision: Admitted, request: Request, greeting: Response) -> Awaitable[None] | None:
        """Send the head of a WebSocket or of an endless answer, and take its socket over."""
        link = take_over(self.detach(), self.residence, request, decision, greeting)
        self._decision = None
        self.ui.clear()  # it is a cycle, which Tornado breaks when it finishes a request
        if link is None:
            self._end()
        else:
            self.residence.output.when_closed(link, self._end)
        return None

    def answer(self, response: Response) -> None:
        """Answer the request with this."""
        self.set_status(response.status)
        self.clear_header("Content-Type")
        seen = set()
        for name, value in response.headers:
            (self.add_header if name in seen else self.set_header)(name, value)
            seen.add(name)
        if response.body:
            self.write(response.body)
        self.finish()
        self._end()

    def begun(self) -> None:
        """Hear that `serve` begins. Override it at will."""

    def ended(self) -> None:
        """Hear, once, that what `serve` began is over: answered, given up, or closed. Override it at will."""

    def release(self) -> None:
        """Let the engine forget this request, as if its client had given it up; somebody else answers it."""
        exchange, decision = self._exchange, self._decision
        if exchange is not None and not exchange.is_over:
            exchange.is_over = True
            if decision is not None and not isinstance(decision, ANSWERED):
                self.engine.abort(decision)
            self._end()

    @property
    def residence(self) -> Residence:
        """The engine's place in this process."""
        return Residence.of(self.engine)

    # What Tornado calls

    def prepare(self) -> Awaitable[None] | None:
        """Decide about a POST before its body comes, and refuse a body far beyond the limit."""
        if self.request.method == "POST":
            self._admitted()
        if self._is_far_beyond(self._announced_bytes):
            self._body_bytes = self._announced_bytes
            self.serve()
        return None

    def data_received(self, chunk: bytes) -> None:
        """Collect a body up to the limit, and drop what is more, up to four times as much."""
        self._body_bytes += len(chunk)
        if not self._is_body_too_large:
            self._body += chunk
            if self._body_bytes == self._announced_bytes:
                self.request.body = bytes(self._body)
            return
        self._body.clear()
        if self._is_far_beyond(self._body_bytes):
            self.serve()

    def flush(self, include_footers: bool = False) -> "asyncio.Future[None]":
        """Write out what there is."""
        written = super().flush(include_footers)
        if include_footers:
            self._rest = Rest(self._connection, written)
        return written

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """Answer; what the engine was to answer has not been, if it is a subclass that does."""
        self.release()
        return super().finish(chunk)

    def on_connection_close(self) -> None:
        """The client has gone before the answer."""
        self._is_gone = True
        RequestHandler.on_connection_close(self)  # a body that was on its way does not come
        super().on_connection_close()
        self.release()

    def check_xsrf_cookie(self) -> None:
        """Check nothing: a session's id is no cookie, and clients send no form."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Leave it to the engine, whose policy names the origins."""
        return True

    def compute_etag(self) -> None:
        """Make none: the same packets twice are not one answer twice."""

    # Below this line: how it is done

    def _admitted(self) -> "tuple[Decision, HandlerExchange]":
        if self._decision is None or self._exchange is None:
            request = self.residence.read(self.request)
            self._decision = self.engine.admit(request)
            self._exchange = HandlerExchange(request, self.answer, self._take_back)
            if isinstance(self._decision, Resume) and not self._is_served:
                self.engine.await_body(self._decision, self._exchange)
        return self._decision, self._exchange

    def _take_back(self) -> bool:
        return self._rest is not None and self._rest.take_back()

    @property
    def _connection(self) -> HTTP1Connection:
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        return connection

    @property
    def _is_body_too_large(self) -> bool:
        return self._body_bytes > self.engine.policy.max_payload_bytes

    def _is_far_beyond(self, size_bytes: int) -> bool:
        return size_bytes > 4 * self.engine.policy.max_payload_bytes

    def _end(self) -> None:
        if self._is_served and not self._has_ended:
            self._has_ended = True
            self._decision = None
            self.ended()


class EngineStreamHandler(EngineHandler):
    """An endless answer to a client of Socket.IO 0.7 to 0.9; other requests are answered as an EngineHandler does.

    A class that redefines nothing gives its socket away. Any other keeps it: what a turn has to say comes to
    `send_messages`, and the end of the session to `session_closed`.
    """

    messenger: HandlerMessenger | None = None

    def begin(self, decision: Admitted, request: Request, greeting: Response) -> Awaitable[None] | None:
        """Begin the answer, in our way or in Tornado's."""
        if not self.is_redefined or not isinstance(decision, Visit) or decision.transport not in PREAMBLES:
            return super().begin(decision, request, greeting)
        for name, value in greeting.headers:
            if name not in _OF_THE_CONNECTION:
                self.set_header(name, value)
        self._form = FORMS[decision.transport]
        sid = decision.session.id if decision.session is not None else ""
        self.write(PREAMBLES[decision.transport][1](sid))
        self.flush()
        self.messenger = HandlerMessenger(self, self._connection.stream, self.residence.output)
        self.messenger.start(self.engine.connect_messages(decision, request, self.messenger))
        return None

    # What a session calls

    def send_messages(self, messages: list[str]) -> None:
        """Write what a turn has brought."""
        for message in messages:
            self.write(self._form(as_json_message(message.encode(errors="replace"))))
            sent = self.flush()
            if self.messenger is not None:
                self.messenger.wrote(message, sent)

    def session_closed(self) -> None:
        """End the answer, for its session is over."""
        self.finish()

    # What Tornado calls

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """End the answer."""
        finished = super().finish(chunk)
        self._close()
        return finished

    def on_connection_close(self) -> None:
        """The client has gone."""
        super().on_connection_close()
        self._close()

    def _close(self) -> None:
        messenger, self.messenger = self.messenger, None
        if messenger is not None:
            messenger.lost()
            self._end()


class EngineWebSocketHandler(EngineHandler, WebSocketHandler):
    """A WebSocket of an engine's; other requests are answered as an EngineHandler does.

    A class that redefines nothing gives its socket away. Any other keeps it: `open`, `on_message` and `on_close` are
    called as Tornado calls them, and carry the session if they call `super`, in `open` within `connect_timeout`; what a
    turn has to say comes to `send_messages`, and the end of the session to `session_closed`.
    """

    messenger: HandlerMessenger | None = None
    _opening: tuple[Admitted, Request] | None = None  # what was admitted and has not begun
    _has_opened = False

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:  # type: ignore[override]
        """Let the engine answer, or open the WebSocket."""
        self._route = args, kwargs
        return self.serve()

    def begin(self, decision: Admitted, request: Request, greeting: Response) -> Awaitable[None] | None:
        """Open the WebSocket, in our way or in Tornado's."""
        if greeting.status != 101 or not self.is_redefined:
            return super().begin(decision, request, greeting)
        self._opening = decision, request
        patience = self.engine.policy.connect_timeout
        self._patience = asyncio.get_running_loop().call_later(patience, self._give_up)
        self._decision = None
        for name, value in greeting.headers:
            if name not in _OF_THE_FRAMES:
                self.add_header(name, value)
        args, kwargs = self._route
        opening = asyncio.ensure_future(WebSocketHandler.get(self, *args, **kwargs))
        opening.add_done_callback(self._over)
        return opening

    # What a session calls

    def send_messages(self, messages: list[str | bytes]) -> None:
        """Send what a turn has brought, each in a message of its own."""
        for message in messages:
            try:
                self.write_message(message, binary=isinstance(message, bytes))
            except WebSocketClosedError:
                pass  # the messenger knows that it was too late for it

    def session_closed(self) -> None:
        """Close the WebSocket, for its session is over."""
        if self.messenger is not None and self.messenger.goodbye is not None:
            self.close(*self.messenger.goodbye)
        else:
            self.close()

    # What Tornado calls

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Let the engine go on over this WebSocket."""
        assert self.ws_connection is not None
        assert self.ws_connection.stream is not None
        output = self.residence.output
        self._has_opened = True
        self.messenger = HandlerMessenger(self, self.ws_connection.stream, output)
        assert self._opening is not None
        pause = self._opening[0].greeting_pause
        if pause:
            self.messenger.pause()
            output.loop.later(pause, self._start)
        else:
            self._start()

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Take a message; what this returns is to be awaited before the next."""
        if self.messenger is None:
            return None
        self.messenger.receive(message)
        return self.messenger.gate

    def on_close(self) -> None:
        """Let the session know that the WebSocket is closed, by whomever."""
        messenger, self.messenger = self.messenger, None
        if messenger is not None:
            self._give_up()
            messenger.lost()

    def write_message(self, message: bytes | str | dict[str, Any], binary: bool = False) -> "asyncio.Future[None]":
        """Send a message; what has not left when the WebSocket ends goes over the next, where a session has one."""
        if isinstance(message, dict):
            message = json_encode(message)
        future: asyncio.Future[None] | None = None
        try:
            future = super().write_message(message, binary)
        finally:
            if self.messenger is not None:
                self.messenger.wrote(message, future)
        return future

    def on_connection_close(self) -> None:
        """The connection has ended."""
        super().on_connection_close()
        EngineWebSocketHandler.on_close(self)  # if a class of a user's has its own
        self._end()

    def check_origin(self, origin: str) -> bool:
        """Leave it to the engine, whose policy names the origins."""
        return True

    @property
    def max_message_size(self) -> int:
        """The policy's `max_payload_bytes`."""
        return self.engine.policy.max_payload_bytes

    def get_compression_options(self) -> dict[str, Any] | None:
        """Compress as Tornado does if the policy says `per_message_deflate`."""
        return {} if self.engine.policy.deflate is not None else None

    # Below this line: how it is done

    def _start(self) -> None:
        self._patience.cancel()
        messenger, opening, self._opening = self.messenger, self._opening, None
        if messenger is not None and opening is not None:  # else it was closed in the pause
            messenger.resume()
            messenger.start(self.engine.connect_messages(*opening, messenger))

    def _give_up(self) -> None:
        """Nothing comes of what the engine has admitted, if it has not started: in time, or at all."""
        self._patience.cancel()
        opening, self._opening = self._opening, None
        if opening is not None:
            self.engine.abort(opening[0])

    def _over(self, opening: "asyncio.Future[None]") -> None:
        """The WebSocket is closed, or was never opened; this is said whatever a user's class has raised or left out."""
        EngineWebSocketHandler.on_close(self)
        self._give_up()
        self._end()
        is_answered = self._has_opened or self._finished
        if not is_answered and not opening.cancelled() and opening.exception() is None:
            self.finish()
