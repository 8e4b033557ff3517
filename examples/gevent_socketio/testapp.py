"""A button for each thing that clients and namespaces do: messages, events, acknowledgements both ways, jobs."""

from gevent import monkey

monkey.patch_all()

import os

from pages import PORT, page, with_files
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.view import view_config

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.mixins import BroadcastMixin, RoomsMixin
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer


class GlobalNamespace(BaseNamespace, BroadcastMixin):
    def initialize(self):
        self.emit("you_just_connected", {"sessid": self.socket.sessid})
        self.spawn(self.check_load)

    def check_load(self):
        self.emit("load", os.getloadavg()[0])

    def on_chat(self):
        self.emit("bob", {"hello": "world"})

    def recv_json(self, data):
        self.emit("got_some_json", data)

    def on_bob(self, *args):
        self.broadcast_event("broadcasted", args)
        self.socket["/chat"].emit("bob")  # to the same client, in its other namespace


class ChatNamespace(BaseNamespace, RoomsMixin, BroadcastMixin):
    def on_mymessage(self, text):
        self.send(f"a message back: {text}")
        self.send({"a": "value"}, json=True)
        self.emit("pack", {"the": "more", "you": "can"})

    def on_my_callback(self, packet):
        return packet["id"], packet["args"]

    def on_trigger_server_callback(self, text):
        def answered(*values):
            self.emit("answered", *values)

        self.emit("callmeback", text, callback=answered)

    def on_rtc_invite(self, offer):
        self.broadcast_event_not_me("rtc_invite", {**offer, "from": self.socket.sessid})

    def on_disconnect_me(self, why):
        self.emit("goodbye", why)
        self.disconnect()


@view_config(route_name="index")
def index(request):
    return Response(page("testapp"))


@view_config(route_name="socket.io")
def sockets(request):
    namespaces = {"": GlobalNamespace, "/chat": ChatNamespace}
    return Response(socketio_manage(request.environ, namespaces, request=request))


with Configurator() as config:
    config.add_route("index", "/")
    config.add_route("socket.io", "/socket.io/*path")
    config.scan("__main__")
    app = config.make_wsgi_app()

if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(app)).serve_forever()
