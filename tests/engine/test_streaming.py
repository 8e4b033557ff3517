"""Endless answers: htmlfile and xhr-multipart, which clients of Socket.IO 0.7 to 0.9 read while they are written."""

import email
import json
import re

import pytest

from engine.applications import Packets
from waterspout.engine import Engine, Policy, Prepared, Stream
from waterspout.testing import Clock, Peer, StreamCarrier
from waterspout.types import Reason
from waterspout.wire.generations import SOCKETIO_1

STREAMS = ("htmlfile", "xhr-multipart")


@pytest.fixture
def engine() -> Engine:
    return Engine(Packets(), driver=Clock(), path="/socket.io", policy=Policy(generations=(SOCKETIO_1,)))


def stream_of(peer: Peer) -> StreamCarrier:
    assert isinstance(peer.carrier, StreamCarrier)
    return peer.carrier


def tell(engine: Engine, *words: str) -> None:
    for word in words:
        engine.application.session.push(Prepared(b"3:::" + word.encode()))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("transport", "kind"),
    [("htmlfile", "text/html; charset=UTF-8"), ("xhr-multipart", 'multipart/x-mixed-replace;boundary="socketio"')],
)
def test_the_head_says_what_comes(engine: Engine, transport: str, kind: str) -> None:
    head = stream_of(Peer(engine, generation=SOCKETIO_1, transport=transport)).head
    assert isinstance(head, Stream)
    fields = dict(head.headers)
    assert fields["Content-Type"] == kind
    assert "Transfer-Encoding" not in fields  # the host's affair
    assert fields["X-Accel-Buffering"] == "no"
    assert fields["Cache-Control"] == "no-store"


def test_an_htmlfile_begins_with_enough_for_a_browser_to_start(engine: Engine) -> None:
    body = stream_of(Peer(engine, generation=SOCKETIO_1, transport="htmlfile")).body
    preamble, _, rest = body.partition(b"</script>")
    assert preamble.startswith(b"<html><body><script>function _(")
    assert len(body) - len(rest.lstrip()) >= 256
    assert rest.strip() == b'<script>_("1::");</script>'


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "\u2028", "a\\/b", "é😀", "'\"\\"])
def test_nothing_in_a_text_ends_a_script_element(engine: Engine, text: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="htmlfile")
    stream = stream_of(peer)
    before = len(stream.body)
    tell(engine, text)
    chunk = stream.body[before:]
    assert chunk.isascii()
    assert len(re.findall(b"<script", chunk)) == len(re.findall(b"</script", chunk)) == 1
    (packet,) = peer.take()[1:]
    assert text == (packet[4:] if packet[0] == "3" else json.loads(packet[4:]))


def test_the_parts_are_what_a_mime_parser_reads(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-multipart")
    tell(engine, "plain", "--socketio--", "a\r\n--socketio\r\nb", "é😀")
    stream = stream_of(peer)
    head = b'Content-Type: multipart/x-mixed-replace; boundary="socketio"\r\n\r\n'
    message = email.message_from_bytes(head + stream.body.removesuffix(b"\r\n") + b"--")
    parts = [part.get_payload(decode=True).decode() for part in message.get_payload()]  # type: ignore[union-attr]
    assert parts[:4] == [peer.sid, "1::", "3:::plain", "3:::--socketio--"]
    assert parts[4] == '4:::"a\\r\\n--socketio\\r\\nb"'
    assert parts[5] == "3:::é😀"
    assert {part.get_content_type() for part in message.get_payload()} == {"text/plain"}  # type: ignore[union-attr]


@pytest.mark.parametrize("transport", STREAMS)
def test_a_client_that_reads_nothing_is_waited_for_and_then_cut(engine: Engine, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    peer.take()
    stream_of(peer).blocked = True
    tell(engine, "a", "b")
    assert peer.take() == []
    stream_of(peer).unblock()
    assert peer.take() == ["3:::a", "3:::b"]
    stream_of(peer).blocked = True
    tell(engine, "x" * 600_000, "y" * 600_000)
    assert engine.application.closed == [Reason.SLOW_CONSUMER]  # type: ignore[union-attr]
    assert stream_of(peer).finished


@pytest.mark.parametrize("transport", STREAMS)
def test_what_a_client_says_on_the_connection_itself_is_not_read(engine: Engine, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    stream_of(peer).transport.receive(b"GET /admin HTTP/1.1\r\n\r\n" * 1000)
    tell(engine, "a")
    assert peer.take() == ["1::", "3:::a"]


@pytest.mark.parametrize("transport", STREAMS)
def test_an_answer_ends_as_http_wants_it(engine: Engine, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    engine.application.session.close()  # type: ignore[union-attr]
    assert peer.closed == 0
    assert stream_of(peer).finished
    assert not engine.sessions


@pytest.mark.parametrize("transport", STREAMS)
def test_a_second_answer_takes_over(engine: Engine, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    first = stream_of(peer)
    peer.switch(transport)
    tell(engine, "a")
    assert first.finished
    assert peer.take() == ["1::", "3:::a"]


@pytest.mark.parametrize("transport", STREAMS)
def test_a_chunk_is_one_form_for_all_who_get_it(engine: Engine, transport: str) -> None:
    peers = [Peer(engine, generation=SOCKETIO_1, transport=transport) for _ in range(3)]
    prepared = Prepared(b"3:::same")
    for session in list(engine.sessions.values()):
        session.push(prepared)
    forms = dict(prepared.forms or {})
    assert list(forms) == [transport]
    prepared.forms = {transport: b"first"}
    for session in list(engine.sessions.values()):
        session.push(prepared)
    assert all(stream_of(peer).body.endswith(b"first") for peer in peers)
