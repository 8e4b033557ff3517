"""The servers that the public test suites of Engine.IO and Socket.IO expect, each with the suite's events and port.

Run one of them with `python tests/conformance/app.py NAME [--loop uvloop]`, the first two also with `python -m
gevent.monkey tests/conformance/app.py NAME --gevent`:

    engineio-protocol    the protocol suites of Engine.IO 3 and 4
    socketio-protocol    the protocol suite of Socket.IO 5
    engineio-client      the suite of engine.io-client 6.x
    engineio-client-3    the suites of engine.io-client 1.x and 3.x
    socketio-client      the suites of socket.io-client 1.x, 2.x and 4.x

docs/conformance.md says how to point the suites here.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from waterspout import ConnectRefused, Engine, Policy, Request, Server, Socket, SocketClosed
from waterspout.engine import Session
from waterspout.hosts import standalone
from waterspout.hosts.asgi import App
from waterspout.hosts.handlers import EngineHandler

Made = tuple[Server | Engine, int, list[Any]]


# The protocol suites


class Echo:
    """Sends back what comes."""

    def open(self, session: Session, request: Request) -> None: ...

    def message(self, session: Session, data: str | bytes) -> None:
        session.send(data)

    def close(self, session: Session, reason: str) -> None: ...


def engineio_protocol() -> Made:
    """Echo, with the suites' short heartbeat."""
    return Engine(Echo(), policy=Policy(ping_interval=0.3, ping_timeout=0.2)), 3000, []


def socketio_protocol() -> Made:
    """Send back what comes, with and without an acknowledgement, and tell each client its `auth`."""
    server = Server(ping_interval=0.3, ping_timeout=0.2)
    for namespace in (server.of("/"), server.of("/custom")):

        @namespace.on_connect
        def greet(socket: Socket, auth: Any) -> None:
            socket.emit("auth", auth)

        @namespace.on("message")
        def message(socket: Socket, *args: Any) -> None:
            socket.emit("message-back", *args)

        @namespace.on("message-with-ack")
        def message_with_ack(socket: Socket, *args: Any) -> tuple[Any, ...]:
            return args

    return server, 3000, []


# The suite of engine.io-client

COOKIES = ("1=1; Max-Age=86400", "2=2; Path=/; HttpOnly; Secure; SameSite=Strict", "3=3; Max-Age=0", "4=4; Max-Age=0")


class ClientEcho(Echo):
    """Sends back what comes, and answers a few requests."""

    def __init__(self) -> None:
        self.posted_headers: dict[str, dict[str, str]] = {}  # of each session's last POST

    def open(self, session: Session, request: Request) -> None:
        session.send("hi")

    def message(self, session: Session, data: str | bytes) -> None:
        match data:
            case "give binary":
                session.send(bytes(range(5)))
            case "give utf8":
                session.send("пойду спать всем спокойной ночи")
            case "sendHeaders":
                session.send(json.dumps(self.posted_headers.get(session.id, {})))
            case _:
                session.send(data)

    def close(self, session: Session, reason: str) -> None:
        self.posted_headers.pop(session.id, None)


class ClientHandler(EngineHandler):
    """Sets cookies with the handshake, and keeps the headers of each POST."""

    def prepare(self) -> Any:
        sid = self.get_query_argument("sid", "")
        echo = self.engine.application
        assert isinstance(echo, ClientEcho)
        if not sid:
            for cookie in COOKIES:
                self.add_header("Set-Cookie", cookie)
        elif self.request.method == "POST":
            echo.posted_headers[sid] = {name.lower(): value for name, value in self.request.headers.get_all()}
        return super().prepare()


def engineio_client(**options: Any) -> Made:
    """Echo, with a policy of these options."""
    engine = Engine(ClientEcho(), policy=Policy(ping_interval=0.5, **options))
    return engine, 3000, [(engine.pattern, ClientHandler, {"engine": engine})]


# The suite of socket.io-client


def handshake(socket: Socket, auth: Any) -> dict[str, Any]:
    """Make the part of a JavaScript socket's `handshake` that the suites read."""
    query = {name: values[0] for name, values in socket.request.query.items()}
    if socket.generation == "Engine.IO 3":  # these clients add the query behind a namespace, and have no `auth`
        query |= auth
    return {"headers": dict(socket.request.headers), "query": query, "auth": auth}


