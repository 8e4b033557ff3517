"""A chat in Pyramid, with rooms of the application's own mixin: all in a room get its events, also the sender."""

from gevent import monkey

monkey.patch_all()

from pages import PORT, page, with_files
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.view import view_config

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.mixins import BroadcastMixin
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer


class NamedUsersRoomsMixin(BroadcastMixin):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.session.setdefault("rooms", set())
        self.session.setdefault("nickname", f"guest {self.socket.sessid}")

    def join(self, room):
        self.session["rooms"].add((self.ns_name, room))

    def emit_to_room(self, room, event, *args):
        packet = {"type": "event", "name": event, "args": args, "endpoint": self.ns_name}
        for socket in self.socket.server.sockets.values():
            if (self.ns_name, room) in socket.session.get("rooms", ()):
                socket.send_packet(packet)


class ChatNamespace(BaseNamespace, NamedUsersRoomsMixin):
    def recv_connect(self):
        self.join("hall")
        self.broadcast_event("user_connect", self.session["nickname"])

    def on_chat(self, text):
        self.emit_to_room("hall", "chat", f"{self.session['nickname']}: {text}")

    def recv_disconnect(self):
        self.broadcast_event_not_me("user_disconnect", self.session["nickname"])
        self.disconnect(silent=True)


@view_config(route_name="index")
def index(request):
    return Response(page("talk"))


@view_config(route_name="socket.io")
def sockets(request):
    return Response(socketio_manage(request.environ, {"/chat": ChatNamespace}, request=request))


with Configurator() as config:
    config.add_route("index", "/")
    config.add_route("socket.io", "/socket.io/*path")
    config.scan("__main__")
    app = config.make_wsgi_app()

if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(app)).serve_forever()
