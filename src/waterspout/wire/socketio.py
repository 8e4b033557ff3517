"""Socket.IO packets, revisions 3, 4 and 5 of the protocol, inside message packets of Engine.IO.

Encoded packets begin with the "4" of the Engine.IO message; decoders skip it with `at`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import DecodeError, PayloadTooLarge, ReservedName, TooMany, WrongParser
from . import json
from .frames import MAX_CONTAINERS
from .packets import Ack, Connect, Disconnect, Error, Event, Packet

try:
    from ._frames import split_event
except ImportError:  # there was no compiler
    from .frames import split_event

__all__ = ["MAX_QUERY", "RESERVED"]  # the rest is for the core

RESERVED = frozenset(("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"))
"""Names of the library's own events, which no peer may send (revision 5, "Sending and receiving data").

Clients of earlier revisions can send them; these events are ignored.
"""

# <type>[<attachments>-][<namespace>,][<id>], "Packet encoding", "Format"; 1.x omits a comma at the end.
_HEAD = re.compile(r"([0-6])(?:(\d{1,16})-)?(?:(/[^,]*)(?:,|\Z))?(\d{0,16})", re.ASCII)
_ABSENT: Any = object()

# Every client counts its ids from 0, anew for each connection, so the heads of the first thousand are precomputed: this
# saves 900 of the 27,000 instructions for an acknowledged event.
_COMMON = 1000
_ACKS = [b"43%d" % number for number in range(_COMMON)]

MAX_QUERY = 65_536
"""Characters of the query behind a namespace, as in the head of a request; 1 MB of escapes would take 180 ms."""

SPEAKS_MSGPACK = "the client speaks msgpack, the server JSON: give the client no parser, or Server(parser='msgpack')"
"""For the log and the client; a close frame has room for 123 bytes (RFC 6455, section 5.5)."""

SPEAKS_OBJECTS = "the client speaks JSON of another form (socket.io-json-parser?): give the client no parser"
_SPEAKS_EITHER = (
    "the client speaks msgpack or JSON of another form (socket.io-json-parser?): give it no parser, or both msgpack"
)
_OBJECT = re.compile(r'\{"type":(\d)', re.ASCII)

Encoded = tuple[bytes, tuple[bytes, ...]]
"""An encoded packet: the text of its Engine.IO message, empty if it has none, and the binary messages behind it."""


class Partial:
    """A packet that waits for its attachments, which are put into its `args`."""

    __slots__ = ("_added", "_packet", "_places")

    def __init__(self, packet: Event | Ack | Error, args: list[Any], count: int) -> None:
        self._packet = packet
        self._places = _find_places(args, count)
        self._added = 0

    @property
    def namespace(self) -> str:
        """The namespace that the packet is for."""
        return self._packet.namespace

    def add(self, data: bytes) -> Packet | None:
        """Take the next attachment; return the packet after the last one, else None; DecodeError for one too many."""
        if self._added == len(self._places):
            raise DecodeError(f"more than the {self._added} attachments that were announced")
        container, key = self._places[self._added]
        container[key] = data
        self._added += 1
        return self._packet if self._added == len(self._places) else None


def _find_places(args: list[Any], count: int) -> list[tuple[Any, Any]]:
    """Return the place of each of `count` attachments, as container and key; DecodeError unless it is one to one."""
    places: dict[int, tuple[Any, Any]] = {}
    containers: list[Any] = [args]
    for container in containers:  # grows in the loop: no recursion, however deep the arguments are
        items: Iterable[tuple[Any, Any]] = container.items() if type(container) is dict else enumerate(container)
        for key, value in items:
            kind = type(value)
            if not value or (kind is not list and kind is not dict):
                continue
            if kind is dict and value.get("_placeholder") is True:
                number = value.get("num")
                if type(number) is not int or not 0 <= number < count or number in places:
                    raise DecodeError(f"a placeholder without an attachment of its own among {count}")
                places[number] = container, key
            else:  # each takes 0.4 us, so the limit is the same for long packets
                containers.append(value)
                if len(containers) > MAX_CONTAINERS:
                    raise TooMany(f"more than {MAX_CONTAINERS} lists and objects in a packet with attachments")
    if len(places) < count:
        raise DecodeError(f"{count} attachments for {len(places)} placeholders")
    return [places[number] for number in range(count)]


class Revision:
    """The encoding of packets for one generation of clients; this class is revision 5, Socket.IO 3.x and 4.x."""

    _json: Callable[[Any], bytes] = staticmethod(json.encode)
    _json_apart: Callable[[Any, json.StandIn], tuple[bytes, list[bytes]]] = staticmethod(json.encode_apart)

    # In a packet with attachments, 3.x and early 4.x call `data.hasOwnProperty` for every object. An object with such a
    # key makes them throw, and their decoder stops.
    _fatal_key = "hasOwnProperty"

    def __init__(self, encode_clean: json.EncodeClean = json.encode_clean) -> None:
        self._encode_clean = encode_clean

    def decode(self, text: str, at: int = 0, max_attachments: int = 10) -> Packet | Partial:
        """Read a client's packet, from index `at` on ("Packet encoding", "Format").

        Raises DecodeError, whatever the text, and TooMany for more than `max_attachments`, or more than
        MAX_CONTAINERS lists and objects beside them. An Error stands for input that the JavaScript servers of this
        revision ignore (docs/leniency.md).
        """
        # Nearly every packet is an event in "/", behind the "4" of an Engine.IO message: this path takes 40 % less than
        # the general one, which handles all others and reports errors. JSON is decoded at most once in both.
        found = split_event(text) if at == 1 else None
        if found is None:
            return self._decode(text, at, max_attachments)
        number, rest = found
        try:
            data = json.decode_clean(rest)
        except json.BROKEN as error:
            return self._event("/", number, json.decode_again(rest, error))
        if data:
            name = data.pop(0)
            if type(name) is str and name not in RESERVED:
                return Event("/", name, data, number)
            data.insert(0, name)
        return self._event("/", number, data)

    def _decode(self, text: str, at: int, max_attachments: int) -> Packet | Partial:
        head = _HEAD.match(text, at)
        if head is None:
            found = _OBJECT.match(text, at)
            if found is not None:
                raise WrongParser(self._known_of_objects(found[1]))
            return self._unknown(text[at : at + 20])
        kind, count, namespace, number = head.groups("")
        attachments = _attachments(kind, count, max_attachments) if count or kind in "56" else 0
        rest = text[head.end() :]
        data = json.decode(rest) if rest else _ABSENT
        if kind in "2356":
            read = self._event if kind in "25" else _ack_of_text
            packet = read(namespace or "/", int(number) if number else None, data)
            if attachments and data is _ABSENT:
                raise DecodeError("a packet with attachments has nothing to put them into")
            return Partial(packet, data, attachments) if attachments else packet
        if kind == "0":
            return self._connect(namespace or "/", data)
        if kind == "1" and data is _ABSENT:
            return Disconnect(namespace or "/")
        return self._other(kind, namespace or "/")

    def _event(self, namespace: str, id: int | None, data: Any) -> Event | Error:
        return Error(namespace) if data is _ABSENT else event(namespace, id, data)

    def _unknown(self, start: str) -> Error:
        raise DecodeError(f"a packet begins with its type, not {start!r}")

    def _other(self, kind: str, namespace: str) -> Error:
        raise DecodeError(f"a client sends no such packet of type {kind}")

    def _known_of_objects(self, kind: str) -> str:
        """Return the message for a client whose packets are objects; `kind` is the type of one."""
        return SPEAKS_OBJECTS

    def decode_binary(self, data: bytes, partial: Partial | None) -> Packet | None:
        """Take a binary message: here an attachment; return its packet when that is complete.

        Raises DecodeError, whatever the bytes.
        """
        if partial is None:
            if data[1:6] == b"\xa4type":  # the first key of the official parser's map
                raise WrongParser(SPEAKS_MSGPACK)
            raise DecodeError("a binary message came that no packet announced")
        return partial.add(data)

    def _connect(self, namespace: str, data: Any) -> Connect:
        if data is _ABSENT:
            return Connect(namespace)
        if type(data) is not dict:
            raise DecodeError(f"the data of CONNECT is an object, not {type(data).__name__}")
        return Connect(namespace, data)

    def encode_knock(self, namespace: str, auth: object = None) -> Encoded:
        """Write a client's CONNECT ("Connection to a namespace")."""
        return b"40%b%b" % (_address(namespace), b"" if auth is None else self._json(auth)), ()

    def encode_connect(self, namespace: str, sid: str) -> Encoded:
        """Write that the client is connected to a namespace ("Connection to a namespace")."""
        return b"40%b%b" % (_address(namespace), self._json({"sid": sid})), ()

    def encode_connect_error(self, namespace: str, message: str, data: object = None) -> Encoded:
        """Write that the client is refused in a namespace ("Connection to a namespace")."""
        error = {"message": message} if data is None else {"message": message, "data": data}
        return b"44%b%b" % (_address(namespace), self._json(error)), ()

    def encode_disconnect(self, namespace: str) -> Encoded:
        """Write that the client is disconnected from a namespace ("Disconnection from a namespace")."""
        return b"41" + _address(namespace), ()

    def encode_event(self, namespace: str, name: str, args: Sequence[Any], id: int | None = None) -> Encoded:
        """Write an event as text and its attachments ("Sending and receiving data"); raises as `json.encode` does."""
        try:
            encode = self._encode_clean  # an attribute, which Python calls faster from a local
            data: bytes | None = encode([name, *args], json.stop, json.PLAIN)
        except TypeError as error:
            data = json.encode_again([name, *args], error)
        if data is None:
            return self._encode_binary(b"5", namespace, id, [name, *args])
        if id is None and namespace == "/":
            return b"42" + data, ()
        return b"42%b%b%b" % (_address(namespace), _number(id), data), ()

    def encode_message(self, namespace: str, data: Any, id: int | None = None, *, is_json: bool = False) -> Encoded:
        """Write a message of 0.7 to 0.9 as the event "message"; raises as `encode_event`."""
        return self.encode_event(namespace, "message", [data], id)

    def encode_ack(self, namespace: str, id: int, args: Sequence[Any]) -> Encoded:
        """Write an acknowledgement as text and its attachments ("Acknowledgement"); raises as `json.encode` does."""
        try:
            encode = self._encode_clean
            data: bytes | None = encode(args, json.stop, json.PLAIN)
        except TypeError as error:
            data = json.encode_again(args, error)
        if data is None:
            return self._encode_binary(b"6", namespace, id, args)
        if namespace == "/":
            return (_ACKS[id] if 0 <= id < _COMMON else b"43%d" % id) + data, ()
        return b"43%b%d%b" % (_address(namespace), id, data), ()

    def encode_refusal(self, namespace: str, id: int, report: Any) -> Encoded:
        """Write why an event was not handled: an acknowledgement like all others. Raises as `encode_ack`."""
        return self.encode_ack(namespace, id, (report,))

    def _encode_binary(self, kind: bytes, namespace: str, number: int | None, data: Sequence[Any]) -> Encoded:
        """Write a packet that may have binary content, with placeholders for that."""
        text, attachments = self._json_apart(data, _placeholder)
        fatal_key = self._fatal_key
        if attachments and (text.count(_PLACEHOLDER) > len(attachments) or (fatal_key and _FATAL in text)):
            text, attachments = self._json_apart(_disarm(json.as_builtins(data), fatal_key), _placeholder)
        count = b"%b%d-" % (kind, len(attachments)) if attachments else b"2" if kind == b"5" else b"3"
        return b"4%b%b%b%b" % (count, _address(namespace), _number(number), text), tuple(attachments)


