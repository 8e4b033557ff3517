"""An entry: lines in and lines out in memory, and at a Unix socket that nobody but its owner can use."""

import asyncio
import gc
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hosts.host import PATIENCE, sockets
from hosts.suite.vanishing import half_close, reset
from hosts.tornado_host import LOOPS
from turns import turn, until
from waterspout import CannotStart, Engine, Server
from waterspout.hosts import entry, standalone
from waterspout.hosts import entry as module
from waterspout.hosts.entry import EntryConnection, LocalEntry, serve_entry
from waterspout.hosts.loops import settle
from waterspout.hosts.residence import Residence

ONE = b'{"publish":"prices","data":1}\n'


class Wire(asyncio.Transport):
    """A transport in memory: what was written, and what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_over = False
        self.reads = True
        self.socket, self._other = socket.socketpair()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True
        self.socket.close()
        self._other.close()

    abort = close

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def answers(self) -> list[Any]:
        return [json.loads(line) for line in self.written.splitlines()]


class Room:
    """A server with a channel, and an entry without a socket."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(**options)
        self.prices = self.server.channel("prices")
        settle(Residence.of(self.server.engine))
        self.entry = LocalEntry(self.server, "memory")
        self.entry.resources = ExitStack()
        self.wires: list[Wire] = []

    def connect(self) -> tuple[EntryConnection, Wire]:
        connection, wire = EntryConnection(self.entry), Wire()
        self.wires.append(wire)
        connection.connection_made(wire)
        return connection, wire


def in_memory(test: Callable[[Room], Awaitable[None]], **options: Any) -> None:
    """Run a test with a room, and end its connections."""

    async def main() -> None:
        room = Room(**options)
        try:
            await test(room)
        finally:
            for connection in list(room.entry.connections):
                connection.connection_lost(None)
            for wire in room.wires:
                wire.close()

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_are_answered_in_order_however_they_arrive(size: int) -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        sent = ONE * 2 + b"nonsense\n" + ONE
        for start in range(0, len(sent), size):
            connection.data_received(sent[start : start + size])
        await until(lambda: len(wire.answers()) == 4)
        ids = [answer.get("id") for answer in wire.answers()]
        assert [str(id)[-2:] for id in ids] == ["-1", "-2", "ne", "-3"]
        assert not wire.is_over

    in_memory(test)


def test_one_command_is_carried_out_in_a_turn_and_no_more_is_read_meanwhile() -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        connection.data_received(ONE * 3)
        assert (len(wire.answers()), wire.reads) == (1, False)
        await until(lambda: len(wire.answers()) == 3)
        assert not wire.reads
        await turn()
        assert wire.reads

    in_memory(test)


def test_a_client_that_does_not_read_its_answers_is_read_no_further() -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        connection.pause_writing()
        connection.data_received(ONE)
        await turn()
        assert wire.answers() == []
        connection.resume_writing()
        assert len(wire.answers()) == 1

    in_memory(test)


def test_the_last_line_may_end_with_the_clients_half_of_the_connection() -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        connection.data_received(ONE + ONE.rstrip())
        assert connection.eof_received()
        await until(lambda: wire.is_over)
        assert len(wire.answers()) == 2

    in_memory(test)


def test_the_end_of_a_client_that_has_sent_nothing_ends_its_connection() -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        assert not connection.eof_received()
        assert wire.is_over
        assert wire.answers() == []

    in_memory(test)


@pytest.mark.parametrize("end", [b"", b"\n" + ONE])
def test_a_line_that_is_too_long_is_refused_and_ends_the_connection(end: bytes) -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        connection.data_received(b"x" * 1001 + end)
        connection.data_received(ONE)
        await turn()
        (answer,) = wire.answers()
        assert answer["error"]["message"].startswith("the line has more than 1000 bytes (max_payload_bytes): send less")
        assert wire.is_over
        assert room.prices.last_id.endswith("-0")

    in_memory(test, max_payload_bytes=1000)


def test_a_slow_line_is_searched_once() -> None:
    class Searched(bytearray):
        looked_at = 0

        def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
            self.looked_at += len(self) - start
            return super().find(sub, start)

    async def test(room: Room) -> None:
        connection, _ = room.connect()
        connection._unread = unread = Searched()
        for _ in range(1000):
            connection.data_received(b"xx")
        assert unread.looked_at == 2000

    in_memory(test)


def test_what_was_not_carried_out_is_dropped_with_its_client() -> None:
    async def test(room: Room) -> None:
        connection, wire = room.connect()
        connection.data_received(ONE * 10)
        wire.close()
        connection.connection_lost(None)
        for _ in range(20):
            await turn()
        assert room.prices.last_id.endswith("-1")
        assert not room.entry.connections

    in_memory(test)


def test_more_connections_than_there_may_be_are_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)

    async def test(room: Room) -> None:
        first, _ = room.connect()
        room.connect()
        for _ in range(5):
            refused, wire = room.connect()
            (answer,) = wire.answers()
            assert answer["error"]["message"] == "the entry has 2 connections already: close some, and try again"
            assert wire.is_over
            refused.connection_lost(None)
        first.connection_lost(None)
        connection, wire = room.connect()
        connection.data_received(ONE)
        assert "id" in wire.answers()[0]

    in_memory(test)
    assert len(caplog.messages) == 1


