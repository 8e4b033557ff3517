"""One client in one namespace."""

from collections.abc import Iterable
from enum import Enum
from math import inf
from typing import Any, Protocol

from ..engine import Driver, Engine, Pending, Prepared, Session
from ..errors import ProtocolError, SocketClosed
from ..types import Reason, Request
from ..wire.packets import Event
from ..wire.socketio import RESERVED
from .acks import Acks
from .fanout import UNSENDABLE, prepare
from .rooms import Room, Target

_EARLY_EVENTS = 10


class Life(Enum):
    """Where a socket is between its client's wish to enter and its end."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    GONE = "gone"


# names of a module cost 5 ns to look up, members of an Enum 150 on Python 3.11
_CONNECTING, _CONNECTED, _GONE = Life


class Home(Protocol):
    """What a socket needs of its namespace."""

    name: str
    engine: Engine
    handlers: dict[str, Any]

    def emit(self, event: str, *args: Any, to: Target = None, except_: "Except" = None) -> None:
        """Send an event to many."""

    def check_room(self, room: Room, socket: "Socket") -> None:
        """Raise ValueError for a room that is not to be joined."""

    def enter(self, socket: "Socket", room: Room) -> None:
        """Index the socket in a room."""

    def leave(self, socket: "Socket", room: Room) -> None:
        """Take it out of the index."""

    def part(self, socket: "Socket", reason: Reason) -> None:
        """Take the socket out of everything, and tell the user's disconnect handler."""

    def next_number(self) -> int:
        """Return the number of a new call."""

    def event_failed(self, socket: "Socket", event: str, error: BaseException) -> None:
        """Report what a handler raised."""


