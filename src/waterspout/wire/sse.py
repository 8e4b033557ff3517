"""Server-Sent Events: the encoding of events in an answer of text/event-stream (WHATWG HTML, section 9.2)."""

import re

__all__ = ["encode_event"]  # the rest is for the core

COMMENT = b":\n"
"""A sign of life; clients ignore it."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_NO_VALUE = re.compile("[\r\n\0]")


def encode_event(data: bytes, event: str | None = None, id: str | None = None, *, retry: int | None = None) -> bytes:
    """Write an event; `data` is UTF-8. Its lines end where the standard says so: at CR LF, CR or LF.

    `retry` tells in how many milliseconds the client is to come back, from then on. The id is the last line, so that a
    client that is cut off in the middle does not take the event for received.
    ValueError for a name or an id that has a line break or NUL, which would be something else to the client.
    """
    lines = []
    if event is not None:
        lines.append(b"event: " + _checked(event, "event"))
    if b"\n" in data or b"\r" in data:
        lines += [b"data: " + line for line in _LINE_END.split(data)]
    else:
        lines.append(b"data: " + data)
    if retry is not None:
        lines.append(b"retry: %d" % retry)
    if id is not None:
        lines.append(b"id: " + _checked(id, "id"))
    return b"\n".join(lines) + b"\n\n"


def encode_retry(milliseconds: int) -> bytes:
    """Write the time after which the client reconnects.

    There is no empty line behind it: it is not necessary, and fetch-event-source would read an event without data.
    """
    return b"retry: %d\n" % milliseconds


def _checked(value: str, name: str) -> bytes:
    if _NO_VALUE.search(value):
        raise ValueError(f"{name} is {value[:80]!a}: it cannot have a line break or NUL")
    return value.encode()
