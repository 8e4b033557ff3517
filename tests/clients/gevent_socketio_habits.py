"""Three applications in the habits of those that were published; `-m clients.gevent_socketio_habits` serves them.

An extension of Flask, a monitor of bare WSGI, and a game. It prints their ports, and serves until SIGTERM.
"""

import signal
import socket as sockets
import time
from collections.abc import Callable
from typing import Any

import flask
import gevent

from waterspout.faces.gevent_socketio import SocketIOServer, socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin, RoomsMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.virtsocket import Socket

PATIENCE = dict(heartbeat_interval=5, heartbeat_timeout=20, close_timeout=2)  # noqa: C408


# An extension of Flask: handlers are functions, as views are, and run in the context of the request


class SocketIO:
    """Registers functions by event and namespace, and manages the sockets of an application."""

    def __init__(self, app: flask.Flask) -> None:
        self.app = app
        self.handlers: dict[tuple[str, str], Callable[..., Any]] = {}
        self.server: Any = None
        self._wsgi_app = app.wsgi_app
        app.wsgi_app = self.middleware  # type: ignore[method-assign]

    def on(self, name: str, namespace: str = "") -> Callable[[Any], Any]:
        def register(function: Any) -> Any:
            self.handlers[namespace, name] = function
            return function

        return register

    def middleware(self, environ: dict[str, Any], start_response: Any) -> Any:
        if not environ["PATH_INFO"].strip("/").startswith("socket.io"):
            return self._wsgi_app(environ, start_response)
        names = dict.fromkeys(namespace for namespace, _ in self.handlers)
        made = {name: lambda *args, **kwargs: Dispatcher(self, *args, **kwargs) for name in names}
        return bytes(socketio_manage(environ, made, self.app.request_class(environ)) or b"")

    def call(self, namespace: "Dispatcher", name: str, *args: Any) -> Any:
        if (function := self.handlers.get((namespace.ns_name, name))) is None:
            return None
        with self.app.request_context(namespace.environ):
            flask.g.namespace = namespace
            return function(*args)

    def emit(self, event: str, *args: Any, namespace: str = "", room: str | None = None) -> None:
        for client in self.server.sockets.values():
            if namespace in client.active_ns and (room is None or room in client.active_ns[namespace].rooms):
                client.active_ns[namespace].tell(event, *args)


class Dispatcher(BaseNamespace, BroadcastMixin, RoomsMixin):
    """Calls the registered functions in place of methods."""

    def __init__(self, extension: SocketIO, *args: Any, **kwargs: Any) -> None:
        self.extension = extension
        super().__init__(*args, **kwargs)

    def initialize(self) -> None:
        self.rooms: set[str] = set()

    def process_event(self, packet: dict[str, Any]) -> Any:
        name, args = packet["name"], packet["args"]
        return self.extension.call(self, name, *args)

    def process_packet(self, packet: dict[str, Any]) -> Any:
        result = super().process_packet(packet)
        self.session.setdefault("types", []).append(packet["type"])
        return result

    def recv_connect(self) -> Any:
        result = super().recv_connect()
        return self.extension.call(self, "connect") or result

    def recv_message(self, data: str) -> Any:
        return self.extension.call(self, "message", data)

    def recv_json(self, data: Any) -> Any:
        return self.extension.call(self, "json", data)

    def recv_disconnect(self) -> Any:
        self.extension.call(self, "disconnect")
        return super().recv_disconnect()

    def emit(self, event: str, *args: Any, **kwargs: Any) -> None:
        broadcast, room = kwargs.pop("broadcast", False), kwargs.pop("room", None)
        if broadcast or room:
            self.extension.emit(event, *args, namespace=self.ns_name, room=room)
        else:
            super().emit(event, *args, **kwargs)

    def tell(self, event: str, *args: Any) -> None:
        super().emit(event, *args)


site = flask.Flask(__name__)
site.secret_key = "x"
extension = SocketIO(site)


@site.route("/tell/<text>")
def tell(text: str) -> str:
    extension.emit("told", text, namespace="/news")
    return "told"


@extension.on("message", namespace="/news")
def message(data: str) -> None:
    flask.g.namespace.send(f"{data} over {flask.request.environ['PATH_INFO'].split('/')[3]}")


@extension.on("json", namespace="/news")
def json(data: Any) -> None:
    flask.g.namespace.send(data, json=True)


@extension.on("connect", namespace="/news")
def connect() -> None:
    flask.g.namespace.emit("welcome", flask.request.args.get("name"))


@extension.on("room", namespace="/news")
def room(name: str) -> list[str]:
    flask.g.namespace.rooms.add(name)
    return [name]


@extension.on("my room event", namespace="/news")
def room_event(name: str, data: dict[str, Any]) -> None:
    flask.g.namespace.emit("in the room", data, room=name)


@extension.on("types", namespace="/news")
def types() -> list[str]:
    return list(flask.g.namespace.session["types"])


@extension.on("ask", namespace="/news")
def ask(value: int) -> None:
    namespace = flask.g.namespace
    namespace.emit("question", value, callback=lambda *args: namespace.emit("answered", *args))


# A monitor: the view starts nothing, each namespace has its own loop, and one loop tells everybody


