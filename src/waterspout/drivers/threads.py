"""Plain functions that may block, in a bounded number of threads.

The threads are daemons and not those of concurrent.futures, which the interpreter waits for at its exit:
one that never ends must not keep the process.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, copy_context
from queue import Empty
from typing import TYPE_CHECKING, Any

from ..engine import Pending
from ..engine.driver import Asker, Driver
from .natives import NATIVES, Natives
from .system import discard, is_asynchronous, name_of

if TYPE_CHECKING:
    from queue import SimpleQueue

Around = Callable[[], AbstractContextManager[object]] | None

_asker: ContextVar[Asker | None] = ContextVar("waterspout_asker", default=None)


def call_threaded(around: Around, asker: Asker, function: Callable[..., Any], *args: Any) -> Any:
    """Call a plain function that may block, in a context of its own; TypeError for what turns out to be asynchronous.

    Where it returns a `Pending`, as of `socket.join`, its result is waited for. This is what every driver does in its
    threads, or in place where it has none.
    """
    _asker.set(asker)
    with nullcontext() if around is None else around():
        result = function(*args)
        if isinstance(result, Pending):
            return result.wait()
        if is_asynchronous(result):
            discard(result)
            raise TypeError(
                f"{name_of(function)} is asynchronous, and a thread has no event loop: "
                f"write a plain function, or register it without threaded=True"
            )
        return result


def threaded_asker() -> Asker | None:
    """Return who asked for the threaded call that is running."""
    return _asker.get()


def block_thread(driver: Driver, pending: Pending[Any], timeout: float | None, natives: Natives = NATIVES) -> bool:
    """Block a thread that is not the core's until the pending is done; False after `timeout` seconds."""
    done = natives.event()

    def wake(pending: Pending[Any]) -> None:
        done.set()

    driver.soon(pending.when_done, wake)
    if done.wait(timeout):
        return True
    driver.soon(pending.remove_done_callback, wake)
    return False


class ThreadPool:
    """Runs calls in threads that are made when they are needed; `post` brings the answers to the core's thread.

    All but the calls happens on the core's thread. The order in which calls begin is theirs, the order in which
    they end is not promised.
    """

    def __init__(self, post: Callable[..., object], natives: Natives = NATIVES) -> None:
        self._post = post
        self._natives = natives
        self._waiting: SimpleQueue[_Call | None] = natives.queue()
        self._calls: set[_Call] = set()
        self._size = 0
        self._when_idle: Callable[[], object] | None = None

    @property
    def busy(self) -> int:
        """How many calls have no answer yet."""
        return len(self._calls)

    def submit(
        self, limit: int, around: Around, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any
    ) -> None:
        """Call the function as soon as one of at most `limit` threads is free."""
        call = _Call(around, function, args, asker, token)
        self._calls.add(call)
        self._waiting.put(call)
        if len(self._calls) > self._size < limit:
            self._size += 1
            self._natives.begin(self._work, f"waterspout-{self._size}")

    def when_idle(self, function: Callable[[], object]) -> None:
        """Call the function once when the last call has its answer."""
        self._when_idle = function

    def close(self) -> None:
        """End the threads; a call that has no answer yet fails with TimeoutError, however it may end later."""
        while True:
            try:
                self._waiting.get_nowait()
            except Empty:
                break
        for _ in range(self._size):
            self._waiting.put(None)
        self._size = 0
        for call in list(self._calls):
            self._answer(call, None, TimeoutError(f"{name_of(call.function)} was still in its thread at the end"))

    def _answer(self, call: "_Call", result: Any, error: BaseException | None) -> None:
        if call not in self._calls:
            return  # it was given up
        self._calls.remove(call)
        try:
            if error is None:
                call.asker.answered(call.token, result)
            else:
                call.asker.failed(call.token, error)
        finally:
            if not self._calls and self._when_idle is not None:
                idle, self._when_idle = self._when_idle, None
                idle()

    def _work(self) -> None:
        """Serve calls until there is a None: this is what a thread does."""
        while (call := self._waiting.get()) is not None:
            result, error = call.perform()
            try:
                self._post(self._answer, call, result, error)
            except RuntimeError:
                return  # the loop was closed meanwhile, and nobody waits for the result
            del call, result, error  # else they would live until the next call comes


class _Call:
    """A function on its way through a thread, in a context of its own."""

    __slots__ = ("_args", "_around", "_context", "asker", "function", "token")

    def __init__(
        self, around: Around, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any
    ) -> None:
        self.function, self.asker, self.token = function, asker, token
        self._around, self._args = around, args
        self._context = copy_context()

    def perform(self) -> tuple[Any, BaseException | None]:
        """Call it, and return its result or what it raised."""
        try:
            return self._context.run(call_threaded, self._around, self.asker, self.function, *self._args), None
        except BaseException as error:
            return None, error
