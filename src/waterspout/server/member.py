"""What rooms hold: a `Member` has an id, and takes what is prepared for its generation.

How it works: rooms, fan-out, calls, connecting and dispatch know members, and not what users see of them. A
`SocketMember` is the member of one client in one namespace, and its `Socket` is what handlers get. Users derive from
Socket, so that has one private name of ours: `_member`. All state is here, under names that users cannot replace.

Member and socket refer to each other while the client is here. When it has left, the socket is given a copy of its
member that does not refer to it (`separate` in socket.py). So both are freed without the garbage collector, and an
event that is still being handled keeps the old member, with the socket that `on_error` is called with.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..engine import Driver, Pending, Prepared, Session
from ..errors import SocketClosed
from ..types import Reason
from ..wire.generations import Generation
from ..wire.packets import Event
from .access import Access
from .acks import Acks, Settle, too_many
from .dispatch import ANSWERS, IN_ORDER, EventQueue, dispatch
from .handlers import ON_DISCONNECT
from .life import CONNECTED, CONNECTING, GONE, EarlyTraffic, Life
from .rooms import Room

if TYPE_CHECKING:
    from .channel import Channel
    from .namespace import Namespace
    from .readers import SocketReader
    from .socket import Socket


class Member:
    """Whoever can be in the rooms of a namespace, from `Namespace.admit` until `Namespace.part`.

    One that has a `session` is sent to there; one without derives from this class, and has a `push` of its own.
    `rooms` are those that it has joined, None before the first; they are kept when it has left.
    """

    __slots__ = ("generation", "id", "life", "namespace", "rooms")

    session: Session | None = None
    socket: "Socket | None" = None

    def __init__(self, id: str, generation: Generation, namespace: "Namespace[Any]") -> None:
        self.id = id
        self.generation = generation
        self.namespace = namespace
        self.life: Life = CONNECTING
        self.rooms: dict[Room, None] | None = None

    @property
    def driver(self) -> Driver:
        """The driver of the server."""
        return self.namespace.engine.driver

    def push(self, prepared: Prepared) -> None:
        """Queue what is sent to this member. Nothing else may happen meanwhile: a fan-out is under way."""
        raise NotImplementedError

    def join(self, rooms: Iterable[Room]) -> Pending[None]:
        """Enter rooms, when the member has been admitted; ValueError for another member's id."""
        namespace = self.namespace
        if self.life is GONE:
            return namespace.cluster.done
        for room in rooms:
            namespace.rooms.check(room, self)
        if self.rooms is None:
            self.rooms = {}
        for room in rooms:
            if room == self.id:
                continue  # it is reached by its id in any case, and that is no room
            if self.life is CONNECTED:
                namespace.rooms.join(room, self)
            self.rooms[room] = None
        return namespace.cluster.subscribed

    def leave(self, rooms: Iterable[Room]) -> Pending[None]:
        """Leave rooms."""
        for room in rooms:
            if self.rooms is not None and self.rooms.pop(room, self) is None:
                self.namespace.rooms.leave(room, self)
        return self.namespace.cluster.done

    def expect(self, ack_id: int, event: str, settle: Settle, timeout: float) -> bool:
        """Wait for an acknowledgement; settle with an error, and return False, where none can come."""
        settle(None, SocketClosed(f"{event!r} was not sent: this member answers nothing"))
        return False

    def disconnect(self, close: bool = False) -> None:
        """Leave the namespace; with `close`, end the whole connection."""
        self.namespace.part(self, Reason.SERVER_DISCONNECT)

    def end(self) -> bool:
        """Called by the namespace: be gone; return whether the member had been admitted."""
        admitted, self.life = self.life is CONNECTED, GONE
        return admitted

    def left(self, reason: Reason) -> None:
        """Called by the namespace when a member that had been admitted is out."""


