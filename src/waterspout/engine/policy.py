"""What belongs to the connection and is a matter of choice."""

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
    """A cookie: the one that carries the session id to a load balancer, or one that a function of `on_handshake` sets.

    ValueError for a name, path or `same_site` ("Strict", "Lax", "None") that no cookie can have. `max_age` in seconds;
    None lasts as long as the browser is open.
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
        """Return the header field that sets it to a value; ValueError for what no value can be: quote it first."""
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
    """Times in seconds, at most an hour, sizes in bytes; `max_packets` is for a POST, and for what waits in an outbox.

    A client that has `max_calls` unanswered calls of handlers is read no further until one is answered.

    `cors_origins`: None is the same origin only, "*" everybody (never with credentials), else an origin ("file://" and
    "null" are two), a pattern that matches it whole, several of these, or a function of it, plain or async. `jsonp`
    answers script elements of the same pages. `per_message_deflate` compresses WebSockets of clients that offer it:
    True, or a `Deflate` of one's own.

    `transports`: "polling" and "websocket" stand for all of their kind that clients of 0.7 to 0.9 know, too; these
    are told of "flashsocket" and "xhr-multipart" only if they are named.

    `verify_remote_ip`: a request for a session from another address than its handshake's finds no such session.

    `protocol1` has the options of clients of 0.7 to 0.9.

    `trusted_proxies`: how many proxies stand before the server, or their addresses and networks ("unix" for
    those at a Unix socket); what they say of the client's address, scheme and host is believed.

    `subprotocols`: of those that a WebSocket's client offers (Sec-WebSocket-Protocol), the first that is here is the
    answer, and with None the first of all. Where none is here, the answer has none, and a client that needs one closes.
    They change nothing else: what is spoken is Socket.IO.

    `allowed_hosts`: None is every host; else the hosts that requests may ask for, in Host or where a trusted proxy says
    so: a name, which has any port, or `"name:port"`; `".example.com"`, which is this domain and all below it; an
    address or a network (`"0.0.0.0/0"` is every address of IPv4); or several of these. Other requests are refused with
    403. It is what keeps out pages that let a name of theirs point at this server (DNS rebinding), of which Host and
    Origin are equal.

    `max_packets_per_poll`: None, or how many packets of Engine.IO one answer to a poll of 1.x to 4.x may have; each
    attachment is one, too. What is beyond stays in the outbox for the next poll, in order; an event with more
    attachments has an answer of its own.

    `max_header_lines`: a request with more is refused with 431 before anything is made of them.
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
