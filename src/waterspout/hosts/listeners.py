"""Where a process of its own listens: TCP addresses and Unix sockets.

Whatever is wrong with one of them becomes `CannotStart`: one sentence with the value and what to do.
"""

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tornado.netutil import bind_sockets

from ..errors import CannotStart

BACKLOG = 1024

REMEDIES = {
    errno.EADDRINUSE: "it is in use; stop the program that listens there, or choose another port (0 takes a free one)",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 or [::] listens at all it has",
    errno.EACCES: "not permitted; ports below 1024 need privileges, choose a higher one",
}


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen at every address that the host name has, all with the same port."""
    _check_place(host, port)
    try:
        return bind_sockets(port, host, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise CannotStart(f"cannot listen at {_place(host, port)}: {_remedy(error)}") from None


@contextmanager
def unix_listener(path: str) -> Iterator[socket.socket]:
    """Listen at a Unix socket, as open to other users as the umask allows, and remove it at the end.

    A socket file that nobody listens at (a process that was killed left it) is replaced; nothing else is.
    """
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.setblocking(False)
        listener.bind(path)
        listener.listen(BACKLOG)
        made = os.stat(path)
    except (OSError, ValueError) as error:
        listener.close()
        folder = os.path.dirname(path) or "."
        if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
            raise CannotStart(f"cannot listen at {path!r}: there is no directory {folder!r}; make it") from None
        raise CannotStart(f"cannot listen at {path!r}: {error}; choose another path") from None
    try:
        yield listener
    finally:
        listener.close()
        _remove_if_same(path, made)


def urls(listeners: Iterable[socket.socket], *, secure: bool) -> list[str]:
    """Return the addresses that a browser on this machine can open; `unix:PATH` for a Unix socket."""
    return [_url(listener, "https" if secure else "http") for listener in listeners]


def is_public(host: str) -> bool:
    """Tell whether the host name stands for all interfaces."""
    return host in ("0.0.0.0", "::")


def announcement(what: str, urls: Iterable[str], host: str | None) -> str:
    """Write what a person at the terminal wants to know of a server that has begun."""
    reach = f"open to the network at {host}; " if host is not None and is_public(host) else ""
    return f"Waterspout serves {what} at {' and '.join(urls)} ({reach}stop: Ctrl+C)"


def _check_place(host: object, port: object) -> None:
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise CannotStart(f"cannot listen at the port {port!r}: give a number from 0, which takes a free one, to 65535")
    if not isinstance(host, str) or not host:
        raise CannotStart(f"cannot listen at the host {host!r}: give 127.0.0.1, or 0.0.0.0 for all interfaces")
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise CannotStart(
                f"cannot listen at the host {host!r}: give an address without brackets, and the port by itself"
            ) from None


def _remedy(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError | socket.gaierror):
        return "the host name is not known; write an address, as in 127.0.0.1 or [::1], or 0.0.0.0 for all interfaces"
    return REMEDIES.get(error.errno or 0, str(error.strerror or error))


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(listener: socket.socket, scheme: str) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{_place(host, port)}/"


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISSOCK(mode):
        raise CannotStart(f"cannot listen at {path!r}: a file that is no socket is there; remove it or choose another")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full backlog would block, and means that somebody listens
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            pass
    raise CannotStart(f"cannot listen at {path!r}: another program does; stop it or choose another path")


def _remove_if_same(path: str, made: os.stat_result) -> None:
    try:
        if os.path.samestat(os.lstat(path), made):
            os.unlink(path)
    except OSError:
        pass  # already gone, or no longer ours to remove
