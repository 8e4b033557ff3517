"""Addresses, Unix sockets and certificates of a process of its own."""

import socket
from pathlib import Path

import pytest

from waterspout import CannotStart
from waterspout.hosts.listeners import listen, unix_listener, urls


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


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 108))
    with pytest.raises(CannotStart, match="choose another path"), unix_listener(path):
        pass
