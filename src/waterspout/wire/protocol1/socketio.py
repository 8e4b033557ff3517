r"""The protocol of Socket.IO 0.7 to 0.9, revision 1: handshake, packets, and the payloads of its polling.

The sources are the rows (WP-...) of docs/protocol-1.md, which says where each is tested. What is encoded has the form
of the later revisions, a text and its attachments, of which there are none here.
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
_UNNAMED_NAMESPACE = "Invalid namespace"  # the later revisions' text for one that the server does not have
_LINE_ENDS_OR_SLASHES = re.compile(rb"[\n\r]|\xe2\x80[\xa8\xa9]|\\/")
_BEAT, _NOTHING = Heartbeat(), Noop()

# Known by heart, as in the later revisions: the heads of answers.
_COMMON = 1000
_ACKS = [b"6:::%d+" % number for number in range(_COMMON)]


def decode(text: str, at: int = 0, max_attachments: int = 0) -> Packet | Signal:
    """Read one packet: type, id, endpoint and data with colons between them (WP-40 to WP-50).

    It begins at index `at`, and has no attachments. Raises DecodeError, whatever the text. The client's `0::` is
    Disconnect("/"), and ends all of the connection.
    """
    if at:
        text = text[at:]
    # Nearly every packet is an event in "/", which its client has written in the common way: all others, and what is
    # broken, take the general way, which takes 4 times as long.
    found = split_event_1(text)
    if found is not None and found[1] not in RESERVED:
        number, name, data = found
        try:
            return Event("/", name, json.decode_clean(data), number)
        except json.BROKEN:
            pass
    return _decode(text)


def _decode(text: str) -> Packet | Signal:
    """Read any packet, and say what is wrong with a broken one."""
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
    """Read where to, and the query in either of its places: behind the endpoint, or as data (WP-41)."""
    found = _ENDPOINT.fullmatch(rest)
    assert found is not None
    return connect_with_query(_namespace(found[1]), found[2])


def _namespace(endpoint: str) -> str:
    """Return the namespace of an endpoint, which some clients write with its query each time.

    DecodeError for control characters: what goes back to the client bears its name, and could forge a part (WP-35).
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
    """Read an id and perhaps arguments, which begin at the first plus: the others are theirs (WP-46)."""
    found = _ACK.fullmatch(data)
    if found is None:
        raise DecodeError(f"an acknowledgement is <id>+<arguments>, not {data[:20]!r}")
    return Ack(namespace, int(found[1]), _args(json.decode(found[2])) if found[2] else [])


def _args(value: Any) -> list[Any]:
    """Return a list of arguments; a client that is no browser may send a single one without its list."""
    return value if type(value) is list else [] if value is None else [value]


def _word(words: Sequence[str], text: str) -> str:
    """Return the word that a digit stands for, or what stands there instead."""
    return words[int(text)] if len(text) == 1 and text in "012"[: len(words)] else text


def decode_binary(data: bytes, partial: object = None) -> Packet:
    """Refuse a binary message: this protocol has none."""
    raise DecodeError("a binary message came, but clients of Socket.IO 0.7 to 0.9 send text only")


def encode_knock(namespace: str, query: str = "") -> Encoded:
    """Write, as a client does, that it wants to enter a namespace."""
    return b"1::%b%b" % (_endpoint(namespace), b"?" + query.encode() if query else b""), ()


def encode_connect(namespace: str, sid: str) -> Encoded:
    """Write that the client has entered a namespace: its name alone, which the client looks up (WP-41, WP-56)."""
    return b"1::" + _endpoint(namespace), ()


def encode_connect_error(namespace: str, message: str, data: object = None) -> Encoded:
    """Write that the client may not enter a namespace; there is no place for a text or data (WP-47).

    It emits `connect_failed` in the namespace, or `error` where the server has no such namespace.
    """
    return encode_error(namespace, "" if message == _UNNAMED_NAMESPACE else "unauthorized")


def encode_error(namespace: str, reason: str = "", advice: str = "") -> Encoded:
    """Write what is wrong, one of `REASONS`, and what to do, one of `ADVICE` (WP-47); ValueError for another.

    With advice the client starts again from the handshake, without it emits `error`.
    """
    number = str(REASONS.index(reason)) if reason else ""
    data = f"{number}+{ADVICE.index(advice)}" if advice else number
    return b"7::%b:%b" % (_endpoint(namespace), data.encode()), ()


