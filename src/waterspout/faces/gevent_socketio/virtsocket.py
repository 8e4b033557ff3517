"""The connection of one client, whatever its transport and generation are.

How it works: a connection that a server carries gets its packets as dictionaries from the engine, and gives what it
sends to a carrier, which encodes it for the client's generation. One that a program makes by itself, as unit tests do,
has two queues of texts instead: `put_server_msg` and `get_client_msg` are its ends. In either case the view that has
called `socketio_manage` runs its receiver, so a connection needs one greenlet.
"""

import weakref
from collections.abc import Callable
from functools import cached_property
from itertools import count
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import Queue

from ...drivers import logger
from ..complaints import ALONE, Complaints
from . import packet as packets
from .defaultjson import default_json_dumps, default_json_loads
from .namespace import begin, kill
from .packet import Packet
from .receiver import Receiver, add_bounded

__all__ = ["NullCarrier", "Socket", "default_error_handler"]

log = logger("socketio.virtsocket")

_NUMBERS = count(100_000)
_WATCH = 1.0  # s that a method may go on after the connection has ended


def default_error_handler(
    socket: "Socket", error_name: str, error_message: str, endpoint: str | None, msg_id: int | None, quiet: bool
) -> None:
    """Send an event "error" with the name and the message, unless `quiet`; log it in any case."""
    packet: Packet = {"type": "event", "name": "error", "args": [error_name, error_message], "endpoint": endpoint or ""}
    if msg_id:
        packet["id"] = msg_id
    if not quiet:
        socket.send_packet(packet)
    socket.complaints.write(log, f"{error_name}: %s (in %r)", error_message, endpoint or "")


class NullCarrier:
    """For a socket that no server carries: what it sends is queued as text."""

    is_of_a_server = False
    needs_connect = False
    """Whether the client must connect to a namespace before it may send anything else there."""

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket

    def prepare(self, packet: packets.SharedPacket) -> None:
        """Encode an event that is for many clients; raise what its encoder does."""
        packets.encode(packet, self._socket.json_dumps)

    def send(self, packet: Packet) -> None:
        """Send a packet as its text of 0.9."""
        self._socket.client_queue.put_nowait(packets.encode(packet, self._socket.json_dumps))

    def write(self, text: str) -> None:
        """Send the text of a packet of 0.9."""
        self._socket.client_queue.put_nowait(text)

    def meant(self, packet: Packet, namespace: Any) -> Packet:
        """Return what a packet of the client means in a namespace."""
        return packet

    def unknown(self, endpoint: str) -> None:
        """Called for a packet to a namespace that does not exist, before the error handler is."""

    def ended(self, size_bytes: int) -> None:
        """Called when a packet has been handled."""

    def close(self) -> None:
        """End the connection, behind all that was sent."""


