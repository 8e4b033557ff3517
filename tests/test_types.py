"""The request that opened a connection, parsed when somebody looks."""

from time import thread_time

import pytest

from waterspout import Reason, Request
from waterspout.types import Cookies, Headers


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


@pytest.mark.parametrize(
    ("cookie", "cookies"),
    [
        ("io=abc; theme=dark", {"io": "abc", "theme": "dark"}),
        ('quoted="a b"', {"quoted": "a b"}),
        ("", {}),
        ("a=1; bad cookie; b=2", {}),
        ("a=1; b,c=2", {}),
        (r'json="{\"a\": \"b\"\054 \"c\": 1}"', {"json": '{"a": "b", "c": 1}'}),
        (r'a="\\\\\"\101\""; b="\1"', {"a": r'\\"A"', "b": "1"}),
        ("; ".join(f"a{number}=1" for number in range(999)), {f"a{number}": "1" for number in range(999)}),
        ("; ".join(f"a{number}=1" for number in range(1000)), {}),
        (" ".join(f"a{number}=1" for number in range(1000)), {}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_cookies_are_read_as_far_as_they_can_be(cookie: str, cookies: dict[str, str]) -> None:
    assert Request("GET", "/", [("Cookie", cookie)]).cookies == cookies


@pytest.mark.parametrize("escape", ["\\\\", '\\"', "\\101"])
def test_the_work_for_a_cookie_is_linear(escape: str) -> None:
    def seconds(size: int) -> float:
        header = f'a="{escape * (size // len(escape))}"'
        assert Request("GET", "/", [("Cookie", header)]).cookies
        spans = []
        for _ in range(5):
            start = thread_time()
            Cookies.parse(header)
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
