"""How a request is refused: the official codes and texts, and the sentence for a person beside them.

The codes, texts and their order are those of the JavaScript server (engine.io 6, `Server.errors`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal, NamedTuple

from ...wire import json
from .response import PRIVATE, TEXT, Headers, Response

_ENOUGH = 3  # times
_MOST_TOLD = 1000  # sessions; who asks without a pause comes again before so many others have come


class Subject(NamedTuple):
    """What the options of the server would have to allow: `kind` is "origin", "host", "script" or "upgrade"."""

    kind: str
    name: str


class Answered:
    """What both decisions that are answers already have in common with the others."""

    __slots__ = ()
    is_handshake: ClassVar[Literal[False]] = False

    def begin(self, table: object, request: object) -> None:
        """Do nothing: nothing begins."""


@dataclass(frozen=True, slots=True)
class Refuse(Answered):
    """The request is answered with this, and changes nothing; `detail` says why, for the log.

    The first refusal of each `subject` is a warning.
    """

    response: Response
    detail: str = ""
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Answer(Answered):
    """The request is answered with this, which is no refusal: a preflight, or a stream that is over."""

    response: Response


ANSWERED = (Refuse, Answer)
"""The decisions that are answers already: looking for a tuple takes a third of looking for a union."""


class Fault(Enum):
    """The official refusals: code, status, text."""

    UNKNOWN_TRANSPORT = (0, 400, "Transport unknown")
    UNKNOWN_SID = (1, 400, "Session ID unknown")
    BAD_HANDSHAKE_METHOD = (2, 400, "Bad handshake method")
    BAD_REQUEST = (3, 400, "Bad request")
    FORBIDDEN = (4, 403, "Forbidden")
    UNSUPPORTED_PROTOCOL = (5, 400, "Unsupported protocol version")


def refuse(
    fault: Fault, detail: str, headers: Headers = (), *, status: int | None = None, subject: Subject | None = None
) -> Refuse:
    """Make the official answer of a refusal."""
    code, official_status, message = fault.value
    body = json.encode({"code": code, "message": message, "detail": detail})
    fields = (("Content-Type", "application/json"), *PRIVATE, *headers)
    return Refuse(Response(official_status if status is None else status, fields, body), detail, subject)


def refuse_text(status: int, text: str, headers: Headers = (), *, subject: Subject | None = None) -> Refuse:
    """Refuse in words."""
    return Refuse(Response(status, (*TEXT, *headers), text.encode(errors="replace")), text, subject)


class Told:
    """How often clients were told, lately, that there is no such session."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[int, int] = {}  # in their order; hashes, for a client may make an id as long as it likes

    def tell(self, sid: str) -> bool:
        """Count once more; return whether that was often enough for a client that understands it."""
        key = hash(sid)
        times = self._times[key] = self._times.get(key, 0) + 1
        if len(self._times) > _MOST_TOLD:
            del self._times[next(iter(self._times))]
        return times > _ENOUGH
