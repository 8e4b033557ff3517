"""The same chat over a stream of Redis, which keeps the last texts for those who come later."""

from gevent import monkey

monkey.patch_all()

import os

from bottle import Bottle, request
from pages import PORT, page, with_files
from redis import Redis

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer

KEPT = 1000
redis = Redis(unix_socket_path=os.environ.get("REDIS"), decode_responses=True)
app = Bottle()


class ChatNamespace(BaseNamespace):
    def recv_connect(self):
        self.spawn(self.read)

    def read(self):
        last = "0"
        while True:
            for _, texts in redis.xread({"chat": last}, block=0):
                for last, fields in texts:
                    self.emit("chat", fields["text"], last)

    def on_chat(self, text):
        redis.xadd("chat", {"text": text}, maxlen=KEPT)


@app.route("/")
def index():
    return page("talk")


@app.route("/socket.io/<path:path>")
def sockets(path):
    return socketio_manage(request.environ, {"/chat": ChatNamespace})


if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(app)).serve_forever()