class _Revision4(Revision):
    """Revisions 3 and 4, Socket.IO 1.x and 2.x: no sid, no auth, a query behind the namespace, errors of any type.

    JSON is ASCII, because 1.x decodes the text of long-polling twice, and escapes survive that. The servers of these
    revisions ignored much that ends a connection in revision 5. Some of it their clients send: 2.x writes a packet of
    type 4 for an event that it cannot encode.
    """

    _json = staticmethod(json.encode_ascii)
    _json_apart = staticmethod(json.encode_apart_ascii)
    _fatal_key = ""

    def _connect(self, namespace: str, data: Any) -> Connect:
        if not (data is _ABSENT or data is None or type(data) is dict or type(data) is list):
            raise DecodeError("CONNECT has no data before revision 5")
        return connect_with_query(*namespace.partition("?")[::2])

    def _event(self, namespace: str, id: int | None, data: Any) -> Event | Error:
        return Error(namespace) if data is _ABSENT else event_or_error(namespace, id, data)

    def _unknown(self, start: str) -> Error:
        if not start:
            raise DecodeError("a packet begins with its type, and there is none")
        return Error("/")

    def _other(self, kind: str, namespace: str) -> Error:
        return Error(namespace) if kind == "4" else super()._other(kind, namespace)

    def _known_of_objects(self, kind: str) -> str:
        """Return the message; the msgpack parser of 2.x also writes objects, for CONNECT and DISCONNECT only."""
        return _SPEAKS_EITHER if kind in "01" else SPEAKS_OBJECTS

    def encode_connect(self, namespace: str, sid: str) -> Encoded:
        """Write that the client is connected to a namespace ("0 - CONNECT")."""
        return b"40" + _address(namespace), ()

    def encode_connect_error(self, namespace: str, message: str, data: object = None) -> Encoded:
        """Write that the client is refused in a namespace ("4 - ERROR")."""
        return b"44%b%b" % (_address(namespace), self._json(message if data is None else data)), ()


