"""The table of sessions: what hosts call on one side, an application on the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Protocol, runtime_checkable

from ..errors import ProtocolError
from ..types import Reason, Request
from ..wire.packets import Connect, Packet
from ..wire.websocket import Reader
from . import requests1
from .admission import Fault, Open, Preflight, Refuse, Resume, Unknown, decide, refuse
from .deadlines import Deadlines
from .driver import Driver, Layer, Level
from .options import mount_path
from .origins import Judge
from .pending import Pending
from .policy import Policy
from .polling import PollingTransport
from .prepared import Prepared
from .proxies import Proxies
from .requests1 import Visit, Wish
from .response import Response
from .resumable import ResumableSession
from .session import Session
from .states import SHUTDOWN, State
from .streaming import StreamTransport
from .traffic import Traffic
from .transports import Exchange, Fed, Link
from .turn import Turn
from .upgrade import Probe
from .websocket import (
    Base64Transport,
    DeflatingBase64Transport,
    DeflatingTransport,
    ResumableWebSocket,
    WebSocketTransport,
)


class Application(Protocol):
    """What every application of an engine has. Nothing here may block or raise."""

    def open(self, session: Session, request: Request) -> None:
        """A client has connected."""

    def close(self, session: Session, reason: Reason) -> None:
        """The session is over: nothing more comes, nothing more goes."""


@runtime_checkable
class MessageApplication(Application, Protocol):
    """An application that speaks bare Engine.IO."""

    def message(self, session: Session, data: str | bytes) -> None:
        """A message came; ProtocolError ends the session."""


@runtime_checkable
class PacketApplication(Application, Protocol):
    """An application that speaks Socket.IO, in all its generations."""

    def packet(self, session: Session, packet: Packet) -> None:
        """A packet came; ProtocolError ends the session."""

    def announced(self, session: Session, namespace: str) -> None:
        """A packet for this namespace waits for its attachments; ProtocolError ends the session instead."""


class Engine:
    """Engine.IO 3 and 4 for one application at one path.

    `driver` lends time and runs users' functions; a host may bring its own with `bind`, once.
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
        self.policy = policy
        self.driver = driver
        self.sessions: dict[str, Session] = {}
        self.traffic = Traffic()
        self.turn = Turn(driver)
        self.deadlines = Deadlines(self._alarm)
        self.max_attachments = self.policy.max_attachments
        self.is_clustered = False
        self.silent_until = 0.0  # the driver's time, for a warning that all clients could cause
        self._awaited: dict[str, tuple[Resume, Exchange]] = {}
        self._proxies = Proxies(self.policy.trusted_proxies) if self.policy.trusted_proxies else None
        self.is_bare = isinstance(application, MessageApplication)
        if self.is_bare == isinstance(application, PacketApplication):
            raise TypeError(f"{application!r} is no application: give it `message`, or else `packet` and `announced`")
        self.message: Callable[[Session, str | bytes], None] = getattr(application, "message", _unwanted)
        self.packet: Callable[[Session, Packet], None] = getattr(application, "packet", _unwanted)
        self.announced: Callable[[Session, str], None] = getattr(application, "announced", _unwanted)
        self._bound = False
        self._when_bound: list[Callable[[Driver], object]] = []
        self._closing: Pending[None] | None = None

    # What hosts call

    def bind(self, driver: Driver) -> None:
        """Take the driver of the host's loop, at its first request.

        Raises RuntimeError for a second one: an engine lives on one loop.
        """
        if self._bound and driver is not self.driver:
            raise RuntimeError("this server runs on another event loop already: make one server for each loop")
        if not self._bound:
            self._bound = True
            self.driver = self.turn.driver = driver
            self.deadlines.rearm()
            for function in self._when_bound:
                function(driver)

    def when_bound(self, function: Callable[[Driver], object]) -> None:
        """Call the function with the host's driver, once there is one."""
        self._when_bound.append(function)

    def admit(self, request: Request) -> Refuse | Preflight | Open | Resume | Visit:
        """Say what the request means, before its body is read.

        The host answers a refusal or a preflight; otherwise it calls `connect` if there is a key, else
        `respond` with the body, or `refuse_body`, or `abort` if that will not come.
        """
        if self._proxies is not None:
            self._proxies.resolve(request)
        decision = self._visit(request) if requests1.is_old(request, self.path) else self._decide(request)
        if isinstance(decision, Refuse):
            self.traffic.refused += 1
            text = "a request of %s is refused with %d: %s"
            self._note(Level.INFO, text, request.remote_address, decision.response.status, decision.detail)
        return decision

    def respond(self, decision: Open | Resume | Visit, exchange: Exchange, body: bytes = b"") -> None:
        """Serve a polling request; its answer may come much later."""
        if isinstance(decision, Visit):
            self._serve(decision, exchange, body)
            return
        self._await_no_longer(decision)
        if isinstance(decision, Open):
            session = self._session(decision, exchange.request)
            polling = PollingTransport(session, self.turn, self.traffic, base64=bool(exchange.request.param("b64")))
            session.transport = polling
            self._begin(session, decision.generation.upgrades if "websocket" in self.policy.transports else ())
            polling.poll(exchange, decision.headers)
            return
        http = decision.session.transport.http
        if http is None:
            exchange.respond(
                refuse(Fault.BAD_REQUEST, "the session has left polling meanwhile", decision.headers).response
            )
        elif exchange.request.method == "POST":
            http.post(exchange, body, decision.headers)
        else:
            http.poll(exchange, decision.headers)

    def await_body(self, decision: Resume, exchange: Exchange) -> None:
        """Refuse the request if the session ends before its body has come; the host then closes the connection."""
        if exchange.request.method == "POST":
            self._awaited[decision.session.id] = decision, exchange

    def abort(self, decision: Open | Resume | Visit) -> None:
        """The client gave up a polling request: before its body was complete, or before its answer."""
        self._await_no_longer(decision)
        if isinstance(decision, Visit):
            requests1.abort(decision)
        elif isinstance(decision, Resume) and (http := decision.session.transport.http) is not None:
            http.aborted()

    def refuse_body(self, decision: Open | Resume | Visit) -> Response:
        """Answer a request whose body is larger than `max_payload_bytes`: the session knows nothing of it."""
        self._await_no_longer(decision)
        if isinstance(decision, Resume) and (http := decision.session.transport.http) is not None:
            http.end_post()
        detail = f"the body is larger than the {self.policy.max_payload_bytes} bytes of max_payload_bytes"
        self._note(Level.INFO, "a request is refused with 413: %s", detail)
        return refuse(Fault.BAD_REQUEST, detail, decision.headers, status=413).response

    def connect(self, decision: Open | Resume | Visit, request: Request, link: Link) -> Fed:
        """Begin what goes on behind a greeting, which the host has sent; it feeds what this returns."""
        if isinstance(decision, Visit):
            return self._attach(decision, link)
        generation = decision.generation if isinstance(decision, Open) else decision.session.generation
        reader = Reader(self.policy.max_payload_bytes, deflate=decision.deflate is not None)
        plain, deflating = (
            (Base64Transport, DeflatingBase64Transport)
            if request.param("b64")
            else (WebSocketTransport, DeflatingTransport)
        )
        transport = (
            plain(link, generation, reader, self.traffic)
            if decision.deflate is None
            else deflating(link, generation, reader, self.traffic, deflate=decision.deflate, driver=self.driver)
        )
        if isinstance(decision, Open):
            session = self._session(decision, request)
            session.transport, transport.sink = transport, session
            self._begin(session, ())
        elif decision.session.can_upgrade and (http := decision.session.transport.http) is not None:
            Probe(decision.session, http, transport)
        else:
            transport.finish(1000, "the session has a WebSocket already")
        return transport

    def advance(self) -> None:
        """Act on all deadlines that have come."""
        self.deadlines.advance(self.driver.now())

    def close(self) -> Pending[None]:
        """Admit nobody, tell all clients, and be done when the last session has ended.

        Who polls but does not come for its goodbye within a second has gone.
        """
        if self._closing is None:
            self._closing = Pending(self.driver)
            for session in list(self.sessions.values()):
                self._dismiss(session)
            if not self.sessions:
                self._closing.resolve(None)
        return self._closing

    # What sessions call: `message`, `packet` and `announced` are the application's own

    def ended(self, session: Session, reason: Reason) -> None:
        """Tell the application that the session is over."""
        self.traffic.closed[reason] += 1
        self._note(Level.DEBUG, "session %s... is over: %s", session.id[:4], reason.value)
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
            self.turn.add(lambda: closing.resolve(None))  # after the application's `close`

    def start(self, session: Session) -> None:
        """Let the application know a client of Socket.IO 0.7 to 0.9, whose first transport has come."""
        self._introduce(session)

    # Below this line: how it is done

    def _visit(self, request: Request) -> Refuse | Preflight | Visit:
        decision = requests1.decide(request, self.path, self.policy, self.sessions)
        if isinstance(decision, Visit) and decision.wish is Wish.HANDSHAKE:
            if self._closing is not None:
                return Refuse(Response(503, decision.headers, b"the server is shutting down"), "shutting down")
            return replace(decision, sid=self.driver.token())
        return decision

    def _serve(self, visit: Visit, exchange: Exchange, body: bytes) -> None:
        if visit.wish is not Wish.HANDSHAKE:
            requests1.serve(visit, exchange, body, self.turn)
            return
        if self._closing is not None:  # it was admitted before
            exchange.respond(Response(503, visit.headers, b"the server is shutting down"))
            return
        session = ResumableSession(self, visit.sid, visit.generation, exchange.request)
        self._enter(session)
        self.sessions[session.id] = session
        exchange.respond(requests1.answer_handshake(visit, self.policy))

    def _attach(self, visit: Visit, link: Link) -> Fed:
        session = visit.session
        assert session is not None
        transport: StreamTransport | ResumableWebSocket
        if visit.wish is Wish.STREAM:
            transport = StreamTransport(session, visit.transport, link)
            transport.begin()
        else:
            transport = ResumableWebSocket(link, visit.generation, Reader(self.policy.max_payload_bytes), self.traffic)
            transport.name, transport.sink = visit.transport, session
        if session.state is State.CLOSED:  # since it was admitted
            transport.retire()
        else:
            session.attach(transport)
        return transport

    def _decide(self, request: Request) -> Refuse | Preflight | Open | Resume:
        decision = decide(request, self.policy, self.sessions)
        if isinstance(decision, Resume) and decision.session.heartbeat.limit <= self.driver.now():
            decision.session.drop(Reason.PING_TIMEOUT)
            decision = decide(request, self.policy, self.sessions)
        match decision:
            case Unknown():
                return decision.refusal
            case Open() if self._closing is not None:
                return refuse(Fault.BAD_REQUEST, "the server is shutting down: connect again later", status=503)
            case Open():
                return self._named(decision)
            case Resume() if request.method == "POST":
                return self._begin_post(decision)
        return decision

    def _await_no_longer(self, decision: Open | Resume | Visit) -> None:
        if isinstance(decision, Resume) and self._awaited.get(decision.session.id, _NOBODY)[0] is decision:
            del self._awaited[decision.session.id]

    def _note(self, level: Level, text: str, *values: object) -> None:
        self.driver.note(Layer.ENGINE, level, text, *values)

    def _alarm(self, at: float) -> None:
        self.driver.alarm(at, self.advance)

    def _begin_post(self, decision: Resume) -> Refuse | Resume:
        http = decision.session.transport.http
        if http is None or http.begin_post():
            return decision
        decision.session.drop(Reason.TRANSPORT_ERROR)
        return refuse(Fault.BAD_REQUEST, "two POSTs at once: wait for the answer to the first", decision.headers)

    def _named(self, decision: Open) -> Open:
        """Give the new session its id, and its cookie."""
        sid, cookie = self.driver.token(), self.policy.cookie
        headers = decision.headers if cookie is None else (*decision.headers, cookie.header(sid))
        return Open(decision.generation, headers, decision.key, sid, decision.deflate)

    def _session(self, decision: Open, request: Request) -> Session:
        session = Session(self, decision.sid, decision.generation, request)
        self._enter(session)
        return session

    def _enter(self, session: Session) -> None:
        self.traffic.opened += 1

    def _begin(self, session: Session, upgrades: Sequence[str]) -> None:
        """Greet the client, and let the application know it."""
        policy = self.policy
        generation = session.generation
        self.sessions[session.id] = session
        session.push(
            Prepared(
                generation.engineio.encode_open(
                    session.id, upgrades, policy.ping_interval, policy.ping_timeout, policy.max_payload_bytes
                )
            )
        )
        session.heartbeat.begin(session)
        self._introduce(session)

    def _introduce(self, session: Session) -> None:
        generation = session.generation
        self._note(
            Level.DEBUG, "session %s... speaks %s over %s", session.id[:4], generation.name, session.transport.name
        )
        self.application.open(session, session.request)
        if self.is_bare:
            session.request.forget()
        if generation.implicit_connect and not self.is_bare:
            self.packet(session, Connect("/", query=session.request.target.partition("?")[2]))
        if self._closing is not None:  # it was admitted before, and comes now
            self._dismiss(session)

    @staticmethod
    def _dismiss(session: Session) -> None:
        session.close(SHUTDOWN)


_NOBODY = (None, None)


def _unwanted(*_: object) -> None:
    raise ProtocolError("the application takes nothing of this kind")
