"""What an HTTP request means, decided before any of its body is read."""

from collections.abc import Callable, Mapping
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

_CLIENTS = {"1": "Engine.IO 1", "2": "Engine.IO 2 (Socket.IO 1.0 beta)"}


class EngineIORoute:
    """The engine's own path, with or without a slash at its end: Engine.IO 3 and 4."""

    __slots__ = ("_paths", "_table")

    def __init__(self, table: Table, path: str) -> None:
        self._table = table
        self._paths = path, f"{path}/"

    def serves(self, path: str) -> bool:
        """Tell whether it is the path."""
        return path in self._paths

    def decide(self, request: Request, cors: Cors) -> Meaning:
        """Decide what the request means; a session whose heartbeat is overdue ends here."""
        if not origins.allowed(request, cors):
            return refuse(Fault.FORBIDDEN, foreign(request), (("Vary", "Origin"),), subject=claimant(request))
        headers = origins.headers(request, cors)
        if request.method == "OPTIONS":
            return Answer(Response(204, (*headers, *origins.preflight(request))))
        query = request.query
        torn = next((name for name in ("EIO", "transport", "sid", "j") if len(set(query.get(name, ()))) > 1), None)
        if torn:
            return refuse(Fault.BAD_REQUEST, f"the query has {torn} more than once, with different values", headers)
        return _Question(request, self._table, cors, headers).answer()

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        """Refuse with an official code."""
        return refuse(Fault.FORBIDDEN if status == 403 else Fault.BAD_REQUEST, detail, headers, status=status)


def find(sessions: Mapping[str, Session], sid: str, request: Request, policy: Policy) -> Session | None:
    """Return the session that the request may have."""
    session = sessions.get(sid)
    if session is None or not policy.verify_remote_ip or session.request.remote_address == request.remote_address:
        return session
    return None


class _Question:
    """The parts of a request that the decision rests on."""

    __slots__ = ("cors", "headers", "policy", "request", "revision", "sid", "table", "transport")

    def __init__(self, request: Request, table: Table, cors: Cors, headers: Headers) -> None:
        self.request, self.table, self.cors, self.headers = request, table, cors, headers
        self.policy = table.policy
        query = request.query
        self.transport, self.revision, self.sid = (query.get(name, [""])[0] for name in ("transport", "EIO", "sid"))

    def answer(self) -> Meaning:
        if self.transport not in self.policy.transports or self.transport not in TRANSPORTS:
            choice = " or ".join(name for name in self.policy.transports if name in TRANSPORTS) or "none"
            detail = f"transport is {show(self.transport)}: this server offers {choice}"
            return self._no(Fault.UNKNOWN_TRANSPORT, detail)
        rows = self.policy.generations if self.revision in GENERATIONS else ()  # that of 0.7 to 0.9 is no Engine.IO
        generation = next((row for row in rows if row.revision == self.revision), None)
        if generation is None:
            return self._no(Fault.UNSUPPORTED_PROTOCOL, self._unsupported())
        if self.transport == "polling" and "j" in self.request.query and (refusal := self._jsonp()) is not None:
            return refusal
        if not self.sid:
            return self._open(generation)
        session = find(self.table.sessions, self.sid, self.request, self.policy)
        if session is not None and session.generation is not generation:
            detail = f"the session speaks {session.generation.name}, the request {generation.name}"
            return self._no(Fault.BAD_REQUEST, detail)
        if session is not None and session.heartbeat.limit > self.table.driver.now():
            return self._resume(session)
        if session is not None:
            session.drop(Reason.PING_TIMEOUT)
        return Unknown(self.sid, self._no(Fault.UNKNOWN_SID, "the session is over, or another server has it"))

    def _jsonp(self) -> Refuse | None:
        """Refuse JSONP that is off, broken or from a foreign page; the client's value is not repeated."""
        if not self.policy.jsonp:
            return self._no(Fault.BAD_REQUEST, "the query has j, which asks for JSONP: allow it with jsonp=True")
        if not jsonp.is_index(self.request.param("j") or ""):
            return self._no(Fault.BAD_REQUEST, "j is not an index of a JSONP callback: it has 1 to 9 digits")
        if not origins.allowed_script(self.request, self.cors):
            return refuse(
                Fault.FORBIDDEN,
                "neither Sec-Fetch-Site nor Referer says that a page of this origin asks for JSONP: "
                "let the page send its Referer, or add its origin to cors_origins",
                self.headers,
                subject=SCRIPT,
            )
        return None

    def _open(self, generation: Generation) -> Meaning:
        if self.request.method != "GET":
            return self._no(Fault.BAD_HANDSHAKE_METHOD, f"a session begins with GET, not {show(self.request.method)}")
        if self.transport == "websocket":
            return self._with_key(partial(Open, generation), generation.greeting_pause)
        return Open(generation, self.headers)

    def _resume(self, session: Session) -> Meaning:
        if self.transport == "websocket":
            return self._with_key(partial(Resume, session))
        if session.transport.name != self.transport:
            return self._no(Fault.BAD_REQUEST, f"the session has left {self.transport} for {session.transport.name}")
        if self.request.method not in ("GET", "POST"):
            return self._no(Fault.BAD_REQUEST, f"polling uses GET and POST, not {show(self.request.method)}")
        return Resume(session, self.headers)

    def _with_key(self, decision: Callable[..., Meaning], pause: float = 0.0) -> Meaning:
        """Check the handshake of a WebSocket, and agree on its subprotocol and its compression."""
        try:
            upgrade, deflate = agree(self.request, self.policy, self.policy.subprotocols, pause)
        except ProtocolError as error:
            detail, subject = explain(self.request, error)
            headers = (*self.headers, *version_spoken(error))
            return refuse(Fault.BAD_REQUEST, detail, headers, status=error.status, subject=subject)
        return decision(self.headers, upgrade, deflate=deflate)

    def _unsupported(self) -> str:
        offered = " and ".join(row.name for row in self.policy.generations)
        if not self.revision:
            return f"the request has no EIO parameter; this server speaks {offered}"
        known = GENERATIONS.get(self.revision)
        spoken = known.name if known else _CLIENTS.get(self.revision, f"EIO={show(self.revision)}")
        return f"the client speaks {spoken}; this server speaks {offered}"

    def _no(self, fault: Fault, detail: str) -> Refuse:
        return refuse(fault, detail, self.headers)


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