REVISION_4: Revision = _Revision4(json.encode_clean_ascii)
REVISION_5 = Revision()


def connect_with_query(namespace: str, query: str) -> Connect:
    """Make a CONNECT of a client before revision 5; raises PayloadTooLarge for a query above MAX_QUERY."""
    if len(query) > MAX_QUERY:
        raise PayloadTooLarge(f"the query of a namespace has at most {MAX_QUERY} characters, not {len(query)}")
    return Connect(namespace, query=query)


def event(namespace: str, id: int | None, data: Any) -> Event:
    """Make an event of its data; raises DecodeError."""
    name = take_name(data)
    if name in RESERVED:
        raise ReservedName(f"the event name {name!r} is reserved")
    return Event(namespace, name, data, id)


def event_or_error(namespace: str, id: int | None, data: Any) -> Event | Error:
    """Make an event of its data, or an Error if its name is reserved, which 1.x and 2.x let clients send."""
    name = take_name(data)
    return Error(namespace) if name in RESERVED else Event(namespace, name, data, id)


def take_name(data: Any) -> str:
    """Remove the name of an event from its data, and return it; raises DecodeError."""
    if type(data) is not list or not data:
        raise DecodeError("the data of an event is a list that begins with its name")
    return name_of(data.pop(0))


def name_of(value: Any) -> str:
    """Return the name of an event as text; it may be a number, which JavaScript uses as text, too."""
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if type(value) is int or type(value) is float:
        return str(value)
    if type(value) is not str:
        raise DecodeError(f"the name of an event is a string or a number, not {type(value).__name__}")
    return value