def now() -> str:
    """Make what JavaScript's JSON makes of a Date."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SlowHandler(EngineHandler):
    """Takes its time for handshakes, as the suites expect of their own server.

    Tests with `timeout: 0` give up before they are connected. One test counts packets for 0.1 s, in which the
    JavaScript server completes no upgrade.
    """

    async def prepare(self) -> None:
        if not self.get_query_argument("sid", ""):
            await asyncio.sleep(0.01)
        elif "Upgrade" in self.request.headers:
            await asyncio.sleep(0.1)
        super().prepare()


def socketio_client() -> Made:
    """Serve the suite's namespaces and events."""
    server = Server(ping_interval=2.0)
    for name in ("/timeout_socket", "/valid", "/asd"):
        server.of(name)

    @server.use
    def authenticate(socket: Socket, auth: Any) -> None:
        if "fail" in socket.request.query:
            raise ConnectRefused("Auth failed (main namespace)")

    @server.of("/no").use
    def refuse(socket: Socket, auth: Any) -> None:
        raise ConnectRefused("Auth failed (custom namespace)")

    @server.of("/abc").on_connect
    def shake_hands(socket: Socket, auth: Any) -> None:
        socket.emit("handshake", handshake(socket, auth))

    @server.on_connect
    def enter(socket: Socket, auth: Any) -> None:
        socket.data["handshake"] = handshake(socket, auth)

    @server.of("/foo").on("getId")
    @server.on("getId")
    def get_id(socket: Socket) -> str:
        return socket.id

    _register_questions(server)
    _register_dates(server)
    _register_binary(server)
    return server, 3210, [(server.engine.pattern, SlowHandler, {"engine": server.engine})]


def _register_questions(server: Server) -> None:
    @server.on("hi")
    def hi(socket: Socket) -> None:
        socket.emit("hi")

    @server.on("echo")
    def echo(socket: Socket, value: Any) -> tuple[Any]:
        return (value,)  # None in a tuple is an argument, as null is; a bare None would be none

    @server.on("getHandshake")
    def get_handshake(socket: Socket) -> Any:
        return socket.data["handshake"]

    @server.on("getUtf8")
    def get_utf8(socket: Socket) -> None:
        for text in ("てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"):
            socket.emit("takeUtf8", text)

    @server.on("false")
    def false(socket: Socket) -> None:
        socket.emit("false", False)

    @server.on_any  # a handler of "ack" itself would acknowledge it, and one test has no acknowledgement
    async def ask_back(socket: Socket, event: str, *args: Any) -> None:
        if event != "ack":
            return
        try:
            answer = await socket.call("ack")
        except SocketClosed:
            return
        if answer == (5, {"test": True}):
            socket.emit("got it")


def _register_dates(server: Server) -> None:
    @server.on("getAckDate")
    def get_ack_date(socket: Socket, data: Any) -> str:
        return now()

    @server.on("getDate")
    def get_date(socket: Socket) -> None:
        socket.emit("takeDate", now())

    @server.on("getDateObj")
    def get_date_in_object(socket: Socket) -> None:
        socket.emit("takeDateObj", {"date": now()})


def _register_binary(server: Server) -> None:
    @server.on("doge")
    def doge(socket: Socket) -> None:
        socket.emit("doge", b"asdfasdf")

    @server.on("getbin")
    def get_binary(socket: Socket) -> None:
        socket.emit("takebin", b"asdfasdf")

    @server.on("buffa")
    def take_binary(socket: Socket, data: Any) -> None:
        if isinstance(data, bytes):
            socket.emit("buffack")

    @server.on("jsonbuff")
    def take_binary_in_object(socket: Socket, data: Any) -> None:
        if isinstance(data.pop("message"), bytes) and data == {"hello": "lol", "goodbye": "gotcha"}:
            socket.emit("jsonbuff-ack")

    @server.on("abuff1")
    def take_first(socket: Socket, data: Any) -> None:
        socket.data["has first"] = isinstance(data, bytes)

    @server.on("abuff2")
    def take_second(socket: Socket, data: Any) -> None:
        if socket.data.get("has first"):
            socket.emit("abuff2-ack")


SERVERS: dict[str, Callable[[], Made]] = {
    "engineio-protocol": engineio_protocol,
    "socketio-protocol": socketio_protocol,
    "engineio-client": lambda: engineio_client(max_payload_bytes=100),
    "engineio-client-3": lambda: engineio_client(per_message_deflate=True),
    "socketio-client": socketio_client,
}


def main() -> None:
    """Read the options, and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Serve a public test suite of Engine.IO or Socket.IO.")
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument(
        "--loop", choices=list(standalone.LoopKind), type=standalone.LoopKind, default=standalone.LoopKind.ASYNCIO
    )
    parser.add_argument("--gevent", action="store_true", help="on gevent instead of Tornado")
    parser.add_argument(
        "--asgi",
        choices=("uvicorn", "uvicorn-ours", "hypercorn", "granian", "daphne"),
        help="on this ASGI server instead of Tornado; uvicorn-ours has Waterspout's protocols",
    )
    options = parser.parse_args()
    server, port, routes = SERVERS[options.name]()
    if (options.gevent or options.asgi) and routes:
        parser.error(f"{options.name} has handlers of Tornado's: leave out --gevent and --asgi")
    if options.asgi:
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from hosting import ASGI_SERVERS

        ASGI_SERVERS[options.asgi](App(server), port)
        return
    if options.gevent:
        from waterspout.hosts import gevent

        gevent.serve(server, host="localhost", port=port)
        return
    site = standalone.Site(bind=[("localhost", port)], extra_routes=routes)
    standalone.run(server, site, ready=lambda urls: print(*urls, flush=True), loop=options.loop)


if __name__ == "__main__":
    main()
