"""What the core logs: through its driver, and at most ten lines of a kind in a second.

Whatever a client can cause goes this way: refusals, broken packets, failures of handlers. The lines that are left out
are counted, and the engine's deadlines bring the count a second later, or its end if that comes first. Tracebacks of
50,000 characters use up a second's lines of their kind, too.

What a program has probably forgotten, such as the handler of an event, is a warning for each name (`warn_of`): Python
writes warnings where nobody has set up logging. Clients choose such names, so there are 200 of a text, and no more.
"""

import re
from collections.abc import Hashable
from typing import TYPE_CHECKING

from ..errors import ProtocolError, WrongParser
from ..types import split_target
from .driver import Layer, Level
from .throttle import Tell, Throttle

if TYPE_CHECKING:
    from .table import Table

MORE = "%d more of these in the last second: %s"
"""The line for those that were left out, with their number and `outline` of the text."""

LAST = "%d names are in such lines, and no more will be: %s"
"""The line behind the last warning of a text, with the number of names and `outline` of the text."""

_MOST_NAMES = 200  # warnings of a text; 10 in a second, so that one client needs 20 s to use them up
_SILENCE = 60.0  # s in which the log does not warn again of a client with the wrong parser
_VALUE = re.compile(r"%[-.\d]*[a-z]")


class Log:
    """The log of one engine. It is for the core's thread."""

    __slots__ = ("_named", "_silent_until", "_table", "_throttle")

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._named: dict[str, set[int]] = {}
        self._silent_until = 0.0
        self._throttle = Throttle(self._later)

    def note(self, layer: Layer, level: Level, text: str, *values: object) -> None:
        """Log what has happened, as `Driver.note` does; its kind is layer, level and text."""
        if self.allows((layer, level, text), lambda more: self._note_more(layer, level, text, more)):
            self._table.driver.note(layer, level, text, *values)

    def warn_of(self, layer: Layer, name: Hashable, text: str, *values: object) -> bool:
        """Warn of a name that the text has not named before; False if it has, or has named 200.

        Only hashes of the names are kept. A warning that the throttle leaves out is counted, and comes another time.
        """
        named = self._named.get(text)
        if named is None:
            named = self._named[text] = set()
        key = hash(name)
        if key in named or len(named) == _MOST_NAMES:
            return False
        warning = Level.WARNING
        if self.allows((layer, warning, text), lambda more: self._note_more(layer, warning, text, more)):
            named.add(key)
            self._table.driver.note(layer, warning, text, *values)
            if len(named) == _MOST_NAMES:
                self._table.driver.note(layer, warning, LAST, _MOST_NAMES, outline(text))
        return True

    def report(self, kind: Hashable, text: str, error: BaseException | None = None) -> None:
        """Log what has gone wrong in a user's function, as `Driver.report` does."""
        if self.allows(kind, lambda more: self._table.driver.report(MORE % (more, text))):
            self.wrote(kind, self._table.driver.report(text, error))

    def broke(self, sid: str, error: ProtocolError) -> None:
        """Log that a session is ended because its client broke the protocol.

        A wrong parser is the operator's mistake, so log a warning; once a minute, since a page's clients have the same.
        """
        level, now = Level.INFO, self._table.driver.now()
        if isinstance(error, WrongParser) and now >= self._silent_until:
            level, self._silent_until = Level.WARNING, now + _SILENCE
        self.note(Layer.ENGINE, level, "session %s... broke the protocol, and is ended: %s", sid[:4], error)

    def allows(self, kind: Hashable, tell: Tell) -> bool:
        """Tell whether a line of this kind may be written now; see `Throttle`."""
        return self._throttle.allows(kind, self._table.driver.now(), tell)

    def wrote(self, kind: Hashable, size: int) -> None:
        """Count the characters of the traceback in the line that was allowed last."""
        self._throttle.wrote(kind, size)

    def flush(self) -> None:
        """Log the counts of what was left out now: the end may come before the second is over."""
        for kind in self._throttle.flush():
            self._table.deadlines.clear(self._throttle, kind)

    def _note_more(self, layer: Layer, level: Level, text: str, more: int) -> None:
        self._table.driver.note(layer, level, MORE, more, outline(text))

    def _later(self, kind: Hashable, at: float) -> None:
        self._table.deadlines.set(self._throttle, kind, at)


def outline(text: str) -> str:
    """Return the text of a line without its values."""
    return _VALUE.sub("...", text)


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
