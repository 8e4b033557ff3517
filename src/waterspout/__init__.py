"""Waterspout: one real-time server for every generation of Socket.IO.

    from waterspout import Server

    server = Server()

    @server.on("say")
    def say(socket, text):
        socket.broadcast("said", text)
        return "ok"

Serve it with `waterspout serve module:server`, with `waterspout.run(server)`, or inside a Tornado
application with `waterspout.hosts.tornado.routes(server)`.
"""

from .drivers import InlineDriver
from .engine import Engine, Pending, Policy
from .errors import AckTimeout, ArgumentError, ConnectRefused, EventRefused, SocketClosed, WaterspoutError
from .server import Namespace, Server, Socket, event
from .types import Reason, Request

__all__ = [
    "AckTimeout",
    "ArgumentError",
    "ConnectRefused",
    "Engine",
    "EventRefused",
    "Namespace",
    "Pending",
    "Policy",
    "Reason",
    "Request",
    "Server",
    "Socket",
    "SocketClosed",
    "WaterspoutError",
    "event",
    "run",
]

Engine.default_driver = InlineDriver


def run(server: Server | Engine, *, port: int = 8000, host: str = "127.0.0.1") -> None:
    """Serve on a port until SIGTERM or SIGINT, inside Tornado, and end gracefully."""
    from .hosts import standalone

    standalone.run(server, standalone.Site(bind=(host, port)))
