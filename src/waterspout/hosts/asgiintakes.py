"""Requests of an ASGI server on their way through an engine: of HTTP, and the opening handshakes of WebSockets.

How it works: the server's call waits here until the engine has decided and answered. Meanwhile its client may go, which
`receive` tells; the answer interrupts that wait. A WebSocket and an endless answer last as long as their call.
"""

import asyncio
from abc import abstractmethod

from ..engine import Admitted, Greeting, Response, Stream, Upgrade
from .adopting import begin
from .asgilinks import ENDED, AsgiLink, AsgiMessenger, message_of
from .asgirequests import OFFER, Event, Offer, Receive, Scope, Send, encoded, read
from .chunks import UnframedLink
from .intake import TOO_SLOW, Intake, announced_bytes
from .residence import Residence

_START, _BODY = "http.response.start", "http.response.body"
_BODILESS = ("GET", "HEAD", "OPTIONS")
_TURNS = 3  # in which uvicorn closes the connection of a refused WebSocket; before that it logs an error at our return


class AsgiIntake(Intake):
    """A call of an ASGI server, which waits until the engine has decided or answered."""

    gone_type: str
    _response: Response | None = None
    _reader: asyncio.Task[None] | None = None  # what waits for an event of the server
    _is_interrupted = _is_deaf = False

    def __init__(self, residence: Residence, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(residence.engine)
        self._residence = residence
        self._scope, self._receive, self._send = scope, receive, send

    @abstractmethod
    def _hold(self, event: Event) -> None:
        """Called with what comes while the client has to wait for a decision or an answer."""

    def gone(self) -> None:
        super().gone()
        self._wake()

    # What a kind of intake adds

    def take_back(self) -> bool:
        return False  # what is answered goes to the server at once

    def _answer(self, response: Response) -> None:
        self._response = response
        self._wake()

    # Below this line: how it is done

    @property
    def _is_settled(self) -> bool:
        return self.is_over or self._response is not None

    def _wake(self) -> None:
        if self._reader is not None and not self._is_interrupted:
            self._is_interrupted = True
            self._reader.cancel()

    async def _park(self) -> None:
        """Wait until it is over; the client may go meanwhile."""
        while not self._is_settled:
            event = await self._event()
            if event is not None:
                if event["type"] == self.gone_type:
                    self.gone()
                else:
                    self._hold(event)

    async def _event(self) -> Event | None:
        """Wait for an event of the server; None if there is an answer before.

        The answer interrupts the call's own task: another task that waits would cost as much as the whole request.
        """
        task = self._reader = asyncio.current_task()
        assert task is not None
        try:
            event = await (_nothing_more() if self._is_deaf else self._receive())
        except asyncio.CancelledError:
            if not self._is_interrupted or task.uncancel():
                raise
            return None
        finally:
            self._reader = None
        if self._is_interrupted:  # middleware has made an event of the interruption
            task.uncancel()
        return event

    async def _send_response(self, response: Response, start: str, body: str, *fields: tuple[bytes, bytes]) -> None:
        """Send events of these two types."""
        headers = [*encoded(response.headers), *fields]
        if response.status != 204:
            headers.append((b"content-length", b"%d" % len(response.body)))
        try:
            await self._send({"type": start, "status": response.status, "headers": headers})
            await self._send({"type": body, "body": response.body})
        except ENDED:
            return  # the client has gone
        if self.written is not None:
            self.written()


class HttpIntake(AsgiIntake):
    """A request of HTTP: its answer, or an endless one."""

    gone_type = "http.disconnect"
    _link: AsgiLink | None = None
    _headers: tuple[tuple[str, str], ...] = ()  # of an endless answer
    _is_whole = _is_repeated = False

    async def serve(self, path: str) -> None:
        """Let the engine serve it."""
        self.admit(read(self._residence, self._scope, path))
        try:
            if self._has_body():
                await self._read_body()
            else:
                self._is_whole = True
                self.complete()
            if not self._is_settled:
                await self._park()
            if self._link is not None:
                headers = [*encoded(self._headers), *self._closing()]
                await self._link.serve(self._receive, {"type": _START, "status": 200, "headers": headers})
        finally:
            if not self._is_settled:  # the call is cancelled
                self.gone()
            if self._link is not None:
                self._link.lost()
        if self._response is not None:
            closing = () if self._is_whole else self._closing()
            await self._send_response(self._response, _START, _BODY, *closing)

    # What a kind of intake adds

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        assert isinstance(greeting, Stream)
        self.is_over = True
        self._link, self._headers = AsgiLink(self._residence.output, self._send), greeting.headers
        self._link.start(self.engine.connect(decision, self.request, UnframedLink(self._link)))
        self._wake()

    def _cut(self) -> None:
        self._answer(TOO_SLOW)

    # Below this line: how it is done

    def _has_body(self) -> bool:
        """Tell whether there may be one: HTTP/2, and middleware that decodes it, need no field that announces it."""
        request = self.request
        if request.method not in _BODILESS:
            return True
        return bool(request.header("content-length") or request.header("transfer-encoding"))

    def _is_of_http_1(self) -> bool:
        return bool(self._scope.get("http_version", "1.1") < "2")

    def _closing(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return what ends the connection behind an endless answer, or one before the end of the body.

        HTTP/2 has no such field.
        """
        return ((b"connection", b"close"),) if self._is_of_http_1() else ()

    def _hold(self, event: Event) -> None:
        if self._is_repeated:
            self._is_deaf = True  # it would be told the body again and again, and nobody else had a turn
        self._is_repeated = not event.get("more_body", False)

    async def _read_body(self) -> None:
        """Read the body while it is wanted."""
        self.expect(announced_bytes(self.request.header("content-length")))
        while not self._is_settled:
            event = await self._event()
            if event is None:
                return
            if event["type"] == self.gone_type:
                self.gone()
                return
            self.feed(event.get("body", b""))
            if not event.get("more_body", False):
                self._is_whole = True
                self.complete()
                return


class WebSocketIntake(AsgiIntake):
    """The opening handshake of a WebSocket: it is accepted or refused."""

    gone_type = "websocket.disconnect"
    _admitted: tuple[Admitted, Upgrade] | None = None  # accepted, but not started
    _messenger: AsgiMessenger | None = None
    _early: str | bytes | None = None  # what the client has sent before it had the answer

    async def serve(self, path: str) -> None:
        """Let the engine decide, and carry the messages until the end."""
        await self._receive()  # `websocket.connect`
        self.admit(read(self._residence, self._scope, path))
        self.complete()
        try:
            if not self.is_over:
                await self._park()
            if self._response is not None:
                await self._refuse(self._response)
            elif self._admitted is not None and not self._take(*self._admitted):
                await self._accept(*self._admitted)
        finally:
            self.gone()
            self._give_up()

    # What a kind of intake adds

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        assert isinstance(greeting, Upgrade)
        self.is_over = True
        self._admitted = decision, greeting
        self._wake()

    def _cut(self) -> None:
        self._wake()

    # Below this line: how it is done

    def _take(self, decision: Admitted, greeting: Upgrade) -> bool:
        """Take the connection from a server that offers it; then this call has no more to do."""
        offer: Offer | None = (self._scope.get("extensions") or {}).get(OFFER)
        link = None if offer is None else offer(self._residence.output, self.engine.close)
        if link is None:
            return False
        self._admitted = None
        begin(link, self._residence, self.request, decision, greeting)
        return True

    async def _accept(self, decision: Admitted, greeting: Upgrade) -> None:
        accept = {
            "type": "websocket.accept",
            "subprotocol": greeting.subprotocol,
            "headers": [*encoded(greeting.headers)],
        }
        try:
            await self._send(accept)
        except ENDED:
            return
        for_daphne = "spec_version" not in self._scope.get("asgi", {})  # it alone tells none
        self._messenger = AsgiMessenger(self._residence.output, self._send, for_daphne=for_daphne)
        if self._early is not None:
            self._messenger.receive(self._early)
        self._residence.output.after(greeting.pause, self._start)
        await self._messenger.serve(self._receive)

    def _hold(self, event: Event) -> None:
        """Keep one message: the client may send without an end, and the server holds the others."""
        self._early = message_of(event)
        self._is_deaf = True

    def _start(self) -> None:
        admitted, self._admitted = self._admitted, None
        if admitted is not None:  # else it was closed in the pause
            assert self._messenger is not None
            self._messenger.start(self.engine.connect_messages(admitted[0], self.request, self._messenger))

    def _give_up(self) -> None:
        admitted, self._admitted = self._admitted, None
        if admitted is not None:
            self.engine.abort(admitted[0])

    async def _refuse(self, response: Response) -> None:
        if "websocket.http.response" in (self._scope.get("extensions") or {}):
            await self._send_response(response, "websocket.http.response.start", "websocket.http.response.body")
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            return
        try:
            await self._send({"type": "websocket.close", "code": 1008})  # which becomes a bare 403
        except ENDED:
            pass  # the client has gone


async def _nothing_more() -> Event:
    """Wait, in the place of a `receive`, until the call is interrupted."""
    event: Event = await asyncio.get_running_loop().create_future()
    return event


INTAKES: dict[str, type[HttpIntake] | type[WebSocketIntake]] = {"http": HttpIntake, "websocket": WebSocketIntake}
"""The kind of intake for each type of a scope."""
