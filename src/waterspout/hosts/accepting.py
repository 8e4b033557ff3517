"""How connections come in: a bounded number at once, and none while the process is out of descriptors.

A listener that stayed in the loop then would be ready in each of its turns, and take a whole processor to fail.
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

AT_ONCE = 8  # connections taken in one turn: clients have theirs, and other processes that share the listener
PAUSE = 1.0  # s without looking for connections, once descriptors are short
SPARE = 16  # descriptors that are left to the rest of the process: databases, files, names to resolve

_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


log = logger("waterspout.host")


class Acceptor:
    """Takes connections from a non-blocking listener, and hands each on with its address.

    While descriptors are short, who comes waits in the kernel's queue. The log says when that begins, and when the
    queue is empty again.
    """

    def __init__(self, listener: socket.socket, loop: Loop, welcome: Callable[[socket.socket, Any], object]) -> None:
        self._listener = listener
        self._loop = loop
        self._welcome = welcome
        self._is_open = True
        self._is_short = False
        loop.reader(listener.fileno(), self._ready)

    def close(self) -> None:
        """Take no more, and close the listener."""
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
                continue  # that client has gone already (ECONNABORTED and others, see accept(2))
            number = connection.fileno()  # the lowest that was free
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
                "descriptors are short (the limit is %d): new clients wait until others have gone; "
                "raise the limit (ulimit -n, LimitNOFILE=)",
                resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )

    def _look_again(self) -> None:
        if not self._is_open:
            return
        if self._has_room():
            self._loop.reader(self._listener.fileno(), self._ready)
            self._ready()  # or nobody waits any more, and the log would not say so
        else:
            self._loop.later(PAUSE, self._look_again)

    def _all_are_in(self) -> None:
        if self._is_short:
            self._is_short = False
            log.info("there are descriptors again: all clients that waited are in")

    def _has_room(self) -> bool:
        try:
            lowest = os.dup(self._listener.fileno())
        except OSError:
            return False
        os.close(lowest)
        return lowest < _limit()


def _limit() -> int:
    """Return the first number of a descriptor that is not for connections."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(SPARE, limit // 8)
