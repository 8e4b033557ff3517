"""RFC 6455 as a server reads and writes it; the vectors of `data/websocket.json` name its sections."""

import gc
import json
import sys
import tracemalloc
import weakref
from collections.abc import Iterable, Sequence
from itertools import cycle
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.measures import memory
from waterspout import errors
from waterspout.errors import DecodeError, InvalidText, PayloadTooLarge, ProtocolError, TooMany
from waterspout.wire import frames, websocket
from waterspout.wire.websocket import (
    Close,
    Message,
    Ping,
    Pong,
    Reader,
    UnsupportedVersion,
    accept,
    binary_frame,
    check_upgrade,
    choose_subprotocol,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "websocket.json").read_text("utf-8"))
READ, WRITE = (
    [pytest.param(row, id=f"{row['name']} ({row['source']})") for row in VECTORS[part]] for part in ("read", "write")
)
LIMIT = 1000
HELLO = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
INVALID_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)

COMPILED = pytest.importorskip("waterspout.wire._frames", reason="_frames.c is not compiled here")


@pytest.fixture(scope="module", params=[frames, COMPILED], ids=["Python", "C"], autouse=True)
def implementation(request):
    """The inner loops of the reader, in both languages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(websocket, "cut", request.param.cut)
        patch.setattr(websocket, "unmask", request.param.unmask)
        yield request.param


thorough = settings(max_examples=3 * settings().max_examples)


def outcome(reads: Iterable[bytes], reader: Reader) -> tuple[list[Message], tuple[type[DecodeError], str] | None]:
    """All messages, and the error that ended them."""
    messages: list[Message] = []
    try:
        for data in reads:
            messages += reader.receive(data)
        reader.receive(b"")
    except DecodeError as error:
        return messages, (type(error), str(error))
    return messages, None


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def client_frame(first: int, payload: bytes, mask: bytes = b"\x00\x00\x00\x00") -> bytes:
    """What a client sends; independent of the code under test."""
    n = len(payload)
    if n < 126:
        size = bytes((0x80 | n,))
    elif n < 65_536:
        size = b"\xfe" + n.to_bytes(2, "big")
    else:
        size = b"\xff" + n.to_bytes(8, "big")
    return bytes((first,)) + size + mask + bytes(map(xor, payload, cycle(mask)))


def message_of(row: list[str]) -> Message:
    match row:
        case ["text", text]:
            return text
        case ["binary", payload]:
            return bytes.fromhex(payload)
        case ["ping", payload]:
            return Ping(bytes.fromhex(payload))
        case ["pong", payload]:
            return Pong(bytes.fromhex(payload))
        case ["close", code, reason]:
            return Close(int(code), reason)
    raise AssertionError(row)


# Vectors


@pytest.mark.parametrize("row", READ)
def test_each_vector_is_read_the_same_whole_byte_by_byte_and_in_two_parts(row):
    data = bytes.fromhex(row["bytes"])
    messages = [message_of(message) for message in row.get("messages", [])]
    kind = getattr(errors, row["error"]) if "error" in row else None
    slicings = [[data], byte_by_byte(data), *([data[:at], data[at:]] for at in range(1, len(data)))]
    for reads in slicings:
        got, error = outcome(reads, Reader(LIMIT))
        assert got == messages
        assert (error and error[0]) is kind


@pytest.mark.parametrize("row", WRITE)
def test_each_vector_is_written(row):
    make = {"text": text_frame, "binary": binary_frame, "ping": ping_frame, "pong": pong_frame}[row["frame"]]
    assert make(bytes.fromhex(row["payload"])) == bytes.fromhex(row["bytes"])


def test_every_vector_names_its_source():
    assert all(row["source"].startswith("RFC 6455 ") for row in VECTORS["read"] + VECTORS["write"])


# Lengths and limits


@pytest.mark.parametrize(
    ("length", "size"),
    [
        (b"\xfd", 125),
        (b"\xfe\x00\x7e", 126),
        (b"\xfe\xff\xff", 65_535),
        (b"\xff\x00\x00\x00\x00\x00\x01\x00\x00", 65_536),
    ],
)
def test_each_form_of_length_is_read_at_its_bounds(length, size):
    payload = bytes(i % 127 for i in range(size))
    frame = length + b"\x00\x00\x00\x00" + payload
    assert Reader(100_000).receive(b"\x81" + frame + b"\x82" + frame) == [payload.decode(), payload]


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (65_535, b"\x7e\xff\xff"),
        (65_536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_each_form_of_length_is_written_at_its_bounds(size, header):
    assert text_frame(b"x" * size) == b"\x81" + header + b"x" * size
    assert binary_frame(b"x" * size) == b"\x82" + header + b"x" * size


def test_a_message_of_exactly_the_limit_is_read():
    assert Reader(5).receive(HELLO) == ["Hello"]


def test_a_short_text_above_a_low_limit_is_refused():
    with pytest.raises(PayloadTooLarge, match="more than 4 bytes"):
        Reader(4).receive(HELLO)


def test_the_limit_holds_for_messages_only_so_a_ping_may_be_longer():
    assert Reader(1).receive(b"\x89\x85\x00\x00\x00\x00Hello") == [Ping(b"Hello")]


def test_the_limit_holds_for_each_message_and_not_for_their_sum():
    fragmented = b"\x01\x83\x00\x00\x00\x00Hel\x80\x82\x00\x00\x00\x00lo"
    assert Reader(5).receive(fragmented + HELLO + fragmented) == ["Hello"] * 3


@pytest.mark.parametrize(
    ("header", "kind", "code"),
    [
        (b"\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00", PayloadTooLarge, 1009),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", PayloadTooLarge, 1009),
        (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", DecodeError, 1002),
        (b"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01", DecodeError, 1002),
        (b"\x89\xfe", DecodeError, 1002),
        (b"\x81\x05", DecodeError, 1002),
        (b"\xc1\x80", DecodeError, 1002),
        (b"\x83\x80", DecodeError, 1002),
    ],
)
def test_a_frame_is_judged_at_its_header_and_nothing_is_buffered(header, kind, code):
    reader = Reader(1_000_000)
    with pytest.raises(DecodeError) as raised:
        reader.receive(header)
    assert raised.type is kind
    assert raised.value.close_code == code
    assert sum(buffered(reader)) == 0


def test_an_announced_length_within_the_limit_reserves_nothing_in_advance():
    reader = Reader(1 << 40)
    assert reader.receive(b"\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00xyz") == []
    assert sum(buffered(reader)) == 17


# Fragments


def test_16384_fragments_make_a_message():
    data = b"\x01\x81\x00\x00\x00\x00x" + b"\x00\x81\x00\x00\x00\x00x" * 16_382 + b"\x80\x81\x00\x00\x00\x00x"
    assert Reader(1_000_000).receive(data) == ["x" * 16_384]


@pytest.mark.parametrize("fragment", [b"\x00\x81\x00\x00\x00\x00x", b"\x00\x80\x00\x00\x00\x00"])
@pytest.mark.parametrize("last", [b"\x00\x80", b"\x80\x80"])
def test_one_fragment_more_is_too_many_also_when_it_is_the_last_or_empty(fragment, last):
    reader = Reader(1_000_000)
    assert reader.receive(b"\x01\x80\x00\x00\x00\x00" + fragment * 16_383) == []
    with pytest.raises(TooMany, match="16384") as raised:
        reader.receive(last)
    assert raised.value.close_code == 1008


def test_fragments_are_counted_for_each_message_anew():
    message = b"\x02\x80\x00\x00\x00\x00" + b"\x00\x80\x00\x00\x00\x00" * 16_000 + b"\x80\x80\x00\x00\x00\x00"
    assert Reader(10).receive(message * 2) == [b"", b""]


def test_control_frames_between_fragments_are_not_counted():
    fragments = b"\x00\x80\x00\x00\x00\x00\x8a\x80\x00\x00\x00\x00" * 16_382
    messages = Reader(10).receive(b"\x01\x80\x00\x00\x00\x00" + fragments + b"\x80\x80\x00\x00\x00\x00")
    assert messages == [Pong(b"")] * 16_382 + [""]


# Errors, and the end of the stream


def test_messages_before_a_broken_frame_are_returned_and_the_next_call_raises():
    reader = Reader(LIMIT)
    assert reader.receive(HELLO + b"\x89\x80\x00\x00\x00\x00" + b"\xc1\x80") == ["Hello", Ping(b"")]
    assert type(reader.error) is DecodeError
    with pytest.raises(DecodeError, match="0xc1"):
        reader.receive(b"")


def test_after_an_error_every_call_raises_it_again():
    reader = Reader(LIMIT)
    for data in (b"\x81\x81\x00\x00\x00\x00\xff", b"", HELLO):
        with pytest.raises(InvalidText, match="0xff at offset 0"):
            reader.receive(data)
    assert sum(buffered(reader)) == 0


def test_a_healthy_reader_has_no_error():
    reader = Reader(LIMIT)
    reader.receive(HELLO + HELLO[:5])
    assert reader.error is None


def test_after_a_close_nothing_more_is_read_or_kept():
    reader = Reader(LIMIT)
    assert reader.receive(b"\x88\x82\x00\x00\x00\x00\x03\xe8" + HELLO + b"\xff\xff") == [Close(1000, "")]
    for data in (HELLO, b"\xff\xff", b"x" * 1000, b""):
        assert reader.receive(data) == []
    assert reader.error is None
    assert sum(buffered(reader)) == 0


def test_a_failed_reader_is_freed_without_the_garbage_collector():
    class Watched(Reader):
        pass

    reader = Watched(LIMIT)
    watch = weakref.ref(reader)
    gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(InvalidText):
                reader.receive(b"\x81\x81\x00\x00\x00\x00\xff")
        del reader
        assert watch() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("last", [b"\xc1\x80", b"\x88\x80\x00\x00\x00\x00"])
def test_at_the_end_an_incomplete_message_is_let_go(last):
    reader = Reader(LIMIT)
    reader.receive(b"\x01\x83\x00\x00\x00\x00Hel")
    assert sum(buffered(reader)) == 3
    outcome([last], reader)
    assert sum(buffered(reader)) == 0


# Closing


@pytest.mark.parametrize("code", VALID_CODES)
def test_a_valid_close_code_is_read_and_written(code):
    payload = code.to_bytes(2, "big")
    assert Reader(LIMIT).receive(b"\x88\x82\x00\x00\x00\x00" + payload) == [Close(code, "")]
    assert close_frame(code) == b"\x88\x02" + payload


@pytest.mark.parametrize("code", INVALID_CODES)
def test_an_invalid_close_code_is_an_error(code):
    with pytest.raises(DecodeError, match=f"code {code}:") as raised:
        Reader(LIMIT).receive(b"\x88\x82\x00\x00\x00\x00" + code.to_bytes(2, "big"))
    assert raised.value.close_code == 1002


@pytest.mark.parametrize("code", [code for code in INVALID_CODES if code != 1005] + [-1, 65_536])
def test_an_invalid_close_code_is_never_written(code):
    with pytest.raises(ValueError, match=f"{code} is not a code"):
        close_frame(code)


def test_a_close_without_code_is_answered_without_code():
    (close,) = Reader(LIMIT).receive(b"\x88\x80\x00\x00\x00\x00")
    assert close == Close(1005, "")
    assert close_frame(close.code, close.reason) == b"\x88\x00"


def test_a_close_of_one_byte_is_told_so():
    with pytest.raises(DecodeError, match="1 byte of payload"):
        Reader(LIMIT).receive(b"\x88\x81\x00\x00\x00\x00\x03")


def test_a_close_reason_is_written():
    assert close_frame(1001, "bye") == b"\x88\x05\x03\xe9bye"


def test_a_close_reason_of_123_bytes_is_whole_and_a_longer_one_is_cut():
    assert close_frame(1000, "x" * 123) == b"\x88\x7d\x03\xe8" + b"x" * 123
    assert close_frame(1000, "x" * 124) == b"\x88\x7d\x03\xe8" + b"x" * 123


def test_a_close_reason_is_never_cut_within_a_character():
    assert close_frame(1000, "x" * 122 + "é") == b"\x88\x7c\x03\xe8" + b"x" * 122
    assert close_frame(1000, "🌊" * 31) == b"\x88\x7a\x03\xe8" + b"\xf0\x9f\x8c\x8a" * 30


def test_a_lone_surrogate_in_a_close_reason_becomes_a_question_mark():
    assert close_frame(1000, "a\ud800b") == b"\x88\x05\x03\xe8a?b"


@thorough
@given(st.text(st.characters(), max_size=130))
def test_any_close_reason_can_be_read_back_by_a_strict_peer(reason):
    frame = close_frame(4000, reason)
    masked = frame[:1] + bytes((frame[1] | 0x80,)) + b"\x00\x00\x00\x00" + frame[2:]
    (close,) = Reader(LIMIT).receive(masked)
    assert reason.encode(errors="replace").decode().startswith(close.reason)


def test_control_frames_carry_125_bytes_and_not_one_more():
    assert ping_frame(b"x" * 125) == b"\x89\x7d" + b"x" * 125
    assert pong_frame(b"x" * 125) == b"\x8a\x7d" + b"x" * 125
    for make in (ping_frame, pong_frame):
        with pytest.raises(ValueError, match="125 bytes, not 126"):
            make(b"x" * 126)


def test_a_ping_is_empty_by_default():
    assert ping_frame() == b"\x89\x00"


@pytest.mark.parametrize("size", range(126))
def test_a_pong_echoes_exactly_what_the_ping_carried(size):
    payload = bytes(range(1, size + 1))
    (ping,) = Reader(LIMIT).receive(b"\x89" + bytes((0x80 | size,)) + b"\x00\x00\x00\x00" + payload)
    assert pong_frame(ping.payload) == b"\x8a" + bytes((size,)) + payload


# Any bytes, any slicing

FIRST = st.sampled_from([0x81, 0x81, 0x82, 0x01, 0x02, 0x00, 0x00, 0x80, 0x89, 0x8A, 0x88, 0x08, 0xC1, 0x83, 0x8F])
PAYLOAD = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=8).map(str.encode),
    st.sampled_from([b"\x03\xe8", b"\x03\xed", b"\x0f\xa0bye", b"\xf0\x9f", b"\x8c\x8a", b"x" * 126, b"y" * 70_000]),
)
FRAME = st.builds(client_frame, FIRST, PAYLOAD, st.binary(min_size=4, max_size=4))
STREAM = st.lists(st.one_of(FRAME, FRAME, FRAME, st.binary(max_size=14)), max_size=8).map(b"".join)
KINDS = {DecodeError: 1002, InvalidText: 1007, TooMany: 1008, PayloadTooLarge: 1009}


@thorough
@given(st.one_of(STREAM, st.binary(max_size=40)), st.sampled_from([3, 125, 126, 100_000]))
def test_any_bytes_give_messages_or_a_kind_of_decode_error_and_nothing_else(data, limit):
    messages, error = outcome([data], Reader(limit))
    assert all(type(message) in (str, bytes, Ping, Pong, Close) for message in messages)
    assert all(len(m.encode() if isinstance(m, str) else m) <= limit for m in messages if isinstance(m, str | bytes))
    assert error is None or error[0] in KINDS


@thorough
@given(STREAM, st.sampled_from([3, 125, 126, 100_000]), st.lists(st.integers(1, 300), max_size=40))
def test_byte_by_byte_equals_whole_and_so_does_any_other_slicing(data, limit, sizes):
    slices, at = [], 0
    for size in sizes:
        slices.append(data[at : at + size])
        at += size
    slices.append(data[at:])
    whole = outcome([data], Reader(limit))
    assert outcome(byte_by_byte(data), Reader(limit)) == whole
    assert outcome(slices, Reader(limit)) == whole


@thorough
@given(
    st.lists(st.one_of(st.text(max_size=60), st.binary(max_size=60))),
    st.integers(1, 70),
    st.binary(min_size=4, max_size=4),
)
def test_messages_in_fragments_of_any_size_with_pings_between_come_back_whole(messages, size, mask):
    data, expected = b"", []
    for message in messages:
        payload = message.encode() if isinstance(message, str) else message
        parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        for i, part in enumerate(parts):
            opcode = 0 if i else 1 if isinstance(message, str) else 2
            final = 0x80 if i == len(parts) - 1 else 0
            data += client_frame(0x89, b"!", mask) + client_frame(final | opcode, part, mask)
        expected += [Ping(b"!")] * len(parts) + [message]
    assert Reader(LIMIT).receive(data) == expected


# Costs


def allocated(receive, reads):
    """The bytes that all calls together allocate at their peaks: a copy of what is held shows in every call."""
    total = 0
    tracemalloc.start()
    try:
        for data in reads:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            receive(data)
            total += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return total


SIZE = 60_000
LARGE = b"\xfe\xea\x60\x00\x00\x00\x00" + b"x" * SIZE
READS = [LARGE[at : at + 20] for at in range(0, len(LARGE), 20)]


@pytest.mark.parametrize("first", [b"\x81", b"\x82", b"\x02"])
def test_a_large_frame_in_many_small_reads_is_copied_a_bounded_number_of_times(first):
    reader = Reader(SIZE)
    assert reader.receive(first) == []
    assert allocated(reader.receive, READS) < 30 * SIZE


def test_that_bound_notices_a_quadratic_concatenation():
    held = b""

    def receive(data):
        nonlocal held
        held = held + data

    assert allocated(receive, READS) > 1000 * SIZE


def test_a_large_frame_in_many_small_reads_is_unmasked_once(monkeypatch):
    lengths = []

    def counting(mask, data):
        lengths.append(len(data))
        return frames.unmask(mask, data)

    monkeypatch.setattr(websocket, "unmask", counting)
    reader = Reader(SIZE)
    messages = [message for data in [b"\x82", *READS] for message in reader.receive(data)]
    assert messages == [b"x" * SIZE]
    assert lengths == [SIZE]


def test_tiny_reads_of_a_large_frame_cost_little_more_memory_than_its_bytes():
    size = 60_000
    reader = Reader(size)
    reader.receive(b"\x82\xfe\xea\x60\x00\x00\x00\x00")
    with memory() as used:
        for at in range(0, size - 2, 2):
            reader.receive(at.to_bytes(2, "big"))
        kept = used.now
    assert kept <= size * 1.25 + 1000


def test_tiny_fragments_of_a_large_message_cost_little_more_memory_than_its_bytes():
    reader = Reader(1_000_000)
    reader.receive(b"\x02\x80\x00\x00\x00\x00")
    with memory() as used:
        for i in range(16_000):
            reader.receive(b"\x00\x82\x00\x00\x00\x00" + i.to_bytes(2, "big"))
        kept = used.now
    assert kept <= 32_000 * 1.25 + 1000


def buffered(reader):
    """The sizes of all that a reader holds of what it has read."""
    held = gc.get_referents(reader)
    held += [part for whole in held if type(whole).__module__ == websocket.__name__ for part in gc.get_referents(whole)]
    return [len(part) for part in held if isinstance(part, bytes | bytearray | str | list)]


def test_an_idle_reader_is_small_and_holds_no_buffer():
    reader = Reader(LIMIT)
    large = b"\x82\xfe\x03\xe8\x00\x00\x00\x00" + b"x" * 1000
    fragmented = b"\x01\x83\x00\x00\x00\x00Hel\x80\x82\x00\x00\x00\x00lo"
    for data in (HELLO, large[:500], large[500:], fragmented):
        reader.receive(data)
    assert buffered(reader) == []
    assert not hasattr(reader, "__dict__")
    assert sys.getsizeof(reader) <= 80


# The opening handshake

FIELDS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_the_key_of_the_specification_gets_its_answer():
    assert accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


LONGEST = "x" * 4096


@pytest.mark.parametrize(
    ("offers", "spoken", "chosen"),
    [
        (None, None, None),
        ("", None, None),
        ("chat", None, "chat"),
        ("chat, superchat", None, "chat"),
        (" \t chat\t,superchat", None, "chat"),
        (",, chat", None, "chat"),
        ("a b, chat", None, "chat"),
        ("Chat.V1+json!#$%&'*^_`|~-", None, "Chat.V1+json!#$%&'*^_`|~-"),
        ("chat\r\nSet-Cookie: a=1", None, None),
        ("chat\n, b", None, "b"),
        ('"chat", ch@t, chat/1, caf\xe9, {}', None, None),
        (LONGEST, None, LONGEST),
        (LONGEST + "x", None, None),
        ("b" + " " * 60_000 + "x", None, None),
        ("chat, superchat", ("superchat",), "superchat"),
        ("chat, superchat", ("superchat", "chat"), "chat"),
        ("chat, superchat", ["Chat"], None),
        ("chat", (), None),
        (None, ("chat",), None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_the_subprotocol_is_the_first_offer_that_is_spoken(
    offers: str | None, spoken: Sequence[str] | None, chosen: str | None
) -> None:
    assert choose_subprotocol(offers, spoken) == chosen


def test_a_good_handshake_gives_its_key():
    assert check_upgrade("GET", FIELDS.get) == "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    "change",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, WEBSOCKET"},
        {"Connection": "upgrade"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "keep-alive,\tUPGRADE ,"},
        {"Sec-WebSocket-Version": " 13 "},
    ],
)
def test_tokens_are_found_in_lists_and_in_any_case(change):
    assert check_upgrade("GET", (FIELDS | change).get) == "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", "CONNECT", ""])
def test_any_method_but_get_is_refused(method):
    with pytest.raises(ProtocolError, match=f"'{method}', but a WebSocket opens with GET"):
        check_upgrade(method, FIELDS.get)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", None),
        ("Upgrade", ""),
        ("Upgrade", "h2c"),
        ("Upgrade", "websocket2"),
        ("Upgrade", "my websocket"),
        ("Connection", None),
        ("Connection", "keep-alive"),
        ("Connection", "upgraded"),
        ("Connection", "," * 8000),
        ("Sec-WebSocket-Key", None),
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==\n"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Key", "c2hvcnQ="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSBsb25nZXI="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ-=="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZé=="),
        ("Sec-WebSocket-Key", "x" * 8000),
    ],
)
def test_a_wrong_or_missing_field_is_refused_with_its_name_and_value(name, value):
    with pytest.raises(ProtocolError, match=f"{name} ") as raised:
        check_upgrade("GET", (FIELDS | {name: value}).get)
    assert raised.type is ProtocolError
    assert raised.value.status == 400
    assert repr((value or "")[:40]) in str(raised.value)
    assert len(str(raised.value)) < 160


@pytest.mark.parametrize("version", [None, "", "7", "8", "99", "013", "13, 8", "٣١"])
def test_any_version_but_13_is_refused_with_426(version):
    with pytest.raises(UnsupportedVersion, match="this server speaks only '13'") as raised:
        check_upgrade("GET", (FIELDS | {"Sec-WebSocket-Version": version}).get)
    assert raised.value.status == 426


def test_refusals_carry_no_control_characters_of_the_client():
    with pytest.raises(ProtocolError) as raised:
        check_upgrade("GET", (FIELDS | {"Upgrade": "\x1b[31m\r\nx"}).get)
    assert str(raised.value).isprintable()
