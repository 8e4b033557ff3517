"""Socket.IO packets as the official `socket.io-msgpack-parser` encodes them: maps, in binary messages.

Its versions 3.x (README, "Format") are for clients of 3.x and 4.x: every packet is binary. Versions 2.x are for
clients of 2.x: events and acknowledgements are binary, other packets are the same maps as JSON, in text messages.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..errors import DecodeError, WrongParser
from . import json, notepack
from .frames import MAX_CONTAINERS
from .packets import Connect, Disconnect, Packet
from .socketio import Encoded, Partial, Revision, ack, connect_with_query, event, event_or_error

try:
    from ._frames import packed_bounds
except ImportError:  # there was no compiler
    from .frames import packed_bounds

_DEPTH = 6
_DIGITS = frozenset("0123456")
_IDS = range(10**16)  # as many digits as an id may have in text

SPEAKS_JSON = (
    "the client speaks JSON, the server msgpack: give the client socket.io-msgpack-parser, or take the server's away"
)
"""For the log and the client; a close frame has room for 123 bytes (RFC 6455, section 5.5)."""

_SPEAKS_OBJECTS = (
    "the client speaks JSON (socket.io-json-parser?), the server msgpack: give the client socket.io-msgpack-parser"
)
_OBJECT = '{"type":'


class _Form(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The map; JavaScript clients leave `options` of their own in it."""

    type: int
    nsp: str
    data: Any = None
    id: int | None = None
    options: dict[str, bool] | None = None


class _TextForm(_Form):
    """The map as 2.x writes it in JSON; its query is also in `nsp`."""

    query: str = ""


def _values(depth: int) -> Any:
    """Return the type of values with at most so many levels of containers, whose keys are strings."""
    if depth == 0:
        return None | bool | int | float | str
    inner = _values(depth - 1)
    return _values(0) | list[inner] | dict[str, inner]  # type: ignore[valid-type]  # made at run time, for msgspec


# As `Any`, maps may have any keys, and a megabyte of integers whose hashes collide keeps a server busy for seconds.
# msgspec checks keys only if types say so, and types cannot be recursive: so it reads values of up to 6 levels without
# binary content, and `notepack.decode` reads all others.
_read_plain: Callable[[bytes], Any] = msgspec.msgpack.Decoder(
    msgspec.defstruct("_Plain", [("data", _values(_DEPTH), None)], bases=(_Form,), forbid_unknown_fields=True)
).decode


def _read(data: bytes) -> _Form:
    if len(data) > MAX_CONTAINERS:
        json.check_bounds(packed_bounds(data))
    try:
        return _check(_read_plain(data))
    except json.BROKEN:
        return _convert(notepack.decode(data), _Form)


def _convert(value: Any, form: type[_Form]) -> _Form:
    try:
        return _check(msgspec.convert(value, form))
    except msgspec.ValidationError as error:
        raise DecodeError(f"no packet of the msgpack parser: {str(error)[:200]}") from error


def _check(form: _Form) -> _Form:
    if form.nsp[:1] != "/":
        raise DecodeError(f"a namespace begins with a slash, not {form.nsp[:20]!r}")
    if form.id is not None and form.id not in _IDS:
        raise DecodeError(f"an id has at most 16 digits and no sign, unlike {str(form.id)[:20]}")
    return form


def _write(kind: int, namespace: str, data: Any = None, id: int | None = None) -> Encoded:
    return b"", (notepack.encode(_Form(kind, namespace, data, id)),)


