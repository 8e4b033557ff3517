"""Several processes where one was meant: what a host can see of that, and says."""

import socket

from ..engine import Driver, Layer, Level

_REMEDY = (
    "clients of one process do not hear those of another, and polling clients fail: serve with one process, "
    "or give each a port of its own behind a proxy with sticky sessions, where only the former remains"
)


def warn_of_company(driver: Driver, sock: socket.socket, processes: str | None) -> None:
    """Warn that this process is one of several, where that is plain to see; for servers without an adapter.

    `processes` is what has started them, where the host knows that.
    """
    if processes is not None:
        driver.note(Layer.HOST, Level.WARNING, "this is one of several processes of %s: %s", processes, _REMEDY)
    elif _is_shared(sock):
        driver.note(Layer.HOST, Level.WARNING, "the port may be shared by processes (SO_REUSEPORT): %s", _REMEDY)


def _is_shared(sock: socket.socket) -> bool:
    """Tell whether the connection came in through a port that others may listen at; Linux lets it inherit that."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not hasattr(socket, "SO_REUSEPORT"):
        return False
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) != 0
    except OSError:
        return False  # the client has gone already
