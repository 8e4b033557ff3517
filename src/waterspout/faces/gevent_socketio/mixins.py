"""What namespaces often need: everybody, and rooms."""

from typing import Any

__all__ = ["BroadcastMixin", "RoomsMixin"]


class BroadcastMixin:
    """Sends events to all who are in this namespace; in the global one, which is '', to all who are connected."""

    ns_name: str
    socket: Any

    def broadcast_event(self, event: str, *args: Any) -> None:
        """Send an event to everybody in this namespace, also to this client."""
        for socket in _members(self):
            socket.send_packet({"type": "event", "name": event, "args": args, "endpoint": self.ns_name})

    def broadcast_event_not_me(self, event: str, *args: Any) -> None:
        """Send an event to everybody else in this namespace."""
        for socket in _members(self):
            if socket is not self.socket:
                socket.send_packet({"type": "event", "name": event, "args": args, "endpoint": self.ns_name})


class RoomsMixin:
    """Rooms of a namespace; who is in which stands in `session["rooms"]`."""

    ns_name: str
    socket: Any
    session: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session.setdefault("rooms", set())

    def join(self, room: str) -> None:
        """Enter a room."""
        self.session["rooms"].add(self._get_room_name(room))

    def leave(self, room: str) -> None:
        """Leave a room, if this client is there."""
        self.session["rooms"].discard(self._get_room_name(room))

    def emit_to_room(self, room: str, event: str, *args: Any) -> None:
        """Send an event to everybody else in a room of this namespace."""
        name = self._get_room_name(room)
        for socket in _members(self):
            if socket is not self.socket and name in socket.session.get("rooms", ()):
                socket.send_packet({"type": "event", "name": event, "args": args, "endpoint": self.ns_name})

    def _get_room_name(self, room: str) -> str:
        return f"{self.ns_name}_{room}"


def _members(namespace: Any) -> list[Any]:
    """Return the sockets that are in a namespace."""
    name = namespace.ns_name
    return [socket for socket in namespace.socket.server.sockets.values() if not name or name in socket.active_ns]
