"""The system call that sends: os.write, and what stands in for it where it could be compiled."""

import os
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from waterspout.hosts import socketlink

Send = Callable[[int, bytes | memoryview], int]


@pytest.fixture(params=["C", "Python"])
def send(request: pytest.FixtureRequest) -> Send:
    if request.param == "Python":
        return os.write
    compiled: Send = pytest.importorskip("waterspout.hosts._send", reason="_send.c is not compiled here").send
    return compiled


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        yield one, other


def test_a_link_sends_with_what_was_compiled() -> None:
    compiled = pytest.importorskip("waterspout.hosts._send", reason="_send.c is not compiled here")
    assert socketlink.SYSTEM[1] is compiled.send


def test_it_sends_bytes_and_what_is_left_of_them(send: Send, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    assert send(one.fileno(), b"hello") == 5
    assert send(one.fileno(), memoryview(b"hello")[3:]) == 2
    assert send(one.fileno(), b"") == 0
    assert other.recv(100) == b"hellolo"


def test_it_takes_what_there_is_room_for_and_then_blocks(send: Send, pair: tuple[socket.socket, socket.socket]) -> None:
    one, _ = pair
    data = bytes(10_000_000)
    references = sys.getrefcount(data)
    assert 0 < send(one.fileno(), data) < len(data)
    for _ in range(10):
        with pytest.raises(BlockingIOError):
            send(one.fileno(), data)
    assert sys.getrefcount(data) == references


def test_a_connection_that_has_ended_is_an_error(send: Send, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    other.close()
    with pytest.raises(BrokenPipeError):
        send(one.fileno(), b"hello")
    with pytest.raises(OSError, match="Bad file descriptor"):
        send(-1, b"hello")


@pytest.mark.parametrize("arguments", [(), (1,), ("1", b""), (1, "text"), (1, b"", 0)])
def test_other_arguments_are_a_type_error(send: Send, arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        send(*arguments)  # type: ignore[arg-type]
