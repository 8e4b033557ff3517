"""The options of an engine: everything about connections that can be chosen."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..wire.deflate import Deflate
from ..wire.generations import ENGINEIO_3, ENGINEIO_4, Generation
from .http.hostnames import AllowedHosts, Hostnames
from .http.proxies import Proxies, TrustedProxies
from .options import check_cookie, check_fields, check_origins, check_subprotocols, transports
from .protocol1.policy import TRANSPORTS as TRANSPORTS_1
from .protocol1.policy import Protocol1Policy

Origin = str | re.Pattern[str]
Origins = None | Origin | Sequence[Origin] | Callable[[str], bool | Awaitable[bool]]

TRANSPORTS = ("polling", "websocket")

_DEFLATE = Deflate()
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*", re.ASCII)  # RFC 6265, section 4.1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie: with the session id, for a load balancer, or one that a function of `on_handshake` sets.

    `same_site` is "Strict", "Lax" or "None". `max_age` is in seconds; with None the cookie lasts until the browser is
    closed. ValueError for an invalid name, path or `same_site`.
    """

    name: str = "io"
    path: str = "/"
    http_only: bool = True
    same_site: str = "Lax"
    secure: bool = False
    max_age: int | None = None

    def __post_init__(self) -> None:
        check_cookie(self.name, self.path, self.same_site)

    def header(self, value: str) -> tuple[str, str]:
        """Return the header field that sets it to a value; ValueError for an invalid one: quote it first."""
        if not _COOKIE_VALUE.fullmatch(value):
            raise ValueError(f"the value of the cookie {self.name} is {value!r}: quote it, with urllib.parse.quote")
        parts = [f"{self.name}={value}", f"Path={self.path}"]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        if self.http_only:
            parts.append("HttpOnly")
        if self.secure:
            parts.append("Secure")
        return "Set-Cookie", "; ".join([*parts, f"SameSite={self.same_site}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options of an engine. Times are in seconds, at most an hour, sizes in bytes.

    `max_packets`: the limit of packets in one POST, and of messages in an outbox.

    `max_calls`: a client with so many unanswered calls of handlers is not read until one is answered.

    `cors_origins`: the origins whose pages may connect, beside the server's own. None is no other, "*" all (never with
    credentials); else an origin ("file://" and "null" are valid ones), a pattern that matches a whole origin, several
    of these, or a function of the origin, plain or async. `jsonp`: script elements of the same pages are served.
    `per_message_deflate`: True, or a `Deflate`, compresses WebSockets of clients that offer it.

    `transports`: "polling" and "websocket" include the equivalent transports of clients of 0.7 to 0.9. "flashsocket"
    and "xhr-multipart" are offered to these only if they are named.

    `verify_remote_ip`: a session is found only from the address of its handshake.

    `protocol1`: the options for clients of 0.7 to 0.9.

    `trusted_proxies`: the number of proxies in front of the server, or their addresses and networks ("unix" for those
    at a Unix socket). Their X-Forwarded fields set the client's address, scheme and host.

    `subprotocols`: the answer to a WebSocket is the first subprotocol of the client's offer (Sec-WebSocket-Protocol)
    that is among these; with None, the first of the offer. If none is, the answer has none, and a client that requires
    one closes. A subprotocol has no other effect: the protocol is Socket.IO in any case.

    `allowed_hosts`: the hosts that requests may name, in Host or as a trusted proxy forwards it; None is every host.
    A name allows any port, `"name:port"` one; `".example.com"` is this domain and all below it; an address or a network
    (`"0.0.0.0/0"` is every IPv4 address); or several of these. Other requests are refused with 403. This prevents DNS
    rebinding: a page whose own name points at this server has equal Host and Origin.

    `max_packets_per_poll`: the limit of Engine.IO packets in one answer to a poll of 1.x to 4.x, each attachment being
    one; None is no limit. The rest stays in the outbox for the next poll, in order. An event with more attachments is
    an answer of its own.

    `max_header_lines`: a request with more header lines is refused with 431, before they are parsed.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    connect_timeout: float = 10.0
    partial_timeout: float = 10.0
    close_timeout: float = 10.0
    max_payload_bytes: int = 1_000_000
    max_outbox_bytes: int = 1_000_000
    max_packets: int = 10_000
    max_packets_per_poll: int | None = None
    max_attachments: int = 10
    max_calls: int = 1000
    max_header_lines: int = 100
    transports: tuple[str, ...] = TRANSPORTS
    generations: tuple[Generation, ...] = (ENGINEIO_3, ENGINEIO_4)
    cors_origins: Origins = None
    cors_credentials: bool = False
    jsonp: bool = True
    cookie: Cookie | None = None
    per_message_deflate: bool | Deflate = False
    subprotocols: tuple[str, ...] | None = None
    trusted_proxies: TrustedProxies = ()
    allowed_hosts: AllowedHosts = None
    verify_remote_ip: bool = False
    protocol1: Protocol1Policy = Protocol1Policy()  # noqa: RUF009  (it is frozen)

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "transports", transports(self.transports, (*TRANSPORTS, *TRANSPORTS_1)))
        check_origins(self.cors_origins, self.cors_credentials)
        if self.cookie is not None and not isinstance(self.cookie, Cookie):
            raise TypeError(f"cookie is {self.cookie!r}: give the cookie's name, 'io', or a waterspout.engine.Cookie")
        if not isinstance(self.protocol1, Protocol1Policy):
            raise TypeError(f"protocol1 is {self.protocol1!r}: give a waterspout.engine.Protocol1Policy")
        if not isinstance(self.per_message_deflate, bool | Deflate):
            raise ValueError(f"per_message_deflate is {self.per_message_deflate!r}: give True, False or a Deflate")
        check_subprotocols(self.subprotocols)
        Proxies(self.trusted_proxies)  # raises ValueError for what is none
        if self.allowed_hosts is not None:
            Hostnames(self.allowed_hosts)  # raises for what no Host can equal

    @property
    def deflate(self) -> Deflate | None:
        """How WebSockets are compressed, None if they are not."""
        chosen = self.per_message_deflate
        return chosen if isinstance(chosen, Deflate) else _DEFLATE if chosen else None
