"""The table of sessions: what hosts call on one side, an application on the other."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Protocol, runtime_checkable

from ..errors import HandshakeRefused, ProtocolError, ReservedName
from ..types import Reason, Request
from ..wire.packets import Connect, Packet
from .deadlines import Deadlines
from .driver import Driver, Layer, Level
from .http.admission import ANSWERED, Preflight, Unknown, decide
from .http.decisions import Admitted, Open, Resume
from .http.origins import Judge
from .http.refusals import Fault, Refuse, Told, refuse
from .http.response import Response
from .http.screening import Screen
from .log import Log
from .options import mount_path
from .pending import Pending
from .policy import Policy
from .protocol1 import requests as requests1
from .protocol1.decisions import Visit
from .protocol1.session import ResumableSession
from .session import Session
from .states import SHUTDOWN
from .traffic import Traffic
from .transports.interfaces import Exchange, Fed, Link, Messenger
from .transports.messages import MessageTransport
from .turn import Turn

_ENGINE, _DEBUG = Layer.ENGINE, Level.DEBUG  # members of an Enum take 150 ns to look up on Python 3.11


class Application(Protocol):
    """What every application of an engine has. Nothing here may block, or raise more than it says."""

    def open(self, session: Session, request: Request) -> None:
        """A client wants to connect, and its handshake is not answered yet; HandshakeRefused refuses it.

        What is sent here waits for the client's first transport. (Clients of 0.7 to 0.9 are here with that transport,
        and cannot be refused, unless the policy's `application_starts` says "handshake".)
        """

    def close(self, session: Session, reason: Reason) -> None:
        """The session is over: nothing more comes, nothing more goes."""


@runtime_checkable
class MessageApplication(Application, Protocol):
    """An application that speaks bare Engine.IO."""

    def message(self, session: Session, data: str | bytes) -> None:
        """A message came; ProtocolError ends the session."""


@runtime_checkable
class PacketApplication(Application, Protocol):
    """An application that speaks Socket.IO, in all its generations.

    Who has to ask is given the policy's `connect_timeout`; `Session.connected` says that the client has entered.
    """

    def packet(self, session: Session, packet: Packet) -> None:
        """A packet came; ProtocolError ends the session."""

    def announced(self, session: Session, namespace: str) -> None:
        """A packet for this namespace waits for its attachments; ProtocolError ends the session instead."""


class LenientApplication(PacketApplication, Protocol):
    """One that decides about events with a name of Socket.IO's own; all others ignore those of clients up to 2.x."""

    def reserved(self, session: Session, error: ReservedName) -> None:
        """Such an event came, and is dropped; ProtocolError ends the session."""


