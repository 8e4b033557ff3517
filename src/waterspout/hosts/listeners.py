"""The listening sockets of a stand-alone process: TCP, Unix sockets, and sockets that systemd has opened for it.

Every failure is raised as `CannotStart`: one sentence with the value and what to do. Sockets opened before are closed.
"""

import errno
import fcntl
import ipaddress
import os
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, repeat
from typing import Any

from ..errors import CannotStart

__all__ = ["unix_listener"]  # the rest is for hosts

BACKLOG = 1024
LOCALHOST = "localhost"
_MOST_DIGITS = 10  # of the number of descriptors, a C int
FIRST_INHERITED = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)

_ATTEMPTS = 10  # to find a port that is free at both addresses of this machine, and to lock a folder
_LOCK_PAUSE = 0.05  # s between two of them
_LOCAL = ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)))
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

REMEDIES = {
    errno.EADDRINUSE: "it is in use; stop the program that listens there, or choose another port (0 takes a free one)",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 or [::] listens at all it has",
    errno.EACCES: "not permitted; ports below 1024 need privileges, choose a higher one",
}


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen at all addresses of a host name, with the same port.

    "localhost" is 127.0.0.1 and, if the machine has IPv6, ::1.
    """
    _check_place(host, port)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _listen(host, port)
        except (OSError, UnicodeError) as error:
            if port == 0 and attempt < _ATTEMPTS and getattr(error, "errno", None) == errno.EADDRINUSE:
                continue  # the port that is free at one address is in use at another
            raise CannotStart(f"cannot listen at {_place(host, port)}: {_remedy(error)}") from None
    raise AssertionError


@contextmanager
def opened(
    bind: Iterable[tuple[str, int]], unix: str | None, inherited: Iterable[socket.socket]
) -> Iterator[list[socket.socket]]:
    """Listen at hosts with ports and at a Unix socket, take the inherited listeners, and close all at the end."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in inherited]
        for host, port in bind:
            listeners += [stack.enter_context(each) for each in listen(host, port)]
        if unix is not None:
            listeners.append(stack.enter_context(unix_listener(unix)))
        yield listeners


@contextmanager
def inherited(*, by_parent: bool = False) -> Iterator[list[socket.socket]]:
    """Take the listening sockets that systemd has opened for this process, as sd_listen_fds(3); close them at the end.

    Their environment variables are removed, so that child processes do not take them too. `by_parent`: take those of
    the parent process, which has passed them on (see `reload`).
    """
    descriptors = _inherited(os.getppid() if by_parent else os.getpid())
    names = chain(os.environ.get("LISTEN_FDNAMES", "").split(":"), repeat(""))
    if descriptors:
        for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(variable, None)
    with ExitStack() as stack:
        named = zip(descriptors, names, strict=False)
        yield [stack.enter_context(_taken(descriptor, name or "without a name")) for descriptor, name in named]


def to_pass_on() -> tuple[int, ...]:
    """Return the descriptors of inherited sockets, to pass them on to a child process."""
    return tuple(_inherited(os.getpid()))


@contextmanager
def unix_listener(path: str, *, mode: int | None = None) -> Iterator[socket.socket]:
    """Listen at a Unix socket, and remove its file at the end; its permissions are `mode`, or those of the umask.

    A stale socket file, at which no process listens, is replaced; any other file is an error.
    """
    folder = os.path.dirname(path) or "."
    with _locked(folder):
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.setblocking(False)
            listener.bind(path)
            if mode is not None:
                os.chmod(path, mode)  # nobody can connect before `listen`
            listener.listen(BACKLOG)
            made = os.stat(path)
        except (OSError, ValueError) as error:
            listener.close()
            if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
                raise CannotStart(f"cannot listen at {path!r}: there is no directory {folder!r}; make it") from None
            raise CannotStart(f"cannot listen at {path!r}: {error}; choose another path") from None
    try:
        yield listener
    finally:
        listener.close()
        _remove_if_same(path, made)


def urls(listeners: Iterable[socket.socket], *, secure: bool) -> list[str]:
    """Return URLs that a browser on this machine can open, and `unix:PATH` for a Unix socket."""
    return [_url(listener, "https" if secure else "http") for listener in listeners]


def is_public(host: str) -> bool:
    """Tell whether a host means all interfaces."""
    return host in ("0.0.0.0", "::")


def announce(what: str, urls: Iterable[str], hosts: Iterable[str]) -> None:
    """Print the line that tells where a server has started, in one write: other threads may tell of theirs."""
    public = " and ".join(dict.fromkeys(filter(is_public, hosts)))
    reach = f"open to the network at {public}; " if public else ""
    line = f"Waterspout serves {what} at {' and '.join(urls)} ({reach}stop: Ctrl+C)\n"
    print(line, end="", flush=True)  # noqa: T201  (for whoever started the program)


def _listen(host: str, port: int) -> list[socket.socket]:
    with ExitStack() as opened:
        listeners: list[socket.socket] = []
        for family, address in _addresses(host):
            try:
                listener = opened.enter_context(_bound(family, (address[0], port, *address[2:])))
            except OSError as error:
                if not _is_without(error, family, host):
                    raise
                continue
            port = listener.getsockname()[1]
            listeners.append(listener)
        if not listeners:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        opened.pop_all()
    return listeners


def _addresses(host: str) -> list[tuple[int, tuple[Any, ...]]]:
    if host == LOCALHOST:
        return list(_LOCAL)
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.create_server(address, family=family, backlog=BACKLOG)  # IPv6 only: :: does not include 0.0.0.0
    listener.setblocking(False)
    return listener


def _is_without(error: OSError, family: int, host: str) -> bool:
    """Tell whether an error means that the machine has no IPv6, which is optional for this host."""
    if family != socket.AF_INET6:
        return False
    return error.errno == errno.EAFNOSUPPORT or (host == LOCALHOST and error.errno in _NO_IPV6)


def _inherited(pid: int) -> range:
    """Return the descriptors of the sockets that systemd has opened for a process."""
    if os.environ.get("LISTEN_PID") != str(pid):
        return range(0)
    count = os.environ.get("LISTEN_FDS", "")
    if not (count.isascii() and count.isdecimal() and len(count) <= _MOST_DIGITS):
        shown = count if len(count) <= _MOST_DIGITS else f"{count[:_MOST_DIGITS]}..."
        raise CannotStart(f"cannot take sockets: LISTEN_FDS is {shown!r}, and LISTEN_PID is this process; unset both")
    return range(FIRST_INHERITED, FIRST_INHERITED + int(count))


def _taken(descriptor: int, name: str) -> socket.socket:
    what = f"cannot listen at descriptor {descriptor} ({name}), which was opened for this process"
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise CannotStart(f"{what}: {error.strerror}; unset LISTEN_PID, or let systemd open a socket") from None
    if found.type == socket.SOCK_STREAM and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.setblocking(False)
        found.set_inheritable(False)
        return found
    found.close()
    raise CannotStart(f"{what}: it does not listen for streams; write ListenStream= and Accept=no in its unit")


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


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Let other processes wait that start in this folder: what looks stale to one may be what another has just made.

    A folder that cannot be locked, and one that somebody else keeps locked, is used without.
    """
    with ExitStack() as stack:
        with suppress(OSError, ValueError):
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            for _ in range(_ATTEMPTS):
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(_LOCK_PAUSE)
        yield


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISSOCK(mode):
        raise CannotStart(f"cannot listen at {path!r}: a file that is no socket is there; remove it or choose another")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # connecting to a full backlog would block; it means that a process listens
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
        pass  # already removed, or not permitted any more
