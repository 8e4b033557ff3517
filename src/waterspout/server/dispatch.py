"""Dispatch: from an event to its handler, and from the result to the acknowledgement.

For nearly every event `SocketMember.receive` calls the handler itself. This module has what must come before: the rate
limit, access, order, steps, and the conversion of arguments; an `EventCall` is the small state machine of one such
event.
"""

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..engine import INTERRUPTS, Asker, Prepared
from ..errors import ConnectRefused, EventDenied, EventRefused, RateLimited
from ..wire.packets import Event
from ..wire.places import find_fault
from .handlers import Handler
from .life import CONNECTED, CountingAsker

if TYPE_CHECKING:
    from .member import SocketMember


Token = tuple["SocketMember", Event]

UNKNOWN = "Unknown event"
_LARGE_BYTES = 1000  # smaller ones `max_calls` bounds well enough
_LONGEST = 80  # characters of a name that a client has chosen


class _Answers:
    """The asker of handlers that are called without further ado; sends their results as acknowledgements."""

    def answered(self, token: Token, result: Any) -> None:
        """Send the result as the acknowledgement, if the client wants one."""
        member, packet = token
        if packet.id is None or member.life is not CONNECTED:
            return
        args = () if result is None else result if type(result) is tuple else (result,)
        session = member.session
        try:
            text, attachments = session.generation.socketio.encode_ack(packet.namespace, packet.id, args)
        except BaseException as error:
            self._cannot_send(token, result, error)
        else:
            session.push(Prepared(text, attachments))

    def refused(self, token: Token, report: object) -> None:
        """Send why an event was not handled, if the client wants an acknowledgement."""
        member, packet = token
        if packet.id is None or member.life is not CONNECTED:
            return
        session = member.session
        try:
            text, attachments = session.generation.socketio.encode_refusal(packet.namespace, packet.id, report)
        except BaseException as error:
            self._cannot_send(token, report, error)
        else:
            session.push(Prepared(text, attachments))

    def _cannot_send(self, token: Token, result: object, error: BaseException) -> None:
        """Report what cannot be encoded, also because a user's own type raises."""
        member, packet = token
        place = find_fault(result, "result") if isinstance(error, Exception) else ""
        what = f"the answer to {shorten(packet.name)!r} cannot be sent: {words(error)}{place}"
        member.namespace.hooks.event_failed(member, packet.name, TypeError(what))
        excuse(member, packet)
        if isinstance(error, INTERRUPTS):
            raise error

    def failed(self, token: Token, error: BaseException) -> None:
        member, packet = token
        fail(member, packet, error)

    def describe(self, token: Token) -> str:
        """Name the handler, for a warning."""
        return f"the handler of {token[1].name!a} in {plain(token[1].namespace)}"

    def later(self, token: Token) -> Asker:
        session = token[0].session
        size_bytes = session.received_bytes
        if size_bytes > _LARGE_BYTES:
            session.begin_call(size_bytes)
            return _LateAnswers(size_bytes)
        session.begin_call()
        return _LATE


