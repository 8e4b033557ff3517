"""The connection of a client: what it may send, what handlers get, who may connect, and how it ends."""

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError
from tornado.websocket import WebSocketHandler as TornadoHandler

from faces.tornado_websockets.site import Overridden, Site, event, got
from hosts.client import text
from waterspout.faces.tornado_websockets.exceptions import InvalidInstanceError
from waterspout.faces.tornado_websockets.websockethandler import WebSocketHandler
from waterspout.testing import client_frame

kinds = pytest.mark.parametrize("kind", [WebSocketHandler, Overridden], ids=["taken over", "Tornado's"])
quietly = pytest.mark.usefixtures("quiet")


def warning(message: str) -> tuple[str, Any]:
    return "warning", {"message": message}


# TW-5, TW-6, TW-8


def test_tw_5_it_is_a_handler_of_tornados() -> None:
    assert issubclass(WebSocketHandler, TornadoHandler)


def test_tw_6_what_is_no_websocket_is_refused() -> None:
    made = WebSocketHandler.__new__(WebSocketHandler)
    with pytest.raises(InvalidInstanceError) as raised:
        made.initialize(object())  # type: ignore[arg-type]
    assert raised.value.expected_instance_name.endswith("WebSocket")


@quietly
async def test_tw_6_a_plain_get_leaves_nothing_behind(host: Site) -> None:
    ws = host.websocket_at()
    await host.begin()
    wire = await host.connect()
    assert (await wire.ask("GET", "/ws/test")).status == 426
    assert (await wire.ask("POST", "/ws/test", body=b"{}")).status == 426
    assert ws.handlers == []
    await host.open()
    await host.until(lambda: len(ws.handlers) == 1)
    ws.emit("event")


