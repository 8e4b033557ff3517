"""Who may come from where: origins against policies, alike for polling, WebSocket and preflight."""

import re
from typing import Any

import pytest

from engine.applications import Recorder, polling_of
from waterspout.engine import Answer, Engine, Open, Origins, Policy, Refuse
from waterspout.testing import Clock, Peer, admit
from waterspout.types import Request
from waterspout.wire import json

WEBSOCKET = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
WAYS = {
    "polling": ("GET", "polling", ()),
    "a POST": ("POST", "polling", ()),
    "websocket": ("GET", "websocket", WEBSOCKET),
    "preflight": ("OPTIONS", "polling", (("Access-Control-Request-Method", "POST"),)),
}

ways = pytest.mark.parametrize("way", WAYS)


def ask(
    origin: str | None, way: str = "polling", *, host: str = "here.example", secure: bool | None = None, **options: Any
) -> Any:
    method, transport, fields = WAYS[way]
    engine = Engine(Recorder(), policy=Policy(**options), driver=Clock())
    sid = ""
    if method == "POST":
        opened: Any = admit(engine, Request("GET", "/engine.io/?EIO=4&transport=polling"))
        engine.respond(opened, Unheard())
        sid = f"&sid={opened.session.id}"
    own = (("Host", host),) if origin is None else (("Host", host), ("Origin", origin))
    target = f"/engine.io/?EIO=4&transport={transport}{sid}"
    return admit(engine, Request(method, target, (*own, *fields), secure=secure))


class Unheard:
    request = Request("GET", "/engine.io/?EIO=4&transport=polling")

    def respond(self, response: object, written: object = None) -> None: ...

    def take_back(self) -> bool:
        return False


def headers(decision: Any) -> tuple[tuple[str, str], ...]:
    """The headers of the answer that are about origins."""
    fields = decision.headers if hasattr(decision, "headers") else decision.response.headers
    return tuple(
        field for field in fields if field[0].startswith(("Access-Control-Allow-Or", "Access-Control-Allow-Cr", "Vary"))
    )


# By default only the server's own pages may come.

