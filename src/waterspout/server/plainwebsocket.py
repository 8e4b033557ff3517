"""Plain WebSockets at an exposed path: subscribers of its channels, or clients of its namespace (docs/websocket.md).

How it works: `PlainWebSocketRequest` is the handshake. Its session has the row EVENTS of the table of generations, and
one of two dialects. A `NamespaceDialect` passes events to the application as packets of its namespace, so that members,
rooms, dispatch and fan-out are those of Socket.IO. A subscriber only listens: it reads channels like an EventSource,
in a `FieldsForm`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine import (
    Ending,
    Exchange,
    Fed,
    HostPings,
    Link,
    MessageTransport,
    Messenger,
    Prepared,
    Refuse,
    Session,
    Upgrade,
    WebSocketPings,
    refuse_text,
)
from ..engine.dialects import Dialect, NullDialect
from ..engine.http.handshakes import T, agree, explain, make_websocket
from ..engine.http.requests import show
from ..engine.http.response import SHUTTING_DOWN, Headers, subprotocol, version_spoken
from ..engine.table import Table
from ..errors import ProtocolError, TooManyMessages, UnknownMessage
from ..types import Reason, Request
from ..wire import events, json
from ..wire.deflate import Deflate
from ..wire.generations import EVENTS
from ..wire.packets import Ack, Connect, Event, Heartbeat
from ..wire.socketio import RESERVED
from .channel import Channel
from .dispatch import UNKNOWN
from .entrance import QueryAuth
from .exposures import ExposedRequest, Exposure, Held
from .forms import END, OPEN, RESET, Published, told
from .namespace import Namespace
from .subscribers import Subscriber, last_id_of

if TYPE_CHECKING:
    from ..engine.heartbeat import HeartbeatMonitor

_UNAUTHORIZED = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=4401)
_DISCONNECTED = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=4403)
_FAILED = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=1011)
_ANSWER = Prepared(events.PING)
_FIELDS = ("id", "event", "data")
_ASKED = "connect"
"""What a session's data has when the client has sent a message that asks to enter: no namespace has such a name."""


class SubscriberDialect(NullDialect):
    """The dialect of plain WebSockets that subscribe: all that they send is `{}`, to learn whether the server lives."""

    def heartbeat(self, session: Session) -> "HeartbeatMonitor":
        """Send the pings of WebSockets."""
        return WebSocketPings()

    def receive_text(self, session: Session, text: str) -> None:
        """Answer a ping."""
        if not session.is_live:
            return
        session.heartbeat.heard = True
        if type(events.decode(text)) is not Heartbeat:
            raise UnknownMessage("a subscriber sends {} and nothing else")
        session.push(_ANSWER)

    def receive_binary(self, session: Session, data: bytes) -> None:
        """Refuse it."""
        if session.is_live:
            events.decode_binary(data)

    def expire(self, session: Session) -> None:
        """End it; a client that was asleep should come back."""
        session.drop(Reason.PING_TIMEOUT, 1001)


class NamespaceDialect(SubscriberDialect):
    """The dialect of plain WebSockets that are clients of one namespace. All of them share it.

    Their sessions refer to it, and it to the namespace: so one that a pattern has made lives as long as its clients.
    """

    no_connect = _UNAUTHORIZED

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._name = namespace.name

    def greet(self, session: Session) -> None:
        """Let the client enter with its query as auth, or at once if nobody asks; else wait for its first message."""
        session.await_connect()
        query = session.request.query
        if query or not self._namespace.asks:
            auth = QueryAuth({name: values[-1] for name, values in query.items()})
            session.table.packet(session, Connect(self._name, auth))

    def receive_text(self, session: Session, text: str) -> None:
        """Act on a message."""
        if not session.is_live:
            return
        session.heartbeat.heard = True
        session.received_bytes = len(text)
        table = session.table
        packet = events.decode(text, namespace=self._name)
        try:
            if type(packet) is Event:
                if self._name not in session.data:  # who has not asked to enter asks by an event
                    table.packet(session, Connect(self._name, {}))
                if packet.name in RESERVED:
                    self._refuse(session, packet)
                else:
                    table.packet(session, packet)
            elif isinstance(packet, Connect):
                self._connect(session, packet)
            elif isinstance(packet, Ack):
                table.packet(session, packet)
            else:
                session.push(_ANSWER)
        except ProtocolError as error:
            raise TooManyMessages(str(error)) from error

    def let_go(self, session: Session, namespace: str) -> None:
        """Close: the client is nothing without its namespace."""
        session.close(_DISCONNECTED)

    def keep_out(self, session: Session, namespace: str, *, failed: bool) -> None:
        """Close: it should come back with another auth, or later."""
        session.close(_FAILED if failed else _UNAUTHORIZED)

    def _connect(self, session: Session, packet: Connect) -> None:
        """Let the client enter, once; who has entered because nobody asks may still say it."""
        if _ASKED in session.data:
            raise ProtocolError("connect came a second time")
        if self._name not in session.data:
            session.table.packet(session, packet)
        session.data[_ASKED] = None

    def _refuse(self, session: Session, packet: Event) -> None:
        """Say of an event with a name of the library that it is unknown."""
        if packet.id is not None:
            session.push(Prepared(*events.encode_refusal(self._name, packet.id, {"message": UNKNOWN})))


SUBSCRIBER_DIALECT = SubscriberDialect()


