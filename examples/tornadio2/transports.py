"""All transports of browsers, chosen by buttons of the page; a WebSocket must first show that it works."""

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
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
