"""What the log hears of clients that broke the protocol."""

from ..errors import ProtocolError, WrongParser
from .driver import Driver, Layer, Level

_SILENCE = 60.0  # s in which the log does not warn again of a client with the wrong parser


class Complaints:
    """Tells the operator what clients did; that one has the wrong parser is his own to mend, so a warning."""

    __slots__ = ("_silent_until",)

    def __init__(self) -> None:
        self._silent_until = 0.0

    def add(self, driver: Driver, sid: str, error: ProtocolError) -> None:
        """Log what a session was ended for."""
        text = "session %s... broke the protocol, and is ended: %s"
        level, now = Level.INFO, driver.now()
        if isinstance(error, WrongParser) and now >= self._silent_until:  # all clients of a page come alike
            level, self._silent_until = Level.WARNING, now + _SILENCE
        driver.note(Layer.ENGINE, level, text, sid[:4], error)
