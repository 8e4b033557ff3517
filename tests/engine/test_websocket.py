"""A session's WebSocket: control frames, close codes, broken frames, and a client that does not read."""

from typing import Any

import pytest

from engine.applications import Recorder, link_of
from waterspout.engine import Engine, Policy, Prepared
from waterspout.testing import Clock, Peer, client_frame
from waterspout.types import Reason
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

PING, PONG, CLOSE = 9, 10, 8


@pytest.fixture
def peer(engine: Engine, generation: Generation) -> Peer:
    """A client that has read its handshake."""
    peer = Peer(engine, generation=generation)
    peer.take()
    peer.frames.clear()
    return peer


def assert_over(peer: Peer, application: Recorder, reason: Reason) -> None:
    assert application.closed == [reason]
    assert (peer.engine.sessions, len(peer.engine.deadlines)) == ({}, 0)


def test_messages_are_frames_of_text_and_binary(peer: Peer, application: Recorder) -> None:
    application.echoes = True
    peer.send("4å😀", b"\0\xff", "4", b"")
    assert application.heard == ["å😀", b"\0\xff", "", b""]
    assert peer.take() == ["4å😀", b"\0\xff", "4", b""]


def test_binary_of_engineio_3_has_its_type_in_front(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, generation=ENGINEIO_3)
    link_of(peer).feed(client_frame(2, b"\x04\1\2"))
    application.session.send(b"\3")
    assert application.heard == [b"\1\2"]
    assert peer.frames[-1] == (2, b"\x04\3")


@pytest.mark.parametrize("content", [b"", b"\x02", b"\1\2", b"4text"])
def test_binary_of_engineio_3_without_the_type_of_a_message_ends_the_session(
    engine: Engine, application: Recorder, content: bytes
) -> None:
    peer = Peer(engine, generation=ENGINEIO_3)
    link_of(peer).feed(client_frame(2, content))
    assert peer.closed == 1002
    assert_over(peer, application, Reason.PARSE_ERROR)


def test_the_conversation_is_the_same_byte_by_byte(peer: Peer, application: Recorder) -> None:
    conversation = (
        client_frame(1, b"4first")
        + client_frame(PING, b"?")
        + client_frame(1, b"4", final=False)
        + client_frame(PING, b"in between")
        + client_frame(0, "😀".encode())
        + client_frame(CLOSE, b"\x03\xe8")
    )
    for byte in conversation:
        link_of(peer).feed(bytes((byte,)))
    assert application.heard == ["first", "😀"]
    assert peer.frames == [(PONG, b"?"), (PONG, b"in between"), (CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize(("generation", "text"), [(ENGINEIO_3, "b4AQID"), (ENGINEIO_4, "bAQID")])
def test_binary_may_come_as_base64(engine: Engine, application: Recorder, generation: Generation, text: str) -> None:
    """The JavaScript clients of 2.x to 4.x do so with `forceBase64`."""
    peer = Peer(engine, generation=generation)
    peer.send(text)
    assert application.heard == [b"\1\2\3"]
    peer.send(text + "!")
    assert peer.closed == 1002


@pytest.mark.parametrize("query", ["b64=1", "b64=true", "b64=0"])
@pytest.mark.parametrize(("generation", "text"), [(ENGINEIO_3, "b4AQL/"), (ENGINEIO_4, "bAQL/")])
def test_binary_goes_as_base64_to_who_asks_for_it(
    engine: Engine, application: Recorder, generation: Generation, text: str, query: str
) -> None:
    """Seen at engine.io 3.6.2 and 6.6.11, with `EIO` 3 and 4."""
    peer = Peer(engine, generation=generation, query=query)
    session = application.session
    session.send("before")
    session.send(b"\1\2\xff")
    session.push(Prepared(b"451-", (b"\1\2\xff", b"")))
    assert peer.take()[1:] == ["4before", text, "451-", text, text[:-4]]
    assert {opcode for opcode, _ in peer.frames} == {1}
    peer.send(b"\3", text)  # what the client may send does not change
    assert application.heard == [b"\3", b"\1\2\xff"]


def test_binary_stays_binary_if_b64_says_nothing(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation, query="b64=")
    application.session.send(b"\1")
    assert peer.take()[1:] == [b"\1"]


def test_base64_is_made_once_for_all_and_each_has_what_it_asked_for(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    prepared = Prepared(b"451-", (b"\1",))
    written = []
    for query in ("b64=1", "", "b64=1"):
        peer = Peer(engine, generation=generation, query=query)
        application.session.push(prepared)
        written.append(link_of(peer).written[-1])
    assert written[0] is written[2] is not written[1]
    assert written[1] is prepared.frames


def test_an_upgrade_asks_for_base64_by_itself(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation, transport="polling")
    peer.take()
    peer.query = "b64=1"
    peer.upgrade()
    application.session.send(b"\1")
    assert isinstance(peer.take()[-1], str)


# Control frames


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(125))], ids=len)
def test_a_ping_is_answered_with_its_own_payload(peer: Peer, payload: bytes) -> None:
    link_of(peer).feed(client_frame(PING, payload))
    assert peer.frames == [(PONG, payload)]


