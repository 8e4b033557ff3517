"""`@socket.io/redis-emitter` of Node, beside servers whose adapter reads what it publishes."""

import asyncio
import json
from collections.abc import Callable
from logging import LogRecord
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from redisserver import RedisServer
from waterspout import Server
from waterspout.adapters.redis import RedisAdapter
from waterspout.hosts.tornado import routes

HERE = Path(__file__).parent
WATCHDOG_SECONDS = 60


async def results(node: str, redis: RedisServer, dropped: Callable[[], list[str]]) -> str:
    """Run two servers, and the script beside them; return what that prints, when each has dropped what is broken."""
    servers = [
        Server(adapter=RedisAdapter(redis.url, node_emitters="socket.io")),
        Server(adapter=f"{redis.url}?node_emitters=socket.io"),
    ]
    ports, sites = [], []
    for server in servers:
        listener, port = bind_unused_port()
        sites.append(HTTPServer(Application(routes(server))))
        sites[-1].add_sockets([listener])
        ports.append(str(port))
        server.of("/chat")
    while not all(server.is_ready for server in servers):
        await asyncio.sleep(0.01)
    command = [node, str(HERE / "node_emitter.mjs"), redis.socket, *ports]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(WATCHDOG_SECONDS):
        output, _ = await process.communicate()
        for channel, broken in (("socket.io#/#", b"no message"), ("socket.io-request#/#", b"{}")):
            redis.client.publish(channel, broken)
        while len(dropped()) < len(servers):
            await asyncio.sleep(0.01)
    for server, site in zip(servers, sites, strict=True):
        site.stop()
        await server.close()
        await site.close_all_connections()
    return output.decode()


def test_what_an_emitter_of_node_publishes_reaches_the_clients_of_all_nodes(
    node: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def dropped() -> list[str]:
        return [line for line in map(LogRecord.getMessage, caplog.records) if "is dropped" in line]

    redis = RedisServer(tmp_path)
    redis.start()
    try:
        found = json.loads(asyncio.run(results(node, redis, dropped)))
    finally:
        redis.stop()
    news = ["news", {"n": 1}, {"type": "Buffer", "data": [1, 2]}, None]
    assert found["heard"] == [
        [news, ["red"], ["seven"], ["several"], ["end"]],
        [news, ["others"], ["end"]],
    ]
    assert found["reasons"] == ["io server disconnect"] * 2
    assert len(dropped()) == 2  # the second one of each server is not told
    assert all("not a message of an emitter of Node, on 'socket.io#/#'" in line for line in dropped())
