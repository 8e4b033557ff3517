"""What every driver takes from the machine it runs on: its clocks, its randomness, its log."""

import os
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from types import CoroutineType, GeneratorType
from typing import Any

from ..engine import Pending
from ..engine.driver import Asker, Layer, Level
from .log import logger, write

PLAIN = frozenset((type(None), bool, int, float, str, bytes, list, tuple, dict))
"""The types of most results: a look here is cheaper than a look for `__await__`."""

SLOW_HANDLER = 0.1
"""The `slow_handler` of a new driver, in seconds."""

_ITERABLE_COROUTINE = 0x100  # inspect.CO_ITERABLE_COROUTINE, the mark of @types.coroutine

LOGGERS = {layer: logger(f"waterspout.{layer}") for layer in Layer}


class SystemDriver:
    """The part of a driver that needs no loop."""

    runs_coroutines = True
    reaches_network = True
    orders = False  # a plain handler has ended before the next event is read

    def __init__(self) -> None:
        self.threads = min(32, (os.cpu_count() or 1) + 4)
        self.slow_handler: float | None = SLOW_HANDLER
        self.around_thread_call: Callable[[], AbstractContextManager[object]] | None = None

    def now(self) -> float:
        """Return the monotonic clock's seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def token(self) -> str:
        """Return 128 random bits."""
        return secrets.token_urlsafe(16)

    def report(self, text: str, error: BaseException | None = None) -> int:
        """Log it as an error of `waterspout.server`, with the traceback; return how many characters that has."""
        return write(LOGGERS[Layer.SERVER], Level.ERROR, "%s", text, error=error)

    def note(self, layer: Layer, level: Level, text: str, *values: object) -> None:
        """Log it; nothing is formatted where nobody listens."""
        log = LOGGERS[layer]
        if log.isEnabledFor(level):
            log.log(level, text, *values)


def is_asynchronous(result: object) -> bool:
    """Tell whether what a function has returned is to be awaited; `await` looks at the type, and so does this."""
    kind = type(result)
    if isinstance(result, GeneratorType):
        return bool(result.gi_code.co_flags & _ITERABLE_COROUTINE)
    return kind is CoroutineType or (kind not in PLAIN and hasattr(kind, "__await__"))


def answer(pending: Pending[Any], asker: Asker, token: Any) -> None:
    """Tell an asker the result of a `Pending` that a function has returned, as if the function had returned that."""
    if pending.error is not None:
        asker.failed(token, pending.error)
    else:
        asker.answered(token, pending.result())


def discard(result: object) -> None:
    """Close a coroutine that nobody will await, so that Python does not complain of it."""
    if isinstance(result, Coroutine | GeneratorType):
        result.close()


def name_of(function: Any) -> str:
    """Name a function for a sentence."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    module = getattr(function, "__module__", None)  # coroutines have none
    return f"{module}.{name}" if module else str(name)
