"""The messenger of a connection that a Tornado request handler carries."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any, Protocol

from tornado.iostream import IOStream

from ..engine.transports.messages import wire_bytes
from .messenger import QueuedMessenger
from .output import Output


class MessageHandler(Protocol):
    """A handler that sends messages, and calls its messenger's `wrote` for each."""

    def send_messages(self, messages: list[Any]) -> None:
        """Send messages, in this order; text is str."""

    def session_closed(self) -> None:
        """End after what was sent."""


class HandlerMessenger(QueuedMessenger):
    """Passes the messages of a turn to the handler, in one call at its end."""

    __slots__ = ("_gate", "_handler", "_stream", "_written")

    def __init__(self, handler: MessageHandler, stream: IOStream, output: Output) -> None:
        super().__init__(output)
        self._handler = handler
        self._stream = stream
        self._written: deque[tuple[asyncio.Future[None] | None, int]] = deque()  # what the stream may not have sent yet
        self._gate: asyncio.Future[None] | None = None

    @property
    def gate(self) -> Awaitable[None] | None:
        """None, or a future to await before the next message is read."""
        if self.is_paused and self._gate is None:
            self._gate = asyncio.get_running_loop().create_future()
        return self._gate

    def wrote(self, message: str | bytes, future: "asyncio.Future[None] | None") -> None:
        """Called with a message, and the future of its write; None if the WebSocket was closed."""
        if future is None or self._stream.writing():
            size = wire_bytes(message)
            self._written.append((future, size))
            self.took(size)
        else:
            self._written.clear()
            self._held_bytes = 0
        if future is not None:
            future.add_done_callback(self._left)

    def _left(self, future: "asyncio.Future[None]") -> None:
        if future.cancelled() or future.exception() is not None:
            return  # the connection has ended: the message may not have been sent
        is_next = self._written and self._written[0][0] is future
        self.left(self._written.popleft()[1] if is_next else 0)

    def _deliver(self, messages: list[str | bytes]) -> None:
        self._handler.send_messages(messages)

    def _end(self, code: int, reason: str) -> None:
        self._handler.session_closed()

    def _cut(self) -> None:
        self._stream.close()

    def _let_in(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None and not gate.done():
            gate.set_result(None)
