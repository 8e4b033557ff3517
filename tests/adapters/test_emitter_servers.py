"""Emitters in front of a Redis with TLS, of Sentinels and of a cluster."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from hosts.certificate import make_certificate
from ports import free_port
from redisserver import RedisServer
from waterspout import AsyncEmitter, Emitter, Server
from waterspout.drivers import AsyncioDriver
from waterspout.errors import AdapterError
from waterspout.server import Headcount

from .severalservers import cluster_servers, give_slots, sentinel_servers

WATCHDOG = 60.0  # s


async def served(url: str, *emitter_urls: str) -> None:
    """Run a node at a URL, and let emitters of both kinds count its clients."""
    server = Server(adapter=url, path="/served")
    server.engine.bind(AsyncioDriver())
    while not server.is_ready:
        await asyncio.sleep(0.01)
    for emitter_url in emitter_urls:
        with Emitter(emitter_url, path="/served") as emitter:
            assert await asyncio.to_thread(emitter.fetch_count) == Headcount(0)
        async with AsyncEmitter(emitter_url, path="/served") as another:
            assert await another.fetch_count() == Headcount(0)
    await server.close()


def test_a_program_has_a_user_with_few_rights_and_a_password_over_tls(tmp_path: Path) -> None:
    """Those that docs/emitting.md names; without the last one it works, too."""
    make_certificate(tmp_path)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert]
    server = RedisServer(tmp_path, *tls, "--tls-auth-clients", "no")
    server.start()
    try:
        rights = ["resetchannels", "&shop:*", "+publish", "+subscribe", "+hello", "+client|setname"]
        for name, more in (("emitter", ["+pubsub|channels"]), ("poor", [])):
            server.client.execute_command("ACL", "SETUSER", name, "on", ">p@ss", *rights, *more)
        query = f"?ssl_ca_certs={cert}&prefix=shop:"
        urls = [f"rediss://{name}:p%40ss@127.0.0.1:{port}{query}" for name in ("emitter", "poor")]
        asyncio.run(asyncio.wait_for(served(f"{server.url}?prefix=shop:", *urls), WATCHDOG))
        with Emitter(urls[0]) as emitter:
            emitter.emit("news")
            assert emitter._link._connection is not None
            connected = emitter._link._connection._redis._sock
            assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        for kind in (urls[0].replace("emitter", "nobody"), urls[0].replace("p%40ss", "secret")):
            with pytest.raises(AdapterError, match="password") as told:
                Emitter(kind).emit("news")
            assert "secret" not in str(told.value)
    finally:
        server.stop()


@pytest.mark.hosts
def test_in_a_cluster_a_program_asks_and_publishes_by_any_of_its_servers(tmp_path: Path) -> None:
    with cluster_servers(tmp_path) as (servers, ports):
        while not _are_linked(servers):
            time.sleep(0.02)
        nowhere = free_port()
        urls = [f"redis://127.0.0.1:{nowhere},127.0.0.1:{port}" for port in ports]
        asyncio.run(asyncio.wait_for(served(f"redis://127.0.0.1:{ports[0]}", *urls), WATCHDOG))
        give_slots(servers)
        asyncio.run(asyncio.wait_for(published(urls), WATCHDOG))


async def published(urls: list[str]) -> None:
    """Publish to channels whose logs are on either server, by each of them."""
    for number, url in enumerate(urls, 1):
        with Emitter(url) as emitter:
            ids = [await asyncio.to_thread(emitter.publish, f"channel {n}", "x") for n in range(8)]
        async with AsyncEmitter(url) as another:
            ids += [await another.publish(f"channel {n}", "x") for n in range(8)]
        assert [each.rpartition("-")[2] for each in ids] == [*[f"{2 * number - 1}"] * 8, *[f"{2 * number}"] * 8]


def _are_linked(servers: list[RedisServer]) -> bool:
    """Tell whether what is published at the first of them is received at the second."""
    listener = servers[1].client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("linked")
    listener.get_message(timeout=1)
    servers[0].client.publish("linked", "x")
    found = listener.get_message(timeout=0.1)
    listener.close()
    return found is not None


@pytest.mark.hosts
def test_sentinels_lead_a_program_to_the_master_of_now(tmp_path: Path) -> None:
    async def test(url: str, first: RedisServer) -> None:
        blocking, awaited = Emitter(url), AsyncEmitter(url)
        assert await asyncio.to_thread(blocking.emit, "news") == await awaited.emit("news") == 0
        first.stop()
        with pytest.raises(AdapterError, match=r"shop at 127\.0\.0\.1"):
            await awaited.emit("news")
        while (await asyncio.to_thread(_attempt, blocking)) is None:
            await asyncio.sleep(0.05)
        assert await awaited.emit("news") == 0
        blocking.close()
        await awaited.close()

    with sentinel_servers(tmp_path) as (url, first):
        asyncio.run(asyncio.wait_for(test(url, first), WATCHDOG))


def _attempt(emitter: Emitter) -> int | None:
    try:
        return emitter.emit("news")
    except AdapterError:
        return None
