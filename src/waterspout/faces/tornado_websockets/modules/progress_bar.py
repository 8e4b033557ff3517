"""The progress bar of version 0.1, which has a WebSocket of its own."""

from ..websocket import WebSocket
from . import ProgressBar as SharedProgressBar


class ProgressBar(SharedProgressBar):
    """A bar at a path: in the client, a module named "progress_bar" of `new TornadoWebSocket(path)`."""

    def __init__(self, path: str, min: float = 0, max: float = 100, add_to_handlers: bool = True) -> None:  # noqa: A002
        super().__init__("progress_bar", min, max)
        WebSocket(path, add_to_handlers).bind(self)
