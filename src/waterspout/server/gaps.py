"""Who is told when words of other nodes did not come."""

from collections.abc import Callable
from typing import Any

from ..engine import Asker, Engine, Layer, Level
from .cluster import Gap
from .signatures import Function, read_function


class Gaps(Asker):
    """The functions of `on_gap`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._functions: list[Function] = []

    def on_gap(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Add a function."""
        self._functions.append(
            read_function(self._engine.functions, function, "a function of on_gap", ("gap",), threaded=threaded)
        )

    def report(self, gap: Gap) -> None:
        """Log it, and call the functions."""
        text = "up to %d messages of the node %a did not come: clients here have missed what was in them"
        self._engine.log.note(Layer.SERVER, Level.WARNING, text, gap.words, gap.node)
        for function in tuple(self._functions):
            function.run(self._engine.driver, (gap,), self, function)

    def answered(self, token: Function, result: Any) -> None:
        """Ignore the result."""

    def failed(self, token: Function, error: BaseException) -> None:
        """Report what a function has raised."""
        if isinstance(error, Exception):
            self._engine.log.report((Gaps, token, type(error)), f"{self.describe(token)} failed", error)

    def describe(self, token: Function) -> str:
        """Name the function, for a warning."""
        return f"the function {getattr(token.call, '__qualname__', repr(token.call))!r} of on_gap"
