"""Event streams of handlers that users derive from: Tornado's in all they do, and carried by an engine."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from hosts.certificate import Certificate
from hosts.client import request
from hosts.suite.eventsource import chunk, head
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout.engine import Prepared, push_to_all
from waterspout.engine.eventstream import HEARTBEAT_INTERVAL
from waterspout.hosts.handlerstreams import EventStreamHandler, close_streams, stream_engine


class Site(TornadoHost):
    """An application of event streams; each handler that has come is in `here`."""

    here: list[Any]

    def begin(self, *handlers: type[EventStreamHandler], **settings: Any) -> Awaitable[None]:
        self.here = []
        self.settings = settings
        self.other_routes = [(f"/{number or ''}", handler) for number, handler in enumerate(handlers)]
        for handler in handlers:
            handler.here = self.here  # type: ignore[attr-defined]
        return self.serve()

    async def stop(self) -> None:
        await close_streams()
        await super().stop()


class Known(EventStreamHandler):
    here: list[Any]

    def initialize(self) -> None:
        self.here.append(self)
        self.told: list[str] = []

    def on_connection_close(self) -> None:
        self.told.append("gone")

    def on_finish(self) -> None:
        self.told.append("finished")


@pytest.fixture(params=["asyncio-tcp", "uvloop-tls"])
def host(request: pytest.FixtureRequest, certificate: Certificate) -> Site:
    loop, _, kind = request.param.partition("-")
    if kind == "tls":
        return Site(LOOPS[loop], server_tls=certificate.server, client_tls=certificate.client)
    return Site(LOOPS[loop])


async def begun(host: Site, version: str = "1.1", *fields: tuple[str, str]) -> tuple[Any, dict[str, str]]:
    wire = await host.connect()
    wire.send(request("GET", "/", *fields, version=version))
    return wire, await head(wire)


@pytest.mark.usefixtures("quiet")
async def test_what_is_sent_to_many_is_written_once_each_in_a_chunk(host: Site) -> None:
    await host.begin(Known)
    wires = [(await begun(host))[0] for _ in range(3)]
    for text in (b"data: 1\n\n", b"data: 2\n\n"):
        push_to_all([handler.session for handler in host.here], Prepared(text))
        for wire in wires:
            assert await chunk(wire) == text
    closing = asyncio.ensure_future(close_streams())
    for wire in wires:
        assert (await chunk(wire)).startswith(b"retry: ")
        assert await wire.rest() == b""  # incomplete, so that clients come back
        wire.abort()
    await closing
    assert [handler.told for handler in host.here] == [["gone", "finished"]] * 3


async def test_the_head_comes_at_once_with_the_fields_and_cookies_of_the_class(host: Site) -> None:
    class Mine(Known):
        def set_default_headers(self) -> None:
            self.set_header("X-Here", "yes")
            self.set_header("Connection", "keep-alive")

        async def prepare(self) -> None:
            await asyncio.sleep(0)
            self.set_cookie("seen", "1")

    await host.begin(Mine, compress_response=True)
    wire, fields = await begun(host, "1.1", ("Accept-Encoding", "gzip"))
    assert fields["x-here"] == "yes"
    assert fields["set-cookie"] == "seen=1; Path=/"
    assert fields["transfer-encoding"] == "chunked"
    assert fields["connection"] == "close"
    assert "content-encoding" not in fields
    host.here[0].send(b"data: plain\n\n")
    assert await chunk(wire) == b"data: plain\n\n"


async def test_what_is_sent_before_the_answer_begins_waits_for_it(host: Site) -> None:
    let_in = asyncio.Event()

    class Slow(Known):
        async def prepare(self) -> None:
            self.send(b"data: early\n\n")
            await let_in.wait()
            if self.get_argument("no", None):
                raise HTTPError(403)

    await host.begin(Slow)
    refused = await host.connect()
    refused.send(request("GET", "/?no=1"))
    wire = await host.connect()
    wire.send(request("GET", "/"))
    await host.until(lambda: len(host.here) == 2)
    let_in.set()
    answer = await refused.answer()
    assert answer.status == 403
    assert b"early" not in answer.body
    await head(wire)
    assert await chunk(wire) == b"data: early\n\n"
    assert len(stream_engine().sessions) == 1


async def test_a_comment_comes_every_15_s(host: Site) -> None:
    await host.begin(Known)
    wire, _ = await begun(host)
    engine = stream_engine()
    engine.deadlines.advance(engine.driver.now() + HEARTBEAT_INTERVAL)
    assert await chunk(wire) == b":\n"


async def test_write_flush_and_finish_are_tornados(host: Site) -> None:
    class Three(Known):
        async def get(self) -> None:  # type: ignore[override]
            for number in range(3):
                self.write(f"data: {number}\n\n")
                await self.flush()
            self.finish("data: the end\n\n")

    await host.begin(Three)
    wire, _ = await begun(host)
    for text in (*(f"data: {number}\n\n" for number in range(3)), "data: the end\n\n", ""):
        assert await chunk(wire) == text.encode()
    assert await wire.rest() == b""
    assert host.here[0].told == ["finished"]
    assert not stream_engine().sessions


async def test_a_client_of_http_1_0_gets_no_chunks(host: Site) -> None:
    await host.begin(Known)
    wire, fields = await begun(host, "1.0")
    assert "transfer-encoding" not in fields
    host.here[0].send(b"data: 1\n\n")
    host.here[0].finish()
    assert await wire.rest() == b"data: 1\n\n"


@pytest.mark.usefixtures("quiet")
async def test_a_client_that_goes_ends_everything(host: Site) -> None:
    class Waits(Known):
        async def get(self) -> None:  # type: ignore[override]
            await super().get()
            self.told.append("over")

    class Loops(Known):
        async def get(self) -> None:  # type: ignore[override]
            try:
                while True:
                    await self.flush()
                    await asyncio.sleep(0)
            except StreamClosedError:
                self.told.append("over")

    await host.begin(Known, Waits, Loops)
    for path in ("/", "/1", "/2"):
        wire = await host.connect()
        wire.send(request("GET", path))
        await head(wire)
        wire.reset()
    await host.until(lambda: all("finished" in handler.told for handler in host.here))
    assert [handler.told for handler in host.here] == [["gone", "finished"], *2 * [["gone", "over", "finished"]]]
    assert not stream_engine().sessions


@pytest.mark.usefixtures("quiet")
async def test_a_client_that_goes_before_its_answer_begins_leaves_nothing(host: Site) -> None:
    class Slow(Known):
        async def prepare(self) -> None:
            await host.until(lambda: self.told)  # the client is gone
            self.send(b"data: late\n\n")

    await host.begin(Slow)
    wire = await host.connect()
    wire.send(request("GET", "/"))
    await host.until(lambda: host.here)
    wire.reset()
    await host.until(lambda: "finished" in host.here[0].told)
    assert not stream_engine().sessions


async def test_what_waits_for_a_slow_client_is_bounded(host: Site) -> None:
    await host.begin(Known)
    wire, _ = await begun(host)
    wire.writer.transport.pause_reading()
    [handler] = host.here
    event = b"data: " + bytes(60_000).replace(b"\0", b"x") + b"\n\n"
    while (sent := handler.send(event)).done():  # until the kernel takes no more
        await asyncio.sleep(0)
    assert handler.session.outbox_bytes <= stream_engine().policy.max_outbox_bytes
    for _ in range(20):
        handler.send(event)
    await host.until(lambda: handler.told == ["gone", "finished"])
    with pytest.raises(StreamClosedError):
        await sent


async def test_an_exception_of_a_method_is_logged_and_ends_its_request_alone(
    host: Site, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(Known):
        def on_connection_close(self) -> None:
            raise KeyError("mine")

    await host.begin(Fails, Known)
    wires = [await host.connect() for _ in range(2)]
    for number, wire in enumerate(wires):
        wire.send(request("GET", f"/{number or ''}"))
        await head(wire)
    wires[0].reset()
    await host.until(lambda: host.here[0].told)
    assert "KeyError: 'mine'" in caplog.text
    host.here[1].send(b"data: 1\n\n")
    assert await chunk(wires[1]) == b"data: 1\n\n"


async def test_an_answer_with_a_length_or_another_status_is_tornados(host: Site) -> None:
    class Whole(Known):
        def get(self) -> Any:
            self.set_status(int(self.get_argument("status")))
            self.set_header("Content-Length", 2)
            self.write("ok")
            return super().get()

        def head(self) -> Any:
            return super().get()

    await host.begin(Whole)
    wire = await host.connect()
    for status in (200, 503):
        answer = await wire.ask("GET", f"/?status={status}")
        assert (answer.status, answer.body) == (status, b"ok")
    assert (await wire.ask("HEAD", "/")).status == 200


def test_streams_of_a_loop_that_is_over_leave_nothing() -> None:
    engines = []
    for _ in range(3):

        async def main() -> None:
            engines.append(stream_engine())
            assert stream_engine() is engines[-1]

        asyncio.run(main())
    assert len(set(engines)) == 3
    asyncio.run(close_streams())  # none were begun