def test_pongs_that_nobody_asked_for_say_nothing(peer: Peer, application: Recorder) -> None:
    link_of(peer).feed(client_frame(PONG, b"hello") * 1000)
    peer.send("4hello")
    assert application.heard == ["hello"]
    assert peer.frames == []


def test_to_a_client_that_does_not_read_only_the_last_pong_is_kept(peer: Peer, application: Recorder) -> None:
    link_of(peer).blocked = True
    application.session.send("queued")
    for number in range(10_000):
        link_of(peer).feed(client_frame(PING, b"%d" % number))
    assert peer.frames == []
    link_of(peer).unblock()
    assert peer.frames == [(PONG, b"9999"), (1, b"4queued")]
    link_of(peer).unblock()
    assert peer.frames[2:] == []


def test_websocket_pings_are_no_heartbeat(engine: Engine, application: Recorder, clock: Clock) -> None:
    peer = Peer(engine)
    for _ in range(45):
        link_of(peer).feed(client_frame(PING, b"") + client_frame(PONG, b""))
        clock.advance(1)
    assert_over(peer, application, Reason.PING_TIMEOUT)


# The end


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_a_close_frame_is_answered_with_its_code(peer: Peer, application: Recorder, code: int) -> None:
    link_of(peer).feed(client_frame(CLOSE, code.to_bytes(2) + b"bye"))
    assert peer.frames == [(CLOSE, code.to_bytes(2))]
    assert link_of(peer).finished
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


def test_a_close_frame_without_a_code_is_answered_without_one(peer: Peer, application: Recorder) -> None:
    link_of(peer).feed(client_frame(CLOSE, b""))
    assert peer.frames == [(CLOSE, b"")]
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


def test_a_close_packet_is_answered_with_a_close_frame(peer: Peer, application: Recorder) -> None:
    peer.send("1")
    assert peer.frames == [(CLOSE, b"\x03\xe8")]
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


def test_a_connection_that_is_cut_ends_the_session(peer: Peer, application: Recorder) -> None:
    peer.lose()
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


@pytest.mark.parametrize("last", [client_frame(CLOSE, b"\x03\xe8"), client_frame(1, b"1"), client_frame(1, b"9")])
def test_nothing_is_heard_behind_the_end(peer: Peer, application: Recorder, last: bytes) -> None:
    link_of(peer).feed(client_frame(1, b"4before") + last + client_frame(1, b"4behind"))
    peer.send("4later")
    link_of(peer).feed(b"\xff" * 100)
    assert application.heard == ["before"]
    assert len(peer.frames) == 1
    assert len(application.closed) == 1
    transport: Any = link_of(peer).transport
    assert transport.reader is None


