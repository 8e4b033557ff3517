"""The requests of Socket.IO 0.7 to 0.9: what each means, decided before its body is read, and its service.

The rows WP-... are those of docs/protocol-1.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from ..errors import DecodeError, HandshakeRefused, ProtocolError
from ..types import Reason, Request
from ..wire import envelopes, socketio1
from ..wire.generations import SOCKETIO_1, Generation
from ..wire.jsonp import is_index
from ..wire.websocket import check_upgrade
from . import origins
from .admission import Preflight, Refuse, find, switching
from .driver import Layer, Level
from .policy import OLD_TRANSPORTS, Policy
from .polling1 import OldPollingTransport
from .response import PRIVATE, Headers, Response
from .resumable import ResumableSession
from .session import Session
from .states import State
from .streaming import PREAMBLES, last_words
from .transports import Exchange
from .turn import Turn

_TEXT = (("Content-Type", "text/plain; charset=UTF-8"), *PRIVATE)
_SCRIPT = (("Content-Type", "application/javascript; charset=UTF-8"), *PRIVATE)
_POLLING = ("xhr-polling", "jsonp-polling")
_BY_WEBSOCKET = ("websocket", "flashsocket")
_OFFERED = ("websocket", "htmlfile", "xhr-polling", "jsonp-polling")  # the order in which 0.9 tries them (WP-3)


class Wish(Enum):
    """What a client wants."""

    HANDSHAKE = "handshake"
    POLL = "poll"
    POST = "post"
    STREAM = "stream"
    WEBSOCKET = "websocket"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An admitted request: `session` is None for a handshake, `index` the number of a script's callback."""

    wish: Wish
    headers: Headers
    generation: Generation = SOCKETIO_1
    session: ResumableSession | None = None
    transport: str = ""
    index: int | None = None
    key: str = ""
    sid: str = ""

    @property
    def greeting(self) -> Response | None:
        """The head after which the socket is the engine's: of a WebSocket, or of an endless answer."""
        if self.wish is Wish.WEBSOCKET:
            return switching(self.key, self.headers)
        if self.wish is not Wish.STREAM:
            return None
        kind, _ = PREAMBLES[self.transport]
        fields = (("Content-Type", kind), ("Transfer-Encoding", "chunked"), ("Connection", "close"), *PRIVATE)
        return Response(200, (*fields, ("X-Accel-Buffering", "no"), *self.headers))  # nginx passes it on at once


def is_old(request: Request, path: str) -> bool:
    """Tell whether a request is for this protocol: below the engine's path comes its version."""
    rest = request.path.removeprefix(path)
    return rest[:1] == "/" and rest[1:2].isdigit()


def offered(policy: Policy) -> list[str]:
    """Return the transports that a handshake names, the best first."""
    if policy.old_transports is not None:
        return [name for name in policy.old_transports if is_served(name, policy)]
    return [name for name in _OFFERED if is_served(name, policy)] + [
        name for name in policy.transports if name in ("flashsocket", "xhr-multipart")
    ]


def is_served(name: str, policy: Policy) -> bool:
    """Tell whether a transport may be used: by its own name, or by that of its kind (WP-11)."""
    if name == "jsonp-polling" and not policy.jsonp:
        return False
    if policy.old_transports is not None:
        return name in policy.old_transports
    kind = "websocket" if name in _BY_WEBSOCKET else "polling"
    return name in policy.transports or (kind in policy.transports and name in OLD_TRANSPORTS)


