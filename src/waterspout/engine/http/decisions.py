"""What was admitted of Engine.IO 3 and 4, and its service: the beginning of a session, or a request of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ...errors import HandshakeRefused
from ...types import Reason, Request
from ...wire.deflate import Deflate
from ...wire.generations import Generation
from ..pending import Pending
from ..prepared import Prepared
from ..session import Session
from ..states import State
from ..table import Table
from ..transports.interfaces import Exchange, Fed, Link, Messenger
from ..transports.messages import MessageTransport
from ..transports.polling import PollingTransport
from ..transports.upgrade import Probe
from .greetings import Greeting, Upgrade
from .handshakes import Handshake, T, make_websocket
from .refusals import Answer, Fault, Refuse, refuse
from .response import SHUTTING_DOWN, Headers

UserFunction = tuple[Callable[[], Any], bool]
"""A function, plain or asynchronous, and whether it blocks, so that it has to run in a thread."""


class NoQuestion:
    """A request about which no function of its own is asked."""

    __slots__ = ()
    question: ClassVar[None] = None

    def answered(self, result: Any) -> None:
        """Never called."""


class Admitted(Protocol):
    """A request that was not refused, and serves itself.

    It begins; of a handshake, the application is asked about the `session` then. After that comes `connect` if it has
    a greeting, else `respond`, or `refuse_body`. Before either, and until there is an answer, it may be aborted.
    """

    headers: Headers
    """What its answer says besides."""

    @property
    def session(self) -> Session | None:
        """The session that it is for: of a handshake, after `begin`."""

    @property
    def is_handshake(self) -> bool:
        """Whether a session begins."""

    @property
    def greeting(self) -> Greeting | None:
        """What is sent before a WebSocket or an endless answer, if one begins."""

    @property
    def question(self) -> UserFunction | None:
        """Of a handshake: a user's function of its own that decides about it, after the application's `open`."""

    def begin(self, table: Table, request: Request) -> "Decision | None":
        """Do what has to be done before its body is read, or its greeting is sent; or decide otherwise after all."""

    def answered(self, result: Any) -> Refuse | Answer | Pending[Refuse | Answer | None] | None:
        """Take what the function of `question` has returned; TypeError or ValueError for what it cannot return."""

    def refuse(self, error: HandshakeRefused) -> Refuse:
        """Answer a handshake whose client the application does not want."""

    def refuse_closing(self) -> "Decision":
        """Decide about a handshake while the server closes: no session may begin."""

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Serve it; its answer may come much later."""

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""

    def abort(self, table: Table) -> None:
        """Called when the client has disconnected."""

    def refuse_body(self) -> None:
        """Called when its body is refused as too large."""


Decision = Refuse | Answer | Admitted


