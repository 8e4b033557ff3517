"""What namespaces often need: everybody, and rooms."""

from typing import Any

from .packet import SharedPacket

__all__ = ["BroadcastMixin", "RoomsMixin"]


class BroadcastMixin:
    """Sends events to all who are in this namespace; in the global one, which is '', to all who are connected."""

    ns_name: str
    socket: Any

    def broadcast_event(self, event: str, *args: Any) -> None:
        """Send an event to everybody in this namespace, also to this client."""
        _send(self, _members(self), event, args)

    def broadcast_event_not_me(self, event: str, *args: Any) -> None:
        """Send an event to everybody else in this namespace."""
        _send(self, [socket for socket in _members(self) if socket is not self.socket], event, args)


class RoomsMixin:
    """Rooms of a namespace; who is in which stands in `session["rooms"]`."""

    ns_name: str
    socket: Any
    session: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session.setdefault("rooms", set())

    def join(self, room: str) -> None:
        """Enter a room of this namespace."""
        self.session["rooms"].add(self._get_room_name(room))

    def leave(self, room: str) -> None:
        """Leave a room, if this client is there."""
        self.session["rooms"].discard(self._get_room_name(room))

    def emit_to_room(self, room: str, event: str, *args: Any) -> None:
        """Send an event to everybody else in a room of this namespace."""
        name = self._get_room_name(room)
        others = [socket for socket in _members(self) if socket is not self.socket]
        _send(self, [socket for socket in others if name in socket.session.get("rooms", ())], event, args)

    def _get_room_name(self, room: str) -> str:
        return f"{self.ns_name}_{room}"


def _members(namespace: Any) -> list[Any]:
    """Return the sockets that are in a namespace."""
    name = namespace.ns_name
    return [socket for socket in namespace.socket.server.sockets.values() if not name or name in socket.active_ns]


def _send(namespace: Any, sockets: list[Any], event: str, args: tuple[Any, ...]) -> None:
    """Send an event to sockets; it is encoded once for each generation of clients.

    One that cannot be encoded for some of them reaches nobody.
    """
    packet = SharedPacket(name=event, args=args, endpoint=namespace.ns_name)
    for carrier in {type(socket.carrier): socket.carrier for socket in sockets}.values():
        carrier.prepare(packet)
    for socket in sockets:
        socket.send_packet(packet)
