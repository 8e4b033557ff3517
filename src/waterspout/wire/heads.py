"""Requests of HTTP/1, read strictly: their heads, and bodies that come in chunks (RFC 9112).

What is framed in two ways, or wrongly, is refused: a proxy may take for the end of a request what a server takes for
its middle, and hand one client's request to another.
"""

import re
from dataclasses import dataclass

from ..errors import DecodeError

MAX_HEAD_BYTES = 65_536
_MAX_LINE_BYTES = 4096  # of a chunk's size with its extensions, and of a trailer
_MAX_OVERHEAD_BYTES = 16_384  # of all extensions and trailers of a body

_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([0-9])").fullmatch
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)").fullmatch
_LENGTH = re.compile(r"([0-9]{1,18})(?:[ \t]*,[ \t]*\1)*").fullmatch  # a proxy may have repeated it: section 6.3
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?").fullmatch
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
_BARE_LF = re.compile(rb"(?<!\r)\n").search

Fields = list[tuple[str, str]]


class HeadTooLarge(DecodeError):
    """More than `MAX_HEAD_BYTES` (RFC 6585, section 5)."""

    status = 431


@dataclass(slots=True)
class Head:
    """The head of a request; `length` is that of its body, 0 where none follows, None where it comes in chunks."""

    method: str
    target: str
    version: str
    fields: Fields
    length: int | None
    keeps_open: bool

    def values(self, name: str) -> list[str]:
        """Return the values of the fields with this name, which is in lower case."""
        return _values(self.fields, name)


class HeadDecoder:
    """Takes heads from what is received on a connection; no byte is searched twice."""

    __slots__ = ("_has_line", "_searched")

    def __init__(self) -> None:
        self._searched = 0
        self._has_line = False  # and it is a request line

    def take(self, buffer: bytearray) -> Head | None:
        """Cut a head from the front of the buffer; None if it is not complete. DecodeError for one to refuse.

        An incomplete one is refused as soon as that is certain, so that no client waits for a deadline to learn it.
        """
        if not self._searched and buffer.startswith(b"\r\n"):  # section 2.2: one empty line in front is nothing
            del buffer[:2]
        end = buffer.find(_END, max(0, self._searched - 3))
        if not 0 <= end <= MAX_HEAD_BYTES:
            self._check_beginning(buffer)
            return None
        self._searched, self._has_line = 0, False
        text = buffer[:end].decode("latin-1")
        del buffer[: end + 4]
        first, *lines = text.split("\r\n")
        return _head(_request_line(first), [_field(line) for line in lines])

    def _check_beginning(self, buffer: bytearray) -> None:
        if len(buffer) > MAX_HEAD_BYTES:
            raise HeadTooLarge(f"the head has more than {MAX_HEAD_BYTES} bytes")
        if _BARE_LF(buffer, max(0, self._searched - 1)):
            raise DecodeError("a line ends without a carriage return")
        if not self._has_line and (end := buffer.find(b"\r\n", max(0, self._searched - 1))) >= 0:
            _request_line(buffer[:end].decode("latin-1"))
            self._has_line = True
        self._searched = len(buffer)


def _request_line(line: str) -> re.Match[str]:
    found = _REQUEST_LINE(line)
    if found is None:
        raise DecodeError("the request line is not METHOD TARGET HTTP/1.1")
    return found


def _field(line: str) -> tuple[str, str]:
    found = _FIELD(line)
    if found is None:
        raise DecodeError("a header line is not NAME: VALUE")
    return found[1], found[2].rstrip(" \t")


def _head(line: re.Match[str], fields: Fields) -> Head:
    version = "HTTP/1.0" if line[3] == "0" else "HTTP/1.1"
    hosts = len(_values(fields, "host"))
    if hosts > 1 or (hosts == 0 and version != "HTTP/1.0"):
        raise DecodeError("a request has one Host")  # section 3.2
    options = {option.strip().lower() for value in _values(fields, "connection") for option in value.split(",")}
    keeps_open = "close" not in options and (version != "HTTP/1.0" or "keep-alive" in options)
    return Head(line[1], line[2], version, fields, _length(fields, version), keeps_open)


def _length(fields: Fields, version: str) -> int | None:
    """Return the length of the body (section 6.3); None for chunks."""
    codings, lengths = _values(fields, "transfer-encoding"), _values(fields, "content-length")
    if codings:
        if lengths or version == "HTTP/1.0" or [coding.lower() for coding in codings] != ["chunked"]:
            raise DecodeError("Transfer-Encoding is chunked alone, and has no Content-Length beside it")
        return None
    if not lengths:
        return 0
    found = _LENGTH(lengths[0])
    if found is None or len(lengths) > 1:
        raise DecodeError("Content-Length is one number")
    return int(found[1])


def _values(fields: Fields, name: str) -> list[str]:
    return [value for key, value in fields if key.lower() == name]


class ChunkDecoder:
    """Takes the content out of a body that comes in chunks (section 7.1); `is_complete` at its end."""

    __slots__ = ("_ends", "_left", "_overhead", "_trails", "is_complete")

    def __init__(self) -> None:
        self.is_complete = False
        self._left = 0  # bytes of the chunk that have not come
        self._ends = False  # the line end behind a chunk is next
        self._trails = False  # the last chunk has come
        self._overhead = 0

    def take(self, buffer: bytearray, most: int) -> bytes:
        """Cut content from the front of what was received; b"" if there is none. DecodeError if it is none."""
        while not self.is_complete:
            if self._left:
                content = bytes(buffer[: min(self._left, most)])
                del buffer[: len(content)]
                self._left -= len(content)
                self._ends = not self._left
                return content
            line = self._line(buffer)
            if line is None:
                break
            if self._ends:
                self._expect(line == b"", "a chunk is as long as it says")
                self._ends = False
            elif self._trails:
                self.is_complete = not line
                self._expect(not line or _TRAILER(line), "a trailer is not NAME: VALUE")
            else:
                self._begin(line)
        return b""

    def _begin(self, line: bytes) -> None:
        found = _CHUNK(line)
        self._expect(found, "a chunk begins with its size")
        assert found is not None
        self._left = int(found[1], 16)
        self._trails = not self._left

    def _line(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\n", 0, _MAX_LINE_BYTES)
        if end < 0:
            self._expect(len(buffer) < _MAX_LINE_BYTES, "a line of a chunk is too long")
            return None
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        self._expect(line.endswith(b"\r\n"), "a line ends without a carriage return")
        self._overhead += max(0, end - 20)  # a size alone costs nothing
        self._expect(self._overhead <= _MAX_OVERHEAD_BYTES, "the chunks have too many extensions or trailers")
        return line[:-2]

    def _expect(self, holds: object, problem: str) -> None:
        if not holds:
            raise DecodeError(problem)
