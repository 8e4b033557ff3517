"""The system's own threads, also after `gevent.monkey.patch_all`."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gevent.monkey import get_original

from .natives import Natives


class _GeventNatives(Natives):
    """What `threading` was before it was patched."""

    get_ident: Callable[[], int] = staticmethod(get_original("_thread", "get_ident"))
    queue: Callable[[], Any] = get_original("queue", "SimpleQueue")

    def event(self) -> "_NativeEvent":
        return _NativeEvent()

    def begin(self, function: Callable[[], object], name: str) -> None:
        get_original("_thread", "start_new_thread")(function, ())


class _NativeEvent:
    """A lock that is taken until `set`."""

    def __init__(self) -> None:
        self._lock = get_original("_thread", "allocate_lock")()
        self._lock.acquire()

    def set(self) -> None:
        with suppress(RuntimeError):  # it was set before
            self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        is_set: bool = self._lock.acquire(timeout=-1 if timeout is None else timeout)
        if is_set:
            self.set()
        return is_set


NATIVES = _GeventNatives()
