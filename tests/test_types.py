"""The request that opened a connection, parsed when somebody looks."""

from time import thread_time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import parse_cookie

from waterspout import Reason, Request
from waterspout.types import Headers, RawField


def test_a_request_has_the_parts_of_its_target() -> None:
    request = Request("GET", "/socket.io/?EIO=4&a=1&a=2&empty=&b%20c=%C3%A9+f")
    assert request.method == "GET"
    assert request.target == "/socket.io/?EIO=4&a=1&a=2&empty=&b%20c=%C3%A9+f"
    assert request.path == "/socket.io/"
    assert request.query == {"EIO": ["4"], "a": ["1", "2"], "empty": [""], "b c": ["é f"]}


@pytest.mark.parametrize(("name", "value"), [("EIO", "4"), ("a", "1"), ("empty", ""), ("none", None), ("eio", None)])
def test_a_parameter_is_the_first_of_its_name(name: str, value: str | None) -> None:
    assert Request("GET", "/?EIO=4&a=1&a=2&empty=").param(name) == value


@pytest.mark.parametrize("target", ["/socket.io/", "/socket.io/?", "", "?"])
def test_a_target_without_a_query_has_no_parameters(target: str) -> None:
    assert Request("GET", target).query == {}


@pytest.mark.parametrize(
    ("target", "host", "rest"),
    [
        ("http://here.example/a?b=c", "here.example", "/a?b=c"),
        ("HTTPS://[::1]:8000/a/http://x?y", "[::1]:8000", "/a/http://x?y"),
        ("http://here.example", "here.example", "/"),
        ("http://here.example?b=c", "here.example", "/?b=c"),
        ("http://me@here.example/", "me@here.example", "/"),
        ("http:///a", "", "/a"),
        ("/a?http://x/y", "field.example", "/a?http://x/y"),
        ("//here.example/a", "field.example", "//here.example/a"),
        ("ftp://here.example/a", "field.example", "ftp://here.example/a"),
        ("*", "field.example", "*"),
        ("", "field.example", ""),
    ],
)
def test_the_host_of_a_target_in_absolute_form_counts_and_what_is_behind_it_is_the_target(
    target: str, host: str, rest: str
) -> None:
    request = Request("GET", target, [("Host", "field.example")])
    for _ in range(2):
        assert (request.host, request.target) == (host, rest)
        request.forget()


def test_a_path_is_not_unquoted_and_ends_at_the_first_question_mark() -> None:
    request = Request("GET", "/a%2fb?c=d?e")
    assert request.path == "/a%2fb"
    assert request.param("c") == "d?e"


def test_a_query_of_more_than_a_thousand_parameters_is_none() -> None:
    assert len(Request("GET", "/?" + "&".join(f"p{number}=1" for number in range(1000))).query) == 1000
    request = Request("GET", "/?EIO=4" + "&a=1" * 1000)
    assert request.query == {}
    assert request.param("EIO") is None


@pytest.mark.parametrize("target", ["/?a=%ff%fe", "/?a=%", "/?a=\udcff", "/?%00=\x00", "/?=&=&&;"])
def test_whatever_bytes_a_query_has_it_can_be_read(target: str) -> None:
    request = Request("GET", target)
    assert request.target == target
    assert all(isinstance(name, str) for name in request.query)


@given(st.text(alphabet="ab=&+%46;\xe9", max_size=30))
def test_a_query_is_read_as_the_standard_library_reads_it(query: str) -> None:
    expected: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        expected.setdefault(name, []).append(value)
    assert Request("GET", f"/?{query}").query == expected


def test_fields_are_found_in_any_case_and_repeated_ones_are_joined() -> None:
    request = Request("GET", "/", [("Host", "localhost"), ("X-Name", "a"), ("x-name", "b"), ("Colon", "c: d:e")])
    assert request.header("HOST") == request.headers["host"] == "localhost"
    assert request.header("X-Name") == "a, b"
    assert request.header("colon") == "c: d:e"
    assert request.header("none") is None
    assert dict(request.headers) == {"host": "localhost", "x-name": "a, b", "colon": "c: d:e"}


def test_headers_are_a_mapping() -> None:
    headers = Headers([("A", "1"), ("B", "2")])
    assert len(headers) == 2
    assert list(headers) == ["a", "b"]
    assert "A" in headers
    assert "c" not in headers
    with pytest.raises(KeyError):
        headers["c"]


def cookies_of(*lines: str) -> dict[str, str]:
    return Request("GET", "/", [("Cookie", line) for line in lines]).cookies