class FieldsForm(NamedTuple):
    """How messages of channels are written: with the fields that the client has asked for, else the data alone.

    The messages of our own, whose event begins with "stream-", have all of them.
    """

    fields: tuple[str, ...] = ("data",)

    def write(self, published: Published) -> Prepared:
        """Write a message, or the end."""
        if published.entry.is_end:
            return _ours(END, published.ending, published.id)
        return Prepared(b"{%b}" % self._fields_of(published, published.id), key=published.key)

    def write_reset(self, channel: Channel, reason: str, id: str) -> Prepared:
        """Write a reset."""
        return _ours(RESET, told(channel, reason, id), id)

    def write_open(self, channels: Sequence[Channel], id: str | None) -> Prepared | None:
        """Write the names of the channels for who wants ids: it can come back before the first message."""
        return _ours(OPEN, {"channels": [channel.name for channel in channels]}, id) if "id" in self.fields else None

    def write_combined(self, published: Published, id: str) -> Prepared:
        """Write the channel's name beside the fields."""
        if published.entry.is_end:
            return _ours(END, published.ending, id)
        return Prepared(b'{"channel":%b,%b}' % (json.encode(published.channel.name), self._fields_of(published, id)))

    def write_combined_reset(self, channel: Channel, reason: str, id: str, combined_id: str | None) -> Prepared:
        """Write a reset."""
        return _ours(RESET, told(channel, reason, id), combined_id)

    def _fields_of(self, published: Published, id: str) -> bytes:
        parts = []
        if "id" in self.fields:
            parts.append(b'"id":%b' % json.encode(id))
        if "event" in self.fields:
            parts.append(b'"event":%b' % json.encode(published.entry.event or "message"))  # as an EventSource has it
        if "data" in self.fields:
            parts.append(b'"data":%b' % published.json)
        return b",".join(parts)


def _ours(event: str, data: dict[str, Any], id: str | None) -> Prepared:
    number = {} if id is None else {"id": id}
    return Prepared(json.encode({**number, "event": event, "data": data}))


@dataclass(slots=True)
class PlainWebSocketRequest(ExposedRequest):
    """An admitted opening handshake at an exposed path. `held` is what the path has for it."""

    exposure: Exposure
    request: Request
    headers: Headers
    parameters: dict[str, str]
    upgrade: Upgrade
    deflate: Deflate | None
    session: Session | None = field(default=None, repr=False)  # its id is a secret
    held: Held = ()
    form: FieldsForm = FieldsForm()  # noqa: RUF009  (a tuple)

    @property
    def greeting(self) -> Upgrade:
        """What is sent before the WebSocket."""
        return self.upgrade.carrying(self.headers)

    def begin(self, table: Table, request: Request) -> Refuse | None:
        """Make the session, which waits for its transport."""
        if table.is_closing:
            return self.refuse_closing()
        self.session = Session(table, table.driver.token(), EVENTS, request, SUBSCRIBER_DIALECT)
        return None

    def answered(self, result: Any) -> Refuse | None:
        """Take the channels or the namespace."""
        self.held = self.exposure.check(result)
        if isinstance(self.held, Namespace):
            assert self.session is not None
            self.session.dialect = self.exposure.dialect_of(self.held) or self._shared_dialect(self.held)
            return None
        asked = [name.strip() for name in (self.request.param("fields") or "data").split(",")]
        unknown = [name for name in asked if name not in _FIELDS]
        if unknown:
            return refuse_text(400, f"fields has {show(unknown[0])}: choose from {', '.join(_FIELDS)}", self.headers)
        self.form = FieldsForm(tuple(name for name in _FIELDS if name in asked))
        return None

    def refuse_closing(self) -> Refuse:
        """Refuse with 503: the client should connect again later."""
        return refuse_text(503, SHUTTING_DOWN, self.headers)

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Raise AssertionError: its greeting is the answer."""
        raise AssertionError("a WebSocket has no response")

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Begin, behind the greeting."""
        return self._begin(table, request, make_websocket(table, EVENTS, link, self.deflate))

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Begin, behind the greeting; the host pings."""
        assert self.session is not None
        self.session.heartbeat = HostPings()
        return self._begin(table, request, MessageTransport(messenger, EVENTS, table))

    def _shared_dialect(self, namespace: Namespace) -> Dialect:
        dialects = self.exposure.dialects
        return dialects.get(namespace.name) or dialects.add(namespace.name, NamespaceDialect(namespace))

    def _begin(self, table: Table, request: Request, transport: T) -> T:
        channels, session = self.held, self.session
        assert session is not None
        if isinstance(channels, Namespace):
            return self.carry(table, transport)
        self.carry(table, transport)
        if session.is_live:
            Subscriber(self.exposure, session, channels, self.form).begin(last_id_of(request))
        return transport


def asks_for_websocket(request: Request) -> bool:
    """Tell whether a request is meant as an opening handshake, also where a proxy has dropped a part of it."""
    upgrade = request.header("upgrade")
    return request.header("sec-websocket-key") is not None or (upgrade is not None and "websocket" in upgrade.lower())


def decide_websocket(
    exposure: Exposure, parameters: dict[str, str], request: Request, headers: Headers
) -> PlainWebSocketRequest | Refuse:
    """Check an opening handshake, and let it have what is exposed."""
    if not exposure.by_websocket:
        return refuse_text(400, "this is for Server-Sent Events, and no WebSocket", headers)
    policy = exposure.engine.policy
    own = subprotocol(request, (events.SUBPROTOCOL,))
    try:
        upgrade, deflate = agree(request, policy, policy.subprotocols if own is None else (own,))
    except ProtocolError as error:
        detail, subject = explain(request, error)
        return refuse_text(error.status, detail, (*headers, *version_spoken(error)), subject=subject)
    upgrade.ping_interval = policy.ping_interval
    return PlainWebSocketRequest(exposure, request, headers, parameters, upgrade, deflate)
