"""A session's long-polling: what is queued leaves with the next GET, what comes arrives by POST.

How it works: a GET is parked in `_poll` until there is something to send. `write` always refuses, so everything
waits in the session's outbox; `notify` says that it is no longer empty, and a job of the turn (`flush`) takes all of
it as one answer. So everything that a turn has to say leaves together.

A POST is announced by `begin_post` before its body is read, since a second one at the same time ends the session.
Its payload is delivered by an `Inflow`, in slices, and answered when all of it is delivered: a client that waits for
the answer, as all official ones do, is slowed down by a session that is paused.

The goodbye is an answer of its own, behind the one with what was queued (see `flush`).
"""

from typing import TYPE_CHECKING

from ...errors import ProtocolError
from ...types import Reason
from ...wire import jsonp
from ..http.refusals import Fault, refuse
from ..http.response import PRIVATE, SCRIPT, TEXT, Headers, Response
from ..prepared import Prepared
from ..states import State
from .inflow import Inflow, Slice
from .interfaces import Exchange
from .null import NullTransport

if TYPE_CHECKING:
    from ..session import Session

CLOSE = Prepared(b"1")
NOOP = Prepared(b"6")

_BINARY = (("Content-Type", "application/octet-stream"), *PRIVATE)
_OK = (("Content-Type", "text/html"), *PRIVATE)  # text/plain makes some browsers offer a download


class LongPolling(NullTransport):
    """What all long-polling has in common: a GET is parked until a turn has queued something, and answered at its end.

    It takes nothing ahead, so `write` always refuses.
    """

    __slots__ = ("_finishing", "_flushing", "_headers", "_poll", "session")

    fetches = True

    def __init__(self, session: "Session") -> None:
        self.session = session
        self._poll: Exchange | None = None
        self._headers: Headers = ()
        self._finishing = self._flushing = False

    @property
    def waiting(self) -> bool:
        """Tell whether a GET is parked."""
        return self._poll is not None

    def notify(self) -> None:
        """Answer a parked GET at the end of the turn."""
        if self._poll is not None and not self._flushing:
            self._flushing = True
            self.session.table.turn.add(self.flush)

    def finish(self, code: int, text: str = "") -> bool:
        """Send what is queued and the goodbye, if a GET is parked or comes in time."""
        self._finishing = True
        self.notify()
        return False

    def flush(self) -> None:
        """Answer the parked GET with what is queued."""
        raise NotImplementedError

    def _respond(self, response: Response, messages: int) -> None:
        """Answer the parked GET with a response that carries so many messages."""
        exchange, self._poll = self._poll, None
        assert exchange is not None
        traffic = self.session.table.traffic
        traffic.messages_out += messages
        traffic.bytes_out += len(response.body)
        exchange.respond(response)


