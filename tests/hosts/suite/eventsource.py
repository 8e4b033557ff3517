"""Server-Sent Events over real connections: how the answer begins, is framed, and ends."""

import asyncio
from typing import Any

import pytest

from hosts.client import Wire, request
from hosts.host import Host
from waterspout import HandshakeRefused, Request, Server
from waterspout.hosts import adopting
from waterspout.server import Channel, Text


async def chunk(wire: Wire) -> bytes:
    """Read a chunk, b"" for the last."""
    size = int(await wire.reader.readline(), 16)
    content = await wire.reader.readexactly(size)
    assert await wire.reader.readexactly(2) == b"\r\n"
    return content


async def head(wire: Wire) -> dict[str, str]:
    """Read the head of an answer with the status 200."""
    lines = (await wire.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    assert lines[0].startswith("HTTP/1.1 200 ")  # the phrase behind it is optional
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}


async def listen(host: Host, path: str = "/prices", *fields: tuple[str, str]) -> Wire:
    """Begin to listen, and read up to the end of `stream-open`."""
    wire = await host.connect()
    wire.send(request("GET", path, *fields))
    assert (await head(wire))["transfer-encoding"] == "chunked"
    assert (await chunk(wire)).startswith(b"event: stream-open\n")
    return wire


class EventSources:
    """The tests of one host; it has a fixture `host`."""

    async def test_events_come_one_by_one_each_in_a_chunk(self, host: Host) -> None:
        server = Server()
        prices = server.channel("prices")
        server.expose("/prices", prices)
        await host.serve(server)
        wires = [await listen(host) for _ in range(3)]
        for value in range(3):
            id = await prices.publish(Text(f"{value}\n"))
            for wire in wires:
                assert await chunk(wire) == f"data: {value}\ndata: \nid: {id}\n\n".encode()
        stats = server.stats()
        assert (stats.sessions, stats.opened) == ({"EventSource": {"event-stream": 3}}, 3)
        assert stats.messages_out == 3 * len(["head", "stream-open", 0, 1, 2])
        await server.close()
        assert server.stats().closed == {"server shutting down": 3}
        for wire in wires:
            assert (await chunk(wire)).startswith(b"retry: ")
            assert await wire.rest() == b""  # without the last chunk

    async def test_who_asks_while_the_server_closes_gets_an_incomplete_answer(self, host: Host) -> None:
        server = Server()
        server.expose("/prices", server.channel("prices"))
        await host.serve(server)
        wires = [await host.connect() for _ in range(2)]
        await server.close()
        wires[0].send(request("GET", "/prices"))
        assert (await head(wires[0]))["content-type"] == "text/event-stream"
        assert (await chunk(wires[0])).startswith(b"retry: ")
        assert await wires[0].rest() == b""  # without the last chunk
        assert (await wires[1].ask("HEAD", "/prices")).status == 200

    async def test_the_end_of_a_channel_is_the_last_chunk_and_then_there_is_no_content(self, host: Host) -> None:
        server = Server()
        run = server.channel("run", start="earliest")
        server.expose("/run", run)
        await host.serve(server)
        run.publish("a")
        wire = await listen(host, "/run")
        assert (await chunk(wire)).startswith(b'data: "a"\n')
        last = await run.end()
        assert (await chunk(wire)).startswith(b"event: stream-end\n")
        assert await chunk(wire) == b""
        assert await wire.rest() == b""
        again = await (await host.connect()).ask("GET", "/run", ("Last-Event-ID", last))
        assert again.status == 204
        await server.close()

    async def test_a_function_may_take_its_time_and_refuse(self, host: Host) -> None:
        server = Server()
        await host.serve(server)

        @server.expose("/runs/{run_id}")  # after the host has mounted the server
        async def find(request: Request, run_id: str) -> Channel:
            await asyncio.sleep(0)
            if run_id != "7":
                raise HandshakeRefused(404, f"there is no run {run_id}")
            return server.channel("run 7")

        await listen(host, "/runs/7")
        wire = await host.connect()
        refused = await wire.ask("GET", "/runs/8")
        assert (refused.status, refused.body) == (404, b"there is no run 8")
        assert (await wire.ask("HEAD", "/runs/7")).status == 200  # on the same connection
        assert (await wire.ask("POST", "/runs/7", body=b"x")).status == 405
        await server.close()

    async def test_a_client_of_http_1_0_gets_the_content_without_chunks(self, host: Host) -> None:
        server = Server()
        prices = server.channel("prices")
        server.expose("/prices", prices)
        await host.serve(server)
        wire = await host.connect()
        wire.send(request("GET", "/prices", version="1.0"))
        fields = await head(wire)
        assert "transfer-encoding" not in fields
        assert fields["connection"] == "close"
        await wire.reader.readuntil(b"\n\n")
        id = await prices.publish(1)
        assert await wire.reader.readuntil(b"\n\n") == f"data: 1\nid: {id}\n\n".encode()
        await server.close()

    async def test_a_client_that_goes_is_noticed_however_it_goes(self, host: Host) -> None:
        server = Server()
        prices = server.channel("prices")
        exposure = server.expose("/prices", prices)
        gone: list[Any] = []
        exposure.on_unsubscribe(gone.append)
        await host.serve(server)
        for way in (Wire.reset, Wire.abort, Wire.end):
            wire = await listen(host)
            assert prices.count == 1
            way(wire)
            await host.until(lambda: not prices.count)
        await host.until(lambda: len(gone) == 3)
        assert not server.engine.sessions
        await server.close()

    async def test_one_that_never_reads_is_cut_and_the_others_go_on(self, host: Host) -> None:
        server = Server(max_outbox_bytes=100_000)
        prices = server.channel("prices", history_bytes=50_000_000, history=1000)
        server.expose("/prices", prices)
        await host.serve(server)
        lazy, other = await listen(host), await listen(host)
        lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent = 0
        while prices.count == 2:
            sent += 1
            await prices.publish(Text("x" * 100_000))
            assert len(await chunk(other)) > 100_000
            assert sent < 1000
        assert server.stats().slow_consumers == 1
        await prices.publish(Text("last"))
        assert (await chunk(other)).startswith(b"data: last\n")
        await server.close()

    async def test_one_that_has_frozen_holds_up_nobody_for_ever(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adopting, "_PATIENCE", 0.2)
        server = Server(max_outbox_bytes=10_000_000)
        prices = server.channel("prices")
        server.expose("/prices", prices)
        await host.serve(server)
        wire = await listen(host)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while prices.count:
            await prices.publish(Text("x" * 1_000_000))
            if host.unix is not None and not prices.drain().done:
                wire.reset()  # only TCP has a limit
            await prices.drain()
        assert server.stats().closed == {"transport close": 1}
        await server.close()

    async def test_what_was_missed_comes_whole_however_much_it_is(self, host: Host) -> None:
        server = Server(max_outbox_bytes=100_000)
        prices = server.channel("prices", history_bytes=50_000_000, history=1000)
        server.expose("/prices", prices)
        await host.serve(server)
        for number in range(100):
            prices.publish(Text(f"{number} " + "x" * 50_000))
        wire = await listen(host, "/prices?last_event_id=earliest")
        for number in range(100):
            assert (await chunk(wire)).startswith(b"data: %d x" % number)
        await server.close()
