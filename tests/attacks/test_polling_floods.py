"""Long-polling as an attack (B9): packets without number, requests beside each other, requests that are given up."""

import pytest

from attacks.measures import memory
from waits import waits
from waterspout import Engine, Server
from waterspout.engine import Session
from waterspout.testing import Clock, Pair, Peer, PollingCarrier, Refused
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

MOST = 10_000


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


def payload(generation: Generation, packets: int) -> bytes:
    """Write a body of so many events."""
    return b'7:42["n"]' * packets if generation is ENGINEIO_3 else b"\x1e".join([b'42["n"]'] * packets)


class Counted:
    """A client over polling, and how often its event was heard."""

    def __init__(self, generation: Generation) -> None:
        self.heard = 0
        self.server = Server()
        self.server.on("n")(self.hear)
        self.pair = Pair(self.server, generation=generation, transport="polling")
        carrier = self.pair.peer.carrier
        assert isinstance(carrier, PollingCarrier)
        self.carrier = carrier

    def hear(self, socket: object) -> None:
        self.heard += 1


def test_as_many_packets_as_are_allowed_are_heard(generation: Generation) -> None:
    client = Counted(generation)
    client.carrier.post(payload(generation, MOST))
    assert client.heard == MOST


def test_the_first_packet_too_many_ends_the_session(generation: Generation) -> None:
    client = Counted(generation)
    with pytest.raises(Refused) as refusal:
        client.carrier.post(payload(generation, MOST + 1))
    assert refusal.value.response.status == 400
    assert client.heard == MOST
    assert client.server.engine.sessions == {}


@pytest.mark.parametrize(
    ("generation", "body"),
    [
        (ENGINEIO_4, b"\x1e" * 1_000_000),
        (ENGINEIO_4, b"\n" * 1_000_000),
        (ENGINEIO_4, b"6\x1e" * 500_000),
        (ENGINEIO_4, b"b" * 1_000_000),
        (ENGINEIO_4, b"4" * 1_000_000),
        (ENGINEIO_4, b"42" * 500_000),
        (ENGINEIO_4, b"4" + b"5" * 999_999),
        (ENGINEIO_3, b"1:3" * 333_333),
        (ENGINEIO_3, b"1:6" * 333_333),
        (ENGINEIO_3, b"99999999:4"),
        (ENGINEIO_3, b"9" * 1_000_000),
        (ENGINEIO_3, b"0:" * 500_000),
        (ENGINEIO_3, b"\0" * 1_000_000),
    ],
    ids=lambda value: value[:8].decode("latin-1") if isinstance(value, bytes) else value.revision,
)
def test_a_megabyte_of_nothing_costs_its_own_size_and_ends_the_session(generation: Generation, body: bytes) -> None:
    """CVE-2020-36048, CVE-2026-32689: a list of all packets took a hundred times as much."""
    client = Counted(generation)
    with memory() as used:
        with pytest.raises(Refused):
            client.carrier.post(body)
        assert used.peak < 8_000_000
    assert client.server.engine.sessions == {}


def test_what_stands_before_a_broken_packet_is_heard(generation: Generation) -> None:
    client = Counted(generation)
    broken = b"9:x" if generation is ENGINEIO_3 else b"\x1e9"
    with pytest.raises(Refused):
        client.carrier.post(payload(generation, 3) + broken)
    assert client.heard == 3


def test_nothing_is_heard_of_a_payload_behind_the_packet_that_ended_the_session(generation: Generation) -> None:
    client = Counted(generation)
    separator = b"" if generation is ENGINEIO_3 else b"\x1e"
    close = b"1:1" if generation is ENGINEIO_3 else b"1"
    client.carrier.post(separator.join([payload(generation, 1), close]))
    assert client.heard == 1
    assert client.server.engine.sessions == {}


def test_a_thousand_polls_that_are_given_up_leave_nothing(generation: Generation) -> None:
    server = Server(driver=Clock())
    for _ in range(1000):
        peer = Peer(server, generation=generation, transport="polling")
        peer.lose()
    assert server.engine.sessions == {}
    assert waits(server.engine) == 0


def test_a_thousand_polls_beside_another_leave_nothing(generation: Generation) -> None:
    server = Server(driver=Clock())
    for _ in range(1000):
        peer = Peer(server, generation=generation, transport="polling")
        carrier = peer.carrier
        assert isinstance(carrier, PollingCarrier)
        carrier.poll()
        assert peer.closed == 0
        assert (b"1:1" if generation is ENGINEIO_3 else b"1") in [answer.body for answer in carrier.responses]
    assert server.engine.sessions == {}
    assert waits(server.engine) == 0


def test_a_post_beside_another_ends_the_session(generation: Generation) -> None:
    client = Counted(generation)
    peer = client.pair.peer
    peer.admit(peer.request("POST"))
    with pytest.raises(Refused, match="two POSTs at once"):
        client.carrier.post(payload(generation, 1))
    assert client.heard == 0
    assert client.server.engine.sessions == {}
    assert peer.closed == 0


def test_an_empty_message_is_delivered_like_any_other(generation: Generation) -> None:
    """It weighs nothing, yet a poll must be answered with it, and it must not hold up what follows."""

    class Application:
        sessions: list[Session]

        def open(self, session: Session, request: object) -> None:
            self.sessions = [session]

        def message(self, session: Session, data: str | bytes) -> None: ...

        def close(self, session: Session, reason: object) -> None: ...

    application = Application()
    peer = Peer(Engine(application, driver=Clock()), generation=generation, transport="polling", polls=False)
    peer.take()
    (session,) = application.sessions
    session.send(b"")
    assert isinstance(peer.carrier, PollingCarrier)
    peer.carrier.poll()
    assert peer.take() == [b""]
    session.send("next")
    peer.carrier.poll()
    assert peer.take() == ["4next"]