def decide(request: Request, path: str, policy: Policy, sessions: Mapping[str, Session]) -> Visit | Refuse | Preflight:
    """Decide what a request means; nothing is changed by asking."""
    if not (origins.allowed(request, policy) or _is_host(request)):
        return _refused(request, 403, "handshake bad origin", (("Vary", "Origin"),))
    headers = origins.headers(request, policy, credentials=True)
    if request.method == "OPTIONS":
        return Preflight(Response(204, (*headers, *origins.preflight(request))))
    if SOCKETIO_1 not in policy.generations:
        return _refused(request, 400, "this server does not speak Socket.IO 0.7 to 0.9", headers)
    version, *rest = request.path.removeprefix(path).strip("/").split("/")
    if version != "1":
        return _refused(request, 503, "Protocol version not supported.", headers)
    if request.method not in ("GET", "POST"):
        return _refused(request, 405, "use GET and POST", (*headers, ("Allow", "GET, POST, OPTIONS")))
    name = "jsonp" if not rest else "i" if rest[0] == "jsonp-polling" else ""  # elsewhere they are the user's own
    index = request.param(name)
    if index is not None and not is_index(index):
        return _refused(request, 400, f"{name} is no index of a callback: it has 1 to 9 digits", headers)
    if index is not None and not (policy.jsonp and origins.allowed_script(request, policy)):
        return _refused(request, 403, "this server's pages only may use scripts to connect", headers)
    visit = Visit(wish=Wish.HANDSHAKE, headers=headers, index=None if index is None else int(index))
    if not rest:
        return visit
    if len(rest) != 2:
        return Refuse(Response(404, (*_TEXT, *headers), b"not found"), "there is nothing at this path")
    return _of_session(request, replace(visit, transport=rest[0]), find(sessions, rest[1], request, policy), policy)


def _is_host(request: Request) -> bool:
    """Tell whether the Origin is the host without a scheme, as 0.9 under Node has it: a browser never does."""
    return request.header("origin") == request.host


def _of_session(request: Request, visit: Visit, session: Session | None, policy: Policy) -> Visit | Refuse:
    """Decide about a request that names a session and a transport."""
    transport, headers = visit.transport, visit.headers
    if not isinstance(session, ResumableSession) or not (session.is_live or transport in _POLLING):
        return _unknown(visit, policy, is_leaving=request.param("disconnect") is not None)
    visit = replace(visit, session=session)
    if request.param("disconnect") is not None:
        return replace(visit, wish=Wish.DISCONNECT)
    if (transport not in OLD_TRANSPORTS and transport != "websocket") or not is_served(transport, policy):
        text = socketio1.encode_error("/", "transport not supported")[0]
        return Refuse(Response(404, (*_TEXT, *headers), text), f"the transport {transport[:40]!a} is not served here")
    if request.method == "POST":
        return replace(visit, wish=Wish.POST)
    if transport in _BY_WEBSOCKET:
        return _websocket(request, visit)
    if transport == "jsonp-polling" and visit.index is None:
        return _refused(request, 400, "jsonp-polling needs i, the number of its callback", headers)
    return replace(visit, wish=Wish.STREAM if transport in PREAMBLES else Wish.POLL)


def _websocket(request: Request, visit: Visit) -> Visit | Refuse:
    try:
        return replace(visit, wish=Wish.WEBSOCKET, key=check_upgrade(request.method, request.header))
    except ProtocolError as error:
        extra = (("Sec-WebSocket-Version", "13"),) if error.status == 426 else ()
        return _refused(request, error.status, str(error), (*visit.headers, *extra))


def _unknown(visit: Visit, policy: Policy, *, is_leaving: bool = False) -> Refuse:
    """Tell a client whose session is over to begin again, in the words of its transport (WP-12)."""
    detail = "the session is over, or another server has it"
    if policy.unknown_session is not None and not is_leaving:
        return Refuse(Response(policy.unknown_session, (*_TEXT, *visit.headers)), detail)
    text = b"" if is_leaving else socketio1.encode_error("/", "client not handshaken", "reconnect")[0]
    status, kind = 200, _TEXT
    if visit.transport in _BY_WEBSOCKET and not is_leaving:
        status = 400  # there is no WebSocket for it
    elif visit.transport in PREAMBLES and not is_leaving:
        kind = (("Content-Type", PREAMBLES[visit.transport][0]), *PRIVATE)
        text = last_words(visit.transport, text)
    elif visit.index is not None:
        kind, text = _SCRIPT, envelopes.encode_script(visit.index, text)
    return Refuse(Response(status, (*kind, *visit.headers), text), detail)


def _refused(request: Request, status: int, text: str, headers: Headers) -> Refuse:
    """Refuse in words; a script element sees nothing but a script (WP-5)."""
    index = request.param("jsonp")
    if index is not None and is_index(index):
        return _refused_script(int(index), text, headers)
    return Refuse(Response(status, (*_TEXT, *headers), text.encode(errors="replace")), text)


