"""One connected, non-blocking socket on any loop.

All that is written in a turn of the loop leaves in one system call at its end (6 to 20 % faster than one
for each read); writability is asked for only when the kernel refuses.

How it works: a link with something to write stands in the list `waiting` of its engine's `Output`, which the loop
calls once at the end of the turn. What the kernel does not take stays in `_out`, and the loop is asked to call when
there is room (`_blocked`). Above `HIGH_WATER_BYTES`, `write` tries the kernel at once, and refuses if that takes
nothing; then the receiver's `writable` is called later. So a link holds a bounded amount, and the rest waits in the
session's outbox, where it is counted.

`finish` sends the last bytes and closes in good order: shutdown, then reading until the client closes or `LINGER` is
over, because a socket closed with unread bytes resets the connection, and the client may lose the goodbye.
"""

import os
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Protocol

from ..engine import Traffic

READ_BYTES = 65_536  # at most, in one turn: a client that sends without end leaves the others their turns
HIGH_WATER_BYTES = 65_536  # what waits in a link; more stays with the session
LINGER = 2.0  # s from the last byte that the kernel has taken to the end; the client is to close first

NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Piece = bytes | memoryview

SYSTEM: tuple[Callable[[int, int], bytes], Callable[[int, Piece], int]] = os.read, os.write
"""How to read and to write; TLS has others. As methods they would cost each turn of each client 700 instructions."""


class Loop(Protocol):
    """What an event loop lends to links."""

    def reader(self, descriptor: int, callback: Callable[[], object] | None) -> None:
        """Call back whenever there is something to read; no longer with None."""

    def writer(self, descriptor: int, callback: Callable[[], object] | None) -> None:
        """Call back whenever the kernel takes bytes; no longer with None."""

    def forget(self, descriptor: int) -> None:
        """Call back no more for this descriptor."""

    def soon(self, callback: Callable[[], object], /) -> object:
        """Call back at the end of this turn."""

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back once, after so many seconds."""


class Receiver(Protocol):
    """Who uses a link."""

    def receive(self, data: bytes) -> None:
        """Take what was read."""

    def writable(self) -> None:
        """There is room again, after a `write` that returned False."""

    def lost(self) -> None:
        """The socket is gone."""


class Closable(Protocol):
    """What holds a connection open."""

    def close(self) -> None:
        """Close it at once."""


class Output:
    """The links of a loop, and those that something was written to in this turn of it.

    `close_timeout` is the seconds in which a link that is finished has to be rid of what waits in it.
    """

    __slots__ = (
        "_when_closed",
        "_when_empty",
        "close_timeout",
        "loop",
        "open_links",
        "traffic",
        "waiting",
    )

    def __init__(self, loop: Loop, traffic: Traffic, close_timeout: float = 10.0) -> None:
        self.loop = loop
        self.traffic = traffic
        self.close_timeout = close_timeout
        self.open_links: set[Closable] = set()
        self._when_closed: dict[Closable, Callable[[], object]] = {}
        self._when_empty: list[Callable[[], object]] = []
        self.waiting: list[Link] = []  # what `flush` writes at the end of the turn; `Link.write` adds itself

    def when_empty(self, function: Callable[[], object]) -> None:
        """Call the function once no link is open: at once if there is none."""
        self._when_empty.append(function)
        self._tell()

    def when_closed(self, link: Closable, function: Callable[[], object]) -> None:
        """Call the function once an open link is closed, by whomever."""
        self._when_closed[link] = function

    def forget(self, link: Closable) -> None:
        """The link is closed."""
        self.open_links.discard(link)
        if self._when_closed and (function := self._when_closed.pop(link, None)) is not None:
            function()
        self._tell()

    def _tell(self) -> None:
        if self._when_empty and not self.open_links:
            functions, self._when_empty = self._when_empty, []
            for function in functions:
                function()

    def flush(self) -> None:
        """Write out what the turn has brought."""
        links, self.waiting = self.waiting, []
        self.write_out(links)

    def write_out(self, links: Iterable["Link"]) -> None:
        """Let these links write, and deal with what comes of it.

        A broadcast comes here with each member of a room, so there is one call for each, and what they have sent
        is counted in two locals: calls and counters used to be 2,400 of its 7,000 instructions.
        """
        messages = size_bytes = 0
        for link in links:
            out = link._out
            if out is None or link._blocked:
                continue
            messages += len(out) if type(out) is list else 1
            try:
                size_bytes += link._write_out(out)
            except OSError:
                link._abort()
                continue
            if link._last or link._refused:
                link._settle()
        self.count(messages, size_bytes)

    def count(self, messages: int, size_bytes: int) -> None:
        """Add to the engine's numbers what has been sent."""
        self.traffic.messages_out += messages
        self.traffic.bytes_out += size_bytes


