"""Who keeps the event loop from turning, seen from beside it.

Nothing is added to the calls of handlers, whose time is counted in nanoseconds. A thread looks at the stack of
the loop's thread, twice within `slow_handler` seconds. Where it finds a handler there it knocks at the loop; when
that does not answer in time, and the same call is still there, the call is named. An idle loop is left asleep.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from types import CodeType, FrameType
from typing import Any, Protocol
from weakref import ref

from ..engine.driver import Layer, Level
from .system import SystemDriver, name_of

SILENCE = 60.0  # s in which the same function is not named again

_PLAIN = "make it async, or register it with threaded=True"
_ASYNC = "await what takes so long, or leave it to a thread (asyncio.to_thread)"


class Loop(Protocol):
    """What the guard needs of an asyncio loop."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object:
        """Call back when the loop turns; RuntimeError if it is closed."""

    def is_closed(self) -> bool:
        """Tell whether it will never turn again."""


class LagGuard:
    """Watches the loop of the thread that makes this. `entries` is the code from which a driver calls users' functions.

    The frames of these have the locals `asker`, `token`, and `function` or `coroutine`.
    """

    def __init__(self, driver: SystemDriver, entries: Collection[CodeType], loop: Loop) -> None:
        self._driver = ref(driver)
        self._thread = threading.get_ident()
        self._entries = entries
        self._loop = loop
        self._frame: FrameType | None = None
        self._since = 0.0
        self._turned = self._named = False
        self._silent: dict[str, float] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch until `stop`, or until the driver or its loop is gone."""
        threading.Thread(target=self._watch, name="waterspout-lag", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def look(self, driver: SystemDriver, limit: float, now: float) -> None:
        """Warn of a call that has kept the loop from turning for longer than `limit` seconds, once."""
        frame, inner = self._entry()
        if frame is None or frame is not self._frame or self._turned:
            self._frame, self._since = frame, now
            self._turned = self._named = False
            if frame is not None:
                self._loop.call_soon_threadsafe(self._turn)
        elif now - self._since > limit and not self._named:
            self._named = True
            self._warn(driver, frame, inner, now)

    def _turn(self) -> None:
        self._turned = True

    def _entry(self) -> tuple[FrameType | None, FrameType | None]:
        """Return the frame from which the running function was called, the outermost one, and the function's own."""
        entry = inner = below = None
        frame = sys._current_frames().get(self._thread)
        while frame is not None:
            if frame.f_code in self._entries:
                entry, inner = frame, below
            below, frame = frame, frame.f_back
        return entry, inner

    def _warn(self, driver: SystemDriver, frame: FrameType, inner: FrameType | None, now: float) -> None:
        found = frame.f_locals
        what = _describe(found)
        if now - self._silent.get(what, -SILENCE) < SILENCE:
            return
        self._silent[what] = now
        place = "" if inner is None else f" ({os.path.basename(inner.f_code.co_filename)}:{inner.f_lineno})"
        remedy = _ASYNC if "coroutine" in found else _PLAIN
        driver.note(
            Layer.SERVER,
            Level.WARNING,
            "%s%s has blocked the event loop for %.2f s: %s",
            what,
            place,
            now - self._since,
            remedy,
        )

    def _watch(self) -> None:
        while (driver := self._driver()) is not None and (limit := driver.slow_handler) is not None:
            del driver  # it may go while this waits
            if self._stopped.wait(limit / 2) or self._loop.is_closed() or (driver := self._driver()) is None:
                break
            try:
                self.look(driver, limit, time.monotonic())
            except RuntimeError:
                break  # the loop was closed meanwhile
        self._frame = None


def _describe(found: Any) -> str:
    describe = getattr(found["asker"], "describe", None)
    if describe is not None:
        return str(describe(found["token"]))
    return name_of(found.get("function") or found.get("coroutine"))
