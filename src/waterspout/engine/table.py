"""The table of sessions of one engine, and all that these share: whatever stands below an engine is given this value.

The driver is another after `Engine.bind`, so what needs it keeps the table, and asks it each time.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import DecodeError, ProtocolError, ReservedName
from ..types import Reason, Request
from ..wire.packets import Packet
from .deadlines import Deadlines
from .driver import Driver, Layer, Level
from .http.origins import Cors
from .http.refusals import Fault, Refuse, refuse
from .log import Log
from .pending import Pending
from .policy import Policy
from .states import SHUTDOWN, State
from .traffic import Traffic
from .turn import Turn

if TYPE_CHECKING:
    from .applications import MessageApplication, PacketApplication
    from .http.decisions import Admitted, Decision, Resume
    from .session import Session
    from .transports.interfaces import Exchange

_ENGINE, _DEBUG = Layer.ENGINE, Level.DEBUG  # members of an Enum take 150 ns to look up on Python 3.11


class Table:
    """Sessions by their ids, and what they need: an application, a driver, deadlines, the turn, numbers, a log.

    `message`, `packet`, `announced`, `reserved`, `broken` and `new_data` are the application's own functions.
    """

    def __init__(self, application: "MessageApplication | PacketApplication", policy: Policy, driver: Driver) -> None:
        self.application = application
        self.policy = policy
        listed = () if callable(policy.cors_origins) else policy.cors_origins
        self.cors = Cors(listed, policy.cors_credentials)
        self.driver = driver
        self.sessions: dict[str, Session] = {}
        self.traffic = Traffic()
        self.turn = Turn(driver)
        self.deadlines = Deadlines(lambda at: self.driver.alarm(at, self.advance))
        self.log = Log(self)
        self.max_attachments = policy.max_attachments
        self.closing: Pending[None] | None = None
        self.awaiting_room: dict[Session, list[Callable[[], object]]] = {}
        self._awaited: dict[str, tuple[Resume, Exchange]] = {}
        self.new_data: Callable[[], object] = getattr(application, "new_data", lambda: None)
        self.is_bare = hasattr(application, "message")
        self.message: Callable[[Session, str | bytes], None] = getattr(application, "message", _unwanted)
        self.packet: Callable[[Session, Packet], None] = getattr(application, "packet", _unwanted)
        self.announced: Callable[[Session, str], None] = getattr(application, "announced", _unwanted)
        self.reserved: Callable[[Session, ReservedName], None] = getattr(application, "reserved", _reserved)
        self.broken: Callable[[Session, str, DecodeError], None] | None = getattr(application, "broken", None)

    def advance(self) -> None:
        """Act on all deadlines that have come."""
        self.deadlines.advance(self.driver.now())

    def when_drained(self, session: "Session", function: Callable[[], object]) -> None:
        """Call the function once, after what is running, when the session has room or is over."""
        self.awaiting_room.setdefault(session, []).append(function)
        self.drained(session)

    def drained(self, session: "Session") -> None:
        """Tell those who wait for room in the session's outbox, if it has some."""
        if session.has_room or session.state is State.CLOSED:
            for function in self.awaiting_room.pop(session, ()):
                self.turn.add(function)

    # The beginning and the end of a session

    def enter(self, session: "Session") -> None:
        """Put a session into the table, whose client the application has let in."""
        self.traffic.opened += 1
        session.known()
        session.request.native = None
        if session.state is not State.CLOSED:
            self.sessions[session.id] = session

    def greet(self, session: "Session") -> None:
        """Begin to talk with a client whose first transport has opened."""
        generation = session.generation
        self.log.note(
            _ENGINE, _DEBUG, "session %s... speaks %s over %s", session.id[:4], generation.name, session.transport.name
        )
        session.request.forget()  # what the making of the transport has parsed
        if session.is_live:
            session.greet()
        if self.is_closing:  # the session was admitted before `close`
            session.close(SHUTDOWN)

    def ended(self, session: "Session", reason: Reason) -> None:
        """Tell the application that the session is over."""
        self.traffic.closed[reason] += 1
        self.log.note(_ENGINE, _DEBUG, "session %s... ended: %s", session.id[:4], reason)
        self.application.close(session, reason)

    def forget(self, session: "Session") -> None:
        """Take the session out of the table, and refuse a body that is still on its way to it."""
        self.sessions.pop(session.id, None)
        if self.awaiting_room:
            self.drained(session)
        if session.id in self._awaited:
            decision, exchange = self._awaited.pop(session.id)
            detail = "the session has ended before the body came"
            exchange.respond(refuse(Fault.UNKNOWN_SID, detail, decision.headers).response)
        if self.closing is not None and not self.sessions:
            closing = self.closing
            self.turn.add(lambda: self._end(closing))  # after the application's `close`

    # Requests

    def await_body(self, decision: "Resume", exchange: "Exchange") -> None:
        """Refuse the request if its session ends before `await_no_longer`."""
        self._awaited[decision.session.id] = decision, exchange

    def await_no_longer(self, decision: "Admitted") -> None:
        """Forget a request whose body has come, or will not come."""
        session = decision.session if self._awaited else None
        if session is not None and self._awaited.get(session.id, (None, None))[0] is decision:
            del self._awaited[session.id]

    def tell(self, request: Request, decision: "Decision", decided: "Callable[[Decision], object]") -> None:
        """Tell a host what is decided about its request, and count a refusal."""
        if isinstance(decision, Refuse):
            self.count(request, decision)
        decided(decision)

    def count(self, request: Request, refusal: Refuse) -> None:
        """Count and log a refusal."""
        self.traffic.refused += 1
        text = "a request from %s is refused with %d: %s"
        values = request.remote_address, refusal.response.status, refusal.detail
        subject = refusal.subject
        if subject is None or not self.log.warn_of(_ENGINE, subject.name, text, *values, kind=subject.kind):
            self.log.note(_ENGINE, Level.INFO, text, *values)

    # The end of all

    @property
    def is_closing(self) -> bool:
        """Whether no new session may begin."""
        return self.closing is not None

    def close_all(self) -> None:
        """Close all sessions; with the last, `closing` is done."""
        for session in list(self.sessions.values()):
            session.close(SHUTDOWN)
        if self.closing is not None and not self.sessions:
            self._end(self.closing)

    def move(self, driver: Driver) -> None:
        """Go on with the driver of another loop; the sessions of the one before are over."""
        before, self.driver, self.turn.driver = self.driver, driver, driver
        self.closing = None
        self._awaited.clear()
        for session in list(self.sessions.values()):
            with suppress(RuntimeError):  # its connection is of a loop that may be closed
                session.abandon()
        before.finish(0.0, lambda: None)
        self.turn.resume()

    # Below this line: how it is done

    def _end(self, closing: Pending[None]) -> None:
        self.log.flush()
        closing.resolve(None)


def _reserved(session: "Session", error: ReservedName) -> None:
    """Ignore it, unless its client cannot have sent it: those of 3.x and 4.x refuse such names themselves."""
    if not session.generation.strays:
        raise error


def _unwanted(*_: object) -> None:
    raise ProtocolError("the application does not accept this kind of message")
