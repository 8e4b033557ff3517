"""A client's session: its connections, their events, and its end."""

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import getattr_static
from typing import Any, TypeVar
from urllib.parse import urlencode

from tornado.web import HTTPError

from ...drivers import InlineDriver, logger
from ...engine import Driver, Engine, on_core
from ...errors import DecodeError, PayloadTooLarge, ReservedName
from ...types import Request
from ...wire.packets import Ack, Connect, Disconnect, Error, Event, Heartbeat, Message, Packet, Signal
from ...wire.protocol1 import decode
from ...wire.socketio import MAX_QUERY
from ..complaints import Complaints
from . import calls, proto
from .carrier import BY_HAND, ByHand, Carrier
from .conn import SocketConnection
from .info import ConnectionInfo, texts
from .periodic import Callback
from .sessioncontainer import SessionBase

__all__ = ["MAX_ENDPOINTS", "ConnectionInfo", "Session"]

log = logger("tornadio2.session")

MISSED_HEARTBEATS = 2  # more than these end a session
MAX_ENDPOINTS = 100  # open at once; the default of the setting `max_endpoints`

Verb = TypeVar("Verb", bound=Callable[..., None])


class BrokenPacket(DecodeError, ValueError):
    """An invalid packet: a ValueError, as with TornadIO2."""


def posted(verb: Verb) -> Verb:
    """Make a method thread-safe: calls from other threads run on the session's loop, in order."""

    @wraps(verb)
    def post(self: "Session", /, *args: Any, **kwargs: Any) -> None:
        on_core(self.driver, partial(verb, self, *args, **kwargs))

    return post  # type: ignore[return-value]  # the same signature


