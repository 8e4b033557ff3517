"""What a generator may yield: a `YieldPoint`, what can be awaited, or a list or dictionary of these."""

import asyncio
import inspect
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from concurrent import futures
from functools import partial
from threading import get_ident
from typing import Any, NamedTuple

from tornado.gen import BadYieldError, convert_yielded, moment
from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse
from tornado.ioloop import IOLoop

from ...drivers import logger
from .complaints import ALONE
from .periodic import is_running

log = logger("tornadio2.gen")


class Arguments(NamedTuple):
    """What a callback was called with, unless it was one argument or none."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def packed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make one value of what a callback was called with."""
    if kwargs or len(args) > 1:
        return Arguments(args, kwargs)
    return args[0] if args else None


def homing(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function for other threads, too: from there it is posted to the loop that is running now."""
    if not is_running():
        return function
    loop, thread = asyncio.get_running_loop(), get_ident()

    def call(*args: Any, **kwargs: Any) -> None:
        if get_ident() == thread:
            function(*args, **kwargs)
        else:
            loop.call_soon_threadsafe(partial(function, *args, **kwargs))

    return call


class YieldPoint:
    """What a generator can wait for."""

    def start(self, runner: Any) -> None:
        """Called when the generator waits; call `runner.run` when the result is there.

        What this raises is thrown into the generator.
        """

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
            waiting.clear()
            yield from waiting.wait().__await__()
        return self.get_result()


class _Waiting(asyncio.Event):
    """The runner of a coroutine that waits for one point."""

    run = asyncio.Event.set

    def register_callback(self, key: Hashable) -> None:
        raise BadYieldError(f"Callback and Wait are for generators that `tornadio2.gen` drives, so is the key {key!r}")

    is_ready = register_callback


class Outcome(YieldPoint):
    """The result or the error of a call that goes on; needs no loop, and can be awaited on one.

    An error that comes when nobody listens is logged. `ended` is called last, also where a callback has raised.
    """

    def __init__(self, ended: Callable[[], object] | None = None) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._ended = ended
        self._is_late = False
        self._callbacks: list[Callable[[Outcome], object]] = []

    def result(self) -> Any:
        """Return the result or raise the error; RuntimeError while there is neither."""
        if not self.done:
            raise RuntimeError("there is no result yet")
        if self.error is not None:
            raise self.error
        return self.value

    get_result = result

    def hand_over(self) -> Any:
        """Return the result or raise the error if there is one, else this object."""
        if self.done:
            return self.result()
        self._is_late = True
        return self

    def add_done_callback(self, function: "Callable[[Outcome], object]") -> None:
        """Call the function with this object once the call has ended: at once if it has."""
        if self.done:
            function(self)
        else:
            self._callbacks.append(function)

    def resolve(self, value: Any) -> "Outcome":
        """Set the result, unless there is one."""
        if not self.done:
            self.value = value
            self._settle()
        return self

    def reject(self, error: BaseException) -> "Outcome":
        """Set the error."""
        self.error = error
        if self._is_late and not self._callbacks:
            ALONE.write(log, "a generator has failed, and nobody waits for it", error=error)
        self._settle()
        return self

    def take(self, ended: Any) -> None:
        """Set what a future or another outcome has ended with."""
        if isinstance(ended, Outcome):
            error = ended.error
        else:
            error = asyncio.CancelledError() if ended.cancelled() else ended.exception()
        if error is None:
            self.resolve(ended.result())
        else:
            self.reject(error)

    def start(self, runner: Any) -> None:
        self.add_done_callback(lambda _: runner.run())

    def is_ready(self) -> bool:
        return self.done

    def _settle(self) -> None:
        self.done = True
        callbacks, self._callbacks = self._callbacks, []
        try:
            for function in callbacks:
                function(self)
        finally:
            if self._ended is not None:
                self._ended()


class Callback(YieldPoint):
    """Gives a function that is to be called back; `Wait` with the same key gives what it is called with."""

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self._function: Callable[..., object]

    def start(self, runner: Any) -> None:
        runner.register_callback(self.key)
        self._function = homing(runner.result_callback(self.key))

    def is_ready(self) -> bool:
        return True

    def get_result(self) -> Callable[..., object]:
        return self._function


class WaitAll(YieldPoint):
    """Waits for the callbacks of several keys, and gives a list of what they were called with, in their order."""

    def __init__(self, keys: Iterable[Hashable]) -> None:
        self.keys = list(keys)
        self._runner: Any

    def start(self, runner: Any) -> None:
        self._runner = runner
        for key in self.keys:
            runner.is_ready(key)

    def is_ready(self) -> bool:
        return all(map(self._runner.is_ready, self.keys))

    def get_result(self) -> Any:
        return [self._runner.pop_result(key) for key in self.keys]


class Wait(WaitAll):
    """Waits for the callback of a key, and gives what it was called with; `Arguments` where that is not one value."""

    def __init__(self, key: Hashable) -> None:
        super().__init__([key])

    def get_result(self) -> Any:
        return super().get_result()[0]


class Task(Outcome):
    """Calls a function with a `callback`, and gives what this is called with.

    A function that has no parameter of this name, or is an `async def`, returns what can be awaited instead, as all
    of Tornado does today. A status that is an error stays in the response of Tornado's `fetch`, as it once did, and
    where there was none, because the server cannot be reached, it is 599 and the reason the response's `error`.
    """

    def __init__(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.func = func
        self.args, self.kwargs = args, kwargs
        self._is_silent = False

    def start(self, runner: Any) -> None:
        super().start(runner)
        try:
            parameters: Mapping[str, Any] = inspect.signature(self.func).parameters
        except (TypeError, ValueError):
            parameters = {}  # it is written in C
        if "callback" in parameters and not inspect.iscoroutinefunction(self.func):
            answer = homing(lambda *args, **kwargs: self.resolve(packed(args, kwargs)))
            self.func(*self.args, callback=answer, **self.kwargs)
            return
        self._is_silent = "raise_error" in parameters and not self.kwargs.get("raise_error")
        result = self.func(*self.args, **(self.kwargs | ({"raise_error": False} if self._is_silent else {})))
        if not isinstance(result, futures.Future) and not inspect.isawaitable(result):
            name = getattr(self.func, "__qualname__", repr(self.func))
            text = f"{name} has no parameter `callback`, and {result!r} that it has returned cannot be awaited"
            raise TypeError(text)
        outcome_of(result).add_done_callback(self.take)

    def reject(self, error: BaseException) -> Outcome:
        """Set the error, or as the result the response of a `fetch` that got none."""
        if not self._is_silent or not isinstance(error, OSError | HTTPError):
            return super().reject(error)
        request = self.args[0] if self.args else self.kwargs["request"]
        if not isinstance(request, HTTPRequest):
            request = HTTPRequest(str(request))
        return self.resolve(HTTPResponse(request, 599, error=error, reason=str(error), request_time=0))


class Multi(YieldPoint):
    """Waits for all values of a list or of a dictionary, and gives their results in the same shape.

    Of several errors, the first in this order is raised.
    """

    def __init__(self, children: Mapping[Any, Any] | list[Any]) -> None:
        self._is_list = isinstance(children, list)
        named = enumerate(children) if isinstance(children, list) else children.items()
        self._points = {key: point_of(value) for key, value in named}

    def start(self, runner: Any) -> None:
        for point in self._points.values():
            point.start(runner)

    def is_ready(self) -> bool:
        return all(point.is_ready() for point in self._points.values())

    def get_result(self) -> Any:
        results = {key: point.get_result() for key, point in self._points.items()}
        return list(results.values()) if self._is_list else results


def point_of(yielded: Any) -> YieldPoint:
    """Return what waits for a yielded value. Raises `tornado.gen.BadYieldError` where nothing can."""
    if isinstance(yielded, YieldPoint):
        return yielded
    if isinstance(yielded, list | dict):
        return Multi(yielded)
    return outcome_of(yielded)


def outcome_of(yielded: Any) -> Outcome:
    """Return what becomes of something that can be awaited. Raises BadYieldError and, without a loop, RuntimeError."""
    if type(yielded) is Outcome:
        return yielded
    if not isinstance(yielded, asyncio.Future) and inspect.isawaitable(yielded) and not is_running():
        if inspect.iscoroutine(yielded):
            yielded.close()
        raise RuntimeError(f"{yielded!r} is asynchronous, and no loop is running")
    future: Any = convert_yielded(yielded)
    outcome = Outcome()
    if future is moment:
        IOLoop.current().add_callback(outcome.resolve, None)
    elif future.done():
        outcome.take(future)
    else:  # that of a pool calls back on another thread
        IOLoop.current().add_future(future, outcome.take)
    return outcome
