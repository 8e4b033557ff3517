"""The clients of one name: handlers, rooms, and the way in and out."""

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from ..engine import Engine, Layer, Level, Prepared, Session
from ..errors import ConnectRefused
from ..types import Reason
from .cluster import Cluster
from .fanout import UNSENDABLE, Fanout
from .rooms import Room, Rooms, Target
from .socket import Except, Socket, check_name

F = TypeVar("F", bound=Callable[..., Any])

Hook = tuple[str, Socket]
_HOOKS = {"connect": "on_connect", "disconnect": "on_disconnect", "error": "on_error"}


class Namespace:
    """A part of the server that clients enter by its name, with handlers and rooms of its own."""

    def __init__(self, name: str, engine: Engine, cluster: Cluster) -> None:
        if not name.startswith("/") or "," in name or "?" in name:
            raise ValueError(
                f"{name!r} cannot be a namespace: begin it with a slash, without commas and question marks"
            )
        self.name = name
        self.engine = engine
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.rooms: Rooms[Socket] = Rooms()
        self._fanout = Fanout(engine.turn)
        self._cluster = cluster
        self._hooks: dict[str, Callable[..., Any]] = {}
        self._admission = _Admission(self)
        self._number = 0

    # What a user writes

    def on(self, event: str) -> Callable[[F], F]:
        """Register the handler of an event: `(socket, *args)`, plain or async.

        What it returns acknowledges the event: None is an empty acknowledgement, a tuple several
        arguments. One event has one handler: a second one is refused with ValueError.
        """
        if event in _HOOKS:
            raise ValueError(f"{event!r} is no event: use {_HOOKS[event]}")
        check_name(event)

        def register(handler: F) -> F:
            if event in self.handlers:
                raise ValueError(f"the event {event!r} of {self.name} has a handler already: {self.handlers[event]!r}")
            self.handlers[event] = handler
            return handler

        return register

    def on_connect(self, handler: F) -> F:
        """Register what decides whether a client may enter: `(socket, auth)`.

        It refuses with ConnectRefused, or by returning False. `auth` is what the client sent along, a
        dictionary; from 1.x and 2.x clients it is their query.
        """
        return self._hook("connect", handler)

    def on_disconnect(self, handler: F) -> F:
        """Register what hears that a client has left: `(socket, reason)`, once, for clients that were accepted."""
        return self._hook("disconnect", handler)

    def on_error(self, handler: F) -> F:
        """Register what hears of exceptions in handlers: `(socket, event, error)`; they are logged in any case."""
        return self._hook("error", handler)

    def emit(self, event: str, *args: Any, to: Target = None, except_: Except = None) -> None:
        """Send an event to all clients of the namespace, or of some rooms.

        `to` and `except_` take a room, a socket's id, or several of them; `except_` sockets, too.
        TypeError, before anything is sent, for what JSON cannot carry.
        """
        check_name(event)
        driver = self.engine.driver
        if driver.foreign():
            driver.soon(lambda: self.emit(event, *args, to=to, except_=except_))
            return
        to = to if to is None or isinstance(to, str | int) else tuple(to)
        except_ = except_ if except_ is None or isinstance(except_, str | int | Socket) else tuple(except_)
        message = self._cluster.prepare(self.name, event, args, to, _ids(except_))
        self.deliver(event, args, to, except_)
        self._cluster.publish(message)

    def sockets(self) -> list[Socket]:
        """Return the clients that are here now."""
        return list(self.rooms.by_id.values())

    # What the server and its sockets call

    def deliver(self, event: str, args: Collection[Any], to: Target, except_: Except) -> None:
        """Send an event to the clients of this node."""
        members = self.rooms.select(to)
        if except_ is not None:
            excluded = self._excluded(except_)
            members = [member for member in members if member not in excluded]
        if members:
            self._fanout.deliver(members, self.name, event, tuple(args))

    def open(self, session: Session, auth: Any) -> None:
        """Ask the connect handler about a client that wants to enter."""
        generation = session.generation
        own_id = self.engine.driver.token() if generation.own_socket_id else self._shared_id(session)
        socket = session.data[self.name] = Socket(own_id, session, self)
        handler = self._hooks.get("connect")
        if handler is None:
            self.accept(socket)
        else:
            self.engine.driver.run(handler, (socket, auth), self._admission, socket)

    def check_room(self, room: Room, socket: Socket) -> None:
        """Raise ValueError for another socket's id, which is no room to join."""
        if room != socket.id and room in self.rooms.by_id:
            raise ValueError(f"{room!r} is the id of another socket: a client's own room cannot be joined")

    def enter(self, socket: Socket, room: Room) -> None:
        """Index a socket in a room."""
        self.rooms.enter(room, socket)

    def leave(self, socket: Socket, room: Room) -> None:
        """Take a socket out of a room's index."""
        self.rooms.leave(room, socket)

    def part(self, socket: Socket, reason: Reason) -> None:
        """Take a socket out of everything; its disconnect handler runs after what is running now."""
        with self.engine.turn:
            socket.session.data[self.name] = None
            if not socket.end():
                return
            self._note("session %s... has left %a", socket)
            del self.rooms.by_id[socket.id]
            for room in socket.rooms:
                self.rooms.leave(room, socket)
            self._fanout.count(socket.session.generation, -1)
            handler = self._hooks.get("disconnect")
            if handler is not None:
                self.engine.turn.add(lambda: self._run(handler, (socket, reason), ("disconnect", socket)))

    def next_number(self) -> int:
        """Return the next number of an acknowledgement: one counter, so that a call to a room is one frame."""
        self._number += 1
        return self._number

    def event_failed(self, socket: Socket, event: str, error: BaseException) -> None:
        """Report the exception of an event's handler, once, and tell the user's error handler."""
        self.engine.driver.report(f"the handler of {event!r} in {self.name} failed", error)
        handler = self._hooks.get("error")
        if handler is not None:
            self._run(handler, (socket, event, error), ("error", socket))

    def answered(self, token: Hook, result: Any) -> None:
        """A hook has ended; nobody asked for its result."""

    def failed(self, token: Hook, error: BaseException) -> None:
        """A hook failed: that is reported, and changes nothing."""
        kind, socket = token
        if kind == "error":
            self.engine.driver.report(f"the handler of errors in {self.name} failed", error)
        else:
            self.event_failed(socket, kind, error)

    def describe(self, token: Hook) -> str:
        """Name a hook, for a warning."""
        return f"the handler of {token[0]!r} in {self.name}"

    def accept(self, socket: Socket) -> None:
        """Let a client in, unless it has gone meanwhile."""
        session = socket.session
        if session.data.get(self.name) is not socket:
            return
        self._note("session %s... has entered %a", socket)
        self.rooms.by_id[socket.id] = socket
        self._fanout.count(session.generation, 1)
        session.connected()
        session.push(Prepared(session.generation.socketio.encode_connect(self.name, socket.id)))
        socket.accept()

    def refuse(self, socket: Socket, refusal: ConnectRefused) -> None:
        """Keep a client out, and say why."""
        session = socket.session
        if session.data.get(self.name) is not socket:
            return
        self._note("session %s... was refused by %a", socket)
        session.data[self.name] = None
        socket.end()
        try:
            push_refusal(session, self.name, refusal.message, refusal.data)
        except UNSENDABLE as error:
            self.event_failed(socket, "connect", TypeError(f"the refusal cannot be sent: {error}"))
            push_refusal(session, self.name, "Internal error")

    # Below this line: how it is done

    def _hook(self, kind: str, handler: F) -> F:
        if kind in self._hooks:
            raise ValueError(f"{self.name} has a {kind} handler already: {self._hooks[kind]!r}")
        self._hooks[kind] = handler
        return handler

    def _note(self, text: str, socket: Socket) -> None:
        """Log what a client does; of its session's id, which is a secret, only the beginning."""
        self.engine.driver.note(Layer.SERVER, Level.DEBUG, text, socket.session.id[:4], self.name)

    def _run(self, handler: Callable[..., Any], args: tuple[Any, ...], token: Hook) -> None:
        self.engine.driver.run(handler, args, self, token)

    def _shared_id(self, session: Session) -> str:
        """Return the id that a client of 1.x or 2.x works out for itself: its session's."""
        return session.id if self.name == "/" else f"{self.name}#{session.id}"

    def _excluded(self, except_: Except) -> set[Socket]:
        names = (except_,) if isinstance(except_, str | int | Socket) else except_ or ()
        excluded: set[Socket] = set()
        for name in names:
            excluded.update((name,) if isinstance(name, Socket) else self.rooms.select(name))
        return excluded


class _Admission:
    """Waits for a connect handler's decision about one socket."""

    __slots__ = ("_namespace",)

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def answered(self, token: Socket, result: Any) -> None:
        if result is False:
            self._namespace.refuse(token, ConnectRefused())
        else:
            self._namespace.accept(token)

    def failed(self, token: Socket, error: BaseException) -> None:
        if not isinstance(error, ConnectRefused):
            self._namespace.event_failed(token, "connect", error)
            error = ConnectRefused(message="Internal error")
        self._namespace.refuse(token, error)

    def describe(self, token: Socket) -> str:
        return f"the handler of 'connect' in {self._namespace.name}"


def push_refusal(session: Session, namespace: str, message: str, data: Any = None) -> None:
    """Tell a client that it may not enter a namespace."""
    session.push(Prepared(session.generation.socketio.encode_connect_error(namespace, message, data)))


def _ids(except_: Except) -> list[Room]:
    """Name the excepted for other nodes."""
    names: Iterable[Room | Socket] = (except_,) if isinstance(except_, str | int | Socket) else except_ or ()
    return [name.id if isinstance(name, Socket) else name for name in names]
