"""Free ports for other processes, or for later.

A port that the kernel chooses is free again as soon as its listener is closed: the kernel may give it to an outgoing
connection, or to another test, before the process that it was chosen for listens there. So `free_port` takes ports
below the ephemeral range, which the kernel does not choose. Each process claims blocks of them: it binds the first port
of a block and keeps it until the process ends.
"""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

LOWEST = 12_000  # above 10080, which browsers refuse to connect to
BLOCK = 50
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL = 32_768  # where the ephemeral range begins on Linux; elsewhere it begins higher


def free_port() -> int:
    """Return a port that is free at all addresses of this machine, never the same twice."""
    return next(_PORTS)


def first_ephemeral() -> int:
    """Return where the ephemeral range begins, or usually does if it leaves no room below."""
    first = int(RANGE.read_text("ascii").split()[0]) if RANGE.exists() else USUAL
    return first if first >= LOWEST + BLOCK else USUAL


def ports_from(block: int) -> Iterator[int]:
    """Claim blocks, starting with this one and wrapping around, and yield their free ports."""
    blocks = range(LOWEST, first_ephemeral() - BLOCK + 1, BLOCK)
    for number in range(len(blocks)):
        claim = blocks[(block + number) % len(blocks)]
        claimed = _bound(claim)
        if claimed is not None:
            claimed.detach()  # open until the process ends
            yield from filter(_is_free, range(claim + 1, claim + BLOCK))


def _is_free(port: int) -> bool:
    bound = _bound(port)
    if bound is None:
        return False
    bound.close()
    return True


def _bound(port: int) -> socket.socket | None:
    """Return a socket bound to the port at all addresses, None if it is in use at one of them.

    Without SO_REUSEADDR, so that a connection in TIME_WAIT counts too.
    """
    both = socket.has_dualstack_ipv6()
    bound = socket.socket(socket.AF_INET6 if both else socket.AF_INET)
    try:
        if both:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(("", port))
    except OSError as error:
        bound.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return bound


_PORTS = ports_from(os.getpid())
