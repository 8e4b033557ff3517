"""Stores: what the original's page says of them, and what users override."""

import asyncio
import threading
from typing import Any

import pytest
from tornado import gen
from tornado.queues import Queue
from tornado.web import RequestHandler

from faces.tornadose.site import Site, data
from waterspout.faces.tornadose.handlers import BaseHandler, EventSource
from waterspout.faces.tornadose.publishing import MOST_WAITING
from waterspout.faces.tornadose.stores import BaseStore, DataStore, QueueStore


def handler(submit: Any = None) -> Any:
    """Make a handler without a request, whose `submit` is this."""
    made: Any = RequestHandler.__new__(RequestHandler)
    made.got = []
    made.submit = made.got.append if submit is None else submit
    return made


# Without a loop: stores are made at import time, and a unit test sees at once what was published.


def test_td_1_2_a_store_is_initialized_with_its_arguments() -> None:
    class Mine(BaseStore):
        def initialize(self, name: str, *, size: int = 0) -> None:
            assert self.subscribers == set()
            self.name, self.size = name, size

    assert (Mine("a", size=3).name, Mine("a", size=3).size) == ("a", 3)
    assert BaseStore(1, 2, three=3).subscribers == set()


@pytest.mark.parametrize("kind", [DataStore, QueueStore])
def test_td_2_initialize_may_be_overridden_without_super(kind: type[Any]) -> None:
    class Mine(kind):  # type: ignore[misc]
        def initialize(self, name: str) -> None:
            self.name = name

    store, subscriber = Mine("a"), handler()
    store.register(subscriber)
    store.submit("x")
    assert (store.name, subscriber.got) == ("a", ["x"])


def test_td_3_4_a_subscriber_is_registered_once_and_deregistered(caplog: pytest.LogCaptureFixture) -> None:
    store, subscriber = QueueStore(), handler()
    for _ in range(2):
        store.register(subscriber)
    store.submit("a")
    store.deregister(subscriber)
    store.submit("b")
    assert subscriber.got == ["a"]
    with caplog.at_level("DEBUG", "tornadose.stores"):
        store.deregister(subscriber)
    assert "not registered" in caplog.text


def test_td_3_what_is_no_handler_cannot_subscribe() -> None:
    with pytest.raises(TypeError, match="derive its class from tornado"):
        BaseStore().register(object())  # type: ignore[arg-type]


def test_td_5_submit_and_publish_are_for_classes_that_implement_them() -> None:
    for method in (BaseStore().submit, lambda _: BaseStore().publish()):
        with pytest.raises(NotImplementedError):
            method("x")


def test_td_6_data_is_a_property_and_submit_makes_a_text_of_it() -> None:
    store, subscriber = DataStore(1), handler()
    store.register(subscriber)
    assert store.data == 1
    store.data = 2
    store.set_data(3.5)
    store.submit({"a": 1})
    assert store.data == "{'a': 1}"
    assert subscriber.got == [2, 3.5, "{'a': 1}"]  # initial data is nobody's
    assert DataStore(initial_data=7).data == 7
    assert DataStore().data is None


def test_pp_44_what_is_submitted_without_a_subscriber_is_dropped() -> None:
    store, subscriber = QueueStore(), handler()
    for _ in range(3):
        store.submit("before")
    store.messages.put("before, too")
    assert store.messages.empty()
    store.register(subscriber)
    store.submit("after")
    assert subscriber.got == ["after"]


def test_what_fails_is_logged_and_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    def fail(message: Any) -> None:
        raise KeyError(message)

    store = QueueStore()
    for subscriber in (failing := handler(fail), content := handler()):
        store.register(subscriber)
    store.submit("a")
    store.submit("b")
    assert content.got == ["a", "b"]
    assert failing in store.subscribers
    assert caplog.text.count("submit of a subscriber failed") == 2


def test_a_store_that_overrides_submit_and_deregister_is_called() -> None:
    told: list[Any] = []

    class Loud(QueueStore):
        def submit(self, message: Any) -> Any:
            return super().submit(message.upper())

        def register(self, subscriber: Any) -> None:
            told.append("in")
            super().register(subscriber)

        def deregister(self, subscriber: Any) -> None:
            told.append("out")
            super().deregister(subscriber)

    store, subscriber = Loud(), handler()
    store.register(subscriber)
    store.submit("a")
    store.deregister(subscriber)
    assert (subscriber.got, told) == (["A"], ["in", "out"])


