"""Descriptors whose errors are reported, on any loop: what they were read for comes first, and nothing is left."""

import asyncio
import contextvars
import os
import select
import socket
import struct
import sys
from collections.abc import Callable

import pytest

from hosts.host import PATIENCE
from hosts.test_socketlink import tcp_pair
from hosts.tornado_host import LOOPS
from waterspout.hosts.failures import FailureWatch
from waterspout.hosts.loops import AsyncioLoop
from waterspout.hosts.signals import watch_stdin

Factory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="only with epoll is anything to be done")


@pytest.fixture(params=LOOPS)
def factory(request: pytest.FixtureRequest) -> Factory:
    return LOOPS[request.param]


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Reading:
    """Reads `size` bytes each time it is called, until the end, and notes what comes."""

    def __init__(self, loop: AsyncioLoop, sock: socket.socket, size: int) -> None:
        self.loop, self.sock, self.size = loop, sock, size
        self.seen: list[bytes] = []
        self.ended = asyncio.Event()

    def ready(self) -> None:
        try:
            data = self.sock.recv(self.size)
        except BlockingIOError:
            self.seen.append(b"nothing")
            return
        except OSError:
            data = b""
        self.seen.append(data)
        if not data:
            self.loop.forget(self.sock.fileno())
            self.sock.close()
            self.ended.set()


def run(factory: Factory, test: Callable[[AsyncioLoop, socket.socket, socket.socket], object]) -> None:
    """Run a coroutine with the loop and the two ends of a connection."""

    async def main() -> None:
        ours, theirs = tcp_pair()
        ours.setblocking(False)
        with ours, theirs:
            async with asyncio.timeout(PATIENCE):
                await test(AsyncioLoop(asyncio.get_running_loop()), ours, theirs)  # type: ignore[misc]

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("size", [1, 5, 10, 11, 100])
def test_a_reader_has_all_that_came_before_a_reset_and_then_the_reset(factory: Factory, size: int) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        reading = Reading(loop, ours, size)
        loop.reader(ours.fileno(), reading.ready)
        theirs.send(b"0123456789")
        reset(theirs)
        await reading.ended.wait()
        assert b"".join(reading.seen) == b"0123456789"
        assert b"nothing" not in reading.seen

    run(factory, test)


def test_a_reset_of_one_that_is_not_read_is_seen_when_it_is_read_again(factory: Factory) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        reading = Reading(loop, ours, 4)
        for callback in (reading.ready, None):
            loop.reader(ours.fileno(), callback)
        theirs.send(b"0123456789")
        reset(theirs)
        for _ in range(3):
            await asyncio.sleep(0)
        assert reading.seen == []
        loop.reader(ours.fileno(), reading.ready)
        await reading.ended.wait()
        assert reading.seen == [b"0123", b"4567", b"89", b""]

    run(factory, test)


def test_a_message_costs_one_call_of_its_reader(factory: Factory) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        reading = Reading(loop, ours, 100)
        loop.reader(ours.fileno(), reading.ready)
        for number in range(5):
            theirs.send(b"%d" % number)
            while len(reading.seen) == number:
                await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        assert reading.seen == [b"0", b"1", b"2", b"3", b"4"]
        loop.forget(ours.fileno())

    run(factory, test)


def test_what_is_forgotten_is_not_called_though_it_has_failed_in_this_turn(factory: Factory) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        reading = Reading(loop, ours, 100)
        loop.reader(ours.fileno(), reading.ready)
        reset(theirs)
        loop.forget(ours.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        assert reading.seen == []

    run(factory, test)


def test_a_number_that_is_in_use_again_is_forgotten_by_its_own_user_only(factory: Factory) -> None:
    """Tornado tells in the next turn that it has closed a descriptor."""

    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        watch = FailureWatch(asyncio.get_running_loop())
        failed, number = asyncio.Event(), ours.fileno()
        calls: list[int] = []

        def first() -> None:
            calls.append(1)

        watch.watch(number, first)
        again, peer = tcp_pair()
        os.dup2(again.fileno(), number)
        again.close()
        watch.watch(number, failed.set)
        watch.forget(number, first)
        reset(peer)
        await failed.wait()
        assert calls == []

    run(factory, test)


def test_one_that_somebody_closes_in_the_turn_of_its_failure_is_left_alone(
    factory: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        calls: list[int] = []
        own = asyncio.get_running_loop()
        watch = FailureWatch(own)
        watch.watch(ours.fileno(), lambda: calls.append(1))
        own.call_soon(own.call_soon, ours.close)
        reset(theirs)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(calls) <= 2
        assert caplog.records == []

    run(factory, test)


@pytest.mark.parametrize("with_end", [False, True])
def test_an_end_is_reported_to_who_asks_for_it(factory: Factory, with_end: bool) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        calls: list[int] = []
        watch = FailureWatch(asyncio.get_running_loop())
        theirs.send(b"unread")
        theirs.shutdown(socket.SHUT_WR)
        watch.watch(ours.fileno(), lambda: calls.append(1), with_end=with_end)
        for _ in range(5):
            await asyncio.sleep(0)
        assert calls == [1] * with_end
        watch.forget(ours.fileno())

    run(factory, test)


def test_without_epoll_nothing_is_watched(monkeypatch: pytest.MonkeyPatch, factory: Factory) -> None:
    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        monkeypatch.delattr(select, "epoll")
        reading = Reading(loop, ours, 100)
        loop.reader(ours.fileno(), reading.ready)
        reset(theirs)
        await reading.ended.wait()
        assert reading.seen == [b""]

    run(factory, test)


def test_where_the_system_has_no_more_of_them_readers_work_as_ever(
    monkeypatch: pytest.MonkeyPatch, factory: Factory
) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        monkeypatch.setattr(select, "epoll", none_left)
        reading = Reading(loop, ours, 100)
        loop.reader(ours.fileno(), reading.ready)
        reset(theirs)
        await reading.ended.wait()
        assert reading.seen == [b""]

    run(factory, test)


def test_a_reset_of_standard_input_is_its_end(factory: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a socket where asyncio started the process; what was written to it and is unread makes its end a reset."""

    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        near, far = socket.socketpair()
        with near, far, near.makefile("rb", buffering=0) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            ended = asyncio.Event()
            watch_stdin(ended.set, AsyncioLoop(asyncio.get_running_loop()))
            near.send(b"unread")
            far.send(b"data")
            far.close()
            await ended.wait()

    run(factory, test)


USER = contextvars.ContextVar("USER", default="nobody")


def test_what_runs_later_sees_nothing_of_the_context_in_which_it_was_asked_for(factory: Factory) -> None:
    """What one client's handler sends to another may wait for the kernel; then that one's handlers may run."""

    async def test(loop: AsyncioLoop, ours: socket.socket, theirs: socket.socket) -> None:
        seen: list[str] = []

        def ask() -> None:
            USER.set("a client")
            loop.soon(lambda: seen.append(USER.get()))
            loop.later(0.0, lambda: seen.append(USER.get()))
            loop.writer(ours.fileno(), writable)

        def writable() -> None:
            loop.writer(ours.fileno(), None)
            seen.append(USER.get())

        contextvars.copy_context().run(ask)
        while len(seen) < 3:
            await asyncio.sleep(0)
        assert seen == ["nobody"] * 3

    run(factory, test)
