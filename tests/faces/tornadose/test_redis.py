"""A store in Redis, with a real server on a Unix socket, which goes away and comes back."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from faces.tornadose.site import Site, data
from redisserver import PATIENCE, RedisServer
from waterspout.faces.tornadose import redischannel
from waterspout.faces.tornadose.handlers import EventSource
from waterspout.faces.tornadose.publishing import MOST_WAITING
from waterspout.faces.tornadose.stores import RedisStore


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisStore]:
    monkeypatch.setattr(redischannel, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(redischannel, "POLL", 0.02)
    store = RedisStore("prices", unix_socket_path=server.socket)
    yield store
    store.shutdown()


async def test_what_any_process_submits_reaches_all_subscribers_in_order(
    host: Site, server: RedisServer, store: RedisStore
) -> None:
    other = RedisStore("prices", unix_socket_path=server.socket)
    await host.begin(("/", EventSource, {"store": store}), ("/other", EventSource, {"store": other}))
    wires = [await host.listen(), await host.listen("/other")]
    await store.submit("a")
    await other.submit({"b": 1}, debug=True)
    client = server.client
    client.publish("prices", "été\n2")
    client.publish("another", "nobody's")
    store.submit(3)
    for wire in wires:
        assert [await data(wire) for _ in range(4)] == ["a", "{'b': 1}", "été\n2", "3"]
    assert client.get("prices") == b"3"
    assert 0 < client.ttl("prices") <= redischannel.KEPT
    client.close()
    other.shutdown()
    store.shutdown()


def test_a_program_without_a_loop_submits_at_once(server: RedisServer, store: RedisStore) -> None:
    listening = server.client.pubsub(ignore_subscribe_messages=True)
    listening.subscribe("prices")
    assert listening.get_message(timeout=PATIENCE) is None  # the subscription itself
    store.submit("a")
    message = listening.get_message(timeout=PATIENCE)
    assert message["data"] == b"a"
    server.stop()
    with pytest.raises(redis.ConnectionError):
        store.submit("b")


async def test_it_connects_again_and_says_what_it_could_not(
    host: Site, server: RedisServer, store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    await host.begin(("/", EventSource, {"store": store}))
    wire = await host.listen()
    await store.submit("before")
    assert await data(wire) == "before"
    server.stop()
    with pytest.raises(redis.ConnectionError):
        await store.submit("lost")
    assert "a message was not published to the Redis channel 'prices'" in caplog.text
    await host.until(lambda: "the Redis channel 'prices' cannot be reached, and is tried again" in caplog.text)
    server.start()
    await host.until(lambda: "the Redis channel 'prices' was lost and is back" in caplog.text)
    await store.submit("after")
    assert await data(wire) == "after"
    assert all(record.levelno == logging.WARNING for record in caplog.records if record.name == "tornadose.stores")
    store.shutdown()


async def test_what_waits_for_redis_is_bounded(host: Site, store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.begin(("/", EventSource, {"store": store}))
    await host.listen()
    results = [store.submit(number) for number in range(2 * MOST_WAITING)]  # in one turn, so that no answer counts
    with pytest.raises(ConnectionError, match="1000 messages wait already"):
        await results[-1]
    await results[0]
    store.shutdown()


def test_it_says_where_redis_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(redis.ConnectionError):
        RedisStore(unix_socket_path=str(tmp_path / "nothing"))


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(RuntimeError, match=r"pip install 'waterspout\[redis\]'"):
        RedisStore()
