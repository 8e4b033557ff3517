"""What can go wrong, and how each failure appears on the wire.

Every class that a peer can cause carries its wire form as class attributes: the HTTP status of the
answer and the WebSocket close code (RFC 6455, section 7.4.1).
"""

import http
import re
from collections import abc
from typing import Never

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, section 5.5
_QUOTED = re.compile(r"""(?<!\w)b?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""", re.DOTALL)  # what repr makes


_OF_THE_HOST = frozenset(("connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"))

HeaderFields = abc.Mapping[str, str] | abc.Iterable[tuple[str, str]]


def header_fields(given: HeaderFields) -> tuple[tuple[str, str], ...]:
    """Return header fields as pairs of name and value.

    TypeError for what is neither a mapping nor pairs of strings; ValueError for a name or a value that no field can
    have, and for those that say how the answer travels, such as Content-Length.
    """
    pairs = tuple(given.items() if isinstance(given, abc.Mapping) else given)
    for pair in pairs:
        if not _is_pair(pair):
            raise TypeError(f"{pair!r} is no header field: give pairs of a name and a value, or a dictionary")
        name, value = pair
        if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise ValueError(f"{name!r}: {value!r} is no header field: it has a name and one line")
        if name.lower() in _OF_THE_HOST or name.lower().startswith("sec-websocket-"):
            raise ValueError(f"{name!r} says how the answer travels, which is the server's own: leave it out")
    return pairs


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)


class WaterspoutError(Exception):
    """The root of everything that this package raises on purpose."""


class ProtocolError(WaterspoutError):
    """The peer broke a rule of its protocol; its connection ends, and no other."""

    status = 400
    close_code = 1002

    @property
    def outline(self) -> str:
        """The text for a log: without what a decoder has quoted of the client's message."""
        return str(self)


class DecodeError(ProtocolError):
    """Bytes that are not what the protocol allows: the only exception that a decoder raises."""

    @property
    def outline(self) -> str:
        return _QUOTED.sub("...", str(self))


class InvalidText(DecodeError):
    """Text that is not UTF-8 (RFC 6455, section 8.1)."""

    close_code = 1007


class TooMany(DecodeError):
    """More packets, fragments or attachments than one message may have."""

    close_code = 1008


class ReservedName(DecodeError):
    """An event bears a name that is Socket.IO's own."""

    outline = ProtocolError.outline


class WrongParser(DecodeError):
    """The client and the server were given different parsers: JSON and msgpack."""

    outline = ProtocolError.outline


class PayloadTooLarge(DecodeError):
    """A message or a request body above `max_payload_bytes`, or a query of a namespace above 64 KB."""

    status = 413
    close_code = 1009


class UnknownMessage(DecodeError):
    """A message over a plain WebSocket that is none of its protocol (docs/websocket.md)."""

    close_code = 4400


class BinaryRefused(DecodeError):
    """A binary message where all messages are text."""

    close_code = 1003


class TooManyMessages(ProtocolError):
    """Over a plain WebSocket: a second message that asks to enter, or too much before the client has entered."""

    close_code = 4429


class ConnectRefused(WaterspoutError):
    """Raise it in a connect handler to refuse the client, with something for its `connect_error`.

    A string is the error's message, anything else its `data`; either can be given by name beside the other. Clients
    of Socket.IO 1.x and 2.x know one value only: the data where there is some, else the message. Those of 0.7 to
    0.9 get neither.
    """

    def __init__(self, reason: object = None, /, *more: Never, message: str | None = None, data: object = None) -> None:
        if more:
            raise TypeError(f"ConnectRefused takes one value: write ConnectRefused({more[0]!r}, message={reason!r})")
        if isinstance(reason, str) and message is None:
            message = reason
        elif data is None:
            data = reason
        elif reason is not None:
            raise TypeError(f"ConnectRefused takes one message and one data: it has {reason!r} beside its {data!r}")
        self.message: str = "Not authorized" if message is None else message
        self.data = data
        super().__init__(self.message)


class HandshakeRefused(WaterspoutError):
    """Raise it in a function of `on_handshake`, or in the `open` of an engine's application, to refuse a client.

    There is no session then: the handshake is answered with this status, the text and these header fields. Without a
    text, it is that of the status. ValueError for a status that is neither 204 nor one of 300 to 599, and for fields
    that no answer can have.
    """

    def __init__(self, status: int, text: str = "", headers: "HeaderFields" = ()) -> None:
        if status not in range(300, 600) and status != 204:
            raise ValueError(f"status is {status!r}: refuse with one of 300 to 599, such as 401, or with 204")
        self.status: int = int(status)
        self.headers: tuple[tuple[str, str], ...] = header_fields(headers)
        self.text: str = text or _phrase(self.status)
        super().__init__(self.text)


class EventRefused(WaterspoutError):
    """An event that reaches no handler; raise it in a step of `use_event`, or in a handler.

    The client's acknowledgement is `report`, `on_error` sees the error, and nothing is logged.
    """

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details: dict[str, object] = details

    @property
    def report(self) -> dict[str, object]:
        """What the client is told: `{"error": {"message": ..., ...}}`."""
        return {"error": {**self.details, "message": str(self)}}


class RateLimited(EventRefused):
    """The client has sent more events than `max_events_per_second`."""


class EventDenied(EventRefused):
    """The socket is not allowed to send the event; the client is told no more than of an event that does not exist."""


class TooManyCalls(WaterspoutError):
    """The client owes so many answers already that it is asked nothing more."""


class ArgumentError(EventRefused):
    """What a client sent with an event is not what the event's handler takes; the handler was not called.

    `argument` is the name of the handler's parameter, or None where too many arguments came; `place` is where in the
    argument, such as "$.items[2].price" ("$" is all of it), and empty where arguments are missing or too many. The
    text is ASCII, and holds at most about 80 characters of what the client sent; but what the `__post_init__` of a type
    has raised is as it is. `outline` is a text without anything that the client sent, for a log; where there is one,
    the first such refusal is logged as a warning.
    """

    def __init__(
        self, message: str, *, event: str, argument: str | None = None, place: str = "", outline: str = ""
    ) -> None:
        super().__init__(message, event=event, argument=argument, place=place)
        self.event = event
        self.argument = argument
        self.place = place
        self.outline = outline


class SocketClosed(WaterspoutError):
    """The client is gone, so the answer that was waited for will not come."""


class AckTimeout(WaterspoutError, TimeoutError):
    """The client did not acknowledge within the timeout of the call."""


class AdapterError(WaterspoutError):
    """The carrier between nodes failed."""


class CannotStart(WaterspoutError):
    """The server cannot start; the text is one sentence for the person at the terminal."""


def _phrase(status: int) -> str:
    """Return the text of a status, or "Refused" for one that nobody has given a meaning."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
