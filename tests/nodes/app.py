"""A node: its clients tell it what to do with all nodes, and it publishes numbered events under load."""

import threading
import time
from dataclasses import asdict
from itertools import count
from typing import Any

import waterspout
from waterspout.errors import AdapterError
from waterspout.server import Gap

server = waterspout.Server(trusted_proxies=("unix", "127.0.0.1"))
server.expose("/prices", server.of("/"))  # a path of deploy/haproxy.cfg
COUNTED = ("ready", "repaired", "lost", "broker_losses", "unpublished", "slow_consumers")
gaps: list[tuple[str, int]] = []


@server.on_gap
def lost(gap: Gap) -> None:
    gaps.append((gap.node, gap.words))


@server.on("facts")
def facts(socket: waterspout.Socket) -> dict[str, object]:
    """Tell who this is, whom it knows, and what it has counted."""
    nodes = [asdict(node) for node in server.nodes()]
    stats = server.stats()
    counted = {name: getattr(stats, name) for name in COUNTED}
    return {"name": nodes[0]["name"], "nodes": nodes, "gaps": gaps, **counted}


# What concerns clients of all nodes


@server.on("name")
def name(socket: waterspout.Socket) -> str:
    return server.nodes()[0].name


@server.on("where")
def where(socket: waterspout.Socket) -> list[str]:
    return [server.nodes()[0].name, socket.id]


@server.on("enter")
def enter(socket: waterspout.Socket, room: str) -> waterspout.Pending[None]:
    return socket.join(room)


@server.on("join")
def join(socket: waterspout.Socket, room: str, to: str | None) -> waterspout.Pending[None]:
    return server.join(room, to=to)


@server.on("leave")
def leave(socket: waterspout.Socket, room: str, to: str | None) -> waterspout.Pending[None]:
    return server.leave(room, to=to)


@server.on("emit")
def emit(socket: waterspout.Socket, event: str, args: list[Any], to: str | None) -> None:
    server.emit(event, *args, to=to)


@server.on("emit bytes")
def emit_bytes(socket: waterspout.Socket, size: int, to: str) -> str:
    """Emit so many bytes; return what was raised."""
    try:
        server.emit("bytes", b"x" * size, to=to)
    except AdapterError as error:
        return str(error)
    return ""


@server.on("disconnect clients")
def disconnect(socket: waterspout.Socket, to: str) -> None:
    server.disconnect(to=to)


@server.on("count", threaded=True)
def count_clients(socket: waterspout.Socket, to: str | None, timeout: float) -> dict[str, object]:
    return asdict(server.fetch_count(to=to, timeout=timeout).wait(120))


@server.on("fetch", threaded=True)
def fetch(socket: waterspout.Socket, to: str | None, timeout: float) -> dict[str, object]:
    found = server.fetch_sockets(to=to, timeout=timeout).wait(120)
    return {"sockets": [[one.id, one.generation] for one in found.sockets], "missing": found.missing}


@server.on("call", threaded=True)
def call(socket: waterspout.Socket, to: str | None, timeout: float) -> dict[str, object]:
    replies = server.call("question", to=to, timeout=timeout).wait(120)
    return {"answers": replies.answers, "missing": replies.missing, "missing_nodes": replies.missing_nodes}


# Load


class Load:
    """Publishes ("n", node, number) to a room, from a thread, or from a greenlet where threads are greenlets.

    After each, there is an event of `filler` bytes for a room without members.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last = 0
        self._refused: list[int] = []
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, room: str, pause: float, filler: int) -> int:
        """Begin, and return the first number."""
        self._stopped.clear()
        self._refused = []
        first = self._last + 1
        self._thread = threading.Thread(target=self._run, args=(room, pause, "x" * filler), daemon=True)
        self._thread.start()
        return first

    def end(self) -> tuple[int, list[int]]:
        """End, and return the last number, and those that were refused."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        return self._last, self._refused

    def _run(self, room: str, pause: float, filler: str) -> None:
        name = server.nodes()[0].name
        while not self._stopped.is_set():
            self._last = next(self._numbers)
            try:
                server.emit("n", name, self._last, to=room)
                if filler:
                    server.emit("filler", filler, to="nobody")
            except AdapterError:
                self._refused.append(self._last)
            time.sleep(pause)


load = Load()


@server.on("begin")
def begin(socket: waterspout.Socket, room: str, pause: float, filler: int) -> int:
    return load.begin(room, pause, filler)


@server.on("end", threaded=True)
def end(socket: waterspout.Socket) -> list[object]:
    return list(load.end())
