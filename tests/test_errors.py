"""The tree of errors, and what each is on the wire."""

import re

import pytest

from waterspout import AckTimeout, ConnectRefused, HandshakeRefused, SocketClosed, WaterspoutError, errors
from waterspout.errors import (
    AdapterError,
    ArgumentError,
    DecodeError,
    InvalidText,
    PayloadTooLarge,
    ProtocolError,
    ReservedName,
    TooMany,
    WrongParser,
)


@pytest.mark.parametrize(
    ("quoted", "outline"),
    [
        ("it's", "a packet is none of this client's: ..."),
        ('"', "a packet is none of this client's: ..."),
        ("'\"\\", "a packet is none of this client's: ..."),
        (b"'\xff\n", "a packet is none of this client's: ..."),
    ],
)
def test_what_a_decoder_quotes_is_not_in_the_outline(quoted: str | bytes, outline: str) -> None:
    assert DecodeError(f"a packet is none of this client's: {quoted!r}").outline == outline
    assert DecodeError(f"unlike {quoted!r}, and not {quoted!r}.").outline == "unlike ..., and not ...."


def test_names_and_parsers_are_in_the_outline() -> None:
    for kind in (ProtocolError, ReservedName, WrongParser):
        assert kind("the event name 'connect'").outline == "the event name 'connect'"


def test_every_error_of_the_package_has_one_root() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) == 22
    assert all(issubclass(error, WaterspoutError) for error in classes)


@pytest.mark.parametrize(
    ("error", "parent", "status", "close_code"),
    [
        (ProtocolError, WaterspoutError, 400, 1002),
        (DecodeError, ProtocolError, 400, 1002),
        (InvalidText, DecodeError, 400, 1007),
        (TooMany, DecodeError, 400, 1008),
        (ReservedName, DecodeError, 400, 1002),
        (WrongParser, DecodeError, 400, 1002),
        (PayloadTooLarge, DecodeError, 413, 1009),
    ],
)
def test_what_a_peer_can_cause_has_a_status_and_a_close_code(
    error: type[ProtocolError], parent: type[WaterspoutError], status: int, close_code: int
) -> None:
    assert error.__bases__ == (parent,)
    assert (error.status, error.close_code) == (status, close_code)


def test_other_errors_are_no_fault_of_the_peers_protocol() -> None:
    for error in (ConnectRefused, HandshakeRefused, ArgumentError, SocketClosed, AckTimeout, AdapterError):
        assert not issubclass(error, ProtocolError)


def test_a_refusal_in_the_style_of_others_is_told_how_to_be_written() -> None:
    sentence = """ConnectRefused takes one value: write ConnectRefused({'code': 4}, message='no')"""
    with pytest.raises(TypeError, match=re.escape(sentence)):
        ConnectRefused("no", {"code": 4})  # type: ignore[arg-type]


@pytest.mark.parametrize(("reason", "message"), [({"reason": 1}, None), (0, None), (0, "no"), ("so", "no")])
def test_a_refusal_has_one_message_and_one_data(reason: object, message: str | None) -> None:
    with pytest.raises(TypeError, match="one message and one data: it has") as caught:
        ConnectRefused(reason, message=message, data={"code": 4})
    assert "{'code': 4}" in str(caught.value)


def test_a_timeout_of_an_acknowledgement_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        raise AckTimeout("the client has not acknowledged 'x' in time")


@pytest.mark.parametrize(
    ("error", "message", "data"),
    [
        (ConnectRefused(), "Not authorized", None),
        (ConnectRefused("full"), "full", None),
        (ConnectRefused({"code": 1}), "Not authorized", {"code": 1}),
        (ConnectRefused({"code": 1}, message="full"), "full", {"code": 1}),
        (ConnectRefused("a text as data", message="full"), "full", "a text as data"),
        (ConnectRefused(0), "Not authorized", 0),
        (ConnectRefused("full", data={"code": 1}), "full", {"code": 1}),
        (ConnectRefused("full", data="a text"), "full", "a text"),
        (ConnectRefused("full", data=None), "full", None),
        (ConnectRefused(data={"code": 1}), "Not authorized", {"code": 1}),
        (ConnectRefused(data={"code": 1}, message="full"), "full", {"code": 1}),
        (ConnectRefused(data="full"), "Not authorized", "full"),
    ],
)
def test_a_refusal_has_a_message_and_data(error: ConnectRefused, message: str, data: object) -> None:
    assert (error.message, error.data, str(error)) == (message, data, message)
