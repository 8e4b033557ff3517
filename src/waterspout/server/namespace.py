"""One namespace: how sockets enter and leave it, its rooms, and what is done to many sockets."""

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, cast

from ..engine import Engine, Layer, Level, Pending, Prepared, Session, done_on_core, on_core
from ..engine.options import check_number
from ..errors import ConnectRefused
from ..types import Reason
from ..wire.generations import Generation
from ..wire.places import find_fault
from . import inquiries
from .access import Access
from .acks import Replies, ReplyCollector
from .cluster import BusDisconnect, Cluster, Join, Leave
from .decorators import Events
from .dispatch import shorten, words
from .entrance import Auth, ConnectSteps
from .fanout import Delivery, Fanout, delivery, prepare
from .handlers import Handlers, check_name
from .hooks import Hooks
from .inquiries import Headcount
from .life import CONNECTED
from .limits import Limits
from .member import Member, SocketMember
from .presence import Presence
from .rooms import Audience, Except, Room, Rooms, Target, audience, check_rooms
from .socket import Socket, separate

# The class of a namespace's sockets. The default makes `Namespace` mean Namespace[Socket]; Python has it since 3.13.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from .namespaces import DynamicNamespace

    Kind = TypeVar("Kind", bound=Socket, default=Socket, covariant=True)  # noqa: PLC0105  (it is in signatures to read)
else:
    from typing import TypeVar

    Kind = TypeVar("Kind", bound=Socket, covariant=True)  # noqa: PLC0105

_SERVER, _DEBUG = Layer.SERVER, Level.DEBUG  # see life.py
_LONGEST_NAME = 1000  # characters; a client that names a dynamic namespace chooses it


