"""Clients that reset their connection (CVE-2022-41940), wherever they are in what they say."""

import asyncio
import socket
import struct
from collections.abc import Iterable

import pytest

from hosts.client import opening, request, target, text
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.websocket import echoes
from waterspout.testing import client_frame

CONVERSATION = text("40", '420["echo",1]') + client_frame(9, b"?") + client_frame(8, b"\x03\xe8")


@pytest.mark.usefixtures("quiet")
class Resets:
    """A host's tests of resets; a host that serves at a Unix socket only has none."""

    @pytest.mark.parametrize("eio", [3, 4])
    async def test_a_reset_at_each_byte_of_the_handshake_and_behind_it(self, host: Host, eio: int) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket(eio=eio)
        await reset_at_each_byte(host, opening(eio=eio) + CONVERSATION)
        assert await echoes(neighbour)
        await host.until(lambda: len(echo.server.engine.sessions) == 1)

    async def test_a_reset_at_each_byte_of_an_upgrade_leaves_the_session_on_polling(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        await reset_at_each_byte(host, opening(session.sid) + text("2probe"))
        await host.until(lambda: echo.server.engine.sessions[session.sid].can_upgrade)
        assert (await session.post('420["echo",1]')).body == b"ok"
        assert await session.get() == "430[1]"

    async def test_a_reset_at_each_byte_of_a_poll_and_a_post(self, host: Host) -> None:
        """A session ends with the first of its requests that is given up, so there is one for each."""
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        body = b'42["echo",1]'
        for size in range(0, len(request("POST", target("polling", "x" * 22), body=body)), 5):
            session = await host.session()
            await reset(host, [request("POST", session.target(), body=body)[:size]])
            await reset(host, [request("GET", session.target())[:size]])
        assert await echoes(neighbour)

    @pytest.mark.parametrize("more", [b"", text("40"), text("40", '420["echo",1]')[:-3]])
    async def test_a_reset_once_the_handshake_is_answered(self, host: Host, more: bytes) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        for _ in range(20):
            wire = await host.connect()
            wire.send(opening())
            assert (await wire.answer()).status == 101
            wire.send(more)
            wire.reset()
        assert await echoes(neighbour)
        await host.until(lambda: len(echo.server.engine.sessions) == 1)

    async def test_a_reset_while_the_server_has_much_to_say(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wires = [await host.websocket() for _ in range(5)]
        for wire in wires[1:]:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(9):
            echo.server.emit("much", "x" * 100_000)
        for wire in wires[1:]:
            wire.reset()
        for _ in range(9):
            assert len(await wires[0].text()) > 100_000
        await host.until(lambda: len(echo.left) == 4)
        assert await echoes(wires[0])


async def reset_at_each_byte(host: Host, whole: bytes) -> None:
    await reset(host, (whole[:size] for size in range(len(whole) + 1)))


async def reset(host: Host, beginnings: Iterable[bytes]) -> None:
    """Say each of these on a connection of its own, and reset it in the same moment."""
    for beginning in beginnings:
        with socket.create_connection(("127.0.0.1", host.port)) as sock:
            sock.send(beginning)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await asyncio.sleep(0)
