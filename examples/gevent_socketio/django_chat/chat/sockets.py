import logging
from collections import defaultdict

from django.db import connections
from socketio.mixins import BroadcastMixin, RoomsMixin
from socketio.namespace import BaseNamespace
from socketio.sdjango import namespace

from chat.models import Room

log = logging.getLogger("socketio.chat")
nicknames = defaultdict(set)  # of those who are in each room


@namespace("/chat")
class ChatNamespace(BaseNamespace, RoomsMixin, BroadcastMixin):
    room = nickname = None

    def process_packet(self, packet):
        try:
            return super().process_packet(packet)
        finally:
            connections.close_all()  # the view, and so its connection, would last as long as the client stays

    def on_join(self, room):
        if not Room.objects.filter(name=room).exists():
            return False
        self.room = room
        self.join(room)
        return True

    def on_nickname(self, nickname):
        if self.room is None or nickname in nicknames[self.room]:
            return False
        log.info("%s is %s", self.socket.sessid, nickname)
        self.nickname = nickname
        nicknames[self.room].add(nickname)
        self.tell("has come")
        return True

    def on_user_message(self, text):
        self.emit_to_room(self.room, "msg_to_room", self.nickname, text)

    def recv_disconnect(self):
        if self.nickname is not None:
            nicknames[self.room].remove(self.nickname)
            self.tell("has left")
        self.disconnect(silent=True)

    def tell(self, what):
        for tell in (self.emit, lambda *event: self.emit_to_room(self.room, *event)):
            tell("announcement", f"{self.nickname} {what}")
            tell("nicknames", sorted(nicknames[self.room]))