class Session(SessionBase):
    """One client. It needs no event loop: packets are handled, and passed to the handler, immediately.

    `conn` is the class of the main connection, `server` the router. tornado.web.HTTPError(401) if `on_open` refuses;
    exceptions of `on_open` are raised.

    Methods that send, open and close may be called from any thread: they are posted to the loop.
    """

    def __init__(self, conn: type[SocketConnection], server: Any, request: Any, expiry: float | None = None) -> None:
        sid = getattr(request, "session_id", None)
        self.is_carried = sid is not None  # by the engine, which also ends it when it expires
        super().__init__(sid, None if self.is_carried else expiry)
        self.server = server
        self._engine: Engine | None = getattr(server, "engine", None)
        self.remote_ip = request.remote_ip
        self.info = ConnectionInfo(request.remote_ip, request.arguments, request.cookies)
        self.endpoints: dict[str, Any] = {}
        self.handler: Any = None
        self.send_queue: list[str] = []
        if self.is_carried and not isinstance(getattr_static(type(self), "_heartbeat"), property):
            _warn_of_heartbeats()
        self._is_open = self._is_closing = self._is_refused = False
        self._openings = calls.Openings(self)
        self._complaints: Complaints = getattr(server, "complaints", None) or Complaints()
        self._timer: Callback | None = None  # of heartbeats
        self._missed_heartbeats = 0
        self.conn: Any = conn(self)
        self.send_message(proto.connect())
        try:
            self._openings.follow("/", self.conn.on_open(self.info), self._decide)
            self._is_open = True
        finally:
            if not self._is_open:
                self.conn.is_closed = self._is_closing = True
        if self._is_closing:
            return
        self.server.stats.session_opened()
        if self.server.settings.get("global_heartbeats", True):
            self.reset_heartbeat()

    @property
    def is_closed(self) -> bool:
        """Whether the main connection is closed."""
        return bool(self.conn.is_closed)

    def on_delete(self, forced: bool) -> None:
        """Called when the session expires or is removed (`forced`): close it, unless it has expired with a handler."""
        if forced or self.handler is None or self.is_closed:
            self.close()
        else:
            self.promote()

    # The handler

    @property
    def carrier(self) -> ByHand:
        """The handler if it is one of the engine's, else a null object."""
        return self.handler if isinstance(self.handler, Carrier) else BY_HAND

    def set_handler(self, handler: Any) -> bool:
        """Attach a handler; False if there is one already, or its request is from another address.

        It counts as a connection; with the engine, each request counts instead.
        """
        is_bound = self.server.settings.get("verify_remote_ip", False) and getattr(handler, "request", None)
        if self.handler is not None or (is_bound and handler.request.remote_ip != self.remote_ip):
            return False
        self.handler = handler
        self.promote()
        if not self.is_carried:
            self.server.stats.connection_opened()
        return True

    def remove_handler(self, handler: Any) -> None:
        """Detach this handler; Exception if another one is attached."""
        if self.handler is not handler:
            raise Exception("this handler does not carry the session, so it cannot be removed")
        self.handler = None
        self.promote()
        if not self.is_carried:
            self.server.stats.connection_closed()

    # Threads

    @property
    def driver(self) -> Driver:
        """The engine's driver, or without an engine one without a loop."""
        return InlineDriver() if self._engine is None else self._engine.driver

    # What is sent

    def send_message(self, pack: str) -> None:
        """Send a packet as soon as there is a handler."""
        driver = self.driver
        if driver.foreign():
            driver.soon(self.send_message, proto.settled(pack))
            return
        self.send_queue.append(pack)
        self._flush()

    def _flush(self) -> None:
        """Pass the queue to the handler, and close the handler if the session is closed."""
        if self.handler is None:
            return
        if self.send_queue:
            queue, self.send_queue = self.send_queue, []
            self.handler.send_messages(queue)
        if self.is_closed and self.handler is not None:
            self.handler.session_closed()

    flush = posted(_flush)

    # The end

    @posted
    def close(self, endpoint: str | None = None) -> None:
        """Close an endpoint, or all of them and the session: call `on_close`, then tell the client."""
        if endpoint:
            self.disconnect_endpoint(endpoint)
        elif not self._is_closing:
            self._is_closing = True
            self.stop_heartbeat()
            self._openings.forget("/")
            for name in list(self.endpoints):
                self.disconnect_endpoint(name)
            if self._is_refused:
                self.conn.is_closed = True
            else:
                self._leave(self.conn)
            if self._is_open:
                self.server.stats.session_closed()
            self.send_message(proto.disconnect())

    # Heartbeats, for sessions that the engine does not carry

    @posted
    def reset_heartbeat(self) -> None:
        """Start heartbeats, `heartbeat_interval` from now, unless the engine sends them."""
        self.stop_heartbeat()
        if self.is_carried:
            return
        server = self.server
        loop = server.running_loop if hasattr(server, "running_loop") else getattr(server, "io_loop", None)
        if loop is not None:
            self._timer = Callback(self._due, server.settings["heartbeat_interval"] * 1000, loop)
            self._timer.start()

    @posted
    def stop_heartbeat(self) -> None:
        """Stop heartbeats."""
        self._missed_heartbeats = 0
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    @posted
    def delay_heartbeat(self) -> None:
        """Send the next heartbeat `heartbeat_interval` from now."""
        if self._timer is not None:
            self._timer.delay()

    @property
    def _heartbeat(self) -> Callable[[], None]:
        """The function that each heartbeat calls, without the engine; applications may set another one."""
        return self.__dict__.get("_heartbeat", self._beat)  # type: ignore[no-any-return]

    @_heartbeat.setter
    def _heartbeat(self, function: Callable[[], None]) -> None:
        if self.is_carried:
            _warn_of_heartbeats()
        self.__dict__["_heartbeat"] = function

    def _due(self) -> None:
        self._heartbeat()

    def _beat(self) -> None:
        self.send_message(proto.heartbeat())
        self._missed_heartbeats += 1
        if self._missed_heartbeats > MISSED_HEARTBEATS:
            self.close()

    # Endpoints

    def get_connection(self, endpoint: str | None) -> Any:
        """Return the connection of an endpoint, without one the main connection; None if it is not open."""
        return self.endpoints.get(endpoint) if endpoint and endpoint != "/" else self.conn

    @posted
    def connect_endpoint(self, url: str) -> None:
        """Open an endpoint, `/path?query`, or open it again: tell the client, then call `on_open`.

        If that refuses, the endpoint is closed. For an unknown endpoint, or one above the limit, clients of 0.9 get no
        answer.
        """
        path, _, query = url.partition("?")
        connection = self.endpoints.get(path)
        if connection is None:
            kind = self.conn.get_endpoint(path)
            most = self.server.settings.get("max_endpoints", MAX_ENDPOINTS)
            if kind is None:
                self.complain(log, "%s has no endpoint %a", type(self.conn).__name__, path)
                self.carrier.refuse(path, "Invalid namespace")
                return
            if len(self.endpoints) >= most:
                self.complain(log, "the endpoint %a is refused: max_endpoints is %d", path, most)
                self.carrier.refuse(path, f"Too many namespaces: {most} are allowed on one connection")
                return
            connection = self.endpoints[path] = kind(self, path)
        info = ConnectionInfo(self.remote_ip, Request("GET", f"?{query}").query, self.info.cookies)
        self.send_message(proto.connect(path))
        self._openings.follow(path, connection.on_open(info), partial(self._admit, path, connection))

    @posted
    def disconnect_endpoint(self, endpoint: str) -> None:
        """Close an endpoint, and tell the client; log it if it is not open."""
        connection = self.endpoints.pop(endpoint, None)
        if connection is None:
            self.complain(log, "the endpoint %a is not open, so it cannot be closed", endpoint)
        else:
            self._openings.forget(endpoint)
            self._leave(connection)
            self.send_message(proto.disconnect(endpoint))

    # What the client sends

    def raw_message(self, msg: str | bytes) -> None:
        """Handle a packet of 0.9; an invalid packet, or an exception of a handler, is logged and raised.

        The caller has to close the session then. From other threads the packet is handled later, and a failure closes
        the session.
        """
        try:
            packet = decode(msg.decode() if isinstance(msg, bytes) else msg)
        except ReservedName as error:
            self.complain(log, "an event is ignored: %s", error.outline)
            return
        except DecodeError as error:
            self.complain(log, "a packet is broken: %s", error.outline)
            raise BrokenPacket(*error.args) from error
        if self.driver.foreign():
            self.driver.soon(self.receive, packet)
        elif (failure := self.take(packet)) is not None:
            raise failure

    def receive(self, packet: Packet | Signal) -> None:
        """Handle a packet, and close the session if that fails."""
        if self.take(packet) is not None:
            self.close()

    def take(self, packet: Packet | Signal) -> BaseException | None:
        """Handle a packet of any generation; log and return the exception of a handler."""
        if self.is_closed:
            return None
        failure = calls.ask(self, self._handle, packet)
        if failure is not None:
            self._failed(packet, failure)
        return failure

    @posted
    def complain(self, to: logging.Logger, text: str, *values: Any, **options: Any) -> None:
        """Log an error that a client has caused; for the options see `Complaints.write`."""
        self._complaints.write(to, text, *values, **options)

    # Below this line: how it is done

    def _decide(self, result: object) -> None:
        """Refuse a client if `on_open` does: by the answer to the handshake, if that is still possible."""
        if result or result is None:
            return
        text = "%s.on_open has refused a client of %s"
        self.complain(log, text, type(self.conn).__name__, self.remote_ip, level=logging.INFO)
        if not self._is_open:
            raise HTTPError(401)
        self._is_refused = True
        self.close()

    def _admit(self, path: str, connection: SocketConnection, result: object) -> None:
        """Tell a client that an endpoint has accepted it, unless that has refused it or is closed."""
        if self.endpoints.get(path) is not connection:
            return
        if result is False:
            text = "%s.on_open has refused a client of %s at %a"
            self.complain(log, text, type(connection).__name__, self.remote_ip, path, level=logging.INFO)
            self.disconnect_endpoint(path)
        elif path not in self._openings:
            self.carrier.admit(path)

    def _leave(self, connection: SocketConnection) -> None:
        """Call `on_close`, which may still send, and log an exception."""
        leave = partial(calls.then, self, follow=lambda _: None, ends=False)
        if (error := calls.ask(self, lambda: leave(connection.on_close()))) is not None:
            self.complain(log, "%s.on_close has failed", type(connection).__name__, error=error)
        connection.is_closed = True

    def _failed(self, packet: Packet | Signal, error: BaseException) -> None:
        connection = self.get_connection(getattr(packet, "namespace", None)) or self.conn
        if isinstance(error, calls.TooManyEarly):
            self.complain(log, "%s: the client is closed", error.outline)
        elif isinstance(packet, Connect) and isinstance(error, HTTPError):
            values = type(connection).__name__, self.remote_ip, error.status_code
            text = "%s.on_open has refused a client of %s with %d, which closes everything"
            self.complain(log, text, *values, level=logging.INFO)
        else:
            self.complain(log, "%s has failed", calls.describe(packet, connection), error=error)

    def _handle(self, packet: Packet | Signal) -> None:
        if self._openings.keep(packet):
            return
        match packet:
            case Heartbeat():
                self._missed_heartbeats = 0
            case Connect("/"):
                self.complain(log, "a client enters the main connection, where it is")
            case Connect():
                query = packet.query or _query_of(packet.data)
                self.connect_endpoint(f"{packet.namespace}?{query}" if query else packet.namespace)
            case Disconnect("/"):
                self.close()
            case Disconnect():
                self.disconnect_endpoint(packet.namespace)
            case Error():
                self.complain(log, "a client reports the error %a", packet.reason)
            case Event() | Message() | Ack():
                connection = self.get_connection(packet.namespace)
                if connection is None:
                    self.complain(log, "a packet came for the endpoint %a, which is not open", packet.namespace)
                    return
                result = calls.handle(connection, packet)
                calls.then(self, result, partial(calls.acknowledge, connection, packet))


def _query_of(auth: Mapping[str, Any] | None) -> str:
    """Encode the strings of a client's auth as a query; PayloadTooLarge if it would be too long."""
    own = texts(auth)
    if sum(len(name) + len(text) + 2 for name, text in own.items()) > MAX_QUERY:
        raise PayloadTooLarge(f"the texts of an auth have at most {MAX_QUERY} characters at an endpoint")
    return urlencode(own)


def _warn_of_heartbeats() -> None:
    text = "session._heartbeat is not called for clients, whose heartbeats the engine sends: use a PeriodicCallback"
    warnings.warn(text, RuntimeWarning, stacklevel=3)
