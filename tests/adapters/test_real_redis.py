"""The adapter for Redis, in front of a real one."""

import asyncio
import gc
import subprocess
import sys
import time
import warnings
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from hosts.certificate import make_certificate
from ports import free_port
from redisserver import RedisServer
from waterspout import Server
from waterspout.drivers import AsyncioDriver
from waterspout.server import Headcount

from .attached import WATCHDOG, Attached
from .severalservers import cluster_servers, sentinel_servers

PASSWORD = "p@ss:w/rd"


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, WATCHDOG))


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
def test_killed_connections_are_told_and_renewed(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        made = Attached(redis.url)
        await made.subscribe("news")
        await made.attached
        client = redis.client
        client.client_kill_filter(_type=kind, skipme=True)
        await made.loss()
        assert await made.next() == "restored"
        assert await made.adapter.publish("news", b"x") == 1
        assert await made.next() == b"x"
        await made.end()

    run(test())


def test_a_redis_that_is_replaced_by_an_empty_one_is_found_again(tmp_path: Path) -> None:
    async def test() -> None:
        first = RedisServer(tmp_path)
        first.start()
        made = Attached(first.url)
        await made.subscribe("news")
        await made.attached
        first.stop()
        await made.loss()
        second = RedisServer(tmp_path)
        second.start()
        try:
            assert await made.next() == "restored"
            assert await made.adapter.publish("news", b"x") == 1
            assert await made.next() == b"x"
            await made.end()
        finally:
            second.stop()

    run(test())


def test_a_subscriber_that_redis_cuts_for_its_backlog_comes_back(tmp_path: Path) -> None:
    """33 MB in one message are above `client-output-buffer-limit pubsub`: Redis cuts all who would get it."""

    async def test() -> None:
        server = RedisServer(tmp_path)
        server.start()
        try:
            made = Attached(server.url)
            await made.subscribe("news")
            await made.attached
            await asyncio.to_thread(server.client.publish, "news", b"x" * 33_600_000)
            await made.loss()
            assert await made.next() == "restored"
            assert await made.adapter.publish("news", b"y") == 1
            assert await made.next() == b"y"
            await made.end()
        finally:
            server.stop()

    run(test())


def test_a_user_with_a_password_over_tls(tmp_path: Path) -> None:
    """With the rights that docs/several-nodes.md names; a wrong password is told without it."""
    make_certificate(tmp_path)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert]
    rights = "resetchannels &shop:* +publish +subscribe +unsubscribe +ping +hello +client|setname"
    server = RedisServer(tmp_path, *tls, "--tls-auth-clients", "no")
    url = f"rediss://shop:p%40ss%3Aw%2Frd@127.0.0.1:{port}?ssl_ca_certs={cert}&prefix=shop:"

    async def test() -> None:
        made = Attached(url)
        await made.subscribe("news")
        await made.attached
        assert await made.adapter.publish("news", b"x") == 1
        assert await made.next() == b"x"
        await made.end()
        wrong = Attached(url.replace("p%40ss", "secret"))
        reason = await wrong.loss()
        assert "WRONGPASS" in reason or "invalid" in reason
        assert "secret" not in reason
        await wrong.end()

    server.start()
    try:
        server.client.execute_command("ACL", "SETUSER", "shop", "on", f">{PASSWORD}", *rights.split())
        with warnings.catch_warnings():  # asyncio leaves a connection behind that was cancelled in its TLS handshake
            warnings.simplefilter("ignore", ResourceWarning)
            run(test())
            gc.collect()
    finally:
        server.stop()


def test_servers_share_rooms_through_it(redis: RedisServer) -> None:
    async def test() -> None:
        one, two = (Server(adapter=redis.url, path="/shared") for _ in range(2))
        for server in (one, two):
            server.engine.bind(AsyncioDriver())
        while not (one.is_ready and two.is_ready):
            await asyncio.sleep(0.01)
        assert await one.fetch_count() == Headcount(0, ())
        assert [node.is_self for node in one.nodes()] == [True, False]
        await one.join("lobby", to="nobody")
        await one.close()
        while len(two.nodes()) > 1:
            await asyncio.sleep(0.01)
        await two.close()

    run(test())


ON_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, threading
import gevent
from gevent.event import Event
from waterspout.adapters.redis import RedisAdapter
from waterspout.drivers.gevent import GeventDriver