def test_a_plain_publish_of_ones_own_is_called_when_there_is_something_new() -> None:
    class Twice(QueueStore):
        def publish(self) -> None:
            message = self.messages.get_nowait()
            for subscriber in self.subscribers:
                subscriber.submit(message)
                subscriber.submit(message)

    store, subscriber = Twice(), handler()
    store.register(subscriber)
    store.submit("a")
    store.submit("b")
    assert subscriber.got == ["a", "a", "b", "b"]


def test_a_publish_that_fails_is_logged_and_called_again(caplog: pytest.LogCaptureFixture) -> None:
    class Bad:
        def __str__(self) -> str:
            raise KeyError("no text")

    class Fails(QueueStore):
        def publish(self) -> None:
            super().publish()
            raise KeyError("mine")

    store, subscriber = Fails(), handler()
    store.register(subscriber)
    for message in ("a", Bad(), "b"):
        store.submit(message)
    assert len(subscriber.got) == 3
    assert caplog.text.count("publish of a store failed") == 3


# On a loop


async def test_td_6_of_several_updates_in_a_turn_the_last_is_published(host: Site) -> None:
    store = DataStore()
    await host.begin(("/", EventSource, {"store": store}))
    wire = await host.listen()
    for text in "abc":
        store.submit(text)
    assert await data(wire) == "c"
    store.data = 0.5
    assert await data(wire) == "0.5"


