"""Request handlers of Tornado's that an engine answers, for classes that users derive from and override."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.log import app_log
from tornado.web import Application, Finish, HTTPError, RequestHandler, stream_request_body

from ..engine import ANSWERED, Admission, Admitted, Decision, Engine, Greeting, Refuse, Response, Resume
from ..engine.log import without_secrets
from ..types import Request
from .overrides import OUTCOME, HandlerExchange, is_redefined, require_plain
from .reception import BODY_TIMEOUT, Rest, announced_bytes
from .requests import read, watch
from .residence import Residence
from .takeover import take_over

__all__ = ["EngineHandler"]


@stream_request_body
class EngineHandler(RequestHandler):
    """A request that an engine serves: `(pattern, EngineHandler, {"engine": engine})` among the routes.

    The engine answers when a method calls `serve`, as all do here: until then, Tornado's word and a subclass's count,
    and a request that they answer themselves has not been. The body is in `request.body` then, if it came in chunks
    only after `serve`. It is judged as it comes, and a POST before it comes, unless `prepare` is overridden without
    `super`.

    `answer` and `begin` may be coroutines. Whatever method raises, the request ends as with Tornado, the engine forgets
    it at once as if its client had given it up, and nobody else is concerned; what was answered or begun stands.
    """

    is_redefined: ClassVar[bool] = False
    """Whether this is a user's class, and has redefined anything of ours."""

    _is_mute = False  # if its `finish` has failed, as it would again for an error
    _is_unsaid = False  # its answer has failed
    _watch_no_longer: Callable[[], None] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.is_redefined = is_redefined(cls)
        require_plain(cls)

    def __init__(self, application: Application, request: HTTPServerRequest, **options: Any) -> None:
        self._body = bytearray()
        self._body_bytes = 0
        self._admission: Admission | None = None  # while it is not decided
        self._decided: asyncio.Future[None] | None = None  # what `prepare` waits for
        self._decision: Decision | None = None
        self._exchange: HandlerExchange | None = None
        self._rest: Rest | None = None
        self._is_served = self._is_held = self._is_gone = self._has_ended = False
        if self.is_redefined:  # Tornado looks it up here, so that the engine is called whatever the class does
            self.on_connection_close = self._lose  # type: ignore[method-assign]
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
        self._admit()
        if self._admission is None:
            return self._serve()
        self._is_held = True
        self._watch()
        return None

    @property
    def body(self) -> bytes:
        """What has come of the body, also in chunks."""
        return self.request.body or bytes(self._body)

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Send the head of a WebSocket or of an endless answer, and take its socket over."""
        if self._decision is None:  # an override has taken its time, and the client has gone
            return None
        self._leave()
        link = take_over(self.detach(), self.residence, request, decision, greeting)
        self._decision = None
        self.ui.clear()  # it is a cycle, which Tornado breaks when it finishes a request
        if link is None:
            self._end()
        else:
            self.residence.output.when_closed(link, self._end)
        if not self.is_redefined:
            del self.request  # with its parsed header fields it would stay as long as the socket
        return None

    def answer(self, response: Response) -> Awaitable[None] | None:
        """Answer the request with this."""
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
        """Hear that `serve` begins. Override it at will."""

    def ended(self) -> None:
        """Hear, once, that what `serve` began is over: answered, given up, or closed. Override it at will."""

    def release(self) -> None:
        """Let the engine forget this request, as if its client had given it up; somebody else answers it."""
        if self._exchange is not None and not self._exchange.is_over:
            self._abandon()

    @property
    def is_refused(self) -> bool:
        """Whether the engine refuses this request, as far as it has decided, even if the class would answer it."""
        self._admit()
        return isinstance(self._decision, Refuse)

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
        """Decide about a POST before its body comes, and refuse a body far beyond the limit."""
        if self.request.method == "POST":
            self._admit()
        if self._is_far_beyond(self._announced_bytes):
            self._body_bytes = self._announced_bytes
            self.serve()
        if self._admission is None:
            return None
        self._watch()
        self._decided = asyncio.get_running_loop().create_future()
        return self._decided

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
        try:
            return super().finish(chunk)
        finally:
            if self._finished and self.get_status() != 101:  # a WebSocket only begins
                self._end()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error; if that fails too, close the connection."""
        is_sent = False
        try:
            super().send_error(status_code, **kwargs)
            is_sent = True
        finally:
            if not is_sent:
                self._cut()

    def on_connection_close(self) -> None:
        """The client has gone before the answer."""
        self._is_gone = True
        RequestHandler.on_connection_close(self)  # a body that was on its way does not come
        super().on_connection_close()
        self._abandon()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log what a method has raised as Tornado does, but without the id of the session, which is a secret."""
        if isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)
        else:
            app_log.error("Uncaught exception %s", self._request_summary(), exc_info=(typ, value, tb))  # type: ignore[arg-type]

    def _request_summary(self) -> str:
        """Name the request for Tornado's loggers."""
        target = without_secrets(self.request.uri or "", self.engine.path)
        return f"{self.request.method} {target} ({self.request.remote_ip})"

    def check_xsrf_cookie(self) -> None:
        """Check nothing: a session's id is no cookie, and clients send no form."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Leave it to the engine, whose policy names the origins."""
        return True

    def compute_etag(self) -> None:
        """Make none: the same packets twice are not one answer twice."""

    # What an exchange calls

    def take_back(self) -> bool:
        """Cut the connection if not all of the answer has left; tell whether that was so, or it has failed."""
        return self._is_unsaid or (self._rest is not None and self._rest.take_back())

    def fail_soon(self, error: BaseException) -> None:
        """End the request when the engine has done what it is about: it may be another client's."""
        self._is_unsaid = not self._has_ended
        self.engine.driver.soon(self._fail, error)

    # Below this line: how it is done

    def _serve(self) -> Awaitable[None] | None:
        decision, exchange = self._decision, self._exchange
        if decision is None or exchange is None:  # `begun` has answered, or the client has gone
            return None
        self._leave()
        if isinstance(decision, ANSWERED):
            exchange.respond(decision.response)
        elif self._is_body_too_large:
            refusal = self.engine.refuse_body(decision)
            if decision.greeting is not None:
                self._let_go()
            exchange.respond(refusal)
        elif (greeting := decision.greeting) is not None:
            exchange.is_over = True
            return self._begin(decision, exchange.request, greeting)
        else:
            self.request.body = self.body
            self.engine.respond(decision, exchange, self.request.body)
            self._watch()
        return None

    def _admit(self) -> None:
        """Ask the engine what the request means, once."""
        if self._exchange is not None:
            return
        request = self.engine_request
        self._exchange = HandlerExchange(request, self)
        admission = self.engine.admit(request, self._take)
        if self._decision is None:
            self._admission = admission

    def _take(self, decision: Decision) -> None:
        """Take the decision; go on with what has waited for it."""
        self._decision = decision
        if isinstance(decision, Resume) and not self._is_served and self._exchange is not None:
            self.engine.await_body(decision, self._exchange)
        if self._admission is not None:
            self._admission = None
            self._go_on()
        if self._is_held:
            self._is_held = False
            self.engine.driver.run(self._serve, (), OUTCOME, self._fail)

    def _go_on(self) -> None:
        """Let `prepare` return."""
        decided, self._decided = self._decided, None
        if decided is not None and not decided.done():
            decided.set_result(None)

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

    def _begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        has_begun = False
        try:
            coming = self.begin(decision, request, greeting)
            has_begun = True
        finally:
            if not has_begun:
                self._abandon()
        if not asyncio.iscoroutine(coming):
            return coming
        self._watch()
        self.engine.driver.run(lambda: coming, (), OUTCOME, self._fail)
        return None

    def _fail(self, error: BaseException) -> None:
        """End the request, and the engine's part in it."""
        self._abandon()
        is_told = False
        try:
            if isinstance(error, Exception):
                self._tell(error)
                is_told = not self._is_mute
        finally:
            if not is_told:
                self._cut()

    def _tell(self, error: Exception) -> None:
        """Do what Tornado does with what a method raises."""
        is_open = not (self._finished or self._is_gone or self._is_mute)
        if isinstance(error, Finish):
            if is_open:
                self.finish(*error.args)
            return
        self._report(error)
        if is_open:
            told = type(error), error, error.__traceback__
            self.send_error(error.status_code if isinstance(error, HTTPError) else 500, exc_info=told)

    def _report(self, error: BaseException) -> None:
        self.log_exception(type(error), error, error.__traceback__)

    def _cut(self) -> None:
        """Close the connection, unless the request has ended."""
        self._abandon()
        if not self._finished:
            self._connection.stream.close()

    def _lose(self) -> None:
        """Hear of the client's end in the class's way, and in ours whatever that leaves out."""
        self.engine.driver.run(type(self).on_connection_close, (self,), OUTCOME, self._report)
        self._is_gone = True
        RequestHandler.on_connection_close(self)
        self._abandon()

    def _abandon(self) -> None:
        if self._exchange is not None:
            self._exchange.is_over = True
        self._is_unsaid = self._is_unsaid or not self._has_ended
        self._let_go()
        self._end()

    def _let_go(self) -> None:
        """Tell the engine that nobody waits any more, if it does not know."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.abort()
            self._go_on()
        decision, self._decision = self._decision, None
        if decision is not None and not isinstance(decision, ANSWERED):
            self.engine.abort(decision)

    def _watch(self) -> None:
        """Close the connection when the client goes while the request waits: nobody reads it."""
        if self._is_waiting and self._watch_no_longer is None:
            self._watch_no_longer = watch(self.residence, self._connection)
            if self._watch_no_longer is None:
                self.residence.output.loop.soon(self._find_gone)

    def _find_gone(self) -> None:
        if self._is_waiting:
            self.on_connection_close()

    @property
    def _is_waiting(self) -> bool:
        return not (self._has_ended or self._finished or self._is_gone)

    def _leave(self) -> None:
        """Watch no longer: the request is over, or somebody reads the connection."""
        leave, self._watch_no_longer = self._watch_no_longer, None
        if leave is not None:
            leave()

    def _end(self) -> None:
        if self._is_served and not self._has_ended:
            self._has_ended = True
            self._leave()
            self._decision = None
            self.ended()
