import logging
from collections import defaultdict

from django.db import connections
from socketio.mixins import RoomsMixin
from socketio.namespace import BaseNamespace
from socketio.sdjango import namespace

from chat.models import Room

log = logging.getLogger("socketio.chat")
nicknames = defaultdict(set)  # of those who are in each room


@namespace("/chat")
class ChatNamespace(BaseNamespace, RoomsMixin):
    room = nickname = None

    def process_packet(self, packet):
        try:
            return super().process_packet(packet)
        finally:
            connections.close_all()  # the view, and so its connection, would last as long as the client stays

    def on_join(self, room):
        if self.room is not None or not Room.objects.filter(name=room).exists():
            return False
        self.room = room
        self.join(room)
        return True

    def on_nickname(self, nickname):
        if self.room is None or self.nickname is not None or nickname in nicknames[self.room]:
            return False
        log.info("%s is %s", self.socket.sessid, nickname)
        self.nickname = nickname
        nicknames[self.room].add(nickname)
        self.tell("has come")
        return True

    def on_user_message(self, text):
        if self.nickname is not None:
            self.emit_to_room(self.room, "msg_to_room", self.nickname, text)

    def recv_disconnect(self):
        if self.nickname is not None:
            nicknames[self.room].remove(self.nickname)
            self.tell("has left")
        self.disconnect(silent=True)

    def tell(self, what):
        for event in (("announcement", f"{self.nickname} {what}"), ("nicknames", sorted(nicknames[self.room]))):
            self.emit(*event)
            self.emit_to_room(self.room, *event)  # to the others
