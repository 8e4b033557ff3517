"""A door over real sockets, on a loop that is turned by hand, and with few descriptors."""

import errno
import gc
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hosts.handloop import HandLoop
from waterspout.hosts.accepting import AT_ONCE, PAUSE, Acceptor

LOGGER = "waterspout.host"


class Entrance:
    """A door, the clients before it, and those that are in."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.loop = HandLoop()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.number = self.listener.fileno()
        self.inside: list[socket.socket] = []
        self.door = Acceptor(self.listener, self.loop, lambda connection, address: self.inside.append(connection))
        stack.callback(self.close)

    def come(self, clients: int) -> None:
        """Let so many clients knock; the kernel lets them in."""
        for _ in range(clients):
            self.stack.enter_context(socket.create_connection(self.listener.getsockname()))

    @property
    def is_watched(self) -> bool:
        return self.number in self.loop.readers

    def close(self) -> None:
        self.door.close()
        while self.inside:
            self.inside.pop().close()


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    with ExitStack() as stack:
        yield Entrance(stack)


@pytest.fixture
def limit() -> Iterator[None]:
    """Whatever a test does to the limit is undone."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def allow(descriptors: int) -> None:
    """Allow so many descriptors more than there are."""
    gc.unfreeze()
    gc.collect()  # what other tests have left gives its descriptors back now, and not in the middle of this one
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage().partition(" (")[0]) for record in caplog.records]


SHORT = ("WARNING", "descriptors are short")
ALL_IN = ("INFO", "descriptors are free again: all waiting clients are accepted")


def test_who_knocks_is_let_in_with_a_bounded_number_in_a_turn(entrance: Entrance) -> None:
    entrance.come(AT_ONCE + 1)
    entrance.loop.turn()
    assert len(entrance.inside) == AT_ONCE
    entrance.loop.turn()
    assert len(entrance.inside) == AT_ONCE + 1


@pytest.mark.usefixtures("limit")
@pytest.mark.parametrize("spare", [True, False], ids=["the last are spared", "there are none at all"])
def test_without_descriptors_the_loop_has_rest_and_all_come_in_when_others_have_gone(
    entrance: Entrance, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, spare: bool
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    monkeypatch.setattr("waterspout.hosts.accepting.SPARE", 4 if spare else 0)
    entrance.come(10)
    allow(9 if spare else 5)
    entrance.loop.turn()
    assert len(entrance.inside) == (6 if spare else 5)
    assert said(caplog) == [SHORT]
    for _ in range(5):
        assert not entrance.is_watched
        entrance.loop.advance(PAUSE)
    assert len(entrance.inside) == (6 if spare else 5)
    assert said(caplog) == [SHORT]
    while entrance.inside:
        entrance.inside.pop().close()
    entrance.loop.advance(PAUSE / 2)
    assert not entrance.is_watched
    entrance.loop.advance(PAUSE / 2)
    assert len(entrance.inside) == (4 if spare else 5)
    while entrance.inside:
        entrance.inside.pop().close()
    entrance.loop.advance(PAUSE)  # accept(2) wants a descriptor even where nobody waits
    assert entrance.is_watched
    assert said(caplog) == [SHORT, ALL_IN]


@pytest.mark.usefixtures("limit")
def test_while_clients_are_short_of_descriptors_others_may_open_files(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waterspout.hosts.accepting.SPARE", 4)
    entrance.come(20)
    allow(12)
    entrance.loop.turns(until=lambda: not entrance.is_watched)
    with ExitStack() as files:
        for _ in range(3):
            files.enter_context(open(os.devnull, "rb"))


@pytest.mark.usefixtures("limit")
def test_a_door_that_is_closed_while_it_waits_stays_closed(entrance: Entrance) -> None:
    entrance.come(10)
    allow(5)
    entrance.loop.turn()
    entrance.door.close()
    entrance.door.close()
    entrance.loop.advance(PAUSE)
    assert entrance.loop.readers == {}
    assert entrance.listener.fileno() == -1


@pytest.mark.usefixtures("limit")
def test_a_process_without_a_limit_is_never_short(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    entrance.come(2)
    entrance.loop.turn()
    assert (len(entrance.inside), entrance.is_watched) == (2, True)


class Gone:
    """A listener whose first client has gone before it is taken; accept(2) tells of that in many ways."""

    def __init__(self, listener: socket.socket, error: int) -> None:
        self._listener, self._errors = listener, [error]

    def accept(self) -> tuple[socket.socket, object]:
        if self._errors:
            raise OSError(self._errors.pop(), "gone")
        return self._listener.accept()

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN])
def test_a_client_that_has_gone_does_not_keep_the_next_one_out(error: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.setblocking(False)
        stack.enter_context(socket.create_connection(listener.getsockname()))
        loop = HandLoop()
        inside: list[socket.socket] = []
        door = Acceptor(Gone(listener, error), loop, lambda each, _: inside.append(each))  # type: ignore[arg-type]
        loop.turn()
        assert len(inside) == 1
        inside[0].close()
        door.close()
