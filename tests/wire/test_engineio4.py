"""Engine.IO 4 payloads and frames: the vectors of data/engineio4.json, and what holds for any bytes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import bytes_of, load, name, value_of
from waterspout import errors
from waterspout.errors import DecodeError, TooMany
from waterspout.wire import engineio4

VECTORS = load("engineio4")


@pytest.mark.parametrize("vector", VECTORS["received"], ids=name)
def test_the_packets_of_a_payload_are_read(vector: Any) -> None:
    assert list(engineio4.decode_payload(bytes_of(vector["body"]))) == value_of(vector["packets"])


@pytest.mark.parametrize("vector", VECTORS["broken"], ids=name)
def test_a_broken_packet_is_an_error_when_its_turn_comes(vector: Any) -> None:
    packets: list[str | bytes] = []
    with pytest.raises(DecodeError) as caught:
        packets.extend(engineio4.decode_payload(bytes_of(vector["body"]), binary=vector.get("binary", False)))
    assert packets == value_of(vector["packets"])
    assert type(caught.value) is getattr(errors, vector["error"])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("vector", VECTORS["sent"], ids=name)
@pytest.mark.parametrize("base64", [False, True])
def test_packets_are_written_as_a_payload(vector: Any, base64: bool) -> None:
    messages = [(text.encode(), tuple(map(bytes.fromhex, contents))) for text, contents in vector["messages"]]
    assert engineio4.encode_payload(iter(messages), base64=base64) == (bytes_of(vector["body"]), False)


@pytest.mark.parametrize("vector", VECTORS["frames"])
def test_binary_goes_through_a_web_socket_as_it_is(vector: Any) -> None:
    frame, content = bytes.fromhex(vector["frame"]), bytes.fromhex(vector["content"])
    assert engineio4.decode_binary(frame) == content
    assert engineio4.encode_binary(content) == frame


def test_every_vector_names_its_source() -> None:
    assert [vector for kind in VECTORS if kind != "about" for vector in VECTORS[kind] if not vector["source"]] == []


def test_the_open_packet_counts_milliseconds() -> None:
    packet = b'0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":200,"maxPayload":1000000}'
    assert engineio4.encode_open("a", ("websocket",), 25, 0.2, 1_000_000) == packet
    assert b'"upgrades":[],' in engineio4.encode_open("a", (), 25, 0.2, 1_000_000)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x1e")).map("4{}".format)
MESSAGES = st.lists(st.tuples(TEXTS.map(str.encode) | st.just(b""), st.lists(st.binary()).map(tuple)))


@given(MESSAGES.filter(lambda messages: any(text or contents for text, contents in messages)))
def test_what_is_written_is_read_again(messages: list[tuple[bytes, tuple[bytes, ...]]]) -> None:
    body, binary = engineio4.encode_payload(messages)
    packets: list[str | bytes] = []
    for text, contents in messages:
        packets += [text.decode()] if text else []
        packets += contents
    assert list(engineio4.decode_payload(body, binary=binary)) == packets


@given(
    st.binary()
    | st.lists(st.sampled_from([b"4", b"b", b"\x1e", b"A", b"=", b"\xff", b"AAAA", b"\xc3\xa9"])).map(b"".join)
)
def test_any_bytes_give_packets_or_a_decode_error(body: bytes) -> None:
    try:
        packets = list(engineio4.decode_payload(body))
    except DecodeError:
        return
    assert packets
    assert "" not in packets


def test_packets_are_read_when_they_are_asked_for(steps: Callable[[Callable[[], object]], int]) -> None:
    body = b"4a" + b"\x1e4" * 100_000
    assert steps(lambda: next(engineio4.decode_payload(body))) < 30


def test_a_payload_has_at_most_ten_thousand_packets() -> None:
    assert len(list(engineio4.decode_payload(b"4" + b"\x1e4" * 9_999))) == 10_000
    packets = engineio4.decode_payload(b"4" + b"\x1e4" * 10_000)
    assert [next(packets) for _ in range(10_000)] == ["4"] * 10_000
    with pytest.raises(TooMany):
        next(packets)


@pytest.mark.parametrize("piece", [b"4\x1e", b"b\x1e", b"bAAAA\x1e", b"4" * 100 + b"\x1e", "4😀\x1e".encode()])
def test_the_work_is_linear(steps: Callable[[Callable[[], object]], int], piece: bytes) -> None:
    def work(size: int) -> int:
        return steps(lambda: list(engineio4.decode_payload(piece * size + b"4")))

    assert work(200) - work(100) == work(300) - work(200) <= 20 * 100


def test_nobody_makes_packets_of_what_somebody_has_said() -> None:
    body, binary = engineio4.encode_payload([(b"4hello\x1e1", ()), (b"4\x1e", (b"\x1e",))])
    assert not binary
    assert list(engineio4.decode_payload(body)) == ["4hello\ufffd1", "4\ufffd", b"\x1e"]
