"""A result that comes later: for a coroutine, a greenlet, a thread or a callback."""

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from ..errors import AdapterError
from .driver import Args, Asker, Driver

if TYPE_CHECKING:
    from .log import Log


T = TypeVar("T")
_OPEN = object()


class Pending(Generic[T]):
    """What takes time returns one of these: `await it`, `it.wait(timeout)` or `it.add_done_callback(f)`.

    It is resolved once, on the core's thread; what comes after the first result is ignored. Callbacks are
    called there too, and what they raise is reported. TypeError where it is taken for the result: it is neither true
    nor false.
    """

    __slots__ = ("_callbacks", "_driver", "_error", "_log", "_value")

    def __init__(self, driver: Driver, log: "Log | None" = None) -> None:
        self._driver = driver
        self._log = log  # for a result that a client can bring: its lines are limited
        self._value: Any = _OPEN
        self._error: Exception | None = None
        self._callbacks: list[Callable[[Pending[T]], object]] = []

    @property
    def done(self) -> bool:
        """Tell whether there is a result."""
        return self._value is not _OPEN

    @property
    def error(self) -> Exception | None:
        """The error that `result` raises; None where there is a value, or nothing yet."""
        return self._error

    def result(self) -> T:
        """Return the result or raise the error; RuntimeError while there is neither."""
        if self._value is _OPEN:
            raise RuntimeError("there is no result yet: await this, or call wait()")
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def add_done_callback(self, function: "Callable[[Pending[T]], object]") -> None:
        """Call the function with this object once there is a result: at once if there is."""
        if self._driver.foreign():
            self._driver.soon(self.add_done_callback, function)
        elif self.done:
            function(self)
        else:
            self._callbacks.append(function)

    def when_done(self, function: "Callable[[Pending[T]], object]") -> None:
        """Do the same for the project's own functions, which neither block nor raise: the driver does not run them.

        So they are called even where it has no greenlet left to run a user's.
        """
        if self._driver.foreign():
            self._driver.soon(self.when_done, function)
        elif self._value is not _OPEN:
            function(self)
        else:
            self._callbacks.append(_Direct(function))

    def remove_done_callback(self, function: "Callable[[Pending[T]], object]") -> None:
        """Call the function no more, if it waits; on the core's thread."""
        if function in self._callbacks:
            self._callbacks.remove(function)

    def wait(self, timeout: float | None = None) -> T:
        """Block this thread or greenlet until there is a result; TimeoutError after `timeout` seconds."""
        if not self.done and not self._driver.block(self, timeout):
            raise TimeoutError(f"no result within {timeout} s")
        return self.result()

    def __await__(self) -> Generator[Any, Any, T]:
        if not self.done:
            yield from self._driver.attend(self)
        return self.result()

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "this is not a result yet, so neither true nor false: await it, as in `if await socket.call(...)`, "
            "or call its wait() in a greenlet or thread"
        )

    def __str__(self) -> str:
        raise TypeError(
            "this is not a result yet, and has no text: await it, or call its wait() in a greenlet or thread"
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            remedy = (
                ""
                if name.startswith("_")
                else ", and this is not a result yet: await it first, or call its wait() in a greenlet or thread"
            )
            raise AttributeError(f"a Pending has no {name!r}{remedy}", name=name, obj=self)

    def resolve(self, value: T) -> None:
        """Set the result, unless there is one."""
        self.settle(value, None)

    def reject(self, error: Exception) -> None:
        """Set the error, unless there is a result."""
        self.settle(None, error)

    def follow(self, other: "Pending[T]") -> None:
        """Take the result of another one, once it has one."""
        other.when_done(lambda other: self.settle(other._value, other._error))

    def settle(self, value: Any, error: Exception | None) -> None:
        """Set the result, or the error if there is one, unless there is a result already."""
        if self._value is not _OPEN:
            return
        self._value, self._error = value, error
        callbacks, self._callbacks = self._callbacks, []
        for function in callbacks:
            if type(function) is _Direct:
                function(self)
            else:
                self._driver.run(function, (self,), _CALLED_BACK, self)


class _Direct(partial[object]):
    """A function that is called without the driver."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other == self.func

    __hash__ = None  # type: ignore[assignment]


def done_on_core(driver: Driver, function: Callable[[*Args], Pending[T]], *args: *Args) -> Pending[T]:
    """Call a function on the core's thread, and return when what it returns is done: at once, or posted, as `on_core`.

    What a posted one raises is the result, and goes on to the loop's log: perhaps nobody waits.
    """
    if not driver.foreign():
        return function(*args)
    pending: Pending[T] = Pending(driver)

    def call() -> None:
        try:
            called = function(*args)
        except (TypeError, ValueError, AdapterError) as error:
            pending.reject(error)
            raise
        pending.follow(called)

    driver.soon(call)
    return pending


class _CalledBack(Asker):
    """Waits for the end of a callback: its result is nobody's, its exception is reported."""

    def answered(self, token: Pending[Any], result: Any) -> None: ...

    def failed(self, token: Pending[Any], error: BaseException) -> None:
        text = "the callback of a result failed"
        if token._log is None:
            token._driver.report(text, error)
        else:
            token._log.report((_CalledBack, type(error)), text, error)


_CALLED_BACK = _CalledBack()
