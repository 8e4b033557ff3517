"""The bus within one process. What every adapter promises is tested here, too, as long as there is but one."""

import asyncio
import threading

from turns import until
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.testing import Clock


def ignore(*_: object) -> None:
    """Take a report of the adapter: this one has none."""


def adapter(bus: MemoryBus) -> MemoryAdapter:
    made = MemoryAdapter(bus)
    made.attach(Clock(), ignore, ignore)
    return made


def test_what_is_published_reaches_all_subscribers_the_publisher_included() -> None:
    bus = MemoryBus()
    one, two = adapter(bus), adapter(bus)
    heard: list[tuple[str, bytes]] = []
    one.subscribe("news", lambda data: heard.append(("one", data)))
    two.subscribe("news", lambda data: heard.append(("two", data)))
    assert one.publish("news", b"\x00") == 2
    assert heard == [("one", b"\x00"), ("two", b"\x00")]
    assert one.publish("weather", b"\x00") == 0


def test_a_subscriber_hears_its_own_topic_only() -> None:
    bus = MemoryBus()
    one, two = adapter(bus), adapter(bus)
    heard: list[bytes] = []
    one.subscribe("news", heard.append)
    two.publish("weather", b"rain")
    assert heard == []


def test_whoever_unsubscribes_hears_no_more() -> None:
    bus = MemoryBus()
    one = adapter(bus)
    heard: list[bytes] = []
    one.subscribe("news", heard.append)
    one.unsubscribe("news")
    one.unsubscribe("news")
    one.publish("news", b"x")
    assert heard == []


def test_buses_are_apart() -> None:
    one, two = adapter(MemoryBus()), adapter(MemoryBus())
    heard: list[bytes] = []
    one.subscribe("news", heard.append)
    two.publish("news", b"x")
    assert heard == []


def test_data_arrives_in_the_order_of_one_publisher_and_not_within_its_call() -> None:
    async def main() -> None:
        bus = MemoryBus()
        one, two = MemoryAdapter(bus), MemoryAdapter(bus)
        for each in one, two:
            each.attach(AsyncioDriver(), ignore, ignore)
        heard: list[bytes] = []
        two.subscribe("news", heard.append)
        for number in range(3):
            one.publish("news", b"%d" % number)
        assert heard == []
        await until(lambda: len(heard) == 3)
        assert heard == [b"0", b"1", b"2"]

    asyncio.run(main())


def test_a_callback_is_called_on_the_thread_of_its_own_node() -> None:
    async def main() -> None:
        bus = MemoryBus()
        here, there = MemoryAdapter(bus), MemoryAdapter(bus)
        here.attach(AsyncioDriver(), ignore, ignore)
        there.attach(Clock(), ignore, ignore)
        threads: list[int] = []
        here.subscribe("news", lambda data: threads.append(threading.get_ident()))
        await asyncio.to_thread(there.publish, "news", b"x")
        await until(lambda: threads)
        assert threads == [threading.get_ident()]

    asyncio.run(main())


def test_whoever_is_detached_hears_nothing_and_may_be_attached_again() -> None:
    bus = MemoryBus()
    one, two = adapter(bus), adapter(bus)
    heard: list[bytes] = []
    one.subscribe("news", heard.append)
    for _ in range(2):
        one.detach()
    two.publish("news", b"x")
    one.attach(Clock(), ignore, ignore)
    two.publish("news", b"y")
    assert heard == []
    one.subscribe("news", heard.append)
    two.publish("news", b"z")
    assert heard == [b"z"]


def test_a_subscriber_that_has_no_loop_yet_hears_nothing() -> None:
    bus = MemoryBus()
    early = MemoryAdapter(bus)
    heard: list[bytes] = []
    early.hear("news", b"x")
    early.attach(Clock(), ignore, ignore)
    early.subscribe("news", heard.append)
    assert heard == []
