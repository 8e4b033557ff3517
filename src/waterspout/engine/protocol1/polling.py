"""The polling of Socket.IO 0.7 to 0.9: by XMLHttpRequest or by script elements (docs/protocol-1.md, WP-24 to WP-33)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...wire.protocol1 import envelopes
from ...wire.protocol1 import socketio as socketio1
from ..http.response import SCRIPT, TEXT, Headers, Response
from ..prepared import Prepared
from ..session import SessionTimer
from ..states import State
from ..transports.interfaces import Exchange
from ..transports.polling import LongPolling
from .session import ResumableSession

_NOOP = Prepared(socketio1.NOOP)


@dataclass(slots=True)
class PollResponse(Response):
    """The answer to a GET of 0.7 to 0.9. `packets` are in its body, as a script where the GET has an `index`.

    `is_last`: the session is over.
    """

    packets: Sequence[bytes] = ()
    index: int | None = None
    is_last: bool = False

    def carrying(self, packets: Sequence[bytes]) -> "PollResponse":
        """Return the same answer with these packets."""
        if self.index is not None:
            packets = [socketio1.as_json_message(packet) for packet in packets]
        body, _ = socketio1.encode_payload((packet, ()) for packet in packets)
        if self.index is not None:
            body = envelopes.encode_script(self.index, body)
        return replace(self, packets=packets, body=body)


class OldPollingTransport(LongPolling):
    """`xhr-polling` or `jsonp-polling`: it answers each GET with all that is queued.

    It has nothing to pause, for the session leaves its POSTs unanswered. The parked GET of one that is left is held for
    its time: a client that gets an answer at once would take over again.
    """

    __slots__ = ("_answered", "_decision", "_index", "_said", "name")

    session: ResumableSession

    def __init__(self, session: ResumableSession, name: str) -> None:
        super().__init__(session)
        self.name = name
        self._said: tuple[Exchange, list[Prepared]] | None = None
        self._decision: object = None
        self._index: int | None = None
        self._answered = False

    def retire(self) -> bool:
        """Answer a parked GET with a noop."""
        self._release()
        return True

    def unsent(self) -> list[Prepared]:
        """Give back what was in the latest answer, if that has not been sent and can be taken back."""
        said, self._said = self._said, None
        return said[1] if said is not None and said[0].take_back() else []

    def poll(self, exchange: Exchange, decision: object, headers: Headers, index: int | None) -> None:
        """Park a GET until there is something to send, or for `poll_hold`; answer an older one (WP-30)."""
        session = self.session
        if not session.take_back(self) and self._answered:
            session.replay.end()  # it asks for more
        self._release()
        self._poll, self._decision, self._headers, self._index = exchange, decision, headers, index
        session.table.deadlines.set(self, SessionTimer.RESUME, session.now() + session.table.policy.protocol1.poll_hold)
        session.present()
        if session.transport is not self:
            session.attach(self)  # which may answer it already
        self.flush()

    def aborted(self, decision: object) -> None:
        """The client gave up a request; if it was the parked GET, what is queued waits for the next (WP-31)."""
        if self._poll is not None and self._decision is decision:
            self._poll = None
            self._rest()

    def flush(self) -> None:
        """Answer the parked GET with all that is queued."""
        self._flushing = False
        if self._poll is None:
            return
        session = self.session
        messages = session.take()
        over = self._finishing or session.state is State.CLOSING
        if messages or over:
            self._said = self._poll, messages
            self._answer(messages or [_NOOP])
            self._answered = True
            for prepared in () if session.replay.is_over else messages:
                session.replay.add(prepared)
        session.drained()
        if over:
            session.finished()

    def due(self, kind: SessionTimer, at: float) -> None:
        """Answer a parked GET that was held for `poll_hold`."""
        self._release()

    def _release(self) -> None:
        if self._poll is not None:
            self._answer([_NOOP])

    def _answer(self, messages: list[Prepared]) -> None:
        self._rest()
        index, is_last = self._index, not self.session.is_live
        headers = (*(TEXT if index is None else SCRIPT), *self._headers)
        response = PollResponse(200, headers, index=index, is_last=is_last).carrying([each.text for each in messages])
        self._respond(response, len(messages))

    def _rest(self) -> None:
        """Wait for the client's next GET."""
        self.session.table.deadlines.clear(self, SessionTimer.RESUME)
        if self.session.transport is self:
            self.session.absent()
