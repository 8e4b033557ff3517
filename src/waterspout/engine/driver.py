"""What a driver lends to the core.

The core has no clock, no randomness, no loop and no threads. A driver has them, and runs every function
that a user wrote. It does not promise when an asynchronous function ends, nor in which order two of
them do; it does promise to answer each asker exactly once, on the thread of the core.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVarTuple

if TYPE_CHECKING:
    from .pending import Pending

Args = TypeVarTuple("Args")


INTERRUPTS = (KeyboardInterrupt, SystemExit)
"""They end the process. Where a user's function raises one, its asker is told, and then it goes on."""


class Layer(StrEnum):
    """Whose logger takes a note: `waterspout.` and this."""

    ENGINE = "engine"
    SERVER = "server"
    HOST = "host"


class Level(IntEnum):
    """How much a note matters, in the numbers of Python's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class DriverMisuse(RuntimeError):
    """Raised by a driver to whoever runs it wrongly, such as a test: no session is to blame, and none ends."""


class Asker(Protocol):
    """A small state machine in the core that goes on when the user's function has answered.

    It may also have `describe(token)`, which names the function in a warning: "the handler of 'say' in /".
    """

    __slots__ = ()

    def answered(self, token: Any, result: Any) -> None:
        """Take the function's result; `token` is what the core gave to tell its calls apart."""

    def failed(self, token: Any, error: BaseException) -> None:
        """Take the exception that the function raised."""

    def later(self, token: Any) -> "Asker":
        """Called when the function goes on asynchronously; return the asker for its result."""
        return self


class Driver(Protocol):
    """Time, tokens, and the running of users' functions.

    `threads` is how many of them run in threads at once. `slow_handler` is the seconds after which one that
    keeps the loop from turning is named in a warning; None never warns. `orders`: events are ordered unless their
    handler or namespace says otherwise. A driver that runs plain handlers in threads or greenlets sets it: they could
    overtake each other. `runs_coroutines`: False where an asynchronous function fails. `reaches_network`: False where
    time stands still, as in tests, so that an adapter cannot wait for a broker. `around_thread_call`: None, or
    what makes a context manager, which is entered in the thread before each call of `run_threaded` and left after it;
    what it raises is the call's failure.
    """

    orders: bool
    runs_coroutines: bool
    reaches_network: bool
    around_thread_call: Callable[[], AbstractContextManager[object]] | None
    threads: int
    slow_handler: float | None

    @property
    def busy(self) -> int:
        """How many functions have been asked for and have not ended, those in threads among them."""

    def now(self) -> float:
        """Return seconds of a clock that never jumps."""

    def wall(self) -> float:
        """Return seconds since 1970."""

    def token(self) -> str:
        """Return 22 URL-safe characters with at least 120 random bits."""

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a user's function, plain or asynchronous, and tell the asker what came of it.

        Raises nothing but KeyboardInterrupt and SystemExit, and these after the asker has been told.
        """

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function where it may block, and tell the asker, on the core's thread, what came of it.

        Two of them may run at once and end in any order. An asynchronous function fails with TypeError.
        """

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call a function of the core after what is running now; from any thread."""

    def foreign(self) -> bool:
        """Tell whether the caller is on another thread than the core."""

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Call the function once `now()` has reached `at`; a new alarm replaces the one before."""

    def report(self, text: str, error: BaseException | None = None) -> int:
        """Log what has gone wrong in a user's function, or on the bus: as an error of the server's layer.

        Returns the number of characters of the traceback, which the log limits for each second.
        """

    def note(self, layer: Layer, level: Level, text: str, *values: object) -> None:
        """Log what has happened; `text` is filled with the values only if somebody reads it.

        It has %s for what is ours, %a for what a client wrote. Session ids, cookies, what clients send along and
        what they say are no values.
        """

    def attend(self, pending: "Pending[Any]") -> Generator[Any, Any, None]:
        """Suspend the running coroutine until the pending is done."""

    def asker(self) -> Asker | None:
        """Return who asked for the coroutine, or for the threaded call, that is running; None for a user's own."""

    def block(self, pending: "Pending[Any]", timeout: float | None) -> bool:
        """Block the calling thread until the pending is done; False after `timeout` seconds."""

    def is_over(self, *, idle: bool) -> bool:
        """Tell whether nothing will run here any more, so that another driver may take the place.

        `idle`: nobody is connected, so that a loop that is not closed, but has stopped, counts as over.
        """

    def finish(
        self,
        timeout: float,
        done: Callable[[], object],
        *,
        awaited: "Pending[Any] | None" = None,
        unwanted: Asker | None = None,
    ) -> None:
        """Wait for running functions, cancel or abandon those that need longer, then call `done`.

        A function that waits for `awaited`, which comes with `done`, is not waited for. All others that `unwanted` has
        asked for are cancelled at once. Where the loop does not run,
        nothing is waited for.
        """


def on_core(driver: Driver, function: Callable[[*Args], object], *args: *Args) -> None:
    """Call a function of the core on the core's thread: at once, or posted to it from any other."""
    if driver.foreign():
        driver.soon(function, *args)
    else:
        function(*args)
