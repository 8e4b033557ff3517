"""Where a process of its own listens: TCP addresses, Unix sockets, certificates.

Whatever is wrong with one of them becomes `CannotStart`: one sentence with the value and what to do.
"""

import errno
import os
import socket
import ssl
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tornado.netutil import bind_sockets

from waterspout.errors import WaterspoutError

BACKLOG = 1024

REMEDIES = {
    errno.EADDRINUSE: "it is in use; stop the program that listens there, or choose another port (0 takes a free one)",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 or [::] listens at all it has",
    errno.EACCES: "not permitted; ports below 1024 need privileges, choose a higher one",
}


class CannotStart(WaterspoutError):
    """The server cannot start; the text is one sentence for the person at the terminal."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen at every address that the host name has, all with the same port."""
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
        raise CannotStart(f"cannot listen at {path!r}: {error}; choose another path") from None
    try:
        yield listener
    finally:
        listener.close()
        _remove_if_same(path, made)


def urls(listeners: Iterable[socket.socket], *, secure: bool) -> list[str]:
    """Return the addresses that a browser on this machine can open; `unix:PATH` for a Unix socket."""
    return [_url(listener, "https" if secure else "http") for listener in listeners]


def tls(certfile: str, keyfile: str | None = None) -> ssl.SSLContext:
    """Return a server's TLS context; without a key file the certificate's file holds the key too."""
    for path, what in ((certfile, "a PEM certificate"), (keyfile, "a PEM key")):
        if path is not None:
            _readable(path, what)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certfile, keyfile)
    except ssl.SSLError as error:
        files = repr(certfile) if keyfile is None else f"{certfile!r} with the key {keyfile!r}"
        what = error.reason or "not PEM"
        raise CannotStart(
            f"cannot use the certificate {files}: {what}; give a PEM certificate and the key that belongs to it"
        ) from None
    return context


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


def _readable(path: str, what: str) -> None:
    try:
        with open(path, "rb"):
            return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotStart(f"cannot read {path!r}: {reason}; give {what} that this user may read") from None