def _refused_script(index: int, text: str, headers: Headers) -> Refuse:
    return Refuse(Response(200, (*_SCRIPT, *headers), envelopes.encode_script_error(index, text)), text)


# The service of what was admitted


def answer_handshake(visit: Visit, policy: Policy) -> Response:
    """Say the session's id, the timeouts, and the transports (WP-3, WP-4)."""
    heartbeat = policy.ping_interval + policy.ping_timeout
    patience = policy.close_timeout_advertised
    if patience is None:  # a client that hears nothing for so long gives up, too: longer than anything is silent
        patience = max(policy.resume_timeout, heartbeat)
    text = socketio1.encode_handshake(visit.sid, heartbeat, patience, offered(policy))
    if visit.index is None:
        return Response(200, (*_TEXT, *visit.headers), text)
    return Response(200, (*_SCRIPT, *visit.headers), envelopes.encode_script(visit.index, text))


def refuse_handshake(visit: Visit, error: HandshakeRefused) -> Refuse:
    """Say that the application does not want the client (WP-5)."""
    headers = (*visit.headers, *error.headers)
    if visit.index is not None:
        return _refused_script(visit.index, error.text, headers)
    return Refuse(Response(error.status, (*_TEXT, *headers), error.text.encode(errors="replace")), error.text)


def serve(visit: Visit, exchange: Exchange, body: bytes, turn: Turn) -> None:
    """Serve a request of a session."""
    session = visit.session
    assert session is not None
    if session.state is State.CLOSED:  # while the body came
        exchange.respond(_unknown(visit, session.policy, is_leaving=visit.wish is Wish.DISCONNECT).response)
        return
    if visit.wish is Wish.DISCONNECT:
        session.drop(Reason.CLIENT_DISCONNECT)
        exchange.respond(Response(200, (*_TEXT, *visit.headers)))
        return
    if visit.wish is Wish.POLL and session.policy.second_poll == "refuse" and _is_polled(session):
        exchange.respond(Response(401, (*_TEXT, *visit.headers)))
        return
    polling = _polling(session, visit, turn)
    if visit.wish is Wish.POLL:
        polling.poll(exchange, visit, visit.headers, visit.index)
        return
    if not session.is_started:  # else the first POST would be lost (WP-24)
        session.attach(polling)
        session.absent()
    _post(session, visit, exchange, body)


def abort(visit: Visit) -> None:
    """The client has given up a request: what was queued for it waits for the next."""
    if visit.session is not None and isinstance(visit.session.transport, OldPollingTransport):
        visit.session.transport.aborted(visit)


def _is_polled(session: ResumableSession) -> bool:
    return isinstance(session.transport, OldPollingTransport) and session.transport.waiting


def _polling(session: ResumableSession, visit: Visit, turn: Turn) -> OldPollingTransport:
    transport = session.transport
    name = visit.transport if visit.transport in _POLLING else "xhr-polling"
    if isinstance(transport, OldPollingTransport) and transport.name == name:
        return transport
    return OldPollingTransport(session, name, turn)


def _post(session: ResumableSession, visit: Visit, exchange: Exchange, body: bytes) -> None:
    session.engine.traffic.bytes_in += len(body)

    def done(error: ProtocolError | None) -> None:
        if error is None:
            exchange.respond(Response(200, (*_TEXT, *visit.headers), session.policy.post_reply.encode()))
            return
        session.drop(Reason.PARSE_ERROR)
        text = "a POST for session %s... is refused with %d: %s"
        session.engine.driver.note(Layer.ENGINE, Level.INFO, text, session.id[:4], error.status, error)
        answer = b"this is no payload of Socket.IO 0.7 to 0.9"  # the client's own words are not repeated
        exchange.respond(Response(error.status, (*_TEXT, *visit.headers), answer))

    try:
        if visit.transport == "jsonp-polling":
            body = envelopes.decode_form(body)
        packets = socketio1.decode_payload(body, max_packets=session.policy.max_packets)
    except DecodeError as error:
        done(error)
        return
    if not session.posts.take(packets, done):
        done(ProtocolError("too many POSTs at once: wait for the answer to the first"))