ODD_COOKIES = [
    'prefs={"theme":"dark"}',
    "cart[0]=1",
    "a@b=1",
    "version=1",
    "path=x",
    "a=b c",
    "flag",
    "=nameless",
    "a=",
    "a==b=",
    "a=x\\y",
    'a="open',
    'a=open"',
    'a="',
    'a=""',
    'a="b c"',
    r'a="\"\\\012\9\40 \777"',
    "a=caf\xc3\xa9",
    "b,c=2",
    "a=1,b=2",
    "a:b/c=1",
    "$Version=1",
    "\ta \t=\t b\t",
    ";; ;=; ",
    "a=\x00\x01",
    "",
]


@pytest.mark.parametrize("odd", ODD_COOKIES)
def test_cookies_are_read_as_tornado_reads_them_and_an_odd_one_hides_no_other(odd: str) -> None:
    for line in (odd, f"{odd}; session=abc", f"session=abc; {odd}", f"first=1;{odd};session=abc", f"a=0; {odd}"):
        assert cookies_of(line) == parse_cookie(line)
    assert cookies_of(f"first=1; {odd}; session=abc").items() >= {"first": "1", "session": "abc"}.items()


@given(st.text(alphabet=' \t;="\\,017a[\xe9', max_size=40))
def test_whatever_a_cookie_field_is_it_is_read_as_tornado_reads_it(line: str) -> None:
    assert cookies_of(line) == parse_cookie(line)


def test_unlike_tornado_a_cookie_loses_none_of_its_bytes_to_unicode_s_idea_of_white_space() -> None:
    line = "city=La Boca à".encode().decode("latin-1")  # the last byte is U+00A0, which `str.strip` takes away
    assert cookies_of(line)["city"].encode("latin-1").decode() == "La Boca à"
    assert parse_cookie(line)["city"].encode("latin-1") == "La Boca à".encode()[:-1]


def test_cookies_may_come_in_several_lines() -> None:
    request = Request("GET", "/", [("Cookie", "a=1"), ("Accept", "x"), ("cookie", "b=2; c=3"), ("Accept", "y")])
    assert request.cookies == {"a": "1", "b": "2", "c": "3"}
    assert request.header("accept") == "x, y"
    request.forget()
    assert request.cookies == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("escape", ["\\\\", '\\"', "\\101"])
def test_the_work_for_a_cookie_is_linear(escape: str) -> None:
    def seconds(size: int) -> float:
        header = f'a="{escape * (size // len(escape))}"'
        request = Request("GET", "/", [("Cookie", header)])
        spans = []
        for _ in range(5):
            start = thread_time()
            assert request.cookies
            spans.append(thread_time() - start)
        return min(spans)

    assert seconds(60_000) < 10 * seconds(15_000)  # 16 times as long, if it were quadratic: seconds


def test_a_request_without_cookies_has_none() -> None:
    assert Request("GET", "/").cookies == {}


def test_what_only_the_moment_needed_is_forgotten_and_the_rest_stays() -> None:
    request = Request("POST", "/x?a=1", [("Host", "h")], remote_address="::1", secure=True, native=object())
    assert request.headers["host"] == "h"
    request.forget()
    assert request.native is None
    assert request.headers["host"] == "h"
    assert (request.method, request.target, request.remote_address, request.secure) == ("POST", "/x?a=1", "::1", True)


def test_nobody_knows_at_first_whether_a_request_is_secure() -> None:
    request = Request("GET", "/")
    assert (request.secure, request.remote_address, request.native) == (None, "", None)


def test_a_reason_is_its_text() -> None:
    assert Reason.TRANSPORT_CLOSE.value == "transport close"
    assert Reason("slow consumer") is Reason.SLOW_CONSUMER
    assert str(Reason.SHUTDOWN) == "server shutting down"


def of_bytes(*fields: RawField) -> Request:
    return Request("GET", "/socket.io/?a=1", fields)


def test_fields_of_bytes_are_read_like_texts() -> None:
    raw = of_bytes((b"host", b"localhost"), (b"origin", b"https://page.example"), (b"x-name", "Zoë".encode("latin-1")))
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
    assert of_bytes(*fields).header("origin") == "https://a, https://b"


def test_cookies_in_several_fields_of_bytes_are_one() -> None:
    assert of_bytes((b"host", b"x"), (b"cookie", b"a=1"), (b"cookie", b"b=2")).cookies == {"a": "1", "b": "2"}
