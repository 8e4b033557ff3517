"""What a `MemberHandler` stands on: its client as a member, and what the core asks about its request and messages.

How it works: the handler's request is admitted like one for an exposed namespace (`server/plainwebsocket.py`), but its
session has a dialect that gives each message to the handler. The client is a member of the namespace, and so of the
core's rooms: what is sent there reaches it as `{"event": ..., "data": ...}`. Nobody asks about it but the handler: no
connect handler, no step. What runs for one client runs in order, also where it is asynchronous.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado.websocket import WebSocketClosedError

from ..engine import Asker, Decision, Ending, Session, UserFunction
from ..engine.dialects import Dialect
from ..engine.http.origins import Cors
from ..server import Namespace, Socket
from ..server.eventsource import only_for_websockets
from ..server.exposureroute import OneExposure
from ..server.exposures import Exposure
from ..server.member import SocketMember
from ..server.plainwebsocket import SubscriberDialect, asks_for_websocket, decide_websocket
from ..types import Reason, Request

if TYPE_CHECKING:
    from .memberhandlers import MemberHandler

_PUT_OUT = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=4403)  # as from an exposed namespace


class HandlerMember(SocketMember):
    """A client whose handler takes its messages."""

    __slots__ = ("_handler",)

    def __init__(self, session: Session, handler: "MemberHandler") -> None:
        super().__init__(session.table.driver.token(), session, handler.namespace)
        self.socket = Socket(self)
        self._handler = handler

    def left(self, reason: Reason) -> None:
        """Tell the handler, after what is running now; the namespace's connect handler was not asked about it."""
        self.namespace.engine.turn.add(lambda: self._tell(reason))

    def _tell(self, reason: Reason) -> None:
        self._handler.is_open = False
        self._handler.left(reason)


class MemberCall(Asker):
    """A function that runs for one client in its order."""

    __slots__ = ("_function", "_handler", "_life", "_member", "_name", "_queue", "_threaded", "size_bytes")

    def __init__(
        self, handler: "MemberHandler", member: HandlerMember, name: str, function: Callable[[], Any], *, threaded: bool
    ) -> None:
        assert member.queue is not None
        self._handler = handler
        self._member = member
        self._life = member.life
        self._queue = member.queue
        self._name = name
        self._function = function
        self._threaded = threaded
        self.size_bytes = member.session.received_bytes

    def begin(self) -> None:
        """Call the function."""
        driver = self._handler.engine.driver
        (driver.run_threaded if self._threaded else driver.run)(self._function, (), self, None)

    def begin_at_turn(self) -> None:
        """Call the function, unless the client has left while it waited."""
        if self._member.life is self._life:
            self.begin()
        else:
            self._queue.ended()

    def answered(self, token: None, result: Any) -> None:
        """Let the next one begin."""
        self._queue.ended()

    def failed(self, token: None, error: BaseException) -> None:
        """Tell the handler, and let the next one begin."""
        self._handler.failed(self._name, error)
        self._queue.ended()

    def later(self, token: None) -> Asker:
        """Go on asynchronously: it is counted already."""
        return self

    def describe(self, token: None) -> str:
        """Name it, for a warning."""
        return f"the handler of {self._name!a} at {self._handler.request.path!a}"


class MemberDialect(SubscriberDialect):
    """The dialect of one client: all that comes is its handler's."""

    def __init__(self, handler: "MemberHandler") -> None:
        self._handler = handler

    def greet(self, session: Session) -> None:
        handler = self._handler
        namespace = handler.namespace
        handler.member = member = HandlerMember(session, handler)
        session.data[namespace.name] = member
        namespace.admit(member)
        session.connected()
        member.accepted()
        handler.is_open = True
        handler.entered()

    def receive_text(self, session: Session, text: str) -> None:
        self._receive(session, text)

    def receive_binary(self, session: Session, data: bytes) -> None:
        self._receive(session, data)

    def let_go(self, session: Session, namespace: str) -> None:
        session.close(_PUT_OUT)

    def _receive(self, session: Session, message: str | bytes) -> None:
        if session.is_live:
            session.heartbeat.heard = True
            session.received_bytes = len(message)
            try:
                self._handler.received(message)
            except WebSocketClosedError:
                pass  # it was closed meanwhile, perhaps in a thread, and answers nothing more


class MemberExposure(Exposure):
    """What one request's handler exposes: the namespace."""

    by_events = False
    is_complete = True

    def __init__(self, handler: "MemberHandler") -> None:
        super().__init__(handler.engine, "/")
        self._handler = handler

    def question(self, request: Request, parameters: dict[str, str]) -> UserFunction:
        return lambda: self._handler.namespace, False

    def dialect_of(self, namespace: Namespace) -> Dialect:
        return MemberDialect(self._handler)


class MemberRoute(OneExposure):
    """Decides about one handler's request; its `check_origin` was asked before."""

    def __init__(self, exposure: MemberExposure) -> None:
        super().__init__(exposure)
        self._exposure = exposure

    def decide(self, request: Request, cors: Cors) -> Decision:
        if asks_for_websocket(request):
            return decide_websocket(self._exposure, {}, request, ())
        return only_for_websockets(())
