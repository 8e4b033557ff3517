"""Packets as dictionaries, and as the text of 0.9 (chapter "socketio.packet" of the original's documentation).

    connect      type, qs, endpoint
    message      type, data, endpoint; json likewise
    event        type, name, args, endpoint
    ack          type, ackId, args, endpoint
    error        type, reason, advice, endpoint
    disconnect, heartbeat, noop   type, endpoint

A message, json or event that is to be acknowledged has an `id`, and `ack`: "data" if the application answers, True if
the receipt is confirmed.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from .defaultjson import default_json_dumps, default_json_loads

__all__ = [
    "ADVICES_VALUES",
    "ERROR_ADVICES",
    "ERROR_REASONS",
    "MSG_TYPES",
    "MSG_VALUES",
    "REASONS_VALUES",
    "decode",
    "encode",
    "socketio_packet_attributes",
]

_KINDS = ("disconnect", "connect", "heartbeat", "message", "json", "event", "ack", "error", "noop")

MSG_TYPES = {name: number for number, name in enumerate(_KINDS)}
MSG_VALUES = dict(enumerate(_KINDS))
ERROR_REASONS = {"transport not supported": 0, "client not handshaken": 1, "unauthorized": 2}
REASONS_VALUES = {number: name for name, number in ERROR_REASONS.items()}
ERROR_ADVICES = {"reconnect": 0}
ADVICES_VALUES = {number: name for name, number in ERROR_ADVICES.items()}
socketio_packet_attributes = ["type", "name", "data", "endpoint", "args", "ackId", "reason", "advice", "qs", "id"]

Packet = dict[str, Any]
Made = TypeVar("Made")


class SharedPacket(Packet):
    """An event for many clients. What is made of it for one kind of them serves all of that kind."""

    def __init__(self, *, name: str, args: Sequence[Any], endpoint: str) -> None:
        super().__init__(type="event", name=name, args=args, endpoint=endpoint)
        self._made: dict[Hashable, tuple[Any, Any]] = {}

    def made(self, kind: Hashable, make: Callable[[Packet], Made]) -> Made:
        """Return what `make` makes of the packet: once for each kind, and anew where an item was replaced meanwhile."""
        args, key = self["args"], (kind, self["name"], self["endpoint"], self.get("id"))
        found, made = self._made.get(key, (None, None))
        if found is not args:
            made = make(self)
            self._made[key] = args, made
        result: Made = made
        return result


def encode(data: Packet, json_dumps: Callable[[Any], str] = default_json_dumps) -> str:
    """Return the text of a packet. KeyError for a type that does not exist, or for what the type needs."""
    kind, endpoint = data["type"], data.get("endpoint", "")
    number = MSG_TYPES[kind]
    match kind:
        case "connect" | "disconnect":
            return f"{number}::{endpoint}" + (f":{data['qs']}" if data.get("qs") else "")
        case "message" | "json" | "event":
            payload = _payload(kind, data, json_dumps)
            return f"{number}:{_id(data)}:{endpoint}" + (f":{payload}" if payload else "")
        case "ack":
            args = data.get("args", [])
            return f"{number}::{endpoint}:{data['ackId']}" + (f"+{json_dumps(args)}" if args != [] else "")
        case "error":
            reason, advice = data.get("reason", ""), data.get("advice", "")
            reason = str(ERROR_REASONS[reason]) if reason != "" else ""
            return f"{number}:::{reason}{f'+{ERROR_ADVICES[advice]}' if advice != '' else ''}{endpoint}"
    return f"{number}::"


def decode(rawstr: str, json_loads: Callable[[str], Any] = default_json_loads) -> Packet:
    """Return the packet that a text is. An event whose JSON is broken has no name.

    IndexError, KeyError, ValueError or Exception for a text that is none.
    """
    number, id, endpoint, *rest = rawstr.split(":", 3)
    packet: Packet = {}
    if id:
        packet["id"] = int(id.partition("+")[0])
        packet["ack"] = "data" if "+" in id else True
    if int(number) not in MSG_VALUES:
        raise Exception(f"Unknown message type: {number}")
    kind = packet["type"] = MSG_VALUES[int(number)]
    packet["endpoint"] = endpoint
    data = rest[0] if rest else ""
    match kind:
        case "connect":
            packet["qs"] = data
        case "message":
            packet["data"] = data
        case "json":
            packet["data"] = json_loads(data)
        case "event":
            _read_event(packet, data, json_loads)
        case "ack":
            ack_id, _, args = data.partition("+")
            packet["ackId"], packet["args"] = int(ack_id), json_loads(args) if args else []
        case "error":
            reason, _, advice = data.partition("+")
            packet["reason"] = REASONS_VALUES[int(reason)] if reason else ""
            packet["advice"] = ADVICES_VALUES[int(advice)] if advice else ""
    return packet


def message_of(data: Packet, *kinds: type) -> Any:
    """Return what a message has; TypeError if it is of none of these types."""
    found = data["data"]
    if not isinstance(found, kinds):
        raise TypeError(f"a message is a text, and this is {found!r:.80}: send it with json=True")
    return found


def _id(data: Packet) -> str:
    if "id" not in data:
        return ""
    return f"{data['id']}+" if data.get("ack") == "data" else str(data["id"])


def _payload(kind: str, data: Packet, json_dumps: Callable[[Any], str]) -> str:
    if kind == "message":
        return str(message_of(data, str))
    if kind == "json":
        return json_dumps(data["data"])
    args = data.get("args", [])
    return json_dumps({"name": data["name"]} if args == [] else {"name": data["name"], "args": args})


def _read_event(packet: Packet, data: str, json_loads: Callable[[str], Any]) -> None:
    try:
        event = json_loads(data)
    except ValueError:
        packet["args"] = []
        return
    packet["name"] = event["name"]
    packet["args"] = event.get("args", [])
