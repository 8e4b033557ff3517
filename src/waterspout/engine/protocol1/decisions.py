"""What was admitted of Socket.IO 0.7 to 0.9, and its service.

The rows WP-... are those of docs/protocol-1.md.
"""

from dataclasses import dataclass, field
from enum import Enum

from ...errors import DecodeError, HandshakeRefused, ProtocolError
from ...types import Reason, Request
from ...wire.generations import SOCKETIO_1, Generation
from ...wire.protocol1 import envelopes
from ...wire.protocol1 import socketio as socketio1
from ...wire.protocol1.hixie import HixieReader
from ...wire.websocket import Reader
from ..driver import Layer, Level
from ..http.decisions import NoQuestion
from ..http.greetings import Greeting, Stream, Upgrade
from ..http.handshakes import drop_begun
from ..http.refusals import Refuse, refuse_text
from ..http.response import PRIVATE, SHUTTING_DOWN, TEXT, Headers, Response
from ..policy import Policy
from ..states import State
from ..table import Table
from ..transports.interfaces import Exchange, Fed, Link, Messenger
from ..transports.messages import MessageTransport
from .check import Check, ResumableCandidate
from .hixie import Challenge, HixieWebSocket
from .offers import BY_POLLING, BY_WEBSOCKET, offered
from .polling import OldPollingTransport
from .session import ResumableSession
from .streaming import PREAMBLES, StreamTransport, last_words
from .websocket import ResumableMessages, ResumableWebSocket

_SCRIPT = (("Content-Type", "application/javascript; charset=UTF-8"), *PRIVATE)


class Action(Enum):
    """What a client wants."""

    HANDSHAKE = "handshake"
    POLL = "poll"
    POST = "post"
    STREAM = "stream"
    WEBSOCKET = "websocket"
    DISCONNECT = "disconnect"


@dataclass(slots=True, kw_only=True)
class OldRequest(NoQuestion):
    """An admitted request; `index` is the number of a script's callback.

    A WebSocket has an `upgrade`, and one of draft 76 the beginning of its `challenge`.
    """

    action: Action
    headers: Headers
    generation: Generation = SOCKETIO_1
    session: ResumableSession | None = field(default=None, repr=False)  # its id is a secret
    transport: str = ""
    index: int | None = None
    upgrade: Upgrade | None = None
    challenge: bytes = b""

    @property
    def is_handshake(self) -> bool:
        """Whether a session begins."""
        return self.action is Action.HANDSHAKE

    @property
    def greeting(self) -> Greeting | None:
        """What is sent before a WebSocket or an endless answer, if one begins."""
        if self.upgrade is not None:
            return self.upgrade.carrying(self.headers)
        if self.action is not Action.STREAM:
            return None
        fields = (("Content-Type", PREAMBLES[self.transport][0]), *PRIVATE)
        return Stream((*fields, ("X-Accel-Buffering", "no"), *self.headers))  # nginx passes it on at once

    def begin(self, table: Table, request: Request) -> Refuse | None:
        """Make the session of a handshake."""
        if self.action is not Action.HANDSHAKE:
            return None
        if table.is_closing:
            return self.refuse_closing()
        self.session = ResumableSession(table, table.driver.token(), self.generation, request)
        return None

    def refuse(self, error: HandshakeRefused) -> Refuse:
        """Answer a client that the application refuses (WP-5)."""
        headers = (*self.headers, *error.headers)
        if self.index is not None:
            return refuse_script(self.index, error.text, headers)
        return refuse_text(error.status, error.text, headers)

    def refuse_closing(self) -> Refuse:
        """Refuse with 503: the client should connect again later."""
        return self.refuse(HandshakeRefused(503, SHUTTING_DOWN))

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Serve a handshake, or a request of a session."""
        session = self.session
        assert session is not None
        if self.action is Action.HANDSHAKE and table.is_closing:  # it was admitted before
            session.drop(Reason.SHUTDOWN)
            exchange.respond(self.refuse_closing().response)
        elif self.action is Action.HANDSHAKE:
            exchange.respond(self._handshake(session))
            session.request.forget()
        elif session.state is State.CLOSED:  # while the body came
            refusal = unknown(self, table.policy, is_leaving=self.action is Action.DISCONNECT)
            exchange.respond(refusal.response)
        elif self.action is Action.DISCONNECT:
            session.drop(Reason.CLIENT_DISCONNECT)
            exchange.respond(Response(200, (*TEXT, *self.headers)))
        elif self.action is Action.POLL:
            self._poll(session, table, exchange)
        else:
            if not session.is_started:  # else the first POST would be lost (WP-24)
                session.attach(self._polling(session))
                session.absent()
            self._post(session, exchange, body)

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Make a transport of the link, behind the greeting."""
        session = self.session
        assert session is not None
        if self.action is Action.STREAM:
            return _stream(session, StreamTransport(session, self.transport, link))
        if not self.challenge:
            return self._websocket(session, link)
        return Challenge(session, self.challenge, link, lambda: self._websocket(session, link))

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Make a transport of the messenger, behind the greeting."""
        session = self.session
        assert session is not None
        transport = ResumableMessages(messenger, session, self.transport)
        _join(session, transport)
        return transport

    def abort(self, table: Table) -> None:
        """Keep what was queued for a GET for the next one; end the session of an unanswered handshake."""
        if self.action is Action.HANDSHAKE:
            drop_begun(table, self.session)
        elif self.session is not None and isinstance(self.session.transport, OldPollingTransport):
            self.session.transport.aborted(self)

    def refuse_body(self) -> None:
        """End the session of a handshake; any other goes on without."""
        if self.action is Action.HANDSHAKE and self.session is not None:
            self.session.drop(Reason.TRANSPORT_ERROR)

    def _handshake(self, session: ResumableSession) -> Response:
        """Answer with the session's id, the timeouts, and the transports (WP-3, WP-4)."""
        policy = session.policy
        heartbeat = policy.ping_interval + policy.ping_timeout
        patience = policy.protocol1.close_timeout_advertised
        if patience is None:  # a client that gets nothing for so long gives up, too: longer than any silence
            patience = max(policy.protocol1.resume_timeout or 0, heartbeat)
        text = socketio1.encode_handshake(session.id, heartbeat, patience, offered(policy))
        if self.index is None:
            return Response(200, (*TEXT, *self.headers), text)
        return Response(200, (*_SCRIPT, *self.headers), envelopes.encode_script(self.index, text))

    def _websocket(self, session: ResumableSession, link: Link) -> ResumableWebSocket:
        make, read = (HixieWebSocket, HixieReader) if self.challenge else (ResumableWebSocket, Reader)
        transport = make(link, session, self.transport, read(session.policy.max_payload_bytes))
        _join(session, transport)
        return transport

    def _poll(self, session: ResumableSession, table: Table, exchange: Exchange) -> None:
        held = isinstance(session.transport, OldPollingTransport) and session.transport.waiting
        if held and table.policy.protocol1.second_poll == "refuse":
            exchange.respond(Response(401, (*TEXT, *self.headers)))
        else:
            self._polling(session).poll(exchange, self, self.headers, self.index)

    def _polling(self, session: ResumableSession) -> OldPollingTransport:
        transport = session.transport
        name = self.transport if self.transport in BY_POLLING else "xhr-polling"
        if isinstance(transport, OldPollingTransport) and transport.name == name:
            return transport
        return OldPollingTransport(session, name)

    def _post(self, session: ResumableSession, exchange: Exchange, body: bytes) -> None:
        session.table.traffic.bytes_in += len(body)
        headers = (*TEXT, *self.headers)

        def done(error: ProtocolError | None) -> None:
            if error is None:
                exchange.respond(Response(200, headers, session.table.policy.protocol1.post_reply.encode()))
                return
            session.drop(Reason.PARSE_ERROR)
            text = "a POST for session %s... is refused with %d: %s"
            session.table.log.note(Layer.ENGINE, Level.INFO, text, session.id[:4], error.status, error)
            answer = b"this is no payload of Socket.IO 0.7 to 0.9"  # the client's own words are not repeated
            exchange.respond(Response(error.status, headers, answer))

        try:
            if self.transport == "jsonp-polling":
                body = envelopes.decode_form(body)
            packets = socketio1.decode_payload(body, max_packets=session.policy.max_packets)
        except DecodeError as error:
            done(error)
            return
        if not session.posts.take(packets, done):
            done(ProtocolError("too many POSTs at once: wait for the answer to the first"))


