"""All transports of browsers, as the buttons of the page choose; WebSockets must prove that they work."""

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # what an application of 2012 adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter, event

TRANSPORTS = ["websocket", "flashsocket", "htmlfile", "xhr-polling", "jsonp-polling"]


class EchoConnection(SocketConnection):
    @event
    def echo(self, text):
        self.emit("echo", text, self.session.handler.name)


EchoRouter = TornadioRouter(EchoConnection, {"enabled_protocols": TRANSPORTS, "websocket_check": True})
routes = EchoRouter.apply_routes(page_routes("transports.html"))
application = tornado.web.Application(routes, socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
