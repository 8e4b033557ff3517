"""The connections of an ASGI server: a WebSocket for messages, and an endless answer for bytes.

How it works: `send` of ASGI is a coroutine, which waits while the client takes nothing. So each connection has one
coroutine that writes, and all others leave what is to be written in a queue and wake that. What was given to `send`
counts as unsent until `send` returns; what the server itself holds behind that, nobody can tell.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

from ..engine.transports.messages import wire_bytes
from .asgirequests import Event, Receive, Send
from .link import LINGER, Piece, QueuedLink
from .messenger import QueuedMessenger
from .output import Output

PRIVATE_CODES = 3000  # RFC 6455, section 7.4.2: those of libraries and applications begin here
ENDED = (OSError, RuntimeError)  # what servers raise at `send` once a connection has ended; ASGI 2.4 has OSError


def message_of(event: Event) -> str | bytes:
    """Return the message of an event `websocket.receive`."""
    text: str | None = event.get("text")
    if text is not None:
        return text
    data: bytes = event["bytes"]
    return data


class Signal:
    """Wakes the one coroutine that waits for it; a signal that nobody waits for is kept."""

    __slots__ = ("_future", "_is_set")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._is_set = False

    def set(self) -> None:
        """Wake it."""
        self._is_set = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Wait for the next signal."""
        if not self._is_set:
            self._future = asyncio.get_running_loop().create_future()
            await self._future
        self._is_set = False


class AsgiMessenger(QueuedMessenger):
    """A WebSocket that the server has accepted. `serve` reads it, and a task writes to it.

    daphne raises at close codes but 1000 and private ones, and sends no message that is empty.
    """

    __slots__ = ("_for_daphne", "_gate", "_is_ending", "_is_written", "_outgoing", "_send", "_timeout", "_wake")

    def __init__(self, output: Output, send: Send, *, for_daphne: bool = False) -> None:
        super().__init__(output)
        self._send = send
        self._for_daphne = for_daphne
        self._outgoing: deque[str | bytes] = deque()
        self._wake, self._gate = Signal(), Signal()
        self._is_ending = self._is_written = False  # a goodbye is wanted; all that goes before it is written
        self._timeout: asyncio.Timeout | None = None  # while it is served

    async def serve(self, receive: Receive) -> None:
        """Read until the WebSocket is closed, by either side."""
        writing = asyncio.ensure_future(self._write())
        try:
            if not await self._read(receive) and self._is_written and not self._is_over:
                await self._close(receive)
        finally:
            writing.cancel()
            self.lost()
        if writing.done() and not writing.cancelled():
            writing.result()  # raises what `send` has raised

    async def _read(self, receive: Receive) -> bool:
        """Read until the client has gone, or the time is over; tell whether the client has gone."""
        try:
            async with asyncio.timeout(0 if self._is_over else None) as self._timeout:
                while (event := await receive())["type"] == "websocket.receive":
                    self.receive(message_of(event))
                    while self.is_paused:
                        await self._gate.wait()
                return True
        except TimeoutError:
            return False
        finally:
            self._timeout = None

    async def _write(self) -> None:
        outgoing = self._outgoing
        try:
            while True:
                while outgoing:
                    message = outgoing[0]
                    await self._send(self._event(message))
                    del outgoing[0]
                    self.left(wire_bytes(message))
                if self._is_ending and not outgoing:
                    self._is_written = True
                    self._leave_within(0)
                    return
                if self._is_over:
                    return
                await self._wake.wait()
        except ENDED:
            pass  # the client has gone
        finally:
            if not self._is_written:
                self._is_over = True
                self._leave_within(0)

    async def _close(self, receive: Receive) -> None:
        """Say goodbye. Nothing is read meanwhile, since granian sends no close frame while `receive` waits."""
        assert self.goodbye is not None
        code, reason = self.goodbye
        if self._for_daphne and code < PRIVATE_CODES:
            code = 1000
        with suppress(TimeoutError, *ENDED):
            async with asyncio.timeout(LINGER):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                while (await receive())["type"] == "websocket.receive":
                    pass

    def _event(self, message: str | bytes) -> Event:
        if isinstance(message, str):
            return {"type": "websocket.send", "text": message}
        event = {"type": "websocket.send", "bytes": message}
        return _EmptyForDaphne(event) if self._for_daphne and not message else event

    def _leave_within(self, seconds: float) -> None:
        """Read on for so long at most."""
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)

    # What a kind of messenger adds

    def _deliver(self, messages: list[str | bytes]) -> None:
        self._outgoing.extend(messages)
        self.took(sum(map(wire_bytes, messages)))
        self._wake.set()

    def _end(self, code: int, reason: str) -> None:
        self._is_ending = True
        self._leave_within(self._output.close_timeout)
        self._wake.set()

    def _cut(self) -> None:
        self._leave_within(0)

    def _let_in(self) -> None:
        self._gate.set()


class _EmptyForDaphne(dict[str, Any]):
    """An empty message: daphne asks with `get` whether there is one, and would drop what is false."""

    def get(self, key: str, default: Any = None) -> Any:
        return key == "bytes" or super().get(key, default)


class AsgiLink(QueuedLink):
    """The content of an endless answer; `serve` writes it. One event is given to `send` at a time."""

    __slots__ = ("_given", "_is_complete", "_send", "_timeout", "_wake")

    def __init__(self, output: Output, send: Send) -> None:
        super().__init__(output)
        self._send = send
        self._wake = Signal()
        self._given: Piece | None = None
        self._is_complete = False
        self._timeout: asyncio.Timeout | None = None  # while it is served

    async def serve(self, receive: Receive, start: Event) -> None:
        """Write until the answer has ended, or its client has gone."""
        watching = asyncio.ensure_future(self._watch(receive))
        try:
            async with asyncio.timeout(None if self._is_open else 0) as self._timeout:
                await self._send(start)
                await self._write()
        except (TimeoutError, *ENDED):
            pass  # the client takes nothing, or has gone
        finally:
            self._timeout = None
            watching.cancel()
            self.lost()

    def lost(self) -> None:
        """The call has ended; nothing happens the second time."""
        self._abort()

    async def _write(self) -> None:
        while True:
            while self._given is not None:
                data = bytes(self._given)
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                self._given = None
                self.unsent_bytes = max(0, self.unsent_bytes - len(data))  # `finish` has set it to 0
                self._writable()
                if self._given is not None:
                    await asyncio.sleep(0)  # a server whose connection is lost takes all, without a wait, and is silent
            if self._is_complete or not self._is_open:
                await self._send({"type": "http.response.body", "body": b""})
                return
            await self._wake.wait()

    async def _watch(self, receive: Receive) -> None:
        """Wait for the end of the client, unless a body that is complete is told again, as some middleware does."""
        is_repeated = False
        while (event := await receive())["type"] != "http.disconnect":
            if is_repeated:
                return
            is_repeated = not event.get("more_body", False)
        self._abort()

    # What a kind of link adds

    def _hand_over(self, data: Piece) -> int:
        if not data:  # all that was given has left
            self._out = None
            return 0
        self._given = data
        self._out, self._blocked = b"", True
        self._wake.set()
        return len(data)

    def _read(self, reads: bool) -> None:
        """Read nothing: a client that streams says nothing."""

    def _end_output(self) -> None:
        self._is_complete = True
        self._wake.set()

    def _shut(self) -> None:
        self._wake.set()
        if self._timeout is not None and self._given is not None and not self._timeout.expired():
            self._timeout.reschedule(0)
