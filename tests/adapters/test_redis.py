"""The adapter for Redis, in front of a Redis that does what a test says."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import redis

from turns import CountingLoop, until
from waterspout.adapters import redislink, redispipes
from waterspout.adapters.redis import RedisAdapter
from waterspout.errors import AdapterError

from .attached import WATCHDOG, Attached
from .toyredis import ToyRedis, array

Test = Callable[[ToyRedis], Coroutine[Any, Any, None]]


def with_toy(test: Test) -> Callable[[Path], None]:
    """Run an asynchronous test beside a toy of its own."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            toy = ToyRedis(tmp_path)
            await toy.start()
            try:
                async with asyncio.timeout(WATCHDOG):
                    await test(toy)
            finally:
                toy.silent = False
                await toy.stop()

        asyncio.run(main())

    run.__name__ = test.__name__
    return run


@asynccontextmanager
async def attached(toy: ToyRedis, *topics: str) -> AsyncIterator[Attached]:
    """Attach an adapter, subscribe it to topics, and end it."""
    made = Attached(toy.url)
    for topic in topics:
        await made.subscribe(topic)
    await made.attached
    yield made
    await made.end()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second of the link, and its pauses, be short."""
    monkeypatch.setattr(redislink, "TICK", 0.005)
    monkeypatch.setattr(redislink, "PAUSES", (0.001, 0.001))


async def published(made: Attached, topic: str, data: bytes) -> int | None:
    return await made.adapter.publish(topic, data)


@with_toy
async def test_what_is_published_arrives_in_order_and_is_counted(toy: ToyRedis) -> None:
    async with attached(toy, "news") as one, attached(toy, "news") as two:
        data = [b"%d" % number + b"\r\n$" * (number % 7) * 3000 for number in range(50)]
        counts = [one.adapter.publish("news", each) for each in data]
        assert [await two.next() for _ in data] == data
        assert [await one.next() for _ in data] == data
        assert [await count for count in counts] == [2] * 50
        assert await published(one, "weather", b"rain") == 0


@with_toy
async def test_messages_that_come_together_are_not_read_one_by_one(toy: ToyRedis) -> None:
    package, calls = str(Path(redis.__file__).parent), 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(package)

    async with attached(toy, "news") as made:
        sys.setprofile(count)
        try:
            for _ in range(100):
                made.adapter.publish("news", b"x")
            for _ in range(100):
                await made.next()
        finally:
            sys.setprofile(None)
    assert calls < 100


def test_without_hiredis_it_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redispipes, "_open_reader", lambda: None)

    async def test(toy: ToyRedis) -> None:
        async with attached(toy, "news") as made:
            counts = [made.adapter.publish("news", b"%d" % number) for number in range(50)]
            assert [await made.next() for _ in counts] == [b"%d" % number for number in range(50)]
            assert [await count for count in counts] == [1] * 50
            toy.refused[b"PUBLISH"] = b"NOPERM No permissions to access a channel"
            with pytest.raises(AdapterError, match="No permissions"):
                await published(made, "news", b"x")

    with_toy(test)(tmp_path)


@with_toy
async def test_who_has_unsubscribed_hears_no_more_until_it_subscribes_anew(toy: ToyRedis) -> None:
    async with attached(toy, "news", "end") as made:
        made.adapter.unsubscribe("news")
        await published(made, "news", b"missed")
        await made.subscribe("news")
        assert await published(made, "news", b"heard") == 1
        await published(made, "end", b"end")
        assert [await made.next(), await made.next()] == [b"heard", b"end"]
        made.adapter.unsubscribe("never")
        assert made.told == []


@with_toy
async def test_the_confirmation_of_a_subscription_that_has_ended_is_not_that_of_the_next_one(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        toy.silent = True
        made.subscribe("sport")
        made.adapter.unsubscribe("sport")
        confirmed = made.subscribe("sport")
        toy.subscriber.write(array(b"subscribe", b"sport") + array(b"message", b"news", b"x"))
        assert await made.next() == b"x"
        assert not confirmed.done
        toy.silent = False
        await confirmed


@with_toy
async def test_a_subscription_that_ends_while_the_link_is_renewed_keeps_it_from_nothing(toy: ToyRedis) -> None:
    toy.silent = True
    made = Attached(toy.url)
    made.subscribe("news")
    made.subscribe("sport")
    link = made.adapter._attachment._link  # type: ignore[union-attr]
    toy.silent = False
    await until(lambda: link._subscriptions is not None)
    made.adapter.unsubscribe("sport")
    await made.attached
    await made.end()


@with_toy
async def test_the_words_of_one_turn_leave_in_one_write(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        reads = toy.reads
        counts = [made.adapter.publish("news", b"x" * 100) for _ in range(100)]
        for count in counts:
            await count
        assert toy.reads == reads + 1


@pytest.mark.parametrize("which", ["the one that receives", "the one that publishes"])
def test_a_connection_that_is_cut_is_told_and_both_are_renewed(tmp_path: Path, which: str, quick: None) -> None:
    async def test(toy: ToyRedis) -> None:
        async with attached(toy, "news", "sport") as made:
            before = list(toy.connections)
            receives = which == "the one that receives"
            cut = toy.subscriber if receives else next(each for each in before if each is not toy.subscriber)
            cut.close()
            assert toy.path in await made.loss()
            assert await made.next() == "restored"
            assert await published(made, "news", b"again") == 1
            assert await published(made, "sport", b"too") == 1
            assert [await made.next(), await made.next()] == [b"again", b"too"]
            assert len(toy.connections) == 4
            await until(lambda: all(each.is_closing() for each in before))

    with_toy(test)(tmp_path)


SENSELESS = {
    "an error that nobody has caused": b"-ERR what\r\n",
    "a move without a place": b"-MOVED\r\n",
    "no RESP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a number": b":5\r\n",
    "half a message": b"*2\r\n$7\r\nmessage\r\n$4\r\nnews\r\n",
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answer", SENSELESS.values(), ids=SENSELESS)
@pytest.mark.parametrize("place", [0, 1])
def test_an_answer_that_makes_no_sense_is_a_loss(tmp_path: Path, answer: bytes, place: int) -> None:
    async def test(toy: ToyRedis) -> None:
        async with attached(toy, "news") as made:
            toy.connections[place].write(answer)
            assert toy.path in await made.loss()
            assert await made.next() == "restored"
            assert await published(made, "news", b"again") == 1
            assert await made.next() == b"again"

    with_toy(test)(tmp_path)


@pytest.mark.usefixtures("quick")
@with_toy
async def test_the_reason_of_a_loss_is_short_and_has_no_password(toy: ToyRedis) -> None:
    quoted = b"ERR unknown command 'AUTH', with args beginning with: 'me' 'secret' "
    toy.refused[b"AUTH"] = quoted + b"x" * 10_000
    made = Attached(f"unix://me:secret@{toy.path}")
    reason = await made.loss()
    assert "'me' '***'" in reason
    assert len(reason) < 500
    await made.end()


@pytest.mark.usefixtures("quick")
@with_toy
async def test_what_was_not_answered_when_the_connection_was_lost_is_never_repeated(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        toy.silent = True
        count = made.adapter.publish("news", b"lost")
        await toy.stop()
        await made.loss()
        assert await count is None
        toy.silent = False
        await toy.start()
        assert await made.next() == "restored"
        assert await published(made, "news", b"next") == 1
        assert await made.next() == b"next"
        assert [command for command in toy.commands if command[-1] == b"lost"] == []


@pytest.mark.usefixtures("quick")
@with_toy
async def test_a_broker_that_is_absent_at_the_start_is_told_once_and_tried_again(toy: ToyRedis) -> None:
    await toy.stop()
    made = Attached(toy.url)
    subscribed = made.subscribe("news")
    assert toy.path in await made.loss()
    assert not made.attached.done
    assert not subscribed.done
    await toy.start()
    assert await made.next() == "restored"
    assert made.attached.done
    assert subscribed.done
    assert await published(made, "news", b"x") == 1
    assert await made.next() == b"x"
    await made.end()


@pytest.mark.usefixtures("quick")
@with_toy
async def test_a_subscription_that_redis_ends_by_itself_is_a_loss(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        toy.unsubscribe(b"news")
        assert "ended the subscription" in await made.loss()
        assert await made.next() == "restored"
        assert await published(made, "news", b"x") == 1


@pytest.mark.usefixtures("quick")
@with_toy
async def test_a_replica_is_no_broker_until_it_is_the_master(toy: ToyRedis) -> None:
    toy.role = b"replica"
    made = Attached(toy.url)
    made.subscribe("news")
    assert "replica" in await made.loss()
    toy.role = b"master"
    assert await made.next() == "restored"
    toy.role = b"slave"  # the check of every five seconds finds it
    assert "replica" in await made.loss()
    toy.role = b"master"
    assert await made.next() == "restored"
    await made.end()


@with_toy
async def test_in_a_cluster_nobody_knows_how_many_have_heard(toy: ToyRedis) -> None:
    toy.mode = b"cluster"
    async with attached(toy, "news") as made:
        assert await published(made, "news", b"x") is None
        assert await made.next() == b"x"


@with_toy
async def test_a_redis_that_does_not_know_hello_does(toy: ToyRedis) -> None:
    toy.refused[b"HELLO"] = b"ERR unknown command 'HELLO'"
    async with attached(toy, "news") as made:
        assert await published(made, "news", b"x") == 1


@with_toy
async def test_a_refused_word_is_an_error_of_its_own(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        toy.refused[b"PUBLISH"] = b"NOPERM No permissions to access a channel"
        with pytest.raises(AdapterError, match="No permissions"):
            await published(made, "news", b"x")
        del toy.refused[b"PUBLISH"]
        assert await published(made, "news", b"y") == 1
        assert await made.next() == b"y"


@pytest.mark.usefixtures("quick")
@with_toy
async def test_a_refused_subscription_is_told_with_the_reason(toy: ToyRedis) -> None:
    toy.refused[b"SUBSCRIBE"] = b"NOPERM No permissions to access a channel"
    made = Attached(toy.url)
    made.subscribe("news")
    assert "No permissions" in await made.loss()
    toy.refused.clear()
    assert await made.next() == "restored"
    await made.end()


@pytest.mark.usefixtures("quick")
@with_toy
async def test_a_redis_that_stalls_is_lost_and_what_it_was_sent_arrives_once(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        toy.silent = True
        count = made.adapter.publish("news", b"late")
        assert "not answered" in await made.loss()
        toy.silent = False
        assert sorted([str(await made.next()), str(await made.next())]) == ["b'late'", "restored"]
        assert await count == 1
        assert len(toy.connections) == 2
        assert made.told == []


@pytest.mark.usefixtures("quick")
@with_toy
async def test_a_redis_that_is_silent_for_too_long_gets_new_connections(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        toy.silent = True
        count = made.adapter.publish("news", b"x")
        await made.loss()
        assert await count is None
        toy.silent = False
        while (told := await made.next()) != "restored":
            assert told == b"x"
        assert len(toy.connections) > 2


@pytest.mark.usefixtures("quick")
def test_too_many_bytes_without_an_answer_are_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redislink, "MOST_OPEN_BYTES", 1000)

    async def test(toy: ToyRedis) -> None:
        async with attached(toy) as made:
            counts = [made.adapter.publish("news", b"x" * 600) for _ in range(2)]
            assert "1000 bytes" in await made.loss()
            assert await made.next() == "restored"
            assert [await count for count in counts] == [0, 0]

    with_toy(test)(tmp_path)


@with_toy
async def test_the_end_sends_what_was_published_and_closes_all(toy: ToyRedis) -> None:
    made = Attached(toy.url)
    await made.attached
    made.adapter.publish("news", b"goodbye")
    await made.end()
    assert toy.commands == [[b"PUBLISH", b"news", b"goodbye"]]
    await until(lambda: all(each.is_closing() for each in toy.connections))
    assert made.adapter.detach() is None


@pytest.mark.usefixtures("quick")
@with_toy
async def test_the_end_does_not_wait_for_a_redis_that_is_away(toy: ToyRedis) -> None:
    await toy.stop()
    made = Attached(toy.url)
    await made.loss()
    await made.end()
    assert made.told == []


@with_toy
async def test_an_adapter_may_be_attached_again(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        await made.end()
        await made.attach()
        assert await made.subscribe("news") is None
        assert await published(made, "news", b"x") == 1


@with_toy
async def test_an_adapter_that_is_attached_is_no_other_servers(toy: ToyRedis) -> None:
    async with attached(toy, "news") as made:
        with pytest.raises(RuntimeError, match="in use"):
            made.attach()
        assert await published(made, "news", b"x") == 1


def test_a_loop_that_ends_without_a_word_takes_the_connections_with_it(tmp_path: Path) -> None:
    kept: list[Attached] = []

    async def test(toy: ToyRedis) -> None:
        made = Attached(toy.url)
        await made.attached
        kept.append(made)

    with_toy(test)(tmp_path)
    assert kept[0].adapter.detach() is None


def test_a_quiet_link_does_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = 40
    monkeypatch.setattr(redislink, "TICK", 0.005)

    async def main() -> None:
        toy = ToyRedis(tmp_path)
        await toy.start()
        async with attached(toy, "news") as made:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, CountingLoop)
            pair = made.adapter._attachment._link  # type: ignore[union-attr]
            assert pair._commands is not None
            start = pair._commands.tick
            loop.made.clear()
            while pair._commands.tick < start + ticks:
                await asyncio.sleep(0.005)
            assert loop.made["timer"] <= 3 * ticks
            assert loop.made["task"] == 0
        await toy.stop()

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(main())


def test_bad_options_are_refused_with_their_value() -> None:
    with pytest.raises(ValueError, match="largest_word is 1000: give the bytes of a message, from 131072 on"):
        RedisAdapter("redis://localhost", largest_word=1000)
    with pytest.raises(ValueError, match="largest_word is '2k'"):
        RedisAdapter("redis://localhost?largest_word=2k")
    assert RedisAdapter("redis://localhost?largest_word=200000").largest_word == 200_000


@with_toy
async def test_the_prefix_keeps_clusters_apart(toy: ToyRedis) -> None:
    one, two = Attached(toy.url, prefix="shop:"), Attached(f"{toy.url}?prefix=blog:")
    await one.subscribe("news")
    await two.subscribe("news")
    assert await published(one, "news", b"x") == 1
    assert await one.next() == b"x"
    assert two.told == []
    assert toy.commands[-1][1] == b"shop:news"
    await one.end()
    await two.end()