class Engine:
    """Engine.IO 3 and 4 for one application at one path; with a policy that says so, Socket.IO 0.7 to 0.9 as well.

    `driver` lends time and runs users' functions; a host brings its own with `bind`.
    """

    default_driver: ClassVar[type[Driver]]  # the package lends one; the core has none

    def __init__(
        self,
        application: MessageApplication | PacketApplication,
        *,
        path: str = "/engine.io",
        policy: Policy | None = None,
        driver: Driver | None = None,
    ) -> None:
        driver = self.default_driver() if driver is None else driver
        self.application = application
        self.path = mount_path(path)
        policy = Policy() if policy is None else policy
        if callable(origins := policy.cors_origins):
            policy = replace(policy, cors_origins=Judge(origins, self))
        self.policy: Policy = policy
        self.driver: Driver = driver
        self.sessions: dict[str, Session] = {}
        self.traffic = Traffic()
        self.turn = Turn(driver)
        self.deadlines = Deadlines(self._alarm)
        self.max_attachments = self.policy.max_attachments
        self.is_clustered = False
        self.host: Any = None  # for the host's own use
        self.log = Log(self)
        self._told = Told()
        self._awaited: dict[str, tuple[Resume, Exchange]] = {}
        self._screen = Screen(policy, self.path)
        self.is_bare = isinstance(application, MessageApplication)
        if self.is_bare == isinstance(application, PacketApplication):
            raise TypeError(f"{application!r} is no application: give it `message`, or else `packet` and `announced`")
        self.message: Callable[[Session, str | bytes], None] = getattr(application, "message", _unwanted)
        self.packet: Callable[[Session, Packet], None] = getattr(application, "packet", _unwanted)
        self.announced: Callable[[Session, str], None] = getattr(application, "announced", _unwanted)
        self.reserved: Callable[[Session, ReservedName], None] = getattr(application, "reserved", _reserved)
        self._bound = False
        self._when_bound: list[Callable[[Driver], object]] = []
        self._when_closing: list[Callable[[], object]] = []
        self._closing: Pending[None] | None = None

    # What hosts call

    def bind(self, driver: Driver) -> None:
        """Take the driver of the host's loop, when it begins to serve.

        An engine lives on one loop at a time. Another takes the place of one that is closed, or that has stopped and
        has no session left: the sessions of the old one are over, and an engine that was closed is open again.
        RuntimeError while the old one is in use.
        """
        before, was_bound = self.driver, self._bound
        if was_bound and driver is before:
            return
        if was_bound and not before.is_over(idle=not self.sessions):
            raise RuntimeError(
                "this server runs on another event loop already: make one server for each loop, or end the other first"
            )
        self._bound = True
        self.driver = self.turn.driver = driver
        if was_bound:
            self._leave(before)
        self.deadlines.rearm()
        for function in self._when_bound:
            function(driver)

    def when_bound(self, function: Callable[[Driver], object]) -> None:
        """Call the function with the host's driver, once there is one, and with each that takes its place."""
        self._when_bound.append(function)

    def when_closing(self, function: Callable[[], object]) -> None:
        """Call the function once, when `close` is called."""
        self._when_closing.append(function)

    @property
    def pattern(self) -> str:
        """The paths of all requests that are for this engine, as a regular expression that matches them whole.

        A target in absolute form may have any host before its path.
        """
        return requests1.ANY_HOST + re.escape(self.path) + requests1.below(self.policy)

    def admit(self, request: Request) -> Refuse | Preflight | Open | Resume | Visit:
        """Say what the request means, before its body is read.

        The host answers a refusal or a preflight. Otherwise, if there is a `greeting`, it sends that and calls
        `connect`, or `connect_messages`; else it calls `respond` with the body, or `refuse_body`. Where the client goes
        before that, or before its answer, it calls `abort`.
        """
        found = self._screen.refuse(request) or self._found(request)
        decision = found if isinstance(found, ANSWERED) else found.begin(self, request)
        if isinstance(decision, Refuse):
            self._count(request, decision)
        return decision

    def respond(self, decision: Admitted, exchange: Exchange, body: bytes = b"") -> None:
        """Serve a polling request; its answer may come much later."""
        self._await_no_longer(decision)
        decision.respond(self, exchange, body)

    def await_body(self, decision: Resume, exchange: Exchange) -> None:
        """Refuse the request if the session ends before its body has come; the host then closes the connection."""
        if exchange.request.method == "POST":
            self._awaited[decision.session.id] = decision, exchange

    def abort(self, decision: Admitted) -> None:
        """The client has gone: before its body was complete, before its answer, or before `connect`."""
        self._await_no_longer(decision)
        decision.abort(self)

    def refuse_body(self, decision: Admitted) -> Response:
        """Answer a request whose body is larger than `max_payload_bytes`: the session knows nothing of it."""
        self._await_no_longer(decision)
        decision.refuse_body()
        detail = f"the body is larger than the {self.policy.max_payload_bytes} bytes of max_payload_bytes"
        self._note(Level.INFO, "a request is refused with 413: %s", detail)
        return refuse(Fault.BAD_REQUEST, detail, decision.headers, status=413).response

    def connect(self, decision: Admitted, request: Request, link: Link) -> Fed:
        """Begin what goes on behind a greeting, which the host has sent; it feeds what this returns."""
        return decision.connect(self, request, link)

    def connect_messages(self, decision: Admitted, request: Request, messenger: Messenger) -> MessageTransport:
        """Begin what goes on behind a greeting, as `connect`, where the host writes the frames of the WebSocket itself.

        Of an endless answer it writes the form: each message is then a packet of Socket.IO 0.7 to 0.9.
        """
        return decision.connect_messages(self, request, messenger)

    def advance(self) -> None:
        """Act on all deadlines that have come."""
        self.deadlines.advance(self.driver.now())

    def close(self) -> Pending[None]:
        """Admit nobody, tell all clients, and be done when the last session has ended.

        Who polls but does not come for its goodbye within a second has gone.
        """
        if self._closing is None:
            self._closing = Pending(self.driver)
            functions, self._when_closing = self._when_closing, []
            for function in functions:
                function()
            for session in list(self.sessions.values()):
                session.close(SHUTDOWN)
            if not self.sessions:
                self._end(self._closing)
        return self._closing

    # What sessions call: `message`, `packet` and `announced` are the application's own

    def ended(self, session: Session, reason: Reason) -> None:
        """Tell the application that the session is over."""
        self.traffic.closed[reason] += 1
        self._note(_DEBUG, "session %s... is over: %s", session.id[:4], reason)
        self.application.close(session, reason)

    def forget(self, session: Session) -> None:
        """Take the session out of the table."""
        self.sessions.pop(session.id, None)
        if session.id in self._awaited:
            decision, exchange = self._awaited.pop(session.id)
            detail = "the session has ended before the body came"
            exchange.respond(refuse(Fault.UNKNOWN_SID, detail, decision.headers).response)
        if self._closing is not None and not self.sessions:
            closing = self._closing
            self.turn.add(lambda: self._end(closing))  # after the application's `close`

    def start(self, session: ResumableSession) -> None:
        """Let the application know a client of Socket.IO 0.7 to 0.9, whose first transport has come."""
        if not session.is_known:
            session.known()
            if self._ask(session) is not None:
                session.refuse()
                return
        self.greet(session)

    # What admitted requests call

    @property
    def is_closing(self) -> bool:
        """Whether nobody may come any more."""
        return self._closing is not None

    def introduce(self, session: Session) -> HandshakeRefused | None:
        """Let the application know a client, or say why it does not want it: then there is no session."""
        with self.turn:  # a session that it closes and refuses has not been there
            error = self._ask(session)
            if error is not None:
                session.discard()
                return error
        self.enter(session)
        return None

    def enter(self, session: Session) -> None:
        """Put a session into the table; its client may never come again, and what only the handshake needed goes."""
        self.traffic.opened += 1
        session.request.forget()
        self.sessions[session.id] = session

    def greet(self, session: Session) -> None:
        """Hear that the client has a transport: it is to enter "/", or some namespace within `connect_timeout`."""
        generation = session.generation
        self._note(_DEBUG, "session %s... speaks %s over %s", session.id[:4], generation.name, session.transport.name)
        session.request.forget()  # what the making of the transport has parsed
        if self.is_bare or not session.is_live:
            pass
        elif not generation.implicit_connect:
            session.await_connect()
        else:
            self.packet(session, Connect("/", query=session.request.target.partition("?")[2]))
        if self._closing is not None:  # it was admitted before, and comes now
            session.close(SHUTDOWN)

    def refuse(self, exchange: Exchange, refusal: Refuse) -> None:
        """Answer with a refusal, which counts as one."""
        self._count(exchange.request, refusal)
        exchange.respond(refusal.response)

    # Below this line: how it is done

    def _leave(self, before: Driver) -> None:
        """End what belongs to a loop that is over; the driver of the next is in its place already."""
        self._closing = None
        self._awaited.clear()
        for session in list(self.sessions.values()):
            with suppress(RuntimeError):  # its connection is of a loop that may be closed
                session.abandon()
        before.finish(0.0, lambda: None)
        self.turn.resume()

    def _found(self, request: Request) -> Refuse | Preflight | Open | Resume | Visit:
        return self._visit(request) if requests1.is_old(request, self.path) else self._decide(request)

    def _end(self, closing: Pending[None]) -> None:
        self.log.flush()
        closing.resolve(None)

    def _visit(self, request: Request) -> Refuse | Preflight | Visit:
        decision = requests1.decide(request, self.path, self.policy, self.sessions)
        if not isinstance(decision, Unknown):
            return decision
        if decision.again is not None and self._told.tell(decision.sid):
            return decision.again
        return decision.refusal

    def _decide(self, request: Request) -> Refuse | Preflight | Open | Resume:
        decision = decide(request, self.policy, self.sessions)
        if isinstance(decision, Resume) and decision.session.heartbeat.limit <= self.driver.now():
            decision.session.drop(Reason.PING_TIMEOUT)
            decision = decide(request, self.policy, self.sessions)
        return decision.refusal if isinstance(decision, Unknown) else decision

    def _ask(self, session: Session) -> HandshakeRefused | None:
        try:
            self.application.open(session, session.request)
        except HandshakeRefused as error:
            return error
        return None

    def _await_no_longer(self, decision: Admitted) -> None:
        if isinstance(decision, Resume) and self._awaited.get(decision.session.id, _NONE)[0] is decision:
            del self._awaited[decision.session.id]

    def _count(self, request: Request, refusal: Refuse) -> None:
        self.traffic.refused += 1
        text = "a request of %s is refused with %d: %s"
        values = request.remote_address, refusal.response.status, refusal.detail
        if not (refusal.subject and self.log.warn_of(_ENGINE, refusal.subject, text, *values)):
            self._note(Level.INFO, text, *values)

    def _note(self, level: Level, text: str, *values: object) -> None:
        self.log.note(_ENGINE, level, text, *values)

    def _alarm(self, at: float) -> None:
        self.driver.alarm(at, self.advance)


_NONE = (None, None)


def _reserved(session: Session, error: ReservedName) -> None:
    """Ignore it, unless its client cannot have sent it: those of 3.x and 4.x refuse such names themselves."""
    if not session.generation.strays:
        raise error


def _unwanted(*_: object) -> None:
    raise ProtocolError("the application takes nothing of this kind")
