"""What a call will have come to, for whoever wants to know."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from ...drivers import logger
from .complaints import ALONE

log = logger("tornadio2.gen")


class Outcome:
    """The result or the error of a call whose generator still runs; needs no loop, and can be awaited on one.

    An error that comes when nobody listens is logged.
    """

    __slots__ = ("_callbacks", "_is_late", "done", "error", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._is_late = False
        self._callbacks: list[Callable[[Outcome], object]] = []

    def result(self) -> Any:
        """Return the result or raise the error; RuntimeError while there is neither."""
        if not self.done:
            raise RuntimeError("there is no result yet")
        if self.error is not None:
            raise self.error
        return self.value

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

    def resolve(self, value: Any) -> None:
        """Set the result."""
        self.value = value
        self._settle()

    def reject(self, error: BaseException) -> None:
        """Set the error."""
        self.error = error
        if self._is_late and not self._callbacks:
            ALONE.write(log, "a generator has failed, and nobody waits for it", error=error)
        self._settle()

    def _settle(self) -> None:
        self.done = True
        callbacks, self._callbacks = self._callbacks, []
        for function in callbacks:
            function(self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.done:
            future = asyncio.get_running_loop().create_future()
            self.add_done_callback(lambda _: None if future.done() else future.set_result(None))
            yield from future
        return self.result()
