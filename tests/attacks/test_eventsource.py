"""Event streams under attack: what one client can take is bounded, and what is gone leaves nothing."""

import gc
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from attacks.measures import memory, objects, slope
from hosts.client import request
from hosts.suite.eventsource import listen
from hosts.tornado_host import LOOPS, TornadoHost
from server.listener import Listener
from waterspout import Server
from waterspout.engine import Session
from waterspout.hosts.residence import Residence
from waterspout.server import Channel, Subscriber, Text
from waterspout.testing import Clock, admit, client_frame
from waterspout.testing.links import HANDSHAKE
from waterspout.types import Request

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def host() -> TornadoHost:
    return TornadoHost(LOOPS["asyncio"])


def exposed(**options: Any) -> tuple[Server, Channel]:
    server = Server(driver=Clock(), **options)
    prices = server.channel("prices", history=1000)
    server.expose("/prices", prices)
    server.expose("/both", [prices, server.channel("news")])
    server.expose("/ws", server.of("/"))
    return server, prices


CHANNELS = """
from resource import getpagesize
from waterspout import Server
from waterspout.server import Text
from waterspout.testing import Clock

def resident() -> int:
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * getpagesize()

server = Server(driver=Clock())
before = resident()
channels = [server.channel(f"channel {number}") for number in range(1000)]
for _ in range(110):
    for channel in channels:
        channel.publish(Text("x" * 1000))
print(resident() - before, server.stats().history_bytes)
"""


def test_a_thousand_channels_with_a_hundred_messages_of_a_kilobyte_stay_within_150_megabytes() -> None:
    output = subprocess.run([sys.executable, "-c", CHANNELS], stdout=subprocess.PIPE, check=True).stdout
    taken, kept = map(int, output.split())
    assert 100_000_000 < kept < taken < 150_000_000


class Drain(Listener):
    """A link to nobody, which all share."""

    def __init__(self) -> None:
        self.is_closed = False

    def write(self, data: bytes) -> bool:
        return True


def test_an_idle_event_stream_costs_at_most_a_kilobyte_more_than_an_idle_websocket_and_a_plain_one_less() -> None:
    link = Drain()

    def bytes_of(target: str, fields: Sequence[tuple[str, str]], hello: bytes) -> Callable[[int], int]:
        def measure(count: int) -> int:
            server, _ = exposed()
            with memory() as taken:
                for number in range(count):
                    asked = Request("GET", f"{target}&t={number}", [("Host", "here"), *fields])
                    decision: Any = admit(server.engine, asked)
                    server.engine.connect(decision, asked, link).receive(hello)
                    del asked, decision
                gc.collect()
                assert len(server.engine.sessions) == count
                return taken.now

        return measure

    websocket = slope(bytes_of("/socket.io/?EIO=4&transport=websocket", HANDSHAKE, client_frame(1, b"40")))
    assert slope(bytes_of("/prices?", (), b"")) < websocket + 1000
    assert slope(bytes_of("/ws?", HANDSHAKE, b"")) < websocket


@pytest.mark.parametrize("path", ["/prices", "/both"])
def test_who_never_reads_holds_no_more_than_an_outbox_whatever_is_published(path: str) -> None:
    server, prices = exposed(max_outbox_bytes=100_000)
    listener = Listener(server, path)
    listener.blocked = True
    with memory() as taken:
        for _ in range(1000):
            prices.publish(Text("x" * 10_000))
        assert taken.peak < 3_000_000  # of which the history is a million
    if path == "/both":  # whose reader takes what it has room for
        assert server.stats().outbox_bytes < 100_000
        listener.lose()
    assert listener.is_closed
    assert not server.engine.sessions


def test_hundreds_that_vanish_in_the_middle_leave_nothing() -> None:
    server, prices = exposed(max_outbox_bytes=100_000)
    chance = random.Random(1)

    def wave() -> None:
        listeners = [Listener(server, "/prices", chance.choice([None, "earliest", "x-1"])) for _ in range(100)]
        for _ in range(20):
            prices.publish(Text("x" * chance.randrange(20_000)))
            for listener in chance.sample(listeners, 5):
                listener.blocked = True
        for listener in listeners:
            if not listener.is_closed:
                listener.lose()

    wave()
    before = objects()
    for _ in range(3):
        wave()
    assert prices.count == 0
    assert not server.engine.sessions
    assert not [one for one, _ in server.engine.deadlines._at if isinstance(one, Session | Subscriber)]
    gc.collect()
    assert objects() - before < 100


