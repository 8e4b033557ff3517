"""A chat in one room, as a bare WSGI application. Only who has a name may talk: that is the access list's."""

from gevent import monkey

monkey.patch_all()

from pages import PORT, page, with_files

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.mixins import BroadcastMixin, RoomsMixin
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer


class ChatNamespace(BaseNamespace, RoomsMixin, BroadcastMixin):
    def get_initial_acl(self):
        return ["on_nickname", "recv_disconnect"]

    def on_nickname(self, nickname):
        if nickname in self.request["nicknames"]:
            return False
        self.request["nicknames"].append(nickname)
        self.session["nickname"] = nickname
        self.del_acl_method("on_nickname")
        self.add_acl_method("on_user_message")
        self.join("main_room")
        self.announce("has come")
        return True

    def on_user_message(self, text):
        self.emit_to_room("main_room", "msg_to_room", self.session["nickname"], text)

    def recv_disconnect(self):
        if "nickname" in self.session:
            self.request["nicknames"].remove(self.session["nickname"])
            self.announce("has left")
        self.disconnect(silent=True)

    def announce(self, what):
        self.broadcast_event("announcement", f"{self.session['nickname']} {what}")
        self.broadcast_event("nicknames", self.request["nicknames"])


class Application:
    def __init__(self):
        self.request = {"nicknames": []}  # shared by all clients

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/socket.io/"):
            return socketio_manage(environ, {"": ChatNamespace}, self.request)
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [page("chat").encode()]


if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(Application())).serve_forever()
