"""The log lines of Tornado and asyncio in a stand-alone process: cleaned and limited like the package's own.

Tornado writes a line for each unknown path, broken request and failed TLS handshake, and a client can cause thousands
of them in a second. asyncio writes one for each exception of a task that is not awaited. In applications of users,
these loggers are not changed.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tornado.httputil import HTTPInputError, HTTPServerRequest

from ..drivers.log import LoopThrottle, clean, clean_record, write

NAMES = ("asyncio", "tornado.access", "tornado.application", "tornado.general")
_QUERY = re.compile(r"\?[^ ]*")  # a target has no space, but may have other white space
_ID = re.compile(r"(?<![\w-])([\w-]{4})[\w-]{18}(?![\w-])", re.ASCII)  # 22 characters, as `Driver.token` makes them
_MAX_LENGTH = 500  # characters; a path may have 60,000


@contextmanager
def throttled() -> Iterator[None]:
    """Limit these loggers to ten lines of a kind in a second, and a count of the rest, like the package's own."""
    limit = _Limit()
    loggers = [logging.getLogger(name) for name in NAMES]
    for logger in loggers:
        logger.addFilter(limit)
    try:
        yield
    finally:
        limit.throttle.flush()
        for logger in loggers:
            logger.removeFilter(limit)


@contextmanager
def reporting(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Log exceptions that reach a loop, unless the user has set an exception handler.

    asyncio's default handler would write the `repr` of the task, which contains the whole exception.
    """
    if loop.get_exception_handler() is not None:
        yield
        return
    loop.set_exception_handler(_report)
    try:
        yield
    finally:
        if loop.get_exception_handler() is _report:
            loop.set_exception_handler(None)


class _Limit(logging.Filter):
    """Cleans records, shortens their texts, and drops those above the limit. A kind is a place in the source.

    It removes header lines that Tornado quotes in errors, since one may be a cookie, the queries of requests, and all
    but the start of what may be a session's id in a path, also in paths that are not the engine's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.throttle = LoopThrottle()
        self._is_counting = False

    def filter(self, record: logging.LogRecord) -> bool:
        if self._is_counting:
            return True
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_secrets, record.args))
        kind = record.pathname, record.lineno, record.levelno, record.exc_info and record.exc_info[0]
        if not self.throttle.allows(kind, lambda more: self._count(record, more)):
            return False
        clean_record(record, _MAX_LENGTH)
        self.throttle.wrote(kind, len(record.exc_text or ""))
        return True

    def _count(self, first: logging.LogRecord, more: int) -> None:
        self._is_counting = True
        try:
            text = clean(first.getMessage()[:_MAX_LENGTH])
            logging.getLogger(first.name).log(first.levelno, "%d more like this in the last second: %s", more, text)
        finally:
            self._is_counting = False


def _without_secrets(value: object) -> object:
    match value:
        case HTTPInputError():
            return str(value).partition(" '")[0].partition(' "')[0]
        case HTTPServerRequest():
            return f"{value.method} {_without_secrets(value.uri)}"
        case str():
            return _ID.sub(r"\1...", _QUERY.sub("", value))
        case _:
            return value


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    text = context.get("message") or "unhandled exception in the event loop"
    task = context.get("task") or context.get("future")
    if isinstance(task, asyncio.Task):
        coroutine = task.get_coro()
        text = f"{text}: {task.get_name()}, {getattr(coroutine, '__qualname__', type(coroutine).__name__)}"
    write(logging.getLogger("asyncio"), logging.ERROR, "%s", text, error=context.get("exception"))
