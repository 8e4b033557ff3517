"""RFC 7692 as a server keeps it; the vectors of `data/deflate.json` name its sections."""

import json
import random
import re
import tracemalloc
import zlib
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterspout.errors import DecodeError, InvalidText, PayloadTooLarge, TooMany
from waterspout.testing import client_frame
from waterspout.wire import deflate as module
from waterspout.wire.deflate import MAX_PARTS, MAX_STREAMS, Agreement, Deflate, inflate, negotiate
from waterspout.wire.websocket import BINARY, TEXT, Deflated, Message, Ping, Reader, binary_frame, deflated_frame

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "deflate.json").read_text("utf-8"))
HELLO = bytes.fromhex("f248cdc9c90700")
LIMIT = 1000
NO_TAKEOVER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
ROWS = [{"id": number, "name": "Ada", "price": number * 7 % 100, "ok": True} for number in range(2000)]
LARGE = json.dumps(ROWS).encode()
RANDOM = random.Random(0).randbytes(50_000)


def raw(payload: bytes, *, level: int = 9, final: bool = False) -> bytes:
    """Compress with zlib itself, as a client would; `final` ends the stream with a final block."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -15)
    if final:
        return stream.compress(payload) + stream.flush(zlib.Z_FINISH)
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def unpacked(payload: bytes) -> bytes:
    """Unpack with zlib itself, as a client would; a smaller window than was used is an error."""
    return zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")


# The specification's examples


@pytest.mark.parametrize("row", VECTORS["inflate"], ids=lambda row: row["name"])
def test_each_vector_is_unpacked(row):
    assert inflate(bytes.fromhex(row["payload"]), LIMIT) == row["text"].encode()


@pytest.mark.parametrize("row", VECTORS["read"], ids=lambda row: row["name"])
def test_each_vector_is_read_the_same_whole_and_byte_by_byte(row):
    pieces = zip(row["frames"], row["payloads"], strict=True)
    data = b"".join(bytes.fromhex(head) + bytes(4) + bytes.fromhex(payload) for head, payload in pieces)
    for reads in ([data], [data[at : at + 1] for at in range(len(data))]):
        assert messages(Reader(LIMIT, deflate=True), *reads) == [row["text"]]


def test_every_vector_names_its_source():
    assert all(row["source"].startswith(("RFC 7692, section ", "rule: ")) for row in VECTORS["inflate"])


def test_a_message_that_relies_on_the_one_before_is_broken():
    """Section 7.2.3.2: it needs the window of the message before, and no context is taken over here."""
    with pytest.raises(DecodeError, match="too far back"):
        inflate(bytes.fromhex("f200110000"), LIMIT)


# Compressing


@pytest.mark.parametrize("payload", [b"", b"x", b"Hello" * 100, LARGE, RANDOM], ids=len)
def test_what_is_compressed_is_unpacked_by_any_client(payload):
    for level, window_bits, mem_level in product((1, 6, 9), range(9, 16), (1, 5, 9)):
        options = Deflate(level=level, window_bits=window_bits, mem_level=mem_level)
        deflated = options.deflate(payload)
        assert zlib.decompressobj(-window_bits).decompress(deflated + b"\0\0\xff\xff") == payload
        assert inflate(deflated, len(payload)) == payload


@given(st.binary(max_size=3000) | st.text(max_size=1000).map(str.encode), st.integers(9, 15), st.integers(1, 9))
def test_a_round_trip_changes_nothing(payload, window_bits, level):
    assert inflate(Deflate(window_bits=window_bits, level=level).deflate(payload), len(payload)) == payload


def test_no_context_is_taken_over_from_one_message_to_the_next():
    options = Deflate()
    first, second = options.deflate(LARGE), options.deflate(LARGE)
    assert first == second
    assert unpacked(second) == LARGE


def test_an_empty_message_is_one_byte():
    assert Deflate().deflate(b"") == b"\0"  # section 7.2.3.6


def test_a_compressed_frame_has_rsv1_and_its_opcode():
    assert deflated_frame(TEXT, HELLO) == b"\xc1\x07" + HELLO
    assert deflated_frame(BINARY, HELLO) == b"\xc2\x07" + HELLO
    assert binary_frame(HELLO) == b"\x82\x07" + HELLO


def test_the_options_are_checked():
    assert Deflate() == Deflate(threshold_bytes=1024, level=6, window_bits=12, mem_level=5)
    for name, least, most in (("level", 1, 9), ("window_bits", 9, 15), ("mem_level", 1, 9)):
        for value in (least - 1, most + 1, float(least), True, "9", None):
            sentence = f"{name} is {value!r}: give a whole number from {least} to {most}"
            with pytest.raises(ValueError, match=re.escape(sentence)):
                Deflate(**{name: value})
        for value in (least, most):
            assert getattr(Deflate(**{name: value}), name) == value
    for value in (-1, 1.5, False):
        with pytest.raises(ValueError, match=rf"threshold_bytes is {value!r}: give a whole number of at least 0"):
            Deflate(threshold_bytes=value)


# Unpacking


@pytest.mark.parametrize("size", [0, 1, 100, 65_536, 1_000_000])
def test_the_limit_is_taken_and_one_byte_more_is_refused(size):
    assert inflate(raw(b"x" * size), size) == b"x" * size
    with pytest.raises(PayloadTooLarge, match=f"unpacks to more than {size} bytes") as raised:
        inflate(raw(b"x" * (size + 1)), size)
    assert raised.value.close_code == 1009


class Counting:
    """zlib's module, with the bytes counted that come out of it."""

    def __init__(self, monkeypatch):
        self.inflated, self.streams = 0, 0
        monkeypatch.setattr(module.zlib, "decompressobj", self.make)

    def make(self, *args, real=zlib.decompressobj):
        self.streams += 1
        return _Counted(self, real(*args))


