r"""The protocol of Socket.IO 0.7 to 0.9, revision 1: handshake, packets, and the payloads of its polling.

The sources are the rows (WP-...) of docs/protocol-1.md, with the tests of each. Encoded packets have the form of later
revisions, a text and its attachments, of which there are none here.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Any

from ...errors import DecodeError, ReservedName
from .. import json, surrogates
from ..engineio3 import cut_units
from ..engineio4 import bounded, decode_text
from ..packets import Ack, Connect, Disconnect, Error, Event, Heartbeat, Message, Noop, Packet, Signal
from ..socketio import RESERVED, Encoded, connect_with_query, name_of

try:
    from .._frames import split_event_1
except ImportError:  # there was no compiler
    from ..frames import split_event_1

HEARTBEAT = b"2::"  # WP-42
NOOP = b"8::"  # WP-48
REASONS = ("transport not supported", "client not handshaken", "unauthorized")  # WP-47
ADVICE = ("reconnect",)

_HEAD = re.compile(r"([0-8]):(\d{0,16})(\+?):", re.ASCII)
_ENDPOINT = re.compile(r"([^:?]*)(?::?\?|:)?(.*)", re.DOTALL)
_CONTROL = re.compile("[\0-\x1f\x7f\u2028\u2029]")
_ACK = re.compile(r"(\d{1,16})\+?(.*)", re.ASCII | re.DOTALL)
_LENGTH = re.compile("\ufffd(\\d{1,16})\ufffd", re.ASCII)
_UNNAMED_NAMESPACE = "Invalid namespace"  # the text of later revisions for an unknown namespace
_LINE_ENDS_OR_SLASHES = re.compile(rb"[\n\r]|\xe2\x80[\xa8\xa9]|\\/")
_BEAT, _NOTHING = Heartbeat(), Noop()

# Precomputed heads of acknowledgements, as for later revisions.
_COMMON = 1000
_ACKS = [b"6:::%d+" % number for number in range(_COMMON)]


def decode(text: str, at: int = 0, max_attachments: int = 0) -> Packet | Signal:
    """Read one packet: type, id, endpoint and data with colons between them (WP-40 to WP-50).

    It begins at index `at`. Raises DecodeError, whatever the text. The client's `0::`, Disconnect("/"), ends the whole
    connection.
    """
    if at:
        text = text[at:]
    # Nearly every packet is an event in "/" in the official clients' form. All others, and invalid ones, take the
    # general path, which takes 4 times as long.
    found = split_event_1(text)
    if found is not None and found[1] not in RESERVED:
        number, name, data = found
        try:
            return Event("/", name, json.decode_clean(data), number)
        except json.BROKEN:
            pass
    return _decode(text)


def _decode(text: str) -> Packet | Signal:
    """Read any packet, and report what is wrong with an invalid one."""
    if text == "0":
        return Disconnect("/")
    head = _HEAD.match(text)
    if head is None:
        raise DecodeError(f"a packet is <type>:<id>:<endpoint>:<data>, not {text[:20]!r}")
    kind, digits, plus = head.groups()
    if plus and not digits:
        raise DecodeError(f"the + of a packet stands behind its id, unlike in {text[:20]!r}")
    if kind == "1":
        return _connect(text[head.end() :])
    endpoint, _, data = text[head.end() :].partition(":")
    id = int(digits) if digits else None
    return _read(kind, _namespace(endpoint), data, id=id, receipt=id is not None and not plus)


def _read(kind: str, namespace: str, data: str, *, id: int | None, receipt: bool) -> Packet | Signal:
    match kind:
        case "0":
            return Disconnect(namespace)
        case "2":
            return _BEAT
        case "3":
            return Message(namespace, data, id, receipt)
        case "4":
            return Message(namespace, json.decode(data), id, receipt, is_json=True)
        case "5":
            return _event(namespace, json.decode(data), id=id, receipt=receipt)
        case "6":
            return _ack(namespace, data)
        case "7":
            reason, _, advice = data.partition("+")
            return Error(namespace, _word(REASONS, reason), _word(ADVICE, advice))
        case _:
            return _NOTHING


def _connect(rest: str) -> Connect:
    """Read the endpoint, and the query in either of its places: behind the endpoint, or as data (WP-41)."""
    found = _ENDPOINT.fullmatch(rest)
    assert found is not None
    return connect_with_query(_namespace(found[1]), found[2])


def _namespace(endpoint: str) -> str:
    """Return the namespace of an endpoint, to which some clients append the query in every packet.

    DecodeError for control characters: packets to the client contain the name, which could forge a part (WP-35).
    """
    if _CONTROL.search(endpoint):
        raise DecodeError(f"an endpoint has no control characters, unlike {endpoint[:20]!r}")
    return endpoint.partition("?")[0] or "/"


def _event(namespace: str, form: Any, *, id: int | None, receipt: bool) -> Event:
    """Make an event of an object with `name` and perhaps `args`; other keys are ignored (WP-45)."""
    if type(form) is not dict:
        raise DecodeError("the data of an event is an object with its name")
    name = name_of(form.get("name"))
    if name in RESERVED:
        raise ReservedName(f"the event name {name!r} is reserved")
    return Event(namespace, name, _args(form.get("args")), id, receipt)


def _ack(namespace: str, data: str) -> Ack:
    """Read an id and optional arguments, which begin behind the first plus (WP-46)."""
    found = _ACK.fullmatch(data)
    if found is None:
        raise DecodeError(f"an acknowledgement is <id>+<arguments>, not {data[:20]!r}")
    return Ack(namespace, int(found[1]), _args(json.decode(found[2])) if found[2] else [])


def _args(value: Any) -> list[Any]:
    """Return a list of arguments; clients that are no browsers may send a single one without a list."""
    return value if type(value) is list else [] if value is None else [value]


def _word(words: Sequence[str], text: str) -> str:
    """Return the word for a digit, or the text itself if it is none."""
    return words[int(text)] if len(text) == 1 and text in "012"[: len(words)] else text


def decode_binary(data: bytes, partial: object = None) -> Packet:
    """Refuse a binary message, which this protocol does not have."""
    raise DecodeError("a binary message came, but clients of Socket.IO 0.7 to 0.9 send text only")


def encode_knock(namespace: str, query: str = "") -> Encoded:
    """Write a client's connect packet."""
    return b"1::%b%b" % (_endpoint(namespace), b"?" + query.encode() if query else b""), ()


