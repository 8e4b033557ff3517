"""What the core logs: through its driver, and at most ten lines of a kind in a second.

Whatever a client can cause goes this way: refusals, broken packets, failures of handlers. The lines that are left out
are counted, and the engine's deadlines bring the count a second later, or its end if that comes first. Tracebacks of
50,000 characters use up a second's lines of their kind, too.

What a program has probably forgotten, such as the handler of an event, is a warning for each name (`warn_of`): Python
writes warnings where nobody has set up logging. Clients choose such names, so there are 200 of a kind, and then 10 an
hour: a client that makes names up cannot hide those that matter for ever, nor those of another kind.
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

LAST = "%d names have had such a line; from now on only %d more an hour get one: %s"
"""The line behind the last warning of a kind, with the numbers of names and `outline` of the text."""

_MOST_NAMES = 200  # warnings of a kind; 10 in a second, so that one client needs 20 s to use them up
_NAMES_PER_HOUR = 10
_HOUR = 3600.0  # s
_SILENCE = 60.0  # s in which the log does not warn again of a client with the wrong parser
_VALUE = re.compile(r"%[-.\d]*[a-z]")


class Log:
    """The log of one engine. It is for the core's thread."""

    __slots__ = ("_named", "_silent_until", "_table", "_throttle")

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._named: dict[Hashable, _Names] = {}
        self._silent_until = 0.0
        self._throttle = Throttle(self._later)

    def note(self, layer: Layer, level: Level, text: str, *values: object) -> None:
        """Log what has happened, as `Driver.note` does; its kind is layer, level and text."""
        if self.allows((layer, level, text), lambda more: self._note_more(layer, level, text, more)):
            self._table.driver.note(layer, level, text, *values)

    def warn_of(self, layer: Layer, name: Hashable, text: str, *values: object, kind: Hashable = None) -> bool:
        """Warn of a name that no line of this text and `kind` has named; False if one has, or if there are too many.

        `kind` is never a client's text. Only hashes of the names are kept. A warning that the throttle leaves out is
        counted, and comes another time.
        """
        now = self._table.driver.now()
        names = self._named.get((text, kind))
        if names is None:
            names = self._named[text, kind] = _Names(now)
        if not names.takes(name, now):
            return False
        warning = Level.WARNING
        if self.allows((layer, warning, text, kind), lambda more: self._note_more(layer, warning, text, more)):
            is_last = names.add(name)
            self._table.driver.note(layer, warning, text, *values)
            if is_last:
                self._table.driver.note(layer, warning, LAST, _MOST_NAMES, _NAMES_PER_HOUR, outline(text))
        return True

    def report(self, kind: Hashable, text: str, error: BaseException | None = None) -> None:
        """Log what has gone wrong in a user's function, as `Driver.report` does."""
        if self.allows(kind, lambda more: self._table.driver.report(MORE % (more, text))):
            self.wrote(kind, self._table.driver.report(text, error))

    def broke(self, sid: str, error: ProtocolError) -> None:
        """Log that a session is ended because its client broke the protocol.

        What it sent is not in the line. A wrong parser is the operator's mistake, so log a warning; once a minute,
        since a page's clients have the same.
        """
        level, now = Level.INFO, self._table.driver.now()
        if isinstance(error, WrongParser) and now >= self._silent_until:
            level, self._silent_until = Level.WARNING, now + _SILENCE
        self.note(
            Layer.ENGINE,
            level,
            "session %s... is closed because its client broke the protocol: %s",
            sid[:4],
            error.outline,
        )

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


class _Names:
    """The names of one kind that the log has warned of, and how many more it may."""

    __slots__ = ("_hashes", "_is_told", "_left", "_since")

    def __init__(self, now: float) -> None:
        self._hashes: dict[int, None] = {}
        self._left = float(_MOST_NAMES)
        self._since = now
        self._is_told = False

    def takes(self, name: Hashable, now: float) -> bool:
        """Tell whether this name may be in a line."""
        if hash(name) in self._hashes:
            return False
        self._left = min(self._left + (now - self._since) * _NAMES_PER_HOUR / _HOUR, _MOST_NAMES)
        self._since = now
        return self._left >= 1

    def add(self, name: Hashable) -> bool:
        """Remember a name, and forget the oldest of too many; True for the last before the log says so, once."""
        if len(self._hashes) == 2 * _MOST_NAMES:
            del self._hashes[next(iter(self._hashes))]
        self._hashes[hash(name)] = None
        self._left -= 1
        is_last = self._left < 1 and not self._is_told
        self._is_told = self._is_told or is_last
        return is_last


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
