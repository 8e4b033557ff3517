"""What a generator may yield: a `YieldPoint`, what can be awaited, or a list or dictionary of these."""

import asyncio
import inspect
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from concurrent import futures
from functools import partial
from threading import get_ident
from typing import Any, NamedTuple, Protocol

from tornado.gen import BadYieldError, convert_yielded, moment
from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse
from tornado.ioloop import IOLoop

from .outcome import Outcome


class Arguments(NamedTuple):
    """What a callback was called with, unless it was one argument or none."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def packed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make one value of what a callback was called with."""
    if kwargs or len(args) > 1:
        return Arguments(args, kwargs)
    return args[0] if args else None


def homing(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function for other threads, too: from there it is posted to the loop that is running now."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return function
    thread = get_ident()

    def call(*args: Any, **kwargs: Any) -> None:
        if get_ident() == thread:
            function(*args, **kwargs)
        else:
            loop.call_soon_threadsafe(partial(function, *args, **kwargs))

    return call


class Driving(Protocol):
    """The runner of the generator: a table of keyed callbacks, and a way to go on. It calls nobody back by itself."""

    def register_callback(self, key: Hashable) -> None:
        """Expect an answer for this key."""

    def result_callback(self, key: Hashable) -> Callable[..., None]:
        """Return the function that is to be called with the answer."""

    def is_ready(self, key: Hashable) -> bool:
        """Tell whether the answer is there; raise where the key is unknown."""

    def pop_result(self, key: Hashable) -> Any:
        """Return the answer, and free the key."""

    def run(self) -> None:
        """Go on, if what the generator waits for is ready."""


class YieldPoint:
    """What a generator can wait for."""

    def start(self, runner: Driving) -> None:
        """The generator waits; call `runner.run` when the result is there. What this raises is thrown into it."""

    def is_ready(self) -> bool:
        """Tell whether the result is there."""
        raise NotImplementedError

    def get_result(self) -> Any:
        """Return the result, or raise what is thrown into the generator."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait in a coroutine, or in a generator that Tornado's own `coroutine` drives: of a `Task` or of several."""
        waiting = _Waiting()
        self.start(waiting)
        while not self.is_ready():
            yield from waiting.change()
        return self.get_result()


class _Waiting:
    """What drives a coroutine that waits for one point; it keeps no keys, which are of a generator."""

    _changed: "asyncio.Future[None] | None" = None

    def change(self) -> "asyncio.Future[None]":
        """Return what ends when something may be ready."""
        self._changed = asyncio.get_running_loop().create_future()
        return self._changed

    def register_callback(self, key: Hashable) -> None:
        raise BadYieldError(f"Callback({key!r}) and Wait are for generators that `tornadio2.gen` drives")

    def result_callback(self, key: Hashable) -> Callable[..., None]:
        raise BadYieldError(key)

    def is_ready(self, key: Hashable) -> bool:
        raise BadYieldError(f"Wait({key!r}) is for generators that `tornadio2.gen` drives")

    def pop_result(self, key: Hashable) -> Any:
        raise BadYieldError(key)

    def run(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)


class Callback(YieldPoint):
    """Gives a function that is to be called back; `Wait` with the same key gives what it is called with."""

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self._function: Callable[..., None]

    def start(self, runner: Driving) -> None:
        """Register the key."""
        runner.register_callback(self.key)
        self._function = homing(runner.result_callback(self.key))

    def is_ready(self) -> bool:
        """Return True: the function is there at once."""
        return True

    def get_result(self) -> Callable[..., None]:
        """Return the function."""
        return self._function


class WaitAll(YieldPoint):
    """Waits for the callbacks of several keys, and gives a list of what they were called with."""

    def __init__(self, keys: Iterable[Hashable]) -> None:
        self.keys = list(keys)
        self._runner: Driving

    def start(self, runner: Driving) -> None:
        """Look for the answers with this runner, which must know all keys."""
        self._runner = runner
        for key in self.keys:
            runner.is_ready(key)

    def is_ready(self) -> bool:
        """Tell whether all of them have been called."""
        return all(map(self._runner.is_ready, self.keys))

    def get_result(self) -> Any:
        """Return the list, in the order of the keys."""
        return [self._runner.pop_result(key) for key in self.keys]


class Wait(WaitAll):
    """Waits for the callback of a key, and gives what it was called with; `Arguments` where that is not one value."""

    def __init__(self, key: Hashable) -> None:
        super().__init__([key])

    def get_result(self) -> Any:
        """Return the one answer."""
        (answer,) = super().get_result()
        return answer


class Task(YieldPoint):
    """Calls a function with a `callback`, and gives what this is called with.

    A function that has no parameter of this name, or is an `async def`, returns what can be awaited instead, as all
    of Tornado does today. A status that is an error stays in the response of Tornado's `fetch`, as it once did, and
    where there was none, because the server cannot be reached, it is 599 and the reason the response's `error`.
    """

    def __init__(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self._point: YieldPoint
        self._is_silent = False

    def start(self, runner: Driving) -> None:
        """Call the function."""
        parameters = _parameters(self.func)
        if "callback" in parameters and not inspect.iscoroutinefunction(self.func):
            self._point = reply = _Reply(runner)
            self.func(*self.args, callback=homing(reply.answer), **self.kwargs)
        else:
            silence = {"raise_error": False} if "raise_error" in parameters else {}
            self._is_silent = bool(silence) and not self.kwargs.get("raise_error")
            self._point = _awaited(self.func, self.func(*self.args, **(silence | self.kwargs)))
            self._point.start(runner)

    def is_ready(self) -> bool:
        """Tell whether the result is there."""
        return self._point.is_ready()

    def get_result(self) -> Any:
        """Return the result."""
        try:
            return self._point.get_result()
        except (OSError, HTTPError) as error:
            if not self._is_silent:
                raise
            return _unreachable(error, *self.args, **self.kwargs)


class Multi(YieldPoint):
    """Waits for all values of a list or of a dictionary, and gives their results in the same shape."""

    def __init__(self, children: Mapping[Any, Any] | list[Any]) -> None:
        self._keys = list(children) if isinstance(children, Mapping) else None
        values = children.values() if isinstance(children, Mapping) else children
        self._points = [point_of(value) for value in values]

    def start(self, runner: Driving) -> None:
        """Begin all of them."""
        for point in self._points:
            point.start(runner)

    def is_ready(self) -> bool:
        """Tell whether all results are there."""
        return all(point.is_ready() for point in self._points)

    def get_result(self) -> Any:
        """Return the results, or raise the first error."""
        results = [point.get_result() for point in self._points]
        return results if self._keys is None else dict(zip(self._keys, results, strict=True))


class Known(YieldPoint):
    """Waits for nothing."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def is_ready(self) -> bool:
        """Return True."""
        return True

    def get_result(self) -> Any:
        """Return the value."""
        return self._value


class Failed(Known):
    """Waits for nothing, and throws an error into the generator."""

    def get_result(self) -> Any:
        """Raise the error."""
        raise self._value


class _Reply(YieldPoint):
    """Waits until its function is called; only the first call counts."""

    def __init__(self, runner: Driving) -> None:
        self._runner = runner
        self._answers: list[Any] = []

    def answer(self, *args: Any, **kwargs: Any) -> None:
        if not self._answers:
            self._answers.append(packed(args, kwargs))
            self._runner.run()

    def is_ready(self) -> bool:
        return bool(self._answers)

    def get_result(self) -> Any:
        return self._answers[0]


class _Moment(YieldPoint):
    """Lets the loop turn once."""

    def __init__(self) -> None:
        self._has_passed = False

    def start(self, runner: Driving) -> None:
        IOLoop.current().add_callback(self._pass, runner)

    def _pass(self, runner: Driving) -> None:
        self._has_passed = True
        runner.run()

    def is_ready(self) -> bool:
        return self._has_passed

    def get_result(self) -> None: ...


class _Later(YieldPoint):
    """Waits for a call that a decorator of `gen` drives."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def start(self, runner: Driving) -> None:
        self._outcome.add_done_callback(lambda _: runner.run())

    def is_ready(self) -> bool:
        return self._outcome.done

    def get_result(self) -> Any:
        return self._outcome.result()


class _Future(YieldPoint):
    """Waits for a future, of asyncio or of a pool of threads."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def start(self, runner: Driving) -> None:
        if isinstance(self._future, futures.Future):  # it calls back on another thread
            IOLoop.current().add_future(self._future, lambda _: runner.run())
        elif not self._future.done():
            self._future.add_done_callback(lambda _: runner.run())

    def is_ready(self) -> bool:
        done: bool = self._future.done()
        return done

    def get_result(self) -> Any:
        return self._future.result()


def point_of(yielded: Any) -> YieldPoint:
    """Return what waits for a yielded value. Raises `tornado.gen.BadYieldError` where nothing can."""
    if isinstance(yielded, YieldPoint):
        return yielded
    if isinstance(yielded, list | dict):
        return Multi(yielded)
    if isinstance(yielded, Outcome):
        return _Later(yielded)
    if not isinstance(yielded, asyncio.Future) and inspect.isawaitable(yielded):
        _require_loop(yielded)
    future = convert_yielded(yielded)
    return _Moment() if future is moment else _Future(future)


def _awaited(func: Callable[..., Any], result: Any) -> YieldPoint:
    if isinstance(result, futures.Future) or inspect.isawaitable(result):
        return point_of(result)
    name = getattr(func, "__qualname__", repr(func))
    raise TypeError(f"{name} has no parameter `callback`, and {result!r} that it has returned cannot be awaited")


def _unreachable(error: Exception, request: Any = "", *args: Any, **options: Any) -> HTTPResponse:
    """Return the response of a `fetch` that got none."""
    if not isinstance(request, HTTPRequest):
        request = HTTPRequest(str(options.get("request", request)))
    return HTTPResponse(request, 599, error=error, reason=str(error), request_time=0)


def _require_loop(awaitable: Any) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if inspect.iscoroutine(awaitable):
            awaitable.close()
        raise RuntimeError(f"{awaitable!r} is asynchronous, and no loop is running") from None


def _parameters(func: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(func).parameters
    except (TypeError, ValueError):
        return {}  # it is written in C
