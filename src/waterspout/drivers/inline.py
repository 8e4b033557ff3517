"""The driver without a loop: plain functions run at once, and their output is there at once.

It is what a server has at import time and in unit tests, until a host brings a loop.
"""

from collections.abc import Callable, Generator, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVarTuple

from ..engine import INTERRUPTS, Pending
from ..engine.driver import Asker
from .system import SystemDriver, answer, discard, is_asynchronous
from .threads import call_threaded, threaded_asker

Args = TypeVarTuple("Args")


class InlineDriver(SystemDriver):
    """Runs plain functions in place. An `async def` fails: it needs the loop of a host.

    What they raise ends nothing else, whatever it is, but for KeyboardInterrupt and SystemExit.
    """

    def __init__(self) -> None:
        super().__init__()
        self._running = 0
        self._later: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function at once; an asynchronous one fails with RuntimeError."""
        self.hold(self._answer, function, args, asker, token)

    def hold(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call a function, and then what was to be done after it."""
        self._call(function, *args)
        self._catch_up()

    def _call(self, function: Callable[[*Args], object], *args: *Args) -> None:
        self._running += 1
        try:
            function(*args)
        finally:
            self._running -= 1

    busy = 0
    """How many functions go on: none, for each has ended when it answers."""

    @property
    def is_running(self) -> bool:
        """Whether a function is running, so that another has to wait for its end."""
        return self._running > 0

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call it in place, as a thread would: here is one thread only."""
        asker = asker.later(token)
        self.run(partial(call_threaded, self.around_thread_call, asker, function), args, asker, token)

    def _answer(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        try:
            result = copy_context().run(function, *args)
        except BaseException as error:
            asker.failed(token, error)
            if isinstance(error, INTERRUPTS):
                raise
        else:
            if isinstance(result, Pending) and result.done:
                answer(result, asker, token)
            elif is_asynchronous(result):
                self.start(result, function, asker, token)
            else:
                asker.answered(token, result)

    def start(self, awaitable: Any, function: Callable[..., Any], asker: Asker, token: Any) -> None:
        """Fail with RuntimeError: what an asynchronous function has returned needs a loop."""
        discard(awaitable)
        text = f"{function!r} is asynchronous: run it on a host with an event loop, or write a plain function"
        asker.failed(token, RuntimeError(text))

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call the function at once, or after the one that is running."""
        self._later.append((function, args))
        self._catch_up()

    def _catch_up(self) -> None:
        """Do what was to be done after the function that has ended."""
        while self._later and not self._running:
            function, args = self._later.pop(0)
            self._call(function, *args)

    def foreign(self) -> bool:
        """Return False: there is one thread only."""
        return False

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Do nothing: without a loop, time passes when somebody calls `advance`."""

    def attend(self, pending: Pending[Any]) -> Generator[Any, Any, None]:
        """Refuse with RuntimeError: there is no loop."""
        raise RuntimeError("nothing can be awaited yet: no host runs the server on an event loop")

    def asker(self) -> Asker | None:
        """Return who asked for the threaded call that is running: no coroutine runs here."""
        return threaded_asker()

    def block(self, pending: Pending[Any], timeout: float | None) -> bool:
        """Refuse with RuntimeError: nobody else would bring the result."""
        raise RuntimeError("nothing can be waited for yet: no host runs the server on an event loop")

    def is_over(self, *, idle: bool) -> bool:
        """Return False: without a loop, nothing says that it has ended."""
        return False

    def finish(
        self,
        timeout: float,
        done: Callable[[], object],
        *,
        awaited: Pending[Any] | None = None,
        unwanted: Asker | None = None,
    ) -> None:
        """Call `done`: nothing is running."""
        done()
