"""The requests of Socket.IO 0.7 to 0.9: what each means, decided before its body is read, and its service.

The rows WP-... are those of docs/protocol-1.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from ..errors import DecodeError, ProtocolError
from ..types import Reason, Request
from ..wire import envelopes, socketio1
from ..wire.generations import SOCKETIO_1, Generation
from ..wire.jsonp import is_index
from ..wire.websocket import check_upgrade
from . import origins
from .admission import Preflight, Refuse, switching
from .policy import Policy
from .polling1 import OldPollingTransport
from .response import PRIVATE, Headers, Response
from .resumable import ResumableSession
from .session import Session
from .streaming import PREAMBLES
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
        return Response(200, (*fields, *self.headers))


def is_old(request: Request, path: str) -> bool:
    """Tell whether a request is for this protocol: below the engine's path comes its version."""
    rest = request.path.removeprefix(path)
    return rest[:1] == "/" and rest[1:2].isdigit()


def offered(policy: Policy) -> list[str]:
    """Return the transports that a handshake names, the best first."""
    return [name for name in _OFFERED if is_served(name, policy)] + [
        name for name in policy.transports if name in ("flashsocket", "xhr-multipart")
    ]


def is_served(name: str, policy: Policy) -> bool:
    """Tell whether a transport may be used: by its own name, or by that of its kind (WP-11)."""
    if name in policy.transports:
        return True
    if name in _BY_WEBSOCKET:
        return "websocket" in policy.transports
    return "polling" in policy.transports and (name in PREAMBLES or name == "xhr-polling" or policy.jsonp)


def decide(request: Request, path: str, policy: Policy, sessions: Mapping[str, Session]) -> Visit | Refuse | Preflight:
    """Decide what a request means; nothing is changed by asking."""
    if not origins.allowed(request, policy):
        return _refused(request, 403, "handshake bad origin", ())
    headers = origins.headers(request, policy)
    if request.method == "OPTIONS":
        return Preflight(Response(204, (*headers, *origins.preflight(request))))
    if SOCKETIO_1 not in policy.generations:
        return _refused(request, 400, "this server does not speak Socket.IO 0.7 to 0.9", headers)
    version, *rest = request.path.removeprefix(path).strip("/").split("/") if request.path else [""]
    if version != "1":
        return _refused(request, 503, "Protocol version not supported.", headers)
    for name in ("jsonp", "i"):
        index = request.param(name)
        if index is not None and not is_index(index):
            return _refused(request, 400, f"{name} is no index of a callback: it has 1 to 9 digits", headers)
        if index is not None and not (policy.jsonp and origins.allowed_script(request, policy)):
            return _refused(request, 403, "this server's pages only may use scripts to connect", headers)
    if not rest:
        return _handshake(request, headers)
    if len(rest) != 2:
        return Refuse(Response(404, (*_TEXT, *headers), b"not found"), "there is nothing at this path")
    return _visit(request, rest[0], sessions.get(rest[1]), policy, headers)


def _handshake(request: Request, headers: Headers) -> Visit | Refuse:
    if request.method not in ("GET", "POST"):
        return _refused(request, 405, "a handshake is a GET", headers)
    index = request.param("jsonp")
    return Visit(wish=Wish.HANDSHAKE, headers=headers, index=None if index is None else int(index))


