"""Addresses, Unix sockets and certificates of a process of its own."""

import errno
import fcntl
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from waterspout import CannotStart
from waterspout.hosts import listeners as module
from waterspout.hosts.listeners import announce, inherited, listen, unix_listener, urls

IPV6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")


def test_port_0_becomes_the_one_port_of_all_addresses() -> None:
    listeners = listen("localhost", 0)
    ports = {listener.getsockname()[1] for listener in listeners}
    addresses = urls(listeners, secure=True)
    for listener in listeners:
        listener.close()
    assert len(ports) == 1
    assert 0 not in ports
    assert all(address.startswith("https://") and address.endswith(f":{ports.copy().pop()}/") for address in addresses)


def test_the_url_of_all_interfaces_can_be_opened() -> None:
    (listener,) = listen("0.0.0.0", 0)
    port = listener.getsockname()[1]
    assert urls([listener], secure=False) == [f"http://127.0.0.1:{port}/"]
    listener.close()


def test_servers_of_several_threads_tell_each_of_its_address_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Output:
        def write(self, text: str) -> None:
            if text:
                written.append(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stdout", Output())
    announce("chat:server", ["http://127.0.0.1:1/", "http://[::1]:1/"], ["localhost"])
    told = "Waterspout serves chat:server at http://127.0.0.1:1/ and http://[::1]:1/ (stop: Ctrl+C)\n"
    assert written == [told]


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".invalid", "no.such.invalid"])
def test_a_name_that_is_not_known_is_refused(host: str) -> None:
    with pytest.raises(CannotStart, match="the host name is not known"):
        listen(host, 0)


def test_a_unix_socket_that_another_process_has_replaced_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with unix_listener(str(path)):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.is_socket()


def test_a_unix_socket_may_be_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with unix_listener(str(path)):
        path.unlink()
    assert not path.exists()


def test_a_socket_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(CannotStart, match="another program does"), unix_listener(str(path)):
            pass
    assert path.is_socket()


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    """A socket file that nobody listens at."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    return path


def test_two_that_start_at_once_do_not_remove_what_the_other_has_made(
    stale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = os.open(stale.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with socket.socket(socket.AF_UNIX) as other:

        def go_on(seconds: float) -> None:
            stale.unlink()
            other.bind(str(stale))
            other.listen()
            os.close(folder)

        monkeypatch.setattr(time, "sleep", go_on)
        with pytest.raises(CannotStart, match="another program does"), unix_listener(str(stale)):
            pass


def test_a_folder_that_stays_locked_is_used_all_the_same(stale: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    folder = os.open(stale.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with unix_listener(str(stale)):
        assert sum(pauses) < 1
    os.close(folder)


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    for path in (str(tmp_path / ("x" * 108)), f"{tmp_path}/\0/s.sock"):
        with pytest.raises(CannotStart, match="choose another path"), unix_listener(path):
            pass


def places(host: str, port: int) -> list[tuple[str, int]]:
    """Listen, and return where."""
    listeners = listen(host, port)
    found = [listener.getsockname()[:2] for listener in listeners]
    for listener in listeners:
        listener.close()
    return found


@IPV6
def test_localhost_is_both_addresses_of_this_machine() -> None:
    (four, port), (six, same) = places("localhost", 0)
    assert (four, six) == ("127.0.0.1", "::1")
    assert port == same


def test_without_ipv6_localhost_is_one_address_and_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCAL", (module._LOCAL[0], (socket.AF_INET6, ("2001:db8::1", 0))))
    ((host, _),) = places("localhost", 0)
    assert host == "127.0.0.1"


@IPV6
def test_what_is_open_is_closed_when_the_second_address_is_in_use() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"cannot listen at localhost:{port}: it is in use"):
            listen("localhost", port)
        assert places("127.0.0.1", port) == [("127.0.0.1", port)]


def test_another_port_is_taken_when_a_free_one_is_in_use_at_the_second_address(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def once(host: str, port: int) -> list[socket.socket]:
        tried.append(port)
        if len(tried) == 1:
            raise OSError(errno.EADDRINUSE, "in use")
        return real(host, port)

    real = module._listen
    monkeypatch.setattr(module, "_listen", once)
    assert len(places("127.0.0.1", 0)) == 1
    assert tried == [0, 0]
    tried.clear()
    with pytest.raises(CannotStart, match="it is in use"):
        listen("127.0.0.1", 8000)


def test_sockets_of_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    with inherited() as sockets:
        assert sockets == []
    assert os.environ["LISTEN_FDS"] == "1"


@pytest.mark.parametrize("count", ["", "-1", "many", "\u0661", "9" * 5000])
def test_a_number_of_sockets_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", count)
    with pytest.raises(CannotStart, match="unset both") as caught, inherited():
        pass
    assert len(str(caught.value)) < 200
