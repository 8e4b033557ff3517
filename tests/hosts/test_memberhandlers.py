"""Handlers of Tornado's whose clients are members of a namespace, with a protocol of their own."""

import asyncio
import json
import threading
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from hosts.client import HANDSHAKE, Wire, request, text
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout import Reason, Server
from waterspout.errors import ProtocolError
from waterspout.hosts.memberhandlers import MemberHandler, with_ids


class Upper(MemberHandler):
    """Each message comes back in capital letters; "later" after the others, "fail" fails, "bad" ends the connection."""

    told: list[Any]
    gate: asyncio.Event

    def check_origin(self, origin: str) -> bool:
        return origin == "http://friend.example"

    def entered(self) -> None:
        self.told.append("entered")
        self.emit("hello", {"me": self})

    def received(self, message: str | bytes) -> None:
        if message == "bad":
            raise ProtocolError("no such word")
        if message == "fault":
            raise ZeroDivisionError("a fault")
        self.run(str(message), lambda: self.handle(message))

    def handle(self, message: Any) -> Any:
        if message == "fail":
            raise ValueError("a fault")
        return self.wait() if message == "wait" else self.write_message(message.upper())

    async def wait(self) -> None:
        await self.gate.wait()
        self.write_message("WAIT")

    def failed(self, name: str, error: BaseException) -> None:
        self.told.append((name, str(error)))

    def left(self, reason: Reason) -> None:
        self.told.append(reason.value)


class Kept(Upper):
    """An override lets Tornado carry the connection."""

    def on_message(self, message: Any) -> Any:
        return super().on_message(message)


@pytest.fixture(params=[False, True], ids=["taken over", "Tornado's"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Upper]:
    # an override makes Tornado carry it, so that only the class without one of a user's is taken over
    monkeypatch.setattr(Upper, "is_redefined", request.param)
    Upper.told, Upper.gate = [], asyncio.Event()
    return Upper


@pytest.fixture
def host() -> TornadoHost:
    return TornadoHost(LOOPS["asyncio"])


async def begin(host: TornadoHost, kind: type[Upper]) -> Server:
    server = Server()
    host.other_routes = [("/upper", kind, {"namespace": server.of("/words")})]
    await host.serve(server)
    return server


async def open_one(host: TornadoHost, *fields: tuple[str, str], status: int = 101) -> Wire:
    wire = await host.connect()
    wire.send(request("GET", "/upper", *HANDSHAKE, *fields))
    assert (await wire.answer()).status == status
    return wire


async def test_a_client_is_a_member_and_its_messages_are_the_handlers(host: TornadoHost, kind: type[Upper]) -> None:
    server = await begin(host, kind)
    wire = await open_one(host, ("Origin", "http://friend.example"))
    (socket,) = server.of("/words").sockets()
    assert await wire.text() == f'{{"event":"hello","data":{{"me":"{socket.id}"}}}}'
    wire.send(text("a", "wait", "fail", "b"))
    assert await wire.text() == "A"
    await host.until(lambda: kind.told == ["entered"])
    kind.gate.set()
    assert [await wire.text(), await wire.text()] == ["WAIT", "B"]
    assert kind.told == ["entered", ("fail", "a fault")]
    server.of("/words").emit("all", 1)
    assert await wire.text() == '{"event":"all","data":1}'
    socket.disconnect()
    assert await wire.closing() == 4403
    await host.until(lambda: kind.told[-1] == "server namespace disconnect")


async def test_what_breaks_the_protocol_ends_the_connection(host: TornadoHost, kind: type[Upper]) -> None:
    await begin(host, kind)
    wire = await open_one(host)
    wire.send(text("bad"))
    assert await wire.closing() == ProtocolError.close_code
    await host.until(lambda: kind.told == ["entered", "parse error"])


async def test_a_fault_of_a_handler_ends_its_connection_alone(
    host: TornadoHost, kind: type[Upper], caplog: pytest.LogCaptureFixture
) -> None:
    await begin(host, kind)
    other = await open_one(host)
    wire = await open_one(host)
    wire.send(text("fault", "a"))
    assert (await wire.text())[:17] == '{"event":"hello",'
    assert await wire.closing() == 1011
    await host.until(lambda: kind.told == ["entered", "entered", "transport error"])
    other.send(text("b"))
    assert [(await other.text())[:9], await other.text()] == ['{"event":', "B"]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_what_is_sent_in_either_way_and_from_threads_keeps_its_order(
    host: TornadoHost, kind: type[Upper], monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(handler: Upper, message: Any) -> None:
        handler._delivers = message == "thread"  # as while the loop sends the messages of a turn
        handler.emit("first")
        handler.write_message(message)
        handler.emit("third")
        handler.write_message({"fourth": threading.current_thread() is threading.main_thread()})
        handler.close()
        with pytest.raises(WebSocketClosedError):
            handler.write_message("behind the end")

    monkeypatch.setattr(Upper, "entered", lambda handler: None)
    monkeypatch.setattr(
        Upper,
        "received",
        lambda handler, message: handler.run("say", lambda: say(handler, message), threaded=message == "thread"),
    )
    await begin(host, kind)
    for message in ("loop", "thread"):
        wire = await open_one(host)
        wire.send(text(message))
        expected = ['{"event":"first","data":{}}', message, '{"event":"third","data":{}}']
        assert [await wire.text() for _ in range(3)] == expected
        assert await wire.text() == f'{{"fourth": {json.dumps(message == "loop")}}}'
        assert await wire.closing() == 1000
    await host.until(lambda: len(kind.told) == 2)


async def test_other_pages_are_refused(host: TornadoHost, kind: type[Upper]) -> None:
    await begin(host, kind)
    await open_one(host, ("Origin", "http://localhost"), status=403)
    assert kind.told == []


def test_nothing_is_sent_before_there_is_a_client() -> None:
    made = Upper.__new__(Upper)
    with pytest.raises(RuntimeError, match="the WebSocket has not begun"):
        _ = made.client
    with pytest.raises(WebSocketClosedError):
        made.emit("event")
    assert with_ids({"a": [1, (2, {3})]}) == {"a": [1, [2, [3]]]}
