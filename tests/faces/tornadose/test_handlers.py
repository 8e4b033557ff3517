"""Handlers: the wire is the original's, and users override what they like."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from tornado import gen
from tornado.web import HTTPError, RequestHandler, authenticated

from faces.tornadose.site import Site, chunk, data, head
from hosts.client import HANDSHAKE, request
from waterspout.faces.tornadose.handlers import BaseHandler, EventSource, WebSocketSubscriber, close_streams
from waterspout.faces.tornadose.publishing import MOST_WAITING
from waterspout.faces.tornadose.stores import BaseStore, DataStore, QueueStore
from waterspout.hosts.handlerstreams import stream_engine
from waterspout.testing import client_frame


async def test_td_9_18_base_handler_registers_by_itself(host: Site) -> None:
    store = QueueStore()

    class Plain(BaseHandler):
        """A handler that is written for Tornado alone."""

        def submit(self, message: Any) -> Any:
            return self.publish(message)

        def publish(self, message: Any) -> Any:
            self.write(f"<{message}>")
            return self.flush()

        async def get(self) -> None:
            await self.flush()
            await asyncio.sleep(60)

    await host.begin(("/", Plain, {"store": store}))
    wire = await host.listen()
    store.submit("a")
    assert await chunk(wire) == b"<a>"
    wire.reset()
    await host.until(lambda: not store.subscribers)
    gone = [task for task in asyncio.all_tasks() if "_execute" in repr(task)]
    for task in gone:
        task.cancel()


@pytest.mark.parametrize("kind", [BaseHandler, EventSource])
def test_td_9_what_is_no_store_is_refused(kind: Any) -> None:
    made = kind.__new__(kind)
    made.set_header = lambda *_: None
    with pytest.raises(TypeError, match="give the route a store"):
        made.initialize(object())


def test_td_9_submit_and_publish_are_for_classes_that_implement_them() -> None:
    made: Any = BaseHandler.__new__(BaseHandler)
    for method in (made.submit, made.publish):
        with pytest.raises(NotImplementedError):
            method("x")


async def test_td_10_the_head_comes_at_once(host: Site) -> None:
    store = DataStore()
    await host.begin(("/", EventSource, {"store": store}))
    wire = await host.connect()
    wire.send(request("GET", "/"))
    fields = await head(wire)
    assert fields["content-type"] == "text/event-stream"
    assert fields["cache-control"] == "no-cache"
    assert len(store.subscribers) == 1


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("x", b"data: x\n\n"),
        (0.25, b"data: 0.25\n\n"),
        (None, b"data: None\n\n"),
        ({"a": 1}, b"data: {'a': 1}\n\n"),
        ("a\nb\r\nc\rd", b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ("", b"data: \n\n"),
        ("\ud800é", b"data: \xef\xbf\xbd\xc3\xa9\n\n"),
    ],
)
@pytest.mark.parametrize("is_alone", [False, True])
async def test_td_11_12_any_message_is_an_event(host: Site, message: Any, written: bytes, is_alone: bool) -> None:
    class Alone(EventSource):
        def submit(self, message: Any) -> Any:
            return super().submit(message)

    store = QueueStore()
    await host.begin(("/", Alone if is_alone else EventSource, {"store": store}))
    wire = await host.listen()
    store.submit(message)
    assert await chunk(wire) == written


async def test_td_13_a_client_that_goes_is_deregistered_and_freed(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", EventSource, {"store": store}))
    wires = [await host.listen() for _ in range(3)]
    refs = [weakref.ref(subscriber) for subscriber in store.subscribers]
    assert len(refs) == 3
    for wire in wires:
        wire.reset()
    await host.until(lambda: not store.subscribers)
    await asyncio.sleep(0)
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3
    assert not stream_engine().sessions


async def test_a_client_that_is_refused_is_deregistered(host: Site) -> None:
    store = QueueStore()

    class Refuses(EventSource):
        async def prepare(self) -> None:
            store.submit("early")
            await asyncio.sleep(0)
            raise HTTPError(403)

    await host.begin(("/", Refuses, {"store": store}))
    answer = await (await host.connect()).ask("GET", "/")
    assert answer.status == 403
    assert b"early" not in answer.body
    assert not store.subscribers
    assert not stream_engine().sessions


async def test_what_is_published_while_a_client_logs_in_waits_for_it(host: Site) -> None:
    store = QueueStore()

    class Slow(EventSource):
        async def prepare(self) -> None:
            store.submit("early")
            await asyncio.sleep(0)

    await host.begin(("/", Slow, {"store": store}))
    assert await data(await host.listen()) == "early"


@pytest.mark.usefixtures("quiet")
async def test_a_hundred_that_vanish_in_the_middle_of_an_event_leave_nothing(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", EventSource, {"store": store}), ("/socket", WebSocketSubscriber, {"store": store}))
    wires: list[Any] = [await host.listen() for _ in range(50)]
    wires += [await host.open("/socket") for _ in range(50)]
    for wire in wires:
        wire.writer.transport.pause_reading()
    await store.submit("x" * 200_000)
    await asyncio.sleep(0)
    for wire in wires:
        wire.reset()
    await host.until(lambda: not store.subscribers)
    assert not stream_engine().sessions
    content = await host.listen()
    store.submit("a")
    assert await data(content) == "a"


class Login(RequestHandler):
    def get_current_user(self) -> str | None:
        return self.request.headers.get("X-User")

    def get_login_url(self) -> str:
        return "/login"


async def test_get_may_be_a_coroutine_with_a_login_and_groups_of_the_route(host: Site) -> None:
    told: list[Any] = []

    class Mine(Login, EventSource):
        @authenticated
        async def get(self, *args: str) -> None:  # type: ignore[override]
            told.append(args)
            await super().get(*args)
            told.append("over")

        def on_finish(self) -> None:
            told.append("finished")

    store = QueueStore()
    await host.begin((r"/(\w+)/(\d+)", Mine, {"store": store}))
    assert (await (await host.connect()).ask("GET", "/run/7")).status == 302
    assert not store.subscribers
    told.clear()
    wire = await host.listen("/run/7", ("X-User", "anna"))
    store.submit("a")
    assert await data(wire) == "a"
    wire.reset()
    await host.until(lambda: told == [("run", "7"), "over", "finished"])


async def test_get_may_yield_and_initialize_may_be_overridden_through_two_bases(host: Site) -> None:
    class First(EventSource):
        def initialize(self, store: BaseStore, name: str) -> None:  # type: ignore[override]
            super().initialize(store)
            self.name = name

    class Second(First):
        def initialize(self, store: BaseStore) -> None:  # type: ignore[override]
            super().initialize(store, "second")

        @gen.coroutine
        def get(self) -> Any:
            yield super().get()

    store = QueueStore()
    await host.begin(["/", Second, dict(store=store)])  # noqa: C408 - as they are written
    wire = await host.listen()
    [subscriber] = store.subscribers
    assert subscriber.name == "second"
    assert subscriber.store is store
    store.submit("a")
    assert await data(wire) == "a"


async def test_publish_may_be_written_with_write_and_flush(host: Site) -> None:
    class Named(EventSource):
        @gen.coroutine
        def publish(self, message: Any) -> Any:
            self.write(f"event: tick\ndata: {message}\n\n")
            yield self.flush()

    store = QueueStore()
    await host.begin(("/", Named, {"store": store}), ("/plain", EventSource, {"store": store}))
    named, plain = await host.listen(), await host.listen("/plain")
    for number in range(2):
        store.submit(number)
        assert await chunk(named) == b"event: tick\ndata: %d\n\n" % number
        assert await data(plain) == f"{number}"
    assert not Named.takes_events
    named.reset()
    await host.until(lambda: len(store.subscribers) == 1)


async def test_td_10_a_period_lies_between_two_messages(host: Site) -> None:
    queue, current = QueueStore(), DataStore()
    period = 0.02
    await host.begin(
        ("/all", EventSource, {"store": queue, "period": period}),
        ("/last", EventSource, {"store": current, "period": period}),
    )
    every, last = await host.listen("/all"), await host.listen("/last")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(5):
        queue.submit(number)
        await current.submit(number)
        await asyncio.sleep(0)
    assert [await data(every) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    assert loop.time() - begun >= 4 * period * 0.9
    seen = [await data(last)]
    while seen[-1] != "4":
        seen.append(await data(last))
    assert seen == ["0", "4"]


@pytest.mark.parametrize("period", ["1", -1, True, float("inf")])
def test_td_10_a_period_that_cannot_be_meant_is_refused(period: Any) -> None:
    made: Any = EventSource.__new__(EventSource)
    with pytest.raises((TypeError, ValueError), match="period is"):
        made.initialize(QueueStore(), period)


async def test_pp_46_of_a_data_store_a_slow_reader_gets_the_latest_and_of_a_queue_store_all(host: Site) -> None:
    queue, current = QueueStore(), DataStore()
    await host.begin(("/all", EventSource, {"store": queue}), ("/last", EventSource, {"store": current}))
    wires: list[Any] = [await host.listen("/all"), await host.listen("/last")]
    for wire in wires:
        wire.writer.transport.pause_reading()
    [every], [last] = queue.subscribers, current.subscribers
    text = "x" * 60_000
    sent = 0
    while not (every.session.outbox_bytes and last.session.outbox_bytes):  # until the kernel takes no more
        sent += 1
        queue.submit(f"{sent}{text}")
        current.submit(f"{sent}{text}")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for number in range(sent + 1, sent + 6):
        queue.submit(f"{number}{text}")
        current.submit(f"{number}{text}")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert last.session.outbox_bytes < 2 * len(text)
    for wire in wires:
        wire.writer.transport.resume_reading()
    got = [(await data(wires[0])).removesuffix(text) for _ in range(sent + 5)]
    assert got == [f"{number}" for number in range(1, sent + 6)]
    seen = [await data(wires[1])]
    while seen[-1] != f"{sent + 5}{text}":
        seen.append(await data(wires[1]))
    assert len(seen) <= sent + 1


async def test_a_stream_that_is_closed_tells_its_client_when_to_come_back(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", EventSource, {"store": store}))
    wire = await host.listen()
    closing = asyncio.ensure_future(close_streams())
    assert (await chunk(wire)).startswith(b"retry: ")
    wire.abort()
    await closing
    assert not store.subscribers
    again = await host.listen()
    store.submit("a")
    assert await data(again) == "a"


# WebSockets


async def test_td_14_16_a_websocket_gets_json(host: Site) -> None:
    store = QueueStore()
    await host.begin((r"/(\w*)", WebSocketSubscriber, {"store": store}))
    wires = [await host.open("/a") for _ in range(2)]
    for message in ("x", {"a": [1, None]}, 0.5, None):
        store.submit(message)
    for wire in wires:
        texts = [await wire.text() for _ in range(4)]
        assert texts == ['{"data": "x"}', '{"data": {"a": [1, null]}}', '{"data": 0.5}', '{"data": null}']


async def test_td_14_a_websocket_may_listen_to_a_data_store(host: Site) -> None:
    store = DataStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}))
    wire = await host.open()
    for text in "abc":
        store.submit(text)
    assert await wire.text() == '{"data": "c"}'


async def test_td_15_a_websocket_is_registered_from_its_request_to_its_end(host: Site) -> None:
    store = QueueStore()
    told: list[str] = []

    class Mine(WebSocketSubscriber):
        async def prepare(self) -> None:
            store.submit("early")
            await asyncio.sleep(0)

        async def open(self, *args: str) -> None:
            told.append(f"open {len(store.subscribers)}")
            await asyncio.sleep(0)
            super().open(*args)

        def on_close(self) -> None:
            told.append("close")

    await host.begin(("/", Mine, {"store": store}))
    wire = await host.open()
    store.submit("late")
    assert [await wire.text(), await wire.text()] == ['{"data": "early"}', '{"data": "late"}']
    wire.send(client_frame(8, b"\x03\xe8"))
    assert (await wire.frame())[0] == 8
    await host.until(lambda: not store.subscribers)
    assert told == ["open 1", "close"]


async def test_td_15_a_handshake_that_is_refused_leaves_nothing(host: Site) -> None:
    store = QueueStore()

    class Refuses(WebSocketSubscriber):
        async def prepare(self) -> None:
            store.submit("early")
            await asyncio.sleep(0)
            raise HTTPError(403)

    await host.begin(("/", Refuses, {"store": store}), ("/plain", WebSocketSubscriber, {"store": store}))
    wire = await host.open(stays=False)
    assert (await wire.answer()).status == 403
    assert (await (await host.connect()).ask("GET", "/plain")).status == 400
    assert not store.subscribers


async def test_pp_46_a_websocket_that_reads_nothing_is_dropped(host: Site, caplog: pytest.LogCaptureFixture) -> None:
    store = QueueStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}))
    wire: Any = await host.open()
    wire.writer.transport.pause_reading()
    text, sent = "x" * 10_000, 0
    while store.subscribers:
        store.submit(text)
        sent += 1
        await asyncio.sleep(0)
    assert sent < MOST_WAITING + 2000  # those that the kernel took
    assert "more than 1000 messages wait" in caplog.text


async def test_pp_36_a_websocket_of_a_foreign_origin_is_refused(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}))
    wire = await host.connect()
    wire.send(request("GET", "/", *HANDSHAKE, ("Origin", "https://evil.example")))
    assert (await wire.answer()).status == 403
    assert not store.subscribers


async def test_td_16_a_websocket_that_is_gone_is_deregistered_and_freed(host: Site) -> None:
    store = QueueStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}))
    wire = await host.open()
    store.submit("a")
    assert await wire.text() == '{"data": "a"}'
    [freed] = map(weakref.ref, store.subscribers)
    wire.reset()
    await host.until(lambda: not store.subscribers)
    for _ in range(3):  # Tornado's own task ends
        await asyncio.sleep(0)
    gc.collect()
    assert freed() is None


async def test_td_17_what_a_client_sends_is_ignored_unless_a_class_reads_it(host: Site) -> None:
    got: list[Any] = []

    class Reads(WebSocketSubscriber):
        def on_message(self, message: str | bytes) -> Any:
            got.append(message)

    store = QueueStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}), ("/reads", Reads, {"store": store}))
    for path in ("/", "/reads"):
        wire = await host.open(path)
        wire.send(client_frame(1, b"hello"))
        wire.send(client_frame(9, b""))
        assert (await wire.frame())[0] == 10
        store.submit("a")
        assert await wire.text() == '{"data": "a"}'
    assert got == ["hello"]


@pytest.mark.usefixtures("quiet")
async def test_td_18_messages_are_printed_nowhere(host: Site, capsys: pytest.CaptureFixture[str]) -> None:
    store = QueueStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}), ("/events", EventSource, {"store": store}))
    wire, events = await host.open(), await host.listen("/events")
    store.submit("a secret")
    await wire.text()
    await data(events)
    assert capsys.readouterr() == ("", "")


async def test_what_is_no_json_is_logged_and_reaches_the_others(host: Site, caplog: pytest.LogCaptureFixture) -> None:
    store = QueueStore()
    await host.begin(("/", WebSocketSubscriber, {"store": store}), ("/events", EventSource, {"store": store}))
    wire, events = await host.open(), await host.listen("/events")
    store.submit({1, 2})
    store.submit("a")
    assert await wire.text() == '{"data": "a"}'
    assert [await data(events), await data(events)] == ["{1, 2}", "a"]
    assert "not JSON serializable" in caplog.text