class _Msgpack(Revision):
    """The parser's versions 3.x, for Socket.IO 3.x and 4.x."""

    def decode(self, text: str, at: int = 0, max_attachments: int = 10) -> Packet | Partial:
        """Refuse a text message: this parser has none."""
        _check_language(text, at)
        if text.startswith(_OBJECT, at):
            raise WrongParser(_SPEAKS_OBJECTS)
        raise DecodeError("a text message came, and the msgpack parser sends none")

    def decode_binary(self, data: bytes, partial: Partial | None = None) -> Packet:
        """Read the packet of a client; raises DecodeError, whatever the bytes."""
        form = _read(data)
        match form.type:
            case 0 if form.id is None and (form.data is None or type(form.data) is dict):
                return Connect(form.nsp, form.data)
            case 1 if form.id is None and form.data is None:
                return Disconnect(form.nsp)
            case 2:
                return event(form.nsp, form.id, form.data)
            case 3:
                return ack(form.nsp, form.id, form.data)
        raise DecodeError(f"a client sends no such packet of type {form.type}")

    def encode_knock(self, namespace: str, auth: object = None) -> Encoded:
        """Write a client's CONNECT."""
        return _write(0, namespace, auth)

    def encode_connect(self, namespace: str, sid: str) -> Encoded:
        """Write that the client has entered a namespace."""
        return _write(0, namespace, {"sid": sid})

    def encode_connect_error(self, namespace: str, message: str, data: object = None) -> Encoded:
        """Write that the client may not enter a namespace."""
        return _write(4, namespace, {"message": message} if data is None else {"message": message, "data": data})

    def encode_disconnect(self, namespace: str) -> Encoded:
        """Write that the client has left a namespace."""
        return _write(1, namespace)

    def encode_event(self, namespace: str, name: str, args: Sequence[Any], id: int | None = None) -> Encoded:
        """Write an event, binary content in its place; raises as `notepack.encode` does."""
        return _write(2, namespace, [name, *args], id)

    def encode_ack(self, namespace: str, id: int, args: Sequence[Any]) -> Encoded:
        """Write an acknowledgement, binary content in its place; raises as `notepack.encode` does."""
        return _write(3, namespace, list(args), id)


class _Msgpack4(_Msgpack):
    """The parser's versions 2.x, for Socket.IO 2.x: no sid, no auth, a query behind the namespace, some JSON."""

    def decode(self, text: str, at: int = 0, max_attachments: int = 10) -> Packet:
        """Read a CONNECT or a DISCONNECT, the only packets of a client that are text; raises DecodeError."""
        _check_language(text, at)
        form = _convert(json.decode(text[at:]), _TextForm)
        if form.type in (2, 3):  # which are binary in this parser
            raise WrongParser(_SPEAKS_OBJECTS)
        if form.data is None and form.id is None:
            if form.type == 0:
                return connect_with_query(*form.nsp.partition("?")[::2])
            if form.type == 1:
                return Disconnect(form.nsp)
        raise DecodeError(f"a client sends no such packet of type {form.type} as text")

    def decode_binary(self, data: bytes, partial: Partial | None = None) -> Packet:
        """Read an event or an acknowledgement; raises DecodeError, whatever the bytes."""
        form = _read(data)
        match form.type:
            case 2 | 5:  # BINARY_EVENT, and below BINARY_ACK, if 2.x finds binary content
                return event_or_error(form.nsp, form.id, form.data)
            case 3 | 6:
                return ack(form.nsp, form.id, form.data)
        raise DecodeError(f"a client sends no such packet of type {form.type} as a binary message")

    def encode_knock(self, namespace: str, auth: object = None) -> Encoded:
        """Write a client's CONNECT; the query is behind the name."""
        return _write_text(0, namespace, auth)

    def encode_connect(self, namespace: str, sid: str) -> Encoded:
        """Write that the client has entered a namespace."""
        return _write_text(0, namespace)

    def encode_connect_error(self, namespace: str, message: str, data: object = None) -> Encoded:
        """Write that the client is refused: with the data if it is a string, since 2.2.1 throws for other types."""
        return _write_text(4, namespace, data if isinstance(data, str) else message)

    def encode_disconnect(self, namespace: str) -> Encoded:
        """Write that the client has left a namespace."""
        return _write_text(1, namespace)


def _check_language(text: str, at: int) -> None:
    """Raise WrongParser for a packet of the default parser, which begins with the digit of its type."""
    if text[at : at + 1] in _DIGITS:
        raise WrongParser(SPEAKS_JSON)


def _write_text(kind: int, namespace: str, data: Any = None) -> Encoded:
    return b"4" + json.encode_ascii(_Form(kind, namespace, data)), ()


MSGPACK_4: Revision = _Msgpack4()
MSGPACK_5: Revision = _Msgpack()
