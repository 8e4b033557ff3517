"""What was admitted of Engine.IO 3 and 4, and its service: the beginning of a session, or a request of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ...types import Reason, Request
from ...wire.deflate import Deflate
from ...wire.generations import Generation
from ...wire.websocket import Reader
from ..prepared import Prepared
from ..session import Session
from ..states import State
from ..table import Table
from ..transports.deflating import DeflatingBase64Transport, DeflatingTransport
from ..transports.interfaces import Candidate, Exchange, Fed, Link, Messenger
from ..transports.messages import MessageTransport
from ..transports.null import NOBODY
from ..transports.polling import PollingTransport
from ..transports.upgrade import Probe
from ..transports.websocket import Base64Transport, WebSocketTransport
from .refusals import Fault, Refuse, refuse, refuse_client
from .response import Headers, Response, switching


class Admitted(Protocol):
    """A request that was not refused, and serves itself.

    It begins; then comes `connect` if it has a greeting, else `respond`, or `refuse_body`. Before either, and until
    there is an answer, it may be aborted.
    """

    @property
    def headers(self) -> Headers:
        """What its answer says besides."""

    @property
    def greeting(self) -> Response | None:
        """The head after which the socket is the engine's, if it will be."""

    @property
    def greeting_pause(self) -> float:
        """The seconds between this head and `connect`."""

    def begin(self, table: Table, request: Request) -> "Admitted | Refuse":
        """Do what has to be done before its body is read, or its greeting is sent; or refuse it after all."""

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Serve it; its answer may come much later."""

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""

    def abort(self, table: Table) -> None:
        """Hear that the client has gone."""

    def refuse_body(self) -> None:
        """Hear that its body is too large, and refused."""


@dataclass(slots=True)
class Open:
    """A new session begins; `key` is the Sec-WebSocket-Key, None on polling. Its `sid` comes with `begin`.

    So does the session of a WebSocket, which waits for `connect`; who polls has a body to be read first. `deflate` is
    how a WebSocket is compressed, None if it is not; its answer is among the headers.
    """

    generation: Generation
    headers: Headers
    key: str | None = None
    deflate: Deflate | None = None
    sid: str = field(default="", repr=False)  # a secret
    session: Session | None = None

    @property
    def greeting(self) -> Response | None:
        """The head after which the socket is the engine's, if it will be."""
        return None if self.key is None else switching(self.key, self.headers)

    @property
    def greeting_pause(self) -> float:
        """The seconds between this head and `connect`."""
        return self.generation.greeting_pause

    def begin(self, table: Table, request: Request) -> "Open | Refuse":
        """Name the session, and ask the application about a WebSocket."""
        if table.is_closing:
            return refuse(Fault.BAD_REQUEST, "the server is shutting down: connect again later", status=503)
        self.sid = table.driver.token()
        if (cookie := table.policy.cookie) is not None:
            self.headers = (*self.headers, cookie.header(self.sid))
        if self.key is None:
            return self
        session = Session(table, self.sid, self.generation, request)
        session.transport = NOBODY
        if (error := table.introduce(session)) is not None:
            return refuse_client(error, self.headers)
        self.session = session
        return self

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Ask the application, and answer with the OPEN packet and what was said beside."""
        session = Session(table, self.sid, self.generation, exchange.request)
        base64 = bool(exchange.request.param("b64"))
        polling = PollingTransport(session, table.turn, table.traffic, base64=base64)
        session.transport = polling
        session.push(_open_packet(session, self.generation.upgrades if "websocket" in table.policy.transports else ()))
        if (error := table.introduce(session)) is not None:
            table.refuse(exchange, refuse_client(error, self.headers))
            return
        table.greet(session)
        session.heartbeat.begin(session)
        polling.poll(exchange, self.headers)
        session.request.forget()

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""
        transport = _websocket(table, self, self.generation, request, link)
        self._carry(table, transport)
        return transport

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""
        transport = _messages(table, self.generation, request, messenger)
        self._carry(table, transport)
        return transport

    def abort(self, table: Table) -> None:
        """End the session that has begun, of which the client has not heard."""
        drop_begun(table, self.sid)

    def refuse_body(self) -> None:
        """Do nothing: there is no session yet."""

    def _carry(self, table: Table, transport: Candidate) -> None:
        """Greet the client, and send what the application has had to say meanwhile."""
        session = self.session
        assert session is not None
        if session.state is State.CLOSED:
            transport.retire()
            return
        transport.sink = session
        transport.write(_open_packet(session))
        session.heartbeat.begin(session)
        session.go_on(transport)
        table.greet(session)


@dataclass(frozen=True, slots=True)
class Resume:
    """The request belongs to this session; `key` and `deflate` as above, for an upgrade."""

    session: Session
    headers: Headers
    key: str | None = None
    deflate: Deflate | None = None

    @property
    def greeting(self) -> Response | None:
        """The head after which the socket is the engine's, if it will be."""
        return None if self.key is None else switching(self.key, self.headers)

    @property
    def greeting_pause(self) -> float:
        """The seconds between this head and `connect`."""
        return 0.0

    def begin(self, table: Table, request: Request) -> "Resume | Refuse":
        """Expect a POST, of which there is one at once."""
        http = None if request.method != "POST" else self.session.transport.http
        if http is None or http.begin_post():
            return self
        self.session.drop(Reason.TRANSPORT_ERROR)
        return refuse(Fault.BAD_REQUEST, "two POSTs at once: wait for the answer to the first", self.headers)

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Bring the polling a payload, or a GET."""
        http = self.session.transport.http
        if http is None:
            detail = "the session has left polling meanwhile"
            exchange.respond(refuse(Fault.BAD_REQUEST, detail, self.headers).response)
        elif exchange.request.method == "POST":
            http.post(exchange, body, self.headers)
        else:
            http.poll(exchange, self.headers)

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""
        transport = _websocket(table, self, self.session.generation, request, link)
        self._prove(transport)
        return transport

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""
        transport = _messages(table, self.session.generation, request, messenger)
        self._prove(transport)
        return transport

    def abort(self, table: Table) -> None:
        """End the session, unless it was a WebSocket that has not come."""
        if self.key is None and (http := self.session.transport.http) is not None:
            http.aborted()

    def refuse_body(self) -> None:
        """Expect the POST no longer."""
        if (http := self.session.transport.http) is not None:
            http.end_post()

    def _prove(self, transport: Candidate) -> None:
        """Let a WebSocket prove itself."""
        if self.session.can_upgrade and (http := self.session.transport.http) is not None:
            Probe(self.session, http, transport)
        else:
            transport.finish(1000, "the session has a WebSocket already")


def _open_packet(session: Session, upgrades: Sequence[str] = ()) -> Prepared:
    policy = session.policy
    times = policy.ping_interval, policy.ping_timeout, policy.max_payload_bytes
    return Prepared(session.generation.engineio.encode_open(session.id, upgrades, *times))


def _websocket(
    table: Table, decision: Open | Resume, generation: Generation, request: Request, link: Link
) -> WebSocketTransport:
    deflate, base64 = decision.deflate, request.param("b64")
    reader = Reader(table.policy.max_payload_bytes, deflate=deflate is not None)
    if deflate is None:
        plain = Base64Transport if base64 else WebSocketTransport
        return plain(link, generation, reader, table.traffic)
    deflating = DeflatingBase64Transport if base64 else DeflatingTransport
    return deflating(link, generation, reader, table.traffic, deflate=deflate, driver=table.driver)


def _messages(table: Table, generation: Generation, request: Request, messenger: Messenger) -> MessageTransport:
    base64, limit = bool(request.param("b64")), table.policy.max_payload_bytes
    return MessageTransport(messenger, generation, table.traffic, limit_bytes=limit, driver=table.driver, base64=base64)


def drop_begun(table: Table, sid: str) -> None:
    """End the session of a handshake that was not answered, if it has begun."""
    if (session := table.sessions.get(sid)) is not None:
        session.drop(Reason.TRANSPORT_CLOSE)
