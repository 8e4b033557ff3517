"""What is sent: one event, shared by all who get it."""

import sys

from waterspout.engine import Prepared
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation


def test_it_weighs_what_its_text_and_its_attachments_weigh() -> None:
    assert Prepared("4å".encode()).size_bytes == 3
    assert Prepared(b"4abc", (b"12345", b"")).size_bytes == 9
    assert Prepared(b"", (b"12345",)).size_bytes == 5


def test_text_is_one_frame(generation: Generation) -> None:
    assert Prepared(b"4hello").as_frames(generation) == b"\x81\x064hello"


def test_attachments_follow_their_text_as_the_generation_spells_them() -> None:
    assert Prepared(b"451-[]", (b"\x01", b"")).as_frames(ENGINEIO_4) == b"\x81\x06451-[]\x82\x01\x01\x82\x00"
    assert Prepared(b"451-[]", (b"\x01", b"")).as_frames(ENGINEIO_3) == b"\x81\x06451-[]\x82\x02\x04\x01\x82\x01\x04"


def test_a_bare_binary_message_has_no_text() -> None:
    assert Prepared(b"", (b"\x01\x02",)).as_frames(ENGINEIO_4) == b"\x82\x02\x01\x02"
    assert Prepared(b"", (b"\x01\x02",)).as_frames(ENGINEIO_3) == b"\x82\x03\x04\x01\x02"


def test_the_frames_are_made_once_and_shared(generation: Generation) -> None:
    prepared = Prepared(b"4hello", (b"\x01",))
    assert prepared.frames is None
    frames = prepared.as_frames(generation)
    assert prepared.frames is frames


def test_another_form_is_made_once_for_each_key_and_shared() -> None:
    made = []

    def shout(prepared: Prepared, end: bytes) -> bytes:
        made.append(end)
        return prepared.text.upper() + end

    prepared = Prepared(b"4hello")
    first = prepared.form("loud", shout, b"!")
    assert first == b"4HELLO!"
    assert prepared.form("loud", shout, b"!") is first
    assert prepared.form("louder", shout, b"!!") == b"4HELLO!!"
    assert made == [b"!", b"!!"]
    assert prepared.frames is None


def test_forms_that_nobody_asks_for_cost_nothing() -> None:
    """A server with an outbox for each of its clients has many of these: 72 bytes each, and no dictionary."""
    prepared = Prepared(b"4hello")
    prepared.as_frames(ENGINEIO_4)
    assert prepared.forms is None
    assert sys.getsizeof(prepared) <= 72