OWN = [
    ("here.example", "http://here.example"),
    ("here.example", "https://here.example"),
    ("here.example", "HTTP://HERE.EXAMPLE"),
    ("HERE.example", "http://here.EXAMPLE"),
    ("here.example", "http://here.example:80"),
    ("here.example", "https://here.example:443"),
    ("here.example:80", "http://here.example"),
    ("here.example:8000", "http://here.example:8000"),
    ("here.example:8000", "https://here.example:8000"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("[::1]:8000", "http://[::1]:8000"),
    # what programs send that are no browsers
    ("here.example:8000", "ws://here.example:8000"),
    ("here.example:8000", "WSS://here.example:8000"),
    ("here.example", "wss://here.example:443"),
    ("here.example", "ws://here.example:80"),
    ("here.example:8000", "here.example:8000"),
    ("HERE.example:8000", "here.EXAMPLE:8000"),
    ("here.example", "here.example:80"),
    ("here.example", "here.example:443"),
    ("here.example", "here.example"),
    ("[::1]:8000", "[::1]:8000"),
]


@ways
@pytest.mark.parametrize(("host", "origin"), OWN)
def test_a_page_of_the_server_itself_may_come(way: str, host: str, origin: str) -> None:
    decision = ask(origin, way, host=host)
    assert not isinstance(decision, Refuse)
    assert headers(decision) == (("Vary", "Origin"),)


FOREIGN = [
    "http://evil.example",
    "null",
    "",
    "http://sub.here.example",
    "http://evil-here.example",
    "http://here.example.evil.example",
    "http://here.example:8000",
    "https://here.example:80",
    "http://here.example.",
    "http://here.example@evil.example",
    "http://evil@here.example",
    "http://here.example:80@evil.example",
    "http://here.example/",
    "http://here.example/page",
    "http://here.example?a",
    "http://here.example#a",
    "http://here.example, http://evil.example",
    "http://evil.example, http://here.example",
    "http://here.example http://evil.example",
    "http://here.example\\@evil.example",
    "ftp://here.example",
    "file://here.example",
    "chrome-extension://here.example",
    "here.example:8000",
    "evil.example:80",
    "evil@here.example",
    "here.example/",
    "//here.example",
    "://here.example",
    "ws://evil.example",
    "ws://here.example:443",
    "wss://here.example:80",
    "ws://here.example/",
    "ws:here.example",
    "file://",
    "file:///",
    "http:here.example",
    "http:///here.example",
    "http://",
    "http://here.example:x",
    "http://here.example:99999",
    "http://[here.example",
    "http://h\u0435re.example",
    "http://here\u3002example",
    "*",
]


@ways
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_from_elsewhere_may_not(way: str, origin: str) -> None:
    decision = ask(origin, way)
    assert isinstance(decision, Refuse)
    assert decision.response.status == 403
    body = json.decode(decision.response.body)
    assert (body["code"], body["message"]) == (4, "Forbidden")
    assert body["detail"].startswith(f"Origin {origin!a} is not allowed for the host ")
    assert body["detail"].endswith(": add it to cors_origins; behind a proxy, pass on Host")
    assert headers(decision) == (("Vary", "Origin"),)


@ways
@pytest.mark.parametrize("host", ["null", "NULL", "null:80", "file:", "file"])
@pytest.mark.parametrize("origin", ["null", "file://", "file:///", "*", ""])
def test_what_a_browser_says_of_a_page_without_a_host_is_the_own_origin_of_no_host(
    way: str, host: str, origin: str
) -> None:
    assert isinstance(ask(origin, way, host=host), Refuse)


@ways
def test_who_sends_no_origin_is_no_page_and_may_come(way: str) -> None:
    assert headers(ask(None, way)) == ()


def test_an_origin_is_quoted_in_the_refusal_without_control_characters_and_cut() -> None:
    decision = ask("http://\x1b[31m\r\u2028" + "x" * 1000)
    assert isinstance(decision, Refuse)
    assert rb"Origin 'http://\\x1b[31m\\r\\u2028xxx" in decision.response.body
    assert len(decision.response.body) < 300


def test_a_host_that_is_missing_or_doubled_is_nobodys_own() -> None:
    assert isinstance(ask("http://here.example", host=""), Refuse)
    assert isinstance(ask("http://here.example", host="here.example, here.example"), Refuse)
    assert isinstance(ask("http://here.example", host="here.example/?"), Refuse)
    assert isinstance(ask("http://evil.example", host="here.example@evil.example"), Refuse)


def test_the_scheme_counts_where_the_server_ends_tls_itself() -> None:
    assert isinstance(ask("https://here.example", secure=True), Open)
    assert isinstance(ask("https://here.example:443", secure=True), Open)
    assert isinstance(ask("http://here.example", secure=True), Refuse)
    assert isinstance(ask("http://here.example:443", secure=True), Refuse)


# What a policy adds. The server's own pages may come in any case, unless said otherwise.

PAGE = "https://page.example"
POLICIES: list[tuple[Origins, list[str], list[str]]] = [
    (
        PAGE,
        [PAGE, "HTTPS://Page.Example"],
        ["http://page.example", "https://page.example:8443", "https://page.example."],
    ),
    ("https://page.example/", [PAGE], ["https://page.example/"]),
    (
        [PAGE, "http://b.example:8000"],
        [PAGE, "http://b.example:8000"],
        ["http://b.example", "null", f"{PAGE}.evil.example"],
    ),
    (
        (PAGE, re.compile(r"http://c\w*\.example")),
        [PAGE, "http://c.example"],
        ["http://c.d.example", "https://c.example"],
    ),
    (
        re.compile(r"https://(\w+\.)?page\.example"),
        [PAGE, "https://a.page.example"],
        [f"{PAGE}.evil.example", f"x{PAGE}", "https://evil-page.example"],
    ),
    (lambda origin: origin.endswith(".example:1"), ["http://a.example:1", "x.example:1"], [PAGE, "null"]),
    ("null", ["null"], ["http://null"]),
    (["file://"], ["file://", "FILE://"], ["file:", "file:/", "file:///", "file://x", "null"]),
    ("ws://chat.example", ["ws://chat.example"], ["http://chat.example", "wss://chat.example"]),
    ([], [], [PAGE, "null", ""]),
]


def name(value: object) -> str:
    """Name a parameter the same way in each process; a function's text has its address."""
    return "function" if callable(value) else str(value)[:30]


@ways
@pytest.mark.parametrize(("origins", "welcome", "unwelcome"), POLICIES, ids=name)
@pytest.mark.parametrize("credentials", [False, True], ids=["without credentials", "with credentials"])
def test_a_policy_lets_in_whom_it_lists_and_nobody_else(
    way: str, origins: Origins, welcome: list[str], unwelcome: list[str], credentials: bool
) -> None:
    options: Any = {"cors_origins": origins, "cors_credentials": credentials}
    with_credentials = (("Access-Control-Allow-Credentials", "true"),) if credentials else ()
    for origin in welcome:
        decision = ask(origin, way, **options)
        assert headers(decision) == (("Access-Control-Allow-Origin", origin), *with_credentials, ("Vary", "Origin"))
        assert not isinstance(decision, Refuse)
    for origin in unwelcome:
        decision = ask(origin, way, **options)
        assert isinstance(decision, Refuse)
        assert headers(decision) == (("Vary", "Origin"),)
    assert headers(ask(None, way, **options)) == (("Vary", "Origin"),)
    assert headers(ask("http://here.example", way, **options)) == (("Vary", "Origin"),)


@ways
@pytest.mark.parametrize("origin", [*FOREIGN, "http://here.example"])
def test_an_asterisk_lets_everybody_in_without_credentials(way: str, origin: str) -> None:
    decision = ask(origin, way, cors_origins="*")
    assert headers(decision) == (("Access-Control-Allow-Origin", "*"),)
    assert not isinstance(decision, Refuse)
    assert headers(ask(None, way, cors_origins="*")) == ()


# The preflight


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        (None, "Content-Type"),
        ("", "Content-Type"),
        ("x-token", "x-token"),
        ("content-type,x-token, authorization", "content-type,x-token, authorization"),
        ("x-token\r", "Content-Type"),
        ("x token", "Content-Type"),
        ("x-\u00e9", "Content-Type"),
        (",", "Content-Type"),
        ("a," * 1000 + "a", "Content-Type"),
    ],
)
def test_a_preflight_allows_the_header_names_that_it_asks_for(wanted: str | None, allowed: str) -> None:
    fields = [("Origin", PAGE)] if wanted is None else [("Origin", PAGE), ("Access-Control-Request-Headers", wanted)]
    engine = Engine(Recorder(), policy=Policy(cors_origins=PAGE), driver=Clock())
    decision = admit(engine, Request("OPTIONS", "/engine.io/?EIO=4&transport=polling", fields))
    assert isinstance(decision, Answer)
    assert (decision.response.status, decision.response.body) == (204, b"")
    assert decision.response.headers == (
        ("Access-Control-Allow-Origin", PAGE),
        ("Vary", "Origin"),
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", allowed),
        ("Access-Control-Max-Age", "600"),
    )


