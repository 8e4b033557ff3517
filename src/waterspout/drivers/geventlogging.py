"""The locks of Python's logging, for greenlets and real threads that both write.

After `gevent.monkey.patch_all` they are locks of gevent's, which do not wake a thread reliably that waits for a
greenlet, or the other way round: one of them waits for ever. Threaded handlers log, and the guard of slow handlers is a
thread. So greenlets of the hub's thread wait for each other as gevent has it, and threads by a lock of the system's.
"""

import atexit
import logging
import threading
from typing import Any

from gevent.lock import RLock
from gevent.monkey import get_original, is_module_patched

from .geventnatives import NATIVES

_NATIVE_RLOCK: Any = get_original("_thread", "RLock")


class SharedLock:
    """A reentrant lock for the greenlets of one thread, and for other threads."""

    def __init__(self) -> None:
        self._thread = NATIVES.get_ident()
        self._at_fork_reinit()

    def acquire(self) -> bool:
        """Wait for the lock. A thread that has it keeps the hub waiting."""
        if NATIVES.get_ident() == self._thread:
            self._greenlets.acquire()
        self._threads.acquire()
        return True

    def release(self) -> None:
        """Give it back."""
        self._threads.release()
        if NATIVES.get_ident() == self._thread:
            self._greenlets.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        """Called by `logging` in a process that was forked."""
        self._greenlets, self._threads = RLock(), _NATIVE_RLOCK()


class _Threading:
    """The module `threading` as `logging` sees it, for the locks of handlers to come."""

    RLock = SharedLock

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


def share_logging() -> None:
    """Give `logging` such locks, where the standard library is patched and it has not got them."""
    module: Any = logging
    if not is_module_patched("threading") or isinstance(logging._lock, SharedLock):  # type: ignore[attr-defined]
        return
    module._lock = SharedLock()
    for reference in logging._handlerList:  # type: ignore[attr-defined]
        handler = reference()
        if handler is not None and handler.lock is not None:
            handler.lock = SharedLock()
    module.threading = _Threading()
    atexit.register(_stop_sharing)


def _stop_sharing() -> None:
    """Let handlers be freed by the end of the interpreter, where greenlets are gone and gevent's locks fail."""
    module: Any = logging
    module._lock = _NATIVE_RLOCK()
