"""The framing of an endless answer: in chunks for HTTP/1.1, and none for HTTP/1.0."""

from collections import deque

from ..engine import Link, Prepared


class UnframedLink:
    """A link for the content of an answer that ends with its connection: nobody can tell whether it is complete."""

    __slots__ = ("close", "cut", "finish", "link", "pause", "resume", "write")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.write, self.finish, self.cut = link.write, link.finish, link.finish
        self.close, self.pause, self.resume = link.close, link.pause, link.resume

    @property
    def unsent_bytes(self) -> int:
        return self.link.unsent_bytes

    def send(self, prepared: Prepared) -> bool:
        return self.write(prepared.text)


class ChunkedLink:
    """A link for the content of an answer, each write in a chunk (RFC 9112, section 7.1); `finish` adds the last one.

    `unsent_bytes` counts content: a chunk counts until it has left the link below as a whole.
    """

    __slots__ = ("_content_bytes", "_ends", "_left_bytes", "_link", "_total_bytes", "close", "pause", "resume")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._content_bytes = self._left_bytes = self._total_bytes = 0
        self._ends: deque[tuple[int, int]] | None = None  # of the chunks below, and of their content
        self.close, self.pause, self.resume = link.close, link.pause, link.resume

    @property
    def unsent_bytes(self) -> int:
        self._forget()
        return self._content_bytes - self._left_bytes

    def write(self, data: bytes) -> bool:
        chunk = _chunk(data)
        if not self._link.write(chunk):
            return False
        self._total_bytes += len(chunk)
        self._content_bytes += len(data)
        if self._ends is None:  # an event stream never has one, which takes 600 bytes
            self._ends = deque()
        self._ends.append((self._total_bytes, self._content_bytes))
        self._forget()
        return True

    def send(self, prepared: Prepared) -> bool:
        return self._link.write(prepared.frames or _frame(prepared))

    def cut(self, data: bytes) -> None:
        self._link.finish(_chunk(data) if data else b"")

    def finish(self, data: bytes) -> None:
        self._link.finish((_chunk(data) if data else b"") + b"0\r\n\r\n")

    def _forget(self) -> None:
        """Forget the chunks that have left."""
        left_bytes = self._total_bytes - self._link.unsent_bytes
        while self._ends and self._ends[0][0] <= left_bytes:
            self._left_bytes = self._ends.popleft()[1]


def _frame(prepared: Prepared) -> bytes:
    prepared.frames = _chunk(prepared.text)
    return prepared.frames


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
