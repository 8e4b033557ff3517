"""What an HTTP request means, decided before any of its body is read."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ...errors import ProtocolError
from ...types import Reason, Request
from ...wire import jsonp
from ...wire.generations import GENERATIONS, Generation
from ..policy import TRANSPORTS, Policy
from ..session import Session
from ..table import Table
from . import origins
from .decisions import Open, Resume
from .handshakes import agree, explain
from .origins import Cors
from .refusals import Answer, Fault, Refuse, Subject, refuse
from .response import Headers, Response, version_spoken
from .routes import Unknown

Meaning = Refuse | Answer | Open | Resume | Unknown

SCRIPT = Subject("script", "")
"""The subject of a refused script element: what a Referer says is a page, of which a site has many."""

_RESTS_ON = ("EIO", "transport", "sid", "j")  # the parameters of a decision
_NONE = ("",)
_METHODS = ("GET", "POST")
_CLIENTS = {"1": "Engine.IO 1", "2": "Engine.IO 2 (Socket.IO 1.0 beta)"}


class EngineIORoute:
    """The engine's own path, with or without a slash at its end: Engine.IO 3 and 4."""

    __slots__ = ("_generations", "_paths", "_policy", "_table", "_transports")

    def __init__(self, table: Table, path: str) -> None:
        self._table = table
        self._policy = policy = table.policy
        self._paths = path, f"{path}/"
        self._transports = tuple(name for name in policy.transports if name in TRANSPORTS)
        rows = (row for row in policy.generations if row.revision in GENERATIONS)  # that of 0.7 to 0.9 is no Engine.IO
        self._generations = {row.revision: row for row in rows}

    def serves(self, path: str) -> bool:
        """Tell whether it is the path."""
        return path in self._paths

    def decide(self, request: Request, cors: Cors) -> Meaning:
        """Decide what the request means; a session whose heartbeat is overdue ends here."""
        headers = origins.admit(request, cors)
        if headers is None:
            return refuse(Fault.FORBIDDEN, foreign(request), origins.VARY, subject=claimant(request))
        if request.method == "OPTIONS":
            return Answer(Response(204, (*headers, *origins.preflight(request))))
        query = request.query
        if (torn := _torn(query)) is not None:
            return refuse(Fault.BAD_REQUEST, f"the query has {torn} more than once, with different values", headers)
        transport, revision = query.get("transport", _NONE)[0], query.get("EIO", _NONE)[0]
        if transport not in self._transports:
            detail = f"transport is {show(transport)}: this server offers {' or '.join(self._transports) or 'none'}"
            return refuse(Fault.UNKNOWN_TRANSPORT, detail, headers)
        generation = self._generations.get(revision)
        if generation is None:
            return refuse(Fault.UNSUPPORTED_PROTOCOL, self._unsupported(revision), headers)
        if "j" in query and transport == "polling" and (refusal := self._jsonp(request, cors, headers)) is not None:
            return refusal
        if sid := query.get("sid", _NONE)[0]:
            return self._resume(request, sid, generation, transport, headers)
        return self._open(request, generation, transport, headers)

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        """Refuse with an official code."""
        return refuse(Fault.FORBIDDEN if status == 403 else Fault.BAD_REQUEST, detail, headers, status=status)

    # Below this line: how it is done

    def _jsonp(self, request: Request, cors: Cors, headers: Headers) -> Refuse | None:
        """Refuse JSONP that is off, broken or from a foreign page; the client's value is not repeated."""
        if not self._policy.jsonp:
            return refuse(Fault.BAD_REQUEST, "the query has j, which asks for JSONP: allow it with jsonp=True", headers)
        if not jsonp.is_index(request.param("j") or ""):
            return refuse(Fault.BAD_REQUEST, "j is not an index of a JSONP callback: it has 1 to 9 digits", headers)
        if not origins.allowed_script(request, cors):
            return refuse(
                Fault.FORBIDDEN,
                "neither Sec-Fetch-Site nor Referer says that a page of this origin asks for JSONP: "
                "let the page send its Referer, or add its origin to cors_origins",
                headers,
                subject=SCRIPT,
            )
        return None

    def _open(self, request: Request, generation: Generation, transport: str, headers: Headers) -> Meaning:
        if request.method != "GET":
            detail = f"a session begins with GET, not {show(request.method)}"
            return refuse(Fault.BAD_HANDSHAKE_METHOD, detail, headers)
        if transport == "websocket":
            return self._with_key(request, partial(Open, generation), headers, generation.greeting_pause)
        return Open(generation, headers)

    def _resume(self, request: Request, sid: str, generation: Generation, transport: str, headers: Headers) -> Meaning:
        table = self._table
        session = find(table.sessions, sid, request, self._policy)
        if session is not None and session.generation is not generation:
            detail = f"the session speaks {session.generation.name}, the request {generation.name}"
            return refuse(Fault.BAD_REQUEST, detail, headers)
        if session is None or session.heartbeat.limit <= table.driver.now():
            if session is not None:
                session.drop(Reason.PING_TIMEOUT)
            detail = "the session is over, or another server has it"
            return Unknown(sid, refuse(Fault.UNKNOWN_SID, detail, headers))
        if transport == "websocket":
            return self._with_key(request, partial(Resume, session), headers)
        if session.transport.name != transport:
            detail = f"the session has left {transport} for {session.transport.name}"
            return refuse(Fault.BAD_REQUEST, detail, headers)
        if request.method not in _METHODS:
            return refuse(Fault.BAD_REQUEST, f"polling uses GET and POST, not {show(request.method)}", headers)
        return Resume(session, headers)

    def _with_key(
        self, request: Request, decision: Callable[..., Meaning], headers: Headers, pause: float = 0.0
    ) -> Meaning:
        """Check the handshake of a WebSocket, and agree on its subprotocol and its compression."""
        policy = self._policy
        try:
            upgrade, deflate = agree(request, policy, policy.subprotocols, pause)
        except ProtocolError as error:
            detail, subject = explain(request, error)
            headers = (*headers, *version_spoken(error))
            return refuse(Fault.BAD_REQUEST, detail, headers, status=error.status, subject=subject)
        return decision(headers, upgrade, deflate=deflate)

    def _unsupported(self, revision: str) -> str:
        offered = " and ".join(row.name for row in self._policy.generations)
        if not revision:
            return f"the request has no EIO parameter; this server speaks {offered}"
        known = GENERATIONS.get(revision)
        spoken = known.name if known else _CLIENTS.get(revision, f"EIO={show(revision)}")
        return f"the client speaks {spoken}; this server speaks {offered}"


def _torn(query: Mapping[str, Sequence[str]]) -> str | None:
    """Return the name of a parameter that the decision rests on, and that has several values."""
    if max(map(len, query.values()), default=1) == 1:
        return None
    return next((name for name in _RESTS_ON if len(set(query.get(name, ()))) > 1), None)


def find(sessions: Mapping[str, Session], sid: str, request: Request, policy: Policy) -> Session | None:
    """Return the session that the request may have."""
    session = sessions.get(sid)
    if session is None or not policy.verify_remote_ip or session.request.remote_address == request.remote_address:
        return session
    return None


def claimant(request: Request) -> Subject | None:
    """Return the subject of a refusal of a foreign origin."""
    origin = origins.claimed(request)
    return Subject("origin", origin) if origin else None


def foreign(request: Request) -> str:
    """Say which Origin is not allowed, and what to do."""
    origin, host = show(origins.claimed(request)), show(request.host)
    return f"Origin {origin} is not allowed for the host {host}: add it to cors_origins; behind a proxy, pass on Host"


def show(value: str | None) -> str:
    """Quote a client's value for a sentence: short, and with nothing that a terminal obeys."""
    text = ascii("" if value is None else value[:80])
    return text if value is None or len(value) <= 80 else f"{text}..."