class _LateAnswers(_Answers):
    """The asker of the same handlers when they go on asynchronously: counts the call until it ends.

    Not a `CountingAsker`: the answer is sent before the call ends, so that a parked poll leaves with it, and does not
    wait for what the client is read on for.
    """

    __slots__ = ("size_bytes",)

    def __init__(self, size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes

    def answered(self, token: Token, result: Any) -> None:
        super().answered(token, result)
        self._end(token)

    def failed(self, token: Token, error: BaseException) -> None:
        super().failed(token, error)
        self._end(token)

    def _end(self, token: Token) -> None:
        token[0].session.end_call(self.size_bytes)


class _OrderedAnswers(_Answers):
    """The asker of ordered handlers that are called without further ado, since no event is waiting or running."""

    def later(self, token: Token) -> Asker:
        """Let the client's next events wait for this one."""
        member = token[0]
        queue = member.queue = EventQueue(member)
        call = _OrderedCall(queue, member.session.received_bytes)
        queue.occupy(call)
        return call


class _OrderedCall(_LateAnswers):
    """The asker of one such handler that goes on asynchronously: its queue counts it."""

    __slots__ = ("_queue",)

    def __init__(self, queue: "EventQueue", size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._queue = queue

    def _end(self, token: Token) -> None:
        self._queue.ended()


ANSWERS = _Answers()
IN_ORDER = _OrderedAnswers()
_LATE = _LateAnswers()  # of all events that are not large: a call of an `async def` costs no object here


def fail(member: "SocketMember", packet: Event, error: BaseException) -> None:
    """A handler raised: send a refusal to the client, log anything else, and call `on_error` with both."""
    if not isinstance(error, EventRefused):
        if isinstance(error, ConnectRefused) and not hasattr(error, "__notes__"):
            error.add_note("ConnectRefused is for connect handlers: raise EventRefused to refuse an event")
        member.namespace.hooks.event_failed(member, packet.name, error)
        excuse(member, packet)
        return
    try:
        report = error.report
    except Exception as another:  # a class of the user's
        member.namespace.hooks.event_failed(member, packet.name, another)
        excuse(member, packet)
    else:
        ANSWERS.refused((member, packet), report)
        member.namespace.hooks.event_refused(member, packet.name, error)


def excuse(member: "SocketMember", packet: Event, message: str = "Internal error") -> None:
    """Answer an event that gets no other answer, where clients want one to each event that has an id."""
    if member.generation.answers_failures:
        ANSWERS.refused((member, packet), {"error": {"message": message}})


def call_unknown(member: "SocketMember", packet: Event) -> None:
    """Answer an event that has no handler as one that the client is denied, so that they cannot be told apart."""
    if member.access is None:
        excuse(member, packet, UNKNOWN)
    else:
        ANSWERS.refused((member, packet), {"error": {"message": UNKNOWN}})


def shorten(name: str) -> str:
    """Cut the name of an event for a sentence: where any event is heard, a client chooses it."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def plain(namespace: str) -> str:
    """Write a namespace's name for the log, in ASCII and not longer than that: a client may have chosen it."""
    return ascii(shorten(namespace))[1:-1]


def words(error: BaseException) -> str:
    """Return the type and text of an exception."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # its class is the user's
        return type(error).__name__


def dispatch(member: "SocketMember", packet: Event, handler: Handler | None) -> None:
    """Dispatch an event of which something comes before its handler."""
    namespace = member.namespace
    limit = namespace.limits.max_events_per_second
    if limit is not None and not member.session.data.spend(limit, member.driver.now()):
        what = f"the event {shorten(packet.name)!r} is dropped"
        text = f"{what}: a client may send {limit:g} in a second (max_events_per_second)"
        fail(member, packet, RateLimited(text))
    elif member.access is not None and packet.name not in member.access:
        fail(member, packet, EventDenied(UNKNOWN))
    elif handler is None and namespace._handlers.any is None:
        namespace.hooks.event_unknown(packet.name)
        call_unknown(member, packet)
    elif namespace._handlers.ordered if handler is None else handler.ordered:
        queue = member.queue
        if queue is None:
            queue = member.queue = EventQueue(member)
        queue.add(EventCall(member, packet, handler, queue))
    else:
        EventCall(member, packet, handler).begin()


class QueuedCall(Protocol):
    """What an `EventQueue` calls in its turn; it tells the queue when it has ended."""

    size_bytes: int

    def begin(self) -> None:
        """Begin at once."""

    def begin_at_turn(self) -> None:
        """Begin after having waited."""


class EventQueue:
    """The ordered events of one client: the next begins when the one before it has ended.

    Each counts as pending until then. A member has a queue only while one of them runs.
    """

    __slots__ = ("_member", "_running", "_waiting")

    def __init__(self, member: "SocketMember") -> None:
        self._member = member
        self._running: QueuedCall | _OrderedCall | None = None
        self._waiting: deque[QueuedCall] = deque()

    def add(self, call: QueuedCall) -> None:
        """Begin a call, or queue it."""
        if self._running is None:
            self.occupy(call)
            call.begin()
        else:
            self._member.session.begin_call(call.size_bytes)
            self._waiting.append(call)

    def occupy(self, call: "QueuedCall | _OrderedCall") -> None:
        """Let others wait for this one."""
        self._running = call
        self._member.session.begin_call(call.size_bytes)

    def ended(self) -> None:
        """Begin the next call after what is running now, so that calls do not nest."""
        assert self._running is not None
        self._member.session.end_call(self._running.size_bytes)
        if self._waiting:
            self._running = self._waiting.popleft()
            self._member.session.table.turn.add(self._running.begin_at_turn)
        else:
            self._member.queue = self._running = None

    def drop(self) -> None:
        """Drop the calls that have not begun: the client has disconnected."""
        while self._waiting:
            self._member.session.end_call(self._waiting.pop().size_bytes)


class Stage(Enum):
    """Which handler has an event, when all steps have let it pass; in words for a warning."""

    ANY = "the on_any handler, for"
    OWN = "the handler of"


_ANY: Final = Stage.ANY  # see life.py
_OWN: Final = Stage.OWN


class EventCall:
    """One event on its way: through the steps, past the handler of any event, converted, to its handler.

    The token of a step is its index, that of a handler its `Stage`.
    """

    __slots__ = ("_args", "_began", "_handler", "_member", "_packet", "_queue", "size_bytes")

    def __init__(
        self, member: "SocketMember", packet: Event, handler: Handler | None, queue: EventQueue | None = None
    ) -> None:
        self._member = member
        self._packet = packet
        self._handler = handler
        self._queue = queue
        self._args = packet.args
        self._began = 0.0
        self.size_bytes = member.session.received_bytes

    def begin(self) -> None:
        """Go through the first step."""
        self._go_on(0)

    def begin_at_turn(self) -> None:
        """Begin an event that has waited; refuse it if it has been denied since it came."""
        access = self._member.access
        if access is None or self._packet.name in access:
            self._go_on(0)
        else:
            self.failed(_OWN, EventDenied(UNKNOWN))

    def answered(self, token: int | Stage, result: Any) -> None:
        """Go on, or acknowledge."""
        if token is _ANY and (result is None or self._handler is not None):
            self._handle()  # which ends an event that has no handler: that it was heard is no success
        elif token is _OWN or token is _ANY:
            ANSWERS.answered((self._member, self._packet), result)
            self._end()
        elif result is False:
            excuse(self._member, self._packet, "Refused")
            self._end()
        else:
            self._go_on(token + 1)

    def failed(self, token: int | Stage, error: BaseException) -> None:
        """Report, and end; a failure of the handler of any event does not keep the event's own from running."""
        if token is _ANY and self._handler is not None and not isinstance(error, EventRefused):
            self._member.namespace.hooks.event_failed(self._member, self._packet.name, error)
            self._handle()  # which answers
        else:
            fail(self._member, self._packet, error)
            self._end()

    def later(self, token: int | Stage) -> Asker:
        """Count a call that goes on asynchronously; ordered ones are counted already."""
        return CountingAsker(self, self._member.session, self.size_bytes) if self._queue is None else self

    def describe(self, token: int | Stage) -> str:
        """Name what is running, for a warning."""
        what = token.value if isinstance(token, Stage) else "a step before"
        return f"{what} {shorten(self._packet.name)!a} in {plain(self._packet.namespace)}"

    def _go_on(self, index: int) -> None:
        member = self._member
        handlers, driver = member.namespace._handlers, member.driver
        if member.life is not CONNECTED:
            self._end()
        elif index < len(handlers.event_steps):
            step = handlers.event_steps[index]
            step.run(driver, (member.socket, self._packet.name, self._args), self, index)
        elif handlers.any is not None:
            handlers.any.run(driver, (member.socket, self._packet.name, *self._args), self, _ANY)
        else:
            self._handle()

    def _handle(self) -> None:
        member, handler = self._member, self._handler
        if handler is None or member.life is not CONNECTED:
            call_unknown(member, self._packet)
            self._end()
            return
        try:
            args = handler.arguments.convert(self._args, self, _OWN)
        except BaseException as error:  # a refusal, or what a user's own type raises
            self.failed(_OWN, error)
            if isinstance(error, INTERRUPTS):
                raise
            return
        driver = member.driver
        run = driver.run_threaded if handler.threaded else driver.run
        self._began = driver.now()
        run(handler.function, [member.socket, *args], self, _OWN)

    def _end(self) -> None:
        timings = self._member.namespace._handlers.timings
        if timings is not None and self._began and self._handler is not None:
            timings[self._handler.event].add(self._member.driver.now() - self._began)
        if self._queue is not None:
            self._queue.ended()