@kinds
@quietly
async def test_tw_8_clients_that_disconnect_are_unlinked_and_freed(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at()
    gone = []

    @ws.on
    def close(socket: Any, data: Any) -> None:
        gone.append(data["reason"])
        assert socket not in ws.handlers
        with pytest.raises(WebSocketClosedError):
            socket.emit("event")

    await host.begin()
    wires = [await host.open() for _ in range(3)]
    await host.until(lambda: len(ws.handlers) == 3)
    kept = [weakref.ref(handler) for handler in ws.handlers]
    ws.handlers[0].on_close()
    ws.handlers[0].on_close()  # what is unlinked is not unlinked again
    for wire in wires:
        wire.send(client_frame(8, b"\x03\xe8"))
    await host.until(lambda: len(gone) == 3 and not ws.handlers)
    assert set(gone) == {"transport close"}
    for wire in wires:
        wire.abort()
    await asyncio.sleep(0.01)
    gc.collect()
    assert [ref() for ref in kept if ref() is not None] == []


@quietly
async def test_what_comes_for_a_connection_that_is_unlinked_by_hand_is_not_answered(host: Site) -> None:
    ws = host.websocket_at()
    handled = []

    @ws.on
    def act(socket: Any) -> None:
        handled.append(socket)
        socket.emit("event")

    await host.begin()
    wire = await host.open()
    await host.until(lambda: ws.handlers)
    ws[0].on_close()
    wire.send(text("nonsense") + event("act") + text("nonsense") + event("act"))
    await host.until(lambda: len(handled) == 2)
    wire.send(client_frame(9, b"alive"))
    assert await wire.frame() == (10, b"alive")


# TW-7: what comes


@kinds
@quietly
async def test_tw_7_the_table_of_inputs(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at()

    @ws.on
    def echo(socket: Any, data: Any) -> None:
        socket.emit("echo", data)

    @ws.on
    def open() -> None: ...

    await host.begin()
    wire = await host.open()
    invalid, nothing = warning("Invalid JSON was sent."), warning("There is no event in this JSON.")
    unknown, wrong = warning("Event is not binded."), warning("The data should be a dictionary.")
    table: list[tuple[bytes, Any]] = [
        (text("nonsense"), invalid),
        (text(""), invalid),
        (text("[]"), invalid),
        (text('"echo"'), invalid),
        (text("5"), invalid),
        (text("null"), invalid),
        (text("[" * 100_000), invalid),
        (client_frame(2, b"\xff\xfe"), invalid),
        (text("{}"), nothing),
        (text('{"data": {}}'), nothing),
        (event(""), nothing),
        (event(None), nothing),
        (event(["echo"]), unknown),
        (event({"echo": 1}), unknown),
        (event(5), unknown),
        (event("other", 5), unknown),
        *[
            (event(name), unknown)
            for name in ("open", "close", "error", "__init__", "emit", "bind_event", "x" * 10_000)
        ],
        *[(event("echo", data), wrong) for data in (5, "text", [1], True)],
        *[(event("echo", data), ("echo", {})) for data in (None, 0, False, "")],
        (text('{"event": "echo", "data": []}'), ("echo", {})),
        (event("echo", {"a": [1, None, "ä"]}), ("echo", {"a": [1, None, "ä"]})),
        (client_frame(2, b'{"event": "echo", "data": {"b": 1}}'), ("echo", {"b": 1})),
        (text('{"event": "echo", "data": {"a": "\\ud800"}}'), ("echo", {"a": "\ufffd"})),
    ]
    for sent, expected in table:
        wire.send(sent)
        assert await got(wire) == expected, sent[:50]


@quietly
async def test_tw_7_arguments_are_given_by_name(host: Site) -> None:
    ws = host.websocket_at()
    calls: list[Any] = []

    class Application:
        def __init__(self) -> None:
            ws.context = self
            ws.on(self.bound)

        @ws.on
        def method(self, socket: Any, data: Any) -> None:
            calls.append(("method", self, socket, data))

        def bound(self, data: Any) -> None:
            calls.append(("bound", self, data))

    @ws.on
    def nothing() -> None:
        calls.append(("nothing",))

    @ws.on
    def swapped(data: Any, socket: Any, more: int = 3) -> None:
        calls.append(("swapped", socket, data, more))

    @ws.on
    def anything(*args: Any, **options: Any) -> None:
        calls.append(("anything", args, options))

    @ws.on
    def end(socket: Any) -> None:
        socket.emit("end")

    application = Application()
    await host.begin()
    wire = await host.open()
    for name in ("method", "bound", "nothing", "swapped", "anything", "end"):
        wire.send(event(name, {"n": 1}))
    assert await got(wire) == ("end", {})
    socket, data = ws[0], {"n": 1}
    assert calls == [
        ("method", application, socket, data),
        ("bound", application, data),
        ("nothing",),
        ("swapped", socket, data, 3),
        ("anything", (), {"socket": socket, "data": data}),
    ]


@quietly
async def test_unknown_events_and_second_handlers_in_the_way_of_version_0_2(host: Site) -> None:
    ws = host.websocket_at()
    ws.strict = False

    def first(socket: Any) -> None: ...

    def second(socket: Any) -> None:
        socket.emit("second")

    def camera_open(socket: Any) -> None:
        socket.emit("opened")

    second.__name__ = "first"
    for handler in (first, second, camera_open):
        ws.on(handler)
    await host.begin()
    wire = await host.open()
    assert await got(wire) == ("opened", {})
    for name in ("unknown", "camera_open", "first"):
        wire.send(event(name))
    assert await got(wire) == ("second", {})


@quietly
async def test_tw_9_10_emit_emit_warning_write_message_and_what_tornado_knows(host: Site) -> None:
    ws = host.websocket_at("/room/([a-z]+)")

    @ws.on
    async def open(socket: Any) -> None:
        socket.emit("event", "no conversion here")
        socket.emit("nothing")
        socket.emit_warning("careful")
        await socket.write_message({"a": 1})
        socket.write_message(b"bytes", binary=True)
        told = [socket.path_args, socket.get_argument("q"), socket.get_cookie("c"), socket.request.path]
        socket.emit("told", {"told": told})

    await host.begin()
    wire = await host.open("/room/blue?q=2", ("Cookie", "c=3"))
    assert [await got(wire), await got(wire)] == [("event", "no conversion here"), ("nothing", {})]
    assert await got(wire) == warning("careful")
    assert await wire.text() == '{"a": 1}'
    assert await wire.frame() == (2, b"bytes")
    assert await got(wire) == ("told", {"told": [["blue"], "2", "3", "/ws/room/blue"]})


# Order, failures, the end


@pytest.mark.parametrize("threaded", [False, True])
@quietly
async def test_a_clients_events_are_handled_one_after_the_other_also_behind_open(host: Site, threaded: bool) -> None:
    ws = host.websocket_at()
    ws.threaded = threaded
    gate, order = asyncio.Event(), []

    @ws.on
    async def open(socket: Any) -> None:
        await gate.wait()
        order.append("open")

    @ws.on
    def first() -> None:
        order.append("first")

    @ws.on
    async def second(socket: Any) -> None:
        order.append("second")
        socket.emit("end")

    await host.begin()
    wire = await host.open()
    wire.send(event("first") + event("second"))
    await host.until(lambda: len(ws.handlers) == 1)
    await asyncio.sleep(0.01)
    assert order == []
    gate.set()
    assert await got(wire) == ("end", {})
    assert order == ["open", "first", "second"]


@pytest.mark.parametrize("how", ["close", "close in a thread", "raise", "raise at once"])
@kinds
async def test_no_event_of_a_client_that_open_refuses_is_handled(host: Site, kind: Any, how: str) -> None:
    host.handler = kind
    ws = host.websocket_at()
    ws.threaded = how == "close in a thread"
    gate, gate_of_thread, handled = asyncio.Event(), threading.Event(), []

    async def refuse(socket: Any) -> None:
        await gate.wait()
        if how == "raise":
            raise ValueError("no")
        socket.emit("refused", {"why": "login"})
        socket.close(4401)

    def at_once(socket: Any) -> None:
        raise ValueError("no")

    def in_a_thread(socket: Any) -> None:
        gate_of_thread.wait(30)
        socket.emit("refused", {"why": "login"})
        socket.close(4401)

    ways = {"raise at once": at_once, "close in a thread": in_a_thread}
    ws.bind_event("open", ways.get(how, refuse))

    @ws.on
    def act() -> None:
        handled.append(True)

    await host.begin()
    wire = await host.open()
    wire.send(event("act") + event("act"))
    await asyncio.sleep(0.01)
    gate.set()
    gate_of_thread.set()
    if how.startswith("close"):
        assert await got(wire) == ("refused", {"why": "login"})
    assert await wire.closing() == (4401 if how.startswith("close") else 1011)
    await host.until(lambda: not ws.handlers)
    assert handled == []


@kinds
async def test_pp_13_a_handler_that_raises_ends_its_connection_and_no_other(
    host: Site, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host.handler = kind
    ws = host.websocket_at()

    @ws.on
    def fail(socket: Any) -> None:
        socket.emit("before")
        raise ValueError("a fault")

    await host.begin()
    first, second = await host.open(), await host.open()
    first.send(event("fail"))
    assert await got(first) == ("before", {})
    assert await first.closing() == 1011
    await host.until(lambda: len(ws.handlers) == 1)
    ws.emit("after")
    assert await got(second) == ("after", {})
    (record,) = [record for record in caplog.records if record.name == "tornado_websockets"]
    assert record.getMessage() == "the handler of 'fail' at '/test' failed"
    assert "a fault" in caplog.text


@pytest.mark.parametrize("threaded", [False, True])
async def test_an_error_handler_decides_what_becomes_of_a_failure(host: Site, threaded: bool) -> None:
    ws = host.websocket_at()
    ws.threaded = threaded

    @ws.on
    def fail(data: Any) -> None:
        raise ValueError(data["why"])

    @ws.on
    def error(socket: Any, data: Any) -> None:
        if str(data["error"]) == "twice":
            raise data["error"]
        socket.emit("failed", {"event": data["event"], "why": str(data["error"])})

    await host.begin()
    wire = await host.open()
    for why in ("one", "two"):
        wire.send(event("fail", {"why": why}))
        assert await got(wire) == ("failed", {"event": "fail", "why": why})
    wire.send(event("fail", {"why": "twice"}))
    assert await wire.closing() == 1011


@quietly
async def test_emitting_to_nobody_is_no_failure_of_close(host: Site) -> None:
    ws = host.websocket_at()
    told = []

    @ws.on
    async def close(socket: Any) -> None:
        told.append(True)
        ws.emit("left")  # the last one leaves, and nobody is here: EmitHandlerError

    await host.begin()
    (await host.open()).abort()
    await host.until(lambda: told)


@kinds
@quietly
async def test_the_servers_end_is_1001_and_close_is_called(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at()
    reasons = []

    @ws.on
    def close(data: Any) -> None:
        reasons.append(data["reason"])

    await host.begin()
    wire = await host.open()
    await host.until(lambda: len(ws.handlers) == 1)
    closing = ws.server.close()
    assert await wire.closing() == 1001
    await closing
    assert reasons == ["server shutting down"]


# Attacks


@kinds
@quietly
async def test_pp_33_a_client_is_pinged_and_closed_if_it_does_not_answer(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at(ping_interval=0.05, ping_timeout=0.05)
    await host.begin()
    wire = await host.open()
    assert (await wire.frame())[0] == 9
    await host.until(lambda: not ws.handlers)


@kinds
async def test_pp_46_a_client_that_does_not_read_is_disconnected_and_others_are_served(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at(max_outbox_bytes=100_000)
    reasons = []

    @ws.on
    def close(data: Any) -> None:
        reasons.append(data["reason"])

    await host.begin()
    deaf, hearing = await host.open(), await host.open()
    await host.until(lambda: len(ws.handlers) == 2)
    deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]
    number = 0
    while not reasons and number < 2000:
        ws.emit("large", {"n": number, "text": "x" * 20_000})
        assert (await got(hearing))[1]["n"] == number
        number += 1
    assert reasons == ["slow consumer"]
    assert len(ws.handlers) == 1


@quietly
async def test_a_client_that_sends_nonsense_and_does_not_read_is_disconnected(host: Site) -> None:
    ws = host.websocket_at(max_outbox_bytes=10_000)
    await host.begin()
    wire = await host.open()
    wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await host.until(lambda: len(ws.handlers) == 1)
    nonsense = text("{") * 1000
    for _ in range(2000):
        wire.send(nonsense)
        await asyncio.sleep(0)
        if not ws.handlers:
            break
    await host.until(lambda: not ws.handlers)


@kinds
@quietly
async def test_a_message_above_the_limit_ends_the_connection(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at(max_payload_bytes=1000)
    await host.begin()
    wire = await host.open()
    wire.send(text("x" * 1001))
    assert await wire.closing() == 1009
    await host.until(lambda: not ws.handlers)


# Who may connect


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 101),
        ("https://LOCALHOST", 101),
        ("http://localhost:8080", 403),
        ("http://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost@evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
        ("file://", 403),
    ],
)
@kinds
async def test_pp_36_without_django_the_own_host_may_connect(host: Site, kind: Any, origin: str, status: int) -> None:
    host.handler = kind
    ws = host.websocket_at()
    await host.begin()
    await host.open("/test", ("Origin", origin), status=status)
    assert status == 101 or ws.handlers == []


@kinds
async def test_pp_36_check_origin_may_be_overridden(host: Site, kind: Any) -> None:
    class Anybody(kind):  # type: ignore[misc]
        def check_origin(self, origin: str) -> bool:
            return True

    class Nobody(kind):  # type: ignore[misc]
        async def check_origin(self, origin: str) -> bool:
            return False

    host.handler = Anybody
    host.websocket_at("/anybody")
    host.handler = Nobody
    host.websocket_at("/nobody")
    await host.begin()
    await host.open("/anybody", ("Origin", "http://evil.example"))
    await host.open("/nobody", ("Origin", "http://localhost"), status=500)


async def test_pp_36_the_old_way_is_one_line_for_all(host: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebSocketHandler, "check_origin", lambda self, origin: True)
    host.websocket_at()
    await host.begin()
    await host.open("/test", ("Origin", "http://evil.example"))


async def test_pp_36_a_page_that_is_refused_is_named_in_the_log(host: Site, caplog: pytest.LogCaptureFixture) -> None:
    host.websocket_at()
    await host.begin()
    await host.open("/test", ("Origin", "http://evil.example"), status=403)
    assert [record.getMessage() for record in caplog.records if record.name == "tornado_websockets"] == [
        "a page of 'http://evil.example' may not connect to '/ws/test': "
        "add its host to ALLOWED_HOSTS, or override check_origin"
    ]
