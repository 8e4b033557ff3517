"""One client in one namespace."""

from typing import Any

from ..engine import Pending, done_on_core, on_core
from ..engine.options import check_number
from ..types import Request
from .channel import Channel
from .classes import check_class
from .fanout import delivery, prepare
from .handlers import check_event, check_name
from .life import CONNECTED, GONE, EarlyAnswer
from .member import SocketMember
from .rooms import Except, Room, Target, audience, check_rooms


class Socket:
    """One client in one namespace, made by the server; or the base of a class whose objects are that.

    `id` is public: others may know it, and `to=id` reaches this client alone. (Clients of Socket.IO 0.7 to 2.x
    take their session's id for it, which is a secret: do not tell others theirs.) Every method may be
    called from any thread; what is sent to a client that has left is dropped, and it joins no room.

    A class of one's own has `on_connect(self, auth)`, `on_disconnect(self, reason)`, `on_error(self, event,
    error)` and methods decorated with `event`, and is given to `Server.register`. TypeError for one that
    would replace a method of this class.
    """

    __slots__ = ("__weakref__", "_data", "_member", "id")

    id: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_class(cls, Socket)

    def __init__(self, member: SocketMember) -> None:
        self.id = member.id
        self._data: dict[str, Any] | None = None
        self._member = member

    def __repr__(self) -> str:
        secret = self._member.session.id  # which clients of 0.7 to 2.x take for the socket's
        named = f"{secret[:4]}..." if secret in self.id else self.id
        return f"<Socket {named} in {self.namespace}, {self._member.life.value}>"

    @property
    def namespace(self) -> str:
        """The namespace's name."""
        return self._member.namespace.name

    @property
    def connected(self) -> bool:
        """Whether the connect handler has accepted, and nobody has left since."""
        return self._member.life is CONNECTED

    @property
    def gone(self) -> bool:
        """Whether the client was refused or has left."""
        return self._member.life is GONE

    @property
    def transport(self) -> str:
        """What carries the connection now: "polling", "websocket", or for clients of 0.7 to 0.9 a name of theirs."""
        return self._member.session.transport.name

    @property
    def generation(self) -> str:
        """What the client speaks: "Engine.IO 3" or "4", "Socket.IO 1" (0.7 to 0.9), or "WebSocket" (a plain one)."""
        return self._member.generation.name

    @property
    def data(self) -> dict[str, Any]:
        """A dictionary for the user's own things."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def rooms(self) -> frozenset[Room]:
        """The rooms that this socket has joined; a disconnect handler still sees them."""
        return frozenset(self._member.rooms or ())

    @property
    def request(self) -> Request:
        """The request that opened the connection."""
        return self._member.session.request

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
        member = self._member
        namespace = member.namespace
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        prepared = prepare(member.generation, namespace.name, event, args, None, how)
        driver = namespace.engine.driver
        if driver.foreign():  # `on_core`, spelt out: its call and its stars are a tenth of an emit
            driver.soon(member.push, prepared)
        else:
            member.push(prepared)

    def subscribe(self, channel: Channel, last_event_id: str | None = None, *, greet: bool = True) -> Pending[str]:
        """Send what a channel publishes to this client, as events that bear the channel's name: `(data, id)`.

        A message with a name has it as a third argument. From `last_event_id` on, the client gets exactly what it has
        missed, in order and once; where that is not kept any more, it gets the event "stream-reset" with a dictionary
        of `channel`, `reason` ("expired", "epoch", "future" or "unknown") and the `id` from which the stream goes on.
        "earliest" is all that is kept. "stream-end" with `channel`, `id` and perhaps `data` is the end of the channel.

        The result is the id from which the stream begins: a client that has it can come back before its first message.
        A second subscription to the same channel takes the place of the first. `greet`: of a channel with
        `delivery="latest"` the client gets the current value at once. Which channels a client may name is yours to
        decide: TypeError for a name.
        """
        subscribe = _channel(channel).subscribe
        return done_on_core(self._member.driver, lambda: subscribe(self._member, last_event_id, greet=greet))

    def unsubscribe(self, channel: Channel) -> None:
        """Send what the channel publishes no longer; nothing happens if this socket has not subscribed."""
        on_core(self._member.driver, _channel(channel).unsubscribe, self._member)

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
        self._member.namespace.send(event, args, audience(to, except_).without(self.id), how)

    def join(self, *rooms: Room) -> Pending[None]:
        """Enter rooms. ValueError for another socket's id, which is no room to enter; the own id changes nothing.

        It is done at once, and the result need not be awaited. `await socket.join(...)` is for several nodes: what the
        others send to the room from then on reaches this client. From another thread, `wait()` waits until it is done.
        """
        check_rooms(rooms)
        return done_on_core(self._member.driver, self._member.join, rooms)

    def leave(self, *rooms: Room) -> Pending[None]:
        """Leave rooms; nothing happens where this socket is not in one. The result is that of `join`."""
        check_rooms(rooms)
        return done_on_core(self._member.driver, self._member.leave, rooms)

    def call(self, event: str, *args: Any, timeout: float = 60.0) -> Pending[Any]:
        """Send an event and wait for the client's acknowledgement: `await socket.call(...)`.

        The result is None, a value, or a tuple: the mirror of what a handler returns. AckTimeout after
        `timeout` seconds, SocketClosed if the client leaves first, TypeError for what JSON cannot carry. A connect
        handler cannot wait for it (RuntimeError): what it sends leaves when it has accepted the client.
        """
        check_name(event)
        check_number("timeout", timeout)
        member = self._member
        early, namespace = member.early, member.namespace
        driver, log = namespace.engine.driver, namespace.engine.log
        pending: Pending[Any] = Pending(driver, log) if early is None else EarlyAnswer(driver, log, early, event)
        ack_id = namespace.next_ack_id()
        try:
            prepared = prepare(member.generation, namespace.name, event, args, ack_id)
        except TypeError as error:
            on_core(driver, pending.settle, None, error)
        else:
            on_core(driver, member.call, ack_id, event, prepared, timeout, pending.settle)
        return pending

    def allow(self, *events: str) -> None:
        """Let the client send these events, also if they are registered later; in a closed namespace no other.

        What it may not send is refused before any step and handler, in the words for an event that does not exist: the
        acknowledgement is `{"error": {"message": "Unknown event"}}`, and `on_error` gets an `EventDenied`. An event is
        checked when it is delivered, which is after the connect handler, and an ordered one again at its turn.
        ValueError or TypeError for what cannot be the name of an event.
        """
        _permit(self, events, True)

    def deny(self, *events: str) -> None:
        """Let the client send these events no longer. In an open namespace it may still send all others.

        Nothing happens for those that it may not send in any case. A handler that is running goes on. Errors as in
        `allow`.
        """
        _permit(self, events, False)

    def allow_all(self) -> None:
        """Let the client send all events, also those that are registered later; `deny` makes exceptions."""
        _permit(self, None, True)

    def deny_all(self) -> None:
        """Let the client send no event; `allow` makes exceptions."""
        _permit(self, None, False)

    def disconnect(self, close: bool = False) -> None:
        """Make the client leave this namespace; with `close`, end its whole connection."""
        on_core(self._member.driver, self._member.disconnect, close)


def separate(socket: Socket) -> None:
    """Give a socket that has left a copy of its member, which does not refer to it; see member.py."""
    socket._member = socket._member.remnant()


def _channel(channel: Channel) -> Channel:
    """Raise TypeError for what is no channel."""
    if not isinstance(channel, Channel):
        raise TypeError(f"{channel!r} is not a channel: give what server.channel(name) returns")
    return channel


def _permit(socket: Socket, events: tuple[str, ...] | None, allowed: bool) -> None:
    """Allow a socket events or deny them; None means all."""
    for event in events or ():
        check_event(event)
    on_core(socket._member.driver, socket._member.permit, events, allowed)
