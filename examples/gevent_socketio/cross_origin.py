"""Two servers of Bottle's: a page of one origin, and sockets of another, also for clients of 0.7 and 0.8."""

import os

from gevent import monkey

monkey.patch_all()

from bottle import Bottle, request, template
from pages import PORT, page, with_files

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import server, socketio_manage
from socketio.namespace import BaseNamespace

SOCKET_PORT = int(os.environ.get("SOCKET_PORT", "9090"))
web, sock = Bottle(), Bottle()


class Hello(BaseNamespace):
    def on_hello(self, name):
        self.emit("greetings", {"from": self.environ["HTTP_HOST"], "to": name})


@web.route("/")
def index():
    return template(page("cross_origin"), port=SOCKET_PORT)


@sock.route("/socket.io/<path:path>")
def sockets(path):
    return socketio_manage(request.environ, {"": Hello})


if __name__ == "__main__":
    policy = {"cors_origins": [f"http://localhost:{PORT}"]}  # any page may connect without this line
    server.SocketIOServer(("127.0.0.1", SOCKET_PORT), sock, policy=policy).start()
    server.SocketIOServer(("127.0.0.1", PORT), with_files(web)).serve_forever()