def test_a_client_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(socket, "SO_PEERCRED"):
        pytest.skip("this system does not tell who has connected")
    user = os.geteuid() + 1  # a kernel that says so; test_another_user_cannot_connect has a real one

    class Credentials:
        size = 12

        def unpack(self, data: bytes) -> tuple[int, int, int]:
            return 1, user, 1

    monkeypatch.setattr(entry, "_CREDENTIALS", Credentials())

    async def test(room: Room) -> None:
        _, wire = room.connect()
        assert wire.answers()[0]["error"]["message"].startswith(f"it has the user id {user}, and this entry is for")
        assert wire.is_over

    in_memory(test)


# At a Unix socket


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Run a coroutine on a loop of each kind."""

    def run(main: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(asyncio.wait_for(main, PATIENCE))

    return run


async def ask(path: Path, sent: bytes) -> list[Any]:
    """Send lines, end that half, and read the answers to the end."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    writer.write_eof()
    answers = await reader.read()
    writer.close()
    return [json.loads(line) for line in answers.splitlines()]


def test_an_entry_is_open_until_its_server_is_closed(run: Callable[[Any], None], tmp_path: Path) -> None:
    path = tmp_path / "entry"

    async def main() -> None:
        server = Server()
        prices = server.channel("prices")
        entry = await serve_entry(server, str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(await ask(path, ONE * 300)) == 300
        assert prices.last_id.endswith("-300")
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(path))
            await until(lambda: entry.connections)
            await server.close()
            assert not path.exists()
            await until(lambda: not entry.connections)
            assert idle.recv(1) == b""

    run(main())


def test_the_mode_is_set_before_anybody_can_connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "entry"
    chmod, seen = os.chmod, []

    def connect_before(*args: Any) -> None:
        with socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
            early.connect(str(path))
        seen.append(args)
        chmod(*args)

    monkeypatch.setattr(os, "chmod", connect_before)

    async def main() -> None:
        (await serve_entry(Server(), str(path))).close()

    asyncio.run(main())
    assert seen == [(str(path), 0o600)]


def test_a_line_that_does_not_end_in_time_ends_its_connection(
    run: Callable[[Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)

    async def main() -> None:
        entry = await serve_entry(Server(), str(tmp_path / "entry"))
        reader, writer = await asyncio.open_unix_connection(tmp_path / "entry")
        writer.write(b'{"publish"')
        assert await reader.read() == b""
        writer.close()
        entry.close()

    run(main())


@pytest.mark.parametrize("way", [reset, half_close])
@pytest.mark.parametrize("said", [b"", ONE[:-5], ONE * 50, b"x" * 2_000_000])
def test_a_client_that_is_gone_leaves_nothing(
    run: Callable[[Any], None],
    tmp_path: Path,
    way: Callable[[socket.socket], None],
    said: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = str(tmp_path / "entry")

    async def main() -> None:
        server = Server()
        prices = server.channel("prices")
        entry = await serve_entry(server, path)
        before = sockets()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.setblocking(False)
            client.send(said) if said else None
            way(client)
            await turn()
        await until(lambda: not entry.connections and sockets() == before)
        assert len(await ask(Path(path), ONE)) == 1
        assert prices.count == 0
        entry.close()

    run(main())
    gc.collect()
    assert caplog.messages == []


def test_a_path_that_another_process_has_is_refused_before_the_server_starts(tmp_path: Path) -> None:
    path = str(tmp_path / "entry")

    async def main() -> None:
        entry = await serve_entry(Server(), path)
        second = Server()
        with pytest.raises(CannotStart, match="another program does; stop it or choose another path"):
            await serve_entry(second, path)
        assert second.engine.host is None
        entry.close()
        (await serve_entry(second, path)).close()

    asyncio.run(main())


def test_a_file_that_a_dead_process_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def main() -> None:
        server = Server()
        kept = server.channel("prices")
        entry = await serve_entry(server, str(path))
        assert len(await ask(path, ONE)) == 1
        assert kept.last_id.endswith("-1")
        entry.close()

    asyncio.run(main())


def test_an_engine_has_no_channels_and_no_entry(tmp_path: Path) -> None:
    class Echo:
        def open(self, session: Any, request: Any) -> None: ...
        def message(self, session: Any, data: Any) -> None: ...
        def close(self, session: Any, reason: Any) -> None: ...

    site = standalone.Site(bind=[("127.0.0.1", 0)], entry=str(tmp_path / "entry"))
    with pytest.raises(CannotStart, match="it is for a waterspout\\.Server, which"):
        standalone.run(Engine(Echo()), site)


STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    try:
        client.connect(sys.argv[1])
    except PermissionError:
        print("not permitted")
    else:
        print(client.makefile().readline(), end="")
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user may read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "entry"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="this system does not tell who has connected")
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_another_user_cannot_connect_and_is_refused_where_the_mode_was_changed(public: Path, mode: int) -> None:
    async def main() -> str:
        entry = await serve_entry(Server(), str(public))
        os.chmod(public, mode)
        command = [sys.executable, "-I", "-S", "-c", STRANGER, str(public)]
        done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=PATIENCE)
        entry.close()
        return done.stdout.decode()

    said = asyncio.run(main())
    if mode == 0o600:
        assert said == "not permitted\n"
    else:
        assert "it has the user id 65534, and this entry is for 0 and root: run it as one of them" in said
