"""Processes that share a port: what Linux tells of them, and what it does not."""

import os
import socket
from pathlib import Path

import pytest

from waterspout.hosts import siblings

PARENT = 1  # in a container, what starts the workers is the first process


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder /proc of a machine where inode 7 listens at port 80."""
    monkeypatch.setattr(siblings, "_PROC", tmp_path)
    monkeypatch.setattr(os, "getppid", lambda: PARENT)
    (tmp_path / "net").mkdir()
    line = "0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1"
    (tmp_path / "net" / "tcp").write_text(f"head\n{line}\n")
    return tmp_path


def runs(proc: Path, pid: int, parent: int, inode: int) -> None:
    """Let a process run that has this socket."""
    folder = proc / str(pid) / "fd"
    folder.mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) S {parent} 0")
    (folder / "3").symlink_to(f"socket:[{inode}]")


@pytest.mark.parametrize(
    ("parent", "inode", "found"), [(PARENT, 7, True), (PARENT, 8, False), (PARENT + 1, 7, False), (0, 7, False)]
)
def test_another_child_of_the_same_parent_that_has_the_socket_is_one(
    proc: Path, parent: int, inode: int, found: bool
) -> None:
    runs(proc, os.getpid(), PARENT, 7)
    runs(proc, PARENT, 0, 7)
    runs(proc, os.getpid() + 1, parent, inode)
    assert siblings.has_siblings(80) is found
    assert not siblings.has_siblings(81)


def test_without_a_parent_there_is_none(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process of a container has none that it knows, and what somebody starts beside it has not either."""
    monkeypatch.setattr(os, "getppid", lambda: 0)
    runs(proc, os.getpid() + 1, 0, 7)
    assert not siblings.has_siblings(80)


def test_one_process_alone_has_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not siblings.has_siblings(listener.getsockname()[1])