def ack(namespace: str, id: int | None, data: Any) -> Ack | Error:
    """Make an acknowledgement of its data, or an Error if it has no id; raises DecodeError."""
    if type(data) is not list:
        raise DecodeError("the data of an acknowledgement is a list")
    return Error(namespace) if id is None else Ack(namespace, id, data)


def _ack_of_text(namespace: str, id: int | None, data: Any) -> Ack | Error:
    return ack(namespace, id, [] if data is _ABSENT else data)


def _attachments(kind: str, count: str, most: int) -> int:
    """Return the number of attachments, which types 5 and 6 must have, and others must not."""
    if kind not in "56":
        if count:
            raise DecodeError(f"a packet of type {kind} has no attachments, only types 5 and 6 have")
        return 0
    attachments = int(count or 0)
    if attachments < 1:
        raise DecodeError("a packet of type 5 or 6 announces at least one attachment")
    if attachments > most:
        raise TooMany(f"{attachments} attachments in one packet, {most} are allowed")
    return attachments


def _address(namespace: str) -> bytes:
    return b"" if namespace == "/" else namespace.encode() + b","


def _number(number: int | None) -> bytes:
    return b"" if number is None else b"%d" % number


_PLACEHOLDER = b'"_placeholder":'  # as a key: in a string, a backslash stands before the quotes
_FATAL = b'"hasOwnProperty":'


def _placeholder(number: int) -> dict[str, Any]:
    return {"_placeholder": True, "num": number}


def _disarm(value: Any, fatal_key: str) -> Any:
    """Copy a value of builtin types without `fatal_key`, and with false as the value of every `_placeholder`.

    In a packet with attachments, clients replace dictionaries with a `_placeholder` by attachments, and close the
    connection if its `num` is unknown. User data may contain such a dictionary, and there is no way to escape it.
    """
    match value:
        case dict():
            items = value.items()
            return {key: key != "_placeholder" and _disarm(item, fatal_key) for key, item in items if key != fatal_key}
        case list() | tuple():
            return [_disarm(item, fatal_key) for item in value]
    return value
