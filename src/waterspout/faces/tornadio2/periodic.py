"""Periodic callbacks that can be delayed, as TornadIO2 used for heartbeats."""

import time
from collections.abc import Callable
from typing import Any

from ...drivers import logger
from ..loops import current_loop

log = logger("tornadio2.periodic")


class Callback:
    """Calls a function every `callback_time` milliseconds, on `io_loop` or on the current loop at `start`.

    If the function returns a number, that is the time of the next call, by the loop's clock: Tornado's is seconds since
    1970. An exception is logged, and the calls continue.
    """

    def __init__(self, callback: Callable[[], Any], callback_time: float, io_loop: Any = None) -> None:
        self.callback = callback
        self.callback_time = callback_time
        self.io_loop = io_loop
        self.next_run: float | None = None
        self._timeout: object = None

    def calculate_next_run(self) -> float:
        """Return the time of the next call, `callback_time` from now."""
        now: float = time.time() if self.io_loop is None else self.io_loop.time()
        return now + self.callback_time / 1000

    def start(self, timeout: float | None = None) -> None:
        """Start with a call at `timeout`, or after `callback_time`; a running timer is replaced."""
        self.stop()
        if self.io_loop is None:
            self.io_loop = current_loop()
        self._schedule(timeout)

    def stop(self) -> None:
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
        self._timeout = self.next_run = None

    def delay(self) -> None:
        """Delay the next call to `callback_time` from now."""
        self.next_run = self.calculate_next_run()

    def _schedule(self, at: float | None) -> None:
        self._timeout = self.io_loop.add_timeout(self.calculate_next_run() if at is None else at, self._run)

    def _run(self) -> None:
        later, self.next_run = self.next_run, None
        if later is not None and self.io_loop.time() < later:
            self._schedule(later)
            return
        begun, following = self._timeout, None
        try:
            following = self.callback()
        except Exception:
            log.exception("a periodic callback failed")
        if self._timeout is begun:  # else the function has called `stop` or `start`
            is_time = isinstance(following, int | float) and not isinstance(following, bool)
            self._schedule(following if is_time else None)