def _visit(
    request: Request, transport: str, session: Session | None, policy: Policy, headers: Headers
) -> Visit | Refuse:
    index = request.param("i") if transport == "jsonp-polling" else None
    number = None if index is None else int(index)
    if not isinstance(session, ResumableSession) or not (session.is_live or transport in _POLLING):
        return _unknown(number, headers)
    visit = Visit(wish=Wish.POLL, headers=headers, session=session, transport=transport, index=number)
    if request.param("disconnect") is not None:
        return replace(visit, wish=Wish.DISCONNECT)
    known = transport in (*_POLLING, *_BY_WEBSOCKET, *PREAMBLES)
    if not known or not is_served(transport, policy):
        text = socketio1.encode_error("/", "transport not supported")[0]
        return Refuse(Response(404, (*_TEXT, *headers), text), f"the transport {transport[:40]!a} is not served here")
    if request.method == "POST":
        return replace(visit, wish=Wish.POST)
    if request.method != "GET":
        return _refused(request, 405, "use GET and POST", headers)
    if transport in _BY_WEBSOCKET:
        return _websocket(request, visit)
    if transport == "jsonp-polling" and number is None:
        return _refused(request, 400, "jsonp-polling needs i, the number of its callback", headers)
    return replace(visit, wish=Wish.STREAM) if transport in PREAMBLES else visit


def _websocket(request: Request, visit: Visit) -> Visit | Refuse:
    try:
        return replace(visit, wish=Wish.WEBSOCKET, key=check_upgrade(request.method, request.header))
    except ProtocolError as error:
        return _refused(request, error.status, str(error), visit.headers)


def _unknown(index: int | None, headers: Headers) -> Refuse:
    """Tell a client whose session is over to begin again (WP-12)."""
    text = socketio1.encode_error("/", "client not handshaken", "reconnect")[0]
    why = "the session is over, or another server has it"
    if index is None:
        return Refuse(Response(200, (*_TEXT, *headers), text), why)
    return Refuse(Response(200, (*_SCRIPT, *headers), envelopes.encode_script(index, text)), why)


def _refused(request: Request, status: int, text: str, headers: Headers) -> Refuse:
    """Refuse in words; a script element sees nothing but a script (WP-5)."""
    index = request.param("jsonp")
    if index is not None and is_index(index):
        return Refuse(Response(200, (*_SCRIPT, *headers), envelopes.encode_script_error(int(index), text)), text)
    return Refuse(Response(status, (*_TEXT, *headers), text.encode(errors="replace")), text)


# The service of what was admitted


def answer_handshake(visit: Visit, policy: Policy) -> Response:
    """Say the session's id, the timeouts, and the transports (WP-3, WP-4)."""
    heartbeat = policy.ping_interval + policy.ping_timeout
    text = socketio1.encode_handshake(visit.sid, heartbeat, policy.resume_timeout, offered(policy))
    if visit.index is None:
        return Response(200, (*_TEXT, *visit.headers), text)
    return Response(200, (*_SCRIPT, *visit.headers), envelopes.encode_script(visit.index, text))


def serve(visit: Visit, exchange: Exchange, body: bytes, turn: Turn) -> None:
    """Serve a request of a session."""
    session = visit.session
    assert session is not None
    if visit.wish is Wish.DISCONNECT:
        session.drop(Reason.CLIENT_DISCONNECT)
        exchange.respond(Response(200, (*_TEXT, *visit.headers)))
        return
    polling = _polling(session, visit, turn)
    if visit.wish is Wish.POLL:
        polling.poll(exchange, visit.headers, visit.index)
        return
    if not session.is_started:  # else the first POST would be lost (WP-24)
        session.attach(polling)
        session.absent()
    _post(session, visit, exchange, body)


def abort(visit: Visit) -> None:
    """The client has given up a request: what was queued for it waits for the next."""
    if visit.session is not None and isinstance(visit.session.transport, OldPollingTransport):
        visit.session.transport.aborted()


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
            exchange.respond(Response(200, (*_TEXT, *visit.headers), b"1"))
            return
        session.drop(Reason.PARSE_ERROR)
        exchange.respond(Response(error.status, (*_TEXT, *visit.headers), str(error).encode(errors="replace")))

    try:
        if visit.transport == "jsonp-polling":
            body = envelopes.decode_form(body)
        packets = socketio1.decode_payload(body, max_packets=session.policy.max_packets)
    except DecodeError as error:
        done(error)
        return
    if not session.posts.take(packets, done):
        done(ProtocolError("too many POSTs at once: wait for the answer to the first"))
