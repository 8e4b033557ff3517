"""Connections, built and called by hand: no engine, no loop, and what comes of a call is there at once (T2-2 to T2-16).

Sources: the rows T2 and EX of the checklist, which docs/tornadio2.md lists.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from faces.tornadio2.dummies import DummyHandler, Recorder, later, opened
from waterspout.faces import tornadio2
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, gen
from waterspout.faces.tornadio2.conn import EventMagicMeta
from waterspout.faces.tornadio2.session import Session
from waterspout.testing import Clock, Peer


class Sender(SocketConnection):
    """Says what a test lets it say."""

    def on_message(self, message: Any) -> Any:
        return message


def connection(kind: type[SocketConnection] = Sender) -> tuple[Any, DummyHandler]:
    session, handler = opened(kind)
    handler.take()
    return session.conn, handler


def test_t2_1_the_package_has_the_names_that_applications_use() -> None:
    assert tornadio2.SocketConnection is tornadio2.conn.SocketConnection
    assert tornadio2.event is tornadio2.conn.event
    assert tornadio2.TornadioRouter is tornadio2.router.TornadioRouter
    assert tornadio2.SocketServer is tornadio2.server.SocketServer
    assert tornadio2.gen.sync_engine is gen.sync_engine


def test_t2_2_a_connection_needs_no_more_than_an_object_that_sends() -> None:
    class DummySession:
        def __init__(self) -> None:
            self.sent: list[str] = []

        def send_message(self, pack: str) -> None:
            self.sent.append(pack)

        def close(self, endpoint: str | None = None) -> None:
            self.sent.append(f"close {endpoint}")

    session = DummySession()
    chat = SocketConnection(session, "/chat")
    assert (chat.session, chat.endpoint, chat.is_closed) == (session, "/chat", False)
    assert (chat.ack_id, chat.ack_queue) == (1, {})
    chat.send("a")
    chat.emit("b", 1)
    chat.close()
    assert session.sent == ["3::/chat:a", '5::/chat:{"args": [1], "name": "b"}', "close /chat"]


def test_t2_3_a_class_has_its_own_endpoints() -> None:
    class Main(SocketConnection):
        __endpoints__ = {"/chat": Sender}  # noqa: RUF012  # as in the documents

    session, _ = opened(Main)
    assert session.conn.get_endpoint("/chat") is Sender
    assert session.conn.get_endpoint("/other") is None
    assert SocketConnection.__endpoints__ == {}


# T2-5: messages


def test_t2_5_a_class_without_on_message_fails_with_the_first() -> None:
    session, handler = opened(SocketConnection)
    with pytest.raises(NotImplementedError):
        session.raw_message("3:::x")
    session.close()  # as the handler did
    assert handler.take() == ["1::", "0::"]


def test_t2_5_text_arrives_as_text_and_json_as_what_it_says() -> None:
    session, _ = opened(Recorder)
    for packet in ("3:::a:b\nc é 😀", "3:::", '4:::{"a":[1]}', "4:::5"):
        session.raw_message(packet)
    assert session.conn.heard == ["a:b\nc é 😀", "", {"a": [1]}, 5]


# T2-6, PP-10: events


class Documented(Recorder):
    def on_event(self, name: str, args: Any = [], kwargs: Any = {}) -> Any:  # noqa: B006
        self.heard.append((name, args, kwargs))
        return "answer"


class Spread(Recorder):
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.heard.append((name, args, kwargs))
        return "answer"


class Positional(Recorder):
    def on_event(self, name: str, *args: Any) -> Any:
        self.heard.append((name, args))


class Named(Recorder):
    def on_event(self, name: str, **kwargs: Any) -> Any:
        self.heard.append((name, kwargs))


class Pair(Recorder):
    def on_event(self, name: str, values: Any, by_name: Any) -> Any:
        self.heard.append((name, values, by_name))


DICT, LIST, NONE, BARE = '[{"a":1,"name":"n"}]', '[1,{"a":1}]', "[]", None


@pytest.mark.parametrize(
    ("kind", "args", "heard"),
    [
        (Documented, DICT, ("x", [], {"a": 1, "name": "n"})),
        (Documented, LIST, ("x", [1, {"a": 1}], {})),
        (Documented, NONE, ("x", [], {})),
        (Documented, BARE, ("x", [], {})),
        (Spread, DICT, ("x", (), {"a": 1, "name": "n"})),
        (Spread, LIST, ("x", (1, {"a": 1}), {})),
        (Spread, NONE, ("x", (), {})),
        (Spread, BARE, ("x", (), {})),
        (Positional, DICT, ("x", ({"a": 1, "name": "n"},))),
        (Positional, LIST, ("x", (1, {"a": 1}))),
        (Named, DICT, ("x", {"a": 1, "name": "n"})),
        (Named, LIST, ("x", {"args": [1, {"a": 1}]})),
        (Named, NONE, ("x", {})),
        (Pair, DICT, ("x", [], {"a": 1, "name": "n"})),
        (Pair, LIST, ("x", [1, {"a": 1}], {})),
    ],
)
def test_t2_6_an_override_of_on_event_is_called_as_it_is_written(kind: Any, args: str | None, heard: Any) -> None:
    session, _ = opened(kind)
    session.raw_message('5:::{"name":"x"}' if args is None else f'5:::{{"name":"x","args":{args}}}')
    assert session.conn.heard == [heard]


class Marked(Recorder):
    @event("x")
    def anything(self, *args: Any, **kwargs: Any) -> Any:
        self.heard.append((args, kwargs))
        return len(args)


class DocumentedBefore(Marked):
    def on_event(self, name: str, args: Any = [], kwargs: Any = {}) -> Any:  # noqa: B006
        return super().on_event(name, args=args, kwargs=kwargs)


class NamedBefore(Marked):
    def on_event(self, name: str, **kwargs: Any) -> Any:
        return super().on_event(name, **kwargs)


class DocumentedByPlace(Marked):
    def on_event(self, name: str, args: Any = [], kwargs: Any = {}) -> Any:  # noqa: B006
        return super().on_event(name, args, kwargs)


class DocumentedSpreading(Marked):
    def on_event(self, name: str, args: Any = [], kwargs: Any = {}) -> Any:  # noqa: B006
        return super().on_event(name, *args, **kwargs)


class SpreadBefore(Marked):
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return super().on_event(name, *args, **kwargs)


class SpreadBetween(SpreadBefore):
    def on_event(self, name: str, args: Any = [], kwargs: Any = {}) -> Any:  # noqa: B006
        return super().on_event(name, args=args, kwargs=kwargs)


class Queued(Marked):
    @gen.sync_engine
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return super().on_event(name, *args, **kwargs)


@pytest.mark.parametrize(
    "kind",
    [
        Marked,
        NamedBefore,
        DocumentedBefore,
        DocumentedByPlace,
        DocumentedSpreading,
        SpreadBefore,
        SpreadBetween,
        Queued,
    ],
)
@pytest.mark.parametrize(
    ("args", "heard"),
    [
        ('[{"a":1,"name":"n"}]', ((), {"a": 1, "name": "n"})),
        ("[1,[2]]", ((1, [2]), {})),
        ("[[1]]", (([1],), {})),
        ('[[1],{"a":2}]', (([1], {"a": 2}), {})),
        ('[{"args":[1],"kwargs":{"b":2}}]', ((), {"args": [1], "kwargs": {"b": 2}})),
        ('[{"args":[1]}]', ((), {"args": [1]})),
        ("[]", ((), {})),
    ],
)
def test_t2_6_what_an_override_passes_on_reaches_the_handler_as_it_came(kind: Any, args: str, heard: Any) -> None:
    session, handler = opened(kind)
    handler.take()
    session.raw_message(f'5:1+::{{"name":"x","args":{args}}}')
    assert session.conn.heard == [heard]
    assert handler.take() == [f"6:::1+[{len(heard[0])}]"]


def test_t2_6_on_event_called_by_hand_takes_the_documented_arguments() -> None:
    session, _ = opened(Marked)
    chat = session.conn
    assert isinstance(chat, Marked)
    chat.on_event("x", args=[1, 2])
    chat.on_event("x", kwargs={"a": 1})
    chat.on_event("x", [3], {"b": 2})
    chat.on_event("x")
    assert chat.heard == [((1, 2), {}), ((), {"a": 1}), ((3,), {"b": 2}), ((), {})]


def test_t2_6_an_event_without_handler_is_logged_and_the_connection_stays(caplog: pytest.LogCaptureFixture) -> None:
    session, handler = opened(Marked)
    session.raw_message('5:1+::{"name":"unknown"}')
    session.raw_message('5:::{"name":"x"}')
    assert handler.take() == ["1::", "6:::1"]
    assert "no handler for the event 'unknown'" in caplog.text
    assert session.conn.heard == [((), {})]


# T2-8: send


@pytest.mark.parametrize(
    ("message", "packets"),
    [
        ("text é 😀", ["3:::text é 😀"]),
        ("", ["3:::"]),
        ("é".encode(), ["3:::é"]),
        ({"a": 1}, ['4:::{"a": 1}']),
        ([1, "b"], ['4:::[1, "b"]']),
        (5, ["4:::5"]),
        (True, ["4:::true"]),
        (Decimal("1.5"), ["4:::1.5"]),
        (None, []),
    ],
)
def test_t2_8_send_takes_text_bytes_and_what_json_has(message: Any, packets: list[str]) -> None:
    chat, handler = connection()
    chat.send(message)
    assert handler.take() == packets


def test_t2_8_force_json_sends_a_string_that_is_json_already() -> None:
    chat, handler = connection()
    chat.send('{"a":1}', force_json=True)
    assert handler.take() == ['4:::{"a":1}']


def test_t2_8_the_callback_of_a_message_is_called_with_it_once() -> None:
    chat, handler = connection()
    called: list[Any] = []
    chat.send("m", lambda *args: called.append(args))
    chat.send({"n": 1}, lambda *args: called.append(args))
    assert handler.take() == ["3:1::m", '4:2::{"n": 1}']
    chat.session.raw_message('6:::2+["data", 5]')
    chat.session.raw_message("6:::1")
    chat.session.raw_message("6:::1")
    assert called == [({"n": 1}, ["data", 5]), ("m", None)]


def test_t2_8_what_is_sent_on_a_closed_connection_is_ignored() -> None:
    chat, handler = connection()
    chat.close()
    handler.take()
    chat.send("late", print)
    chat.emit("late")
    chat.emit_ack(print, "late")
    chat.close()
    assert handler.take() == []
    assert chat.ack_queue == {}


# T2-9, T2-10: emit and emit_ack


def test_t2_9_emit_has_arguments_or_one_dictionary(caplog: pytest.LogCaptureFixture) -> None:
    chat, handler = connection()
    chat.emit("x", 1, [2], {"a": 3})
    chat.emit("x", a=1)
    chat.emit("x")
    chat.emit("x", 1, a=2)
    assert handler.take() == [
        '5:::{"args": [1, [2], {"a": 3}], "name": "x"}',
        '5:::{"args": [{"a": 1}], "name": "x"}',
        '5:::{"args": [{}], "name": "x"}',
        '5:::{"args": [1], "name": "x"}',
    ]
    assert "those with a name are not sent" in caplog.text


@pytest.mark.parametrize(
    ("name", "old", "modern"),
    [(b"caf\xc3\xa9", '"caf\\u00e9"', '"café"'), (1.2, "1.2", "1.2"), (5, "5", "5"), ("", '""', '""')],
)
def test_t2_9_the_name_of_an_event_may_be_bytes_or_a_number(name: Any, old: str, modern: str) -> None:
    sender, handler = connection()
    sender.emit(name, 1)
    assert handler.take() == [f'5:::{{"args": [1], "name": {old}}}']
    sender.emit_ack(lambda message, data: None, name, 1)
    assert handler.take() == [f'5:1+::{{"args": [1], "name": {old}}}']
    router = TornadioRouter(Sender)
    router.engine.bind(Clock())
    peer = Peer(router.engine)
    peer.connect()
    router.get_session(peer.sid).conn.emit(name, 1)
    assert peer.take()[-1] == f"42[{modern},1]"


def test_t2_9_every_name_may_be_an_argument() -> None:
    chat, handler = connection()
    chat.emit("thanks", name="Joes")
    chat.emit("x", self=1, endpoint=2, message_id=3)
    chat.emit_ack(print, "y", name=1, callback=2, self=3)
    assert handler.take() == [
        '5:::{"args": [{"name": "Joes"}], "name": "thanks"}',
        '5:::{"args": [{"self": 1, "endpoint": 2, "message_id": 3}], "name": "x"}',
        '5:1+::{"args": [{"name": 1, "callback": 2, "self": 3}], "name": "y"}',
    ]


def test_t2_10_emit_ack_asks_with_a_plus_and_calls_back_once() -> None:
    chat, handler = connection()
    called: list[Any] = []
    chat.emit_ack(lambda *args: called.append(args), "x", 1, 2)
    chat.emit_ack(lambda *args: called.append(args), "y", a=1)
    assert handler.take() == ['5:1+::{"args": [1, 2], "name": "x"}', '5:2+::{"args": [{"a": 1}], "name": "y"}']
    chat.session.raw_message('6:::1+["a+b"]')
    chat.session.raw_message('6:::1+["again"]')
    chat.session.raw_message("6:::2")
    assert called == [(("x", (1, 2), {}), ["a+b"]), (("y", (), {"a": 1}), None)]


# T2-11, T2-13: close and deque_ack


def test_t2_11_an_endpoint_closes_alone_and_the_main_connection_everything() -> None:
    class Main(Recorder):
        __endpoints__ = {"/chat": Recorder}  # noqa: RUF012

    session, handler = opened(Main)
    session.raw_message("1::/chat")
    chat = session.endpoints["/chat"]
    handler.take()
    chat.close()
    chat.close()
    chat.send("late")
    assert (chat.is_closed, session.is_closed, handler.take()) == (True, False, ["0::/chat"])
    session.raw_message("1::/chat")
    session.conn.close()
    session.conn.close()
    assert (session.is_closed, handler.take(), handler.closed) == (True, ["1::/chat", "0::/chat", "0::"], 1)


def test_t2_13_an_acknowledgement_can_be_queued_and_dequeued_by_hand(caplog: pytest.LogCaptureFixture) -> None:
    chat, _ = connection()
    called: list[Any] = []
    number = chat.queue_ack(lambda *args: called.append(args), "message")
    chat.deque_ack(number, ["data"])
    chat.deque_ack(number, ["data"])
    assert called == [("message", ["data"])]
    assert "nobody waits" in caplog.text


# T2-14: the decorator


def test_t2_14_event_takes_a_name_or_the_method_s_own() -> None:
    class Chat(Recorder):
        @event("foo")
        def bar(self) -> None:
            self.heard.append("foo")

        @event
        def baz(self) -> None:
            self.heard.append("baz")

    session, _ = opened(Chat)
    for name in ("foo", "bar", "baz"):
        session.raw_message(f'5:::{{"name":"{name}"}}')
    assert session.conn.heard == ["foo", "baz"]


def test_t2_14_events_are_inherited_and_overridden() -> None:
    class Base(Recorder):
        @event("one")
        def first(self) -> None:
            self.heard.append("base one")

        @event("two")
        def second(self) -> None:
            self.heard.append("base two")

        @event("three")
        def third(self) -> None:
            self.heard.append("base three")

    class Derived(Base):
        def first(self) -> None:
            self.heard.append("derived one")

        @event("zwei")
        def second(self) -> None:
            self.heard.append("derived two")

        third = None  # type: ignore[assignment]

    session, _ = opened(Derived)
    for name in ("one", "two", "zwei", "three"):
        session.raw_message(f'5:::{{"name":"{name}"}}')
    assert session.conn.heard == ["derived two"], "an override without the decorator is no event"
    base, _ = opened(Base)
    base.raw_message('5:::{"name":"two"}')
    assert base.conn.heard == ["base two"]


def test_t2_14_events_are_functions_and_an_application_may_add_some() -> None:
    def added(self: Any, value: Any) -> Any:
        self.heard.append(("added", value))
        return "an answer"

    class Chat(Recorder):
        _events = {"in the class": added}  # noqa: RUF012

        @event("marked")
        def marked(self, value: Any) -> None:
            self.heard.append(("marked", value))

    assert Chat._events["marked"] is Chat.marked
    Chat._events["later"] = added
    Chat._events["renamed"] = Chat._events.pop("marked")
    session, handler = opened(Chat)
    for name in ("in the class", "later", "renamed", "marked"):
        session.raw_message(f'5:1+::{{"name":"{name}","args":[1]}}')
    assert session.conn.heard == [("added", 1), ("added", 1), ("marked", 1)]
    assert handler.take()[1] == '6:::1+["an answer"]'
    assert "later" not in Recorder._events


def test_t2_14_a_mixin_may_collect_its_events_by_the_metaclass() -> None:
    class Mixin(metaclass=EventMagicMeta):
        @event("mixed")
        def mix(self) -> str:
            return "mixed in"

    class Chat(Mixin, Recorder):
        pass

    class Special(Recorder, metaclass=EventMagicMeta):
        @event
        def special(self) -> None: ...

    assert Mixin._events == {"mixed": Mixin.mix}
    assert Chat._events == {"mixed": Mixin.mix}
    assert Special._events == {"special": Special.special}


def test_t2_14_of_two_methods_for_one_event_the_last_by_name_has_it() -> None:
    class Chat(Recorder):
        @event("x")
        def b(self) -> None:
            self.heard.append("b")

        @event("x")
        def a(self) -> None:
            self.heard.append("a")

    session, _ = opened(Chat)
    session.raw_message('5:::{"name":"x"}')
    assert session.conn.heard == ["b"]


@pytest.mark.parametrize("name", ["on_close", "close", "__init__", "_events", "anything"])
def test_wp_64_what_a_client_names_reaches_nothing_but_what_is_marked(name: str) -> None:
    session, handler = opened(Marked)
    session.raw_message(f'5:::{{"name":"{name}"}}')
    assert session.conn.heard == []
    assert handler.take() == ["1::"]


# T2-15, T2-16: signatures and results


@pytest.mark.parametrize("args", ["[]", "[1,2]", '[{"other":1}]', '[{"self":1}]'])
def test_t2_15_arguments_that_the_handler_does_not_take_are_an_error(args: str) -> None:
    class Chat(Recorder):
        @event("x")
        def handle(self, name: Any) -> None:
            self.heard.append(name)

    session, _ = opened(Chat)
    with pytest.raises(TypeError):
        session.raw_message(f'5:::{{"name":"x","args":{args}}}')
    assert session.conn.heard == []


@pytest.mark.parametrize(
    ("result", "acknowledgement"),
    [
        (None, "6:::7"),
        ("A", '6:::7+["A"]'),
        (("A", "B"), '6:::7+["A", "B"]'),
        (["A", "B"], '6:::7+[["A", "B"]]'),
        (0, "6:::7+[0]"),
        ((), "6:::7+[]"),
    ],
)
@pytest.mark.parametrize("number", ["7+", "7"])
def test_t2_16_what_an_event_s_handler_returns_is_the_acknowledgement(
    result: Any, acknowledgement: str, number: str
) -> None:
    class Chat(Recorder):
        @event("x")
        def handle(self) -> Any:
            self.send("first")
            return result

    session, handler = opened(Chat)
    session.raw_message(f'5:{number}::{{"name":"x"}}')
    assert handler.take() == ["1::", "3:::first", acknowledgement]


@pytest.mark.parametrize(
    ("packet", "acknowledgement"),
    [("3:1::m", "6:::1"), ('4:1::"m"', "6:::1"), ("3:1+::m", '6:::1+["m"]'), ('4:1+::{"a":1}', '6:::1+[{"a": 1}]')],
)
def test_wp_50_a_message_is_acknowledged_when_it_is_handled(packet: str, acknowledgement: str) -> None:
    class Echo(SocketConnection):
        def on_message(self, message: Any) -> Any:
            self.send("echo")
            return message

    session, handler = opened(Echo)
    session.raw_message(packet)
    assert handler.take() == ["1::", "3:::echo", acknowledgement]


def test_a_result_that_json_does_not_have_is_an_error_of_the_handler() -> None:
    class Chat(Recorder):
        @event("x")
        def handle(self) -> Any:
            return object()

    session, _ = opened(Chat)
    with pytest.raises(TypeError, match="object"):
        session.raw_message('5:1+::{"name":"x"}')


def test_nothing_is_acknowledged_by_a_handler_that_has_closed_the_connection() -> None:
    class Chat(Recorder):
        @event("x")
        def handle(self) -> Any:
            self.close()
            return 1

    session, handler = opened(Chat)
    session.raw_message('5:1+::{"name":"x"}')
    assert handler.take() == ["1::", "0::"]


# PP-42: handlers that wait


def test_pp_42_a_generator_that_ends_at_once_needs_no_loop() -> None:
    class Chat(Recorder):
        @event("x")
        @gen.engine
        def handle(self, value: Any) -> Any:
            answer = yield gen.Task(lambda callback: callback(value + 1))
            return answer

    session, handler = opened(Chat)
    session.raw_message('5:1+::{"name":"x","args":[1]}')
    assert handler.take() == ["1::", "6:::1+[2]"]


def test_pp_42_a_generator_is_acknowledged_when_it_ends() -> None:
    waiting: list[Any] = []

    class Chat(Recorder):
        @gen.sync_engine
        def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
            return super().on_event(name, *args, **kwargs)

        @event("x")
        def handle(self, value: Any) -> Any:
            self.heard.append(value)
            answer = yield gen.Task(later, waiting)
            return answer

    session, handler = opened(Chat)
    session.raw_message('5:1+::{"name":"x","args":[1]}')
    session.raw_message('5:2+::{"name":"x","args":[2]}')
    assert session.conn.heard == [1]
    assert handler.take() == ["1::"]
    waiting.pop()("first")
    assert session.conn.heard == [1, 2]
    assert handler.take() == ['6:::1+["first"]']
    waiting.pop()("second")
    assert handler.take() == ['6:::2+["second"]']


def test_pp_42_a_generator_that_fails_later_closes_everything() -> None:
    waiting: list[Any] = []

    class Chat(Recorder):
        @event("x")
        @gen.engine
        def handle(self) -> Any:
            yield gen.Task(later, waiting)
            raise ValueError("later")

    session, handler = opened(Chat)
    session.raw_message('5:1+::{"name":"x"}')
    waiting.pop()(None)
    assert session.conn.heard == ["closed"]
    assert handler.take() == ["1::", "0::"]


def test_an_async_handler_without_a_loop_fails_with_a_sentence() -> None:
    class Chat(Recorder):
        @event("x")
        async def handle(self) -> Any:
            await asyncio.sleep(0)

    session, _ = opened(Chat)
    with pytest.raises(RuntimeError, match="is asynchronous"):
        session.raw_message('5:::{"name":"x"}')


# The documents' examples


def test_ex_7_to_10_an_event_by_position_and_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    class MyConnection(SocketConnection):
        @event("hello")
        def test(self, name):
            print(f"Hello {name}")
            self.emit("thanks", name=name)
            self.emit("hello", name, "foobar")

    session, handler = opened(MyConnection)
    for args in ('[{"name":"Joes"}]', '["Joes"]'):
        handler.take()
        session.raw_message(f'5:::{{"name":"hello","args":{args}}}')
        assert handler.take() == [
            '5:::{"args": [{"name": "Joes"}], "name": "thanks"}',
            '5:::{"args": ["Joes", "foobar"], "name": "hello"}',
        ]
    assert capsys.readouterr().out == "Hello Joes\nHello Joes\n"


def test_ex_11_the_bare_decorator(capsys: pytest.CaptureFixture[str]) -> None:
    class MyConnection(SocketConnection):
        @event
        def hello(self, name):
            print(f"Hello {name}")

    session, _ = opened(MyConnection)
    session.raw_message('5:::{"name":"hello","args":[{"name":"Joes"}]}')
    assert capsys.readouterr().out == "Hello Joes\n"


def test_ex_12_an_override_that_takes_the_clients_name(capsys: pytest.CaptureFixture[str]) -> None:
    class MyConnection(SocketConnection):
        def on_event(self, name, *args, **kwargs):
            if name == "hello":
                print("Hello {}".format(kwargs["name"]))
                self.emit("thanks", name=kwargs["name"])

    session, handler = opened(MyConnection)
    session.raw_message('5:::{"name":"hello","args":[{"name":"Joes"}]}')
    assert capsys.readouterr().out == "Hello Joes\n"
    assert handler.take() == ["1::", '5:::{"args": [{"name": "Joes"}], "name": "thanks"}']


@pytest.mark.parametrize(
    ("args", "triple"),
    [
        ('[{"a":10,"b":10}]', ("test", [], {"a": 10, "b": 10})),
        ('[1,2,3,{"a":10,"b":10}]', ("test", [1, 2, 3, {"a": 10, "b": 10}], {})),
        ('[{"msg":"Hello World"}]', ("test", [], {"msg": "Hello World"})),
        ('["a","b",{"msg":"Hello World"}]', ("test", ["a", "b", {"msg": "Hello World"}], {})),
    ],
)
def test_ex_13_14_28_the_documented_triples(args: str, triple: Any) -> None:
    session, _ = opened(Documented)
    session.raw_message(f'5:::{{"name":"test","args":{args}}}')
    assert session.conn.heard == [triple]


def test_ex_15_a_message_s_callback(capsys: pytest.CaptureFixture[str]) -> None:
    class MyConnection(SocketConnection):
        def on_message(self, msg):
            self.send(msg, self.my_callback)

        def my_callback(self, msg, ack_data):
            print(f"Got ack for my message: {msg} {ack_data}")

    session, handler = opened(MyConnection)
    session.raw_message("3:::hi")
    assert handler.take() == ["1::", "3:1::hi"]
    session.raw_message("6:::1")
    assert capsys.readouterr().out == "Got ack for my message: hi None\n"


def test_ex_16_an_event_s_callback(capsys: pytest.CaptureFixture[str]) -> None:
    class MyConnection(SocketConnection):
        def on_message(self, msg):
            self.emit_ack(self.my_callback, "hello")

        def my_callback(self, event, ack_data):
            print(f"Got ack for my message: {event} {ack_data}")

    session, handler = opened(MyConnection)
    session.raw_message("3:::hi")
    assert handler.take() == ["1::", '5:1+::{"args": [{}], "name": "hello"}']
    session.raw_message('6:::1+["data"]')
    assert capsys.readouterr().out == "Got ack for my message: ('hello', (), {}) ['data']\n"


def test_ex_17_18_one_value_and_several_are_returned() -> None:
    class MyConnection(SocketConnection):
        @event("test")
        def test(self):
            return "Joes"

        @event("names")
        def names(self):
            return "Joes", "Mike", "Mary"

    session, handler = opened(MyConnection)
    session.raw_message('5:1+::{"name":"test"}')
    session.raw_message('5:2+::{"name":"names"}')
    assert handler.take() == ["1::", '6:::1+["Joes"]', '6:::2+["Joes", "Mike", "Mary"]']


def test_ex_25_endpoints_in_a_dictionary() -> None:
    class ClockConnection(SocketConnection): ...

    class GameConnection(SocketConnection): ...

    class MyConnection(SocketConnection):
        __endpoints__ = {"/clock": ClockConnection, "/game": GameConnection}  # noqa: RUF012

    session, handler = opened(MyConnection)
    session.raw_message("1::/clock")
    session.raw_message("1::/game")
    assert handler.take() == ["1::", "1::/clock", "1::/game"]
    assert [type(one) for one in session.endpoints.values()] == [ClockConnection, GameConnection]


def test_ex_26_an_event_with_a_dictionary(capsys: pytest.CaptureFixture[str]) -> None:
    class MyConnection(SocketConnection):
        @event("test")
        def test(self, msg):
            print(msg)

    session, _ = opened(MyConnection)
    session.raw_message('5:::{"name":"test","args":[{"msg":"Hello World"}]}')
    assert capsys.readouterr().out == "Hello World\n"


def test_ex_29_both_forms_of_the_decorator() -> None:
    class MyConnection(Recorder):
        # Will handle 'foo' event
        @event("foo")
        def bar(self):
            self.heard.append("bar")

        # Will handle 'baz' event
        @event
        def baz(self):
            self.heard.append("baz")

    session, _ = opened(MyConnection)
    session.raw_message('5:::{"name":"foo"}')
    session.raw_message('5:::{"name":"baz"}')
    assert isinstance(session, Session)
    assert session.conn.heard == ["bar", "baz"]
