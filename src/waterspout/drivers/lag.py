"""Who keeps the event loop from turning, seen from beside it.

Nothing is added to the calls of handlers, whose time is counted in nanoseconds. A thread looks at the stack of
the loop's thread, twice within `slow_handler` seconds. Where it finds a handler there it knocks at the loop; when
that does not answer in time, and the same call is still there, the call is named. An idle loop is left asleep.

A call has three parts that can block: the check of its arguments (`Arguments.convert`), the function itself, and what
becomes of its result. A function that is called with the result of another, such as the next step, counts by itself.
"""

import gc
import operator
import os
import sys
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, repeat, takewhile
from types import CodeType, FrameType
from typing import Any, NamedTuple, Protocol
from weakref import ref

from ..engine.driver import Layer, Level
from ..engine.log import MORE
from ..engine.throttle import Throttle
from ..server.arguments import Arguments
from .natives import NATIVES, Natives
from .system import SystemDriver, name_of

__all__ = ["LagGuard", "call_guarded"]

SILENCE = 60.0  # s in which the same function is not named again

_PLAIN = "make it async, or register it with threaded=True"
_GREENLET = "register it with threaded=True, or wait by what gevent knows"
_ASYNC = "await what takes so long, or run it in a thread (asyncio.to_thread)"
_FACE = "run it in a thread: gevent.get_hub().threadpool.apply(function, args)"
_PARTS = {
    "checked": ("the check of the arguments for ", "leave it to the handler, which can be async or threaded"),
    "answered": ("the result of ", "return less"),
    "failed": ("the report of what was raised by ", "look for what blocks among the handlers of your log"),
}
"""The parts of a call beside the function itself: how each is named, and the remedy."""

_BETWEEN = frozenset(
    ("pydantic", "pydantic_core", "attr", "attrs", "dataclasses", "functools", "contextlib", "logging")
)
"""Packages that call users' functions: their own place in the source would tell nobody what blocks."""


_TEXT = "%s%s has blocked the event loop for %.2f s: %s"


