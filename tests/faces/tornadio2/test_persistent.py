"""The WebSocket handlers of TornadIO2, as they are and overridden."""

import logging
from typing import Any

import pytest
from tornado.web import HTTPError

from faces.tornadio2.applications import Main
from faces.tornadio2.routing import PATH, Router, RouterHost, attach, visit
from hosts.client import HANDSHAKE, opening, request, text
from waterspout import Reason
from waterspout.engine.transports.websocket import WebSocketTransport
from waterspout.faces.tornadio2 import TornadioRouter, persistent, polling
from waterspout.testing import client_frame

calls: list[Any] = []


class Kept(persistent.TornadioWebSocketHandler):
    """Overrides all that was documented, and calls `super`."""

    def open(self, session_id: str) -> None:
        calls.append(("open", session_id == self.path_kwargs["session_id"]))
        super().open(session_id)
        calls.append(self.session == f"the session {session_id}")

    def on_message(self, message: Any) -> Any:
        calls.append(message)
        return super().on_message(message)

    def on_close(self) -> None:
        calls.append("on_close")
        super().on_close()

    def session_closed(self) -> None:
        calls.append("session_closed")
        super().session_closed()

    def send_messages(self, messages: list[Any]) -> None:
        calls.append(messages)
        super().send_messages(messages)


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    calls.clear()


def keep(server: Router, kind: type[persistent.TornadioWebSocketHandler] = Kept) -> None:
    server.protocols["websocket"] = kind


def test_they_have_their_names() -> None:
    assert persistent.TornadioWebSocketHandler.name == "websocket"
    assert persistent.TornadioFlashSocketHandler.name == "flashsocket"
    assert issubclass(persistent.TornadioFlashSocketHandler, persistent.TornadioWebSocketHandler)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", ["websocket", "flashsocket"])
async def test_a_class_that_overrides_nothing_gives_its_socket_away(
    host: RouterHost, server: Router, name: str
) -> None:
    sid = await host.begin()
    wire = await attach(host, sid, name)
    assert await wire.text() == "1::"
    wire.send(text("3:::hé", '4:::{"a":1}'))
    assert [await wire.text(), await wire.text()] == ["3:::hé", '4:::{"a":1}']
    assert isinstance(server.engine.sessions[sid].transport, WebSocketTransport)
    assert host.numbers == (1, 1)
    wire.send(text("0::"))
    assert await wire.closing() == 1000
    assert server.application.closed == [Reason.CLIENT_DISCONNECT]
    wire.cut()
    await host.until(lambda: host.numbers[0] == 0)


@pytest.mark.usefixtures("quiet")
async def test_what_a_class_overrides_is_called(host: RouterHost, server: Router) -> None:
    keep(server)
    sid = await host.begin()
    wire = await attach(host, sid)
    assert await wire.text() == "1::"
    wire.send(text("3:::a"))
    assert await wire.text() == "3:::a"
    server.tell("b", "c")
    assert [await wire.text(), await wire.text()] == ["3:::b", "3:::c"]
    assert host.numbers == (1, 1)
    server.engine.sessions[sid].close()
    assert await wire.closing() == 1000
    await host.until(lambda: host.numbers[0] == 0)
    expected = ["3:::a", ["3:::a"], ["3:::b", "3:::c"], "session_closed", "on_close"]
    assert calls == [("open", True), True, ["1::"], *expected]
    assert server.engine.sessions == {}


@pytest.mark.usefixtures("quiet")
async def test_a_handler_may_say_something_else(host: RouterHost, server: Router) -> None:
    class Loud(persistent.TornadioWebSocketHandler):
        def send_messages(self, messages: list[Any]) -> None:
            super().send_messages([message.upper() for message in messages])

    keep(server, Loud)
    wire = await attach(host, await host.begin())
    wire.send(text("3:::a"))
    assert [await wire.text(), await wire.text()] == ["1::", "3:::A"]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", [persistent.TornadioWebSocketHandler, Kept])
async def test_a_session_outlives_its_websocket(
    host: RouterHost, server: Router, kind: type[persistent.TornadioWebSocketHandler]
) -> None:
    keep(server, kind)
    sid = await host.begin()
    wire = await attach(host, sid)
    assert await wire.text() == "1::"
    wire.cut()
    await host.until(lambda: server.engine.sessions[sid].transport.name == "none")
    server.tell("meanwhile")
    again = await attach(host, sid)
    assert await again.text() == "3:::meanwhile"
    assert server.application.closed == []


