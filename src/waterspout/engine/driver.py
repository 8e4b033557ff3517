"""What a driver lends to the core.

The core has no clock, no randomness, no loop and no threads. A driver has them, and runs every function
that a user wrote. It does not promise when an asynchronous function ends, nor in which order two of
them do; it does promise to answer each asker exactly once, on the thread of the core.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVarTuple

Args = TypeVarTuple("Args")


class Asker(Protocol):
    """A small state machine in the core that goes on when the user's function has answered."""

    def answered(self, token: Any, result: Any) -> None:
        """Take the function's result; `token` is what the core gave to tell its calls apart."""

    def failed(self, token: Any, error: BaseException) -> None:
        """Take the exception that the function raised."""

    def later(self, token: Any) -> "Asker":
        """Hear that the function goes on asynchronously; return who is to hear what comes of it."""


class Waitable(Protocol):
    """The part of a `Pending` that a driver needs to wait for it."""

    def add_done_callback(self, function: Callable[[Any], object], /) -> None:
        """Call the function once there is a result."""


class Driver(Protocol):
    """Time, tokens, and the running of users' functions."""

    def now(self) -> float:
        """Return seconds of a clock that never jumps."""

    def wall(self) -> float:
        """Return seconds since 1970."""

    def token(self) -> str:
        """Return 22 URL-safe characters with at least 120 random bits."""

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a user's function, plain or asynchronous, and tell the asker what came of it. Never raises."""

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Do the same on a thread of a bounded pool, with a plain function that blocks."""

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call a function of the core after what is running now; from any thread."""

    def foreign(self) -> bool:
        """Tell whether the caller is on another thread than the core."""

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Call the function once `now()` has reached `at`; a new alarm replaces the one before."""

    def report(self, text: str, error: BaseException | None = None) -> None:
        """Log what the operator should know."""

    def attend(self, pending: "Waitable") -> Generator[Any, Any, None]:
        """Suspend the running coroutine until the pending is done."""

    def block(self, pending: "Waitable", timeout: float | None) -> bool:
        """Block the calling thread until the pending is done; False after `timeout` seconds."""

    def finish(self, timeout: float, done: Callable[[], object]) -> None:
        """Wait for running asynchronous functions, cancel those that need longer, then call `done`."""