def test_an_origin_that_is_longer_than_any_is_compared_with_nothing() -> None:
    asked: list[str] = []
    longest = "http://" + "a" * 993

    def ask_me(one: str) -> bool:
        asked.append(one)
        return True

    for origin in (longest, longest + "a"):
        found = [
            isinstance(ask(origin, cors_origins=policy), Open)
            for policy in (longest + "/", [longest], re.compile("http://a+"), ask_me, "*")
        ]
        assert found == ([True] * 5 if origin == longest else [False] * 4 + [True])
    assert set(asked) == {longest}


def test_the_answers_to_polls_and_posts_bear_the_headers_too() -> None:
    engine = Engine(Recorder(echoes=True), policy=Policy(cors_origins=PAGE), driver=Clock())
    peer = Peer(engine, transport="polling", headers=[("Origin", PAGE)])
    peer.send("4hello")
    assert peer.take()[1:] == ["4hello"]
    assert [headers(response) for response in polling_of(peer).responses] == [
        (("Access-Control-Allow-Origin", PAGE), ("Vary", "Origin"))
    ] * 2


# A function of the origin is a user's function like any other


async def asynchronous(origin: str) -> bool:
    return True


def broken(origin: str) -> bool:
    raise LookupError("the table of origins is gone")


@ways
@pytest.mark.parametrize("function", [asynchronous, lambda origin: True])
@pytest.mark.parametrize("later", [False, True])
def test_a_function_may_take_its_time(way: str, function: Any, later: bool) -> None:
    engine = Engine(Recorder(), policy=Policy(cors_origins=function), driver=Clock(later=later))
    method, transport, fields = WAYS[way]
    request = Request(method, f"/engine.io/?EIO=4&transport={transport}", (("Origin", "http://a.example"), *fields))
    decisions: list[Any] = []
    engine.admit(request, decisions.append)
    assert bool(decisions) is not later
    engine.driver.settle()  # type: ignore[attr-defined]
    (decision,) = decisions
    assert not isinstance(decision, Refuse) or decision.response.status == 400
    found = decision.response.headers if isinstance(decision, Refuse | Answer) else decision.headers
    assert ("Access-Control-Allow-Origin", "http://a.example") in found


@ways
def test_a_function_that_fails_refuses_all_and_is_reported_once(way: str) -> None:
    clock = Clock()
    engine = Engine(Recorder(), policy=Policy(cors_origins=broken), driver=clock)
    method, transport, fields = WAYS[way]
    request = Request(method, f"/engine.io/?EIO=4&transport={transport}", (("Origin", "http://a.example"), *fields))
    decision = admit(engine, request)
    assert isinstance(decision, Refuse)
    assert decision.response.status == 403
    ((text, _),) = clock.reports
    assert text == "the function cors_origins failed for 'http://a.example', which is refused"