class SocketMember(Member):
    """One client in one namespace: it sends events, answers calls, and is connecting before it is admitted."""

    __slots__ = ("access", "acks", "channels", "early", "queue", "session", "socket")

    session: Session
    socket: "Socket"

    def __init__(self, id: str, session: Session, namespace: "Namespace[Any]") -> None:
        super().__init__(id, session.generation, namespace)
        self.session = session
        self.access: Access | None = None
        self.acks: Acks | None = None
        self.early: EarlyTraffic | None = EarlyTraffic(session)
        self.queue: EventQueue | None = None
        self.channels: dict[Channel, SocketReader] | None = None

    def push(self, prepared: Prepared) -> None:
        """Queue what is sent to this client alone; while it is connecting, behind the acceptance."""
        if self.life is CONNECTED:
            self.session.push(prepared)
        elif self.early is not None:
            self.early.output.append(prepared)

    def accepted(self) -> None:
        """Flush what was emitted while connecting, then deliver the client's early events."""
        early, self.early = self.early, None
        assert early is not None
        for prepared in early.output:
            self.session.push(prepared)
        if early.is_leaving:
            self.disconnect()
        for reader in tuple((self.channels or {}).values()):
            reader.go_on()
        for packet in early.events():
            self.receive(packet)
        early.end()

    def receive(self, packet: Event) -> None:
        """Receive an event of the client."""
        if self.life is CONNECTED:
            namespace, args = self.namespace, packet.args
            handler = namespace._handlers.events.get(packet.name)
            if handler is not None and (count := handler.plain) == len(args):
                # nearly all have one argument, and a star takes as long as the rest of this
                taken = (self.socket, args[0]) if count == 1 else (self.socket, *args)
                if not handler.ordered:
                    namespace.engine.driver.run(handler.function, taken, ANSWERS, (self, packet))
                elif self.queue is None:
                    namespace.engine.driver.run(handler.function, taken, IN_ORDER, (self, packet))
                else:
                    dispatch(self, packet, handler)
            else:
                dispatch(self, packet, handler)
        elif self.early is not None:
            self.early.keep(packet)

    def acknowledged(self, ack_id: int, args: list[Any]) -> None:
        """Receive an acknowledgement of the client."""
        if self.acks is not None:
            self.acks.answer(ack_id, args)

    def part(self, reason: Reason) -> None:
        """Disconnect: the client has left the namespace, or its session has ended."""
        self.namespace.part(self, reason)

    def call(self, ack_id: int, event: str, prepared: Prepared, timeout: float, settle: Settle) -> None:
        """Send an event, and wait for its acknowledgement."""
        if self.life is GONE:
            settle(None, SocketClosed(f"the client has left: {event!r} was not sent"))
        elif self.expect(ack_id, event, settle, timeout):
            self.push(prepared)

    def expect(self, ack_id: int, event: str, settle: Settle, timeout: float) -> bool:
        """Wait for an acknowledgement, unless the client has `max_pending_acks` open already."""
        most = self.namespace.limits.max_pending_acks
        if self.acks is None:
            self.acks = Acks(self.session)
        elif len(self.acks) >= most:
            settle(None, too_many(most, event))
            return False
        self.acks.expect(ack_id, event, settle, now=self.driver.now(), timeout=timeout)
        return True

    def permit(self, events: Iterable[str] | None, allowed: bool) -> None:
        """Allow the client events or deny them; None means all. An event that is handled already goes on."""
        if self.access is None:
            if allowed or self.life is GONE:
                return
            self.access = Access(allowed=True)
            self.namespace._handlers.guard()
        self.access.set(events, allowed)

    def disconnect(self, close: bool = False) -> None:
        """Make the client leave the namespace, when it has been admitted; with `close`, end its whole connection."""
        if close:
            self._close()
        elif self.early is not None:
            self.early.is_leaving = True
        elif self.life is CONNECTED:
            with self.namespace.engine.turn:
                self.namespace.part(self, Reason.SERVER_DISCONNECT)
                self.session.dialect.let_go(self.session, self.namespace.name)

    def end(self) -> bool:
        """Drop what waits, reject open calls, and be gone; return whether the client had been accepted."""
        self.session.data[self.namespace.name] = None
        if self.early is not None:
            self.early.end()
            self.early = None
        if self.queue is not None:
            self.queue.drop()
        if self.acks is not None:
            self.namespace.engine.turn.add(self.acks.close)
        for channel in tuple(self.channels or ()):
            channel.unsubscribe(self)
        return super().end()

    def left(self, reason: Reason) -> None:
        """Log it, and call the disconnect handler after what is running now."""
        self.namespace.note("session %s... has left %a", self)
        self.namespace.hooks.tell(ON_DISCONNECT, self, reason)

    def remnant(self) -> "SocketMember":
        """Return what the socket of a client that has left goes on with."""
        gone = SocketMember(self.id, self.session, self.namespace)
        gone.life, gone.early, gone.rooms = GONE, None, self.rooms
        return gone

    def _close(self) -> None:
        with self.namespace.engine.turn:  # else an old client, which is nothing without "/", is gone in the middle
            for member in tuple(self.session.data.values()):
                if member is not None:
                    member.disconnect()
            self.session.close(self.session.dialect.no_connect)
