"""The receiver of a socket: it gives each packet of the client to a namespace, one after the other.

How it works: the view that has called `socketio_manage` runs it until the socket ends. What users have written is
called by `guarded`, so a failure is told the client, and the receiver goes on.
"""

import logging
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

    __slots__ = ("_left", "_owed", "_socket", "greenlet", "is_busy")

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._owed: dict[tuple[str, Any], None] = {}  # acknowledgements, by endpoint and id
        self._left: frozenset[str] = frozenset()  # endpoints, until they are made again
        self.greenlet: Any = None
        self.is_busy = False

    def run(self) -> None:
        """Dispatch packets until the socket ends. RuntimeError if another greenlet does that."""
        if self.greenlet is not None:
            raise RuntimeError("this socket is managed by another call: call socketio_manage once for each socket")
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
            socket.server_queue.put_nowait(None)  # so a view that manages it again returns at once

    def guarded(self, function: Callable[..., Any], endpoint: str, *args: Any) -> Any:
        """Call what users have written; what it raises is logged and told the client, and the socket lives on."""
        try:
            return call_guarded(self, endpoint, function, args)
        except (Exception, gevent.Timeout) as error:
            self._socket.complaints.write(log, "the namespace %r failed", endpoint, error=error)
            text = f"The server has failed: {type(error).__name__}"
            self._socket.error("internal_error", text, endpoint=endpoint)
            return _FAILED

    def describe(self, endpoint: str) -> str:
        """Name what `guarded` calls, for the log."""
        return f"the namespace {endpoint!r}"

    def leave(self, endpoint: str, namespace: Any, tell: Callable[..., Any], *args: Any) -> None:
        """Remove a namespace behind its `recv_disconnect`, which `tell` calls: once, also if that ends the socket."""
        active = self._socket.active_ns
        try:
            if endpoint not in self._left:
                self.has_left(endpoint)
                self.guarded(tell, endpoint, *args)
        finally:
            if active.get(endpoint) is namespace:
                del active[endpoint]
                self.guarded(namespace.disconnect, endpoint, True)
            self.guarded(namespace.kill_local_jobs, endpoint)

    def has_left(self, endpoint: str) -> None:
        """Called when a namespace is left, also by its own `initialize`."""
        self._left |= {endpoint}

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
        try:
            if isinstance(message, dict):
                return self._loaded(message)
            return packets.decode(message, self._socket.json_loads)
        except Exception as error:
            shown = message["type"] if isinstance(message, dict) else message[:20]
            text = f"There was a decoding error when dealing with packet with event: {shown}... ({error})"
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
        namespace = self._namespace(endpoint, packet["type"])
        if namespace is None:
            return
        if packet.get("ack"):
            add_bounded(self._owed, (endpoint, packet["id"]), None)
        if packet.get("ack") is True:
            self.acknowledge(packet, [])
        if packet["type"] == "disconnect":
            self.leave(endpoint, namespace, namespace.process_packet, packet)
        elif self.guarded(self._process, endpoint, namespace, packet) is _FAILED:
            self._owed.pop((endpoint, packet.get("id")), None)

    def _process(self, namespace: Any, packet: Packet) -> None:
        result = namespace.process_packet(self._socket.carrier.meant(packet, namespace))
        if result is not LATER:
            self.acknowledge(packet, list(result) if type(result) is tuple else [result])

    def _namespace(self, endpoint: str, kind: str) -> Any:
        """Return the namespace of an endpoint, which its first packet makes; None where there is none."""
        socket = self._socket
        if (namespace := socket.active_ns.get(endpoint)) is not None:
            return namespace
        if endpoint and kind != "connect" and socket.carrier.needs_connect:
            text = "a packet of the type %s is ignored: its client has not connected to %r"
            socket.complaints.write(log, text, kind, endpoint, level=logging.WARNING)
            return None
        if (make := socket.namespaces.get(endpoint)) is None:
            socket.carrier.unknown(endpoint)
            text = f"The endpoint you tried to connect to doesn't exist: {endpoint}"
            socket.error("no_such_namespace", text, endpoint=endpoint)
            return None
        made = self.guarded(self._make, endpoint, make, endpoint)
        return None if made is _FAILED else made

    def _make(self, make: Callable[..., Any], endpoint: str) -> Any:
        """Make a namespace, and let it be active; return None if it has left, or ended the socket, meanwhile."""
        socket, was_connected = self._socket, self._socket.connected
        self._left -= {endpoint}
        namespace = make(socket.environ, endpoint, request=socket.request)
        try:
            for kind in type(namespace).__mro__:
                if (initialize := kind.__dict__.get("initialize")) is not None:
                    initialize(namespace)
            if endpoint not in self._left and socket.connected is was_connected:
                socket.active_ns[endpoint] = namespace
        finally:
            if endpoint not in socket.active_ns:
                namespace.kill_local_jobs()
        return socket.active_ns.get(endpoint)


def add_bounded(waiting: dict[Any, Any], key: Any, value: Any) -> None:
    """Add what waits for a client, which may never answer."""
    waiting[key] = value
    if len(waiting) > _MAX_ACKS:
        del waiting[next(iter(waiting))]
