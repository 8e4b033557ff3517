"""What Flash asks for on a port of its own (docs/protocol-1.md, WP-60)."""

import asyncio
import logging
import socket
from collections.abc import Callable

import pytest

from hosts.host import PATIENCE, sockets
from hosts.suite.vanishing import half_close, reset
from hosts.tornado_host import LOOPS
from ports import free_port
from waterspout import Server
from waterspout.hosts import flashpolicy, standalone
from waterspout.hosts.flashpolicy import serve_policy

QUESTION = b"<policy-file-request/>\0"


async def ask(port: int, *pieces: bytes) -> bytes:
    """Send this, and read until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await reader.read()
    writer.close()
    return answer


def port_of(server: asyncio.Server | None) -> int:
    assert server is not None
    number: int = server.sockets[0].getsockname()[1]
    return number


@pytest.mark.parametrize("pieces", [[QUESTION], [bytes((byte,)) for byte in QUESTION]])
def test_the_question_is_answered_and_the_connection_ended(pieces: list[bytes]) -> None:
    async def main() -> bytes:
        server = await serve_policy("127.0.0.1", 0, domains=("a.example", '"<'), ports="80,8000")
        assert server is not None
        async with server:
            return await ask(port_of(server), *pieces)

    assert asyncio.run(main()) == (
        b'<cross-domain-policy><allow-access-from domain="a.example" to-ports="80,8000"/>'
        b'<allow-access-from domain="&quot;&lt;" to-ports="80,8000"/></cross-domain-policy>\0'
    )


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"<policy-file-request/>x", b"\0" * 100_000])
def test_anything_else_ends_the_connection_without_a_word(said: bytes) -> None:
    async def main() -> bytes:
        server = await serve_policy("127.0.0.1", 0)
        assert server is not None
        async with server:
            try:
                return await ask(port_of(server), said)
            except ConnectionError:
                return b""

    assert asyncio.run(main()) == b""


def test_who_asks_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flashpolicy, "PATIENCE", 0.01)

    async def main() -> bytes:
        server = await serve_policy("127.0.0.1", 0)
        assert server is not None
        async with server:
            try:
                return await ask(port_of(server), QUESTION[:-1])
            except ConnectionError:
                return b""

    assert asyncio.run(main()) == b""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", [reset, half_close])
@pytest.mark.parametrize("said", [b"", QUESTION[:-1], QUESTION])
def test_who_asks_and_is_gone_in_the_same_instant_leaves_no_descriptor(
    loop: str, said: bytes, way: Callable[[socket.socket], None]
) -> None:
    async def main() -> None:
        server = await serve_policy("127.0.0.1", 0)
        assert server is not None
        async with server, asyncio.timeout(PATIENCE):
            before = sockets()
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", port_of(server))) as client:
                    client.sendall(said)
                    way(client)
                    await asyncio.sleep(0)
            while sockets() != before:
                await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


def test_a_port_that_cannot_be_had_is_reported_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert asyncio.run(serve_policy("127.0.0.1", port)) is None
    (message,) = caplog.messages
    assert message.startswith(f"no policy for Flash: port {port} cannot be had: ")
    assert caplog.records[0].levelno == logging.WARNING


def test_a_site_serves_it_for_its_own_port_and_only_if_it_is_asked_to() -> None:
    port = free_port()
    site = standalone.Site(bind=[("127.0.0.1", 0)], flash_policy_port=port, flash_policy_domains=("a.example",))

    async def main() -> tuple[str, bytes]:
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(standalone.serve(Server(), site, ready=ready.set_result, stop=stop))
        (url,) = await ready
        answer = await ask(port, QUESTION)
        stop.set()
        await serving
        with pytest.raises(ConnectionRefusedError):
            await ask(port, QUESTION)
        return url, answer

    url, answer = asyncio.run(main())
    own_port = url.rstrip("/").rpartition(":")[2]
    assert f'domain="a.example" to-ports="{own_port}"'.encode() in answer
    assert standalone.Site().flash_policy_port is None