class Link:
    """Owns a socket's descriptor, and closes it.

    `unsent_bytes` is what was written and has not gone to the kernel; also after the end, how much it was then.
    """

    __slots__ = (
        "__weakref__",
        "_blocked",
        "_descriptor",
        "_is_timed",
        "_last",
        "_out",
        "_output",
        "_paused",
        "_receiver",
        "_refused",
        "_system",
        "unsent_bytes",
    )

    def __init__(self, descriptor: int, output: Output) -> None:
        self._descriptor = descriptor
        self._system = SYSTEM
        self._output = output
        self._receiver: Receiver | None = None
        # one piece is kept as it is, not in a list: at 10,000 members a list each sets off the garbage collector
        self._out: Piece | list[Piece] | None = None
        self.unsent_bytes = 0
        self._blocked = self._is_timed = self._last = self._paused = self._refused = False
        output.open_links.add(self)

    def start(self, receiver: Receiver, ahead: bytes = b"") -> None:
        """Read for this receiver; `ahead` is what somebody has read already."""
        if self._descriptor < 0:
            receiver.lost()
            return
        self._receiver = receiver
        if not self._paused:
            self._output.loop.reader(self._descriptor, self._ready)
        if ahead:
            receiver.receive(ahead)

    def write(self, data: bytes) -> bool:
        """Queue bytes for the end of the turn; False if too much waits: the receiver's `writable` is called later."""
        out = self._out
        if out is None:
            if self._last:
                return True  # nobody reads it any more
            self._out = data
            self.unsent_bytes = len(data)
            output = self._output
            if not output.waiting:
                output.loop.soon(output.flush)
            output.waiting.append(self)
            return True
        if self._last:
            return True
        if self.unsent_bytes > HIGH_WATER_BYTES:
            if not self._makes_room():
                self._refused = True
                return False
            self._out = data
        elif isinstance(out, list):
            out.append(data)
        else:
            self._out = [out, data]
        self.unsent_bytes += len(data)
        return True

    def finish(self, data: bytes) -> None:
        """Send these last bytes behind all others, then close; the receiver is not called again.

        The peer has `close_timeout` to take them all, and then `LINGER` to close.
        """
        if self._last:
            return
        self.unsent_bytes = 0  # however much waits, this goes behind it
        self.write(data)
        self._last = True
        self._receiver = None
        self.resume()  # the end of the client is to be seen, and what it still says to be dropped
        if self._blocked:
            self._limit()

    def pause(self) -> None:
        """Read no more until `resume`; the kernel makes the peer wait. What fails on writing is noticed still.

        A peer that vanishes meanwhile is not noticed by reading, so the heartbeat goes on.
        """
        if not self._paused and self._descriptor >= 0:
            self._paused = True
            self._output.loop.reader(self._descriptor, None)

    def resume(self) -> None:
        """Read on, from the next turn of the loop."""
        if self._paused and self._descriptor >= 0:
            self._paused = False
            self._output.loop.reader(self._descriptor, self._ready)

    def flush(self) -> None:
        """Write what waits, as far as the kernel takes it."""
        self._output.write_out((self,))

    def close(self) -> None:
        """Close the socket at once, and tell nobody."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._last = True
            self._out = self._receiver = None
            self._output.forget(self)
            self._output.loop.forget(descriptor)
            self._shut(descriptor)

    # The other system calls; TLS has its own

    def _end_output(self) -> None:
        sock = socket.socket(fileno=self._descriptor)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client was faster
        finally:
            sock.detach()

    def _shut(self, descriptor: int) -> None:
        os.close(descriptor)

    # Below this line: how it is done

    def _write_out(self, out: Piece | list[Piece]) -> int:
        """Hand over to the kernel what waits, and return how many bytes it took. Raises OSError."""
        data: Piece = b"".join(out) if type(out) is list else out  # type: ignore[assignment]  # isinstance costs more
        try:
            _, send = self._system
            sent = send(self._descriptor, data)
        except NOT_NOW:
            sent = 0
        if sent == len(data):
            self._out, self.unsent_bytes = None, 0
        else:
            self._out = memoryview(data)[sent:]
            self.unsent_bytes = len(data) - sent
            self._blocked = True
            self._output.loop.writer(self._descriptor, self._writable)
        return sent

    def _limit(self) -> None:
        """Give the peer of a link that is finished, once, the time to take what waits."""
        self._is_timed = True
        self._output.loop.later(self._output.close_timeout, self.close)

    def _makes_room(self) -> bool:
        """Send in the middle of a turn, and tell nobody: whose kernel takes it all is not slow, however much it is."""
        out = self._out
        if out is None or self._blocked:
            return False
        try:
            sent_bytes = self._write_out(out)
        except OSError:
            return False  # the end of the turn will meet it again
        self._output.count(len(out) if type(out) is list else 1, sent_bytes)
        return self._out is None

    # What the loop calls

    def _ready(self) -> None:
        try:
            read, _ = self._system
            data = read(self._descriptor, READ_BYTES)
        except NOT_NOW:
            return
        except OSError:
            data = b""
        if not data:
            self._abort()
        elif self._receiver is not None:
            self._receiver.receive(data)

    def _writable(self) -> None:
        self._output.loop.writer(self._descriptor, None)
        self._blocked = False
        self.flush()

    def _settle(self) -> None:
        """Do what was put off until all is sent."""
        if self._out is not None:
            if self._last and not self._is_timed:
                self._limit()
        elif self._last:
            self._end_output()
            self._output.loop.later(LINGER, self.close)
        elif self._receiver is not None:
            self._refused = False
            self._receiver.writable()

    def _abort(self) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.lost()


class SecureLink(Link):
    """A link over TLS, on the SSLSocket itself: twice as fast as a stream around it."""

    __slots__ = ("_socket",)

    def __init__(self, sock: ssl.SSLSocket, output: Output) -> None:
        super().__init__(sock.fileno(), output)
        self._socket = sock
        self._system = (lambda _, size: sock.recv(size)), (lambda _, data: sock.send(data))

    def start(self, receiver: Receiver, ahead: bytes = b"") -> None:
        """Read for this receiver, also what TLS has decrypted already."""
        super().start(receiver, ahead)
        self._read_pending()

    def _ready(self) -> None:
        super()._ready()
        while self._has_pending():
            super()._ready()

    def resume(self) -> None:
        """Read on, also what TLS has decrypted already."""
        super().resume()
        if self._has_pending():
            self._output.loop.soon(self._read_pending)

    def _read_pending(self) -> None:
        if self._has_pending():  # else the link was paused again meanwhile, or has read it
            self._ready()

    def _has_pending(self) -> bool:
        """Tell whether there are bytes to read that are decrypted already, of which the loop knows nothing."""
        return self._descriptor >= 0 and not self._paused and self._socket.pending() > 0

    def _end_output(self) -> None:
        """Say that no more comes, in TLS and below it; what the client still says is not even decrypted."""
        for end in (self._socket.unwrap, lambda: self._socket.shutdown(socket.SHUT_WR)):
            try:
                end()
            except OSError:
                pass  # SSLWantReadError: the client has not said the same yet; or it was faster

    def _shut(self, descriptor: int) -> None:
        self._socket.close()


def prepare(sock: socket.socket, *, user_timeout: float | None = None) -> None:
    """Set what a socket of small messages needs.

    `user_timeout` is for streams without a heartbeat: the seconds after which bytes that nobody acknowledges
    mean that the peer has vanished, where the system knows that (Linux).
    """
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if user_timeout is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout * 1000))
