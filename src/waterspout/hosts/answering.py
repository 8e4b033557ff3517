"""Tornado request handlers that an engine answers, as base classes for users."""

import asyncio
from collections.abc import Awaitable
from typing import Any, ClassVar

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.log import app_log
from tornado.web import Application, Finish, HTTPError, RequestHandler, stream_request_body

from ..engine import Admitted, Engine, Greeting, Refuse, Response
from ..engine.log import without_secrets
from ..types import Request
from .handlermessenger import HandlerMessenger
from .intake import BODY_TIMEOUT, announced_bytes
from .overrides import OUTCOME, HandlerIntake, is_redefined, require_plain
from .requests import read
from .residence import Residence
from .takeover import take_over

__all__ = ["EngineHandler"]


@stream_request_body
class EngineHandler(RequestHandler):
    """A request that an engine serves: `(pattern, EngineHandler, {"engine": engine})` among the routes.

    The engine answers when a method calls `serve`, as all do by default. A request that Tornado or a subclass answers
    before that does not reach the engine. `request.body` is complete when the method is called; for a chunked body,
    from `serve` on. The size of a body is checked as it arrives, and a POST is decided before its body arrives, unless
    `prepare` is overridden without `super`.

    `answer` and `begin` may be coroutines. If a method raises, the request ends as in Tornado, and the engine aborts it
    as if the client had disconnected; what was answered or begun before remains. No other client is affected.
    """

    is_redefined: ClassVar[bool] = False
    """Whether this is a user's class with overrides."""

    messenger: HandlerMessenger | None = None
    """The messages of a connection that this handler carries itself."""

    _is_mute = False  # its `finish` has failed, and would fail again for an error
    _is_asked = _is_served = _is_gone = _has_ended = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.is_redefined = is_redefined(cls)
        require_plain(cls)

    def __init__(self, application: Application, request: HTTPServerRequest, **options: Any) -> None:
        if self.is_redefined:  # Tornado looks this up on the instance, so that the engine is called in any case
            self.on_connection_close = self._lose  # type: ignore[method-assign]
        super().__init__(application, request, **options)
        connection = request.connection
        assert isinstance(connection, HTTP1Connection)
        connection.set_body_timeout(BODY_TIMEOUT)
        self._intake = HandlerIntake(self.residence, connection, self)
        self._missing_bytes = self._announced_bytes = announced_bytes(request.headers.get("Content-Length"))

    def initialize(self, engine: Engine) -> None:
        """Take the engine from the route."""
        self.engine = engine

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Let the engine answer; all methods do the same."""
        return self.serve()

    post = options = head = put = delete = patch = get

    # What a subclass may call, and may override

    def serve(self) -> Awaitable[None] | None:
        """Let the engine answer this request, now or later; once."""
        self._auto_finish = False
        if not (self._is_served or self._finished or self._is_gone):
            self._is_served = True
            self.begun()
            if not self._has_ended:
                self._admit()
                self.request.body = self.body
                self._intake.complete()
        return None

    @property
    def body(self) -> bytes:
        """The part of the body that has arrived."""
        return self.request.body or self._intake.body

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Send the head of a WebSocket or of an endless answer, and take its socket over."""
        if self._intake.decision is None:  # the client has disconnected during an override
            return None
        self._intake.leave()
        link = take_over(self.detach(), self.residence, request, decision, greeting, self.request.version)
        self._intake.decision = None
        self.ui.clear()  # a reference cycle, which Tornado breaks only at the end of a request
        if link is None:
            self._end()
        else:
            self.residence.output.when_closed(link, self._end)
        if not self.is_redefined:
            del self.request, self._intake.connection  # else they would be kept as long as the socket
        return None

    def answer(self, response: Response) -> Awaitable[None] | None:
        """Send an answer."""
        self.set_status(response.status)
        self.clear_header("Content-Type")
        seen = set()
        for name, value in response.headers:
            (self.add_header if name in seen else self.set_header)(name, value)
            seen.add(name)
        if response.body:
            self.write(response.body)
        self._is_mute = True
        self.finish()
        self._is_mute = False
        return None

    def begun(self) -> None:
        """Called when `serve` begins, for subclasses."""

    def ended(self) -> None:
        """Called once when a served request is over: answered, aborted, or closed. For subclasses."""

    def release(self) -> None:
        """Abort the request in the engine, as if the client had disconnected; the caller answers it."""
        if self._is_asked and not self._intake.is_over:
            self._abandon()

    @property
    def is_refused(self) -> bool:
        """Whether the engine has decided to refuse this request, even if the class answers it."""
        self._admit()
        return isinstance(self._intake.decision, Refuse)

    @property
    def engine_request(self) -> Request:
        """The request as the engine sees it."""
        return read(self.residence, self.request)

    @property
    def residence(self) -> Residence:
        """The engine's place in this process."""
        return Residence.of(self.engine)

    # What Tornado calls

    def prepare(self) -> Awaitable[None] | None:
        """Decide about a POST before its body arrives, and refuse a body far above the limit."""
        if self.request.method == "POST":
            self._admit()
        self._intake.announce(self._announced_bytes)
        return None if self._intake.admission is None else self._intake.hold()

    def data_received(self, chunk: bytes) -> None:
        self._missing_bytes -= len(chunk)
        self._intake.feed(chunk)
        if self._missing_bytes == 0:
            self.request.body = self._intake.body

    def flush(self, include_footers: bool = False) -> "asyncio.Future[None]":
        written = super().flush(include_footers)
        if include_footers:
            self._intake.sent(written)
        return written

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """Answer; the engine aborts a request that it has not answered yet."""
        self.release()
        try:
            return super().finish(chunk)
        finally:
            if self._finished and self.get_status() != 101:  # a WebSocket only begins
                self._end()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error; if that fails too, close the connection."""
        try:
            super().send_error(status_code, **kwargs)
        finally:
            self._cut()

    def on_connection_close(self) -> None:
        """Called when the client disconnects before the answer."""
        self._is_gone = True
        super().on_connection_close()
        self._give_up_client()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log an exception of a method as Tornado does, but without the session's id, which is a secret."""
        if isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)
        else:
            app_log.error("Uncaught exception %s", self._request_summary(), exc_info=(typ, value, tb))  # type: ignore[arg-type]

    def _request_summary(self) -> str:
        """Name the request for Tornado's loggers."""
        target = without_secrets(self.request.uri or "", self.engine.path)
        return f"{self.request.method} {target} ({self.request.remote_ip})"

    def check_xsrf_cookie(self) -> None:
        """Check nothing: the id of a session is not a cookie."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Return True: the engine checks origins by its policy."""
        return True

    def compute_etag(self) -> None:
        """Return None: equal packets are different answers."""

    # Below this line: how it is done

    def _fail(self, error: BaseException) -> None:
        self._abandon()
        try:
            if isinstance(error, Exception):
                self._tell(error)
        finally:
            self._cut()

    def _admit(self) -> None:
        """Ask the engine what the request means, once."""
        if not self._is_asked:
            self._is_asked = True
            self._intake.admit(self.engine_request)

    def _tell(self, error: Exception) -> None:
        """Handle an exception of a method as Tornado does."""
        is_open = not (self._finished or self._is_gone or self._is_mute)
        if not isinstance(error, Finish):
            self._report(error)
            if is_open:
                status = error.status_code if isinstance(error, HTTPError) else 500
                self.send_error(status, exc_info=(type(error), error, error.__traceback__))
        elif is_open:
            self.finish(*error.args)

    def _report(self, error: BaseException) -> None:
        self.log_exception(type(error), error, error.__traceback__)

    def _cut(self) -> None:
        """Close the connection, unless the request has been answered."""
        if not self._finished:
            self._abandon()
            self._intake.connection.stream.close()

    def _lose(self) -> None:
        """Call the class's `on_connection_close`, then do what it may have left out."""
        self.engine.driver.run(type(self).on_connection_close, (self,), OUTCOME, self._report)
        self._give_up_client()

    def _give_up_client(self) -> None:
        self._is_gone = True
        RequestHandler.on_connection_close(self)  # ends the wait for a body
        self._abandon()

    def _abandon(self) -> None:
        """Let the engine abort an unanswered request; one with a messenger lives until its client disconnects."""
        self._intake.gone()
        if self.messenger is None or self._is_gone:
            self._end()

    @property
    def _is_waiting(self) -> bool:
        return not (self._has_ended or self._finished or self._is_gone)

    def _end(self) -> None:
        if self._is_served and not self._has_ended:
            self._has_ended = True
            self._intake.leave()
            self._intake.decision = None
            messenger, self.messenger = self.messenger, None
            if messenger is not None:
                messenger.lost()
            self.ended()
