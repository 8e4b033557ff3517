"""Ping by events: a handler receives a dictionary as keyword arguments, and `emit` sends keyword arguments as one."""

from datetime import UTC, datetime

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter, event


class PingConnection(SocketConnection):
    @event("ping")
    def answer(self, sent):
        self.emit("pong", sent=sent, server=datetime.now(UTC).isoformat(timespec="milliseconds"))


PingRouter = TornadioRouter(PingConnection)
application = tornado.web.Application(PingRouter.apply_routes(page_routes("rpcping.html")), socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