def unknown(decision: OldRequest, policy: Policy, *, is_leaving: bool = False) -> Refuse:
    """Tell a client whose session is over to begin again, in the words of its transport (WP-12)."""
    detail = "the session is over, or another server has it"
    chosen = policy.protocol1.unknown_session
    if chosen is not None and not is_leaving:
        return Refuse(Response(chosen, (*TEXT, *decision.headers)), detail)
    text = b"" if is_leaving else socketio1.encode_error("/", "client not handshaken", "reconnect")[0]
    status, kind = 200, TEXT
    if decision.transport in BY_WEBSOCKET and not is_leaving:
        status = 400  # there is no WebSocket for it
    elif decision.transport in PREAMBLES and not is_leaving:
        kind = (("Content-Type", PREAMBLES[decision.transport][0]), *PRIVATE)
        text = last_words(decision.transport, text)
    elif decision.index is not None:
        kind, text = _SCRIPT, envelopes.encode_script(decision.index, text)
    return Refuse(Response(status, (*kind, *decision.headers), text), detail)


def refuse_script(index: int, text: str, headers: Headers) -> Refuse:
    """Refuse a script element, which sees nothing but a script (WP-5)."""
    return Refuse(Response(200, (*_SCRIPT, *headers), envelopes.encode_script_error(index, text)), text)


def _stream(session: ResumableSession, transport: StreamTransport) -> StreamTransport:
    transport.begin()
    if session.state is State.CLOSED:  # since it was admitted
        transport.retire()
    else:
        session.attach(transport)
    return transport


def _join(session: ResumableSession, transport: ResumableCandidate) -> None:
    """Make a WebSocket the transport of a session."""
    if session.state is State.CLOSED:  # since it was admitted
        transport.retire()
    elif session.policy.protocol1.websocket_check:
        Check(session, transport)
    else:
        transport.sink = session
        session.attach(transport)
