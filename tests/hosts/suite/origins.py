"""Who may come from which page: every kind of client, and every kind of policy, over real connections."""

from collections.abc import Callable
from typing import Any

import pytest

from hosts.client import HANDSHAKE, Answer, request, target
from hosts.host import Host
from waterspout import Server

PAGE = "https://page.example"
POLICIES: dict[str, dict[str, Any]] = {
    "the default": {},
    "a list": {"cors_origins": [PAGE]},
    "a function": {"cors_origins": lambda origin: origin == PAGE},
    "credentials": {"cors_origins": [PAGE], "cors_credentials": True},
    "everybody": {"cors_origins": "*"},
}
FOREIGN = (
    *("http://evil.example", "null", "http://a.localhost", "http://localhost:8000", "http://localhost."),
    *("http://localhost@evil.example", "http://localhost.evil.example", "http://evil-localhost"),
    *("http://page.example", f"{PAGE}:8443", f"{PAGE}.evil.example"),
)


def polling(origin: tuple[str, str], sid: str) -> bytes:
    return request("GET", target("polling"), origin)


def preflight(origin: tuple[str, str], sid: str) -> bytes:
    return request("OPTIONS", target("polling"), origin, ("Access-Control-Request-Method", "POST"))


def post(origin: tuple[str, str], sid: str) -> bytes:
    return request("POST", target("polling", sid), origin, body=b"3")


def websocket(origin: tuple[str, str], sid: str) -> bytes:
    return request("GET", target("websocket"), *HANDSHAKE, origin)


def upgrade(origin: tuple[str, str], sid: str) -> bytes:
    return request("GET", target("websocket", sid), *HANDSHAKE, origin)


def plain_websocket(origin: tuple[str, str], sid: str) -> bytes:
    return request("GET", "/chat", *HANDSHAKE, origin)


def event_source(origin: tuple[str, str], sid: str) -> bytes:
    return request("GET", "/prices", origin)


def handshake_of_0_9(origin: tuple[str, str], sid: str) -> bytes:
    return request("GET", "/socket.io/1/", origin)


def jsonp(origin: tuple[str, str], sid: str) -> bytes:
    """A script has no Origin; the page that asks for it is its Referer, if it has one to name."""
    referer = () if origin[1] == "null" else (("Referer", f"{origin[1]}/page"),)
    return request("GET", target("polling", eio=3, more="&j=0"), *referer)


WAYS = (
    *(polling, preflight, post, websocket, upgrade, plain_websocket, event_source, handshake_of_0_9),
    jsonp,
)


def house(policy: dict[str, Any]) -> Server:
    server = Server(**policy)
    server.expose("/prices", server.channel("prices"))
    server.expose("/chat", server.of("/chat"))
    return server


@pytest.mark.usefixtures("quiet")
class Origins:
    """A host's tests of pages of this and of other origins."""

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("way", WAYS)
    async def test_a_page_comes_in_where_the_policy_has_its_origin(
        self, host: Host, way: Callable[[tuple[str, str], str], bytes], policy: str
    ) -> None:
        server = house(POLICIES[policy])
        await host.serve(server)

        async def ask(origin: str) -> Answer:
            session = await host.session()
            wire = await host.connect()
            wire.send(way(("Origin", origin), session.sid))
            answer = await wire.answer(bodiless=way is event_source)
            wire.abort()
            if way is not upgrade:  # whose session may have moved
                assert (await session.post('420["nobody hears"]')).body == b"ok"
            return answer

        def check(answer: Answer, allowed: str | None) -> None:
            """Compare the header fields that are for browsers; a script needs none."""
            if way in (websocket, upgrade, plain_websocket) and not host.keeps_fields:
                return
            expected = None if way is jsonp or answer.status == 403 else "*" if policy == "everybody" else allowed
            assert answer.field("access-control-allow-origin") == expected
            with_credentials = policy == "credentials" or way is handshake_of_0_9  # whose clients send them always
            credentials = "true" if with_credentials and expected not in (None, "*") else None
            assert answer.field("access-control-allow-credentials") == credentials
            if way is not jsonp and policy != "everybody":
                assert answer.field("vary") == "Origin"

        for own in (host.page, *([] if way is jsonp else [host.page.upper()])):  # no browser writes a Referer so
            answer = await ask(own)
            assert answer.status in (101, 200, 204), own
            check(answer, None)
        for origin in (PAGE, *FOREIGN):
            answer = await ask(origin)
            is_in = policy == "everybody" or (origin == PAGE and policy != "the default")
            assert (answer.status in (101, 200, 204), answer.status == 403) == (is_in, not is_in), origin
            check(answer, origin if is_in else None)
