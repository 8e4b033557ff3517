"""The statistics of the router, requested over an endpoint and drawn by the page."""

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter, event


class StatsConnection(SocketConnection):
    @event
    def stats(self):
        return self.session.server.stats.dump()


class LoadConnection(SocketConnection):
    def on_message(self, message):
        self.send(message)


class MainConnection(SocketConnection):
    __endpoints__ = {"/stats": StatsConnection, "/load": LoadConnection}

    def on_message(self, message):
        """Nobody writes to the main connection."""


StatsRouter = TornadioRouter(MainConnection)
application = tornado.web.Application(StatsRouter.apply_routes(page_routes("stats.html")), socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
