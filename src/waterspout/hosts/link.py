"""One connection for bytes: a queue that is bounded, and an end in good order.

How it works: a link with something to write stands in the list `waiting` of its `Output`, which calls `send_out` at
the end of the turn. What is not taken then stays in `_out`, and the link is `_blocked` until its kind calls
`_writable`. Above `HIGH_WATER_BYTES`, `write` tries to send at once, and refuses if not all is taken; then the
receiver's `writable` is called later. So a link holds a bounded amount, and the rest waits in the session's outbox,
where it is counted.

`finish` sends the last bytes and closes in good order: it ends the output, and then reads until the client closes or
`LINGER` is over, because a socket closed with unread bytes resets the connection, and the client may lose the goodbye.

A kind of link has four methods of its own: `_hand_over`, `_read`, `_end_output` and `_shut`. It gives what it reads to
`_receiver`, and calls `_writable` when there is room again and `_abort` when the connection has ended. `SocketLink` is
one; a transport of asyncio, or a channel that takes bytes, can be another.
"""

from abc import ABC, abstractmethod

from ..engine.transports.interfaces import Fed
from .output import Output

HIGH_WATER_BYTES = 65_536  # what waits in a link; more stays with the session
LINGER = 2.0  # s from the last byte that was taken to the end; the client is to close first

Piece = bytes | memoryview


class QueuedLink(ABC):
    """What all links have in common: a `Link` of the engine, and `Outgoing` for an `Output`.

    `unsent_bytes` is what was written and has not left; also after the end, how much it was then. While the link is
    open, `_out` is None only if that is 0.
    """

    __slots__ = (
        "__weakref__",
        "_blocked",
        "_is_open",
        "_is_timed",
        "_last",
        "_more",
        "_out",
        "_output",
        "_paused",
        "_receiver",
        "_refused",
        "unsent_bytes",
    )

    def __init__(self, output: Output) -> None:
        self._output = output
        self._receiver: Fed | None = None
        self._out: Piece | None = None
        self._more: list[bytes] | None = None  # behind `_out`; none for one piece, or 10,000 members wake the collector
        self.unsent_bytes = 0
        self._blocked = self._is_timed = self._last = self._paused = self._refused = False
        self._is_open = True
        output.open_links.add(self)

    def start(self, receiver: Fed, ahead: bytes = b"") -> None:
        """Read for this receiver; `ahead` is what somebody has read already."""
        if not self._is_open:
            receiver.lost()
            return
        self._receiver = receiver
        if not self._paused:
            self._read(True)
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
        elif self._more is None:
            self._more = [data]
        else:
            self._more.append(data)
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
        """Read no more until `resume`; the peer has to wait. What fails on writing is noticed still.

        A peer that vanishes meanwhile is not noticed by reading, so the heartbeat goes on.
        """
        if not self._paused and self._is_open:
            self._paused = True
            self._read(False)

    def resume(self) -> None:
        """Read on, from the next turn of the loop."""
        if self._paused and self._is_open:
            self._paused = False
            self._read(True)

    def close(self) -> None:
        """Close the connection at once, and tell nobody."""
        if self._is_open:
            self._is_open = False
            self._last = True
            self._out = self._more = self._receiver = None
            self._output.forget(self)
            self._shut()

    def send_out(self) -> int:
        """Send what waits, as far as it is taken, deal with what comes of it, and return how many bytes were taken."""
        out = self._out
        if out is None or self._blocked:
            return 0
        if self._more is not None:
            out = self._join(out, self._more)
        try:
            sent_bytes = self._hand_over(out)
        except OSError:
            self._abort()
            return 0
        if self._last or self._refused:
            self._settle()
        return sent_bytes

    # What a kind of link adds

    @abstractmethod
    def _hand_over(self, data: Piece) -> int:
        """Send this as far as it is taken, and return how many bytes that were. Raises OSError if the connection ended.

        Sets `_out` and `unsent_bytes` to what has not left, and `_blocked` if that is not nothing. A kind that takes
        all, and still has some of it, sets `_out` to b"".
        """

    @abstractmethod
    def _read(self, reads: bool) -> None:
        """Begin to read, or stop."""

    @abstractmethod
    def _end_output(self) -> None:
        """Tell the peer that no more comes."""

    @abstractmethod
    def _shut(self) -> None:
        """Close the connection."""

    # What a kind of link calls

    def _writable(self) -> None:
        self._blocked = False
        sent_bytes = self.send_out()
        self._output.traffic.bytes_out += sent_bytes

    def _abort(self) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.lost()

    # Below this line: how it is done

    def _limit(self) -> None:
        """Give the peer of a link that is finished, once, the time to take what waits."""
        self._is_timed = True
        self._output.loop.later(self._output.close_timeout, self.close)

    def _makes_room(self) -> bool:
        """Send in the middle of a turn, and tell nobody: who takes it all is not slow, however much it is."""
        out = self._out
        if out is None or self._blocked:
            return False
        if self._more is not None:
            out = self._join(out, self._more)
        try:
            sent_bytes = self._hand_over(out)
        except OSError:
            return False  # the end of the turn will meet it again
        traffic = self._output.traffic
        traffic.messages_out += 1  # the one that is written now, for which `Output.flush` counts that which has left
        traffic.bytes_out += sent_bytes
        return self._out is None

    def _join(self, out: Piece, more: list[bytes]) -> bytes:
        self._output.traffic.messages_out += len(more)
        self._more = None
        self._out = data = b"".join((out, *more))
        return data

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
