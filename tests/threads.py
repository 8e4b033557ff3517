"""Threads that speak to one client, and what the client gets of it: everything once, and in each thread's order."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from turns import until
from waterspout import Engine, Server
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Peer
from waterspout.wire.packets import Event

THREADS = 4
FEW = 200  # messages of each thread
BLOCK = 1000
SIZES = [FEW, pytest.param(10_000, marks=pytest.mark.long)]
SWITCH = 1e-5  # s between two looks at who else wants to run: threads meet in more places than at Python's 5 ms

MODERN = [f"{revision}-{transport}" for revision in (3, 4) for transport in ("polling", "websocket")]
OLD = ["websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart"]


class Client:
    """A client of some kind: one of MODERN or of OLD."""

    def __init__(self, server: Server | Engine, kind: str) -> None:
        revision, _, transport = kind.partition("-")
        row = {"3": ENGINEIO_3, "4": ENGINEIO_4}.get(revision, SOCKETIO_1)
        self.peer = Peer(server, generation=row, transport=kind if row is SOCKETIO_1 else transport)
        if not row.implicit_connect:
            self.peer.connect()
        self.sid = self.peer.sid
        self.peer.take()

    def events(self) -> list[Event]:
        """Return the events that have come since the last time, by namespace."""
        return [event for namespace in ("/", "/a") for event in self.peer.pick(Event, namespace)]


class Pace:
    """Lets a thread wait, every BLOCK messages, until what was sent has left: more than 10,000 may not wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()

    def keep(self, number: int) -> None:
        """Wait, if the message of this number is the last of a block."""
        if number % BLOCK == BLOCK - 1:
            asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(60)

    async def _drain(self) -> None:
        await until(lambda: not any(session.outbox_bytes for session in self._engine.sessions.values()))


@contextmanager
def impatient() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


async def in_threads(work: Callable[[int], object]) -> None:
    """Call a function in several threads at once, with their numbers, while the loop turns."""
    start = threading.Barrier(THREADS)

    def run(thread: int) -> None:
        start.wait()
        work(thread)

    with impatient():
        await asyncio.gather(*(asyncio.to_thread(run, thread) for thread in range(THREADS)))


def by_thread(events: list[Event], count: int) -> list[list[Any]]:
    """Return the arguments behind the thread's number of `count` events of each thread; AssertionError for others."""
    assert len(events) == count * THREADS
    return [[event.args[1:] for event in events if event.args[0] == thread] for thread in range(THREADS)]


async def wakes(client: Client, emit: Callable[[str], object], patience: float) -> bool:
    """Tell whether what another thread emits arrives within `patience` seconds, while the loop sleeps."""
    arrived = threading.Event()
    receive = client.peer.receive

    def heard(packet: Any) -> None:
        receive(packet)
        arrived.set()

    def work() -> bool:
        emit("x")
        return arrived.wait(patience)

    client.peer.receive = heard  # type: ignore[method-assign]
    return await asyncio.to_thread(work)
