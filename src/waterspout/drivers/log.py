"""Python's loggers, as all parts of the package use them: their lines have nothing in them that a terminal obeys.

What clients write gets into lines: paths, origins, names of events. A filter at the logger, before all handlers,
escapes control characters (C0, DEL, C1, line separators), the characters that turn the direction of text around, and
lone surrogates, which no file takes. The filter also formats tracebacks, once and bounded (`tracebacks`), so that
formatters find them in `exc_text`.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Hashable

from ..engine.throttle import Tell, Throttle
from .tracebacks import MAX_TEXT, Traceback, shorten

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


def write(
    log: logging.Logger,
    level: int,
    text: str,
    *values: object,
    error: BaseException | None = None,
    handle: Callable[[logging.Logger, logging.LogRecord], object] = logging.Logger.handle,
) -> int:
    """Log a line; return how many characters the traceback of `error` has, where it is written.

    `handle` does what loggers do: it applies the filters of the logger, and calls the handlers.
    """
    if not log.isEnabledFor(level):
        return 0
    told = None if error is None else (type(error), error, error.__traceback__)
    path, number, function, _ = log.findCaller(stacklevel=2)
    record = log.makeRecord(log.name, level, path, number, text, values, told, function)
    handle(log, record)
    return len(record.exc_text or "")


def clean_record(record: logging.LogRecord, max_length: int = MAX_TEXT) -> None:
    """Make a record clean and short: its text, of at most `max_length` characters, and its traceback.

    The record stays as it is where nothing has to be escaped, so that its text and values can be told apart. The
    traceback is put into `exc_text`; an exception with texts that are too long is left out of `exc_info`, for a
    formatter or a handler would make all of them again.
    """
    if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
        found = Traceback(record.exc_info[1])
        record.exc_text = _clean_traceback(found.parts)
        if not found.is_whole:
            record.exc_info = None
    try:
        text = record.getMessage()
    except Exception:  # somebody's text and values that do not fit: their handlers say so
        return
    short = text if len(text) <= max_length else f"{text[:max_length]}..."
    if (cleaned := clean(short)) is not text and cleaned != text:
        record.msg, record.args = cleaned, ()


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

    def wrote(self, kind: Hashable, size: int) -> None:
        """Count the characters of the traceback in the line that was allowed last."""
        self._throttle.wrote(kind, size)

    def flush(self) -> None:
        """Write all counts now."""
        self._throttle.flush()

    def _later(self, kind: Hashable, at: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the next line of the kind brings the count
        loop.call_later(max(0.0, at - time.monotonic()), self._throttle.due, kind, at)


def _clean_traceback(parts: list[str]) -> str:
    """Join a traceback; a text with several lines is indented, so that no line of it looks like one of the log."""
    text = shorten("".join(part if part.startswith("\n") else _indent(part) for part in parts))
    return shorten(_CONTROL_IN_TRACEBACK.sub(_escape, text)).rstrip("\n")


def _indent(part: str) -> str:
    return re.sub(r"\n(?=[^\s])", "\n    ", part)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
