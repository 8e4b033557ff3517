"""Compressed WebSockets: what is agreed, what is compressed and shared, what it costs, and what is broken."""

import json
import os
import random
import sys
import tracemalloc
import zlib
from typing import Any

import pytest

from engine.applications import Recorder, TurningClock, link_of
from waterspout.engine import Deflate, Engine, Open, Policy, Prepared, Resume, WebSocketTransport
from waterspout.testing import Clock, Peer, admit, client_frame
from waterspout.types import Reason
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

OFFER = "permessage-deflate; client_max_window_bits"
ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
LARGE = json.dumps([{"id": number, "name": "Ada", "price": number * 7 % 100} for number in range(200)])
BINARY = bytes(5000)
NOISE = random.Random(0).randbytes(5000)
RSV1, CLOSE = 0x40, 8


@pytest.fixture
def engine(application: Recorder, clock: Clock) -> Engine:
    """An engine that compresses."""
    return Engine(application, policy=Policy(per_message_deflate=True), driver=clock)


@pytest.fixture
def peer(engine: Engine, generation: Generation) -> Peer:
    """A client that has agreed, and has read its handshake."""
    return opened(engine, generation)


def opened(engine: Engine, generation: Generation = ENGINEIO_4, extensions: str = OFFER) -> Peer:
    peer = Peer(engine, generation=generation, extensions=extensions)
    peer.take()
    link_of(peer).written.clear()
    return peer


def flags(peer: Peer) -> list[bool]:
    """Whether each frame in what was written has RSV1, and forget what was written."""
    found, data = [], b"".join(link_of(peer).written)
    link_of(peer).written.clear()
    while data:
        found.append(bool(data[0] & RSV1))
        width = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + width]) if width else data[1]
        data = data[2 + width + size :]
    return found


