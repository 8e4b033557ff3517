"""Python's loggers, as all parts of the package use them: their lines have nothing in them that a terminal obeys.

What clients write gets into lines: paths, origins, names of events. A filter at the logger, before all handlers,
escapes control characters (C0, DEL, C1, line separators), the characters that turn the direction of text around, and
lone surrogates, which no file takes.
"""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Hashable

from ..engine.throttle import Tell, Throttle

_OBEYED = "\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[\0-\n{_OBEYED}]")
_CONTROL_IN_TRACEBACK = re.compile(f"[\0-\t{_OBEYED}]")


def logger(name: str) -> logging.Logger:
    """Return the logger of this name, whose lines are clean."""
    found = logging.getLogger(name)
    found.addFilter(_CLEAN)  # once: it is the same one
    return found


def clean(text: str) -> str:
    r"""Escape what a terminal or a reader of the log would obey, as \x1b or \u202e."""
    return _CONTROL.sub(_escape, text)


def clean_record(record: logging.LogRecord, max_length: int | None = None) -> None:
    """Make a record clean, its traceback too; a text that is longer than `max_length` characters is cut.

    The record stays as it is where nothing has to be escaped, so that its text and values can be told apart.
    """
    try:
        text = record.getMessage()
    except Exception:  # somebody's text and values that do not fit: their handlers say so
        return
    short = text if max_length is None or len(text) <= max_length else f"{text[:max_length]}..."
    if (cleaned := clean(short)) is not text and cleaned != text:
        record.msg, record.args = cleaned, ()
    if record.exc_info and record.exc_info[1] is not None:
        plain = "".join(traceback.format_exception(record.exc_info[1]))
        if (cleaned := _clean_traceback(record.exc_info[1])) != plain:
            record.exc_text = cleaned.rstrip("\n")


class _Clean(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        clean_record(record)
        return True


_CLEAN = _Clean()


class LoopThrottle:
    """The throttle of lines that belong to no engine: its counts come by the running loop, if there is one."""

    def __init__(self) -> None:
        self._throttle = Throttle(self._later)

    def allows(self, kind: Hashable, tell: Tell) -> bool:
        """Tell whether a line of this kind may be written now; see `Throttle`."""
        return self._throttle.allows(kind, time.monotonic(), tell)

    def flush(self) -> None:
        """Write all counts now."""
        self._throttle.flush()

    def _later(self, kind: Hashable, at: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the next line of the kind brings the count
        loop.call_later(max(0.0, at - time.monotonic()), self._throttle.due, kind, at)


def _clean_traceback(error: BaseException) -> str:
    """Format an exception; a text with several lines is indented, so that no line of it looks like one of the log."""
    parts = (part if part.startswith("\n") else _indent(part) for part in traceback.format_exception(error))
    return _CONTROL_IN_TRACEBACK.sub(_escape, "".join(parts))


def _indent(part: str) -> str:
    return re.sub(r"\n(?=[^\s])", "\n    ", part)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
