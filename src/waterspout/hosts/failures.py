"""Connections that fail while nobody reads them, or behind bytes that are still to be read.

uvloop (libuv) calls the reader of a descriptor that has an error once, then polls it no more, and does not tell the
reader. What that one call reads may be bytes that came before the error: a client that sends and resets in the same
instant would stay until its heartbeat ends. Tornado reads no further once a parked request has bytes behind it.

Reading on until the kernel has no more would find the error, for one more system call and one more exception for each
message. So the descriptors are in an epoll instance of our own too, which is asked for errors alone and is itself a
reader in the loop: a message costs no call and no instruction of ours, a connection two system calls.

It is for Linux. Where there is no epoll (macOS), the loops have kqueue, which reports an error until it is read.
"""

import select
from collections.abc import Callable
from typing import Any, Protocol

Callback = Callable[[], object]

_MAKE: Callable[[], Any] | None = getattr(select, "epoll", None)


class WatchedLoop(Protocol):
    """An event loop, as far as failures are concerned; asyncio's are such."""

    def add_reader(self, fd: int, callback: Callback, /) -> object:
        """Call back whenever there is something to read."""

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> object:
        """Call back in the next turn."""


class FailureWatch:
    """Descriptors of a loop whose errors are reported, whatever else polls them."""

    __slots__ = ("_callbacks", "_epoll", "_loop", "_make")

    def __init__(self, loop: WatchedLoop, make: Callable[[], Any] | None = _MAKE) -> None:
        self._loop = loop
        self._make = make
        self._callbacks: dict[int, Callback] = {}
        self._epoll: Any = None

    def watch(self, descriptor: int, callback: Callback, *, with_end: bool = False) -> None:
        """Call back once in each turn while the socket has an error, until `forget`.

        The error itself is left for the next read or write. With `with_end`, the end of what the peer sends counts as
        well, once.
        """
        if self._make is None:
            return
        self._callbacks[descriptor] = callback
        try:
            if self._epoll is None:
                self._epoll = self._make()
                self._loop.add_reader(self._epoll.fileno(), self._ready)
            self._epoll.register(descriptor, select.EPOLLET | (select.EPOLLRDHUP if with_end else 0))
        except OSError:
            pass  # EMFILE, ENOSPC: the system has no more of them, and a heartbeat is left

    def forget(self, descriptor: int, callback: Callback | None = None) -> None:
        """Call back no more; with a callback, only if it is the one that is watched by: the number may be in use again.

        Nothing happens if there is none.
        """
        if callback is not None and self._callbacks.get(descriptor) != callback:
            return
        if self._callbacks.pop(descriptor, None) is not None and self._epoll is not None:
            try:
                self._epoll.unregister(descriptor)
            except OSError:
                pass  # it is closed, and with that no longer registered

    def _ready(self) -> None:
        assert self._epoll is not None
        for descriptor, events in self._epoll.poll(0):
            callback = self._callbacks.get(descriptor)
            if callback is not None and events & ~select.EPOLLHUP:  # which alone is an end, and not an error
                self._loop.call_soon(self._tell, descriptor, callback)

    def _tell(self, descriptor: int, callback: Callback) -> None:
        if self._callbacks.get(descriptor) is not callback:
            return
        assert self._epoll is not None
        try:
            self._epoll.modify(descriptor, select.EPOLLET)  # reports it again in the next turn, if it is still there
        except OSError:
            return  # Tornado has closed it in this turn; it says so in the next
        callback()
