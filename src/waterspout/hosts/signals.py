"""How a stand-alone process is told to end, and how it ends even if some task or thread does not."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from .output import Loop

__all__ = ["CLOSE_TIMEOUT", "EXIT_TIMEOUT", "ending", "leave_after"]  # the rest is for hosts

CLOSE_TIMEOUT = 8.0  # s that clients have, once the process ends, to take what was sent to them
EXIT_TIMEOUT = 9.5  # s from the signal to the end; `docker stop` kills 10 s after its SIGTERM
LATE = "some clients had not taken what was sent to them within %g s; they are cut off"


@contextmanager
def ending(end: Callable[[], object]) -> Iterator[None]:
    """Call the function at the first SIGTERM or SIGINT; the second has its default effect.

    Only the main thread gets signals; in another one this does nothing. It uses `signal.signal` and not
    `loop.add_signal_handler`, since the second signal must work while a handler blocks the loop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        end()

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def chain(function: Callable[[Callable[[], object]], object]) -> None:
    """Call the function at each SIGTERM and SIGINT, and only then the handler that is there, which ends the process.

    The function gets a callback, which calls that handler; it has to call it soon, on whatever loop. A signal that
    comes before it has does not wait. Nothing changes for a signal that nobody handles, where the function is called
    already, and on other threads than the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before) and not _is_pythons(before) and getattr(before, "chained", None) is not function:
            signal.signal(number, _Chained(function, before))


def _is_pythons(handler: object) -> bool:
    """Tell whether it is Python's own, or that of asyncio.run, which is put back only where nobody has replaced it."""
    if isinstance(handler, partial):
        return isinstance(getattr(handler.func, "__self__", None), asyncio.Runner)
    return handler is signal.default_int_handler


class _Chained:
    """A handler of a signal that calls a function before the handler that was there."""

    def __init__(
        self,
        function: Callable[[Callable[[], object]], object],
        before: Callable[[int, FrameType | None], object],
    ) -> None:
        self.chained = function
        self._before = before
        self._waiting: Callable[[], None] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._waiting is not None:
            self._waiting()
            self._before(number, frame)
            return

        def go_on() -> None:
            if self._waiting is go_on:
                self._waiting = None
                self._before(number, frame)

        self._waiting = go_on
        self.chained(go_on)


def leave_after(seconds: float) -> None:
    """End the process with status 0 after this time, whatever still runs: by SIGALRM, which a blocked loop gets too."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def watch_stdin(end: Callable[[], object], loop: Loop) -> None:
    """Call the function when standard input ends."""
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        try:
            data = os.read(descriptor, 4096)
        except ConnectionError:  # `asyncio.subprocess.PIPE` is a socket
            data = b""
        if not data:
            loop.forget(descriptor)
            end()

    loop.reader(descriptor, readable)
