"""Handlers that wait without blocking the loop: each call of a client starts after the previous one has ended."""

from datetime import timedelta

import tornado.web
from pages import PORT, page_routes
from tornado.ioloop import IOLoop

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter, event, gen


class CountConnection(SocketConnection):
    @gen.sync_engine
    def on_event(self, name, *args, **kwargs):
        return super().on_event(name, *args, **kwargs)

    @event
    def count(self, name, steps):
        for step in range(1, steps + 1):
            self.emit("counted", name, step)
            yield gen.Task(IOLoop.current().add_timeout, timedelta(milliseconds=200))


CountRouter = TornadioRouter(CountConnection)
application = tornado.web.Application(CountRouter.apply_routes(page_routes("gen.html")), socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
