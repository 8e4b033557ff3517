"""The messages between nodes: their types and codec.

A word is what an adapter publishes: the sender's name, two numbers, and a message. The numbers show what was lost and
what comes twice (incoming.py). Words are input like any other; nodes of several versions may be mixed: unknown fields
are ignored, and a message of an unknown kind is answered, if an answer is due.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from ...errors import AdapterError, DecodeError
from ...wire import surrogates
from ...wire.json import plain
from ...wire.socketio import RESERVED
from ..fanout import UNSENDABLE
from ..rooms import Audience, Room

T = TypeVar("T")

VERSION = 1
"""Of the messages; it is in the hello of each node."""

OVERHEAD = 512  # bytes that a word, or its repetition, needs beside its message: names, numbers and the topic

MOST_NAME = 64  # characters of a sender's name, which nodes keep and put into topics


class Word(msgspec.Struct, frozen=True, array_like=True):
    """What is published: `n` is the sender's count of words, `prev` that of its word before on the same topic.

    `prev` is 0 where the sender knows none. A word without a number (0) is not repeated, and may come in any order.
    """

    node: Annotated[str, msgspec.Meta(max_length=MOST_NAME)]
    n: int
    prev: int
    message: bytes


class _ForClients(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """A message for the clients of a namespace; `to` and `except_` as in `Audience`."""

    namespace: str
    to: tuple[Room, ...] | None = None
    except_: tuple[Room, ...] = ()


class Broadcast(_ForClients, frozen=True):
    """An event that is to be published."""

    event: str
    args: list[Any]
    volatile: bool = False
    compress: bool = True
    latest: str | None = None


class BroadcastHere(_ForClients, frozen=True, tag="broadcast"):
    """An event as it is published: its arguments are read where there is somebody who gets them, and skipped else."""

    event: str
    args: bytes
    volatile: bool = False
    compress: bool = True
    latest: str | None = None

    def read_args(self) -> list[Any]:
        """Return the arguments; DecodeError for what are none."""
        try:
            return _args.decode(self.args)
        except _BROKEN as error:
            raise DecodeError(f"not the arguments of an event: {error} - at `$.args`") from error


class Join(_ForClients, frozen=True, tag="join"):
    """The clients join rooms; where there is a `number`, an answer is due when they have."""

    rooms: list[Room]
    number: int = 0


class Leave(_ForClients, frozen=True, tag="leave"):
    """The clients leave rooms; `number` as for `Join`."""

    rooms: list[Room]
    number: int = 0


class BusDisconnect(_ForClients, frozen=True, tag="part"):
    """The clients are disconnected from the namespace; with `close`, their connections are closed."""

    close: bool = False


class Fetch(_ForClients, frozen=True, tag="fetch"):
    """Asks for the clients, as values."""

    number: int


class Count(_ForClients, frozen=True, tag="count"):
    """Asks how many clients there are."""

    number: int


class Ask(_ForClients, frozen=True, tag="ask"):
    """An event that the clients are to acknowledge, within `timeout` seconds."""

    number: int
    event: str
    args: list[Any]
    timeout: Annotated[float, msgspec.Meta(gt=0, lt=1e9)]


class NodeAnswer(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="answer"):
    """The answer to the message of this number, or a part of it, if there is `more`."""

    number: int
    items: list[msgspec.Raw] = []
    more: bool = False
    understood: bool = True


class Hello(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="hello"):
    """A node is here. `life` is different for nodes that have taken the same name; `heads` has its last `n` by topic.

    `asks`: it wants the others' hello. `ready`: it takes new clients. `age`: for how many seconds it has been open, and
    has kept its name; None before. It is `leaving`, and its last hello says that it is `gone`.
    """

    life: str
    version: int
    sessions: int
    heads: dict[str, int]
    asks: bool = False
    ready: bool = False
    leaving: bool = False
    gone: bool = False
    age: float | None = None

    @property
    def settled(self) -> bool:
        """Whether the node keeps its name."""
        return self.age is not None


class Again(msgspec.Struct, frozen=True, tag_field="kind", tag="again"):
    """Asks the sender of a topic's words for those behind `after`, up to `last`."""

    topic: str
    after: int
    last: int


class Repetition(msgspec.Struct, frozen=True, tag_field="kind", tag="repetition"):
    """A word that was asked for."""

    topic: str
    word: bytes


class Forgotten(msgspec.Struct, frozen=True, tag_field="kind", tag="forgotten"):
    """Words that were asked for, up to `last`, are not kept any more."""

    topic: str
    last: int


ForClients = BroadcastHere | Join | Leave | BusDisconnect
Question = Fetch | Count | Ask
BusMessage = ForClients | Question | NodeAnswer | Hello | Again | Repetition | Forgotten


class _Stub(msgspec.Struct, frozen=True):
    """What any message has, of whatever kind and version."""

    kind: str
    number: int = 0