def call_guarded(asker: Any, token: Any, function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Call a function in the caller's own greenlet, and name it as `asker.describe(token)` if it blocks the hub."""
    return function(*args)


class GuardedLoop(Protocol):
    """An event loop, as the guard needs it."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object:
        """Call back in the next turn; from any thread."""

    def is_closed(self) -> bool:
        """Tell whether it will not turn any more."""


class LagGuard:
    """Watches the loop of the thread that makes this. `entries` is the code from which a driver calls users' functions.

    The frames of these have the locals `asker`, `token`, and `function` or `coroutine`.
    """

    def __init__(
        self, driver: SystemDriver, entries: Collection[CodeType], loop: GuardedLoop, natives: Natives = NATIVES
    ) -> None:
        self._driver = ref(driver)
        self._natives = natives
        self._thread = natives.get_ident()
        self._entries = entries
        self._loop = loop
        self._frame: FrameType | None = None
        self._since = 0.0
        self._turned = self._named = False
        self._silent: dict[Hashable, float] = {}
        self._throttle = Throttle(lambda kind, at: None)
        self._stopped = natives.event()

    def start(self) -> None:
        """Watch until `stop`, or until the driver or its loop is gone."""
        self._natives.begin(self._watch, "waterspout-lag")

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def look(self, driver: SystemDriver, limit: float, now: float) -> None:
        """Warn of a call that has kept the loop from turning for longer than `limit` seconds, once."""
        call = self._call()
        frame = None if call is None else call.frame
        if frame is None or frame is not self._frame or self._turned:
            self._frame, self._since = frame, now
            self._turned = self._named = False
            if frame is not None:
                self._loop.call_soon_threadsafe(self._turn)
        elif call is not None and now - self._since > limit and not self._named:
            self._named = True
            self._warn(driver, call, now)

    def _turn(self) -> None:
        self._turned = True

    def _call(self) -> "_StackEntry | None":
        """Return the outermost call of a function that has not ended."""
        outermost = below = None
        for frame in _stack(self._thread):
            if frame.f_code in self._entries:
                found = _StackEntry(frame, _part(frame, below))
                if outermost is None or not found.has_ended:
                    outermost = found
            below = frame
        return outermost

    def _user(self, call: "_StackEntry") -> FrameType | None:
        """Return the user's outermost function in a call."""
        user = None
        for frame in takewhile(lambda frame: frame is not call.frame, _stack(self._thread)):
            if _is_users(frame):
                user = frame
        return user

    def _warn(self, driver: SystemDriver, call: "_StackEntry", now: float) -> None:
        user = self._user(call)
        key = call.key, user and user.f_code  # a face calls all functions of its users by one of its own
        if now - self._silent.get(key, -SILENCE) < SILENCE or not self._throttle.allows(LagGuard, now, self._tell_more):
            return
        self._silent = {one: at for one, at in self._silent.items() if now - at < SILENCE}
        self._silent[key] = now
        remedy = _GREENLET if call.remedy is _PLAIN and not driver.runs_coroutines else call.remedy
        place = "" if user is None else f" ({os.path.basename(user.f_code.co_filename)}:{user.f_lineno})"
        driver.note(Layer.SERVER, Level.WARNING, _TEXT, call.name, place, now - self._since, remedy)

    def _tell_more(self, more: int) -> None:
        driver = self._driver()
        if driver is not None:
            driver.note(Layer.SERVER, Level.WARNING, MORE, more, "a handler has blocked the event loop")

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


def _stack(thread: int) -> list[FrameType]:
    """Return the frames of a thread as they are at one moment, the innermost first.

    CPython 3.11 can collect garbage while it makes the object of a frame. The finalizers let the thread go on, and what
    comes back is no frame any more: the process can crash. So no collection may begin meanwhile. All steps are in C,
    for between two lines of Python a thread could see that collections are off, and leave them off.
    """
    top = map(operator.methodcaller("get", thread), map(operator.call, [sys._current_frames]))
    frames: Iterator[Any] = takewhile(operator.truth, accumulate(chain(top, repeat("f_back")), getattr))
    if sys.version_info < (3, 12) and gc.isenabled():
        frames = chain(map(operator.call, [gc.disable]), frames, map(operator.call, [gc.enable]))
    return list(filter(None, frames))


class _StackEntry(NamedTuple):
    """A call on the stack: the frame that has made it, and which part of it runs."""

    frame: FrameType
    part: str

    @property
    def has_ended(self) -> bool:
        return self.part in ("answered", "failed")

    @property
    def key(self) -> Hashable:
        """What is not named twice in a minute: never a name, for clients choose those of events."""
        function = _function(self.frame.f_locals)
        while isinstance(function, partial):
            function = function.func
        code = getattr(function, "cr_code", None) or getattr(function, "__code__", type(function))
        return self.part, code, getattr(function, "__qualname__", id(function))  # a decorator's code is that of many

    @property
    def name(self) -> str:
        return self._told[0] + _describe(self.frame.f_locals)

    @property
    def remedy(self) -> str:
        return self._told[1]

    @property
    def _told(self) -> tuple[str, str]:
        if self.frame.f_code is call_guarded.__code__:
            return "", _FACE
        return _PARTS.get(self.part, ("", _ASYNC if "coroutine" in self.frame.f_locals else _PLAIN))


def _part(frame: FrameType, below: FrameType | None) -> str:
    """Return which part of a call runs: "checked", "answered", "failed", or "" for the function itself."""
    if frame.f_code is Arguments.convert.__code__:
        return "checked"
    name = "" if below is None or _is_users(below) else below.f_code.co_name
    return name if name in ("answered", "failed") else ""


def _is_users(frame: FrameType) -> bool:
    package, _, rest = frame.f_globals.get("__name__", "").partition(".")
    return (package != "waterspout" and package not in _BETWEEN) or rest.startswith("demo")


def _describe(found: Mapping[str, Any]) -> str:
    describe = getattr(found["asker"], "describe", None)
    if describe is not None:
        return str(describe(found["token"]))
    return name_of(_function(found))


def _function(found: Mapping[str, Any]) -> Any:
    """Return the function of a call, or where its arguments are checked, these."""
    if "coroutine" in found:
        return found["coroutine"]
    return found["function"] if "function" in found else found["self"]
