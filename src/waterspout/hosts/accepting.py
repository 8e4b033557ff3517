"""Accepting connections: a bounded number in each turn of the loop, and none while descriptors are short.

A listener that stayed registered then would be ready in every turn, and use a whole processor for failing calls.
"""

import errno
import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import Any

from ..drivers.log import logger
from .output import Loop

AT_ONCE = 8  # connections accepted in one turn: leaves time for clients, and connections for other processes
PAUSE = 1.0  # s until the next attempt, while descriptors are short
SPARE = 16  # descriptors reserved for the rest of the process: databases, files, name resolution

_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


log = logger("waterspout.host")


class Acceptor:
    """Accepts connections of a non-blocking listener, and calls `welcome` with each and its address.

    While descriptors are short, new connections wait in the kernel's queue. The log has a line when that begins, and
    one when the queue is empty again.
    """

    def __init__(self, listener: socket.socket, loop: Loop, welcome: Callable[[socket.socket, Any], object]) -> None:
        self._listener = listener
        self._loop = loop
        self._welcome = welcome
        self._is_open = True
        self._is_short = False
        loop.reader(listener.fileno(), self._ready)

    def close(self) -> None:
        """Stop accepting, and close the listener."""
        if self._is_open:
            self._is_open = False
            self._loop.forget(self._listener.fileno())
            self._listener.close()

    def _ready(self) -> None:
        highest = _limit()
        for _ in range(AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                self._all_are_in()
                return
            except OSError as error:
                if error.errno in _SHORT:
                    self._rest()
                    return
                continue  # the client has disconnected already (ECONNABORTED and others, see accept(2))
            number = connection.fileno()  # the kernel gives the lowest free number
            self._welcome(connection, address)
            if number >= highest:
                self._rest()
                return

    def _rest(self) -> None:
        self._loop.reader(self._listener.fileno(), None)
        self._loop.later(PAUSE, self._look_again)
        if not self._is_short:
            self._is_short = True
            log.warning(
                "descriptors are short (the limit is %d): new clients wait until others have disconnected; "
                "raise the limit (ulimit -n, LimitNOFILE=)",
                resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )

    def _look_again(self) -> None:
        if not self._is_open:
            return
        if self._has_room():
            self._loop.reader(self._listener.fileno(), self._ready)
            self._ready()  # if no connection waits, the loop would not call it, and the log would not say so
        else:
            self._loop.later(PAUSE, self._look_again)

    def _all_are_in(self) -> None:
        if self._is_short:
            self._is_short = False
            log.info("descriptors are free again: all waiting clients are accepted")

    def _has_room(self) -> bool:
        try:
            lowest = os.dup(self._listener.fileno())
        except OSError:
            return False
        os.close(lowest)
        return lowest < _limit()


def _limit() -> int:
    """Return the lowest descriptor that is reserved for the rest of the process."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(SPARE, limit // 8)