class Socket:
    """One client in one namespace, made by the server.

    `id` is public: others may know it, and `to=id` reaches this client alone. (Clients of Socket.IO 1.x and
    2.x take their session's id for it, which is a secret: do not tell others theirs.) Every method may be
    called from any thread; what is sent to a client that has left is dropped.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_data",
        "_early",
        "_leaving",
        "_life",
        "_namespace",
        "_rooms",
        "id",
        "session",
    )

    def __init__(self, id: str, session: Session, namespace: Home) -> None:
        self.id = id
        self.session = session
        self._namespace = namespace
        self._life = _CONNECTING
        self._rooms: dict[Room, None] | None = None
        self._acks: Acks | None = None
        self._data: dict[str, Any] | None = None
        self._early: _Early | None = _Early()
        self._leaving = False

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace}, {self._life.value}>"

    @property
    def namespace(self) -> str:
        """The namespace's name."""
        return self._namespace.name

    @property
    def connected(self) -> bool:
        """Whether the connect handler has accepted, and nobody has left since."""
        return self._life is _CONNECTED

    @property
    def transport(self) -> str:
        """What carries the connection now: "polling" or "websocket"."""
        return self.session.transport.name

    @property
    def generation(self) -> str:
        """What the client speaks: "Engine.IO 3" or "Engine.IO 4"."""
        return self.session.generation.name

    @property
    def data(self) -> dict[str, Any]:
        """A dictionary for the user's own things."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def rooms(self) -> frozenset[Room]:
        """The rooms that this socket has joined; a disconnect handler still sees them."""
        return frozenset(self._rooms or ())

    @property
    def request(self) -> Request:
        """The request that opened the connection."""
        return self.session.request

    def emit(self, event: str, *args: Any) -> None:
        """Send an event to this client.

        TypeError, naming type and event, for what JSON cannot carry; bytes become attachments.
        """
        check_name(event)
        self._here(self._push, prepare(self.session.generation, self.namespace, event, args))

    def broadcast(self, event: str, *args: Any, to: Target = None, except_: "Except" = None) -> None:
        """Send an event to everybody else: in these rooms, or without `to` in the namespace."""
        others = () if except_ is None else (except_,) if isinstance(except_, str | int | Socket) else tuple(except_)
        self._namespace.emit(event, *args, to=to, except_=(self, *others))

    def join(self, *rooms: Room) -> None:
        """Enter rooms. ValueError for another socket's id, which is no room to enter."""
        self._here(self._join, rooms)

    def leave(self, *rooms: Room) -> None:
        """Leave rooms; nothing happens where this socket is not in one."""
        self._here(self._leave, rooms)

    def call(self, event: str, *args: Any, timeout: float = 60.0) -> Pending[Any]:
        """Send an event and wait for the client's acknowledgement: `await socket.call(...)`.

        The result is None, a value, or a tuple: the mirror of what a handler returns. AckTimeout after
        `timeout` seconds, SocketClosed if the client leaves first, TypeError for what JSON cannot carry.
        """
        check_name(event)
        if not 0 < timeout < inf:
            raise ValueError(f"timeout is {timeout!r}: give a number of seconds above 0")
        pending: Pending[Any] = Pending(self._driver)
        self._here(self._call, event, args, timeout, pending)
        return pending

    def disconnect(self, close: bool = False) -> None:
        """Make the client leave this namespace; with `close`, end its whole connection."""
        self._here(self._disconnect, close)

    # What the server calls

    def accept(self) -> None:
        """The client is in: let out what was emitted meanwhile, and in what it has sent."""
        early, self._early = self._early, None
        assert early is not None
        self._life = _CONNECTED
        for room in self._rooms or ():
            self._namespace.enter(self, room)
        for prepared in early.output:
            self.session.push(prepared)
        if self._leaving:
            self._disconnect(False)
        for packet in early.events:
            self.receive(packet)

    def receive(self, packet: Event) -> None:
        """Take an event from the client."""
        if self._life is _CONNECTED:
            handler = self._namespace.handlers.get(packet.name)
            if handler is not None:
                self._namespace.engine.driver.run(handler, [self, *packet.args], self, packet)
        elif self._early is not None:
            if len(self._early.events) == _EARLY_EVENTS:
                raise ProtocolError(f"more than {_EARLY_EVENTS} events came before the server had accepted the client")
            self._early.events.append(packet)

    def acknowledged(self, number: int, args: list[Any]) -> None:
        """Take the client's acknowledgement."""
        if self._acks is not None:
            self._acks.answer(number, args)

    def answered(self, token: Event, result: Any) -> None:
        """Send what a handler has returned as the acknowledgement, if the client wants one."""
        if token.id is None or self._life is not _CONNECTED:
            return
        args = () if result is None else result if type(result) is tuple else (result,)
        try:
            encoded = self.session.generation.socketio.encode_ack(token.namespace, token.id, args)
        except UNSENDABLE as error:
            self.failed(token, TypeError(f"the handler's answer cannot be sent: {error}"))
        else:
            self.session.push(Prepared(*encoded))

    def failed(self, token: Event, error: BaseException) -> None:
        """A handler raised: its client's acknowledgement times out, all else goes on."""
        self._namespace.event_failed(self, token.name, error)

    def describe(self, token: Event) -> str:
        """Name the handler of an event, for a warning."""
        return f"the handler of {token.name!r} in {self.namespace}"

    def end(self) -> bool:
        """Mark the end; return whether the socket had been accepted."""
        accepted = self._life is _CONNECTED
        self._life, self._early = _GONE, None
        if self._acks is not None:
            self._namespace.engine.turn.add(self._acks.close)
        return accepted

    # Below this line: how it is done

    @property
    def _driver(self) -> Driver:
        return self._namespace.engine.driver

    def _here(self, function: Any, *args: Any) -> None:
        """Call on the core's thread: at once, or posted to it."""
        driver = self._driver
        if driver.foreign():
            driver.soon(function, *args)
        else:
            function(*args)

    def _push(self, prepared: Prepared) -> None:
        if self._life is _CONNECTED:
            self.session.push(prepared)
        elif self._early is not None:
            self._early.output.append(prepared)

    def _join(self, rooms: Iterable[Room]) -> None:
        if self._life is _GONE:
            return
        for room in rooms:
            self._namespace.check_room(room, self)
        if self._rooms is None:
            self._rooms = {}
        for room in rooms:
            if self._life is _CONNECTED:
                self._namespace.enter(self, room)
            self._rooms[room] = None

    def _leave(self, rooms: Iterable[Room]) -> None:
        for room in rooms:
            if self._rooms is not None and self._rooms.pop(room, self) is None:
                self._namespace.leave(self, room)

    def _call(self, event: str, args: tuple[Any, ...], timeout: float, pending: Pending[Any]) -> None:
        if self._life is _GONE:
            pending.reject(SocketClosed(f"the client has left: {event!r} was not sent"))
            return
        number = self._namespace.next_number()
        try:
            prepared = prepare(self.session.generation, self.namespace, event, args, number)
        except TypeError as error:
            pending.reject(error)  # raised here, it would not reach a caller on another thread
            return
        if self._acks is None:
            self._acks = Acks(self._namespace.engine.deadlines)
        self._acks.expect(number, event, pending, self._driver.now() + timeout)
        self._push(prepared)

    def _disconnect(self, close: bool) -> None:
        if close:
            self._disconnect_all()
        elif self._life is _CONNECTING:
            self._leaving = True
        elif self._life is _CONNECTED:
            self._push(Prepared(self.session.generation.socketio.encode_disconnect(self.namespace)))
            self._namespace.part(self, Reason.SERVER_DISCONNECT)

    def _disconnect_all(self) -> None:
        for socket in tuple(self.session.data.values()):
            if socket is not None:
                socket.disconnect()
        self.session.close(Reason.FORCED_SERVER_CLOSE)


class _Early:
    """What comes and goes before the connect handler has accepted."""

    __slots__ = ("events", "output")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.output: list[Prepared] = []


Except = None | Room | Socket | Iterable[Room | Socket]


def check_name(event: str) -> None:
    """Refuse what is no event's name: ValueError for a name that Socket.IO keeps to itself."""
    if not isinstance(event, str):
        raise TypeError(f"the event's name is {event!r}: give a string")
    if event in RESERVED:
        raise ValueError(f"{event!r} is a name of Socket.IO's own: choose another for the event")
