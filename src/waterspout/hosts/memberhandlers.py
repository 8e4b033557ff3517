"""Clients of a namespace behind request handlers of Tornado's that speak a protocol of their own."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from types import CoroutineType
from typing import Any

from tornado.escape import json_encode
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError
from tornado.websocket import WebSocketHandler as TornadoHandler

from ..engine import Admitted, Ending, Greeting, Prepared, on_core
from ..server import Namespace, Socket
from ..server.dispatch import EventQueue
from ..types import Reason, Request
from ..wire import surrogates
from ..wire.events import encode_event
from .handlermembers import HandlerMember, MemberCall, MemberExposure, MemberRoute
from .handlers import EngineWebSocketHandler
from .overrides import OUTCOME

__all__ = ["MemberHandler", "with_ids"]


class MemberHandler(EngineWebSocketHandler):
    """A WebSocket whose client is a member of a namespace: derive from it, and override `entered`, `received`, `left`.

    Tornado's `check_origin` decides about origins. The request stays with the handler while the client is here.
    """

    member: HandlerMember | None = None
    """The client's place in the namespace, once the WebSocket has begun."""

    is_open = False
    """Whether anything can be sent."""

    _delivers = False  # what Tornado carries, in `send_messages`

    def initialize(self, namespace: Namespace) -> None:  # type: ignore[override]
        """Take the namespace from the route."""
        super().initialize(namespace.engine)
        self.namespace = namespace

    # What a class overrides

    def entered(self) -> None:
        """Called when the client has entered the namespace."""

    def received(self, message: str | bytes) -> None:
        """Called with each message. ProtocolError ends the connection, and so does any other exception, with 1011."""

    def left(self, reason: Reason) -> None:
        """Called once when a client that had entered is gone."""

    def origin_refused(self, origin: str) -> None:
        """Called with an origin that `check_origin` refuses."""

    def failed(self, name: str, error: BaseException) -> None:
        """Called with what a function has raised that `run` was given."""

    # What a class calls

    @property
    def client(self) -> Socket:
        """The client, with its id, rooms and channels. RuntimeError before the WebSocket has begun."""
        if self.member is None:
            raise RuntimeError("the WebSocket has not begun: nothing can be sent, and no room be entered")
        return self.member.socket

    def run(self, name: str, function: Callable[[], Any], *, threaded: bool = False) -> None:
        """Call a function, plain or async, when those before it have ended; `threaded`: in a thread.

        Those that wait are dropped when the client leaves. Too many stop the reading, as events of Socket.IO do.
        """
        if (member := self.member) is not None:
            if member.queue is None:
                member.queue = EventQueue(member)
            member.queue.add(MemberCall(self, member, name, function, threaded=threaded))

    def tell(self, name: str, function: Callable[[], Any], *, threaded: bool = False) -> None:
        """Call a function, plain or async, at once, whatever runs for the client."""
        driver = self.engine.driver
        (driver.run_threaded if threaded else driver.run)(function, (), OUTCOME, partial(self.failed, name))

    @property
    def id(self) -> str:
        """The client's id, which others may know. It takes the place of this object in emitted data."""
        return self.client.id

    def emit(self, event: str, data: Any = None) -> None:
        """Send an event to this client; from any thread. Without data it is `{}`.

        WebSocketClosedError if the client is not connected, TypeError for what JSON cannot carry.
        """
        data = {} if data is None else data
        try:
            encoded = encode_event("/", event, (data,))
        except TypeError:
            encoded = encode_event("/", event, (with_ids(data),))
        self.push(Prepared(*encoded))

    def push(self, prepared: Prepared) -> None:
        """Send what is encoded; from any thread. WebSocketClosedError if the client is not connected."""
        if not self.is_open or self.member is None:
            raise WebSocketClosedError
        on_core(self.member.driver, self.member.push, prepared)

    def write_message(self, message: bytes | str | dict[str, Any], binary: bool = False) -> Any:
        """Send a message as it is; from any thread. WebSocketClosedError if the client is not connected."""
        if self.member is None:
            return super().write_message(message, binary)
        if (messenger := self.messenger) is not None:  # Tornado carries it
            is_here = not self.member.driver.foreign()
            if is_here and self._delivers:
                return super().write_message(message, binary)
            if not self.is_open:
                raise WebSocketClosedError
            if is_here:
                messenger.hurry()  # behind what was emitted before
                return super().write_message(message, binary)
            self.member.driver.soon(self._write_posted, message, binary)
            return self.namespace.cluster.done
        if isinstance(message, dict):
            message = json_encode(message)
        data = surrogates.encode(message) if isinstance(message, str) else bytes(message)
        self.push(Prepared(b"", (data,)) if binary else Prepared(data))
        return self.namespace.cluster.done

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection, behind what was sent; from any thread. The client is sent the code, no reason."""
        if self.member is None:
            super().close(code, reason)
        elif self.is_open:
            self.is_open = False
            ending = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=code or 1000)
            on_core(self.member.driver, self.member.session.close, ending)

    # What Tornado calls

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:  # type: ignore[override]
        """Open the WebSocket; 403 for an origin that `check_origin` refuses."""
        headers = self.request.headers
        origin = headers.get("Origin", headers.get("Sec-Websocket-Origin"))
        if origin is not None and not _decided(self.check_origin(origin)):
            self.origin_refused(origin)
            raise HTTPError(403)
        return super().get(*args, **kwargs)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Receive a message; Tornado awaits the result before the next."""
        if self.messenger is not None:
            return super().on_message(message)
        self.received(message)
        return None

    def on_close(self) -> None:
        """Called when the connection is closed that Tornado carries."""
        self.is_open = False
        if self.member is None or self.messenger is not None:
            super().on_close()

    def session_closed(self) -> None:
        """Close the connection that Tornado carries."""
        if self.messenger is not None:
            TornadoHandler.close(self, *(self.messenger.goodbye or ()))

    def send_messages(self, messages: list[str | bytes]) -> None:
        """Send the messages of a turn."""
        self._delivers = True
        try:
            super().send_messages(messages)
        finally:
            self._delivers = False

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Begin the WebSocket, and keep the request."""
        kept = self.request
        begun = super().begin(decision, request, greeting)
        self.request = kept
        return begun

    # Below this line: how it is done

    def _write_posted(self, message: bytes | str | dict[str, Any], binary: bool) -> None:
        """Let Tornado send what a thread has sent, unless the client has left meanwhile."""
        if self.messenger is not None:
            self.messenger.hurry()
            with suppress(WebSocketClosedError):
                super().write_message(message, binary)

    def _admit(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._intake.admit(self.engine_request, MemberRoute(MemberExposure(self)))


def with_ids(value: Any) -> Any:
    """Copy a value with the ids of clients in the place of their handlers."""
    match value:
        case MemberHandler():
            return value.id
        case dict():
            return {key: with_ids(item) for key, item in value.items()}
        case list() | tuple() | set():
            return [with_ids(item) for item in value]
    return value


def _decided(answer: object) -> bool:
    """Return the decision of a user's method; TypeError for an awaitable, which would count as true."""
    if isawaitable(answer):
        if isinstance(answer, CoroutineType):
            answer.close()
        raise TypeError("check_origin decides at once: make it a plain method that returns a bool")
    return bool(answer)
