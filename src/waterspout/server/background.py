"""Functions that are called when the server starts on a loop, and when it is closed.

An asynchronous function of `on_start` becomes a task of the driver's, which `Driver.finish` cancels when the server is
closed. Those of `on_stop` come before that: while they run, everything else does, until `shutdown_timeout`.
"""

from collections.abc import Callable
from typing import Any

from ..engine import Asker, Engine, on_core
from .annotations import innermost
from .signatures import Function, read_function


class _BackgroundAsker(Asker):
    """An asker of functions that one of the two decorators has registered: reports what they raise."""

    _decorator: str

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def failed(self, token: Function, error: BaseException) -> None:
        """Report it, unless it was cancelled, or the process ends."""
        if isinstance(error, Exception):
            self._engine.log.report((Background, token, type(error)), f"{self.describe(token)} failed", error)

    def describe(self, token: Function) -> str:
        """Name the function, for a warning."""
        found = innermost(token.call)
        return f"the function {getattr(found, '__qualname__', repr(found))!r} of {self._decorator}"


class Background(_BackgroundAsker):
    """The functions of `on_start` and `on_stop` of one server; the asker of the first.

    `Driver.finish` cancels these when the server is closed.
    """

    _decorator = "on_start"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._starts: list[Function] = []
        self._stops: list[Function] = []
        self._is_running = False

    def on_start(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Add what is called at the start: at once, if the server has started already."""
        read = read_function(self._engine.functions, function, "a function of on_start", (), threaded=threaded)
        on_core(self._engine.driver, self._add, read)

    def on_stop(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Add what is called at the end."""
        self._stops.append(
            read_function(self._engine.functions, function, "a function of on_stop", (), threaded=threaded)
        )

    def start(self) -> None:
        """Call the functions of `on_start`."""
        self._is_running = True
        for function in tuple(self._starts):
            self._run(function)

    def stop(self, timeout: float, then: Callable[[], object]) -> None:
        """Call the functions of `on_stop`; then, when the last has ended, or after `timeout` seconds, go on."""
        functions = tuple(self._stops) if self._is_running else ()
        self._is_running = False
        if functions:
            _StopFunctions(self._engine, then).begin(functions, timeout)
        else:
            then()

    def answered(self, token: Function, result: Any) -> None:
        """Ignore the result."""

    # Below this line: how it is done

    def _add(self, function: Function) -> None:
        self._starts.append(function)
        if self._is_running:
            self._run(function)

    def _run(self, function: Function) -> None:
        function.run(self._engine.driver, (), self, function)


class _StopFunctions(_BackgroundAsker):
    """Waits for the functions of `on_stop`, then calls `then` once."""

    _decorator = "on_stop"

    def __init__(self, engine: Engine, then: Callable[[], object]) -> None:
        super().__init__(engine)
        self._then: Callable[[], object] | None = then
        self._running = 0

    def begin(self, functions: tuple[Function, ...], timeout: float) -> None:
        self._running = len(functions) + 1
        self._engine.deadlines.set(self, "stop", self._engine.driver.now() + timeout)
        for function in functions:
            function.run(self._engine.driver, (), self, function)
        self._ended()

    def due(self, kind: str, at: float) -> None:
        self._go_on()

    def answered(self, token: Function, result: Any) -> None:
        self._ended()

    def failed(self, token: Function, error: BaseException) -> None:
        super().failed(token, error)
        self._ended()

    def _ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._go_on()

    def _go_on(self) -> None:
        self._engine.deadlines.clear(self, "stop")
        then, self._then = self._then, None
        if then is not None:
            then()