def encode_disconnect(namespace: str) -> Encoded:
    """Write that the client has left a namespace, or with "/" all of the connection: it will not come back (WP-40)."""
    return b"0::" + _endpoint(namespace), ()


def encode_event(namespace: str, name: str, args: Sequence[Any], id: int | None = None) -> Encoded:
    """Write an event; with an id the client is to answer, which takes the plus (WP-45, WP-52, WP-55).

    Raises as `json.encode` does; binary content goes as base64.
    """
    form = {"name": name, "args": args} if args else {"name": name}
    number = b"" if id is None else b"%d+" % id
    return b"5:%b:%b:%b" % (number, _endpoint(namespace), _json(form)), ()


def encode_message(
    namespace: str, data: Any, id: int | None = None, *, is_json: bool = False, receipt: bool = False
) -> Encoded:
    """Write a text, or with `is_json` any value; with an id the client answers, or with `receipt` as well only
    says that it has come (WP-43, WP-44, WP-52).

    Raises as `encode_event` does, and TypeError for what is no text.
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
    r"""Write a value in ASCII, because the clients' own patterns end at a U+2028 (in 0.7 everywhere, then in answers).

    Binary content becomes a string in base64: one old client in a room must not keep others from what they can read.
    A slash behind a backslash is escaped: 0.9 takes `\/` for `/` in what comes by htmlfile.
    """
    text = json.encode_plain_ascii(value)
    return (json.encode_ascii(value) if text is None else text).replace(rb"\\/", rb"\\\u002f")


def as_json_message(packet: bytes) -> bytes:
    r"""Return a packet; a text message with line ends or `\/` as the JSON message that is the same to a browser.

    It is for the transports that only the official client has (jsonp-polling, htmlfile, xhr-multipart): 0.7 drops a
    text with line ends, 0.9 takes `\/` for `/` in htmlfile, and in xhr-multipart line ends could forge a part. To
    clients that are no browsers, text and JSON messages differ.
    """
    pieces = packet.split(b":", 3)
    if pieces[0] != b"3" or len(pieces) < 4 or not _LINE_ENDS_OR_SLASHES.search(pieces[3]):
        return packet
    _, number, endpoint, text = pieces
    return b"4:%b:%b:%b" % (number, endpoint, _json(text.decode()))


def decode_payload(body: bytes, *, binary: bool = False, max_packets: int = 10_000) -> Iterator[str | bytes]:
    r"""Read the packets of a request body one by one: one bare, or each behind `\ufffd<length>\ufffd` (WP-26, WP-28).

    Lengths count UTF-16 units (WP-27). An empty body has none, and the `data=` of an XDomainRequest is no part of it
    (WP-29). Text that is not UTF-8 raises InvalidText at once, a broken length DecodeError when its turn comes, and
    packet number `max_packets` + 1 TooMany. `binary` is for what came as application/octet-stream; it is text, too.
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

    `base64` changes nothing, and there are no attachments: both are there for the likeness with Engine.IO.
    """
    packets = [packet for packet, _ in messages]
    return packets[0] if len(packets) == 1 else b"".join(map(_with_length, packets)), False


def _with_length(packet: bytes) -> bytes:
    units = len(packet) if packet.isascii() else len(packet.decode().encode("utf-16-le")) // 2
    return b"\xef\xbf\xbd%d\xef\xbf\xbd%b" % (units, packet)


def encode_handshake(
    sid: str, heartbeat_timeout: float | None, close_timeout: float, transports: Sequence[str]
) -> bytes:
    """Write the answer to a handshake (WP-3), times in seconds, which are sent as whole ones, at least 1.

    None for the heartbeat means that there is none; 0.9 then gives up at once, with any transport that beats.
    """
    heartbeat = "" if heartbeat_timeout is None else _whole_seconds(heartbeat_timeout)
    return f"{sid}:{heartbeat}:{_whole_seconds(close_timeout)}:{','.join(transports)}".encode()


def _whole_seconds(seconds: float) -> int:
    return max(1, ceil(seconds))
