"""The protocol of Socket.IO 0.7 to 0.9 as TornadIO2 writes it: packets, JSON, and the frames of polling.

A packet is a string. A `Pack` also has the packet as a value, which is encoded again for clients of other generations.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import msgspec

from ...drivers import logger
from ...errors import DecodeError
from ...wire import json, surrogates
from ...wire.packets import Ack, Connect, Disconnect, Error, Event, Heartbeat, Message, Noop, Packet, Signal
from ...wire.protocol1 import decode, decode_payload, encode_payload
from ..complaints import ALONE
from ..modern import as_json_has_it

log = logger("tornadio2.proto")

DISCONNECT, CONNECT, HEARTBEAT, MESSAGE, JSON, EVENT, ACK, ERROR, NOOP = map(str, range(9))
FRAME_SEPARATOR = "\ufffd"

_TEXT_ONLY = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})  # the clients' patterns stop there


class Pack(str):
    """A packet of 0.9 as text; `packet` is its value, which is the same for all generations."""

    packet: Packet | Signal | None

    __slots__ = ("packet",)

    def __new__(cls, text: str, packet: Packet | Signal | None = None) -> "Pack":
        """Make a pack; without a `packet`, `meaning` decodes the text."""
        pack = super().__new__(cls, text)
        pack.packet = packet
        return pack


def meaning(pack: str) -> Packet | Signal:
    """Return the value of a packet; ValueError for a text that is no packet."""
    if isinstance(pack, Pack) and pack.packet is not None:
        return pack.packet
    with _value_errors():
        return decode(pack)


def settled(pack: str) -> str:
    """Return a packet with copies of its values: the thread that sends it may change them before it is encoded."""
    match getattr(pack, "packet", None):
        case (Event() | Ack()) as packet:
            return Pack(pack, msgspec.structs.replace(packet, args=[_settled(value) for value in packet.args]))
        case Message() as packet:
            return Pack(pack, msgspec.structs.replace(packet, data=_settled(packet.data)))
    return pack


def disconnect(endpoint: str | None = None) -> Pack:
    """Encode a disconnect: of an endpoint, or of the whole connection."""
    return Pack(f"0::{endpoint or ''}", Disconnect(endpoint or "/"))


def connect(endpoint: str | None = None) -> Pack:
    """Encode a connect: the client is connected to an endpoint."""
    return Pack(f"1::{endpoint or ''}", Connect(endpoint or "/"))


def heartbeat() -> Pack:
    """Encode a heartbeat."""
    return Pack("2::", Heartbeat())


def message(endpoint: str | None, msg: Any, message_id: int | str | None = None, force_json: bool = False) -> str:
    """Encode a message: a string unchanged, bytes as UTF-8, any other value as JSON.

    `force_json`: a string is JSON already. For None, the packet is empty.
    """
    if msg is None:
        return ""
    if isinstance(msg, bytes):
        msg = msg.decode()
    number, id = _id(message_id)
    is_json = not isinstance(msg, str)
    packet = Message(endpoint or "/", msg, id, receipt=bool(number), is_json=is_json)
    kind, text = (JSON, _json(msg)) if is_json else (JSON if force_json else MESSAGE, msg)
    return Pack(f"{kind}:{number}:{endpoint or ''}:{text}", None if force_json and not is_json else packet)


def event(endpoint: str | None, name: str | bytes, message_id: int | str | None, /, *args: Any, **kwargs: Any) -> Pack:
    """Encode an event with its positional arguments, or with one dictionary of its keyword arguments; not both.

    With a plus behind the id ("1+") the client answers with data; without it, it acknowledges the receipt.
    """
    if args and kwargs:
        text = "the event %a has arguments with a name and without: those with a name are not sent"
        ALONE.write(log, text, name)
    text = name.decode() if isinstance(name, bytes) else name
    values = list(args) if args else [kwargs]
    number, id = _id(message_id)
    form = _json({"args": values, "name": text})  # in the order of the original on 64-bit Python 2
    return Pack(f"5:{number}:{endpoint or ''}:{form}", Event(endpoint or "/", text, values, id))


def ack(endpoint: str | None, message_id: int | str, ack_response: Any = None) -> Pack:
    """Encode an acknowledgement: without data for None, with several values for a tuple, else with one."""
    number = str(message_id).rstrip("+")
    values = [] if ack_response is None else list(ack_response) if isinstance(ack_response, tuple) else [ack_response]
    data = "" if ack_response is None else f"+{_json(values)}"
    return Pack(f"6::{endpoint or ''}:{number}{data}", Ack(endpoint or "/", int(number), values))


def error(endpoint: str | None, reason: Any, advice: Any = None) -> Pack:
    """Encode an error: its reason, and an advice to the client."""
    words = str(reason or ""), str(advice or "")
    return Pack(f"7::{endpoint or ''}:{words[0]}+{words[1]}", Error(endpoint or "/", *words))


def noop() -> Pack:
    """Encode a noop, the answer to a poll that has timed out."""
    return Pack("8::", Noop())


def json_dumps(msg: Any) -> str:
    """Encode a value as JSON; applications may replace this function."""
    return json.encode_spaced(msg).replace("\\\\/", "\\\\\\u002f")  # 0.9 takes \/ for / in htmlfile


def json_load(msg: str | bytes) -> Any:
    """Decode JSON; ValueError for an invalid text. Applications may replace this function."""
    with _value_errors():
        return json.decode(msg)


_DUMPS, _LOAD = json_dumps, json_load


def outgoing(value: Any) -> Any:
    """Return the value to encode for clients of 1.x to 4.x; by `json_dumps`, if the application has replaced that."""
    return as_json_has_it(value, None if json_dumps is _DUMPS else json_dumps)


def incoming(value: Any) -> Any:
    """Return a received value as the application's own `json_load` would decode it; unchanged without one."""
    return value if json_load is _LOAD else json_load(_DUMPS(value))


def decode_frames(data: str | bytes) -> list[str]:
    """Split the body of a request into its packets; ValueError for an invalid one.

    Lengths count UTF-16 units, as in the clients.
    """
    body = surrogates.encode(data) if isinstance(data, str) else data
    with _value_errors():
        return [str(packet) for packet in decode_payload(body)]


def encode_frames(packets: Iterable[str]) -> bytes:
    """Join packets into the body of an answer; a single one has no frame."""
    return encode_payload((surrogates.encode(packet), ()) for packet in packets)[0]


# Below this line: how it is done


@contextmanager
def _value_errors() -> Generator[None, None, None]:
    try:
        yield
    except DecodeError as error:
        raise ValueError(str(error)) from error


def _settled(value: Any) -> Any:
    """Return a copy of a value, with bytes in place of buffers."""
    if json_dumps is not _DUMPS:
        return outgoing(value)
    if isinstance(value, dict):
        return {key: _settled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(one) for one in value]
    return bytes(value) if isinstance(value, bytearray | memoryview) else deepcopy(value)


def _json(value: Any) -> str:
    return json_dumps(value).translate(_TEXT_ONLY)


def _id(message_id: int | str | None) -> tuple[str, int | None]:
    """Return the id of a packet as text, and as a number without its plus."""
    number = "" if message_id is None else str(message_id)
    return number, int(number.rstrip("+")) if number else None
