"""The inner loops of a WebSocket's reader, in Python and in C: one behaviour."""

from itertools import cycle
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waterspout.wire import frames

COMPILED = pytest.importorskip("waterspout.wire._frames", reason="_frames.c is not compiled here")
LIMIT = 1000
MASK = b"\x37\xfa\x21\x3d"
HELLO = b"\x81\x85" + MASK + b"\x7f\x9f\x4d\x51\x58"  # RFC 6455, section 5.7

fixed = settings(derandomize=True, deadline=None, max_examples=300)


@pytest.fixture(scope="module", params=[frames, COMPILED], ids=["Python", "C"])
def implementation(request):
    return request.param


def cut(implementation, data: bytes, at: int = 0, limit: int = LIMIT) -> tuple[int, list[str]]:
    messages: list[str] = []
    return implementation.cut(data, at, limit, messages), messages


def masked(payload: bytes) -> bytes:
    return bytes(map(xor, payload, cycle(MASK)))


def test_frames_are_cut_up_to_the_first_that_is_not_common(implementation):
    ping = b"\x89\x80" + MASK
    assert cut(implementation, HELLO * 3 + ping + HELLO) == (33, ["Hello"] * 3)


def test_cutting_begins_where_it_is_told_to(implementation):
    assert cut(implementation, b"\x00\x00" + HELLO, 2) == (13, ["Hello"])
    assert cut(implementation, HELLO, 11) == (11, [])
    assert cut(implementation, HELLO, 500) == (500, [])


@pytest.mark.parametrize("missing", range(1, 12))
def test_an_incomplete_frame_stays(implementation, missing):
    assert cut(implementation, HELLO + HELLO[:-missing]) == (11, ["Hello"])


@pytest.mark.parametrize(
    "frame",
    [
        b"\x01\x85" + HELLO[2:],  # a fragment
        b"\x80\x85" + HELLO[2:],  # a continuation
        b"\x82\x85" + HELLO[2:],  # binary
        b"\xc1\x85" + HELLO[2:],  # a reserved bit
        b"\x81\x05" + HELLO[2:],  # not masked
        b"\x81\xfe\x00\x05" + HELLO[2:],  # a length in more bytes than it needs
        b"\x81\xfe\x00\x7d" + MASK + bytes(125),
        b"\x81\xff" + (70_000).to_bytes(8, "big") + MASK + bytes(70_000),
        b"\x81\x84" + MASK + masked(b"ab\xff\xff"),  # not UTF-8
        b"\x81\x83" + MASK + masked(b"\xed\xa0\x80"),  # a surrogate
    ],
)
def test_what_is_not_common_is_left_to_be_judged(implementation, frame):
    assert cut(implementation, frame, limit=1_000_000) == (0, [])
    assert cut(implementation, HELLO + frame, limit=1_000_000) == (11, ["Hello"])


def test_a_frame_beyond_the_limit_is_left_to_be_refused(implementation):
    assert cut(implementation, HELLO, limit=5) == (11, ["Hello"])
    assert cut(implementation, HELLO, limit=4) == (0, [])


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 124, 125])
def test_every_short_size_is_cut(implementation, size):
    text = "äx" * 99
    payload = text.encode()[:size].decode(errors="ignore").ljust(size)
    while len(payload.encode()) > size:
        payload = payload[:-1]
    frame = bytes((0x81, 0x80 | len(payload.encode()))) + MASK + masked(payload.encode())
    assert cut(implementation, frame) == (len(frame), [payload])


@pytest.mark.parametrize("size", [126, 127, 4095, 4096, 4097, 65_535])
def test_a_longer_text_is_cut_or_left_but_never_wrong(implementation, size):
    text = "x" * size
    frame = b"\x81\xfe" + size.to_bytes(2, "big") + MASK + masked(text.encode())
    assert cut(implementation, frame, limit=100_000) in ((0, []), (len(frame), [text]))


@fixed
@given(
    st.lists(st.sampled_from([HELLO, b"\x81\x80" + MASK, b"\x81\x85abc", b"\x89\x80" + MASK]) | st.binary(max_size=9))
)
def test_both_agree_about_any_bytes(pieces):
    data = b"".join(pieces)
    assert cut(frames, data) == cut(COMPILED, data)


def test_the_mask_of_the_specification_is_taken_off(implementation):
    assert implementation.unmask(MASK, b"\x7f\x9f\x4d\x51\x58") == b"Hello"


@fixed
@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_unmasking_is_exclusive_or_with_each_fourth_byte(implementation, mask, data):
    assert implementation.unmask(mask, data) == bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def test_a_mask_has_four_bytes(implementation):
    with pytest.raises(ValueError, match="the mask has 3 bytes: give 4"):
        implementation.unmask(b"abc", b"text")


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("cut", ("text", 0, LIMIT, [])),
        ("cut", (HELLO, "0", LIMIT, [])),
        ("cut", (HELLO, 0, None, [])),
        ("cut", (HELLO, 0, LIMIT, ())),
        ("cut", (HELLO,)),
        ("unmask", (b"abcd",)),
        ("unmask", ("abcd", b"text")),
        ("unmask", (b"abcd", "text")),
    ],
)
def test_wrong_arguments_of_ours_raise_and_do_not_crash(function, args):
    with pytest.raises((TypeError, SystemError)):
        getattr(COMPILED, function)(*args)


@pytest.mark.parametrize("at", [-1, -(1 << 62)])
def test_a_negative_index_reads_nothing(at):
    with pytest.raises(ValueError, match="at is negative"):
        COMPILED.cut(HELLO, at, LIMIT, [])


def test_nothing_is_kept(implementation):
    import sys

    data = HELLO * 10
    before = sys.getrefcount(data)
    for _ in range(100):
        cut(implementation, data)
    assert sys.getrefcount(data) == before