def test_a_client_that_does_not_read_is_told_the_end_behind_what_waits(peer: Peer, application: Recorder) -> None:
    link_of(peer).blocked = True
    application.session.send("never sent")
    link_of(peer).feed(client_frame(CLOSE, b"\x03\xe8"))
    assert peer.frames == [(CLOSE, b"\x03\xe8")]
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


# Broken frames; how each is recognised is tested with wire.websocket

BROKEN = {
    "a reserved bit": (b"\xc1\x80\0\0\0\0", 1002),
    "an unknown opcode": (b"\x83\x80\0\0\0\0", 1002),
    "no mask": (b"\x81\x01a", 1002),
    "a continuation of nothing": (b"\x80\x80\0\0\0\0", 1002),
    "a fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "a close code that must not be sent": (client_frame(CLOSE, b"\x03\xed"), 1002),
    "half a close code": (client_frame(CLOSE, b"\x03"), 1002),
    "text that is not UTF-8": (client_frame(1, b"4\xff"), 1007),
    "half a character": (client_frame(1, b"4\xe2\x82"), 1007),
    "a close reason that is not UTF-8": (client_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "too many fragments": (client_frame(1, b"", final=False) + client_frame(0, b"", final=False) * 16_384, 1008),
    "a byte too much": (client_frame(1, b"4" + b"x" * 1_000_000), 1009),
    "a huge length": (b"\x82\xff" + (1 << 40).to_bytes(8), 1009),
    "the highest length": (b"\x82\xff" + ((1 << 63) - 1).to_bytes(8), 1009),
    "an impossible length": (b"\x82\xff" + (1 << 63).to_bytes(8), 1002),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_frame_ends_its_own_connection_with_the_code_of_its_fault(
    engine: Engine, peer: Peer, application: Recorder, broken: str
) -> None:
    neighbour = Peer(engine, generation=peer.generation)
    data, code = BROKEN[broken]
    link_of(peer).feed(data)
    (frame,) = peer.frames
    assert frame[0] == CLOSE
    assert frame[1][:2] == code.to_bytes(2)
    assert 10 < len(frame[1]) <= 125
    assert link_of(peer).finished
    assert application.closed == [Reason.PARSE_ERROR]
    neighbour.send("4hello")
    assert application.heard == ["hello"]
    assert list(engine.sessions) == [neighbour.sid]


@pytest.mark.parametrize("broken", BROKEN)
def test_messages_before_a_broken_frame_in_one_segment_are_heard(
    peer: Peer, application: Recorder, broken: str
) -> None:
    data, code = BROKEN[broken]
    link_of(peer).feed(client_frame(1, b"4first") + client_frame(PING, b"?") + data)
    assert application.heard == ["first"]
    assert peer.frames[0] == (PONG, b"?")
    assert peer.closed == code
    assert_over(peer, application, Reason.PARSE_ERROR)


def test_a_message_of_just_the_limit_is_taken(application: Recorder, clock: Clock, generation: Generation) -> None:
    peer = Peer(Engine(application, policy=Policy(max_payload_bytes=100), driver=clock), generation=generation)
    peer.send("4" + "x" * 99)
    link_of(peer).feed(client_frame(1, b"4" + b"x" * 49, final=False) + client_frame(0, b"x" * 50))
    assert application.heard == ["x" * 99] * 2
    link_of(peer).feed(client_frame(1, b"4" + b"x" * 49, final=False) + client_frame(0, b"x" * 51))
    assert peer.closed == 1009


def test_frames_in_the_segment_of_the_handshake_are_heard_after_the_greeting(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    """A host feeds what it has read already as soon as it has the transport."""
    application.echoes = True
    peer = Peer(engine, generation=generation)
    link_of(peer).feed(client_frame(1, b"4hello") + b"\xf1\x80")
    assert [packet[:2] for packet in peer.take()] == ["0{", "4h"]
    assert peer.closed == 1002