async def test_a_hundred_connections_that_vanish_in_the_middle_leave_nothing(host: TornadoHost) -> None:
    server = Server(max_outbox_bytes=100_000)
    prices = server.channel("prices", history=1000)
    server.expose("/prices", prices)
    await host.serve(server)
    wires = [await listen(host) for _ in range(100)]
    for number in range(5):
        prices.publish(Text("x" * 50_000 * number))
    for number, wire in enumerate(wires):
        await wire.reader.readexactly(number * 1000 + 1)  # which is in the middle of an event
        wire.reset()
    await host.until(lambda: not prices.count)
    assert not server.engine.sessions
    assert not Residence.of(server.engine).output.open_links
    assert not [one for one, _ in server.engine.deadlines._at if isinstance(one, Session | Subscriber)]
    await server.close()


LINE = re.compile(rb"event: stream-(open|reset)|data: \{[^\0\r\n]*\}|retry: \d+|id: [\w,-]+|")


@pytest.mark.parametrize("path", ["/prices", "/both"])
@pytest.mark.parametrize(
    "last_id",
    [
        "x\r\n\r\ndata: forged",
        "x\rid: 1\r",
        "\0",
        "prices-1\n",
        "-",
        ",",
        "{epoch}-1,{epoch}-2,",
        "{epoch}-99999999999999999999",
        "{epoch}--1",
        "{epoch}-1_0",
        "{epoch}-+1",
        "{epoch}- 1",
        "{epoch}-\u0661",
        "\ud800",
    ],
)
def test_a_forged_last_id_is_told_so_and_never_repeated(path: str, last_id: str) -> None:
    server, prices = exposed()
    prices.publish(1)
    forged = last_id.format(epoch=prices.log.epoch)
    query = quote(forged, errors="surrogatepass")
    listeners = [
        Listener(server, f"{path}?last_event_id={query}"),
        Listener(server, path, Last_Event_ID=forged.encode("utf-8", "surrogatepass").decode("latin-1")),
    ]
    for listener in listeners:
        resets = [event.value["reason"] for event in listener.events if event.type == "stream-reset"]
        assert len(resets) in (1, 2)
        assert set(resets) <= {"unknown", "epoch", "future"}
        assert all(map(LINE.fullmatch, bytes(listener.written).split(b"\n")))
        assert b"forged" not in listener.written


def test_a_foreign_page_with_credentials_is_refused_before_anybody_is_asked() -> None:
    server = Server(driver=Clock(), cors_origins=["https://page.example"], cors_credentials=True)
    asked: list[object] = []
    server.on_handshake(asked.append)
    server.expose("/runs/{name}", lambda request, name: asked.append(request))
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        for origin in ("https://evil.example", "https://page.example.evil.example", "http://page.example", "null"):
            refused = Listener(server, "/runs/1", method=method, Origin=origin, Cookie="user=1").response
            assert refused is not None
            assert refused.status == 403
            assert not [name for name, _ in refused.headers if name.startswith("Access-Control-")]
    assert asked == []


def test_thousands_of_paths_asked_for_by_one_client_leave_nothing(many: int) -> None:
    server = Server(driver=Clock())
    server.expose("/runs/{name}", lambda request, name: server.channel(name, start="earliest"))

    def ask(numbers: range) -> None:
        for number in numbers:
            Listener(server, f"/runs/{number}").lose()

    ask(range(100))
    before = objects()
    ask(range(many))
    assert len(server._channels) == 0
    assert objects() - before < 100


def test_a_path_without_end_takes_no_more_steps_than_it_has_characters() -> None:
    server = Server(driver=Clock())
    news = server.channel("news")
    with pytest.raises(ValueError, match="a slash between two parameters"):
        server.expose("/{a}-{b}", news)
    server.expose("/{a}-x/{b}-x/{c}.json", news)
    for sign in "-/x":
        assert not server.engine.serves("/" + sign * 60_000 + "/")


@pytest.mark.parametrize(
    "last_id", ["x" * 500_000, "earliest" * 10_000, ",".join(["a-1"] * 5_000), "1-" + "9" * 100_000]
)
async def test_a_huge_last_id_ends_one_request_and_no_other(host: TornadoHost, last_id: str) -> None:
    server = Server()
    prices = server.channel("prices")
    server.expose("/prices", prices)
    await host.serve(server)
    other = await listen(host)
    wire = await host.connect()
    wire.send(request("GET", "/prices", ("Last-Event-ID", last_id)))
    answer = await wire.rest() if len(last_id) > 60_000 else await wire.reader.readuntil(b"\n\n")
    assert b"stream-reset" not in answer
    await prices.publish(1)
    size = int(await other.reader.readline(), 16)
    assert (await other.reader.readexactly(size)).startswith(b"data: 1\n")
    await server.close()
