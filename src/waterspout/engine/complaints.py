"""What the log is told of clients: that they broke the protocol, and what they asked for, without their secrets."""

from ..errors import ProtocolError, WrongParser
from ..types import split_target
from .driver import Driver, Layer, Level

_SILENCE = 60.0  # s in which the log does not warn again of a client with the wrong parser


def without_secrets(target: str, path: str) -> str:
    """Write the target of a request for a log, `path` being the engine's.

    A session is named by the first four characters of its id, where clients have it: in the query, or those of 0.7 to
    0.9 in the path. Nothing else of the query is there, for it is what a client sends along with its connection.
    """
    before, _, query = split_target(target)[1].partition("?")
    below = before.removeprefix(path).split("/")  # "", version, transport, id
    if before.startswith(path) and len(below) > 3:
        before = f"{path}{'/'.join(below[:3])}/{_start(below[3])}"
    sid = next((pair[4:] for pair in query.split("&") if pair.startswith("sid=")), "")
    return f"{before}?sid={_start(sid)}" if sid else before


def _start(sid: str) -> str:
    return f"{sid[:4]}..." if sid else ""


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
