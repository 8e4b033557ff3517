"""An application of gevent-socketio: `-m clients.gevent_socketio HOST` prints its port and serves until SIGTERM."""

import signal
from typing import Any

import gevent

from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin, RoomsMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.server import SocketIOServer

log: list[str] = []
views: dict[str, int] = {}


class Chat(BaseNamespace, RoomsMixin, BroadcastMixin):
    """What the clients talk to, in each namespace."""

    def recv_connect(self) -> None:
        self.emit("connected", self.ns_name)

    def recv_message(self, data: str) -> None:
        self.send(data)

    def recv_json(self, data: Any) -> None:
        self.send(data, json=True)

    def recv_disconnect(self) -> None:
        log.append(f"{self.session.get('name')} has left {self.ns_name or 'the global one'}")
        self.disconnect(silent=True)

    def on_name(self, name: str) -> str:
        self.session["name"] = name
        return name

    def on_ack(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_nothing(self) -> None: ...

    def on_list(self) -> list[int]:
        return [1, 2]

    def on_by_hand(self, value: Any, ack: Any) -> None:
        gevent.spawn_later(0.01, ack, value, "later")

    def on_by_method(self, value: Any) -> None:
        self.ack(value, "at once")

    def on_packet(self, packet: dict[str, Any]) -> Any:
        return sorted(packet), packet["args"]

    def on_question(self, text: str) -> None:
        self.emit("question", text, callback=lambda *answers: self.emit("answered", *answers))

    def on_user_message(self, text: str) -> None:
        self.broadcast_event("said", text)

    def on_not_me(self, text: str) -> None:
        self.broadcast_event_not_me("said", text)

    def on_enter(self, room: str) -> str:
        self.join(room)
        return room

    def on_tell_room(self, room: str, text: str) -> None:
        self.emit_to_room(room, "said", text)

    def on_fail(self) -> None:
        raise ValueError("a method of the test fails")

    def on_job(self) -> None:
        def tick() -> None:
            try:
                while True:
                    self.emit("tick")
                    gevent.sleep(0.01)
            finally:
                log.append(f"the job of {self.session.get('name')} has ended")

        self.spawn(tick)

    def on_leave_me(self) -> None:
        self.disconnect()

    def on_log(self) -> list[str]:
        return log

    def on_views(self) -> int:
        return views[self.socket.sessid]

    def on_bytes(self, data: bytes) -> bytes:
        return data[::-1]


class Closed(BaseNamespace):
    """It has one method at first."""

    def get_initial_acl(self) -> list[str]:
        return ["recv_connect", "on_log_in", "recv_disconnect"]

    def on_log_in(self) -> str:
        self.add_acl_method("on_secret")
        return "in"

    def on_secret(self) -> str:
        return "the secret"


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Manage sockets, and answer all else with a page."""
    if not environ["PATH_INFO"].startswith("/socket.io/1/"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a page"]
    sessid = environ["socketio"].sessid
    views[sessid] = views.get(sessid, 0) + 1
    return socketio_manage(environ, {"": Chat, "/chat": Chat, "/other": Chat, "/closed": Closed}) or b""


def main() -> None:
    """Serve."""
    server = SocketIOServer(
        ("127.0.0.1", 0), application, heartbeat_interval=1, heartbeat_timeout=6, close_timeout=2, log=None
    )
    server.start()
    gevent.signal_handler(signal.SIGTERM, server.stop)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
