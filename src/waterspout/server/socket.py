"""One client in one namespace."""

from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any

from ..engine import FORCED_BY_SERVER, Driver, Pending, Prepared, Session, done_on_core, on_core
from ..errors import SocketClosed
from ..types import Reason, Request
from ..wire.packets import Event
from .acks import Acks, Answerable, too_many
from .classes import check_class
from .dispatch import ANSWERS, EventQueue, dispatch
from .fanout import delivery, prepare
from .handlers import check_name
from .life import CONNECTED, CONNECTING, GONE, EarlyAnswer, EarlyTraffic, Life
from .rooms import Except, Room, Target, audience, check_rooms

if TYPE_CHECKING:
    from .namespace import Namespace


class Socket:
    """One client in one namespace, made by the server; or the base of a class whose objects are that.

    `id` is public: others may know it, and `to=id` reaches this client alone. (Clients of Socket.IO 0.7 to 2.x
    take their session's id for it, which is a secret: do not tell others theirs.) Every method may be
    called from any thread; what is sent to a client that has left is dropped, and it joins no room.

    A class of one's own has `on_connect(self, auth)`, `on_disconnect(self, reason)`, `on_error(self, event,
    error)` and methods decorated with `event`, and is given to `Server.register`. TypeError for one that
    would replace a method of this class.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_data",
        "_early",
        "_leaving",
        "_life",
        "_namespace",
        "_queue",
        "_rooms",
        "_session",
        "id",
    )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_class(cls, Socket)

    def __init__(self, id: str, session: Session, namespace: "Namespace[Any]") -> None:
        self.id = id
        self._session = session
        self._namespace = namespace
        self._life: Life = CONNECTING
        self._rooms: dict[Room, None] | None = None
        self._acks: Acks | None = None
        self._data: dict[str, Any] | None = None
        self._early: EarlyTraffic | None = EarlyTraffic(session)
        self._queue: EventQueue | None = None
        self._leaving = False

    def __repr__(self) -> str:
        secret = self._session.id  # which clients of 0.7 to 2.x take for the socket's
        named = f"{secret[:4]}..." if secret in self.id else self.id
        return f"<Socket {named} in {self.namespace}, {self._life.value}>"

    @property
    def namespace(self) -> str:
        """The namespace's name."""
        return self._namespace.name

    @property
    def connected(self) -> bool:
        """Whether the connect handler has accepted, and nobody has left since."""
        return self._life is CONNECTED

    @property
    def gone(self) -> bool:
        """Whether the client was refused or has left."""
        return self._life is GONE

    @property
    def transport(self) -> str:
        """What carries the connection now: "polling", "websocket", or for clients of 0.7 to 0.9 a name of theirs."""
        return self._session.transport.name

    @property
    def generation(self) -> str:
        """What the client speaks: "Engine.IO 3", "Engine.IO 4", or "Socket.IO 1" for clients of 0.7 to 0.9."""
        return self._session.generation.name

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
        return self._session.request

    def emit(
        self, event: str, *args: Any, volatile: bool = False, compress: bool = True, latest: str | None = None
    ) -> None:
        """Send an event to this client.

        `volatile`: it is dropped if others wait for the client already. `latest`: while it waits, a newer one
        with the same key takes its place. `compress=False`: it is not compressed, where others are.
        TypeError, naming type and event, for what JSON cannot carry; bytes become attachments, sets and tuples
        lists, and NaN null. There is nothing to await: it is on its way, or dropped.
        """
        check_name(event)
        namespace = self._namespace
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        prepared = prepare(self._session.generation, namespace.name, event, args, None, how)
        driver = namespace.engine.driver
        if driver.foreign():  # `on_core`, spelt out: its call and its stars are a tenth of an emit
            driver.soon(self._push, prepared)
        else:
            self._push(prepared)

    def broadcast(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        volatile: bool = False,
        compress: bool = True,
        latest: str | None = None,
    ) -> None:
        """Send an event to everybody else: in these rooms, or without `to` in the namespace; see `emit`."""
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        self._namespace.send(event, args, audience(to, except_).without(self), how)

    def join(self, *rooms: Room) -> Pending[None]:
        """Enter rooms. ValueError for another socket's id, which is no room to enter; the own id changes nothing.

        It is done at once, and the result need not be awaited. `await socket.join(...)` is for several nodes: what the
        others send to the room from then on reaches this client. From another thread, `wait()` waits until it is done.
        """
        check_rooms(rooms)
        return done_on_core(self._driver, self._join, rooms)

    def leave(self, *rooms: Room) -> Pending[None]:
        """Leave rooms; nothing happens where this socket is not in one. The result is that of `join`."""
        check_rooms(rooms)
        return done_on_core(self._driver, self._leave, rooms)

    def call(self, event: str, *args: Any, timeout: float = 60.0) -> Pending[Any]:
        """Send an event and wait for the client's acknowledgement: `await socket.call(...)`.

        The result is None, a value, or a tuple: the mirror of what a handler returns. AckTimeout after
        `timeout` seconds, SocketClosed if the client leaves first, TypeError for what JSON cannot carry. A connect
        handler cannot wait for it (RuntimeError): what it sends leaves when it has accepted the client.
        """
        check_name(event)
        check_timeout(timeout)
        driver, early = self._driver, self._early
        pending: Pending[Any] = Pending(driver) if early is None else EarlyAnswer(driver, early, event)
        ack_id = self._namespace.next_ack_id()
        try:
            prepared = prepare(self._session.generation, self.namespace, event, args, ack_id)
        except TypeError as error:
            on_core(self._driver, pending.reject, error)
        else:
            on_core(self._driver, self._call, ack_id, event, prepared, timeout, pending)
        return pending

    def disconnect(self, close: bool = False) -> None:
        """Make the client leave this namespace; with `close`, end its whole connection."""
        on_core(self._driver, self._disconnect, close)

    # What the server calls

    def _accept(self) -> None:
        """Accept: flush what was emitted while connecting, then deliver the client's early events."""
        early, self._early = self._early, None
        assert early is not None
        self._life = CONNECTED
        for room in self._rooms or ():
            self._namespace.rooms.join(room, self)
        for prepared in early.output:
            self._session.push(prepared)
        if self._leaving:
            self._disconnect(False)
        for packet in early.events():
            self._receive(packet)
        early.end()

    def _receive(self, packet: Event) -> None:
        """Receive an event of the client."""
        if self._life is CONNECTED:
            namespace, args = self._namespace, packet.args
            handler = namespace._handlers.events.get(packet.name)
            if handler is not None and (count := handler.plain) == len(args):
                # nearly all have one argument, and a star takes as long as the rest of this
                taken = (self, args[0]) if count == 1 else (self, *args)
                namespace.engine.driver.run(handler.function, taken, ANSWERS, (self, packet))
            else:
                dispatch(self, packet, handler)
        elif self._early is not None:
            self._early.keep(packet)

    def _acknowledged(self, ack_id: int, args: list[Any]) -> None:
        """Receive an acknowledgement of the client."""
        if self._acks is not None:
            self._acks.answer(ack_id, args)

    def _end(self) -> bool:
        """Mark the end; return whether the socket had been accepted."""
        accepted = self._life is CONNECTED
        if self._early is not None:
            self._early.end()
        self._life, self._early = GONE, None
        if self._queue is not None:
            self._queue.drop()
        if self._acks is not None:
            self._namespace.engine.turn.add(self._acks.close)
        return accepted

    def _part(self, reason: Reason) -> None:
        """Disconnect: the client has left the namespace, or its session has ended."""
        self._namespace.part(self, reason)

    def _spend(self, per_second: float) -> bool:
        """Count an event against the rate limit of the connection; False if there were too many."""
        spent: bool = self._session.data.spend(per_second, self._driver.now())
        return spent

    def _expect(self, ack_id: int, event: str, asker: Answerable, timeout: float) -> bool:
        """Wait for an acknowledgement; reject, and return False, if the client has `max_pending_acks` open already."""
        most = self._namespace.limits.max_pending_acks
        if self._acks is None:
            self._acks = Acks(self._session)
        elif len(self._acks) >= most:
            asker.reject(too_many(most, event))
            return False
        self._acks.expect(ack_id, event, asker, now=self._driver.now(), timeout=timeout)
        return True

    # Below this line: how it is done

    @property
    def _driver(self) -> Driver:
        return self._namespace.engine.driver

    def _push(self, prepared: Prepared) -> None:
        if self._life is CONNECTED:
            self._session.push(prepared)
        elif self._early is not None:
            self._early.output.append(prepared)

    def _join(self, rooms: Iterable[Room]) -> Pending[None]:
        if self._life is GONE:
            return self._namespace.cluster.done
        for room in rooms:
            self._namespace.rooms.check(room, self)
        if self._rooms is None:
            self._rooms = {}
        for room in rooms:
            if room == self.id:
                continue  # it is reached by its id in any case, and that is no room
            if self._life is CONNECTED:
                self._namespace.rooms.join(room, self)
            self._rooms[room] = None
        return self._namespace.cluster.subscribed

    def _leave(self, rooms: Iterable[Room]) -> Pending[None]:
        for room in rooms:
            if self._rooms is not None and self._rooms.pop(room, self) is None:
                self._namespace.rooms.leave(room, self)
        return self._namespace.cluster.done

    def _call(self, ack_id: int, event: str, prepared: Prepared, timeout: float, asker: Answerable) -> None:
        if self._life is GONE:
            asker.reject(SocketClosed(f"the client has left: {event!r} was not sent"))
        elif self._expect(ack_id, event, asker, timeout):
            self._push(prepared)

    def _disconnect(self, close: bool) -> None:
        if close:
            self._disconnect_all()
        elif self._life is CONNECTING:
            self._leaving = True
        elif self._life is CONNECTED:
            with self._namespace.engine.turn:
                self._namespace.part(self, Reason.SERVER_DISCONNECT)
                self._session.let_go(self.namespace)

    def _disconnect_all(self) -> None:
        with self._namespace.engine.turn:  # else an old client, which is nothing without "/", is gone in the middle
            for socket in tuple(self._session.data.values()):
                if socket is not None:
                    socket.disconnect()
            self._session.close(FORCED_BY_SERVER)


def check_timeout(timeout: float) -> None:
    """Refuse what is no number of seconds."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout is {timeout!r}: give a number of seconds above 0")
    if not 0 < timeout < inf:
        raise ValueError(f"timeout is {timeout!r}: give a number of seconds above 0")