class Namespace(Events, Generic[Kind]):
    """A part of the server that clients enter by its name, with handlers and rooms of its own.

    For a type checker it is a `Namespace[Socket]`, or of the class that `Server.register` was given.

    Every verb may be called from any thread. `to` and `except_` take a room, a socket or its id, or
    several of them; without `to` all clients of the namespace are meant.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        cluster: Cluster,
        *,
        handlers: Handlers,
        limits: Limits,
        family: "DynamicNamespace[Any] | None" = None,
    ) -> None:
        check_namespace(name)
        self.name = name
        self.engine = engine
        self.limits = limits
        self.rooms = Rooms()
        self.hooks = Hooks(name, engine, handlers)
        self._handlers = handlers
        self._fanout = Fanout(engine.turn, engine.policy.generations)
        self.cluster = cluster
        self._ack_ids = count(1)
        self._family = family

    @property
    def has_clients(self) -> bool:
        """Whether a client is here, or on its way in."""
        return not self.rooms.is_deserted

    @property
    def asks(self) -> bool:
        """Whether anything is asked about a client that wants to enter."""
        return bool(self._handlers.connect is not None or self._handlers.steps)

    # What a user calls

    def emit(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        volatile: bool = False,
        compress: bool = True,
        latest: str | None = None,
    ) -> None:
        """Send an event to all clients of the namespace, or of some rooms.

        `volatile`: it is dropped for clients for whom others wait already. `latest`: while it waits, a newer
        one with the same key takes its place. `compress=False`: it is not compressed, where others are.
        TypeError, before anything is sent, for what JSON cannot carry. With an adapter AdapterError, before anything
        is sent, for an event that is too large for it, and while the broker is lost and too much waits for it.
        """
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        self.send(event, args, audience(to, except_), how)

    def call(
        self, event: str, *args: Any, to: Target = None, except_: Except = None, timeout: float = 60.0
    ) -> Pending[Replies]:
        """Ask many clients and wait for their acknowledgements: `Replies(answers, missing, missing_nodes)`.

        A client that leaves, does not answer within `timeout` seconds, or owes too many answers, is missing; it never
        raises AckTimeout. With an adapter the clients of all nodes are asked, and a node that does not answer within
        half a second more is one of `missing_nodes`. TypeError for what JSON cannot carry, and AdapterError for what
        is too large for the adapter.
        """
        check_name(event)
        check_number("timeout", timeout)
        return inquiries.call(self, event, args, audience(to, except_), timeout)

    def sockets(self, *, to: Target = None, except_: Except = None) -> list[Kind]:
        """Return the clients that are here, on this node, now."""
        return cast(list[Kind], self.sockets_here(audience(to, except_)))

    def fetch_sockets(self, *, to: Target = None, except_: Except = None, timeout: float = 5.0) -> Pending[Presence]:
        """Ask all nodes who is there, as values: `Presence(sockets, missing)`.

        `missing` are the names of the nodes that did not answer within `timeout` seconds; it never fails because of
        them. Of clients of other nodes, `data` has what JSON can carry; what else is in it is left out.
        """
        check_number("timeout", timeout)
        return inquiries.fetch_sockets(self, audience(to, except_), timeout)

    def fetch_count(self, *, to: Target = None, except_: Except = None, timeout: float = 5.0) -> Pending[Headcount]:
        """Ask all nodes how many clients there are: `Headcount(sockets, missing)`, with `missing` as above."""
        check_number("timeout", timeout)
        return inquiries.fetch_count(self, audience(to, except_), timeout)

    def join(self, *rooms: Room, to: Target = None, except_: Except = None) -> Pending[None]:
        """Make clients join rooms, on all nodes. ValueError for a socket's id, which is no room to enter.

        On this node it is done at once, and the result need not be awaited. With an adapter it is done when the other
        nodes have done it: what any node emits to these rooms from then on reaches all these clients. It waits at most
        5 s for a node that does not answer. AdapterError, before anybody has joined, while the broker is lost and too
        much waits for it.
        """
        check_rooms(rooms)
        message = Join(list(rooms), self.cluster.number(), namespace=self.name)
        return done_on_core(self.engine.driver, self._apply_everywhere, message, audience(to, except_))

    def leave(self, *rooms: Room, to: Target = None, except_: Except = None) -> Pending[None]:
        """Make clients leave rooms, on all nodes. The result is that of `join`."""
        check_rooms(rooms)
        message = Leave(list(rooms), self.cluster.number(), namespace=self.name)
        return done_on_core(self.engine.driver, self._apply_everywhere, message, audience(to, except_))

    def close_room(self, room: Room) -> Pending[None]:
        """Make all clients leave a room, on all nodes. The result is that of `join`."""
        return self.leave(room, to=room)

    def disconnect(self, *, to: Target = None, except_: Except = None, close: bool = False) -> None:
        """Make clients leave the namespace, on all nodes; with `close`, end their whole connections."""
        message, whom = BusDisconnect(close, namespace=self.name), audience(to, except_)
        on_core(self.engine.driver, self._disconnect_everywhere, message, whom)

    # What the server and its sockets call

    def send(self, event: str, args: Sequence[Any], whom: Audience, how: Delivery) -> None:
        """Send an event to clients of all nodes; TypeError or AdapterError before anything is queued."""
        check_name(event)
        message = self.cluster.prepare(self.name, event, args, whom, how)
        if self.engine.driver.foreign():  # encoded now: the values may be others when the core gets to it
            forms = {row: prepare(row, self.name, event, args, how=how) for row in tuple(self._fanout.spoken)}
            self.engine.driver.soon(self._send_prepared, whom, forms, message)
        else:
            self.deliver(event, args, whom, how)
            self.cluster.publish(message)

    def deliver(self, event: str, args: Sequence[Any], whom: Audience, how: Delivery) -> None:
        """Send an event to the clients of this node; TypeError before anything is queued."""
        members = self.rooms.select(whom)
        if members:
            forms = {row: prepare(row, self.name, event, args, how=how) for row in self._fanout.rows(members)}
            self._fanout.push(members, forms)
        else:
            prepare(self.engine.policy.generations[0], self.name, event, args)  # nobody there hides no TypeError

    def call_here(self, event: str, args: Sequence[Any], whom: Audience, timeout: float) -> Pending[Replies]:
        """Ask clients of this node; TypeError before anything is queued."""
        ack_id = next(self._ack_ids)
        forms = {row: prepare(row, self.name, event, args, ack_id) for row in tuple(self._fanout.spoken)}
        pending: Pending[Replies] = Pending(self.engine.driver, self.engine.log)

        def ask() -> None:
            members = [member for member in self.rooms.select(whom) if member.generation in forms]  # others came later
            collector = ReplyCollector([member.id for member in members], pending)
            with self.engine.turn:
                for member in members:
                    if member.expect(ack_id, event, partial(collector.settle, member.id), timeout):
                        member.push(forms[member.generation])

        on_core(self.engine.driver, ask)
        return pending

    def sockets_here(self, whom: Audience) -> list[Socket]:
        """Return the sockets of this node."""
        members = list(self.rooms.select(whom))  # in one step, for threads
        return [member.socket for member in members if member.socket is not None]

    def count_here(self, whom: Audience) -> int:
        """Count the sockets of this node."""
        return len(self.sockets_here(whom))

    def apply(self, message: Join | Leave | BusDisconnect, whom: Audience) -> None:
        """Apply a message to the clients of this node, whether it comes from here or from another node."""
        members = list(self.rooms.select(whom))
        if isinstance(message, Join):
            for member in members:  # before anybody has moved
                for room in message.rooms:
                    self.rooms.check(room, member)
        with self.engine.turn:
            for member in members:
                match message:
                    case Join():
                        member.join(message.rooms)
                    case Leave():
                        member.leave(message.rooms)
                    case BusDisconnect():
                        member.disconnect(message.close)

    def open(self, session: Session, auth: Auth) -> None:
        """Make member and socket of a connecting client, and run the steps and the connect handler."""
        member = SocketMember(session.dialect.socket_id(session, self.name), session, self)
        member.socket = (self._handlers.kind or Socket)(member)
        if self._handlers.closed:
            member.access = Access(allowed=False)
        session.data[self.name] = member
        self.rooms.expect(member.id)
        self._show_family()
        steps = list(self._handlers.steps)
        if self._handlers.connect is not None:
            steps.append(self._handlers.connect)
        if steps:
            ConnectSteps(steps, member, auth).ask()
        else:
            self.accept(member)

    def accept(self, member: SocketMember) -> None:
        """Accept a client, unless it has disconnected meanwhile."""
        session = member.session
        if session.data.get(self.name) is not member:
            return
        self.note("session %s... has entered %a", member)
        self.admit(member)
        session.connected()
        session.push(Prepared(*session.generation.socketio.encode_connect(self.name, member.id)))
        member.accepted()

    def refuse(self, member: SocketMember, refusal: ConnectRefused, *, failed: bool = False) -> None:
        """Refuse a client with a connect error; `failed`: because a handler has failed."""
        session = member.session
        if session.data.get(self.name) is not member:
            return
        self.note("session %s... was refused by %a", member)
        self._dismiss(member)
        try:
            push_refusal(session, self.name, refusal.message, refusal.data)
        except Exception as error:  # also what a user's own type raises while it is encoded
            place = find_fault(refusal.data, "data")
            self.hooks.event_failed(member, "connect", TypeError(f"the refusal cannot be sent: {words(error)}{place}"))
            push_refusal(session, self.name, "Internal error")
        self._show_family()
        session.dialect.keep_out(session, self.name, failed=failed)

    def admit(self, member: Member) -> None:
        """Add a member: from now on it gets what is sent to the namespace, and to the rooms that it has joined."""
        member.life = CONNECTED
        self.rooms.admit(member)
        self._fanout.count(member, 1)
        self._show_family()
        for room in member.rooms or ():
            self.rooms.join(room, member)

    def part(self, member: Member, reason: Reason) -> None:
        """Remove a member from the namespace and its rooms; its disconnect handler runs after what is running now."""
        with self.engine.turn:
            if self._dismiss(member):
                for room in member.rooms or ():
                    self.rooms.leave(room, member)
                self._fanout.count(member, -1)
                member.left(reason)
            self._show_family()

    def part_sessionless(self) -> None:
        """Remove the members that are not told by a session that the server is closed."""
        for member in tuple(self.rooms.by_id.values()):
            if member.session is None:
                self.part(member, Reason.SHUTDOWN)

    def next_ack_id(self) -> int:
        """Return the id of a new call: one counter, so that a call to a room is one frame."""
        return next(self._ack_ids)

    def note(self, text: str, member: SocketMember) -> None:
        """Log what a client does, with the first characters of its session's id, which is a secret."""
        self.engine.log.note(_SERVER, _DEBUG, text, member.session.id[:4], shorten(self.name))

    # Below this line: how it is done

    def _dismiss(self, member: Member) -> bool:
        admitted = member.end()
        self.rooms.dismiss(member.id)
        if member.socket is not None:
            separate(member.socket)
        return admitted

    def _send_prepared(self, whom: Audience, forms: dict[Generation, Prepared], message: bytes | None) -> None:
        members = [member for member in self.rooms.select(whom) if member.generation in forms]  # others came later
        if members:
            self._fanout.push(members, {row: forms[row] for row in self._fanout.rows(members)})
        self.cluster.publish(message)

    def _apply_everywhere(self, message: Join | Leave, whom: Audience) -> Pending[None]:
        data = self.cluster.address(message, whom)
        self.apply(message, whom)
        return self.cluster.confirm(message.number, data)

    def _disconnect_everywhere(self, message: BusDisconnect, whom: Audience) -> None:
        data = self.cluster.address(message, whom)
        self.apply(message, whom)
        self.cluster.publish(data)

    def _show_family(self) -> None:
        """Be listed among the dynamic namespaces while a client is here, or connecting."""
        if self._family is not None and self.has_clients:
            self._family.children[self.name] = self
        elif self._family is not None:
            self._family.children.pop(self.name, None)

    def _registry(self) -> Handlers:
        if self._family is not None:
            raise ValueError(
                f"{self.name} shares the handlers of {self._handlers.name}: register there what is for all of them"
            )
        return self._handlers


def push_refusal(session: Session, namespace: str, message: str, data: Any = None) -> None:
    """Send a connect error."""
    session.push(Prepared(*session.generation.socketio.encode_connect_error(namespace, message, data)))


def check_namespace(name: str) -> None:
    """Raise ValueError for what cannot be a namespace's name."""
    if not is_namespace(name):
        rule = "begin it with a slash, without commas and question marks"
        rule += f", at most {_LONGEST_NAME} characters, all of them printable"
        raise ValueError(f"{name[:80]!a} cannot be a namespace: {rule}")


def is_namespace(name: str) -> bool:
    """Tell whether this can be a namespace's name; what is not printable could write lines of its own into a log."""
    fits = name.startswith("/") and len(name) <= _LONGEST_NAME
    return fits and "," not in name and "?" not in name and name.isprintable()
