"""Flash's policy, from a file (T2-20, WP-60)."""

import asyncio
import errno
import gc
import logging
import socket
from functools import partial
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from ports import free_port
from waterspout.faces.tornadio2 import flashserver
from waterspout.faces.tornadio2.flashserver import FlashPolicyServer

QUESTION = b"<policy-file-request/>\0"
POLICY = '<cross-domain-policy><allow-access-from domain="é" to-ports="*"/></cross-domain-policy>\n'


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listen where nobody else can ask."""
    monkeypatch.setattr(flashserver, "bind_sockets", partial(bind_sockets, address="127.0.0.1"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.xml"
    path.write_text(POLICY, "utf-8")
    return path


async def ask(port: int, question: bytes = QUESTION) -> bytes:
    """Send this, and read until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question)
    try:
        return await reader.read()
    finally:
        writer.close()


def test_a_question_is_answered_with_the_file_and_a_nul(file: Path) -> None:
    async def main() -> bytes:
        server = FlashPolicyServer(IOLoop.current(), 0, str(file))
        answer = await ask(server.port)
        server.stop()
        return answer

    assert asyncio.run(main()) == POLICY.encode() + b"\0"


def test_the_file_is_read_for_each_question_and_has_one_nul(file: Path) -> None:
    async def main() -> list[bytes]:
        server = FlashPolicyServer(port=0, policy_file=str(file))
        answers = []
        for content in (b"one", b"two\0"):
            file.write_bytes(content)
            answers.append(await ask(server.port))
        server.stop()
        return answers

    assert asyncio.run(main()) == [b"one\0", b"two\0"]


def test_several_may_ask_at_once(file: Path) -> None:
    async def main() -> list[bytes]:
        server = FlashPolicyServer(None, 0, str(file))
        answers = await asyncio.gather(*(ask(server.port) for _ in range(5)))
        server.stop()
        return answers

    assert asyncio.run(main()) == [POLICY.encode() + b"\0"] * 5


def test_any_other_question_ends_the_connection_without_a_word(file: Path) -> None:
    async def main() -> bytes:
        server = FlashPolicyServer(None, 0, str(file))
        answer = await ask(server.port, b"GET /flashpolicy.xml H")
        server.stop()
        return answer

    assert asyncio.run(main()) == b""


def test_without_its_file_it_says_nothing_and_logs_why(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> bytes:
        server = FlashPolicyServer(None, 0, str(file))
        file.unlink()
        answer = await ask(server.port)
        server.stop()
        return answer

    assert asyncio.run(main()) == b""
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("tornadio2.flashserver", logging.WARNING)
    assert str(file) in record.getMessage()


def test_it_listens_as_soon_as_it_is_made_and_answers_when_the_loop_runs(file: Path) -> None:
    io_loop = IOLoop(make_current=False)
    server = FlashPolicyServer(io_loop, 0, str(file))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(QUESTION)
        client.setblocking(False)
        answer = bytearray()

        async def read() -> None:
            while piece := await asyncio.get_running_loop().sock_recv(client, 1000):
                answer.extend(piece)

        io_loop.run_sync(read)
    server.stop()
    io_loop.close()
    assert answer == POLICY.encode() + b"\0"


def test_it_can_be_stopped_before_the_loop_runs_and_twice(file: Path) -> None:
    async def main() -> None:
        server = FlashPolicyServer(None, free_port(), str(file))
        server.stop()
        server.stop()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await ask(server.port)

    asyncio.run(main())


def test_it_listens_no_more_when_it_is_stopped(file: Path) -> None:
    async def main() -> None:
        server = FlashPolicyServer(None, free_port(), str(file))
        await ask(server.port)
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            await ask(server.port)

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_a_port_that_cannot_be_had_is_an_error(file: Path) -> None:
    async def main(port: int) -> None:
        with pytest.raises(OSError) as refused:
            FlashPolicyServer(None, port, str(file))
        assert refused.value.errno == errno.EADDRINUSE

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(main(taken.getsockname()[1]))
    gc.collect()  # Tornado's `bind_sockets` leaves a socket that it could not bind to the collector


def test_its_port_and_its_file_have_their_old_defaults_and_it_is_open_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[object] = []

    def bind(*args: object) -> list[socket.socket]:
        bound.extend(args)
        return bind_sockets(0, "127.0.0.1")

    monkeypatch.setattr(flashserver, "bind_sockets", bind)

    async def main() -> FlashPolicyServer:
        server = FlashPolicyServer(None)
        server.stop()
        return server

    assert asyncio.run(main()).policy_file == "flashpolicy.xml"
    assert bound == [843]
