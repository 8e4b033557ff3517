"""Ping by acknowledgement: the client asks, and two values come back as the arguments of its callback."""

from datetime import UTC, datetime

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # what an application of 2012 adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter, event


class PingConnection(SocketConnection):
    @event
    def ping(self, sent):
        return sent, datetime.now(UTC).isoformat(timespec="milliseconds")


PingRouter = TornadioRouter(PingConnection)
application = tornado.web.Application(PingRouter.apply_routes(page_routes("ackping.html")), socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