async def test_td_7_every_message_reaches_every_subscriber_in_order(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", EventSource, {"store": store}))
    wires = [await host.listen() for _ in range(2)]
    store.submit("a")
    await store.submit("b")
    await store.messages.put("c")
    for wire in wires:
        assert [await data(wire) for _ in range(3)] == ["a", "b", "c"]


async def test_td_6_a_newcomer_waits_for_what_comes(host: Site) -> None:
    store = DataStore("initial")
    await host.begin(("/", EventSource, {"store": store}))
    first = await host.listen()
    store.submit("x")
    assert await data(first) == "x"
    second = await host.listen()
    store.submit("y")
    assert await data(second) == "y"


async def test_td_8_any_handler_with_submit_may_register_itself(host: Site) -> None:
    store = QueueStore()

    class Next(RequestHandler):
        """Long polling: the answer is the next message."""

        async def get(self) -> None:
            self.messages: Queue[Any] = Queue()
            store.register(self)
            try:
                self.write(await self.messages.get())
            finally:
                store.deregister(self)

        def submit(self, message: Any) -> Any:
            return self.messages.put(message)

    await host.begin(("/", Next))
    asked = asyncio.ensure_future((await host.connect()).ask("GET", "/"))
    await host.until(lambda: store.subscribers)
    store.submit({"a": 1})
    assert (await asked).body == b'{"a": 1}'
    await host.until(lambda: not store.subscribers)


async def test_a_submit_that_takes_its_time_delays_nobody_else_and_keeps_the_order(host: Site) -> None:
    go_on = asyncio.Event()

    class Slow(EventSource):
        async def submit(self, message: Any) -> None:
            await go_on.wait()
            await super().submit(message)

    store = QueueStore()
    await host.begin(("/", EventSource, {"store": store}), ("/slow", Slow, {"store": store}))
    fast, slow = await host.listen(), await host.listen("/slow")
    for text in "abc":
        store.submit(text)
    assert [await data(fast) for _ in range(3)] == ["a", "b", "c"]
    go_on.set()
    assert [await data(slow) for _ in range(3)] == ["a", "b", "c"]


async def test_pp_46_a_slow_subscriber_gets_the_latest_of_a_data_store(host: Site) -> None:
    go_on = asyncio.Event()

    class Slow(EventSource):
        async def submit(self, message: Any) -> None:
            await go_on.wait()
            self.publish(message)

    store = DataStore()
    await host.begin(("/", Slow, {"store": store}))
    wire = await host.listen()
    for number in range(5):
        store.set_data(number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    go_on.set()
    assert [await data(wire), await data(wire)] == ["0", "4"]


async def test_pp_46_a_subscriber_that_is_too_slow_is_dropped(host: Site, caplog: pytest.LogCaptureFixture) -> None:
    go_on = asyncio.Event()

    class Never(EventSource):
        async def submit(self, message: Any) -> None:
            await go_on.wait()

    store = QueueStore()
    await host.begin(("/", Never, {"store": store}))
    wire = await host.listen()
    for _ in range(MOST_WAITING + 2):
        store.submit("x")
    assert b"retry: " in await wire.rest()
    assert not store.subscribers
    assert "more than 1000 messages wait" in caplog.text
    go_on.set()


async def test_td_5_a_publish_that_loops_as_the_page_recommends(host: Site) -> None:
    class Looping(BaseStore):
        def initialize(self) -> None:
            self.messages: Queue[Any] = Queue()
            self.publish()

        @gen.coroutine
        def submit(self, message: Any) -> Any:
            yield self.messages.put(message)

        @gen.coroutine
        def publish(self) -> Any:
            while True:
                message = yield self.messages.get()
                yield [subscriber.submit(message) for subscriber in self.subscribers]

    store = Looping()
    await host.begin(("/", EventSource, {"store": store}))
    wire = await host.listen()
    await store.submit("a")
    store.submit("b")
    assert [await data(wire), await data(wire)] == ["a", "b"]


@pytest.mark.parametrize("is_native", [True, False])
def test_a_publish_that_loops_in_a_queue_store_begins_with_the_loop(is_native: bool) -> None:
    class Native(QueueStore):
        async def publish(self) -> None:
            while True:
                message = await self.messages.get()
                for subscriber in self.subscribers:
                    await subscriber.submit(f"<{message}>")

    class Older(QueueStore):
        @gen.coroutine
        def publish(self) -> Any:
            while True:
                message = yield self.messages.get()
                yield [subscriber.submit(f"<{message}>") for subscriber in self.subscribers]

    store = Native() if is_native else Older()
    store.submit("before the loop")
    for number in range(2 if is_native else 1):  # loops, one after the other
        expected = ["<before the loop>", "<0>"] if number == 0 else ["<1>"]
        got: list[str] = []

        async def submit(message: str, got: list[str] = got) -> None:
            got.append(message)

        async def main(
            submit: Any = submit, number: int = number, got: list[str] = got, count: int = len(expected)
        ) -> None:
            subscriber = handler(submit)
            store.register(subscriber)
            await store.submit(f"{number}")
            while len(got) < count:
                await asyncio.sleep(0)
            store.deregister(subscriber)

        asyncio.run(main())
        assert got == expected


@pytest.mark.parametrize("before", [(), ("before the loop",)])
def test_a_publish_that_loops_takes_what_comes_while_nobody_subscribes(before: tuple[str, ...]) -> None:
    class Looping(QueueStore):
        async def publish(self) -> None:
            while True:
                message = await self.messages.get()
                for subscriber in self.subscribers:
                    await subscriber.submit(message)

    async def main() -> None:
        store.submit("in the loop")
        for _ in range(10):
            await asyncio.sleep(0)

    store = Looping()
    for message in before:
        store.submit(message)
    asyncio.run(main())
    assert store.messages.empty()


async def test_any_thread_may_submit(host: Site) -> None:
    queue, current = QueueStore(), DataStore()
    await host.begin(("/", EventSource, {"store": queue}), ("/now", EventSource, {"store": current}))
    wires = [await host.listen(), await host.listen("/now")]

    def work() -> None:
        for number in range(100):
            queue.submit(number)
        queue.submit("last").wait(10)
        current.data = 7

    thread = threading.Thread(target=work)
    thread.start()
    assert [await data(wires[0]) for _ in range(101)] == [*map(str, range(100)), "last"]
    assert await data(wires[1]) == "7"
    thread.join()


async def test_a_store_belongs_to_the_loop_of_its_subscribers(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", EventSource, {"store": store}))
    await host.listen()

    async def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="subscribers on another event loop"):
            store.register(handler())

    await asyncio.to_thread(asyncio.run, elsewhere())


async def test_a_store_may_be_made_for_each_request(host: Site) -> None:
    stores: list[Any] = []

    class Count(EventSource):
        def initialize(self, first: int) -> None:  # type: ignore[override]
            stores.append(QueueStore())
            super().initialize(stores[-1])
            for number in range(first, first + 3):
                self.store.submit(number)

    await host.begin(["/", Count, {"first": 5}])
    wire = await host.listen()
    assert [await data(wire) for _ in range(3)] == ["5", "6", "7"]
    assert isinstance(stores[0].subscribers.pop(), BaseHandler)