adapter, told, hub = RedisAdapter(sys.argv[1]), [], threading.get_ident
def lost(reason): told.append("lost")
def restored(): told.append("restored"); back.set()
def heard(data):
    told.append(int(data))
    if data in (b"99", b"100"): done.set()
back, done = Event(), Event()
adapter.attach(GeventDriver(), lost, restored).wait(60)
adapter.subscribe("gevent", heard).wait(60)
counts = [adapter.publish("gevent", b"%d" % number) for number in range(100)]
assert [count.wait(60) for count in counts] == [1] * 100
assert done.wait(60)
assert told == list(range(100)), told
told.clear()
print("kill", flush=True)
assert back.wait(60)
assert told == ["lost", "restored"]
done.clear()
assert adapter.publish("gevent", b"100").wait(60) == 1
assert done.wait(60)
adapter.detach().wait(60)
gevent.sleep(0)
assert told == ["lost", "restored", 100]
print("ok", flush=True)
"""


def test_on_gevent_it_runs_in_a_thread_of_the_systems(redis: RedisServer) -> None:
    program = subprocess.Popen([sys.executable, "-c", ON_GEVENT, redis.url], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "kill\n"
    redis.client.client_kill_filter(_type="pubsub", skipme=True)
    output, _ = program.communicate(timeout=WATCHDOG)
    assert output == "ok\n"
    assert program.returncode == 0


BUSY_ON_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys
from gevent.event import Event
from waterspout.adapters.redis import RedisAdapter
from waterspout.drivers.gevent import GeventDriver

adapter, numbers, done = RedisAdapter(sys.argv[1]), [], Event()
def heard(data):
    if data == b"end": done.set()
    else: numbers.append(int(data))
adapter.attach(GeventDriver(), print, print).wait(60)
adapter.subscribe("busy", heard).wait(60)
print("busy", flush=True)
count = int(sys.stdin.readline())  # which nobody has patched: it stops all greenlets
assert done.wait(60)
assert numbers == list(range(count)), (len(numbers), count)
adapter.detach().wait(60)
print("ok", flush=True)
"""


def test_on_gevent_it_reads_no_more_than_the_server_takes(redis: RedisServer) -> None:
    """The thread could read on while the server is busy, and would keep in memory what Redis bounds."""
    program = subprocess.Popen(
        [sys.executable, "-c", BUSY_ON_GEVENT, redis.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "busy\n"
    client, count = redis.client, 500
    client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
    for number in range(count):
        client.publish("busy", b"%100000d" % number)
    seen = [-1]
    while len(set(seen[-20:])) > 1 or len(seen) < 20:
        seen.append(int(client.client_list(_type="pubsub")[0]["omem"]))
        time.sleep(0.01)
    assert seen[-1] > 0, "it has read everything"
    client.config_set("client-output-buffer-limit", "pubsub 33554432 8388608 60")
    client.publish("busy", b"end")
    output, _ = program.communicate(f"{count}\n", timeout=WATCHDOG)
    assert output == "ok\n"


@pytest.mark.hosts
def test_in_a_redis_cluster_any_server_reaches_all(tmp_path: Path) -> None:
    async def test(urls: list[str]) -> None:
        one, two = (Attached(url) for url in urls)
        await one.subscribe("news")
        await two.subscribe("news")
        heard: list[bytes] = []
        while not heard:  # the servers greet each other
            assert await one.adapter.publish("news", b"x") is None
            await asyncio.sleep(0.02)
            heard += two.told
        assert set(heard) == {b"x"}
        await one.end()
        await two.end()

    with cluster_servers(tmp_path) as (_, ports):
        run(test([f"redis://127.0.0.1:{port}" for port in ports]))


@pytest.mark.hosts
def test_sentinels_lead_to_the_master_of_now(tmp_path: Path) -> None:
    async def test(url: str, first: RedisServer) -> None:
        made = Attached(url)
        await made.subscribe("news")
        await made.attached
        assert await made.adapter.publish("news", b"x") == 1
        assert await made.next() == b"x"
        first.stop()
        await made.loss()
        assert await made.next() == "restored"
        assert await made.adapter.publish("news", b"y") == 1
        assert await made.next() == b"y"
        await made.end()

    with sentinel_servers(tmp_path) as (url, first):
        run(test(url, first))
