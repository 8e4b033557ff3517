"""WebSocket: its conditions, and to whom it emits."""

import asyncio
import threading
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from faces.tornado_websockets.site import Overridden, Site, event, got
from waterspout import Server
from waterspout.faces.tornado_websockets.exceptions import (
    EmitHandlerError,
    InvalidInstanceError,
    NotCallableError,
    WebSocketEventAlreadyBinded,
)
from waterspout.faces.tornado_websockets.tornadowrapper import TornadoWrapper
from waterspout.faces.tornado_websockets.websocket import WebSocket
from waterspout.faces.tornado_websockets.websockethandler import WebSocketHandler

kinds = pytest.mark.parametrize("kind", [WebSocketHandler, Overridden], ids=["taken over", "Tornado's"])


# TW-1, TW-2: what it is made of


@pytest.mark.parametrize("path", ["/test", "test", " /test ", "test\n"])
def test_tw_1_a_path_is_stripped_and_begins_with_a_slash(path: str) -> None:
    ws = WebSocket(path)
    assert (ws.path, ws.events, ws.handlers, ws.context) == ("/test", {}, [], None)
    assert TornadoWrapper.handlers == [("/ws/test", WebSocketHandler, {"websocket": ws})]


@pytest.mark.parametrize("add", [False, None, 1])
def test_tw_1_only_true_adds_the_route(add: Any) -> None:
    WebSocket("/test", add_to_handlers=add)
    assert TornadoWrapper.handlers == []


def test_tw_2_on_returns_the_function_whose_name_is_the_event() -> None:
    ws = WebSocket("/example")

    def my_event(socket: Any, data: Any) -> None: ...

    assert ws.on(my_event) is my_event
    assert ws.events == {"my_event": my_event}
    with pytest.raises(WebSocketEventAlreadyBinded) as raised:
        ws.on(my_event)
    assert (raised.value.event, raised.value.path) == ("my_event", "/example")


@pytest.mark.parametrize("thing", ["my_event", None, 5, {}])
def test_tw_2_what_cannot_be_called_is_no_handler(thing: Any) -> None:
    with pytest.raises(NotCallableError) as raised:
        WebSocket("/example").on(thing)
    assert raised.value.thing is thing


def test_tw_7_a_handler_that_needs_another_argument_is_refused() -> None:
    ws = WebSocket("/example")

    def other(socket: Any, text: str) -> None: ...

    def positional(data: Any, /) -> None: ...

    for handler in (other, positional):
        with pytest.raises(TypeError, match="a handler is given self, socket and data, by name"):
            ws.on(handler)
    assert ws.events == {}


async def test_ex_54_the_documented_example(host: Site, capsys: pytest.CaptureFixture[str]) -> None:
    ws = host.websocket_at("/example")

    @ws.on
    def my_event(socket: Any, data: Any) -> None:
        print('Received "my_event" event from a client.')
        socket.emit("done", data)

    await host.begin()
    wire = await host.open("/example")
    wire.send(event("my_event"))
    assert await got(wire) == ("done", {})
    assert capsys.readouterr().out == 'Received "my_event" event from a client.\n'


# TW-3, TW-4: emit


@pytest.mark.parametrize(("strict", "text"), [(True, "Event should"), (False, "Param « event » should")])
@pytest.mark.parametrize("name", [None, 5, b"a"])
def test_tw_3_an_event_is_a_string(strict: bool, text: str, name: Any) -> None:
    ws = WebSocket("/test")
    ws.strict = strict
    with pytest.raises(TypeError, match=f"^{text} be a string.$"):
        ws.emit(name)


@pytest.mark.parametrize(("strict", "text"), [(True, "Data should"), (False, "Param « data » should")])
@pytest.mark.parametrize("data", [5, ["a"], b"a", object()])
def test_tw_3_data_is_a_string_or_a_dictionary(strict: bool, text: str, data: Any) -> None:
    ws = WebSocket("/test")
    ws.strict = strict
    with pytest.raises(TypeError, match=f"^{text} be a string or a dictionary.$"):
        ws.emit("event", data)


def test_pp_44_tw_3_4_emit_needs_a_client() -> None:
    ws = WebSocket("/test")
    with pytest.raises(EmitHandlerError) as raised:
        ws.emit("event", "text")
    assert (raised.value.event, raised.value.path) == ("event", "/test")
    ws.strict = False
    ws.emit("event", "text")


@kinds
async def test_tw_3_all_clients_of_this_websocket_get_an_event(host: Site, kind: Any) -> None:
    host.handler = kind
    ws, other = host.websocket_at("/test"), host.websocket_at("/other")
    await host.begin()
    wires = [await host.open("/test"), await host.open("/test"), await host.open("/other")]
    await host.until(lambda: (len(ws.handlers), len(other.handlers)) == (2, 1))
    several: list[Any] = [{"a": 1}, "text", "", None, {}, []]
    for data in several:
        ws.emit("event", data)
    other.emit("mine")
    for wire in wires[:2]:
        assert [await got(wire) for _ in range(6)] == [
            ("event", {"a": 1}),
            ("event", {"message": "text"}),
            *[("event", {})] * 4,
        ]
    assert await got(wires[2]) == ("mine", {})


