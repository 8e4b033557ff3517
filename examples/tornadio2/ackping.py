"""Ping by acknowledgement: the handler returns two values, which are the arguments of the client's callback."""

from datetime import UTC, datetime

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter, event


class PingConnection(SocketConnection):
    @event
    def ping(self, sent):
        return sent, datetime.now(UTC).isoformat(timespec="milliseconds")


PingRouter = TornadioRouter(PingConnection)
application = tornado.web.Application(PingRouter.apply_routes(page_routes("ackping.html")), socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