class _Counted:
    def __init__(self, counting, stream):
        self._counting, self._stream = counting, stream

    def decompress(self, data, most):
        assert most > 0  # to zlib, 0 is no limit
        inflated = self._stream.decompress(data, most)
        self._counting.inflated += len(inflated)
        return inflated

    def __getattr__(self, name):
        return getattr(self._stream, name)


@pytest.mark.parametrize("limit", [0, 1, 1000, 1_000_000])
@pytest.mark.parametrize("final", [False, True])
def test_of_a_bomb_no_more_than_one_byte_too_many_is_made(monkeypatch, limit, final):
    bomb = raw(bytes(50_000_000), final=final)
    assert len(bomb) < 50_000_000 / 1000
    counting = Counting(monkeypatch)
    with pytest.raises(PayloadTooLarge):
        inflate(bomb, limit)
    assert counting.inflated == limit + 1


def test_a_bomb_in_many_streams_counts_as_a_whole(monkeypatch):
    counting = Counting(monkeypatch)
    with pytest.raises(PayloadTooLarge):
        inflate(raw(bytes(400), final=True) * 10, LIMIT)
    assert (counting.inflated, counting.streams) == (LIMIT + 1, 3)


def test_a_bomb_takes_the_memory_of_its_limit():
    bomb = raw(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLarge):
            inflate(bomb, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()


def test_a_flood_of_final_blocks_is_stopped_early(monkeypatch):
    assert inflate(b"\x03\0" * (MAX_STREAMS - 1) + b"\0", 0) == b""
    counting = Counting(monkeypatch)
    with pytest.raises(TooMany, match=f"more than {MAX_STREAMS} final blocks") as raised:
        inflate(b"\x03\0" * 400_000, LIMIT)
    assert raised.value.close_code == 1008
    assert counting.streams == MAX_STREAMS


@pytest.mark.parametrize("level", [1, 9])
def test_a_message_that_is_cut_short_is_broken(level):
    """Not so a block without compression that lacks its last four bytes: those of section 7.2.2 take their place."""
    for payload in (b"Hello, Hello!" * 5, LARGE[:3000]):
        whole = raw(payload, level=level)
        for missing in range(2, len(whole), 1 if len(whole) < 200 else 37):
            with pytest.raises(DecodeError):
                inflate(whole[:-missing], len(payload) + 10)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("garbage", [b"\xff", b"\x07", b"garbage", b"\x01\x02\x03\x04\x05\x06", HELLO[:3]])
def test_garbage_behind_a_message_is_broken(garbage, final):
    whole = raw(b"Hello" * 20, final=final)
    if not final:
        whole += b"\0\0\xff\xff"  # else the garbage would belong to a block
    with pytest.raises(DecodeError) as raised:
        inflate(whole + garbage, LIMIT)
    assert raised.type is DecodeError
    assert raised.value.close_code == 1002


@pytest.mark.parametrize("count", [2, 3, 50])
def test_a_message_may_have_many_blocks(count):
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    flushes = (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_BLOCK)
    deflated = b"".join(stream.compress(b"part%d" % i) + stream.flush(flushes[i % 3]) for i in range(count))
    deflated += stream.flush(zlib.Z_SYNC_FLUSH)
    assert inflate(deflated[:-4], LIMIT) == b"".join(b"part%d" % i for i in range(count))


def test_behind_a_final_block_the_window_is_still_there():
    """A stream that follows may refer to what came before it in the message."""
    first = b"a text that comes again" * 5
    stream = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=first)
    second = (stream.compress(first) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(second) < 15
    assert inflate(raw(first, final=True) + second, LIMIT) == first + first


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_are_unpacked_within_the_limit_or_a_decode_error(data, limit):
    try:
        assert len(inflate(data, limit)) <= limit
    except DecodeError:
        pass


@given(st.binary(max_size=400), st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_message_with_changed_bytes_is_unpacked_or_a_decode_error(payload, at, change):
    deflated = raw(payload)
    at %= len(deflated)
    try:
        assert len(inflate(deflated[:at] + change + deflated[at + len(change) :], LIMIT)) <= LIMIT
    except DecodeError:
        pass


# The reader


def messages(reader: Reader, *reads: bytes) -> list[Message]:
    """Read, and unpack as a transport does."""
    found = [message for data in reads for message in reader.receive(data)]
    reader.receive(b"")
    return [reader.inflate(message) if isinstance(message, Deflated) else message for message in found]


def compressed(opcode: int, payload: bytes, *sizes: int) -> bytes:
    """Make a compressed message; with sizes, in fragments of these, and the rest."""
    deflated, frames, first = raw(payload), b"", 0x40 | opcode
    for size in sizes:
        frames += client_frame(first, deflated[:size], final=False)
        deflated, first = deflated[size:], 0
    return frames + client_frame(first, deflated)


def test_text_and_bytes_come_back_in_order_with_ordinary_ones_between():
    data = compressed(1, "é😀".encode()) + client_frame(1, b"plain") + compressed(2, b"\0\xff") + client_frame(2, b"b")
    assert messages(Reader(LIMIT, deflate=True), data) == ["é😀", "plain", b"\0\xff", b"b"]


@given(
    st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=4),
    st.lists(st.integers(0, 60), max_size=4),
    st.integers(1, 50),
)
def test_any_fragments_and_any_slices_are_read_as_the_whole(contents, sizes, step):
    data = b"".join(
        compressed(1, content.encode(), *sizes) if isinstance(content, str) else compressed(2, content, *sizes)
        for content in contents
    )
    slices = [data[at : at + step] for at in range(0, len(data), step)]
    assert messages(Reader(10_000, deflate=True), *slices) == contents
    assert messages(Reader(10_000, deflate=True), data) == contents


def test_a_ping_between_compressed_fragments_is_read():
    deflated = raw(b"Hello")
    data = client_frame(0x41, deflated[:2], final=False) + client_frame(9, b"?") + client_frame(0, deflated[2:])
    assert messages(Reader(LIMIT, deflate=True), data) == [Ping(b"?"), "Hello"]


def test_messages_of_one_read_are_not_unpacked_before_their_turn(monkeypatch):
    data = compressed(1, b"x" * 10_000) * 100
    counting = Counting(monkeypatch)
    reader = Reader(10_000, deflate=True)
    found = reader.receive(data)
    assert counting.inflated == 0
    assert isinstance(found[0], Deflated)
    assert reader.inflate(found[0]) == "x" * 10_000
    assert counting.inflated == 10_000


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        (client_frame(0x41, b"", final=False) + b"\x40\x80", "on the next fragment"),
        (client_frame(0x41, b"", final=False) + b"\xc0\x80", "on the last fragment"),
        (client_frame(1, b"", final=False) + b"\xc0\x80", "on the continuation of an ordinary message"),
        (b"\xc9\x80", "on a ping"),
        (b"\xca\x80", "on a pong"),
        (b"\xc8\x80", "on a close"),
        (b"\xe1\x80", "with RSV2"),
        (b"\xd1\x80", "with RSV3"),
        (b"\xa1\x80", "RSV2 alone"),
        (b"\x91\x80", "RSV3 alone"),
        (b"\xc0\x80", "on a continuation of nothing"),
        (b"\xc3\x80", "on an unknown opcode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_reserved_bit_in_the_wrong_place_is_judged_at_its_header(frames, name):
    with pytest.raises(DecodeError, match=f"0x{frames[-2]:02x}") as raised:
        messages(Reader(LIMIT, deflate=True), frames)
    assert raised.type is DecodeError
    assert raised.value.close_code == 1002


@pytest.mark.parametrize("first", [b"\xc1", b"\xc2", b"\x41", b"\x42"])
def test_a_compressed_message_without_an_agreement_is_judged_at_its_header(first):
    with pytest.raises(DecodeError, match="reserved bits need an extension"):
        Reader(LIMIT).receive(first + b"\x87")


def test_compressed_bytes_count_while_they_are_collected():
    reader = Reader(LIMIT, deflate=True)
    with pytest.raises(PayloadTooLarge, match="more than 1000 bytes"):
        reader.receive(b"\xc1\xfe\x03\xe9")
    reader = Reader(LIMIT, deflate=True)
    assert reader.receive(client_frame(0x41, bytes(600), final=False)) == []
    with pytest.raises(PayloadTooLarge, match="more than 1000 bytes"):
        reader.receive(b"\x80\xfe\x01\x91")


def test_unpacked_bytes_count_in_the_end():
    assert messages(Reader(LIMIT, deflate=True), compressed(1, b"x" * LIMIT, 3)) == ["x" * LIMIT]
    with pytest.raises(PayloadTooLarge, match="unpacks to more than 1000 bytes"):
        messages(Reader(LIMIT, deflate=True), compressed(1, b"x" * (LIMIT + 1), 3))


def test_text_is_judged_when_it_is_unpacked():
    assert messages(Reader(LIMIT, deflate=True), compressed(2, b"\xff")) == [b"\xff"]
    with pytest.raises(InvalidText, match="0xff at offset 1") as raised:
        messages(Reader(LIMIT, deflate=True), compressed(1, b"4\xff"))
    assert raised.value.close_code == 1007


# The handshake


@pytest.mark.parametrize("row", VECTORS["accepted"], ids=lambda row: row["offers"])
def test_an_offer_that_can_be_kept_is_accepted_with_what_it_demands(row):
    agreement = negotiate(row["offers"], Deflate(level=3))
    assert agreement is not None
    assert agreement.answer == NO_TAKEOVER + row["more"]
    bits = int(row["more"].partition("=")[2] or 12)
    assert agreement.deflate == Deflate(level=3, window_bits=bits)


@pytest.mark.parametrize("offers", VECTORS["declined"])
def test_any_other_offer_is_declined(offers):
    assert negotiate(offers, Deflate()) is None


SERVER = ["", "; server_no_context_takeover", "; server_no_context_takeover; server_max_window_bits=11"]
CLIENT = ["", "; client_no_context_takeover", "; client_max_window_bits", "; client_max_window_bits=9"]


@pytest.mark.parametrize(("server", "client"), list(product(SERVER, CLIENT)))
def test_all_combinations_are_answered_without_more_than_was_asked_for(server, client):
    """Section 7.1.2.2: client_max_window_bits is never answered to who has not named it; here to nobody."""
    for offer in (f"permessage-deflate{server}{client}", f"permessage-deflate{client}{server}"):
        agreement = negotiate(offer, Deflate(window_bits=15))
        more = "; server_max_window_bits=11" if "11" in server else ""
        assert agreement == Agreement(NO_TAKEOVER + more, Deflate(window_bits=11 if more else 15))


@pytest.mark.parametrize("bits", range(9, 16))
def test_what_is_sent_keeps_within_the_window_that_was_demanded(bits):
    agreement = negotiate(f"permessage-deflate; server_max_window_bits={bits}", Deflate(window_bits=15))
    assert agreement is not None
    deflated = agreement.deflate.deflate(LARGE)
    assert zlib.decompressobj(-bits).decompress(deflated + b"\0\0\xff\xff") == LARGE


@given(st.text(st.sampled_from('permessage-deflate,;="\\ \t10') | st.characters(), max_size=80))
def test_any_header_gives_an_agreement_or_none(offers):
    agreement = negotiate(offers, Deflate())
    assert agreement is None or agreement.answer.startswith(NO_TAKEOVER)


@pytest.mark.parametrize(
    ("piece", "end"),
    [
        (" ", ""),
        (" ", "\x80"),
        ("a; ", "\x80"),
        ('"\\', ""),
        (';a="', ""),
        ("a,", "\x80"),
        ("permessage-deflate,", "\x80"),
        ("permessage-deflate; server_max_window_bits=8,", ""),
        ("permessage-deflate;a=1 ", "\x80"),
        ("a = ", ""),
    ],
)
def test_a_hostile_header_takes_linear_time(steps, piece, end):
    """The work in C is a single pass, too: nothing in the pattern can be matched in two ways."""
    small, large = (steps(lambda n=n: negotiate(piece * n + end, Deflate())) for n in (50, 100))
    assert large <= 2 * small + 20


@pytest.mark.parametrize(
    "piece", [",", "a,", "permessage-deflate,", "permessage-deflate;a=1,", "permessage-deflate; a ;"]
)
def test_no_more_of_a_header_is_read_than_anybody_needs(steps, piece):
    """60,000 commas took 30 ms, and are allowed by Tornado's limit for a head."""
    assert steps(lambda: negotiate((piece * 60_000)[:60_000], Deflate())) < 15 * MAX_PARTS


def test_a_hundred_parts_are_read_and_one_more_is_declined_as_a_whole():
    assert negotiate("a," * (MAX_PARTS - 1) + "permessage-deflate", Deflate()) is not None
    assert negotiate("a," * MAX_PARTS + "permessage-deflate", Deflate()) is None


def test_the_pattern_does_not_backtrack():
    """Each repetition is possessive: whatever follows it is tried once."""
    pattern = module._PART.pattern
    assert re.findall(r"(?<!\\)[*+](?![+])", re.sub(r"\[[^\]]*\]", "", re.sub(r"[*+?]\+", "", pattern))) == []
