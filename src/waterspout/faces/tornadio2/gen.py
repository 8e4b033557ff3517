"""Methods that wait with `yield`: in order (`sync_engine`), or all at once (`engine`).

    @gen.sync_engine
    def on_message(self, query):
        response = yield gen.Task(http_client.fetch, url + query)
        self.send(response.body)

A method runs at once, up to the first result that is not available yet; until then it needs no loop. If the generator
has ended by then, the decorated method returns its result, else an `Outcome`, which can be yielded or awaited.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from concurrent import futures
from contextvars import copy_context
from functools import partial, wraps
from threading import get_ident
from types import GeneratorType
from typing import Any, NamedTuple

from tornado import gen as tornado_gen
from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse
from tornado.ioloop import IOLoop

from ...drivers import logger
from ...engine import INTERRUPTS
from ...hosts.loops import running_loop
from ..complaints import ALONE

log = logger("tornadio2.gen")

KeyReuseError = tornado_gen.KeyReuseError
LeakedCallbackError = tornado_gen.LeakedCallbackError
UnknownKeyError = tornado_gen.UnknownKeyError


class Arguments(NamedTuple):
    """The arguments of a callback, unless there was one or none."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class YieldPoint:
    """Base class of what a generator can wait for."""

    def start(self, runner: Any) -> None:
        """Called when the generator waits; call `runner.run` when the result is available.

        An exception is thrown into the generator.
        """

    def is_ready(self) -> bool:
        """Tell whether the result is available."""
        raise NotImplementedError

    def get_result(self) -> Any:
        """Return the result, or raise the error, which is thrown into the generator."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait in a coroutine, or in a generator of Tornado's own `coroutine`; for a `Task` or several."""
        waiting = _Waiting()
        self.start(waiting)
        while not self.is_ready():
            waiting.clear()
            yield from waiting.wait().__await__()
        return self.get_result()


class _Waiting(asyncio.Event):
    """The runner of a coroutine that waits for one YieldPoint."""

    run = asyncio.Event.set

    @property
    def callbacks(self) -> Any:
        raise tornado_gen.BadYieldError("Callback and Wait are for generators that `tornadio2.gen` drives")


class Outcome(YieldPoint):
    """The result or the error of a pending call; needs no loop, and can be awaited on one.

    An error is logged if no callback takes it. `ended` is called last, also if a callback raises.
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
        """Return the result or raise the error if the call has ended, else return this object."""
        if self.done:
            return self.result()
        self._is_late = True
        return self

    def add_done_callback(self, function: "Callable[[Outcome], object]") -> None:
        """Call the function with this object when the call has ended; at once if it has."""
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
        """Take the result or the error of a future or another outcome, which has ended."""
        try:
            value = ended.result()
        except BaseException as error:
            self.reject(error)
        else:
            self.resolve(value)

    def callback(self) -> Callable[..., None]:
        """Return a function for any thread whose arguments become the result, set on the loop that runs now."""
        loop, thread = running_loop(), get_ident()

        def call(*args: Any, **kwargs: Any) -> None:
            value = Arguments(args, kwargs) if kwargs or len(args) > 1 else next(iter(args), None)
            if loop is None or get_ident() == thread:
                self.resolve(value)
            else:
                loop.call_soon_threadsafe(self.resolve, value)

        return call

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
    """Yields a callback function; `Wait` with the same key yields the arguments that it is called with."""

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self._function: Callable[..., object]

    def start(self, runner: Any) -> None:
        """KeyReuseError if the generator has a callback of this key."""
        if self.key in runner.callbacks:
            raise KeyReuseError(f"the key {self.key!r} is in use already")
        outcome = runner.callbacks[self.key] = Outcome()
        self._function = outcome.callback()

    def is_ready(self) -> bool:
        return True

    def get_result(self) -> Callable[..., object]:
        return self._function


class Task(Outcome):
    """Calls a function with a `callback`, and yields the arguments that this is called with.

    A function without this parameter, or an `async def`, has to return an awaitable instead, as Tornado's functions
    do today. Tornado's `fetch` does not raise for HTTP errors, as in the past: the response has the status. If the
    server cannot be reached, the status is 599, and the response's `error` is the reason.
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
            parameters = {}  # a function in C
        if "callback" in parameters and not inspect.iscoroutinefunction(self.func):
            self.func(*self.args, callback=self.callback(), **self.kwargs)
            return
        self._is_silent = "raise_error" in parameters and not self.kwargs.get("raise_error")
        result = self.func(*self.args, **(self.kwargs | ({"raise_error": False} if self._is_silent else {})))
        if not isinstance(result, futures.Future) and not inspect.isawaitable(result):
            name = getattr(self.func, "__qualname__", repr(self.func))
            text = f"{name} has no parameter `callback`, and {result!r} that it has returned cannot be awaited"
            raise TypeError(text)
        outcome_of(result).add_done_callback(self.take)

    def reject(self, error: BaseException) -> Outcome:
        """Set the error; for a `fetch` without a response, set one with the status 599 as the result."""
        if not self._is_silent or not isinstance(error, OSError | HTTPError):
            return super().reject(error)
        request = self.args[0] if self.args else self.kwargs.get("request", "")
        if not isinstance(request, HTTPRequest):
            request = HTTPRequest(str(request))
        return self.resolve(HTTPResponse(request, 599, error=error, reason=str(error), request_time=0))


