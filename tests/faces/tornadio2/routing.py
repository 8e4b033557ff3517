"""A router that has what handlers need of one, an application that remembers, and a client of 0.9 by raw sockets."""

import re
from typing import Any

from hosts.client import Wire, request
from hosts.host import Host
from hosts.suite.old import attach, chunk, visit
from hosts.tornado_host import TornadoHost
from waterspout import Engine, Policy, Server
from waterspout.engine import Prepared, Protocol1Policy, Session
from waterspout.faces.complaints import Complaints
from waterspout.faces.tornadio2 import persistent, polling, preflight
from waterspout.faces.tornadio2.stats import StatsCollector
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from waterspout.wire.packets import Connect, Message, Packet

__all__ = ["PAGE", "PATH", "Router", "RouterHost", "attach", "chunk", "poll", "visit"]

PATH = "/socket.io/1"
PAGE = "http://page.example"


class Echo:
    """An application that says every message again, and `closed` why sessions ended."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.closed: list[Reason] = []
        self.info: list[Request] = []

    def open(self, session: Session, request: Request) -> None:
        session.data = f"the session {session.id}"
        self.info.append(request)

    def packet(self, session: Session, packet: Packet) -> None:
        codec = session.generation.socketio
        if isinstance(packet, Connect):
            session.push(Prepared(*codec.encode_connect("/", session.id)))
        elif isinstance(packet, Message):
            self.heard.append(packet.data)
            session.push(Prepared(*codec.encode_message("/", packet.data, is_json=packet.is_json)))

    def announced(self, session: Session, namespace: str) -> None: ...

    def close(self, session: Session, reason: Reason) -> None:
        self.closed.append(reason)


class Router:
    """`protocols` are the handlers of the transports, by name; `poll_hold` and `options` go to the policy."""

    def __init__(self, *, poll_hold: float = 20.0, **options: Any) -> None:
        self.application = Echo()
        policy = Policy(
            generations=(ENGINEIO_3, ENGINEIO_4, SOCKETIO_1),
            cors_origins=re.compile(".*"),
            cors_credentials=True,
            protocol1=Protocol1Policy(unknown_session=401, second_poll="refuse", post_reply="", poll_hold=poll_hold),
            **options,
        )
        self.engine = Engine(self.application, path="/socket.io", policy=policy)
        self.settings = {"heartbeat_interval": 12}
        self.stats = StatsCollector()
        self.complaints = Complaints(self.engine)
        self.socket_handler = None
        self.handshake: type[preflight.HandshakeHandler] = preflight.HandshakeHandler
        self.protocols: dict[str, Any] = {
            "websocket": persistent.TornadioWebSocketHandler,
            "flashsocket": persistent.TornadioFlashSocketHandler,
            "xhr-polling": polling.TornadioXHRPollingHandler,
            "jsonp-polling": polling.TornadioJSONPHandler,
            "htmlfile": polling.TornadioHtmlFileHandler,
        }

    @property
    def urls(self) -> list[Any]:
        kwargs = {"server": self}
        return [
            (r"/socket\.io/?(?:(?P<version>\d+)/?)?", self.handshake, kwargs),
            *(
                (rf"/socket\.io/1/{name}/(?P<session_id>[^/]+)/?", handler, kwargs)
                for name, handler in self.protocols.items()
            ),
        ]

    def get_session(self, session_id: str) -> Any:
        session = self.engine.sessions.get(session_id)
        return None if session is None else session.data

    def tell(self, *words: str) -> None:
        """Say these to the only client."""
        (session,) = self.engine.sessions.values()
        for word in words:
            session.push(Prepared(b"3:::" + word.encode()))


class RouterHost(TornadoHost):
    """Tornado's HTTP server, with the routes of a router."""

    router: Router

    def routes(self, mountable: Server | Engine) -> list[Any]:
        return self.router.urls

    async def begin(self) -> str:
        """Serve, make a handshake, and return the session's id."""
        await self.serve(self.router.engine)
        return await visit(await self.connect())

    @property
    def numbers(self) -> tuple[float, float]:
        """How many connections there are, and were at most."""
        numbers = self.router.stats.dump()
        return numbers["active_connections"], numbers["max_connections"]


async def poll(host: Host, sid: str, transport: str = "xhr-polling", query: str = "") -> Wire:
    """Send a GET."""
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/{transport}/{sid}{query}"))
    return wire
