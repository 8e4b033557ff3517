"""Engine.IO 3 payloads and frames: the vectors of data/engineio3.json, and what holds for any bytes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import bytes_of, load, name, value_of
from waterspout import errors
from waterspout.errors import DecodeError, TooMany
from waterspout.wire import engineio3, engineio4

VECTORS = load("engineio3")


@pytest.mark.parametrize("vector", VECTORS["received"], ids=name)
def test_the_packets_of_a_payload_are_read(vector: Any) -> None:
    packets = engineio3.decode_payload(bytes_of(vector["body"]), binary=vector.get("binary", False))
    assert list(packets) == value_of(vector["packets"])


@pytest.mark.parametrize("vector", VECTORS["broken"], ids=name)
def test_a_broken_packet_is_an_error_when_its_turn_comes(vector: Any) -> None:
    packets: list[str | bytes] = []
    with pytest.raises(DecodeError) as caught:
        packets.extend(engineio3.decode_payload(bytes_of(vector["body"]), binary=vector.get("binary", False)))
    assert packets == value_of(vector["packets"])
    assert type(caught.value) is getattr(errors, vector["error"])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("vector", VECTORS["sent"], ids=name)
def test_packets_are_written_as_a_payload(vector: Any) -> None:
    messages = [(text.encode(), tuple(map(bytes.fromhex, contents))) for text, contents in vector["messages"]]
    binary = isinstance(vector["body"], dict)
    assert engineio3.encode_payload(iter(messages)) == (bytes_of(vector["body"]), binary)
    assert engineio3.encode_payload(iter(messages), base64=True) == (bytes_of(vector["base64"]), False)


@pytest.mark.parametrize("vector", VECTORS["frames"])
def test_binary_has_a_type_in_a_web_socket(vector: Any) -> None:
    frame, content = bytes.fromhex(vector["frame"]), bytes.fromhex(vector["content"])
    assert engineio3.decode_binary(frame) == content
    assert engineio3.encode_binary(content) == frame


@pytest.mark.parametrize("vector", VECTORS["broken frames"])
def test_binary_that_is_no_message_is_a_decode_error(vector: Any) -> None:
    with pytest.raises(DecodeError):
        engineio3.decode_binary(bytes.fromhex(vector["frame"]))


def test_every_vector_names_its_source() -> None:
    assert [vector for kind in VECTORS if kind != "about" for vector in VECTORS[kind] if not vector["source"]] == []


def test_the_open_packet_is_that_of_revision_4() -> None:
    assert engineio3.encode_open is engineio4.encode_open


def looks_encoded_twice(text: str) -> bool:
    try:
        return text.encode("latin-1").decode() != text
    except UnicodeError:
        return False


TEXTS = st.text().map("4{}".format)
MESSAGES = st.lists(st.tuples(TEXTS | st.just(""), st.lists(st.binary()).map(tuple)))


@given(MESSAGES.filter(lambda messages: any(text or contents for text, contents in messages)), st.booleans())
def test_what_is_written_is_read_again(messages: list[tuple[str, tuple[bytes, ...]]], base64: bool) -> None:
    body, binary = engineio3.encode_payload(((text.encode(), contents) for text, contents in messages), base64=base64)
    packets: list[str | bytes] = []
    for text, contents in messages:
        twice = looks_encoded_twice(text) and not binary
        packets += [text.encode("latin-1").decode() if twice else text] if text else []
        packets += contents
    assert list(engineio3.decode_payload(body, binary=binary)) == packets


@given(st.lists(TEXTS, min_size=1))
def test_what_1_x_encodes_twice_is_decoded_twice(texts: list[str]) -> None:
    once = [text.encode().decode("latin-1") for text in texts]
    body = "".join(f"{len(text)}:{text}" for text in once).encode()
    assert list(engineio3.decode_payload(body)) == texts


PIECES = [
    b"4",
    b"b4",
    b":",
    b"1",
    b"2:",
    b"0",
    b"6:b4AAAA",
    b"\0",
    b"\1",
    b"\2",
    b"\xff",
    b"\x04",
    "😀".encode(),
    b"\xc3\xa9",
]


@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join), st.booleans())
def test_any_bytes_give_packets_or_a_decode_error(body: bytes, binary: bool) -> None:
    try:
        packets = list(engineio3.decode_payload(body, binary=binary))
    except DecodeError:
        return
    assert packets
    assert "" not in packets


@pytest.mark.parametrize(("piece", "binary"), [(b"1:4", False), (b"\0\1\xff4", True)])
def test_packets_are_read_when_they_are_asked_for(
    steps: Callable[[Callable[[], object]], int], piece: bytes, binary: bool
) -> None:
    assert steps(lambda: next(engineio3.decode_payload(piece * 100_000, binary=binary))) < 40


@pytest.mark.parametrize(("piece", "binary"), [(b"1:3", False), (b"\0\1\xff3", True)])
def test_a_payload_has_at_most_ten_thousand_packets(piece: bytes, binary: bool) -> None:
    assert len(list(engineio3.decode_payload(piece * 10_000, binary=binary))) == 10_000
    packets = engineio3.decode_payload(piece * 1_000_000, binary=binary)
    assert [next(packets) for _ in range(10_000)] == ["3"] * 10_000
    with pytest.raises(TooMany):
        next(packets)


@pytest.mark.parametrize(
    ("piece", "binary"),
    [
        (b"1:3", False),
        (b"6:b4AAAA", False),
        ("3:4😀".encode(), False),
        (b"101:4" + b"a" * 100, False),
        (b"\0\1\xff4", True),
        (b"\1\1\xff\4", True),
    ],
)
def test_the_work_is_linear(steps: Callable[[Callable[[], object]], int], piece: bytes, binary: bool) -> None:
    def work(size: int) -> int:
        return steps(lambda: list(engineio3.decode_payload(piece * size, binary=binary)))

    assert work(200) - work(100) == work(300) - work(200) <= 40 * 100
