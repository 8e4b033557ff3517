"""Polling sessions' requests on a connection of HTTP/1.1, read without its server's HTTP.

How it works: a client sends the same header fields with each of its polls; only the length of the body differs. So the
lines of a head are compared with those of the one before, and `wire/heads.py` reads them only where they are new. What
is not the ordinary poll of a session is left to the server, which reads it as if nobody had looked.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple, Protocol

from ..engine import Admitted, Engine, Greeting, Response
from ..errors import DecodeError
from ..types import Request, SharedFields
from ..wire.heads import MAX_HEAD_BYTES, Fields, HeadDecoder
from .intake import TOO_SLOW, Intake
from .residence import Residence

_LINE = re.compile(rb'(GET|POST) ((/[!"$&->@-~]*)\?([!"$-~]*)) HTTP/1\.1').fullmatch
_LENGTH = re.compile(rb"(?:^|\r\n)content-length:[ \t]*([0-9]{1,18})(?=\r\n)", re.IGNORECASE).search
_SID = re.compile(rb"(?:^|&)sid=[^&]").search
_UNUSUAL = ("transfer-encoding", "expect", "upgrade")
_PHRASES = {each.value: each.phrase for each in HTTPStatus}


class Sender(NamedTuple):
    """Who sends requests with some header fields: an address, and True where it came by TLS, None where nobody knows.

    `fields` are those that count: a proxy's are gone where somebody has evaluated them.
    """

    address: str
    secure: bool | None
    fields: Fields


class Poll(NamedTuple):
    """A request for the engine of a residence. Its body begins at `start` of what was read, and has `length` bytes."""

    residence: Residence
    request: Request
    start: int
    length: int


class _Known(NamedTuple):
    """The header lines of a request, before and behind the length of its body, and what they mean."""

    before: bytes
    behind: bytes
    fields: SharedFields
    address: str
    secure: bool | None

    def length(self, lines: bytes) -> int | None:
        """Return the length of the body, where these lines differ in nothing else; else None."""
        before, behind = self.before, self.behind
        if not behind:
            return 0 if lines == before else None
        if not (lines.startswith(before) and lines.endswith(behind)):
            return None
        number = lines[len(before) : -len(behind)]
        return int(number) if number.isdigit() and len(number) <= 18 else None


class PollReader:
    """Reads the polls of one connection, for the residences of some paths.

    `identify` tells who sends these header fields; it is asked where they are new.
    """

    __slots__ = ("_identify", "_known", "_residences")

    def __init__(self, residences: Mapping[bytes, Residence], identify: Callable[[Fields], Sender]) -> None:
        self._residences = residences
        self._identify = identify
        self._known: dict[bytes, _Known] = {}

    def read(self, data: bytes) -> Poll | None:
        """Read the poll that this begins with; None if it begins with anything else, or with a part of a head."""
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 2  # of the header lines
        first = data.find(b"\r\n")
        line = _LINE(data, 0, first) if end > 1 else None
        if line is None:
            return None
        method, target, path, query = line.groups()
        residence = self._residences.get(path)
        if residence is None or not _SID(query):
            return None
        lines = data[first + 2 : end]
        known = self._known.get(method)
        length = None if known is None else known.length(lines)
        if known is None or length is None:
            learned = self._learn(lines)
            if learned is None:
                return None
            known, length = learned
            self._known[method] = known
        _, _, fields, address, secure = known
        request = Request(method.decode(), target.decode(), fields, remote_address=address, secure=secure)
        return Poll(residence, request, end + 2, length)

    def _learn(self, lines: bytes) -> tuple[_Known, int] | None:
        """Read header lines, and return what is known of them, with the length of the body."""
        try:
            head = HeadDecoder().take(bytearray(b"POST / HTTP/1.1\r\n%b\r\n" % lines))
        except DecodeError:
            return None
        if head is None or head.length is None or not head.keeps_open or any(map(head.values, _UNUSUAL)):
            return None
        found = _LENGTH(lines)
        before, behind = (lines, b"") if found is None else (lines[: found.start(1)], lines[found.end(1) :])
        if found is None and head.length:
            return None  # it is written in another way
        address, secure, fields = self._identify(head.fields)
        shared = SharedFields(field for field in fields if field[0].lower() != "content-length")
        return _Known(before, behind, shared, address, secure), head.length


class PollConnection(Protocol):
    """What a poll needs of its connection."""

    def answer(self, response: Response, *, is_last: bool) -> None:
        """Send this, and close the connection then if it is the last."""


class PollIntake(Intake):
    """A poll on its way through the engine."""

    def __init__(self, engine: Engine, connection: PollConnection, length: int) -> None:
        super().__init__(engine)
        self._connection = connection
        self._missing_bytes = length

    def start(self, request: Request, data: bytes) -> bytes:
        """Ask the engine, and take the body as far as it has come; return what stands behind it."""
        self.admit(request)
        if self._missing_bytes > len(data):
            self.expect(self._missing_bytes)
        return self.take(data)

    def take(self, data: bytes) -> bytes:
        """Take what comes of the body; return what stands behind it."""
        size = self._missing_bytes
        if size:
            part, data = data[:size], data[size:]
            self._missing_bytes -= len(part)
            self.feed(part)
        if not self._missing_bytes:
            self.complete()
        return data

    # What a kind of intake adds

    def take_back(self) -> bool:
        return False  # what is answered belongs to the transport

    def _answer(self, response: Response) -> None:
        self._connection.answer(response, is_last=self._missing_bytes > 0)
        if self.written is not None:
            self.written()

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        raise AssertionError("a poll begins nothing: it has no Upgrade")

    def _cut(self) -> None:
        self._connection.answer(TOO_SLOW, is_last=True)


@lru_cache(64)
def head_of(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Write the status line and the header fields of an answer; nearly all answers have the same few."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}", *(f"{name}: {value}" for name, value in headers), ""]
    return "\r\n".join(lines).encode("latin-1", "replace")
