"""Draft 76 of WebSocket as a server reads and writes it; the vectors of `data/hixie.json` name its sections."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import load, text_of
from waterspout import errors
from waterspout.errors import DecodeError, ProtocolError
from waterspout.wire.protocol1.hixie import CLOSING, HixieReader, answer, check_upgrade, is_asked, text_frame
from waterspout.wire.websocket import NO_STATUS, Close, Message

VECTORS = load("hixie")
LIMIT = 20
FIELDS = {
    "Upgrade": "WebSocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key1": VECTORS["keys"][0]["key1"],
    "Sec-WebSocket-Key2": VECTORS["keys"][0]["key2"],
}


def rows(part: str) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in VECTORS[part]])


def outcome(reads: Iterable[bytes], limit: int = LIMIT) -> tuple[list[Message], tuple[type[DecodeError], str] | None]:
    """All messages, and the error that ended them."""
    messages: list[Message] = []
    reader = HixieReader(limit)
    try:
        for data in reads:
            messages += reader.receive(data)
        reader.receive(b"")
    except DecodeError as error:
        with pytest.raises(type(error), match=r"^A frame|^A message|^Text"):
            reader.receive(b"\x00more\xff")
        return messages, (type(error), str(error))
    return messages, None


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# The opening handshake


@rows("keys")
def test_a_challenge_is_answered(row: Any) -> None:
    fields = FIELDS | {"Sec-WebSocket-Key1": row["key1"], "Sec-WebSocket-Key2": row["key2"]}
    challenge = check_upgrade("GET", fields.get) + bytes.fromhex(row["key3"])
    assert answer(challenge) == bytes.fromhex(row["answer"])


@rows("refused")
@pytest.mark.parametrize("name", ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"])
def test_a_key_that_hides_no_number_is_refused_with_its_name_and_value(row: Any, name: str) -> None:
    key = None if row["key1"] is None else text_of(row["key1"])
    with pytest.raises(ProtocolError, match=f"^The {name} is ") as raised:
        check_upgrade("GET", (FIELDS | {name: key}).get)
    assert raised.value.status == 400
    assert repr((key or "")[:40]) in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 180


@pytest.mark.parametrize(
    ("method", "change"),
    [("POST", {}), ("GET", {"Upgrade": None}), ("GET", {"Upgrade": "h2c"}), ("GET", {"Connection": "close"})],
)
def test_what_asks_for_no_websocket_is_refused(method: str, change: dict[str, str | None]) -> None:
    with pytest.raises(ProtocolError):
        check_upgrade(method, {**FIELDS, **change}.get)


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, True),
        ({"Sec-WebSocket-Key1": None}, True),
        ({"Sec-WebSocket-Key2": None}, True),
        ({"Sec-WebSocket-Key1": None, "Sec-WebSocket-Key2": None}, False),
        ({"Sec-WebSocket-Version": "13"}, False),
        ({"Sec-WebSocket-Version": ""}, False),
    ],
)
def test_a_version_or_no_keys_at_all_are_of_another_protocol(change: dict[str, str | None], asked: bool) -> None:
    assert is_asked({**FIELDS, **change}.get) is asked


# Frames


@rows("read")
def test_each_vector_is_read_the_same_whole_byte_by_byte_and_in_two_parts(row: Any) -> None:
    data = bytes.fromhex(row["bytes"])
    messages = [Close(NO_STATUS) if text is None else text for text in row.get("messages", [])]
    kind = getattr(errors, row["error"]) if "error" in row else None
    for reads in ([data], byte_by_byte(data), *([data[:at], data[at:]] for at in range(1, len(data)))):
        got, error = outcome(reads)
        assert got == messages
        assert (error and error[0]) is kind


@given(st.lists(st.text(max_size=9)))
def test_any_text_comes_out_of_its_frame(texts: list[str]) -> None:
    data = b"".join(text_frame(text.encode()) for text in texts)
    for reads in ([data + CLOSING], byte_by_byte(data + CLOSING)):
        assert outcome(reads, 99) == ([*texts, Close(NO_STATUS)], None)


@given(st.lists(st.sampled_from([b"\x00", b"\xff", b"a", b"\xc3\xa9", b"\x80", b"\x00hello\xff", b"\xff\x00"])))
def test_any_bytes_give_messages_or_a_decode_error_however_they_are_cut(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    whole = outcome([data])
    assert outcome(byte_by_byte(data)) == whole
    assert outcome(pieces) == whole


@pytest.mark.parametrize("step", [1, 1000])
def test_what_does_not_end_is_searched_once_and_refused_at_the_limit(step: int) -> None:
    class Counted(bytearray):
        """A buffer that counts the bytes among which an end is looked for."""

        looked_at = 0

        def find(self, wanted: Any, start: Any = 0, *_: Any) -> int:
            Counted.looked_at += len(self) - start
            return super().find(wanted, start)

    reader = HixieReader(10_000)
    reader.receive(b"\x00")
    reader._held = Counted(b"\x00")
    for _ in range(10_000 // step):
        assert reader.receive(b"x" * step) == []
    assert Counted.looked_at == 10_000
    with pytest.raises(errors.PayloadTooLarge, match="more than 10000 bytes"):
        reader.receive(b"x")
    assert not reader._held
