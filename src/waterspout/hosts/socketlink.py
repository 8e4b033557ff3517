"""A link that owns a connected, non-blocking socket, on any loop that watches descriptors.

Writability is asked for only when the kernel refuses.
"""

import os
import socket
import ssl
from collections.abc import Callable

from ..engine.transports.interfaces import Fed
from .link import Piece, QueuedLink
from .output import Output

try:
    from ._send import send
except ImportError:  # there was no compiler
    from os import write as send

__all__ = ["NOT_NOW", "SYSTEM", "SecureLink", "SocketLink", "prepare", "send"]

READ_BYTES = 65_536  # at most, in one turn: a client that sends without end leaves the others their turns

NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

SYSTEM: tuple[Callable[[int, int], bytes], Callable[[int, Piece], int]] = os.read, send
"""How to read and to write; TLS has others. As methods they would cost each turn of each client 700 instructions."""


class SocketLink(QueuedLink):
    """Owns a socket's descriptor, and closes it."""

    __slots__ = ("_descriptor", "_system")

    def __init__(self, descriptor: int, output: Output) -> None:
        self._descriptor = descriptor
        self._system = SYSTEM
        super().__init__(output)

    def _hand_over(self, data: Piece) -> int:
        try:
            sent = self._system[1](self._descriptor, data)
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

    def _read(self, reads: bool) -> None:
        self._output.loop.reader(self._descriptor, self._ready if reads else None)

    def _end_output(self) -> None:
        sock = socket.socket(fileno=self._descriptor)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client was faster
        finally:
            sock.detach()

    def _shut(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        self._output.loop.forget(descriptor)
        self._release(descriptor)

    def _release(self, descriptor: int) -> None:
        os.close(descriptor)

    # What the loop calls

    def _ready(self) -> None:
        try:
            data = self._system[0](self._descriptor, READ_BYTES)
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
        super()._writable()


class SecureLink(SocketLink):
    """A link over TLS, on the SSLSocket itself: twice as fast as a stream around it."""

    __slots__ = ("_socket",)

    def __init__(self, sock: ssl.SSLSocket, output: Output) -> None:
        super().__init__(sock.fileno(), output)
        self._socket = sock
        self._system = (lambda _, size: sock.recv(size)), (lambda _, data: sock.send(data))

    def start(self, receiver: Fed, ahead: bytes = b"") -> None:
        """Read for this receiver, also what TLS has decrypted already."""
        super().start(receiver, ahead)
        self._read_pending()

    def resume(self) -> None:
        """Read on, also what TLS has decrypted already."""
        super().resume()
        if self._has_pending():
            self._output.loop.soon(self._read_pending)

    def _ready(self) -> None:
        super()._ready()
        while self._has_pending():
            super()._ready()

    def _read_pending(self) -> None:
        if self._has_pending():  # else the link was paused again meanwhile, or has read it
            self._ready()

    def _has_pending(self) -> bool:
        """Tell whether there are bytes to read that are decrypted already, of which the loop knows nothing."""
        return self._is_open and not self._paused and self._socket.pending() > 0

    def _end_output(self) -> None:
        """Say that no more comes, in TLS and below it; what the client still says is not even decrypted."""
        for end in (self._socket.unwrap, lambda: self._socket.shutdown(socket.SHUT_WR)):
            try:
                end()
            except OSError:
                pass  # SSLWantReadError: the client has not said the same yet; or it was faster

    def _release(self, descriptor: int) -> None:
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
