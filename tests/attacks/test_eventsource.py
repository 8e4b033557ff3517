"""Event streams under attack: what one client can take is bounded, and what is gone leaves nothing."""

import gc
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from attacks.measures import memory, objects, slope
from hosts.client import request
from hosts.suite.eventsource import listen
from hosts.tornado_host import LOOPS, TornadoHost
from server.listener import Listener
from waterspout import Server
from waterspout.engine import Session
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
    return server, prices


def test_a_channel_with_a_hundred_messages_of_a_kilobyte_stays_within_a_hundred_and_fifty() -> None:
    server = Server(driver=Clock())
    with memory() as taken:
        channels = [server.channel(f"channel {number}") for number in range(100)]
        for channel in channels:
            for _ in range(100):
                channel.publish(Text("x" * 1000))
        assert len(channels) == 100
        assert taken.now < 15_000_000
        for channel in channels:  # a bound by count and by bytes, whatever else is published
            channel.publish(Text("x" * 1000))
        assert taken.now < 15_000_000


class Drain(Listener):
    """A link to nobody, which all share."""

    def __init__(self) -> None:
        self.is_closed = False

    def write(self, data: bytes) -> bool:
        return True


def test_an_idle_event_stream_costs_at_most_a_kilobyte_more_than_an_idle_websocket() -> None:
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

    websocket = bytes_of("/socket.io/?EIO=4&transport=websocket", HANDSHAKE, client_frame(1, b"40"))
    assert slope(bytes_of("/prices?", (), b"")) < slope(websocket) + 1000


def test_who_never_reads_holds_no_more_than_an_outbox_whatever_is_published() -> None:
    server, prices = exposed(max_outbox_bytes=100_000)
    listener = Listener(server, "/prices")
    listener.blocked = True
    with memory() as taken:
        for _ in range(1000):
            prices.publish(Text("x" * 10_000))
        assert taken.peak < 3_000_000  # of which the history is a million
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