class Socket:
    """One client. `sessid` names it, and is no secret; `session` is a dictionary for the application.

    `active_ns` has the namespaces that the client has sent packets to, by name. `server` has all `sockets`. `auth` is
    what a client of 3.x or 4.x has sent as it connected to the global namespace, or None.
    """

    STATE_CONNECTING = "CONNECTING"
    STATE_CONNECTED = "CONNECTED"
    STATE_DISCONNECTING = "DISCONNECTING"
    STATE_DISCONNECTED = "DISCONNECTED"
    GLOBAL_NS = ""

    json_loads: Any = staticmethod(default_json_loads)
    json_dumps: Any = staticmethod(default_json_dumps)

    def __init__(self, server: Any, config: dict[str, Any], error_handler: Callable[..., object] | None = None) -> None:
        self.server = weakref.proxy(server)
        self.sessid = str(next(_NUMBERS))
        self.session: dict[str, Any] = {}
        self.hits = 0
        self.heartbeats = 0
        self.timeout = Event()
        self.wsgi_app_greenlet: Any = None
        self.state = "NEW"
        self.connection_established = False
        self.ack_callbacks: dict[int, Callable[..., object]] = {}
        self.ack_counter = 0
        self.request: Any = None
        self.environ: Any = None
        self.auth: Any = None
        self.namespaces: dict[str, Any] = {}
        self.active_ns: Any = {}
        self.jobs: list[Any] = []
        self.error_handler: Callable[..., object] = error_handler or default_error_handler
        self.config = config
        self.carrier: Any = NullCarrier(self)
        self.complaints: Complaints = ALONE
        self._receiver = Receiver(self)

    @cached_property
    def client_queue(self) -> "Queue[Any]":
        """What waits for the client, if no server carries the connection. Made at its first use: it takes 2.5 KB."""
        return Queue()

    @cached_property
    def server_queue(self) -> "Queue[Any]":
        """What the client has sent, and the receiver has not got yet."""
        return Queue()

    def __str__(self) -> str:
        sizes = {"client_queue": self.client_queue.qsize(), "server_queue": self.server_queue.qsize()}
        counts = {"hits": self.hits, "heartbeats": self.heartbeats}
        return " ".join(
            [
                f"sessid={self.sessid!r}",
                *(["connected"] if self.connected else []),
                *(f"{name}[{size}]" for name, size in sizes.items() if size),
                *(f"{name}={count}" for name, count in counts.items() if count),
            ]
        )

    def __getitem__(self, key: str) -> Any:
        """Return a namespace that is active; KeyError for another."""
        return self.active_ns[key]

    def __contains__(self, key: str) -> bool:
        return key in self.active_ns

    __hasitem__ = __contains__

    @property
    def connected(self) -> bool:
        """Whether the client is connected: False from the moment at which it goes."""
        return self.state == self.STATE_CONNECTED

    # What the manager sets

    def _set_namespaces(self, namespaces: dict[str, Any]) -> None:
        self.namespaces = namespaces

    def _set_request(self, request: Any) -> None:
        self.request = request

    def _set_environ(self, environ: dict[str, Any]) -> None:
        self.environ = environ

    def _set_error_handler(self, error_handler: Callable[..., object]) -> None:
        self.error_handler = error_handler

    def _set_json_loads(self, json_loads: Callable[[str], Any]) -> None:
        self.json_loads = json_loads

    def _set_json_dumps(self, json_dumps: Callable[[Any], str]) -> None:
        self.json_dumps = json_dumps

    # Acknowledgements

    def _get_next_msgid(self) -> int:
        self.ack_counter += 1
        return self.ack_counter

    def _save_ack_callback(self, msgid: int, callback: Callable[..., object]) -> bool | None:
        if msgid in self.ack_callbacks:
            return False
        add_bounded(self.ack_callbacks, msgid, callback)
        return None

    def _pop_ack_callback(self, msgid: int) -> Callable[..., object] | None:
        return self.ack_callbacks.pop(msgid, None)

    def acknowledge(self, packet: Packet, args: list[Any]) -> None:
        """Acknowledge a packet, unless it has been, or asks for nothing."""
        self._receiver.acknowledge(packet, args)

    # The two ways

    def put_server_msg(self, msg: Any) -> None:
        """Give a packet to the receiver: its text, or the dictionary."""
        self.heartbeat()
        self.server_queue.put_nowait(msg)

    def put_client_msg(self, msg: Any) -> None:
        """Send the text of a packet of 0.9; None is nothing."""
        if msg is not None:
            self.carrier.write(msg)

    def get_client_msg(self, **kwargs: Any) -> Any:
        """Return the next text for the client; gevent.queue.Empty after a `timeout` of seconds."""
        return self.client_queue.get(**kwargs)

    def get_server_msg(self, **kwargs: Any) -> Any:
        """Return the next packet of the client; gevent.queue.Empty after a `timeout` of seconds."""
        return self.server_queue.get(**kwargs)

    def get_multiple_client_msgs(self, **kwargs: Any) -> list[Any]:
        """Wait for a text for the client, and return it with all that are there; [None] at the end."""
        messages = [self.client_queue.get(**kwargs)]
        while self.client_queue.qsize() and self.client_queue.peek() is not None:
            messages.append(self.client_queue.get())
        return messages

    def send_packet(self, pkt: Packet) -> None:
        """Send a packet, a dictionary as in chapter "socketio.packet"."""
        self.carrier.send(pkt)

    def error(
        self,
        error_name: str,
        error_message: str,
        endpoint: str | None = None,
        msg_id: int | None = None,
        quiet: bool = False,
    ) -> Any:
        """Tell of an error by the error handler: to the client, on an endpoint, unless `quiet`."""
        try:
            return self.error_handler(self, error_name, error_message, endpoint, msg_id, quiet)
        except Exception as error:
            return self.complaints.write(log, "the error handler failed", error=error)

    # Life

    def incr_hits(self) -> None:
        """Count a request of the client's."""
        self.hits += 1

    def heartbeat(self) -> None:
        """Begin to wait for the client anew."""
        self.timeout.set()

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in a greenlet that is killed when the connection ends."""
        return begin(self.jobs, fn, *args, **kwargs)

    def disconnect(self, silent: bool = False) -> None:
        """Disconnect the client from all namespaces: each has its `recv_disconnect` called, and is removed.

        The client is told unless `silent`.
        """
        for name, namespace in [*self.active_ns.items()]:
            if self.active_ns.get(name) is namespace:
                packet: Packet = {"type": "disconnect", "endpoint": name}
                if not silent:
                    self.send_packet(packet)
                self._receiver.leave(name, namespace, namespace.call_method, "recv_disconnect", packet)

    def remove_namespace(self, namespace: str) -> None:
        """Remove a namespace. Without the global one the connection ends, and without any if no server carries it."""
        self.active_ns.pop(namespace, None)
        self._receiver.has_left(namespace)
        is_needed = self.active_ns or self.carrier.is_of_a_server
        if self.connected and (namespace == self.GLOBAL_NS or not is_needed):
            self.kill(detach=True)

    def kill(self, detach: bool = False) -> None:
        """End the connection: disconnect all namespaces, kill all jobs; with `detach` the server forgets it."""
        self.ack_callbacks = {}
        self._begin_to_end()
        if detach:
            self.detach()
        self.disconnect(silent=True)
        jobs, self.jobs = self.jobs, []
        kill([job for job in jobs if job is not self._receiver.greenlet])
        self.carrier.close()

    def end(self) -> None:
        """Called when the client has gone: let the receiver end, and a method that does not end within a second too."""
        self._begin_to_end()
        if self._receiver.greenlet is None and self.wsgi_app_greenlet is None:
            self.detach()
        elif self._receiver.is_busy:
            gevent.spawn(self._end_late)

    def _begin_to_end(self) -> None:
        """Let those who wait for messages go on."""
        if self.connected:
            self.state = self.STATE_DISCONNECTING
            self.server_queue.put_nowait(None)
            if not self.carrier.is_of_a_server or "client_queue" in self.__dict__:
                self.client_queue.put_nowait(None)

    def _end_late(self) -> None:
        gevent.sleep(_WATCH)
        if self._receiver.is_busy:
            greenlet = self._receiver.greenlet
            self.kill(detach=True)
            kill([greenlet])

    def detach(self) -> None:
        """Let the server forget this connection."""
        self.server.sockets.pop(self.sessid, None)

    def _receiver_loop(self) -> None:
        self._receiver.run()

    def _spawn_receiver_loop(self) -> Any:
        return self.spawn(self._receiver_loop)

    # For sockets that nothing carries; a server's are watched by the engine

    def _watcher(self) -> None:
        while self.connected:
            gevent.sleep(_WATCH)
        self.disconnect(silent=True)
        kill(self.jobs)

    def _spawn_watcher(self) -> Any:
        return gevent.spawn(self._watcher)

    def _heartbeat(self) -> None:
        while self.connected:
            gevent.sleep(self.config["heartbeat_interval"])
            self.put_client_msg("2::")

    def _heartbeat_timeout(self) -> None:
        while self.timeout.wait(float(self.config["heartbeat_timeout"])):
            self.timeout.clear()
        if self.connected:
            self.kill(detach=True)

    def _spawn_heartbeat(self) -> None:
        self.spawn(self._heartbeat)
        self.spawn(self._heartbeat_timeout)
