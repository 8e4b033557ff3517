"""An engine behind Tornado's request handlers, as base classes for users.

`hosts/tornado.py` serves an engine without handlers, and faster. Here `prepare`, `get`, `open` and all others are
Tornado's, with Tornado's meaning. A WebSocket's socket is still taken over after the handshake, unless its class has
overrides: then the handler keeps it, and carries whole messages.
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
    """An endless answer to a client of Socket.IO 0.7 to 0.9; other requests are served as by EngineHandler.

    A class without overrides hands its socket over. Any other keeps it: `send_messages` is called with the messages of
    a turn, and `session_closed` at the end of the session.
    """

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Begin the answer: with the socket taken over, or by Tornado."""
        is_kept = self.is_redefined and isinstance(decision, OldRequest) and isinstance(greeting, Stream)
        if not is_kept or self._intake.decision is None:
            return super().begin(decision, request, greeting)
        assert isinstance(decision, OldRequest)
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
        """Send the messages of a turn."""
        for message in messages:
            self.write(self._form(as_json_message(message.encode(errors="replace"))))
            sent = self.flush()
            if self.messenger is not None:
                self.messenger.wrote(message, sent)

    def session_closed(self) -> None:
        """End the answer, at the end of the session."""
        self.finish()


class EngineWebSocketHandler(EngineHandler, WebSocketHandler):
    """A WebSocket of an engine; other requests are served as by EngineHandler.

    A class without overrides hands its socket over. Any other keeps it: Tornado calls `open`, `on_message` and
    `on_close`, which have to call `super`, `open` within `connect_timeout`. `send_messages` is called with the messages
    of a turn, and `session_closed` at the end of the session.
    """

    _opening: tuple[Admitted, Request, Upgrade] | None = None  # admitted, but not started

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:  # type: ignore[override]
        """Let the engine answer, or open the WebSocket."""
        self._route = args, kwargs
        return self.serve()

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Open the WebSocket: with the socket taken over, or by Tornado."""
        if not (self.is_redefined and isinstance(greeting, Upgrade)) or self._intake.decision is None:
            return super().begin(decision, request, greeting)
        self._intake.leave()
        for name, value in greeting.headers:
            self.add_header(name, value)
        self._opening = decision, request, greeting
        patience = self.engine.policy.connect_timeout
        self._patience = asyncio.get_running_loop().call_later(patience, self._give_up)
        self._intake.decision = None
        args, kwargs = self._route
        self._handshake = asyncio.ensure_future(WebSocketHandler.get(self, *args, **kwargs))
        self._handshake.add_done_callback(self._over)
        return None

    # What a session calls

    def send_messages(self, messages: list[str | bytes]) -> None:
        """Send the messages of a turn."""
        for message in messages:
            try:
                self.write_message(message, binary=isinstance(message, bytes))
            except WebSocketClosedError:
                pass  # `write_message` has told the messenger

    def session_closed(self) -> None:
        """Close the WebSocket, at the end of the session."""
        if self.messenger is not None and self.messenger.goodbye is not None:
            self.close(*self.messenger.goodbye)
        else:
            self.close()

    # What Tornado calls

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Connect the WebSocket with the engine."""
        if self._opening is None:  # an override has taken longer than `connect_timeout`
            self.close()
            return
        assert self.ws_connection is not None
        assert self.ws_connection.stream is not None
        output = self.residence.output
        self.messenger = HandlerMessenger(self, self.ws_connection.stream, output)
        output.after(self._opening[2].pause, self._start)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Receive a message; Tornado awaits the result before the next."""
        if self.messenger is None:
            return None
        self.messenger.receive(message)
        return self.messenger.gate

    def on_close(self) -> None:
        """Called when the connection is closed: the session ends, or waits for its next transport."""
        self._abandon()

    def write_message(self, message: bytes | str | dict[str, Any], binary: bool = False) -> "asyncio.Future[None]":
        """Send a message; unsent ones are sent over the session's next transport, if it may have one."""
        if isinstance(message, dict):
            message = json_encode(message)
        future: asyncio.Future[None] | None = None
        try:
            future = super().write_message(message, binary)
        finally:
            if self.messenger is not None:
                self.messenger.wrote(message, future)
        return future

    def check_origin(self, origin: str) -> bool:
        """Return True: the engine checks origins by its policy."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Return the subprotocol that the engine has chosen."""
        return None if self._opening is None else self._opening[2].subprotocol

    @property
    def ping_interval(self) -> float | None:
        """What the application has set, else what the greeting asks for."""
        own = super().ping_interval
        return own if own is not None or self._opening is None else self._opening[2].ping_interval

    @property
    def max_message_size(self) -> int:
        """The policy's `max_payload_bytes`."""
        return self.engine.policy.max_payload_bytes

    def get_compression_options(self) -> dict[str, Any] | None:
        """Enable Tornado's compression if the policy has `per_message_deflate`."""
        return {} if self.engine.policy.deflate is not None else None

    # Below this line: how it is done

    def _start(self) -> None:
        opening, self._opening = self._opening, None
        if self.messenger is not None and opening is not None:  # else it was closed in the pause
            self._patience.cancel()
            self.messenger.start(self.engine.connect_messages(*opening[:2], self.messenger))

    def _give_up(self) -> bool:
        """Abort an admitted WebSocket that has not started; return whether there was one."""
        opening, self._opening = self._opening, None
        if opening is None:
            return False
        self._patience.cancel()
        self.engine.abort(opening[0])
        return True

    def _end(self) -> None:
        super()._end()
        if self._give_up() and not self._is_gone:
            self._handshake.cancel()
            if self.ws_connection is not None and self.ws_connection.stream is not None:
                self.close()

    def _over(self, handshake: "asyncio.Future[None]") -> None:
        """Called when the WebSocket is closed or was not opened, whatever the user's class does."""
        self._end()
        error = None if handshake.cancelled() else handshake.exception()
        if error is not None:
            self._fail(error)
        elif not self._finished and not handshake.cancelled():
            self.finish()  # Tornado finishes only after its own call of `get`
