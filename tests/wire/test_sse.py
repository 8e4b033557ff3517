"""What an event looks like in text/event-stream."""

import pytest

from waterspout.wire.sse import encode_event, encode_retry


@pytest.mark.parametrize(
    ("arguments", "block"),
    [
        ((b"1",), b"data: 1\n\n"),
        ((b"",), b"data: \n\n"),
        ((b" lead",), b"data:  lead\n\n"),
        ((b"1", "tick", "e-1"), b"event: tick\ndata: 1\nid: e-1\n\n"),
        ((b"a\r\nb\rc\nd",), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ((b"a\n",), b"data: a\ndata: \n\n"),
        ((b"\r\n\r",), b"data: \ndata: \ndata: \n\n"),
        (("a\u2028b\u0085c\x0bd".encode(),), "data: a\u2028b\u0085c\x0bd\n\n".encode()),
        ((b"1", "\u00e9"), "event: \u00e9\ndata: 1\n\n".encode()),
    ],
)
def test_an_event_is_a_block_whose_lines_end_as_the_standard_says_and_the_id_is_the_last(
    arguments: tuple[bytes, str | None, str | None], block: bytes
) -> None:
    assert encode_event(*arguments) == block


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_name_or_an_id_that_would_be_another_field_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="event is"):
        encode_event(b"1", value)
    with pytest.raises(ValueError, match="id is"):
        encode_event(b"1", None, value)


def test_a_time_to_come_back_is_a_block() -> None:
    assert encode_retry(1500) == b"retry: 1500\n"


def test_an_event_may_tell_when_to_come_back_before_its_id() -> None:
    assert encode_event(b"1", "x", "a-1", retry=20) == b"event: x\ndata: 1\nretry: 20\nid: a-1\n\n"
