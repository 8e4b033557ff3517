"""A chat over a channel of Redis, which several processes share: each client has a job that listens to it.

REDIS is the path of another server's Unix socket. PORT=8081 starts a second process, with the same texts.
"""

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

redis = Redis(unix_socket_path=os.environ.get("REDIS"), decode_responses=True)
app = Bottle()


class ChatNamespace(BaseNamespace):
    def recv_connect(self):
        channel = redis.pubsub(ignore_subscribe_messages=True)
        channel.subscribe("chat")
        self.spawn(self.listen, channel)

    def listen(self, channel):
        with channel:
            for message in channel.listen():
                self.emit("chat", message["data"])

    def on_chat(self, text):
        redis.publish("chat", text)


@app.route("/")
def index():
    return page("talk")


@app.route("/socket.io/<path:path>")
def sockets(path):
    return socketio_manage(request.environ, {"/chat": ChatNamespace})


if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(app)).serve_forever()