@dataclass(slots=True)
class Open(Handshake, NoQuestion):
    """A new session begins; `upgrade` is None on polling. `deflate` is how a WebSocket is compressed, None if not."""

    generation: Generation
    headers: Headers
    upgrade: Upgrade | None = None
    deflate: Deflate | None = None
    session: Session | None = field(default=None, repr=False)  # its id is a secret

    @property
    def greeting(self) -> Upgrade | None:
        """What is sent before a WebSocket, if one begins."""
        return None if self.upgrade is None else self.upgrade.carrying(self.headers)

    def begin(self, table: Table, request: Request) -> Refuse | None:
        """Make the session, which waits for its transport."""
        if table.is_closing:
            return self.refuse_closing()
        sid = table.driver.token()
        if (cookie := table.policy.cookie) is not None:
            self.headers = (*self.headers, cookie.header(sid))
        self.session = Session(table, sid, self.generation, request)
        return None

    def refuse(self, error: HandshakeRefused) -> Refuse:
        """Answer with the official code of a client that is not wanted."""
        return refuse(Fault.FORBIDDEN, error.text, (*self.headers, *error.headers), status=error.status)

    def refuse_closing(self) -> Refuse:
        """Refuse with 503: the client should connect again later."""
        return refuse(Fault.BAD_REQUEST, SHUTTING_DOWN, self.headers, status=503)

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Answer with the OPEN packet and what the application has said beside."""
        session = self.session
        assert session is not None
        if session.state is State.CLOSED:  # while the body came
            refusal = self.refuse_closing()
            table.count(exchange.request, refusal)
            exchange.respond(refusal.response)
            return
        base64 = bool(exchange.request.param("b64"))
        polling = PollingTransport(session, base64=base64)
        upgrades = self.generation.upgrades if "websocket" in table.policy.transports else ()
        session.give_back([_open_packet(session, upgrades)])
        session.heartbeat.begin(session)
        session.go_on(polling)
        table.greet(session)
        if table.sessions.get(session.id) is not session:  # greeting the client has failed
            exchange.respond(refuse(Fault.BAD_REQUEST, "the server has failed", self.headers, status=500).response)
            return
        polling.poll(exchange, self.headers)
        session.request.forget()

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""
        base64 = bool(request.param("b64"))
        return self._carry(table, make_websocket(table, self.generation, link, self.deflate, base64=base64))

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""
        base64 = bool(request.param("b64"))
        return self._carry(table, MessageTransport(messenger, self.generation, table, base64=base64))

    def _carry(self, table: Table, transport: T) -> T:
        assert self.session is not None
        return self.carry(table, transport, _open_packet(self.session))


@dataclass(slots=True)
class Resume(NoQuestion):
    """The request belongs to this session; `upgrade` and `deflate` as above, for an upgrade."""

    is_handshake: ClassVar[bool] = False
    session: Session
    headers: Headers
    upgrade: Upgrade | None = None
    deflate: Deflate | None = None

    @property
    def greeting(self) -> Upgrade | None:
        """What is sent before a WebSocket, if one begins."""
        return None if self.upgrade is None else self.upgrade.carrying(self.headers)

    def begin(self, table: Table, request: Request) -> Refuse | None:
        """Expect a POST, of which there is one at once."""
        http = None if request.method != "POST" else self.session.transport.http
        if http is None or http.begin_post():
            return None
        self.session.drop(Reason.TRANSPORT_ERROR)
        return refuse(Fault.BAD_REQUEST, "two POSTs at once: wait for the answer to the first", self.headers)

    def refuse(self, error: HandshakeRefused) -> Refuse:
        """Raise AssertionError: the application was asked at the handshake."""
        raise AssertionError("a request of a session is no handshake")

    def refuse_closing(self) -> Refuse:
        """Raise AssertionError: a session may end what it has begun."""
        raise AssertionError("a request of a session is no handshake")

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Bring the polling a payload, or a GET."""
        http = self.session.transport.http
        if http is None:
            detail = "the session does not poll any more"
            exchange.respond(refuse(Fault.BAD_REQUEST, detail, self.headers).response)
        elif exchange.request.method == "POST":
            http.post(exchange, body, self.headers)
        else:
            http.poll(exchange, self.headers)

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""
        return self._prove(
            make_websocket(table, self.session.generation, link, self.deflate, base64=bool(request.param("b64")))
        )

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""
        base64 = bool(request.param("b64"))
        return self._prove(MessageTransport(messenger, self.session.generation, table, base64=base64))

    def abort(self, table: Table) -> None:
        """End the session, unless it was a WebSocket that has not come."""
        if self.upgrade is None and (http := self.session.transport.http) is not None:
            http.aborted()

    def refuse_body(self) -> None:
        """Expect the POST no longer."""
        if (http := self.session.transport.http) is not None:
            http.end_post()

    def _prove(self, transport: T) -> T:
        """Begin the probe of a WebSocket."""
        if self.session.can_upgrade and (http := self.session.transport.http) is not None:
            Probe(self.session, http, transport)
        else:
            transport.finish(1000, "the session has a WebSocket already")
        return transport


def _open_packet(session: Session, upgrades: Sequence[str] = ()) -> Prepared:
    policy = session.policy
    times = policy.ping_interval, policy.ping_timeout, policy.max_payload_bytes
    return Prepared(session.generation.engineio.encode_open(session.id, upgrades, *times))
