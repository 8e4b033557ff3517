"""The system's own threads: those of `threading`, unless a library has put others in their place."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol


class NativeEvent(Protocol):
    """What a thread waits for."""

    def set(self) -> None:
        """Let all go on that wait."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait; return False after `timeout` seconds."""


class Natives:
    """How to begin threads, how they wait, and who they are."""

    get_ident: Callable[[], int] = staticmethod(threading.get_ident)
    queue: Callable[[], Any] = queue.SimpleQueue
    event: Callable[[], NativeEvent] = threading.Event

    def begin(self, function: Callable[[], object], name: str) -> None:
        """Run the function in a new thread, for whose end the interpreter does not wait."""
        threading.Thread(target=function, name=name, daemon=True).start()


NATIVES = Natives()