async def test_two_websockets_of_one_path_have_clients_of_their_own(host: Site) -> None:
    first, second = host.websocket_at("/test"), host.websocket_at("/test")
    await host.begin()
    wire = await host.open()
    await host.until(lambda: len(first.handlers) == 1)
    second.strict = False
    second.emit("event", "for nobody")
    first.emit("event")
    assert await got(wire) == ("event", {})


async def test_tw_4_emit_works_wherever_it_is_called_if_somebody_is_connected(host: Site) -> None:
    ws = host.websocket_at()
    await host.begin()
    wire = await host.open()
    await host.until(lambda: len(ws.handlers) == 1)
    asyncio.get_running_loop().call_later(0.001, ws.emit, "timer")
    assert await got(wire) == ("timer", {})

    def emit() -> None:
        ws.emit("thread", {"a": 1})
        ws[0].emit("one", {"b": 2})

    thread = threading.Thread(target=emit)
    thread.start()
    assert [await got(wire), await got(wire)] == [("thread", {"a": 1}), ("one", {"b": 2})]
    thread.join()


async def test_tw_3_what_is_no_handler_gets_nothing(host: Site) -> None:
    ws = host.websocket_at()
    await host.begin()
    wire = await host.open()
    await host.until(lambda: len(ws.handlers) == 1)
    ws.handlers.append("somebody")
    with pytest.raises(InvalidInstanceError) as raised:
        ws.emit("event")
    assert raised.value.actual_instance == "somebody"
    ws.handlers.pop()
    ws.emit("after")
    assert await got(wire) == ("after", {})


@kinds
async def test_tw_3_an_event_reaches_all_others_before_the_error_for_a_closed_client(host: Site, kind: Any) -> None:
    host.handler = kind
    ws = host.websocket_at()
    raised = []

    @ws.on
    def leave(socket: Any) -> None:
        socket.emit("last")
        socket.close()
        for name in ("event", "connect"):  # the second is a name that Socket.IO keeps to itself
            with pytest.raises(WebSocketClosedError):
                ws.emit(name)
        with pytest.raises(WebSocketClosedError):
            socket.emit("more")
        raised.append(True)

    await host.begin()
    first, second, third = [await host.open() for _ in range(3)]
    await host.until(lambda: len(ws.handlers) == 3)
    second.send(event("leave"))
    for wire in (first, third):
        assert [await got(wire), await got(wire)] == [("event", {}), ("connect", {})]
    assert await got(second) == ("last", {})
    assert await second.closing() == 1000
    assert raised == [True]
    await host.until(lambda: len(ws.handlers) == 2)


async def test_a_socket_in_data_is_its_id_and_what_json_does_not_have_is_a_type_error(host: Site) -> None:
    ws = host.websocket_at()

    @ws.on
    def who(socket: Any) -> None:
        ws.emit("all", {"socket": socket, "list": [socket, {"deep": socket}], "n": 1})
        socket.emit("one", {"socket": socket})
        for emit in (ws.emit, socket.emit):
            with pytest.raises(TypeError, match="object cannot be sent as JSON"):
                emit("event", {"thing": object()})
        socket.emit("end")

    await host.begin()
    wire = await host.open()
    wire.send(event("who"))
    id = (await got(wire))[1]["socket"]
    assert id == ws[0].id
    assert await got(wire) == ("one", {"socket": id})
    assert await got(wire) == ("end", {})


# The core


async def test_clients_of_socketio_and_eventsources_share_the_room(host: Site) -> None:
    ws = host.websocket_at()
    server: Server = ws.server
    channel = ws.channel = server.channel("news")
    server.expose("/news", channel)

    @server.on_connect
    def connect(socket: Any, auth: Any) -> None:
        socket.join(ws.room)

    @server.on_disconnect
    def disconnect(socket: Any, reason: Any) -> None:
        pytest.fail("no handler of Socket.IO is called for a client of a WebSocket")

    ws.emit("first", "kept by the channel, while nobody is here")
    await host.begin()
    modern = await host.websocket()
    plain = await host.open()
    await host.until(lambda: len(ws.handlers) == 1)
    stream = await host.connect()
    stream.send(b"GET /news HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: earliest\r\n\r\n")
    await stream.reader.readuntil(b"kept by the channel")
    ws.emit("news", {"a": 1})
    assert await got(plain) == ("news", {"a": 1})
    assert await modern.text() == '42["news",{"a":1}]'
    await stream.reader.readuntil(b'event: news\ndata: {"a":1}\n')
    server.emit("said", "by the server", to=ws.room)
    assert await got(plain) == ("said", "by the server")
    ws[0].client.join("others")
    server.emit("other", 1, to="others")
    assert await got(plain) == ("other", 1)
    server.disconnect(to=ws.room, except_=[one for one in server.sockets() if one.generation != "WebSocket"])
    assert await plain.closing() == 4403
    host._wires.remove(modern)
    server._root._handlers.hooks.clear()
    modern.abort()
