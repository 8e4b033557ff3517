"""The logs of channels in a real Redis."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from math import inf
from pathlib import Path
from typing import Any

import pytest

from redisserver import RedisServer
from waterspout.adapters.redislog import RedisLogs
from waterspout.adapters.redisstreams import keys_of
from waterspout.drivers import AsyncioDriver
from waterspout.errors import AdapterError
from waterspout.server.log import Retention
from waterspout.server.shared import Appended, Batch, NewEntry, StoredEntry

from .attached import WATCHDOG, Attached

LIMITS = Retention(100, 300.0, 1_000_000)

numbers = count(1)
names = (f"channel {number}" for number in numbers)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, WATCHDOG))


@asynccontextmanager
async def attached(redis: RedisServer) -> AsyncIterator[RedisLogs]:
    made = Attached(redis.url)
    await made.attached
    yield made.adapter.logs
    await made.end()


def batch(*data: bytes, key: int | None = None, limits: Retention = LIMITS, writer: str = "one") -> Batch:
    number = next(numbers) if key is None else key
    return Batch(writer, number, [NewEntry(each, None, False, False) for each in data], limits)


async def offsets(logs: RedisLogs, name: str) -> list[int]:
    page = await logs.read(name, 0, 1000, {})
    assert page.first == page.head - len(page.entries) + 1
    return [entry.offset for entry in page.entries]


def test_entries_are_numbered_published_and_read_as_they_were_given(redis: RedisServer) -> None:
    async def test() -> None:
        name, heard = next(names), []
        async with attached(redis) as logs:
            await logs.follow(name, lambda epoch, entry: heard.append((epoch, entry)))
            entries = [NewEntry(b"\xff \x00", "tick", True, False), NewEntry(b"", None, False, True)]
            first = await logs.append(name, Batch("one", 1, entries, LIMITS), {"history": 100})
            page = await logs.read(name, 0, 100, {})
            assert first == Appended(page.epoch, 1, 2)
            assert (page.head, page.first, page.options) == (2, 1, {"history": 100})
            assert [entry._replace(at=0) for entry in page.entries] == [
                StoredEntry(1, 0, b"\xff \x00", "tick", True, False),
                StoredEntry(2, 0, b"", None, False, True),
            ]
            assert page.end == page.entries[1]
            assert heard == [(page.epoch, entry) for entry in page.entries]
            assert 0 <= page.now - page.entries[0].at < WATCHDOG

    run(test())


def test_a_batch_that_is_given_again_is_appended_once(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        async with attached(redis) as logs:
            first = await logs.append(name, batch(b"1", b"2", key=7), {})
            other = await logs.append(name, batch(b"3", key=7, writer="two"), {})
            assert await logs.append(name, batch(b"1", b"2", key=7), {}) == first
            assert await logs.append(name, batch(b"3", key=7, writer="two"), {}) == other
            assert await offsets(logs, name) == [1, 2, 3]

    run(test())


def test_the_writers_of_which_the_last_batch_is_known_are_bounded(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        async with attached(redis) as logs:
            for number in range(500):
                logs.append(name, batch(b"", writer=f"writer {number}"), {})
            last = await logs.append(name, batch(b"", key=1), {})
            assert await logs.append(name, batch(b"", key=1), {}) == last
            writers = keys_of(name.encode())[2]
            assert redis.client.hlen(writers) <= 201

    run(test())


def test_nothing_can_be_appended_behind_the_end(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        async with attached(redis) as logs:
            entries = [NewEntry(b"1", None, False, True), NewEntry(b"2", None, False, False)]
            assert (await logs.append(name, Batch("one", 1, entries, LIMITS), {}))[1:] == (1, 1)
            assert (await logs.append(name, batch(b"3"), {}))[1:] == (2, 0)
            assert await offsets(logs, name) == [1]

    run(test())


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Retention(3, 300.0, 1_000_000), [8, 9, 10]),
        (Retention(0, 300.0, 1_000_000), []),
        (Retention(100, 300.0, 500), [8, 9, 10]),
        (Retention(100, 300.0, 1), [10]),
        (Retention(100, inf, 1_000_000), list(range(1, 11))),
    ],
)
@pytest.mark.parametrize("size", [1, 10])
def test_what_is_too_much_is_trimmed(redis: RedisServer, limits: Retention, kept: list[int], size: int) -> None:
    async def test() -> None:
        name = next(names)
        async with attached(redis) as logs:
            for _ in range(10 // size):
                await logs.append(name, batch(*[b"x"] * size, limits=limits), {})
            assert await offsets(logs, name) == kept

    run(test())


def test_what_is_too_old_is_trimmed_and_what_nobody_uses_vanishes(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        log, stream, writers = keys_of(name.encode())
        client = redis.client
        async with attached(redis) as logs:
            await logs.append(name, batch(b"old"), {})
            at = (await logs.read(name, 0, 1, {})).entries[0].at
            while (await logs.read(name, 0, 0, {})).now - at <= 0.01:
                pass
            await logs.append(name, batch(b"new"), {"ttl": 0.01})
            assert await offsets(logs, name) in ([2], [])
            assert client.pttl(stream) <= 10
            assert 3_500_000 < client.pttl(log) <= 3_900_000
            assert 3_500_000 < client.pttl(writers) <= 3_900_000
            while client.exists(stream):
                pass
            assert (await logs.append(name, batch(b"3"), {})).first == 3
            await logs.append(name, batch(b"kept"), {"ttl": inf, "history": 5})
            assert client.pttl(stream) == client.pttl(log) == -1

    run(test())


def test_the_options_that_were_given_last_count_for_all(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        async with attached(redis) as logs:
            await logs.read(name, 0, 0, {"history": 2})
            await logs.append(name, batch(*[b"x"] * 5), {})
            assert await offsets(logs, name) == [4, 5]
            assert (await logs.read(name, 0, 0, {"history": 1, "start": "earliest"})).options == {
                "history": 1,
                "start": "earliest",
            }
            await logs.append(name, batch(b"x"), {})
            assert await offsets(logs, name) == [6]

    run(test())


def test_what_is_no_entry_is_dropped_and_reported_once(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        name, heard = next(names), []
        async with attached(redis) as logs:
            await logs.follow(name, lambda epoch, entry: heard.append(entry))
            await logs.append(name, batch(b"1"), {})
            for data in (
                b"",
                b"nonsense",
                b"epoch 2 3 \x93",
                b"epoch x 3 \x91\xc4\x00",
                b"epoch 2 3 \x91\x01",
                b"epoch 2 %b \x91\xc4\x00" % (b"9" * 400),
                b"\xff" * 9,
            ):
                redis.client.publish(name, data)
            redis.client.xadd(keys_of(name.encode())[1], {"e": b"\xff", "t": "never", "c": 0}, id="2-0")
            page = await logs.read(name, 0, 100, {})
            assert [entry.data for entry in page.entries] == [b"1"]
            while not heard:
                await asyncio.sleep(0)
            assert [entry.data for entry in heard] == [b"1"]

    run(test())
    assert len([record for record in caplog.records if "is dropped" in record.message]) == 1


def test_what_somebody_else_adds_to_a_stream_stops_no_channel(redis: RedisServer) -> None:
    async def test() -> None:
        async with attached(redis) as logs:
            for fields, id in (({"e": "x"}, "1-5"), ({"e": "x", "t": "y", "c": "z"}, "1-5"), ({"e": "x"}, "*")):
                name = next(names)
                stream, two = keys_of(name.encode())[1], LIMITS._replace(most=2)
                await logs.append(name, batch(b"1", limits=two), {})
                redis.client.xadd(stream, fields, id=id)
                assert (await logs.read(name, 0, 100, {})).first == 1
                for data in (b"2", b"3", b"4"):
                    await logs.append(name, batch(data, limits=two), {})
                page = await logs.read(name, 0, 100, {})
                assert [entry.data for entry in page.entries] == [b"3", b"4"]
                assert (page.first, page.head) == (3, 4)

    run(test())


def test_a_foreign_entry_that_is_the_oldest_is_trimmed_with_the_others(redis: RedisServer) -> None:
    async def test() -> None:
        name, small = next(names), LIMITS._replace(size_bytes=400)
        stream = keys_of(name.encode())[1]
        async with attached(redis) as logs:
            await logs.append(name, batch(b"1", limits=small), {})
            redis.client.xadd(stream, {"e": "x"}, id="1-1")
            for number in range(2, 6):
                await logs.append(name, batch(b"%d" % number, limits=small), {})
            assert await offsets(logs, name) == [4, 5]

    run(test())


def test_what_was_appended_without_the_right_to_publish_is_appended_once(redis: RedisServer) -> None:
    async def test() -> None:
        name, given = next(names), batch(b"2", b"3")
        async with attached(redis) as logs:
            await logs.append(name, batch(b"1"), {})
            redis.client.execute_command("ACL", "SETUSER", "default", "-publish")
            try:
                with pytest.raises(AdapterError, match=r"permissions|can't run"):
                    await logs.append(name, given, {})
            finally:
                redis.client.execute_command("ACL", "SETUSER", "default", "+publish")
            assert (await logs.append(name, given, {}))[1:] == (2, 2)
            await logs.append(name, batch(b"4"), {})
            assert await offsets(logs, name) == [1, 2, 3, 4]

    run(test())


def test_a_key_of_another_type_is_named(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        redis.client.set(keys_of(name.encode())[0], "x")
        async with attached(redis) as logs:
            with pytest.raises(AdapterError, match=rf"'\{{{name}\}}:log': WRONGTYPE"):
                await logs.append(name, batch(b"1"), {})

    run(test())


def test_a_node_that_is_restarted_changes_no_epoch(redis: RedisServer) -> None:
    async def test() -> None:
        name, epochs = next(names), set()
        for _ in range(3):
            async with attached(redis) as logs:
                epochs.add((await logs.append(name, batch(b"x"), {})).epoch)
                epochs.add((await logs.read(name, 0, 0, {})).epoch)
        assert len(epochs) == 1

    run(test())


@pytest.mark.parametrize("keeps", [True, False], ids=["with its data", "empty"])
def test_a_redis_that_is_restarted_gives_another_epoch(tmp_path: Path, keeps: bool) -> None:
    """With its data it goes on with its numbers, and has the entries; these may be older than what was published."""

    async def test() -> None:
        made = Attached(first.url)
        await made.attached
        logs = made.adapter.logs
        again = batch(b"1", b"2", key=1)
        before = await logs.append("news", again, {})
        first.stop()
        await made.loss()
        with pytest.raises(ConnectionError):
            await logs.append("news", batch(b"lost"), {})
        first.start()
        assert await made.next() == "restored"
        if keeps:  # whose answer may have been lost
            assert (await logs.append("news", again, {}))[1:] == before[1:]
        after = await logs.append("news", batch(b"3"), {})
        assert after.epoch != before.epoch
        assert after.first == (3 if keeps else 1)
        page = await logs.read("news", 0, 100, {})
        assert page.epoch == after.epoch
        assert [entry.data for entry in page.entries] == ([b"1", b"2", b"3"] if keeps else [b"3"])
        await made.end()

    first = RedisServer(tmp_path, keeps=keeps)
    first.start()
    try:
        run(test())
    finally:
        first.stop()


def test_a_log_of_which_a_part_was_evicted_begins_anew(redis: RedisServer) -> None:
    async def test() -> None:
        name = next(names)
        log, stream, _ = keys_of(name.encode())
        async with attached(redis) as logs:
            before = await logs.append(name, batch(b"1", b"2"), {})
            redis.client.delete(stream)
            assert await offsets(logs, name) == []
            assert await logs.append(name, batch(b"3"), {}) == Appended(before.epoch, 3, 1)
            redis.client.delete(log)
            after = await logs.append(name, batch(b"1"), {})
            assert after.epoch != before.epoch
            assert after.first == 1
            assert await offsets(logs, name) == [1]

    run(test())


def test_the_driver_of_the_server_gives_the_tokens_of_epochs(redis: RedisServer) -> None:
    class Driver(AsyncioDriver):
        def token(self) -> str:
            return "0123456789abcdef"

    async def test() -> None:
        made = Attached(redis.url)
        made.adapter.detach()
        await made.adapter.attach(Driver(), print, print)
        assert (await made.adapter.logs.append(next(names), batch(b"x"), {})).epoch == "6789abcdef"
        await made.end()

    run(test())


def test_the_rights_that_the_page_names_are_enough(redis: RedisServer) -> None:
    page = (Path(__file__).parents[2] / "docs/several-nodes.md").read_text("utf-8")
    for command in re.findall(r"redis-cli (ACL SETUSER(?:.*\\\n)*.*)\n", page):
        redis.client.execute_command(*shlex.split(command.replace("\\\n", " ")))

    async def test() -> None:
        name, heard = f"waterspout/socket.io/channel/{next(names)}", []
        made = Attached(f"unix://chat:PASSWORD@{redis.socket}")
        await made.attached
        await made.adapter.logs.follow(name, lambda epoch, entry: heard.append(entry))
        for number in range(300):
            await made.adapter.logs.append(name, batch(b"x", writer=f"{number}", limits=Retention(2, inf, 170)), {})
        assert len((await made.adapter.logs.read(name, 0, 9, {"ttl": 1})).entries) == 1
        while not heard:
            await asyncio.sleep(0)
        await made.end()

    run(test())
