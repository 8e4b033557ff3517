"""One connection of a client, whatever carries it: its states, its outbox, its life and its end.

How it works: an application calls `push`. While `_outbox` is None, the transport takes what is pushed at once. When
it refuses, an `Outbox` is made, and everything goes there, in order, until the transport calls `writable`, or
fetches with `take` (polling). When the outbox is empty again it is dropped, so that an idle session holds nothing.

The session knows when to begin and to end, but not what is said: each text or binary message goes to its dialect,
which calls back (`await_connect`, `await_attachments`, `closed_by_client`).

The end has two parts. `close` only marks: the state becomes CLOSING, and a job of the turn tells the application and
lets the transport say goodbye, so no user's function runs inside a transition. `_end` is the one place where a
session becomes CLOSED; it clears deadlines, outbox and probe, and takes the session out of the table. All ways to
the end lead there: `lost` and `failed` (the transport is gone), `drop` (the engine gives up), `finished` (the
goodbye is said), `discard` and `abandon`. The table in docs/architecture.md says who calls which.
"""

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, assert_never

from ..errors import DecodeError, ProtocolError
from ..types import Reason, Request
from ..wire import surrogates
from ..wire.generations import Generation
from ..wire.socketio import Partial
from .backlog import Backlog
from .dialects import ENGINEIO, Dialect
from .driver import DriverMisuse
from .outbox import Outbox
from .prepared import Prepared
from .states import FORCED, SLOW_CONSUMER, TRANSITIONS, Ending, State, Step, after
from .transports.interfaces import Transport
from .transports.null import NOBODY

if TYPE_CHECKING:
    from .table import Table
    from .transports.upgrade import Probe

_CROSSING = 0.5  # s
_INTERNAL_ERROR = 1011  # RFC 6455, section 7.4.1


class SessionTimer(Enum):
    """What a session waits for."""

    __hash__ = object.__hash__  # that of Enum is a function in Python, and each deadline is looked for five times

    HEARTBEAT = "heartbeat"
    CONNECT = "connect"
    PARTIAL = "partial"
    CLOSE = "close"
    RESUME = "resume"


_WAITS = tuple(SessionTimer)
# members of an Enum take 150 ns to look up on Python 3.11
_HEARTBEAT, _CONNECT = SessionTimer.HEARTBEAT, SessionTimer.CONNECT


def push_to_all(sessions: Iterable["Session"], prepared: Prepared) -> None:
    """Do what `Session.push` does, for each of many: the call would be a sixth of what a member of a room costs."""
    for session in sessions:
        if session._outbox is not None or not session.transport.write(prepared):
            session._keep(prepared)


