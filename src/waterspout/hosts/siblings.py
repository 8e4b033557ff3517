"""Other processes that share a listening port with this one, as servers with several workers start them.

An ASGI server does not tell its applications how many processes it has. Linux tells which sockets listen at a port, and
which processes hold them: workers have the same parent.
"""

import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"  # the state TCP_LISTEN


def has_siblings(port: int) -> bool:
    """Tell whether another child of this process's parent listens at this TCP port; False on other systems than Linux.

    It reads a file for each process of the machine, and is meant to be called once.
    """
    listeners = {f"socket:[{inode}]" for inode in _listeners(port)}
    own, parent = os.getpid(), os.getppid()
    if not listeners or not parent:  # in a container, 1 is a server that has workers
        return False
    return any(
        pid not in (own, parent) and _parent(pid) == parent and not listeners.isdisjoint(_sockets(pid))
        for pid in _processes()
    )


def _listeners(port: int) -> set[str]:
    inodes: set[str] = set()
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                    inodes.add(rest[5])
    return inodes


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        stat = (_PROC / str(pid) / "stat").read_text("latin-1")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _sockets(pid: int) -> set[str]:
    folder = _PROC / str(pid) / "fd"
    found: set[str] = set()
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):
                found.add(os.readlink(folder / name))
    return found