def encode_connect(namespace: str, sid: str) -> Encoded:
    """Write that the client is connected to a namespace: only its name, which the client looks up (WP-41, WP-56)."""
    return b"1::" + _endpoint(namespace), ()


def encode_connect_error(namespace: str, message: str, data: object = None) -> Encoded:
    """Write that the client is refused in a namespace; the packet has no field for message or data (WP-47).

    The client emits `connect_failed` in the namespace, or `error` if the server has no such namespace.
    """
    return encode_error(namespace, "" if message == _UNNAMED_NAMESPACE else "unauthorized")


def encode_error(namespace: str, reason: str = "", advice: str = "") -> Encoded:
    """Write an error with one of `REASONS` and one of `ADVICE` (WP-47); ValueError for any other.

    With an advice, the client starts again with a handshake; without, it emits `error`.
    """
    number = str(REASONS.index(reason)) if reason else ""
    data = f"{number}+{ADVICE.index(advice)}" if advice else number
    return b"7::%b:%b" % (_endpoint(namespace), data.encode()), ()


def encode_disconnect(namespace: str) -> Encoded:
    """Write that the client is disconnected from a namespace; for "/" it closes, and does not reconnect (WP-40)."""
    return b"0::" + _endpoint(namespace), ()


def encode_event(namespace: str, name: str, args: Sequence[Any], id: int | None = None) -> Encoded:
    """Write an event; with an id, which a plus follows, the client acknowledges it (WP-45, WP-52, WP-55).

    Raises as `json.encode` does; binary content is written in base64.
    """
    form = {"name": name, "args": args} if args else {"name": name}
    number = b"" if id is None else b"%d+" % id
    return b"5:%b:%b:%b" % (number, _endpoint(namespace), _json(form)), ()


def encode_message(
    namespace: str, data: Any, id: int | None = None, *, is_json: bool = False, receipt: bool = False
) -> Encoded:
    """Write a text, or with `is_json` any value; with an id the client acknowledges it, with `receipt` without data.

    Raises as `encode_event` does, and TypeError for a value that is no text. Rows WP-43, WP-44 and WP-52.
    """
    number = b"" if id is None else b"%d" % id if receipt else b"%d+" % id
    if is_json:
        return b"4:%b:%b:%b" % (number, _endpoint(namespace), _json(data)), ()
    if not isinstance(data, str):
        raise TypeError(f"a message is text, not {type(data).__name__}: send it as JSON")
    return b"3:%b:%b%b" % (number, _endpoint(namespace), b":" + surrogates.encode(data) if data else b""), ()


