"""An engine behind real request handlers of Tornado's, for classes that users derive from and override.

Who only wants to serve an engine uses `hosts/tornado.py`, which spares a request the handler. Here `prepare`, `get`,
`open` and all others are Tornado's own, with Tornado's meaning. A WebSocket is still taken over with its handshake,
unless its class redefines something: then the handler keeps it, and carries whole messages.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from tornado.escape import json_encode
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..engine import FORMS, PREAMBLES, Admitted, Greeting, OldRequest, Stream, Upgrade
from ..types import Request
from ..wire.protocol1.socketio import as_json_message
from .answering import EngineHandler
from .handlermessenger import HandlerMessenger

__all__ = ["EngineHandler", "EngineStreamHandler", "EngineWebSocketHandler"]


class EngineStreamHandler(EngineHandler):
    """An endless answer to a client of Socket.IO 0.7 to 0.9; other requests are answered as an EngineHandler does.

    A class that redefines nothing gives its socket away. Any other keeps it: what a turn has to say comes to
    `send_messages`, and the end of the session to `session_closed`.
    """

    messenger: HandlerMessenger | None = None

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Begin the answer, in our way or in Tornado's."""
        if not (self.is_redefined and isinstance(decision, OldRequest) and isinstance(greeting, Stream)):
            return super().begin(decision, request, greeting)
        if self._intake.decision is None:
            return None
        for name, value in greeting.headers:
            self.set_header(name, value)
        self._form = FORMS[decision.transport]
        sid = decision.session.id if decision.session is not None else ""
        self.write(PREAMBLES[decision.transport][1](sid))
        self.flush()
        self._intake.watch()
        self.messenger = HandlerMessenger(self, self._intake.connection.stream, self.residence.output)
        self.messenger.start(self.engine.connect_messages(decision, request, self.messenger))
        self._intake.decision = None
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
        try:
            return super().finish(chunk)
        finally:
            if self._finished:
                self._let_go()

    # Below this line: how it is done

    def _let_go(self) -> None:
        super()._let_go()
        messenger, self.messenger = self.messenger, None
        if messenger is not None:
            messenger.lost()


class EngineWebSocketHandler(EngineHandler, WebSocketHandler):
    """A WebSocket of an engine's; other requests are answered as an EngineHandler does.

    A class that redefines nothing gives its socket away. Any other keeps it: `open`, `on_message` and `on_close` are
    called as Tornado calls them, and carry the session if they call `super`, in `open` within `connect_timeout`; what a
    turn has to say comes to `send_messages`, and the end of the session to `session_closed`.
    """

    messenger: HandlerMessenger | None = None
    _opening: tuple[Admitted, Request, Upgrade] | None = None  # what was admitted and has not begun
    _has_opened = False

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:  # type: ignore[override]
        """Let the engine answer, or open the WebSocket."""
        self._route = args, kwargs
        return self.serve()

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Open the WebSocket, in our way or in Tornado's."""
        if not (self.is_redefined and isinstance(greeting, Upgrade)):
            return super().begin(decision, request, greeting)
        if self._intake.decision is None:
            return None
        self._intake.leave()
        self._opening = decision, request, greeting
        patience = self.engine.policy.connect_timeout
        self._patience = asyncio.get_running_loop().call_later(patience, self._give_up)
        self._intake.decision = None
        for name, value in greeting.headers:
            self.add_header(name, value)
        args, kwargs = self._route
        self._handshake = asyncio.ensure_future(WebSocketHandler.get(self, *args, **kwargs))
        self._handshake.add_done_callback(self._over)
        return self._handshake

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
        self.messenger.pause()
        output.after(self._opening[2].pause, self._start)

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

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose as the engine has, by the policy's `subprotocols`."""
        return None if self._opening is None else self._opening[2].subprotocol

    @property
    def max_message_size(self) -> int:
        """The policy's `max_payload_bytes`."""
        return self.engine.policy.max_payload_bytes

    def get_compression_options(self) -> dict[str, Any] | None:
        """Compress as Tornado does if the policy says `per_message_deflate`."""
        return {} if self.engine.policy.deflate is not None else None

    # Below this line: how it is done

    def _let_go(self) -> None:
        super()._let_go()
        if self._opening is not None and not self._is_gone:  # begun, but not by the session
            self._give_up()
            self._handshake.cancel()
            if self.ws_connection is not None and self.ws_connection.stream is not None:
                self.close()

    def _start(self) -> None:
        self._patience.cancel()
        messenger, opening, self._opening = self.messenger, self._opening, None
        if messenger is not None and opening is not None:  # else it was closed in the pause
            messenger.resume()
            messenger.start(self.engine.connect_messages(*opening[:2], messenger))

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
