"""How a stand-alone process is told to end, and how it ends even if some task or thread does not."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
