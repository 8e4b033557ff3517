"""How the clients of Engine.IO, and those of Socket.IO 0.7 to 0.9, write what is below Socket.IO's packets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..wire import generations
from ..wire.generations import Generation
from ..wire.protocol1 import socketio as socketio1
from .carriers import PollingCarrier, WebSocketCarrier
from .carriers1 import HixieCarrier, JsonpCarrier, StreamCarrier, XhrCarrier
from .links import Headers

if TYPE_CHECKING:
    from .peer import Peer

Carrier = WebSocketCarrier | PollingCarrier | StreamCarrier


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDialect:
    """How a family of clients makes its requests, and the packets that no codec of Socket.IO has."""

    carriers: "Mapping[str, Callable[[Peer, str], Carrier]]"
    path: str  # behind the engine's
    target: "Callable[[Peer, str], str]"  # of a request for a transport, below the path
    has_handshake: bool  # a request that comes before any transport
    headers: Headers  # of every request
    prefix: str  # of the texts that are packets of Socket.IO
    goodbye: str  # empty where the WebSocket is closed instead
    pong: str  # empty where pings are those of WebSockets
    greetings: int  # packets that a client gets before it is in "/"


def _target(client: "Peer", transport: str) -> str:
    query = [f"EIO={client.generation.revision}", f"transport={transport}", f"sid={client.sid}" * bool(client.sid)]
    return "/?" + "&".join(filter(None, [*query, client.query]))


def _target1(client: "Peer", transport: str) -> str:
    if not client.sid:
        return "/?" + "&".join(filter(None, ["t=1", client.query]))
    return f"/{transport}/{client.sid}" + "?i=0" * (transport == "jsonp-polling")


def _target_plain(client: "Peer", transport: str) -> str:
    return f"?{client.query}" if client.query else ""


ENGINEIO = ClientDialect(
    carriers={"polling": PollingCarrier, "websocket": WebSocketCarrier},
    path="",
    target=_target,
    has_handshake=False,
    headers=(),
    prefix="4",
    goodbye="1",
    pong="3",
    greetings=2,
)
PROTOCOL1 = ClientDialect(
    carriers={
        "websocket": WebSocketCarrier,
        "flashsocket": WebSocketCarrier,
        "hixie": lambda peer, name: HixieCarrier(peer, "flashsocket"),
        "xhr-polling": XhrCarrier,
        "jsonp-polling": JsonpCarrier,
        "htmlfile": StreamCarrier,
        "xhr-multipart": StreamCarrier,
    },
    path="/1",
    target=_target1,
    has_handshake=True,
    headers=(("Referer", "http://localhost/"),),  # a page of the server's: scripts of other pages are refused
    prefix="",
    goodbye="0::",
    pong=socketio1.HEARTBEAT.decode(),
    greetings=1,
)


EVENTS = ClientDialect(
    carriers={"websocket": WebSocketCarrier},
    path="",
    target=_target_plain,
    has_handshake=False,
    headers=(),
    prefix="",
    goodbye="",
    pong="",
    greetings=1,
)
_BY_REVISION = {generations.SOCKETIO_1.revision: PROTOCOL1, generations.EVENTS.revision: EVENTS}


def dialect_of(generation: Generation) -> ClientDialect:
    """Return how the clients of a generation write."""
    return _BY_REVISION.get(generation.revision, ENGINEIO)