class Multi(YieldPoint):
    """Waits for all values of a list or a dictionary, and yields their results in the same form.

    Of several errors, the first in their order is raised.
    """

    def __init__(self, children: Mapping[Any, Any] | list[Any]) -> None:
        self._is_list = not isinstance(children, Mapping)
        named = children.items() if isinstance(children, Mapping) else enumerate(children)
        self._points = {key: point_of(value) for key, value in named}

    def start(self, runner: Any) -> None:
        for point in self._points.values():
            point.start(runner)

    def is_ready(self) -> bool:
        return all(point.is_ready() for point in self._points.values())

    def get_result(self) -> Any:
        results = {key: point.get_result() for key, point in self._points.items()}
        return list(results.values()) if self._is_list else results


class WaitAll(Multi):
    """Waits for the callbacks of several keys, and yields a list of their arguments, in the order of the keys."""

    def __init__(self, keys: Iterable[Hashable]) -> None:
        self.keys = list(keys)

    def start(self, runner: Any) -> None:
        """UnknownKeyError if the generator has no callback of one of the keys."""
        for key in self.keys:
            if key not in runner.callbacks:
                raise UnknownKeyError(f"no callback has the key {key!r}: yield Callback({key!r}) first")
        super().__init__([runner.callbacks.pop(key) for key in self.keys])
        super().start(runner)


class Wait(WaitAll):
    """Waits for the callback of a key, and yields its argument, or `Arguments` if there is not exactly one."""

    def __init__(self, key: Hashable) -> None:
        super().__init__([key])

    def get_result(self) -> Any:
        return super().get_result()[0]


def point_of(yielded: Any) -> YieldPoint:
    """Return a YieldPoint for a yielded value; `tornado.gen.BadYieldError` for what cannot be awaited."""
    if isinstance(yielded, YieldPoint):
        return yielded
    if isinstance(yielded, list | dict):
        return Multi(yielded)
    return outcome_of(yielded)


def outcome_of(yielded: Any) -> Outcome:
    """Return the outcome of an awaitable; BadYieldError for other values, RuntimeError without a running loop."""
    if type(yielded) is Outcome:
        return yielded
    if not isinstance(yielded, asyncio.Future) and inspect.isawaitable(yielded) and running_loop() is None:
        if inspect.iscoroutine(yielded):
            yielded.close()
        raise RuntimeError(f"{yielded!r} is asynchronous, and no loop is running")
    future: Any = tornado_gen.convert_yielded(yielded)
    outcome = Outcome()
    if future is tornado_gen.moment:
        IOLoop.current().add_callback(outcome.resolve, None)
    elif future.done():
        outcome.take(future)
    else:  # a future of a pool calls back on another thread
        IOLoop.current().add_future(future, outcome.take)
    return outcome


