"""What is done for each message of a WebSocket, in Python and in C: one behaviour."""

import re
from itertools import cycle
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waterspout.wire import frames

COMPILED = pytest.importorskip("waterspout.wire._frames", reason="_frames.c is not compiled here")
LIMIT = 1000
MASK = b"\x37\xfa\x21\x3d"
HELLO = b"\x81\x85" + MASK + b"\x7f\x9f\x4d\x51\x58"  # RFC 6455, section 5.7

thorough = settings(max_examples=3 * settings().max_examples)


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


@thorough
@given(
    st.lists(st.sampled_from([HELLO, b"\x81\x80" + MASK, b"\x81\x85abc", b"\x89\x80" + MASK]) | st.binary(max_size=9))
)
def test_both_agree_about_any_bytes(pieces):
    data = b"".join(pieces)
    assert cut(frames, data) == cut(COMPILED, data)


def test_the_mask_of_the_specification_is_taken_off(implementation):
    assert implementation.unmask(MASK, b"\x7f\x9f\x4d\x51\x58") == b"Hello"


@thorough
@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_unmasking_is_exclusive_or_with_each_fourth_byte(implementation, mask, data):
    assert implementation.unmask(mask, data) == bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def test_a_mask_has_four_bytes(implementation):
    with pytest.raises(ValueError, match="the mask has 3 bytes: give 4"):
        implementation.unmask(b"abc", b"text")


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x00"),
        (1, b"\x01"),
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (65_535, b"\x7e\xff\xff"),
        (65_536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (16_909_060, b"\x7f\x00\x00\x00\x00\x01\x02\x03\x04"),
    ],
)
def test_a_text_is_framed_with_its_length_in_the_fewest_bytes(implementation, size, header):
    payload = b"x" * size
    assert implementation.text_frame(payload) == b"\x81" + header + payload


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('42["a"]', (None, '["a"]')),
        ('420["a",1]', (0, '["a",1]')),
        ('421234["é😀"]', (1234, '["é😀"]')),
        ("427[", (7, "[")),
        ("427[]x", (7, "[]x")),
        ("42007[1]", (7, "[1]")),
        ("42" + "9" * 16 + "[[]]", (9_999_999_999_999_999, "[[]]")),
    ],
)
def test_an_event_is_split_into_its_id_and_its_json(implementation, text, expected):
    assert implementation.split_event(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        "42",
        "42é",
        "[",
        "4[1]",
        "2[1]",
        '32["a"]',
        '43["a"]',
        '451-["a"]',
        '42/a,["a"]',
        '42 ["a"]',
        '42-1["a"]',
        '42+1["a"]',
        '42²["a"]',
        '42١["a"]',
        '42{"a":[1]}',
        "42\ud83d[1]",
        "4212345",
        "42" + "9" * 17 + "[1]",
        "é2[1]",
    ],
)
def test_what_is_no_common_event_is_left_to_be_read(implementation, text):
    assert implementation.split_event(text) is None


@thorough
@given(st.text(st.sampled_from("0123456789[]4242/,-é😀²١\ud83d")) | st.text(st.characters()))
def test_both_agree_about_any_text(text):
    for before in ("", "42"):
        assert frames.split_event(before + text) == COMPILED.split_event(before + text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('5:::{"name":"a","args":[]}', (None, "a", "[]")),
        ('5:1+::{"name":"a","args":["b",{"c":1}]}', (1, "a", '["b",{"c":1}]')),
        ('5:007+::{"name":"","args":["\u2028é😀\n"]}', (7, "", '["\u2028é😀\n"]')),
        ('5:::{"name":" !#[]{}~","args":[[]]}', (None, " !#[]{}~", "[[]]")),
        ('5:::{"name":"a","args":[]x]}', (None, "a", "[]x]")),
        ('5:::{"name":"a","args":[1],"b":[2]}', (None, "a", '[1],"b":[2]')),
        ("5:" + "9" * 16 + '+::{"name":"a","args":[]}', (9_999_999_999_999_999, "a", "[]")),
    ],
)
def test_an_event_of_0_9_is_split_into_its_id_its_name_and_its_json(implementation, text, expected):
    assert implementation.split_event_1(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5:",
        "5:::",
        '5:::{"name":"a"}',
        '5:::{"name":"a","args":[}',
        '5:::{"name":"a","args":]}',
        '5:::{"name":"a","args":[]',
        '5:::{"name":"a","args":[]} ',
        '5:::{"name":"a","args":[] }',
        '5:::{"name":"a","args":{}}',
        '5:::{"name":"a", "args":[]}',
        '5:::{"args":[],"name":"a"}',
        '5:::{"name":1,"args":[]}',
        '5:::{"name":"é","args":[]}',
        '5:::{"name":"a\\n","args":[]}',
        '5:::{"name":"a\n","args":[]}',
        '5:::{"name":"\x7f","args":[]}',
        '5:1::{"name":"a","args":[]}',
        '5:+::{"name":"a","args":[]}',
        '5:²+::{"name":"a","args":[]}',
        '5:-1+::{"name":"a","args":[]}',
        "5:" + "9" * 17 + '+::{"name":"a","args":[]}',
        '5::/chat:{"name":"a","args":[]}',
        '6:::{"name":"a","args":[]}',
        ' 5:::{"name":"a","args":[]}',
    ],
)
def test_what_is_no_common_event_of_0_9_is_left_to_be_read(implementation, text):
    assert implementation.split_event_1(text) is None


@thorough
@given(
    st.lists(
        st.sampled_from(
            ["5:", "12", "+", "::", ":", '{"name":"', "a", "é", '","args":[', "[", "1", "]", "}", "]}", "\n"]
        )
    ).map("".join)
    | st.text(max_size=40).map(lambda text: f'5:{text}","args":[{text}]}}')
    | st.text(max_size=40).map(lambda text: f'5:::{{"name":"{text}","args":[{text}]}}')
)
def test_both_agree_about_any_text_of_0_9(text):
    assert frames.split_event_1(text) == COMPILED.split_event_1(text)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("text_frame", ("text",)),
        ("text_frame", (None,)),
        ("split_event", (b'42["a"]',)),
        ("split_event", (None,)),
        ("split_event_1", (b'5:::{"name":"a","args":[]}',)),
        ("split_event_1", (None,)),
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


def test_the_c_module_returns_no_borrowed_none_whatever_python_compiled_it():
    source = Path(frames.__file__).with_name("_frames.c").read_text("utf-8")
    assert not re.search(r"Py_RETURN_\w+;", source)  # borrowed in the headers of 3.12 and 3.13, for 3.11 too


def test_nothing_of_an_event_or_a_payload_is_kept(implementation):
    import sys

    text, old, payload = '421["a",{"b":1}]', '5:1+::{"name":"a","args":[1]}', b"x" * 200
    before = sys.getrefcount(text), sys.getrefcount(old), sys.getrefcount(payload), sys.getrefcount(None)
    for _ in range(1000):
        implementation.split_event(text)
        implementation.split_event('42["a"]')
        implementation.split_event("3")
        implementation.split_event_1(old)
        implementation.split_event_1(old[:-1])
        implementation.text_frame(payload)
    after = sys.getrefcount(text), sys.getrefcount(old), sys.getrefcount(payload), sys.getrefcount(None)
    assert after[:3] == before[:3]
    assert abs(after[3] - before[3]) < 500
