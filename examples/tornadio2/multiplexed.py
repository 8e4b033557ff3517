"""Two endpoints on one connection: a chat, and a ping by JSON messages."""

import tornado.web
from pages import PORT, page_routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketConnection, SocketServer, TornadioRouter


class ChatConnection(SocketConnection):
    participants = set()

    def on_open(self, request):
        self.participants.add(self)
        self.tell("Somebody has come.")

    def on_message(self, message):
        self.tell(message)

    def on_close(self):
        self.participants.remove(self)
        self.tell("Somebody has left.")

    def tell(self, text):
        for one in self.participants:
            one.send(text)


class PingConnection(SocketConnection):
    def on_message(self, message):
        self.send({**message, "is": "pong"})


class MainConnection(SocketConnection):
    __endpoints__ = {"/chat": ChatConnection, "/ping": PingConnection}

    def on_message(self, message):
        """Nobody writes to the main connection."""


Router = TornadioRouter(MainConnection)
application = tornado.web.Application(Router.apply_routes(page_routes("multiplexed.html")), socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application)
