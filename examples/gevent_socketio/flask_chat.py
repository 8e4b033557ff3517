"""Chat rooms beside the pages of a Flask application."""

from gevent import monkey

monkey.patch_all()

from flask import Flask, abort, redirect, render_template, request, url_for
from pages import PORT, page, with_files

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.mixins import RoomsMixin
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer

app = Flask(__name__, template_folder="pages", static_folder=None)
rooms = {"lobby": set()}  # the names of those who are in each


class ChatNamespace(BaseNamespace, RoomsMixin):
    room = nickname = None

    def on_join(self, room):
        if self.room is not None or room not in rooms:
            return False
        self.room = room
        self.join(room)
        return True

    def on_nickname(self, nickname):
        if self.room is None or self.nickname is not None or nickname in rooms[self.room]:
            return False
        self.nickname = nickname
        rooms[self.room].add(nickname)
        self.tell("has come")
        return True

    def on_user_message(self, text):
        if self.nickname is not None:
            self.emit_to_room(self.room, "msg_to_room", self.nickname, text)

    def recv_disconnect(self):
        if self.nickname is not None:
            rooms[self.room].remove(self.nickname)
            self.tell("has left")
        self.disconnect(silent=True)

    def tell(self, what):
        for event in (("announcement", f"{self.nickname} {what}"), ("nicknames", sorted(rooms[self.room]))):
            self.emit(*event)
            self.emit_to_room(self.room, *event)  # to the others


@app.route("/")
def index():
    return render_template("rooms.html", rooms=sorted(rooms))


@app.post("/create")
def create():
    name = request.form["name"] or "lobby"
    rooms.setdefault(name, set())
    return redirect(url_for("room", name=name))


@app.route("/room/<path:name>")
def room(name):
    return page("chat") if name in rooms else abort(404)


@app.route("/socket.io/<path:path>")
def socketio(path):
    return socketio_manage(request.environ, {"/chat": ChatNamespace})


if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(app)).serve_forever()