def encode_ack(namespace: str, id: int, args: Sequence[Any]) -> Encoded:
    """Write an acknowledgement (WP-46, WP-51); raises as `encode_event` does."""
    head = _ACKS[id] if namespace == "/" and 0 <= id < _COMMON else b"6::%b:%d+" % (_endpoint(namespace), id)
    return head + _json(args) if args else head[:-1], ()


def encode_refusal(namespace: str, id: int, report: Any) -> Encoded:
    """Write why an event was not handled: an acknowledgement like all others."""
    return encode_ack(namespace, id, (report,))


def _endpoint(namespace: str) -> bytes:
    return b"" if namespace == "/" else namespace.encode()


def _json(value: Any) -> bytes:
    r"""Write a value in ASCII, because the clients' patterns stop at U+2028 (in 0.7 everywhere, later in answers).

    Binary content becomes a string in base64, so that an old client in a room does not prevent a broadcast. A slash
    behind a backslash is escaped, since 0.9 reads `\/` as `/` over htmlfile.
    """
    text = json.encode_plain_ascii(value)
    return (json.encode_ascii(value) if text is None else text).replace(rb"\\/", rb"\\\u002f")


def as_json_message(packet: bytes) -> bytes:
    r"""Return a packet unchanged, or a text message with line breaks or `\/` as a JSON message, equivalent in browsers.

    It is for transports of browsers (jsonp-polling, htmlfile, xhr-multipart): 0.7 drops a text with line breaks, 0.9
    reads `\/` as `/` over htmlfile, and line breaks could forge a part of xhr-multipart. For clients that are no
    browsers, text and JSON messages differ.
    """
    pieces = packet.split(b":", 3)
    if pieces[0] != b"3" or len(pieces) < 4 or not _LINE_ENDS_OR_SLASHES.search(pieces[3]):
        return packet
    _, number, endpoint, text = pieces
    return b"4:%b:%b:%b" % (number, endpoint, _json(text.decode()))


def decode_payload(body: bytes, *, binary: bool = False, max_packets: int = 10_000) -> Iterator[str | bytes]:
    r"""Read the packets of a request body one by one: one bare, or each behind `\ufffd<length>\ufffd` (WP-26, WP-28).

    Lengths count UTF-16 units (WP-27). An empty body has no packets; the `data=` of an XDomainRequest is skipped
    (WP-29). Text that is not UTF-8 raises InvalidText at once, an invalid length DecodeError when its turn comes, and
    packet number `max_packets` + 1 TooMany. `binary` has no effect: application/octet-stream is text here, too.
    """
    return bounded(_cut_packets(decode_text(body.removeprefix(b"data="))), max_packets)


def _cut_packets(text: str) -> Iterator[str]:
    if text and text[0] != "\ufffd":
        yield text
        return
    start = 0
    while start < len(text):
        length = _LENGTH.match(text, start)
        if length is None:
            raise DecodeError(f"packets have \ufffd<length>\ufffd before each, unlike {text[start : start + 20]!r}")
        packet = cut_units(text, length.end(), int(length[1]))
        yield packet
        start = length.end() + len(packet)


def encode_payload(messages: Iterable[tuple[bytes, tuple[bytes, ...]]], *, base64: bool = False) -> tuple[bytes, bool]:
    """Write packets as one response body, in order (WP-26, WP-27); the second value, "is it binary", is always false.

    `base64` has no effect, and there are no attachments: the signature is that of Engine.IO.
    """
    packets = [packet for packet, _ in messages]
    return packets[0] if len(packets) == 1 else b"".join(map(_with_length, packets)), False


def _with_length(packet: bytes) -> bytes:
    units = len(packet) if packet.isascii() else len(packet.decode().encode("utf-16-le")) // 2
    return b"\xef\xbf\xbd%d\xef\xbf\xbd%b" % (units, packet)


def encode_handshake(
    sid: str, heartbeat_timeout: float | None, close_timeout: float, transports: Sequence[str]
) -> bytes:
    """Write the answer to a handshake (WP-3); times are in seconds, and sent as whole numbers of at least 1.

    None for the heartbeat means that there is none; 0.9 then gives up at once on any transport with heartbeats.
    """
    heartbeat = "" if heartbeat_timeout is None else _whole_seconds(heartbeat_timeout)
    return f"{sid}:{heartbeat}:{_whole_seconds(close_timeout)}:{','.join(transports)}".encode()


def _whole_seconds(seconds: float) -> int:
    return max(1, ceil(seconds))