def raw(payload: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


# The agreement


def test_nothing_is_agreed_unless_it_is_asked_for(application: Recorder, clock: Clock, generation: Generation) -> None:
    peer = Peer(Engine(application, driver=clock), generation=generation, extensions=OFFER)
    assert link_of(peer).extensions == ""
    assert type(link_of(peer).transport) is WebSocketTransport
    application.session.send(LARGE)
    assert flags(peer) == [False, False]


def test_nothing_is_agreed_with_who_offers_nothing(engine: Engine, application: Recorder) -> None:
    peer = opened(engine, extensions="")
    assert link_of(peer).extensions == ""
    application.session.send(LARGE)
    assert flags(peer) == [False]
    assert peer.take() == ["4" + LARGE]


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (OFFER, ANSWER),
        ("permessage-deflate; server_max_window_bits=10", ANSWER + "; server_max_window_bits=10"),
        ("permessage-deflate; nonsense", None),
        ("permessage-deflate; nonsense, permessage-deflate", ANSWER),
        ('"', None),
    ],
)
def test_the_answer_is_a_field_of_the_handshake(
    engine: Engine, generation: Generation, offer: str, answer: str
) -> None:
    peer = Peer(engine, generation=generation, transport="polling")
    for sid in (peer.sid, ""):
        peer.sid = sid
        fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
        fields += [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Extensions", offer)]
        decision = admit(engine, peer.request(transport="websocket", headers=fields))
        assert isinstance(decision, Resume if sid else Open)
        assert decision.greeting is not None
        assert dict(decision.greeting.handshake).get("Sec-WebSocket-Extensions") == answer
        assert (decision.deflate is None) == (answer is None)


def test_polling_knows_nothing_of_it(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation, transport="polling", headers=[("Sec-WebSocket-Extensions", OFFER)])
    decision = admit(engine, peer.request())
    assert isinstance(decision, Resume)
    assert decision.headers == ()
    assert decision.deflate is None
    peer.take()
    application.session.send(LARGE)
    assert peer.take() == ["4" + LARGE]


# What is compressed


def test_large_messages_are_compressed_and_small_ones_are_not(peer: Peer, application: Recorder) -> None:
    for size, compressed in ((1, False), (1022, False), (1023, True), (100_000, True)):
        application.session.send("x" * size)
        assert flags(peer) == [compressed]
        assert peer.take() == ["4" + "x" * size]


def test_attachments_are_judged_one_by_one(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = opened(engine, generation)
    application.session.push(Prepared(b"451-[]", (BINARY, b"small", NOISE, BINARY)))
    assert flags(peer) == [False, True, False, False, True]
    assert peer.take() == ["451-[]", BINARY, b"small", NOISE, BINARY]


def test_what_does_not_become_shorter_is_sent_as_it_is(peer: Peer, application: Recorder) -> None:
    application.session.send(NOISE)
    assert flags(peer) == [False]
    assert peer.take() == [NOISE]


def test_with_a_threshold_of_0_even_the_shortest_are_tried(application: Recorder, clock: Clock) -> None:
    engine = Engine(application, policy=Policy(per_message_deflate=Deflate(threshold_bytes=0)), driver=clock)
    peer = opened(engine)
    application.session.send("x" * 20)
    application.session.send("")
    assert flags(peer) == [True, False]
    assert peer.take() == ["4" + "x" * 20, "4"]


def test_without_compress_a_message_has_no_rsv1(peer: Peer, application: Recorder) -> None:
    application.session.push(Prepared(b"4" + LARGE.encode(), compress=False))
    application.session.push(Prepared(b"", (BINARY,), compress=False))
    application.session.push(Prepared(b"4" + LARGE.encode()))
    assert flags(peer) == [False, False, True]
    assert peer.take() == ["4" + LARGE, BINARY, "4" + LARGE]


def test_control_frames_and_what_follows_them_are_whole(peer: Peer, application: Recorder) -> None:
    application.session.send(LARGE)
    link_of(peer).feed(client_frame(9, b"?"))
    application.session.send(LARGE)
    link_of(peer).feed(client_frame(CLOSE, b"\x03\xe8"))
    assert flags(peer) == [True, False, True, False]
    assert peer.frames[-3:] == [(10, b"?"), (1, b"4" + LARGE.encode()), (CLOSE, b"\x03\xe8")]


def test_events_go_both_ways(peer: Peer, application: Recorder) -> None:
    application.echoes = True
    sent: list[Any] = ["4" + LARGE, BINARY, "4å😀", b"", "4", NOISE]
    peer.send(*sent)
    assert application.heard == [packet[1:] if isinstance(packet, str) else packet for packet in sent]
    assert peer.take() == sent


def test_a_client_need_not_compress(peer: Peer, application: Recorder) -> None:
    link_of(peer).feed(client_frame(1, b"4plain") + client_frame(0x41, raw(b"4packed")) + client_frame(1, b"4plain"))
    assert application.heard == ["plain", "packed", "plain"]


def test_the_conversation_is_the_same_byte_by_byte(peer: Peer, application: Recorder) -> None:
    deflated = raw(b"4" + LARGE.encode())
    conversation = client_frame(0x41, deflated[:9], final=False) + client_frame(9, b"?") + client_frame(0, deflated[9:])
    for byte in conversation:
        link_of(peer).feed(bytes((byte,)))
    assert application.heard == [LARGE]
    assert peer.frames[-1] == (10, b"?")


def test_a_session_goes_from_polling_to_a_compressed_websocket(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", extensions=OFFER)
    peer.polls = False
    application.session.send("before" + LARGE)
    peer.upgrade()
    assert link_of(peer).extensions == ANSWER
    peer.send("4" + LARGE)
    application.session.send("after" + LARGE)
    assert application.heard == [LARGE]
    texts = [packet for packet in peer.take() if isinstance(packet, str) and packet[0] == "4"]
    assert texts == ["4before" + LARGE, "4after" + LARGE]
    assert flags(peer)[-1]


def test_to_a_client_that_does_not_read_it_waits_and_is_compressed_then(peer: Peer, application: Recorder) -> None:
    link_of(peer).blocked = True
    for number in range(3):
        application.session.send(f"{number}{LARGE}")
    assert application.session.outbox_bytes == sum(len(f"4{number}{LARGE}") for number in range(3))
    link_of(peer).unblock()
    assert flags(peer) == [True] * 3
    assert peer.take() == [f"4{number}{LARGE}" for number in range(3)]


def test_who_asks_for_base64_has_its_text_compressed_and_its_binary_not(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, query="b64=1", extensions=OFFER)
    peer.send("4" + LARGE)
    peer.take()
    link_of(peer).written.clear()
    application.session.send(LARGE)
    application.session.push(Prepared(b"451-" + LARGE.encode(), (BINARY,)))
    base64 = generation.engineio.encode_base64_packet(BINARY).decode()
    assert application.heard == [LARGE]
    assert peer.take() == ["4" + LARGE, "451-" + LARGE, base64]
    assert flags(peer) == [True, False, False]


# Much in little


class Bomb:
    """A client whose one read holds sixty messages of a megabyte each, on a server with turns."""

    def __init__(self, generation: Generation, query: str = "") -> None:
        self.application, self.clock = Recorder(), TurningClock()
        engine = Engine(self.application, policy=Policy(per_message_deflate=True), driver=self.clock)
        self.peer = Peer(engine, generation=generation, query=query, extensions=OFFER)
        self.clock.turn()
        packed = raw(b"4" + bytes(999_999))
        frames = b"".join(client_frame(0x41, packed) for _ in range(60))
        self.link = link_of(self.peer)
        self.link.feed(frames + client_frame(0x41, raw(b"4last")))

    @property
    def count(self) -> int:
        return len(self.application.heard)


@pytest.mark.parametrize("query", ["", "b64=1"])
def test_one_read_is_not_unpacked_in_one_turn(generation: Generation, query: str) -> None:
    bomb = Bomb(generation, query)
    assert (bomb.count, bomb.link.paused) == (1, True)
    bomb.link.feed(client_frame(1, b"4behind"))  # read before the pause
    for count in range(2, 60):
        bomb.clock.turn_once()
        assert (bomb.count, bomb.link.paused) == (count, True)
    bomb.clock.turn()
    assert bomb.application.heard[60:] == ["last", "behind"]
    assert not bomb.link.paused


def test_a_pause_of_the_session_outlasts_the_rest(generation: Generation) -> None:
    bomb = Bomb(generation)
    bomb.application.session.transport.pause()
    bomb.clock.turn()
    assert (bomb.count, bomb.link.paused) == (1, True)
    bomb.application.session.transport.resume()
    assert (bomb.count, bomb.link.paused) == (2, True)
    bomb.clock.turn()
    assert (bomb.count, bomb.link.paused) == (61, False)


def test_the_end_of_a_pause_does_not_end_the_rest(generation: Generation) -> None:
    bomb = Bomb(generation)
    bomb.application.session.transport.pause()
    bomb.application.session.transport.resume()
    assert (bomb.count, bomb.link.paused) == (1, True)
    bomb.clock.turn()
    assert (bomb.count, bomb.link.paused) == (61, False)


@pytest.mark.parametrize("end", ["lost", "closed"])
def test_who_ends_during_a_rest_is_heard_no_more(generation: Generation, end: str) -> None:
    bomb = Bomb(generation)
    if end == "lost":
        bomb.link.lose()
    else:
        bomb.application.session.close()
    bomb.clock.turn()
    assert (bomb.count, len(bomb.application.closed)) == (1, 1)


# What is shared


class Counter:
    """Counts how often something is compressed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(zlib, "compressobj", self.make)

    def make(self, *args: Any, real: Any = zlib.compressobj) -> Any:
        self.count += 1
        return real(*args)


def test_all_with_the_same_window_share_one_form(
    engine: Engine, application: Recorder, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = [opened(engine, generation) for _ in range(10)]
    plain = opened(engine, generation, "")
    narrow = [opened(engine, generation, "permessage-deflate; server_max_window_bits=9") for _ in range(10)]
    counter = Counter(monkeypatch)
    prepared = Prepared(b"4" + LARGE.encode())
    for session in application.sessions:
        session.push(prepared)
    assert counter.count == 2
    for group in (peers, narrow):
        assert len({id(link_of(peer).written[0]) for peer in group}) == 1
    assert [peer.take() for peer in (*peers, plain, *narrow)] == [["4" + LARGE]] * 21
    assert [flags(peer) for peer in (peers[0], plain, narrow[0])] == [[True], [False], [True]]


def test_who_demands_more_than_the_policy_gives_shares_its_form(engine: Engine, application: Recorder) -> None:
    for offer in (
        OFFER,
        "permessage-deflate; server_max_window_bits=12",
        "permessage-deflate; server_max_window_bits=15",
    ):
        opened(engine, extensions=offer)
    prepared = Prepared(b"4" + LARGE.encode())
    for session in application.sessions:
        session.push(prepared)
    assert list(prepared.forms or ()) == [12]


def test_a_small_message_has_its_ordinary_form_only(engine: Engine, application: Recorder) -> None:
    peers = [opened(engine), opened(engine, extensions="")]
    prepared = Prepared(b"4small")
    for session in application.sessions:
        session.push(prepared)
    assert prepared.forms is None
    assert link_of(peers[0]).written[0] is link_of(peers[1]).written[0]


# What it costs


def test_a_compressed_connection_keeps_no_more_than_another() -> None:
    """64 KB are allowed. tracemalloc sees zlib's memory as well: Python lends it its own allocator."""
    assert -100 < kept(OFFER) - kept("") < 500


def kept(extensions: str, count: int = 200) -> float:
    """Return the bytes that a connection keeps once it has been used both ways."""
    engine = Engine(Silent(), policy=Policy(per_message_deflate=True), driver=Clock())
    use(opened(engine, extensions=extensions))
    tracemalloc.start()
    try:
        peers = [opened(engine, extensions=extensions) for _ in range(count)]
        for peer in peers:
            use(peer)
        return tracemalloc.get_traced_memory()[0] / count
    finally:
        tracemalloc.stop()


class Silent:
    """An application that remembers nothing."""

    def open(self, session: Any, request: Any) -> None: ...

    def message(self, session: Any, data: str | bytes) -> None:
        session.send(data)

    def close(self, session: Any, reason: Reason) -> None: ...


def use(peer: Peer) -> None:
    """Send much and get it back, then forget it on the client's side."""
    peer.send("4" + LARGE)
    assert peer.take() == ["4" + LARGE]
    peer.frames.clear()
    assert any(flags(peer)) == bool(link_of(peer).extensions)


def test_while_a_message_is_compressed_or_unpacked_the_process_takes_100_kb_at_most() -> None:
    """Once and not for each connection: 38 KB are zlib's, the rest is what Python reserves for its output."""
    assert peak(lambda: Deflate().deflate(LARGE.encode())) < 100_000
    deflated = raw(b"4" + b"x" * 1000)
    peer = opened(Engine(Silent(), policy=Policy(per_message_deflate=True), driver=Clock()))
    assert peak(lambda: link_of(peer).feed(client_frame(0x41, deflated))) < 100_000


def peak(function: Any) -> int:
    function()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of the process is read from /proc")
def test_the_process_does_not_grow_by_64_kb_for_each_compressed_connection() -> None:
    """What the system sees, with all that no tool of Python counts."""
    engine = Engine(Silent(), policy=Policy(per_message_deflate=True), driver=Clock())
    use(opened(engine))
    before, peers = resident(), []
    for _ in range(500):
        peers.append(opened(engine))
        use(peers[-1])
    assert (resident() - before) / len(peers) < 20_000


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# What is broken

BROKEN = {
    "a bomb": (client_frame(0x41, raw(b"4" + bytes(1_000_000))), 1009),
    "a bomb of bytes": (client_frame(0x42, raw(b"\x04" + bytes(1_000_000))), 1009),
    "garbage": (client_frame(0x41, b"\xff\xff\xff"), 1002),
    "a message that is cut short": (client_frame(0x41, raw(LARGE.encode())[:-20]), 1002),
    "text that is not UTF-8": (client_frame(0x41, raw(b"4\xff")), 1007),
    "a reference to the message before": (client_frame(0x41, raw(b"4Hello") + bytes.fromhex("f200110000")), 1002),
    "RSV1 on a ping": (client_frame(0x49, b""), 1002),
    "RSV1 on a close": (client_frame(0x48, b"\x03\xe8"), 1002),
    "RSV1 on a continuation": (client_frame(0x41, b"", final=False) + client_frame(0x40, raw(b"4x")), 1002),
    "RSV2 beside it": (client_frame(0x61, raw(b"4x")), 1002),
    "too many final blocks": (client_frame(0x41, b"\x03\0" * 1000), 1008),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_message_ends_its_own_connection_and_what_came_before_is_heard(
    engine: Engine, peer: Peer, application: Recorder, broken: str
) -> None:
    neighbour = opened(engine, peer.generation)
    data, code = BROKEN[broken]
    link_of(peer).feed(client_frame(0x41, raw(b"4before")) + data + client_frame(0x41, raw(b"4behind")))
    assert application.heard == ["before"]
    assert application.closed == [Reason.PARSE_ERROR]
    assert peer.closed == code
    assert link_of(peer).finished
    neighbour.send("4" + LARGE)
    assert application.heard == ["before", LARGE]
    assert list(engine.sessions) == [neighbour.sid]


def test_rsv1_without_an_agreement_ends_the_connection(engine: Engine, application: Recorder) -> None:
    peer = opened(engine, extensions="permessage-deflate; nonsense")
    link_of(peer).feed(client_frame(0x41, raw(b"4x")))
    assert (peer.closed, application.heard, application.closed) == (1002, [], [Reason.PARSE_ERROR])


def test_what_follows_the_end_in_one_read_is_not_unpacked(
    peer: Peer, application: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams: list[Any] = []
    real = zlib.decompressobj

    def counting(*args: Any) -> Any:
        streams.append(args)
        return real(*args)

    monkeypatch.setattr(zlib, "decompressobj", counting)
    link_of(peer).feed(client_frame(0x41, raw(b"1")) + client_frame(0x41, raw(b"4x")) * 100)
    assert len(streams) == 1
    assert application.closed == [Reason.TRANSPORT_CLOSE]


# The option


def test_the_option_is_a_truth_or_the_details() -> None:
    assert Policy().deflate is None
    assert Policy(per_message_deflate=True).deflate == Deflate()
    assert Policy(per_message_deflate=Deflate(level=1)).deflate == Deflate(level=1)
    wrong: Any
    for wrong in ("yes", 1, None, {"threshold": 1024}):
        with pytest.raises(ValueError, match=r"per_message_deflate is .*: give True, False or a Deflate"):
            Policy(per_message_deflate=wrong)


def test_a_window_that_was_demanded_holds_for_that_connection_only(application: Recorder, clock: Clock) -> None:
    engine = Engine(application, policy=Policy(per_message_deflate=Deflate(window_bits=15)), driver=clock)
    narrow, wide = (
        opened(engine, ENGINEIO_3, "permessage-deflate; server_max_window_bits=9"),
        opened(engine, ENGINEIO_3),
    )
    for session, peer, bits in zip(application.sessions, (narrow, wide), (9, 15), strict=True):
        session.send(LARGE * 10)
        (frame,) = link_of(peer).written
        assert zlib.decompressobj(-bits).decompress(frame[4:] + b"\0\0\xff\xff").decode() == "4" + LARGE * 10
    with pytest.raises(zlib.error):
        zlib.decompressobj(-9).decompress(link_of(wide).written[0][4:])
