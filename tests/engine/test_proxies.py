"""Whom to believe who the client is: X-Forwarded-For, -Proto and -Host, from proxies and from impostors."""

from typing import Any

import pytest

from engine.applications import Recorder
from waterspout import Policy, Request, Server
from waterspout.engine import Engine, Open, Refuse
from waterspout.testing import Clock, Peer, admit
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation


def ask(trusted: Any, peer: str, *fields: tuple[str, str], secure: bool | None = None) -> tuple[Request, Any]:
    """Ask for admission; return the request as the application will see it, and the decision."""
    engine = Engine(Recorder(), policy=Policy(trusted_proxies=trusted), driver=Clock())
    request = Request("GET", "/engine.io/?EIO=4&transport=polling", fields, remote_address=peer, secure=secure)
    return request, admit(engine, request)


def client(trusted: Any, peer: str, *forwarded: str) -> str:
    request, _ = ask(trusted, peer, *(("X-Forwarded-For", value) for value in forwarded))
    return request.remote_address


# The address

HOPS = [
    (1, ["203.0.113.9"], "203.0.113.9"),
    (1, ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
    (1, ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
    (2, ["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
    (2, ["203.0.113.9"], "203.0.113.9"),
    (3, ["203.0.113.9 ,10.0.0.3,10.0.0.2"], "203.0.113.9"),
    (1, [], "10.0.0.1"),
    (1, [""], "10.0.0.1"),
    (1, ["unknown"], "10.0.0.1"),
    (2, ["203.0.113.9, nonsense"], "10.0.0.1"),
    (2, ["nonsense, 10.0.0.2"], "10.0.0.2"),
]


@pytest.mark.parametrize(("hops", "forwarded", "address"), HOPS)
def test_so_many_proxies_are_passed_from_the_end(hops: int, forwarded: list[str], address: str) -> None:
    assert client(hops, "10.0.0.1", *forwarded) == address


NETWORKS: list[tuple[Any, str, str, str]] = [
    ("10.0.0.1", "10.0.0.1", "203.0.113.9", "203.0.113.9"),
    (["10.0.0.0/8"], "10.1.2.3", "6.6.6.6, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
    (["10.0.0.1/8"], "10.1.2.3", "203.0.113.9", "203.0.113.9"),
    (["10.0.0.0/8", "::1"], "::1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
    (["10.0.0.0/8"], "::ffff:10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
    (["fe80::/10"], "fe80::1%eth0", "2001:db8::9", "2001:db8::9"),
    (["10.0.0.0/8"], "10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"),
    (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
    (["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9, _hidden, 10.0.0.2", "10.0.0.2"),
    (["unix"], "unix", "203.0.113.9", "203.0.113.9"),
    (["unix"], "unix", "203.0.113.9, unix", "unix"),
    (1, "unix", "203.0.113.9", "203.0.113.9"),
    # whom nobody trusts
    (["10.0.0.0/8"], "203.0.113.9", "1.1.1.1", "203.0.113.9"),
    (["10.0.0.0/8"], "unix", "1.1.1.1", "unix"),
    (["unix"], "10.0.0.1", "1.1.1.1", "10.0.0.1"),
    (["10.0.0.0/8"], "", "1.1.1.1", ""),
    ((), "10.0.0.1", "1.1.1.1", "10.0.0.1"),
    (0, "10.0.0.1", "1.1.1.1", "10.0.0.1"),
]


@pytest.mark.parametrize(("trusted", "peer", "forwarded", "address"), NETWORKS)
def test_the_client_is_the_right_most_that_is_not_trusted(
    trusted: Any, peer: str, forwarded: str, address: str
) -> None:
    assert client(trusted, peer, forwarded) == address


@pytest.mark.parametrize(
    "value",
    [
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4:",
        "1.2.3.4:123456",
        "[::1",
        "::1]",
        "1.2.3.4\x1b[31m",
        "fe80::1%\x1b[31m",
        "\u0661.1.1.1",
        "localhost",
        "for=1.2.3.4",
        '"1.2.3.4"',
        "," * 10_000,
    ],
)
def test_what_is_no_address_is_ignored(value: str) -> None:
    assert client(1, "10.0.0.1", value) == "10.0.0.1"


@pytest.mark.parametrize("trusted", [True, False, -1, "here", ["10.0.0.0/33"], ["10.0.0.1", ""], [None]])
def test_what_cannot_be_trusted_is_refused_with_a_sentence(trusted: Any) -> None:
    with pytest.raises(ValueError, match=r"trusted_proxies (is|has) .*: give "):
        Policy(trusted_proxies=trusted)


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=lambda generation: generation.name)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handler_sees_the_clients_address(generation: Generation, transport: str) -> None:
    server = Server(trusted_proxies=1, driver=Clock())
    seen: list[str] = []
    server.on_connect(lambda socket, auth: seen.append(socket.request.remote_address))
    fields = [("X-Forwarded-For", "6.6.6.6, 203.0.113.9")]
    Peer(server, generation=generation, transport=transport, headers=fields).connect()
    assert seen == ["203.0.113.9"]


# The scheme and the host


@pytest.mark.parametrize(
    ("trusted", "said", "own", "secure"),
    [
        (1, "https", None, True),
        (1, "HTTPS", None, True),
        (1, "wss", None, True),
        (1, "http", None, False),
        (1, "http", True, False),
        (1, "ftp", None, None),
        (1, "", True, True),
        (1, "https, http", None, False),
        (2, "https", None, True),
        (0, "https", None, None),
        (0, "http", True, True),
        (["10.0.0.2"], "https", None, None),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says(
    trusted: Any, said: str, own: bool | None, secure: bool | None
) -> None:
    request, _ = ask(trusted, "10.0.0.1", ("X-Forwarded-Proto", said), secure=own)
    assert request.secure is secure


def test_in_a_chain_the_outermost_trusted_proxy_is_heard() -> None:
    fields = [
        ("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.2"),
        ("X-Forwarded-Proto", "http, https, http"),
        ("X-Forwarded-Host", "evil.example, page.example, inner.example"),
    ]
    request, _ = ask(2, "10.0.0.1", *fields)
    assert (request.remote_address, request.secure, request.host) == ("203.0.113.9", True, "page.example")


@pytest.mark.parametrize(
    ("trusted", "said", "host"),
    [
        (1, "page.example", "page.example"),
        (1, "page.example:8443", "page.example:8443"),
        (1, "[::1]:8000", "[::1]:8000"),
        (1, "", "inner.example"),
        (1, "a b", "inner.example"),
        (1, "page.example/path", "inner.example"),
        (1, "user@page.example", "inner.example"),
        (1, "page.example\x1b", "inner.example"),
        (["10.0.0.2"], "page.example", "inner.example"),
        (0, "page.example", "inner.example"),
    ],
)
def test_the_host_is_what_a_trusted_proxy_says(trusted: Any, said: str, host: str) -> None:
    request, _ = ask(trusted, "10.0.0.1", ("Host", "inner.example"), ("X-Forwarded-Host", said))
    assert request.host == host
    request.forget()
    assert request.host == host


PAGE = ("Origin", "https://page.example")
INNER = ("Host", "inner.example")


@pytest.mark.parametrize(
    ("trusted", "fields", "admitted"),
    [
        (1, (PAGE, INNER, ("X-Forwarded-Host", "page.example")), True),
        (1, (PAGE, INNER, ("X-Forwarded-Host", "page.example"), ("X-Forwarded-Proto", "https")), True),
        (1, (PAGE, INNER, ("X-Forwarded-Host", "page.example"), ("X-Forwarded-Proto", "http")), False),
        (1, (PAGE, INNER, ("X-Forwarded-Host", "page.example:443"), ("X-Forwarded-Proto", "http")), False),
        (1, (PAGE, INNER, ("X-Forwarded-Host", "page.example:443"), ("X-Forwarded-Proto", "https")), True),
        (1, (PAGE, ("Host", "page.example"), ("X-Forwarded-Host", "evil.example")), False),
        (1, (PAGE, INNER), False),
        (0, (PAGE, INNER, ("X-Forwarded-Host", "page.example")), False),
        (0, (PAGE, ("Host", "page.example"), ("X-Forwarded-Proto", "http")), True),
        (["10.0.0.2"], (PAGE, INNER, ("X-Forwarded-Host", "page.example")), False),
    ],
)
def test_the_same_origin_is_measured_by_what_a_trusted_proxy_says(trusted: Any, fields: Any, admitted: bool) -> None:
    _, decision = ask(trusted, "10.0.0.1", *fields)
    assert isinstance(decision, Open if admitted else Refuse)


def test_a_page_behind_tls_that_is_plain_at_the_client_is_refused_where_the_scheme_is_known() -> None:
    plain = ("Origin", "http://page.example")
    for said, kind in (("https", Refuse), ("http", Open)):
        _, decision = ask(1, "10.0.0.1", plain, ("Host", "page.example"), ("X-Forwarded-Proto", said))
        assert isinstance(decision, kind)
