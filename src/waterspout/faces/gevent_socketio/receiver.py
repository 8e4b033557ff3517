"""The receiver of a socket: it gives each packet of the client to a namespace, one after the other.

How it works: the view that has called `socketio_manage` runs it until the socket ends. What users have written is
called by `guarded`, so a failure is told the client, and the receiver goes on.
"""

from collections.abc import Callable
from typing import Any

import gevent

from ...drivers import logger
from ...drivers.lag import call_guarded
from . import packet as packets
from .defaultjson import default_json_dumps, default_json_loads
from .namespace import LATER
from .packet import Packet

__all__ = ["Receiver", "add_bounded"]

log = logger("socketio.virtsocket")

_MAX_ACKS = 10_000  # of a client that wait, each way; above that the oldest is dropped
_FAILED = object()


class Receiver:
    """`greenlet` is what runs it, and `is_busy` whether it is in a method of the application's."""

    __slots__ = ("_owed", "_socket", "greenlet", "is_busy")

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._owed: dict[tuple[str, Any], None] = {}  # acknowledgements, by endpoint and id
        self.greenlet: Any = None
        self.is_busy = False

    def run(self) -> None:
        """Dispatch packets until the socket ends."""
        socket = self._socket
        self.greenlet = gevent.getcurrent()
        try:
            while True:
                message = socket.get_server_msg()
                if message:
                    self._receive(message)
                if not socket.connected and (message is None or socket.state != "NEW"):
                    break  # one that a program has made may never be connected
        finally:
            self.greenlet = None
            socket.kill(detach=True)

    def guarded(self, function: Callable[..., Any], endpoint: str, *args: Any) -> Any:
        """Call what users have written; what it raises is logged and told the client, and the socket lives on."""
        try:
            return call_guarded(self, endpoint, function, args)
        except Exception as error:
            self._socket.complaints.write(log, "the namespace %r failed", endpoint, error=error)
            text = f"The server has failed: {type(error).__name__}"
            self._socket.error("internal_error", text, endpoint=endpoint)
            return _FAILED

    def describe(self, endpoint: str) -> str:
        """Name what `guarded` calls, for the log."""
        return f"the namespace {endpoint!r}"

    def leave(self, endpoint: str, namespace: Any) -> None:
        """Disconnect a namespace whose `recv_disconnect` has not done so."""
        if self._socket.active_ns.get(endpoint) is namespace:
            self.guarded(namespace.disconnect, endpoint, True)

    def acknowledge(self, packet: Packet, args: list[Any]) -> None:
        """Acknowledge a packet, unless it has been, or asks for nothing."""
        owed = packet.get("endpoint", ""), packet.get("id")
        if owed in self._owed:
            del self._owed[owed]
            self._socket.send_packet({"type": "ack", "ackId": owed[1], "args": args, "endpoint": owed[0]})

    def _receive(self, message: Any) -> None:
        size_bytes = 0
        if isinstance(message, tuple):
            message, size_bytes = message
        self.is_busy = True
        try:
            packet = self._decoded(message)
            if packet is not None:
                self._dispatch(packet)
        finally:
            self.is_busy = False
            self._socket.carrier.ended(size_bytes)

    def _decoded(self, message: Any) -> Packet | None:
        if isinstance(message, dict):
            return self._loaded(message)
        try:
            return packets.decode(message, self._socket.json_loads)
        except Exception as error:
            text = f"There was a decoding error when dealing with packet with event: {message[:20]}... ({error})"
            self._socket.error("invalid_packet", text)
            return None

    def _loaded(self, packet: Packet) -> Packet:
        """Let the application's own decoder read what the engine has read, if it has one."""
        loads = self._socket.json_loads
        if loads is not default_json_loads:
            for key in ("args", "data"):
                if key in packet and packet["type"] != "message":
                    packet[key] = loads(default_json_dumps(packet[key]))
        return packet

    def _dispatch(self, packet: Packet) -> None:
        endpoint = packet["endpoint"]
        match packet["type"]:
            case "heartbeat" | "noop":
                return
            case "disconnect" if endpoint == "":
                self._socket.kill(detach=True)
                return
        namespace = self._namespace(endpoint)
        if namespace is None:
            return
        if packet.get("ack"):
            add_bounded(self._owed, (endpoint, packet["id"]), None)
        if packet.get("ack") is True:
            self.acknowledge(packet, [])
        packet = self._socket.carrier.meant(packet, namespace)
        if self.guarded(self._process, endpoint, namespace, packet) is _FAILED:
            self._owed.pop((endpoint, packet.get("id")), None)
        if packet["type"] == "disconnect":
            self.leave(endpoint, namespace)

    def _process(self, namespace: Any, packet: Packet) -> None:
        result = namespace.process_packet(packet)
        if result is not LATER:
            self.acknowledge(packet, list(result) if type(result) is tuple else [result])

    def _namespace(self, endpoint: str) -> Any:
        """Return the namespace of an endpoint, which its first packet makes; None where there is none."""
        socket = self._socket
        if (namespace := socket.active_ns.get(endpoint)) is not None:
            return namespace
        if (make := socket.namespaces.get(endpoint)) is None:
            socket.carrier.unknown(endpoint)
            text = f"The endpoint you tried to connect to doesn't exist: {endpoint}"
            socket.error("no_such_namespace", text, endpoint=endpoint)
            return None
        made = self.guarded(self._make, endpoint, make, endpoint)
        return None if made is _FAILED else made

    def _make(self, make: Callable[..., Any], endpoint: str) -> Any:
        namespace = make(self._socket.environ, endpoint, request=self._socket.request)
        for kind in type(namespace).__mro__:
            if (initialize := kind.__dict__.get("initialize")) is not None:
                initialize(namespace)
        self._socket.active_ns[endpoint] = namespace
        return namespace


def add_bounded(waiting: dict[Any, Any], key: Any, value: Any) -> None:
    """Add what waits for a client, which may never answer."""
    waiting[key] = value
    if len(waiting) > _MAX_ACKS:
        del waiting[next(iter(waiting))]
