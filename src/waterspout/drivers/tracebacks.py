"""The text of an exception for the log: as Python writes it, but bounded.

What a handler raises often quotes what its client sent: the key that is missing, or a line for each item of a list that
does not fit. So each text is cut before anything else is done with it, and so are notes, frames and chains. Validation
errors of pydantic are not made into text at all if there are many: a million of them take a second and 200 MB.
"""

from traceback import TracebackException

MAX_TEXT = 2_000
"""Characters of the text of an exception, and of a note."""

MAX_TRACEBACK = 20_000
"""Characters of a traceback with all exceptions that it names."""

_MAX_FAULTS = 20  # the text of each may quote a key of a megabyte
_MAX_FRAMES = 50  # of one exception, the innermost; a RecursionError has 1000
_MAX_NOTES = 10
_MAX_MEMBERS = 10  # of a group
_MAX_EXCEPTIONS = 20  # causes, contexts and members of groups together
_HEAD = 4_000  # characters before the cut in a traceback; the rest comes from its end, where the last exception is


class Traceback:
    """An exception's traceback, in the parts that Python makes it of.

    `is_whole` tells that no text had to be cut, so that the exception itself may be given to others.
    """

    def __init__(self, error: BaseException) -> None:
        self.is_whole = True
        self._left = _MAX_EXCEPTIONS
        self._seen: set[int] = set()
        found = self._build(error)
        self.parts: list[str] = [] if found is None else list(found.format())

    def _build(self, error: BaseException | None) -> TracebackException | None:
        """Describe an exception with those that it names; None if there is none, or if there are too many."""
        if error is None or id(error) in self._seen or not self._left:
            return None
        self._left -= 1
        self._seen.add(id(error))
        value = _with_text(error, self._text_of(error))
        notes = getattr(error, "__notes__", None)
        if isinstance(notes, list | tuple):
            for note in notes[:_MAX_NOTES]:
                value.add_note(self._short(_str(note)))
        built = TracebackException(type(error), value, error.__traceback__, limit=-_MAX_FRAMES)
        built.__cause__ = self._build(error.__cause__)
        built.__suppress_context__ = error.__suppress_context__
        if not error.__suppress_context__:
            built.__context__ = self._build(error.__context__)
        if isinstance(error, BaseExceptionGroup):
            members = (self._build(member) for member in error.exceptions[:_MAX_MEMBERS])
            built.exceptions = [member for member in members if member is not None] or None
        return built

    def _text_of(self, error: BaseException) -> str:
        faults = _faults(error)
        if faults > _MAX_FAULTS:
            self.is_whole = False
            return f"{faults} validation errors for {self._short(_str(getattr(error, 'title', '?')))}"
        return self._short(_str(error))

    def _short(self, text: str) -> str:
        if len(text) <= MAX_TEXT:
            return text
        self.is_whole = False
        return f"{text[:MAX_TEXT]}... (and {len(text) - MAX_TEXT} more characters)"


def shorten(text: str) -> str:
    """Cut the middle of a traceback that is too long."""
    if len(text) <= MAX_TRACEBACK:
        return text
    left_out = len(text) - MAX_TRACEBACK
    return f"{text[:_HEAD]}\n... ({left_out} characters)\n{text[_HEAD + left_out :]}"


class _StandIn(BaseException):
    """Has the text of an exception, and nothing else of it."""


def _with_text(error: BaseException, text: str) -> BaseException:
    """Return a stand-in, with what Python needs for `Did you mean` and for errors of syntax."""
    match error:
        case AttributeError():
            return AttributeError(text, name=error.name, obj=error.obj)
        case NameError():
            return NameError(text, name=error.name)
        case SyntaxError():
            return SyntaxError(text)
        case _:
            return _StandIn(text)


def _str(value: object) -> str:
    try:
        return str(value)
    except Exception:  # its class is the user's
        return f"<{type(value).__name__}, whose str() failed>"


def _faults(error: BaseException) -> int:
    """Return how many faults a validation error of pydantic has, and 0 for any other exception."""
    count = getattr(type(error), "error_count", None)
    try:
        found = 0 if count is None else count(error)
    except Exception:  # another library's
        return 0
    return found if isinstance(found, int) else 0
