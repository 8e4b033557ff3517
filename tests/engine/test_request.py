"""A request's header fields, which a host brings as texts, or as the bytes that came."""

import pytest

from waterspout.types import RawField, Request


def of(*fields: RawField) -> Request:
    return Request("GET", "/socket.io/?a=1", fields)


def test_fields_of_bytes_are_read_like_texts() -> None:
    raw = of((b"host", b"localhost"), (b"origin", b"https://page.example"), (b"x-name", "Zoë".encode("latin-1")))
    texts = Request("GET", "/socket.io/?a=1", [(name, raw.header(name) or "") for name in ("Host", "Origin", "X-Name")])
    for request in (raw, texts):
        assert (request.host, request.header("ORIGIN"), request.header("none")) == (
            "localhost",
            "https://page.example",
            None,
        )
        assert dict(request.headers) == {"host": "localhost", "origin": "https://page.example", "x-name": "Zoë"}
        assert request.header("x-€") is None
        assert request.header_lines == 3
        request.forget()
        assert (request.headers["X-Name"], request.header_lines, request.query) == ("Zoë", 3, {"a": ["1"]})


@pytest.mark.parametrize(
    "fields",
    [
        ((b"host", b"localhost"), (b"origin", b"https://a"), (b"origin", b"https://b")),
        ((b"Host", b"localhost"), (b"Origin", b"https://a, https://b")),
        ((b"origin", b"https://a"), (b"Origin", b"https://b")),
    ],
)
def test_a_repeated_field_and_a_name_in_capitals_hide_nothing(fields: tuple[RawField, ...]) -> None:
    assert of(*fields).header("origin") == "https://a, https://b"


def test_cookies_in_several_fields_of_bytes_are_one() -> None:
    assert of((b"host", b"x"), (b"cookie", b"a=1"), (b"cookie", b"b=2")).cookies == {"a": "1", "b": "2"}
