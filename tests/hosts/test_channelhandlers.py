"""Channels behind Tornado's own handlers, with its logins, header fields and cookies."""

from typing import Any, ClassVar

import pytest
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from hosts.client import request, text
from hosts.suite.eventsource import chunk, head
from hosts.suite.plain import begin
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout import Request, Server
from waterspout.hosts.channelhandlers import ChannelWebSocket, EventSource
from waterspout.hosts.handlers import EngineWebSocketHandler
from waterspout.server import Channel, Text
from waterspout.testing import client_frame


class Site(TornadoHost):
    """An application of the user's: routes of its own alone."""

    pages: list[Any]

    def routes(self, mountable: Any) -> list[Any]:
        return self.pages


@pytest.fixture(params=list(LOOPS))
def host(request: pytest.FixtureRequest) -> Site:
    return Site(LOOPS[request.param])


async def begun(host: Site, path: str, *fields: tuple[str, str]) -> tuple[Any, dict[str, str]]:
    wire = await host.connect()
    wire.send(request("GET", path, *fields))
    answer = await head(wire)
    assert (await chunk(wire)).startswith(b"event: stream-open\n")
    return wire, answer


async def test_a_channel_stands_behind_a_route_of_the_applications_own(host: Site) -> None:
    server = Server()
    prices = server.channel("prices")
    host.pages = [("/prices", EventSource, {"channel": prices}), ("/both", EventSource, {"channel": [prices]})]
    await host.serve(server)
    wires = [(await begun(host, path))[0] for path in ("/prices", "/both")]
    id = await prices.publish(Text("x"))
    for wire in wires:
        assert await chunk(wire) == f"data: x\nid: {id}\n\n".encode()
    again, _ = await begun(host, f"/prices?last_event_id={prices.log.epoch}-0")
    assert await chunk(again) == f"data: x\nid: {id}\n\n".encode()
    await prices.end()
    stopped = await (await host.connect()).ask("GET", "/prices", ("Last-Event-ID", prices.last_id))
    assert stopped.status == 204
    for method, status in (("POST", 405), ("HEAD", 200), ("OPTIONS", 204)):
        assert (await (await host.connect()).ask(method, "/prices")).status == status
    foreign = await (await host.connect()).ask("GET", "/prices", ("Origin", "https://evil.example"))
    assert foreign.status == 403
    await server.close()


class Login(RequestHandler):
    def get_current_user(self) -> str | None:
        return self.request.headers.get("X-User")


class Mine(Login, EventSource):
    """What users do: a login, header fields, a cookie, a channel for each path, a coroutine that awaits the rest."""

    told: list[tuple[str, Any]]

    def set_default_headers(self) -> None:
        self.set_header("X-Here", "yes")

    @authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        self.set_cookie("seen", "1")
        await super().get(*args, **kwargs)

    async def channels(self, run_id: str) -> Channel:
        if run_id == "no":
            raise HTTPError(410, reason="Long gone")
        return self.server.channel(f"run {run_id}", start="earliest")

    def initialize(self, server: Server, told: list[tuple[str, Any]]) -> None:  # type: ignore[override]
        super().initialize(server=server)
        self.server, self.told = server, told

    def on_subscribe(self, subscriber: Any) -> None:
        self.told.append(("in", subscriber.channels[0].name))

    async def on_unsubscribe(self, subscriber: Any) -> None:
        self.told.append(("out", subscriber.channels[0].name))

    def get_login_url(self) -> str:
        return "/login"


async def test_a_class_may_log_in_set_fields_and_choose_the_channel(host: Site) -> None:
    server = Server()
    told: list[tuple[str, Any]] = []
    host.pages = [(r"/runs/(\w+)", Mine, {"server": server, "told": told})]
    await host.serve(server)
    run = server.channel("run 7", start="earliest")
    run.publish("a")
    refused = await (await host.connect()).ask("GET", "/runs/7")
    assert refused.status == 302
    wire, fields = await begun(host, "/runs/7", ("X-User", "anna"))
    assert fields["x-here"] == "yes"
    assert fields["set-cookie"] == "seen=1; Path=/"
    assert fields["content-type"] == "text/event-stream"
    assert (await chunk(wire)).startswith(b'data: "a"\n')
    gone = await (await host.connect()).ask("GET", "/runs/no", ("X-User", "anna"))
    assert (gone.status, gone.body) == (410, b"Long gone")
    wire.reset()
    await host.until(lambda: told == [("in", "run 7"), ("out", "run 7")])
    await server.close()


async def test_a_post_of_the_classs_own_is_checked_for_forgery_as_in_tornado(host: Site) -> None:
    server = Server()
    prices = server.channel("prices")
    posted: list[str] = []

    class Run(EventSource):
        def post(self) -> None:  # type: ignore[override]
            posted.append(self.request.headers.get("Origin", ""))

    host.pages, host.settings = [("/runs", Run, {"channel": prices})], {"xsrf_cookies": True}
    await host.serve(server)
    await begun(host, "/runs")
    assert (await (await host.connect()).ask("POST", "/runs")).status == 403
    good = [("Cookie", "_xsrf=12345678"), ("X-XSRFToken", "12345678")]
    answer = await (await host.connect()).ask("POST", "/runs", *good, ("Origin", "https://here.example"))
    assert answer.status == 200
    assert posted == ["https://here.example"]
    await server.close()


