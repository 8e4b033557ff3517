"""Two servers on one loop: one serves the page, the other serves Socket.IO to pages of another origin.

SOCKET_PORT is the port of the second one (8002).
"""

import os

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter

SOCKET_PORT = int(os.environ.get("SOCKET_PORT", "8002"))


class EchoConnection(SocketConnection):
    def on_message(self, message):
        self.send(message)


EchoRouter = TornadioRouter(EchoConnection)
pages = tornado.web.Application(page_routes("crosssite.html", port=SOCKET_PORT), socket_io_port=PORT)
application = tornado.web.Application(EchoRouter.urls, socket_io_port=SOCKET_PORT)

if __name__ == "__main__":
    SocketServer(pages, auto_start=False)
    SocketServer(application)