@pytest.mark.usefixtures("quiet")
async def test_what_a_kept_websocket_could_not_send_comes_over_the_next(host: RouterHost, server: Router) -> None:
    """What the kernel took is sent, as far as anybody can know; all behind that comes, once and in order."""
    keep(server)
    sid = await host.begin()
    wire = await attach(host, sid)
    assert await wire.text() == "1::"
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for number in range(18):
        server.tell(f"{number:03} " + "x" * 50_000)
        await host.until(lambda: True)
    for number in range(18, 400):
        server.tell(f"{number:03} ")
    wire.cut()
    await host.until(lambda: server.engine.sessions[sid].transport.name == "none")
    server.tell("400 ")
    again = await attach(host, sid)
    numbers: list[int] = []
    while not numbers or numbers[-1] != 400:
        numbers.append(int((await again.text())[4:7]))
    assert numbers == list(range(numbers[0], 401))


@pytest.mark.usefixtures("quiet")
async def test_a_client_that_reads_slowly_gets_all_in_order(host: RouterHost, server: Router) -> None:
    keep(server)
    wire = await attach(host, await host.begin())
    assert await wire.text() == "1::"
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for number in range(9):
        server.tell(f"{number} " + "x" * 100_000)
    (session,) = server.engine.sessions.values()
    await host.until(lambda: session.outbox_bytes)
    wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert [(await wire.text())[4] for _ in range(9)] == list("012345678")


async def test_a_message_too_large_ends_the_websocket_and_not_the_server(host: RouterHost) -> None:
    server = host.router = Router(max_payload_bytes=1000)
    keep(server)
    sid = await host.begin()
    wire = await attach(host, sid)
    assert await wire.text() == "1::"
    wire.send(text("3:::" + "x" * 997))
    assert (await wire.rest())[:4] == b"\x88\x11\x03\xf1"  # 1009, with Tornado's reason
    again = await attach(host, sid)
    again.send(text("3:::" + "x" * 996))
    assert await again.text() == "3:::" + "x" * 996


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", [persistent.TornadioWebSocketHandler, Kept])
@pytest.mark.parametrize("frame", [text("garbage"), client_frame(2, b"binary"), text("5:::{")])
async def test_a_broken_packet_ends_its_session_and_no_other(
    host: RouterHost, server: Router, kind: type[persistent.TornadioWebSocketHandler], frame: bytes
) -> None:
    keep(server, kind)
    wire = await attach(host, await host.begin())
    neighbour = await attach(host, await visit(await host.connect()))
    assert [await wire.text(), await neighbour.text()] == ["1::", "1::"]
    wire.send(frame + text("3:::late"))
    assert await wire.closing() in (1002, 1003)
    neighbour.send(text("3:::x"))
    assert await neighbour.text() == "3:::x"
    assert server.application.heard == ["x"]
    assert server.application.closed == [Reason.PARSE_ERROR]


async def test_what_a_users_method_raises_ends_that_websocket_alone(
    host: RouterHost, server: Router, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(persistent.TornadioWebSocketHandler):
        def send_messages(self, messages: list[Any]) -> None:
            if "3:::fail" in messages:
                raise ValueError("fail")
            super().send_messages(messages)

    keep(server, Failing)
    sid = await host.begin()
    wire = await attach(host, sid)
    assert await wire.text() == "1::"
    neighbour = await attach(host, await visit(await host.connect()))
    assert await neighbour.text() == "1::"
    wire.send(text("3:::fail"))
    assert await wire.rest() == b""
    neighbour.send(text("3:::x"))
    assert await neighbour.text() == "3:::x"
    again = await attach(host, sid, "flashsocket")
    again.send(text("3:::y"))
    assert await again.text() == "3:::y"
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "ValueError('fail')"


# What is refused


@pytest.mark.parametrize("kind", [persistent.TornadioWebSocketHandler, Kept])
async def test_an_unknown_session_is_answered_with_401(
    host: RouterHost, server: Router, kind: type[persistent.TornadioWebSocketHandler]
) -> None:
    keep(server, kind)
    await host.begin()
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/websocket/unknown", *HANDSHAKE))
    assert (await wire.answer()).status == 401
    assert calls == []


@pytest.mark.parametrize("kind", [persistent.TornadioWebSocketHandler, Kept])
@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("GET", (), 400),
        ("GET", HANDSHAKE[1:], 400),
        ("GET", (HANDSHAKE[0], ("Connection", "close"), *HANDSHAKE[2:]), 400),
        ("GET", (*HANDSHAKE[:2], ("Sec-WebSocket-Version", "6"), HANDSHAKE[3]), 426),
        ("POST", HANDSHAKE, 405),
        ("OPTIONS", (), 405),
        ("PUT", HANDSHAKE, 405),
    ],
)
async def test_what_is_no_opening_handshake_is_refused(
    host: RouterHost,
    server: Router,
    kind: type[persistent.TornadioWebSocketHandler],
    method: str,
    fields: tuple[tuple[str, str], ...],
    status: int,
) -> None:
    keep(server, kind)
    sid = await host.begin()
    wire = await host.connect()
    assert (await wire.ask(method, f"{PATH}/websocket/{sid}", *fields)).status == status
    assert host.numbers[0] == 0
    assert await (await attach(host, sid)).text() == "1::"


