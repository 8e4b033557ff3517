"""How sessions begin: what is agreed on with a WebSocket, and what all requests do alike with which one begins."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from ...errors import ProtocolError
from ...types import Reason, Request
from ...wire.deflate import Deflate, negotiate
from ...wire.generations import Generation
from ...wire.websocket import Reader, check_upgrade
from ..policy import Policy
from ..prepared import Prepared
from ..session import Session
from ..states import State
from ..table import Table
from ..transports.deflating import DeflatingBase64Transport, DeflatingTransport
from ..transports.interfaces import Candidate, Link
from ..transports.websocket import Base64Transport, WebSocketTransport
from .greetings import Upgrade
from .refusals import Subject
from .response import subprotocol

T = TypeVar("T", bound=Candidate)

_UPGRADE_DROPPED = ": a proxy before the server has probably dropped it, let it forward Upgrade and Connection"


def agree(
    request: Request, policy: Policy, spoken: Sequence[str] | None, pause: float = 0.0
) -> tuple[Upgrade, Deflate | None]:
    """Check the opening handshake of a WebSocket, and agree on subprotocol and compression; raises ProtocolError."""
    key = check_upgrade(request.method, request.header)
    upgrade = Upgrade((), key, subprotocol(request, spoken), pause=pause)
    deflate = policy.deflate
    offers = None if deflate is None else request.header("Sec-WebSocket-Extensions")
    agreement = None if deflate is None or offers is None else negotiate(offers, deflate)
    if agreement is None:
        return upgrade, None
    upgrade.handshake = (("Sec-WebSocket-Extensions", agreement.answer),)
    return upgrade, agreement.deflate


def explain(request: Request, error: ProtocolError) -> tuple[str, Subject | None]:
    """Say for a person what is wrong with a handshake. Every client of WebSockets sends Upgrade."""
    if request.no_upgrade:
        return request.no_upgrade, Subject("upgrade", "")
    dropped = request.header("upgrade") is None
    return (f"{error}{_UPGRADE_DROPPED}", Subject("upgrade", "")) if dropped else (str(error), None)


def make_websocket(
    table: Table, generation: Generation, link: Link, deflate: Deflate | None, *, base64: bool = False
) -> WebSocketTransport:
    """Make the transport of a WebSocket whose handshake is done; with `base64`, binary goes as text."""
    reader = Reader(table.policy.max_payload_bytes, deflate=deflate is not None)
    if deflate is None:
        plain = Base64Transport if base64 else WebSocketTransport
        return plain(link, generation, reader, table.traffic)
    deflating = DeflatingBase64Transport if base64 else DeflatingTransport
    return deflating(link, generation, reader, table.traffic, deflate=deflate, driver=table.driver)


def drop_begun(table: Table, session: Session | None) -> None:
    """End the session of a handshake that was not answered."""
    if session is not None and session.id in table.sessions:
        session.drop(Reason.TRANSPORT_CLOSE)


class Handshake:
    """A request with which a session begins. A kind of it makes the session in `begin`."""

    __slots__ = ()

    is_handshake: ClassVar[bool] = True
    session: Session | None

    def abort(self, table: Table) -> None:
        """End the session that has begun, of which the client has not heard."""
        drop_begun(table, self.session)

    def refuse_body(self) -> None:
        """End the session that has begun."""
        assert self.session is not None
        self.session.drop(Reason.TRANSPORT_ERROR)

    def carry(self, table: Table, transport: T, first: Prepared | None = None) -> T:
        """Let the transport carry the session: send this first, and what the application has had to say meanwhile."""
        session = self.session
        assert session is not None
        if session.state is State.CLOSED:
            transport.retire()
            return transport
        transport.sink = session
        if first is not None:
            transport.write(first)
        session.heartbeat.begin(session)
        session.go_on(transport)
        table.greet(session)
        return transport
