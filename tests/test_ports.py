"""Ports for other processes: free, below the ephemeral range, and each is returned once."""

import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

import ports
from ports import BLOCK, first_ephemeral, free_port, ports_from

IN_ANOTHER_PROCESS = """
import sys
from ports import ports_from
print(*next(zip(*[ports_from(int(sys.argv[1]))] * 3)), flush=True)
input()
"""


def test_a_port_is_given_once_and_can_be_bound() -> None:
    given = [free_port() for _ in range(2 * BLOCK)]
    assert len(set(given)) == 2 * BLOCK
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", given[0]))
        other.bind(("127.0.0.1", given[1]))


def test_a_port_is_below_those_that_the_kernel_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_port() < first_ephemeral()
    monkeypatch.setattr(ports, "RANGE", tmp_path / "range")
    assert first_ephemeral() == 32_768
    for text, first in (("20000\t60999\n", 20_000), ("1024\t65535\n", 32_768)):
        (tmp_path / "range").write_text(text)
        assert first_ephemeral() == first
    (tmp_path / "range").write_text(f"{ports.LOWEST + BLOCK}\t60999\n")
    assert all(port < first_ephemeral() for port in ports_from(0))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
def test_a_port_that_is_in_use_is_passed_over(host: str) -> None:
    chosen = ports_from(0)
    first = next(chosen)
    with socket.create_server((host, first + 1)), socket.socket() as bound:
        bound.bind((host, first + 2))
        assert next(chosen) > first + 2


def test_a_port_of_a_connection_that_has_ended_is_passed_over() -> None:
    chosen = ports_from(0)
    first = next(chosen)
    with socket.create_server(("127.0.0.1", first + 1)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        accepted.close()
        client.close()
    assert next(chosen) > first + 1


def test_two_processes_that_begin_at_the_same_block_have_different_ports() -> None:
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, "7"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": Path(__file__).parent, "text": True}
    with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
        theirs = {int(port) for port in other.stdout.readline().split()}
        ours = set(islice(ports_from(7), 3))
        other.communicate("\n")
    assert len(theirs) == len(ours) == 3
    assert not theirs & ours
