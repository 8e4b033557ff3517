"""The rights that docs/several-nodes.md gives to a user of Redis are what nodes need, and no more."""

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redisserver import RedisServer
from waterspout import Server
from waterspout.adapters import redisstreams
from waterspout.drivers import AsyncioDriver

PAGE = Path(__file__).parents[2] / "docs/several-nodes.md"
WATCHDOG = 120.0  # s


def documented() -> list[str]:
    """Return what follows `redis-cli ACL SETUSER` in the page for nodes."""
    return commands_of_the_page()[0]


def commands_of_the_page() -> list[list[str]]:
    """Return it for nodes, and for their channels."""
    commands = re.findall(r"redis-cli ACL SETUSER (chat .*\\\n.*)", PAGE.read_text("utf-8"))
    return [shlex.split(command.replace("\\\n", "")) for command in commands]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def commands(redis: RedisServer) -> dict[str, dict[str, Any]]:
    """Return what Redis counts of each command, as `info` has it."""
    found: dict[str, dict[str, Any]] = redis.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): counts for name, counts in found.items()}


def test_they_are_enough_and_all_are_used(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waterspout.adapters.redislink.TICK", 0.05)  # after five, both connections are tried
    rights = documented()
    redis.client.execute_command("ACL", "SETUSER", *rights)
    redis.client.config_resetstat()
    named = {right[1:] for right in rights if right.startswith("+")}

    async def test() -> None:
        one, two = (Server(adapter=f"unix://chat:PASSWORD@{redis.socket}") for _ in range(2))
        for server in (one, two):
            server.engine.bind(AsyncioDriver())
        while not (one.is_ready and two.is_ready and len(one.nodes()) == len(two.nodes()) == 2):
            await asyncio.sleep(0.01)
        await one.join("lobby", to="nobody")
        assert (await two.fetch_count()).missing == ()
        await one.close()
        while not named <= commands(redis).keys():
            await asyncio.sleep(0.01)
        await two.close()

    asyncio.run(asyncio.wait_for(test(), WATCHDOG))
    assert named <= commands(redis).keys()
    assert {name for name, counts in commands(redis).items() if counts["rejected_calls"]} == set()
    assert redis.client.acl_log() == []


def test_channels_need_the_second_command_and_all_of_it(redis: RedisServer) -> None:
    for rights in commands_of_the_page():
        redis.client.execute_command("ACL", "SETUSER", *rights)
    added = {right[1:].upper() for right in commands_of_the_page()[1] if right.startswith("+")}
    in_scripts = set(re.findall(r"redis\.p?call\('([A-Z]+)'", Path(redisstreams.__file__).read_text("utf-8")))
    assert added == {"EVALSHA", "EVAL", *in_scripts} - {"PUBLISH"}

    async def test() -> None:
        server = Server(adapter=f"unix://chat:PASSWORD@{redis.socket}")
        server.engine.bind(AsyncioDriver())
        ids = [await server.channel("prices").publish(number) for number in range(3)]
        assert [id.rpartition("-")[2] for id in ids] == ["1", "2", "3"]
        await server.close()

    asyncio.run(asyncio.wait_for(test(), WATCHDOG))
    assert redis.client.acl_log() == []


@pytest.mark.parametrize("missing", ["+publish", "+subscribe", "&waterspout/*"])
def test_the_log_names_what_is_missing(redis: RedisServer, missing: str, caplog: pytest.LogCaptureFixture) -> None:
    rights = [right for right in documented() if right != missing]
    redis.client.execute_command("ACL", "SETUSER", *rights)

    async def test() -> None:
        server = Server(adapter=f"unix://chat:PASSWORD@{redis.socket}")
        server.engine.bind(AsyncioDriver())
        while "this user has no permissions" not in caplog.text:
            await asyncio.sleep(0.01)
        assert not server.is_ready
        await server.close()

    asyncio.run(asyncio.wait_for(test(), WATCHDOG))
    assert "PASSWORD" not in caplog.text