class Session(Backlog):
    """One Engine.IO connection. `id` is the client's secret; `data` is for the application's own use.

    What an application says and asks comes first; it only queues and marks. Then come what transports report, an
    upgrade, and what the engine, the heartbeat and the deadlines say.
    """

    __slots__ = (
        "__weakref__",
        "_ending",
        "_outbox",
        "_probe",
        "data",
        "dialect",
        "generation",
        "heartbeat",
        "id",
        "is_known",
        "is_live",
        "partial",
        "request",
        "state",
        "table",
        "transport",
    )

    table: "Table"
    transport: Transport
    max_early_events = 10  # which wait while the application decides whether the client may enter

    def __init__(
        self, table: "Table", sid: str, generation: Generation, request: Request, dialect: Dialect = ENGINEIO
    ) -> None:
        super().__init__()
        self.table = table
        self.id = sid
        self.generation = generation
        self.request = request
        self.data: Any = table.new_data()
        self.state = State.OPEN
        self.is_live = True  # the client and the application can still talk
        self.is_known = False  # to the application: its `open` has let the client in
        self.dialect = dialect
        self.heartbeat = dialect.heartbeat(self)
        self._outbox: Outbox | None = None
        self.partial: Partial | None = None
        self._probe: Probe | None = None
        self._ending = FORCED
        self.transport = NOBODY

    # What an application says

    def send(self, data: str | bytes) -> None:
        """Queue a message of bare Engine.IO.

        Within a text a lone surrogate arrives as U+FFFD, and so does U+001E over long-polling of Engine.IO 4: send
        bytes where it matters.
        """
        if isinstance(data, str):
            self.push(Prepared(b"4" + surrogates.encode(data)))
        else:
            self.push(Prepared(b"", (bytes(data),)))

    def push(self, prepared: Prepared) -> None:
        """Queue what is prepared: straight into the transport while that takes it."""
        if self._outbox is not None or not self.transport.write(prepared):
            self._keep(prepared)

    def close(self, ending: Ending = FORCED) -> None:
        """End the session after what is running now, once; what is sent from now on is dropped."""
        if self.is_live:
            self.dialect.announce(self, ending)
            self._move(Step.CLOSE)
            self._ending = ending
            if not ending.flush:
                self._drop_probe()
            if self._outbox is None or not ending.flush:
                self._outbox = Outbox()  # nothing overtakes what is dropped, and nothing is added any more
            self._close_within(ending)
            if self.is_known:
                self.table.turn.add(self._say_goodbye)
        elif ending.within is not None and self.state is State.CLOSING:
            self._close_within(ending)  # closing all sessions leaves less time than closing this one

    def connected(self) -> None:
        """The client has entered a namespace: what only the handshake needed may go."""
        self.wait_no_longer(_CONNECT)
        self.request.forget()

    @property
    def outbox_bytes(self) -> int:
        """What waits for the client."""
        return 0 if self._outbox is None else self._outbox.size_bytes

    @property
    def has_room(self) -> bool:
        """Whether less than half of what may wait for the client does."""
        outbox, policy = self._outbox, self.policy
        return outbox is None or (
            outbox.size_bytes * 2 < policy.max_outbox_bytes and len(outbox) * 2 < policy.max_packets
        )

    # What transports report

    def greet(self) -> None:
        """Begin to talk with the client: its first transport has opened."""
        try:
            self.dialect.greet(self)
        except DriverMisuse:
            raise
        except Exception as error:
            self._break_down(error)

    def receive_text(self, text: str) -> None:
        """Take one text message; raises ProtocolError for what such a client may not send."""
        try:
            self.dialect.receive_text(self, text)
        except (ProtocolError, DriverMisuse):
            raise
        except Exception as error:
            self._break_down(error)

    def receive_binary(self, data: bytes) -> None:
        """Take one binary message; raises ProtocolError for what such a client may not send."""
        try:
            self.dialect.receive_binary(self, data)
        except (ProtocolError, DriverMisuse):
            raise
        except Exception as error:
            self._break_down(error)

    def receive_pong(self) -> None:
        """The client has answered a ping of WebSockets."""
        self.heartbeat.pong_frame(self)

    def writable(self) -> None:
        """Write on from the outbox."""
        if self._outbox is not None:
            is_empty = self._outbox.write_to(self.transport)
            if is_empty and self.is_live:
                self._outbox = None
            self.drained()
            if not is_empty:
                return
        if self.state is State.CLOSING:
            self._part()

    def take(self, max_packets: int | None = None) -> list[Prepared]:
        """Hand over the whole outbox, or what `Outbox.take` does of it."""
        outbox = self._outbox
        if outbox is None:
            return []
        taken = outbox.take(max_packets)
        if self.is_live and not outbox:
            self._outbox = None
        return taken

    def drained(self) -> None:
        """Tell those who wait for room, after what was in the outbox has gone."""
        if self.table.awaiting_room:
            self.table.drained(self)

    def give_back(self, unsent: list[Prepared]) -> None:
        """Take back, in front of all that waits, what a transport had taken and has not sent."""
        if unsent and self.state is not State.CLOSED:
            if self._outbox is None:
                self._outbox = Outbox()
            self._outbox.give_back(unsent)

    def failed(self, error: ProtocolError) -> None:
        """The client broke the protocol, and its transport says so to it."""
        self.blame(error)
        self._end_for(Reason.PARSE_ERROR)

    def blame(self, error: ProtocolError) -> None:
        """Log for the operator what the client did."""
        self.table.log.broke(self.id, error)

    def lost(self, reason: Reason) -> None:
        """The connection is gone."""
        self._end_for(reason)

    def finished(self) -> None:
        """The transport has sent the last packet."""
        self._end()

    def known(self) -> None:
        """The application has accepted the client; if it has closed the session at once, tell it so now."""
        self.is_known = True
        if not self.is_live:
            self.table.turn.add(self._say_goodbye)

    def discard(self) -> None:
        """End before there was anything: the application has refused it, and its `close` is not called."""
        self._end()

    def drop(self, reason: Reason, code: int = 1000) -> None:
        """End the session now, without what is queued: nobody is there to read it."""
        self._end_for(reason)
        self.transport.finish(code, reason)

    def abandon(self) -> None:
        """End without a word to the client: the loop of its connection is over."""
        told, self._probe = not self.is_live, None
        try:
            self._end()
        finally:
            if not told:
                self.table.ended(self, Reason.SHUTDOWN)

    # What its dialect reports

    def await_connect(self) -> None:
        """Give the client `connect_timeout` to enter its first namespace."""
        self.wait(_CONNECT, self.policy.connect_timeout)

    def await_attachments(self, partial: Partial) -> None:
        """Give the client `partial_timeout` for the attachments of a packet."""
        self.partial = partial
        self.wait(SessionTimer.PARTIAL, self.policy.partial_timeout)

    def attachments_complete(self) -> None:
        """End the wait for attachments: all have come."""
        self.partial = None
        self.wait_no_longer(SessionTimer.PARTIAL)

    def closed_by_client(self) -> None:
        """End; a poll that set out before the client's goodbye, and comes after it, still gets its answer."""
        first = self.is_live  # else ours was on its way already
        if first:
            self._move(Step.CLOSE)
            self._drop_probe()
            self.take()
            self.table.ended(self, Reason.TRANSPORT_CLOSE)
        if self.transport.retire() or not first:
            self._end()
        else:
            self.wait(SessionTimer.CLOSE, _CROSSING)

    # Upgrade

    @property
    def can_upgrade(self) -> bool:
        """Tell whether a WebSocket may prove itself now."""
        return Step.PROBE in TRANSITIONS[self.state]

    def begin_upgrade(self, probe: "Probe") -> None:
        """Begin the probe of a WebSocket, while polling continues."""
        self._move(Step.PROBE)
        self._probe = probe

    def upgrade(self, transport: Transport) -> None:
        """Change to the transport that has proved itself, and send there what is queued."""
        self._move(Step.UPGRADE)
        self._probe = None
        self.go_on(transport)

    def go_on(self, transport: Transport) -> None:
        """Go on over this transport, and send there what is queued."""
        self.transport = transport
        if self.is_paused:
            transport.pause()
        if self.state is State.CLOSING and transport.fetches:
            self._part()
        else:
            self.writable()

    def abandon_upgrade(self) -> None:
        """Stay on polling."""
        self._move(Step.ABANDON)
        self._probe = None

    # Waiting

    def now(self) -> float:
        """Return the driver's time."""
        return self.table.driver.now()

    def wait(self, kind: SessionTimer, seconds: float) -> None:
        """Call `due` with this kind after so many seconds; a wait of the same kind is replaced."""
        self.table.deadlines.set(self, kind, self.now() + seconds)

    def beat_at(self, at: float) -> None:
        """Call the heartbeat's `due` at this time."""
        self.table.deadlines.set(self, _HEARTBEAT, at)

    def beat_no_more(self) -> None:
        """Cancel the call of the heartbeat's `due`."""
        self.table.deadlines.clear(self, _HEARTBEAT)

    def wait_no_longer(self, kind: SessionTimer) -> None:
        """Forget a wait of this kind, if there is one."""
        self.table.deadlines.clear(self, kind)

    def due(self, kind: SessionTimer, at: float) -> None:
        """Act on a deadline."""
        match kind:
            case SessionTimer.HEARTBEAT if self.is_paused:
                self.heartbeat.spare(self)
            case SessionTimer.HEARTBEAT:
                self.heartbeat.due(self, at)
            case SessionTimer.CONNECT:
                self.close(self.dialect.no_connect)
            case SessionTimer.PARTIAL:
                self.drop(Reason.PARSE_ERROR, DecodeError.close_code)
            case SessionTimer.CLOSE | SessionTimer.RESUME:
                self.transport.finish(self._ending.code)
                self._end()
            case _:
                assert_never(kind)

    # Below this line: how it is done

    def _break_down(self, error: Exception) -> None:
        """Report what neither application nor dialect may raise, and end the session, whose state is unknown now.

        Else its transport would stop in the middle of what it has read: a pause would never end, or a POST be answered.
        """
        self.table.log.report((Session, type(error)), "a session is closed because its application failed", error)
        self.drop(Reason.TRANSPORT_ERROR, _INTERNAL_ERROR)

    def _keep(self, prepared: Prepared) -> None:
        """Queue in the outbox; a client that lets it grow over the cap is cut at the end of the turn."""
        if not self.is_live:
            return
        table, outbox = self.table, self._outbox
        if outbox is None:
            self._outbox = outbox = Outbox()
            outbox.add(prepared, table.policy, table.traffic)
            self.transport.notify()
        elif prepared.volatile:
            table.traffic.dropped += 1
        elif not outbox.add(prepared, table.policy, table.traffic):
            self.close(SLOW_CONSUMER)

    def _pause(self) -> None:
        self.transport.pause()
        self.heartbeat.hasten(self)

    def _read_on(self) -> None:
        if not self.is_paused:
            self.transport.resume()

    def _close_within(self, ending: Ending) -> None:
        self.wait(SessionTimer.CLOSE, self.policy.close_timeout if ending.within is None else ending.within)

    def _say_goodbye(self) -> None:
        self.table.ended(self, self._ending.reason)
        if self.state is State.CLOSING and (not self._outbox or self.transport.fetches):
            self._part()

    def _part(self) -> None:
        if self.transport.finish(self._ending.code):
            self._end()

    def _end(self) -> bool:
        if self.state is State.CLOSED:
            return False
        self._move(Step.END)
        self._drop_probe()
        for kind in _WAITS:
            self.table.deadlines.clear(self, kind)
        self.take()
        self.partial = None
        self.table.forget(self)
        return True

    def _drop_probe(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.leave()

    def _end_for(self, reason: Reason) -> None:
        told = not self.is_live
        if self._end() and not told:
            self.table.ended(self, reason)

    def _move(self, step: Step) -> None:
        self.state = after(self.state, step)
        self.is_live = Step.CLOSE in TRANSITIONS[self.state]