class Runner:
    """Waits for what a generator yields, and sends the results into it.

    `run` starts or continues the generator until it has to wait; callbacks and futures call it again. It raises what
    the generator raises. `finished`: the generator has ended, and `value` is its result. `callbacks`: by key, the
    outcomes of each `Callback` for which the generator has not waited yet.
    """

    def __init__(self, gen: Generator[Any, Any, Any]) -> None:
        self.gen = gen
        self.running = False
        self.finished = False
        self.value: Any = None
        self.callbacks: dict[Hashable, Outcome] = {}
        self._awaited: YieldPoint = Outcome().resolve(None)
        self._context = copy_context()

    def run(self) -> None:
        """Continue until the generator has to wait, unless it is running."""
        is_busy_or_over = self.running or self.finished
        if is_busy_or_over:
            return
        self.running = True
        try:
            while not self.finished and self._awaited.is_ready():
                self._step()
        finally:
            self.running = False
            if self.finished:
                self.ended()

    def ended(self) -> None:
        """Called once, when the generator has ended or failed."""

    def _step(self) -> None:
        resume: Callable[[Any], Any]
        try:
            resume, value = self.gen.send, self._awaited.get_result()
        except (Exception, asyncio.CancelledError) as error:
            resume, value = self.gen.throw, error
        try:
            yielded = self._context.run(resume, value)
        except (StopIteration, tornado_gen.Return) as end:
            self.finished, self.value = True, end.value
            if self.callbacks:
                text = f"the generator has ended without waiting for the callbacks {[*self.callbacks]!r}"
                raise LeakedCallbackError(text) from None
        except BaseException:
            self.finished = True
            raise
        else:
            self._wait_for(yielded)

    def _wait_for(self, yielded: Any) -> None:
        try:
            self._awaited = point_of(yielded)
            self._context.run(self._awaited.start, self)
        except Exception as error:
            self._awaited = Outcome().reject(error)


class SyncRunner(Runner):
    """A runner that calls `callback` once, when its generator has ended or failed."""

    def __init__(self, gen: Generator[Any, Any, Any], callback: Callable[[], object]) -> None:
        super().__init__(gen)
        self.ended = callback  # type: ignore[method-assign, assignment]


class _OutcomeRunner(Runner):
    """A runner that calls a function, and waits for the generator or the awaitable that it returns.

    `outcome` gets the result or the error; interrupts are raised as well.
    """

    def __init__(self, function: Callable[[], Any], ended: Callable[[], object] | None = None) -> None:
        super().__init__(_called(function))
        self.outcome = Outcome(ended)

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:
            self.outcome.reject(error)
            if isinstance(error, INTERRUPTS):
                raise
        if self.finished:
            self.outcome.resolve(self.value)


def _called(function: Callable[[], Any]) -> Generator[Any, Any, Any]:
    result = function()
    if isinstance(result, GeneratorType):
        return (yield from result)
    return (yield result) if inspect.isawaitable(result) else result


def engine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Run the generators of a function; calls are concurrent, and may end in any order."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _run(partial(func, *args, **kwargs)).hand_over()

    return wrapper


def sync_engine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Run the generators of a method; for each object, a call begins when the previous one has ended.

    The loop is not blocked meanwhile. A method that is not a generator may return one, such as an `on_event` that calls
    `super`.
    """

    @wraps(func)
    def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        queue: _Queue = self.__dict__.setdefault("_call_queue", {}).setdefault(func, _Queue())
        runner = _OutcomeRunner(partial(func, self, *args, **kwargs), queue.release)
        queue.waiting.append(runner)
        queue.advance()
        return runner.outcome.hand_over()

    return wrapper


def follow(result: Any) -> Outcome:
    """Return the outcome of a handler's result: a value, a generator, or an awaitable.

    A generator starts at once. What it raises becomes the outcome's error, and is not raised here.
    """
    return _run(lambda: result)


def _run(function: Callable[[], Any]) -> Outcome:
    runner = _OutcomeRunner(function)
    runner.run()
    return runner.outcome


class _Queue:
    """The calls of one method of one object, one of which is running."""

    def __init__(self) -> None:
        self.waiting: deque[_OutcomeRunner] = deque()
        self._is_running = self._is_advancing = False

    def release(self) -> None:
        """Called when the running call has ended, after its callbacks."""
        self._is_running = False
        self.advance()

    def advance(self) -> None:
        """Run the waiting calls, until one has to wait itself."""
        if self._is_advancing:  # without this, a thousand calls that end at once would nest a thousand deep
            return
        self._is_advancing = True
        try:
            while self.waiting and not self._is_running:
                self._is_running = True
                self.waiting.popleft().run()
        finally:
            self._is_advancing = False
