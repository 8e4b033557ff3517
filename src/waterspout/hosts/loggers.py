"""The lines of Tornado and asyncio in a process of ours: as clean as ours, and as few.

A request for a path that is not there, a broken one, a failed TLS handshake: each is a line of Tornado's, and a client
can cause thousands of them in a second. What a task raises that nobody awaits is a line of asyncio's. In an application
of the user's own these loggers are left alone.
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
_QUERY = re.compile(r"\?[^ ]*")  # a target has no space, but may have any other that Python knows
_ID = re.compile(r"(?<![\w-])([\w-]{4})[\w-]{18}(?![\w-])", re.ASCII)  # 22 characters, as `Driver.token` makes them
_MAX_LENGTH = 500  # characters; a path may have 60,000


@contextmanager
def throttled() -> Iterator[None]:
    """Limit these loggers to ten lines of a kind in a second and a count of the rest, as all of ours are."""
    limit = _Limit()
    loggers = [logging.getLogger(name) for name in NAMES]
    for logger in loggers:
        logger.addFilter(limit)
    try:
        yield
    finally:
        limit.flush()
        for logger in loggers:
            logger.removeFilter(limit)


@contextmanager
def reporting(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Log what nobody has caught on a loop, unless the user has set an exception handler of his own.

    asyncio's default handler writes the `repr` of the task, and with it all of the exception.
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
    """Cleans records, cuts their texts, and drops those that are too many. A kind is a place in the source.

    Header lines that Tornado cannot read, and quotes, are left out: a cookie may be one of them. So are the queries of
    requests, and all but the start of what may be the id of a session in their paths: a client whose path is none of
    the engine's has one, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._throttle = LoopThrottle()
        self._is_counting = False

    def filter(self, record: logging.LogRecord) -> bool:
        if self._is_counting:
            return True
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_secrets, record.args))
        kind = record.pathname, record.lineno, record.levelno, record.exc_info and record.exc_info[0]
        if not self._throttle.allows(kind, lambda more: self._count(record, more)):
            return False
        clean_record(record, _MAX_LENGTH)
        self._throttle.wrote(kind, len(record.exc_text or ""))
        return True

    def flush(self) -> None:
        """Write the counts of what was left out."""
        self._throttle.flush()

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
