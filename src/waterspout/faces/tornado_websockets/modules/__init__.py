"""Parts of an application that share the WebSocket of another: on both sides, events of their own behind a name."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from tornado.websocket import WebSocketClosedError

from ..exceptions import EmitHandlerError

__all__ = ["Module", "ProgressBar"]

F = TypeVar("F", bound=Callable[..., Any])


class Module:
    """Base of modules, which `WebSocket.bind` adds to a WebSocket. On the wire, its events are `<name>_<event>`.

    "open" of a module is called for each client that is connected, with `socket`.
    """

    def __init__(self, name: str) -> None:
        if not name:
            raise ValueError("a module needs a name, which the client's has, too")
        self.name = name
        self.websocket: Any = None
        self._handlers: dict[str, Callable[..., Any]] = {}

    def event(self, name: str) -> str:
        """Return how an event of the module is called on the wire."""
        return f"{self.name}_{name}"

    def on(self, callback: F) -> F:
        """Register the handler of an event, as `WebSocket.on` does; also before the module is bound."""
        event = self.event(callback.__name__)
        self._handlers[event] = callback
        if self.websocket is not None:
            self.websocket.bind_event(event, callback)
        return callback

    def emit(self, event: str, data: Any = None) -> None:
        """Send an event to all clients of the WebSocket that are connected, if there are any; from any thread."""
        if self.websocket is not None:
            with suppress(EmitHandlerError, WebSocketClosedError):
                self.websocket.emit(self.event(event), data)

    def attach(self, websocket: Any) -> None:
        """Called by `WebSocket.bind`; ValueError where the module is bound already."""
        if self.websocket is not None:
            raise ValueError(f"the module {self.name!r} is bound already: make one for each WebSocket")
        for event, callback in self._handlers.items():
            websocket.bind_event(event, callback)
        self.websocket = websocket


class ProgressBar(Module):
    """A bar with a value from `min` to `max`; `indeterminate`: it only shows that something goes on.

    Each change is the event `update` with `{"min", "max", "value", "indeterminate", "label", "done"}`, which a client
    also gets when it is connected. All methods may be called from any thread.
    """

    def __init__(self, name: str, min: float = 0, max: float = 100, indeterminate: bool = False) -> None:  # noqa: A002
        if not min < max:
            raise ValueError(f"min is {min!r} and max is {max!r}: max has to be larger")
        super().__init__(name)
        self.min = min
        self.max = max
        self.indeterminate = indeterminate
        self.value = min
        self.label: str | None = None
        self._lock = threading.Lock()
        self.on(self.open)

    @property
    def state(self) -> dict[str, Any]:
        """What clients are sent."""
        bounds = {"min": self.min, "max": self.max, "indeterminate": self.indeterminate}
        return {**bounds, "value": self.value, "label": self.label, "done": self.value >= self.max}

    def open(self, socket: Any) -> None:
        """Show the bar to a client that is connected."""
        socket.emit(self.event("update"), self.state)

    def set(self, value: float, label: str | None = None) -> None:
        """Move to a value, at most to `min` or `max`; without a label, the one before remains."""
        with self._lock:
            self._move(value, label)

    def tick(self, label: str | None = None, step: float = 1) -> None:
        """Move by a step."""
        with self._lock:
            self._move(self.value + step, label)

    def reset(self) -> None:
        """Move to `min`, without a label."""
        self.set(self.min, "")

    def _move(self, value: float, label: str | None) -> None:
        self.value = min(max(value, self.min), self.max)
        self.label = self.label if label is None else label
        self.emit("update", self.state)  # with the lock, so that clients get the values in their order