class PollingTransport(LongPolling):
    """The transport `polling` of Engine.IO; the engine brings its requests, each after it was admitted.

    A POST begins before its body is read, and ends with `post`, `end_post` or `aborted`. Every exchange is answered,
    but a GET may be parked for long.

    With `base64`, which a client asks for with b64=1, binary goes as text. A request with a `j` has its answer
    as JSONP, in which all is text.
    """

    __slots__ = ("_base64", "_callback", "_inflow", "_paused", "_retired", "posting")

    name = "polling"

    def __init__(self, session: "Session", *, base64: bool = False) -> None:
        super().__init__(session)
        self.posting = False
        self._base64 = base64
        self._callback: int | None = None
        self._inflow: Inflow | None = None
        self._retired = self._paused = False

    @property
    def http(self) -> "PollingTransport":  # type: ignore[override]
        return self

    def pause(self) -> None:
        """Deliver no more of the current payload until `resume`, and leave its POST unanswered."""
        self._paused = True
        if self._inflow is not None:
            self._inflow.pause()

    def resume(self) -> None:
        """Deliver the rest of the payload."""
        self._paused = False
        if self._inflow is not None:
            self._inflow.resume()

    def finish(self, code: int, text: str = "") -> bool:
        self._drop_inflow()
        return super().finish(code, text)

    def poll(self, exchange: Exchange, headers: Headers) -> None:
        """Park a GET until there is something to send; a second one at the same time ends the session."""
        if self._poll is not None:
            self._answer([CLOSE])
            self.session.lost(Reason.TRANSPORT_ERROR)
            self._drop_inflow()
            exchange.respond(
                refuse(Fault.BAD_REQUEST, "two polls at once: wait for the answer to the first", headers).response
            )
            return
        index = exchange.request.param("j")
        self._callback = None if index is None else int(index)
        self._poll, self._headers = exchange, headers
        if self._retired or self.session.state is State.CLOSED:
            self.retire()
            self.session.finished()
        else:
            self.flush()

    def begin_post(self) -> bool:
        """Expect a POST; False if another one has begun: their order would be undefined, so the session ends."""
        if self.posting:
            return False
        self.posting = True
        return True

    def end_post(self) -> None:
        """Called when the host has refused the body; a form hides the refusal from its page, so the session ends."""
        self.posting = False
        if self._callback is not None:
            self.session.drop(Reason.TRANSPORT_ERROR)

    def post(self, exchange: Exchange, body: bytes, headers: Headers) -> None:
        """Take a payload; an invalid one ends the session."""
        session, request = self.session, exchange.request
        is_form = request.param("j") is not None
        binary = (request.header("content-type") or "").startswith("application/octet-stream")
        session.table.traffic.bytes_in += len(body)

        def done(error: ProtocolError | None) -> None:
            self.posting, self._inflow = False, None
            if error is None:
                exchange.respond(Response(200, (*_OK, *headers), b"ok"))
                return
            session.blame(error)
            session.drop(Reason.PARSE_ERROR, error.close_code)
            detail = "the form has no payload in d" if is_form else str(error)  # a page shows it: it repeats nothing
            exchange.respond(refuse(Fault.BAD_REQUEST, detail, headers, status=error.status).response)

        try:
            if is_form:
                body, binary = jsonp.decode_form(body), False
            packets = session.generation.engineio.decode_payload(
                body, binary=binary, max_packets=session.policy.max_packets
            )
        except ProtocolError as error:
            done(error)
            return
        self._inflow = Inflow(packets, session, share=Slice(), done=done)
        if not self._paused:
            self._inflow.resume()

    def _drop_inflow(self) -> None:
        """Answer a POST whose remaining packets are dropped."""
        if self._inflow is not None:
            self._inflow.end()

    def aborted(self) -> None:
        """The client gave up a request before its answer: the session ends, as the reference has it.

        Of a poll that is parked beside a POST which was given up, the answer is a close packet.
        """
        self.posting = False
        self.session.drop(Reason.TRANSPORT_ERROR)

    def release(self) -> None:
        """Answer a parked poll with a noop."""
        if self._poll is not None:
            self._answer([NOOP])

    def retire(self) -> bool:
        """Answer a parked poll, or the next one, with a noop; `finish` would close the client."""
        self._drop_inflow()
        if self._poll is None:
            self._retired = True
            return False
        self.release()
        return True

    def flush(self) -> None:
        """Answer the parked poll with all that is queued and fits; the goodbye has an answer of its own.

        In one payload, as the JavaScript server never has them, clients of 4.x would hear of the end before the
        packets in front of it, which they hand out a tick later, and take "io server disconnect" for a lost connection.
        """
        self._flushing = False
        if self._poll is None:
            return
        messages = self.session.take(self.session.policy.max_packets_per_poll)
        if messages:
            self._answer(messages)
            self.session.drained()
        elif self._finishing:
            self._answer([CLOSE])
            self.session.finished()

    def _answer(self, messages: list[Prepared]) -> None:
        callback = self._callback
        body, binary = self.session.generation.engineio.encode_payload(
            [(prepared.text, prepared.attachments) for prepared in messages],
            base64=self._base64 or callback is not None,
        )
        if callback is None:
            kind = _BINARY if binary else TEXT
        else:
            kind, body = SCRIPT, jsonp.encode_script(callback, body)
        self._respond(Response(200, (*kind, *self._headers), body), len(messages))