def test_a_class_trusts_the_origins_that_the_application_names() -> None:
    handler: Any = EventSource.__new__(EventSource)
    handler.application = Application(trusted_origins=["https://a.example"])
    assert [handler.check_trusted_origin(f"https://{name}.example") for name in "ab"] == [True, False]


@pytest.mark.parametrize("options", [{}, {"channel": 1}, {"channel": []}, {"channel": None}])
def test_a_route_without_a_channel_is_refused(options: dict[str, Any]) -> None:
    handler: Any = EventSource.__new__(EventSource)
    with pytest.raises(TypeError, match="channel is"):
        handler.initialize(**options)


async def test_a_plain_method_and_a_refusal_of_ours_do_as_well(host: Site) -> None:
    server = Server()

    class Plain(EventSource):
        def channels(self) -> Channel:
            if "no" in self.request.arguments:
                raise HTTPError(404)
            return server.channel("a")

    host.pages = [("/a", Plain, {"server": server}), ("/b", EventSource, {"server": server})]
    await host.serve(server)
    await begun(host, "/a")
    for path in ("/a?no=1", "/b"):
        assert (await (await host.connect()).ask("GET", path)).status == 404
    await server.close()


async def test_on_handshake_is_asked_and_its_request_is_the_subscribers(host: Site) -> None:
    server = Server()
    seen: list[Any] = []

    @server.on_handshake
    def check(request: Request) -> None:
        request.data["user"] = request.header("x-user")

    class Told(EventSource):
        def on_subscribe(self, subscriber: Any) -> None:
            seen.append(subscriber.request.data)

    host.pages = [("/a", Told, {"channel": server.channel("a")})]
    await host.serve(server)
    await begun(host, "/a", ("X-User", "anna"))
    await host.until(lambda: seen)
    assert seen == [{"user": "anna"}]
    await server.close()


class Ours(ChannelWebSocket):
    seen: ClassVar[list[str]] = []

    async def get(self, *args: Any) -> None:
        self.set_header("X-Mine", "yes")
        await super().get(*args)

    def channels(self, name: str) -> Channel:
        if name == "secret":
            raise HTTPError(403, reason="not you")
        server: Server = self.application.settings["server"]
        return server.channel(name)

    async def on_subscribe(self, subscriber: Any) -> None:
        self.seen.append(subscriber.channels[0].name)


async def test_a_channel_is_a_websocket_behind_a_route_of_the_applications_own(host: Site) -> None:
    server = Server()
    prices = server.channel("prices")
    Ours.seen.clear()
    host.pages = [("/prices", ChannelWebSocket, {"channel": prices}), ("/mine/(.*)", Ours, {"server": server})]
    host.settings = {"server": server}
    await host.serve(server)
    plain, answer = await begin(host, "/prices")
    mine, answered = await begin(host, "/mine/prices?fields=event,data")
    assert (answer.status, answered.status, answered.field("x-mine")) == (101, 101, "yes")
    await prices.publish(Text("x"))
    assert await plain.text() == '{"data":"x"}'
    assert await mine.text() == '{"event":"message","data":"x"}'
    assert Ours.seen == ["prices"]
    _, refused = await begin(host, "/mine/secret")
    assert refused.status == 403
    assert (await (await host.connect()).ask("GET", "/prices")).status == 426
    await server.close()
    assert await plain.closing() == 1001


class Kept(EngineWebSocketHandler):
    """A class that redefines something carries whole messages."""

    def on_message(self, message: str | bytes) -> Any:
        return super().on_message(message)


@pytest.mark.parametrize("path", ["/ws", "/prices"])
async def test_a_handler_that_keeps_its_websocket_carries_plain_clients_and_pings_them(host: Site, path: str) -> None:
    server = Server(ping_interval=0.1)
    chat, prices = server.of("/chat"), server.channel("prices")
    chat.on("say")(lambda socket, words: len(words))
    server.expose("/ws", chat)
    server.expose("/prices", prices)
    host.pages = [(path, Kept, {"engine": server.engine})]
    await host.serve(server)
    wire, answer = await begin(host, path, ("Sec-WebSocket-Protocol", "waterspout.json.v1"))
    assert answer.field("sec-websocket-protocol") == "waterspout.json.v1"
    if path == "/ws":
        wire.send(text('{"event":"say","data":"hi","id":1}'))
        expected = ['{"id":1,"data":2}']
    else:
        await prices.publish(5)
        expected = ['{"data":5}']
    wire.send(text("{}"))
    frames: list[tuple[int, bytes]] = []
    while (9, b"") not in frames or (1, b"{}") not in frames:
        frames.append(await wire.frame())
        if frames[-1][0] == 9:
            wire.send(client_frame(10, frames[-1][1]))
    texts = [payload.decode() for opcode, payload in frames if opcode == 1]
    assert [one for one in texts if '"connect"' not in one] == [*expected, "{}"]
    wire.reset()
    await host.until(lambda: not server.engine.sessions)
    await server.close()


async def test_a_handler_of_event_streams_is_no_websocket(host: Site) -> None:
    server = Server()
    host.pages = [("/prices", EventSource, {"channel": server.channel("prices")})]
    await host.serve(server)
    _, refused = await begin(host, "/prices")
    assert refused.status == 400
    await server.close()