@pytest.mark.parametrize("refuses", [False, True])
async def test_check_origin_is_the_users_where_it_is_overridden(
    host: RouterHost, server: Router, refuses: bool
) -> None:
    class Choosy(persistent.TornadioWebSocketHandler):
        def check_origin(self, origin: str) -> bool:
            calls.append(origin)
            return not refuses

    keep(server, Choosy)
    sid = await host.begin()
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/websocket/{sid}", *HANDSHAKE, ("Origin", "http://page.example")))
    assert (await wire.answer()).status == (403 if refuses else 101)
    assert calls == ["http://page.example"]
    assert sid in server.engine.sessions
    await host.until(lambda: host.numbers[0] == (0 if refuses else 1))


@pytest.mark.parametrize("when", ["prepare", "get"])
async def test_a_handler_may_refuse_before_the_engine_is_asked(host: RouterHost, server: Router, when: str) -> None:
    class Guarded(persistent.TornadioWebSocketHandler):
        def prepare(self) -> None:
            if when == "prepare":
                raise HTTPError(403)
            super().prepare()

        def get(self, *args: Any, **kwargs: Any) -> Any:
            raise HTTPError(403)

    keep(server, Guarded)
    sid = await host.begin()
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/websocket/{sid}", *HANDSHAKE))
    assert (await wire.answer()).status == 403
    assert host.numbers == (0, 1)


# Modern clients


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("eio", [3, 4])
async def test_the_handshake_handler_serves_websockets_of_today(host: RouterHost, server: Router, eio: int) -> None:
    await host.serve(server.engine)
    wire = await host.connect()
    wire.send(opening(eio=eio))
    assert (await wire.answer()).status == 101
    assert (await wire.text()).startswith('0{"sid":"')
    assert host.numbers == (1, 1)
    wire.cut()
    await host.until(lambda: host.numbers[0] == 0)
    assert server.engine.sessions == {}


# With a router


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", ["websocket", "xhr-polling"])
async def test_handlers_of_ones_own_stand_before_the_routers_routes(host: RouterHost, name: str) -> None:
    class Socket(persistent.TornadioWebSocketHandler):
        def open(self, session_id: str) -> None:
            super().open(session_id)
            calls.append(self.session)

    class Polling(polling.TornadioXHRPollingHandler):
        def send_messages(self, messages: list[str]) -> None:
            calls.append(self.session)
            super().send_messages(messages)

    router = TornadioRouter(Main, {"enabled_protocols": ["websocket", "xhr-polling"]})
    kwargs = {"server": router}
    host.other_routes = [
        (r"/socket.io/1/websocket/(?P<session_id>[^/]+)/?", Socket, kwargs),
        (r"/socket.io/1/xhr-polling/(?P<session_id>[^/]+)/?", Polling, kwargs),
    ]
    host.router = router  # type: ignore[assignment]
    await host.serve(router.engine)
    sid = await visit(await host.connect())
    session = router.get_session(sid)
    asked = '5:7+::{"name":"ask","args":[1,2]}'
    if name == "websocket":
        wire = await attach(host, sid)
        assert [await wire.text(), await wire.text()] == ["1::", '5:::{"args": [{"name": null}], "name": "hi"}']
        assert router.stats.dump()["active_connections"] == 1
        wire.send(text(asked))
        assert await wire.text() == "6:::7+[2]"
        wire.send(text("0::"))
        assert await wire.text() == "0::"
        assert await wire.closing() == 1000
    else:
        wire = await host.connect()
        assert "1::" in (await wire.ask("GET", f"{PATH}/xhr-polling/{sid}")).body.decode()
        assert (await wire.ask("POST", f"{PATH}/xhr-polling/{sid}", body=asked.encode())).body == b""
        assert (await wire.ask("GET", f"{PATH}/xhr-polling/{sid}")).body == b"6:::7+[2]"
    assert set(calls) == {session}
    await host.until(lambda: router.stats.dump()["active_connections"] == 0)
