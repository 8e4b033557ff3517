"""The requests of Socket.IO 0.7 to 0.9: what each means, decided before its body is read.

The rows WP-... are those of docs/protocol-1.md.
"""

from dataclasses import replace

from ...errors import ProtocolError
from ...types import Request
from ...wire.generations import SOCKETIO_1
from ...wire.jsonp import is_index
from ...wire.protocol1 import hixie
from ...wire.protocol1 import socketio as socketio1
from ...wire.websocket import DRAFT_VERSIONS, VERSION, check_upgrade
from ..http import origins
from ..http.greetings import Upgrade
from ..http.handshakes import explain
from ..http.origins import Cors
from ..http.refusals import Answer, Refuse, refuse_text
from ..http.requests import SCRIPT, claimant, find, foreign
from ..http.response import TEXT, Headers, Response, subprotocol, version_spoken
from ..http.routes import Unknown
from ..policy import Policy
from ..session import Session
from ..table import Table
from .decisions import Action, OldRequest, refuse_script, unknown
from .hixie import fields
from .offers import BY_POLLING, BY_WEBSOCKET, is_served
from .policy import TRANSPORTS
from .session import ResumableSession
from .streaming import PREAMBLES

_MEND_SCRIPTS = "let the page send its Referer, and add its origin to cors_origins if it is another"

_WEBSOCKET_VERSIONS = (VERSION, *DRAFT_VERSIONS)


class Protocol1Route:
    """The paths below the engine's that begin with a version of the protocol, a digit."""

    __slots__ = ("_table", "_top")

    def __init__(self, table: Table, path: str) -> None:
        self._table = table
        self._top = f"{path}/"

    def serves(self, path: str) -> bool:
        """Tell whether a version stands below the engine's path."""
        top = self._top
        return path.startswith(top) and "0" <= path[len(top) : len(top) + 1] <= "9"

    def decide(self, request: Request, cors: Cors) -> Refuse | Answer | OldRequest | Unknown:
        """Decide what a request means; nothing is changed by asking."""
        policy = self._table.policy
        headers = origins.admit(request, cors, credentials=True)
        if headers is None:
            refusal = _refuse(request, 403, "handshake bad origin", origins.VARY)
            return replace(refusal, detail=foreign(request), subject=claimant(request))
        if request.method == "OPTIONS":
            return Answer(Response(204, (*headers, *origins.preflight(request))))
        if SOCKETIO_1 not in policy.generations:
            return _refuse(request, 400, "this server does not speak Socket.IO 0.7 to 0.9", headers)
        version, *rest = request.path.removeprefix(self._top).strip("/").split("/")
        if version != "1":
            return _refuse(request, 503, "Protocol version not supported.", headers)
        if request.method not in ("GET", "POST"):
            return _refuse(request, 405, "use GET and POST", (*headers, ("Allow", "GET, POST, OPTIONS")))
        index = _callback(request, rest, policy, cors, headers)
        if isinstance(index, Refuse):
            return index
        admitted = OldRequest(action=Action.HANDSHAKE, headers=headers, index=index)
        if not rest:
            return admitted
        if len(rest) != 2:
            return Refuse(Response(404, (*TEXT, *headers), b"not found"), "there is nothing at this path")
        admitted, sid = replace(admitted, transport=rest[0]), rest[1]
        decision = _of_session(request, admitted, find(self._table.sessions, sid, request, policy), policy)
        return _unknown(request, admitted, sid, policy) if decision is None else decision

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        """Refuse in words, or in a script if the request is a script element's."""
        return refuse_text(status, detail, headers) if request is None else _refuse(request, status, detail, headers)


def _callback(request: Request, rest: list[str], policy: Policy, cors: Cors, headers: Headers) -> int | Refuse | None:
    """Return the index of a script's callback, None for what is no script; or refuse it."""
    name = "jsonp" if not rest else "i" if rest[0] == "jsonp-polling" else None  # elsewhere they are the user's own
    index = None if name is None else request.param(name)
    if index is None and name == "i" and request.method == "GET" and request.param("disconnect") is None:
        index = "0"  # as with the JavaScript server (WP-32)
    if index is None:
        return None
    if not is_index(index):
        return _refuse(request, 400, f"{name} is not an index of a callback: it has 1 to 9 digits", headers)
    if not (policy.jsonp and origins.allowed_script(request, cors)):
        refusal = _refuse(request, 403, "only pages of this server may connect with scripts", headers)
        return replace(refusal, detail=f"{refusal.detail}: {_MEND_SCRIPTS}", subject=SCRIPT)
    return int(index)


def _of_session(
    request: Request, admitted: OldRequest, session: Session | None, policy: Policy
) -> OldRequest | Refuse | None:
    """Decide about a request that names a session and a transport; None if there is no such session."""
    transport, headers = admitted.transport, admitted.headers
    if not isinstance(session, ResumableSession) or not (session.is_live or transport in BY_POLLING):
        return None
    admitted = replace(admitted, session=session)
    if request.param("disconnect") is not None:
        return replace(admitted, action=Action.DISCONNECT)
    if (transport not in TRANSPORTS and transport != "websocket") or not is_served(transport, policy):
        text = socketio1.encode_error("/", "transport not supported")[0]
        return Refuse(Response(404, (*TEXT, *headers), text), f"the transport {transport[:40]!a} is not served here")
    if request.method == "POST":
        return replace(admitted, action=Action.POST)
    if transport in BY_WEBSOCKET:
        return _websocket(request, admitted, policy)
    return replace(admitted, action=Action.STREAM if transport in PREAMBLES else Action.POLL)


def _unknown(request: Request, admitted: OldRequest, sid: str, policy: Policy) -> Unknown:
    """Tell the client to begin again; but 0.7 and 0.8, if they were refused, ask on without a pause (WP-12).

    They ask after each answer with the status 200, whatever it says, and after no other: the policy's `unknown_session`
    is one already.
    """
    is_leaving = request.param("disconnect") is not None
    refusal = unknown(admitted, policy, is_leaving=is_leaving)
    asks_on = admitted.transport in BY_POLLING and request.method == "GET" and refusal.response.status == 200
    if is_leaving or not asks_on:
        return Unknown(sid, refusal)
    again = Refuse(Response(404, (*TEXT, *admitted.headers)), f"{refusal.detail}: the client has been told already")
    return Unknown(sid, refusal, again)


def _websocket(request: Request, admitted: OldRequest, policy: Policy) -> OldRequest | Refuse:
    """Check the opening handshake: of RFC 6455, or of a draft before it (WP-20)."""
    method, header = request.method, request.header
    name = subprotocol(request, policy.subprotocols)
    admitted = replace(admitted, action=Action.WEBSOCKET)
    try:
        if hixie.is_asked(header):
            challenge = hixie.check_upgrade(method, header)
            return replace(admitted, challenge=challenge, upgrade=Upgrade((), None, name, fields(request)))
        return replace(admitted, upgrade=Upgrade((), check_upgrade(method, header, _WEBSOCKET_VERSIONS), name))
    except ProtocolError as error:
        detail, subject = explain(request, error)
        spoken = version_spoken(error, _WEBSOCKET_VERSIONS)
        return replace(_refuse(request, error.status, detail, (*admitted.headers, *spoken)), subject=subject)


def _refuse(request: Request, status: int, text: str, headers: Headers) -> Refuse:
    """Refuse in words, or in a script for a script element."""
    index = request.param("jsonp")
    if index is not None and is_index(index):
        return refuse_script(int(index), text, headers)
    return refuse_text(status, text, headers)
