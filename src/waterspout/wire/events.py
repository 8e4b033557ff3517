"""Events over a plain WebSocket, the subprotocol `waterspout.json.v1`: docs/websocket.md is its specification.

A message is one JSON object. A connection is in one namespace, so no message names it: `decode` is told.
"""

from collections.abc import Sequence
from typing import Any

from ..errors import BinaryRefused, DecodeError, UnknownMessage
from . import json
from .packets import Ack, Connect, Event, Heartbeat
from .socketio import Encoded

__all__ = [
    "decode",
    "decode_binary",
    "encode_ack",
    "encode_connect",
    "encode_connect_error",
    "encode_disconnect",
    "encode_event",
    "encode_knock",
    "encode_message",
    "encode_refusal",
]  # the rest is for the core

SUBPROTOCOL = "waterspout.json.v1"
PING = b"{}"
"""What a client sends to learn whether the server lives, and the answer."""

_LARGEST_ID = 2**53 - 1  # which JavaScript's numbers keep
_LONGEST_ID = 100  # characters
_BEAT = Heartbeat()


def decode(
    text: str, at: int = 0, max_attachments: int = 0, *, namespace: str = "/"
) -> Connect | Event | Ack | Heartbeat:
    """Read one message; raises UnknownMessage, whatever the text. Keys that it does not know are ignored."""
    try:
        form = json.decode(text)
    except DecodeError as error:
        raise UnknownMessage(str(error)) from error
    if type(form) is not dict:
        raise UnknownMessage(f"a message is a JSON object, unlike {text[:20]!r}")
    if "event" in form:
        return _event(namespace, form)
    if "connect" in form:
        return _connect(namespace, form["connect"])
    if "id" in form:
        return _ack(namespace, form)
    if form:
        raise UnknownMessage(f"a message has event, connect or id, unlike {text[:20]!r}")
    return _BEAT


def _connect(namespace: str, auth: Any) -> Connect:
    if auth is not None and type(auth) is not dict:
        raise UnknownMessage(f"connect is an object, not {type(auth).__name__}")
    return Connect(namespace, auth)


def _event(namespace: str, form: dict[str, Any]) -> Event:
    name, number = form["event"], form.get("id")
    if type(name) is not str:
        raise UnknownMessage(f"the event is a text, not {type(name).__name__}")
    if number is not None:
        number = _id(number)
    return Event(namespace, name, [form["data"]] if "data" in form else _args(form), number)


def _ack(namespace: str, form: dict[str, Any]) -> Ack:
    """Read the answer to an event of the server; an error is what clients of Socket.IO send as one: an argument."""
    args = [{"error": form["error"]}] if "error" in form else _args(form)
    return Ack(namespace, _id(form["id"]), args)


def _args(form: dict[str, Any]) -> list[Any]:
    if "data" in form:
        return [form["data"]]
    args = form.get("args", [])
    if type(args) is not list:
        raise UnknownMessage(f"args is a list, not {type(args).__name__}: give one value as data")
    return args


def _id(value: Any) -> Any:
    if type(value) is int and abs(value) <= _LARGEST_ID:
        return value
    if type(value) is float and abs(value) <= _LARGEST_ID and value.is_integer():
        return int(value)
    if type(value) is str and len(value) <= _LONGEST_ID:
        return value
    raise UnknownMessage(f"an id is an integer of up to 53 bits, or a text of up to {_LONGEST_ID} characters")


def decode_binary(data: bytes, partial: object = None) -> Event:
    """Refuse a binary message: there are none."""
    raise BinaryRefused("a binary message came: send text")


def encode_knock(namespace: str, auth: object = None) -> Encoded:
    """Write, as a client does, that it wants to enter."""
    return _write({"connect": {} if auth is None else auth})


def encode_connect(namespace: str, sid: str) -> Encoded:
    """Write that the client has entered."""
    return _write({"connect": {"sid": sid}})


def encode_connect_error(namespace: str, message: str, data: object = None) -> Encoded:
    """Write that the client may not enter."""
    return _write({"error": {"message": message} if data is None else {"message": message, "data": data}})


def encode_disconnect(namespace: str) -> Encoded:
    """Write nothing: the code with which the WebSocket is closed says it."""
    return b"", ()


def encode_event(namespace: str, name: str, args: Sequence[Any], id: int | None = None) -> Encoded:
    """Write an event: one argument is its `data`, several are `args`. Raises as `json.encode`; bytes go as base64."""
    form = _with_args({"event": name}, args)
    if id is not None:
        form["id"] = id
    return _write(form)


def encode_message(namespace: str, data: Any, id: int | None = None, *, is_json: bool = False) -> Encoded:
    """Write what 0.7 to 0.9 send without a name: the event "message"; raises as `encode_event`."""
    return encode_event(namespace, "message", (data,), id)


def encode_ack(namespace: str, id: Any, args: Sequence[Any]) -> Encoded:
    """Write the answer to an event; nothing is null. Raises as `encode_event`."""
    return _write({"id": id, "data": args[0]} if len(args) == 1 else _with_args({"id": id}, args or (None,)))


def encode_refusal(namespace: str, id: Any, report: Any) -> Encoded:
    """Write that an event was not handled, and why. Raises as `encode_event`."""
    return _write({"id": id, "error": report["error"] if type(report) is dict and "error" in report else report})


def _with_args(form: dict[str, Any], args: Sequence[Any]) -> dict[str, Any]:
    if len(args) == 1:
        form["data"] = args[0]
    elif args:
        form["args"] = args
    return form


def _write(form: dict[str, Any]) -> Encoded:
    try:
        return json.encode_clean(form, json.stop, json.PLAIN), ()
    except TypeError as error:
        text = json.encode_again(form, error)
    return json.encode(form) if text is None else text, ()