class Load(BaseNamespace, BroadcastMixin):
    """Sends what it measures for as long as its client is there."""

    measured: set[str] = set()  # noqa: RUF012

    def recv_connect(self) -> None:
        def measure() -> None:
            self.measured.add(self.socket.sessid)
            try:
                while True:
                    self.emit("load", {"at": time.monotonic()})
                    gevent.sleep(0.02)
            finally:
                self.measured.discard(self.socket.sessid)

        self.spawn(measure)

    def on_name(self, name: str) -> str:
        self.session["name"] = name
        return str(self.socket.sessid)

    def on_names(self) -> list[str]:
        return [client.session.get("name", "") for client in self.socket.server.sockets.values()]

    def on_is_measured(self, sessid: str) -> bool:
        return sessid in self.measured

    def on_namespaces(self) -> Any:
        active = self.socket.active_ns
        return sorted(active), active.get("/load") is self, "/load" in active, "/none" in active

    def on_write(self, sessid: str, text: str) -> None:
        other = self.socket.server.get_socket(sessid)
        other.send_packet(dict(type="event", name="written", args=[text], endpoint=self.ns_name))  # noqa: C408

    def on_other(self, sessid: str, text: str) -> None:
        other = self.socket.server.sockets[sessid]
        other.session["name"] = text
        other.send_packet(dict(type="event", name="renamed", args={"name": text}, endpoint=self.ns_name))  # noqa: C408
        other.send_packet(dict(type="json", data={"name": text}, endpoint=self.ns_name))  # noqa: C408
        other.send_packet(dict(type="message", data=text, endpoint=self.ns_name))  # noqa: C408


def monitor(environ: dict[str, Any], start_response: Any) -> Any:
    """Manage sockets, and serve a page."""
    if "socketio" in environ:
        return socketio_manage(environ, {"/load": Load})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]


def tell_everybody(server: SocketIOServer) -> None:
    """Tell all clients, again and again, while they come and go."""
    number = 0
    while True:
        number += 1
        for client in server.sockets.values():
            gevent.sleep(0)
            client.send_packet(dict(type="event", name="tick", args=(number,), endpoint="/load"))  # noqa: C408
        gevent.sleep(0.01)


# A game: rooms, and access lists that other namespaces change


class Lobby(BaseNamespace, RoomsMixin, BroadcastMixin):
    """The global namespace: who has not given a name may do nothing else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        BroadcastMixin.__init__(self)
        self.lines: list[str] = []

    def get_initial_acl(self) -> list[str]:
        return ["on_log_in", "on_lines", "on_ticket", "recv_disconnect"]

    def initialize(self) -> None:
        self.log("a player comes")

    def log(self, text: str) -> None:
        self.lines.append(text)

    def error(self, error_name: str, error_message: str, *args: Any, **kwargs: Any) -> None:
        self.log(error_name)
        super().error(error_name, error_message, *args, **kwargs)

    def on_log_in(self, name: str) -> list[str]:
        self.request["players"][name] = self.socket.sessid
        self.session["name"] = name
        for method in ("on_enter", "on_say", "on_leave", "on_kick"):
            self.add_acl_method(method)
        self.socket["/table"].add_acl_method("on_deal")
        self.socket["/table"].add_acl_method("on_stand")
        return sorted(self.allowed_methods or ())

    def on_enter(self, room: str) -> int:
        self.join(room)
        self.emit_to_room(room, "entered", self.session["name"])
        return len([one for one in self.socket.server.sockets.values() if f"_{room}" in one.session.get("rooms", ())])

    def on_say(self, room: str, text: str) -> None:
        self.emit_to_room(room, "said", self.session["name"], text)

    def on_leave(self, room: str) -> None:
        self.leave(room)

    def on_kick(self, name: str) -> None:
        self.socket.server.sockets[self.request["players"][name]].disconnect()

    def on_ticket(self) -> Any:
        return self.socket.auth

    def on_lines(self) -> list[str]:
        return self.lines

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self.request["players"].pop(self.session.get("name"), None)
        super().disconnect(*args, **kwargs)


class Table(BaseNamespace):
    """A table with its rules."""

    def __init__(self, rules: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rules = rules

    def get_initial_acl(self) -> set[str]:
        return {"recv_connect", "on_rules"}

    def recv_connect(self) -> None:
        self.emit("seated")

    def on_rules(self) -> str:
        return self.rules

    def on_deal(self, packet: dict[str, Any]) -> Any:
        cards = packet["args"][0]
        return [f"card {number}" for number in range(cards)], sorted(self.request["players"])

    def on_stand(self) -> None:
        self.del_acl_method("on_deal")
        self.disconnect()


def game(environ: dict[str, Any], start_response: Any) -> Any:
    """Manage sockets only; the request is a dictionary of the application's."""
    namespaces: dict[str, Any] = {
        Socket.GLOBAL_NS: Lobby,
        "/table": lambda environ, ns_name, request=None: Table("short", environ, ns_name, request=request),
    }
    return socketio_manage(environ, namespaces, STORE) or b""


STORE: dict[str, Any] = {"players": {}}


def main() -> None:
    """Serve."""
    listener = sockets.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    extension.server = SocketIOServer(("127.0.0.1", 0), site.wsgi_app, resource="socket.io", log=None, **PATIENCE)
    servers = [
        extension.server,
        SocketIOServer(listener, monitor, resource="live:1/socket.io", policy_server=False, log=None, **PATIENCE),
        SocketIOServer(("127.0.0.1", 0), application=game, log=None, **PATIENCE),
    ]
    for server in servers:
        server.start()
    ticking = gevent.spawn(tell_everybody, servers[1])

    def stop() -> None:
        ticking.kill()
        for server in servers[::-1]:
            server.stop()

    gevent.signal_handler(signal.SIGTERM, stop)
    print(*(server.server_port for server in servers), sep=",", flush=True)
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