class NotUnderstood(DecodeError):
    """A message that wants an answer, of an unknown kind or with other fields: perhaps of a newer node."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


_encoder = msgspec.msgpack.Encoder(enc_hook=plain)
_KEPT = (bytes, bytearray, memoryview, datetime)
_args: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[Any])
_words: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)
_messages: msgspec.msgpack.Decoder[BusMessage] = msgspec.msgpack.Decoder(BusMessage)
_stubs: msgspec.msgpack.Decoder[_Stub] = msgspec.msgpack.Decoder(_Stub)
_EVENTS = (BroadcastHere, Ask)  # a union of types would be made anew for each message
_BROKEN = (msgspec.DecodeError, TypeError, ValueError, RecursionError)


def encode(message: BusMessage | Broadcast) -> bytes:
    """Write a message; TypeError, naming the event, for what the bus cannot carry: integers beyond 64 bits."""
    try:
        return _encode(message)
    except (*UNSENDABLE, OverflowError) as error:
        raise TypeError(f"{describe(message)} cannot be sent to other nodes: {error}") from error


def address(message: Broadcast | ForClients | Question, to: Audience, largest: int | None) -> bytes:
    """Write a message for these clients; TypeError as `encode`, AdapterError for more than `largest` bytes."""
    data = encode(msgspec.structs.replace(message, to=to.to, except_=to.except_))
    if largest is not None and len(data) > largest:
        remedy = f"the adapter carries {largest}: send less, or the address of what is large"
        raise AdapterError(f"{describe(message)} has {len(data)} bytes for other nodes, and {remedy}")
    return data


def largest_message(largest_word: int | None, topic: str) -> int | None:
    """Return how many bytes a message may have, where an adapter carries words of so many."""
    return None if largest_word is None else largest_word - OVERHEAD - 2 * len(topic)


def node_topic(topic: str, node: str) -> str:
    """Return the topic of what is for one node, or for one program that has asked the nodes."""
    return f"{topic}/node/{node}"


def describe(message: BusMessage | Broadcast) -> str:
    """Name a message for an error."""
    return f"the event {message.event!r}" if isinstance(message, Broadcast | Ask) else "this"


def _encode(message: BusMessage | Broadcast) -> bytes:
    try:
        return _encoder.encode(_packed(message))
    except UnicodeEncodeError:
        if not isinstance(message, Broadcast | Ask):
            raise
        args = msgspec.to_builtins(message.args, builtin_types=_KEPT, str_keys=True, enc_hook=plain)
        event = surrogates.replace(message.event)
        message = msgspec.structs.replace(message, event=event, args=surrogates.replace_all(args))
        return _encoder.encode(_packed(message))


def _packed(message: BusMessage | Broadcast) -> BusMessage:
    if not isinstance(message, Broadcast):
        return message
    args = _encoder.encode(message.args)
    how = message.volatile, message.compress, message.latest
    return BroadcastHere(message.event, args, *how, namespace=message.namespace, to=message.to, except_=message.except_)


def encode_word(node: str, n: int, prev: int, message: bytes) -> bytes:
    """Write a word."""
    return _encoder.encode(Word(node, n, prev, message))


def beginnings(node: str) -> tuple[bytes, bytes]:
    """Return what all words of a node begin with, and what those without a number begin with."""
    empty = encode_word(node, 0, 0, b"")
    return empty[:-4], empty[:-3]  # without its numbers and its message, of two bytes; without its second number


def decode_word(data: bytes) -> Word:
    """Read a word from the bus; DecodeError for whatever else is there."""
    try:
        return _words.decode(data)
    except _BROKEN as error:
        raise DecodeError(f"not a message of a node: {error}") from error


def decode(data: bytes) -> BusMessage:
    """Read the message of a word; DecodeError for whatever else is there, `NotUnderstood` where an answer is due."""
    try:
        message = _messages.decode(data)
    except _BROKEN as error:
        text = f"not a message of a node: {error}"
        number = _wants_answer(data)
        raise (NotUnderstood(text, number) if number else DecodeError(text)) from error
    if isinstance(message, _EVENTS) and message.event in RESERVED:
        raise DecodeError(f"not a message of a node: {message.event!r} is reserved by Socket.IO")
    return message


def _wants_answer(data: bytes) -> int:
    """Return the number of a message that cannot be read; 0 if it has none, or is itself an answer."""
    try:
        stub = _stubs.decode(data)
    except _BROKEN:
        return 0
    return 0 if stub.kind == NodeAnswer.__struct_config__.tag else stub.number


def whom(message: ForClients | Question) -> Audience:
    """Return whom a message is for."""
    return Audience(message.to, message.except_)


def pack(value: object) -> msgspec.Raw | None:
    """Write an item of an answer; None for what the bus cannot carry."""
    try:
        return msgspec.Raw(_encoder.encode(value))
    except (*UNSENDABLE, OverflowError):
        return None


def unpack(decoder: msgspec.msgpack.Decoder[T], item: msgspec.Raw) -> T | None:
    """Read an item of an answer; None for whatever else is there."""
    try:
        return decoder.decode(item)
    except _BROKEN:
        return None


def answers(number: int, items: Iterable[msgspec.Raw], largest: int | None) -> list[NodeAnswer]:
    """Divide the answer to a question, so that no part has more than `largest` bytes of items."""
    parts: list[list[msgspec.Raw]] = [[]]
    size = 0
    for item in items:
        size += len(item)
        if parts[-1] and largest is not None and size > largest:
            parts.append([])
            size = len(item)
        parts[-1].append(item)
    return [NodeAnswer(number, part, more=part is not parts[-1]) for part in parts]
