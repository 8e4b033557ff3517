"""What belongs to the connection and is a matter of choice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from re import Pattern

from ..wire.deflate import Deflate
from ..wire.generations import ENGINEIO_3, ENGINEIO_4, Generation
from .options import check_cookie, check_count, check_origins, check_seconds, check_switch, transports
from .proxies import Proxies, TrustedProxies

Origin = str | Pattern[str]
Origins = None | Origin | Sequence[Origin] | Callable[[str], bool]

TRANSPORTS = ("polling", "websocket")
OLD_TRANSPORTS = ("flashsocket", "htmlfile", "xhr-multipart", "xhr-polling", "jsonp-polling")

_DEFLATE = Deflate()
_CHECKS: dict[object, Callable[[str, object], None]] = {float: check_seconds, int: check_count, bool: check_switch}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """The cookie that carries the session id to a load balancer; it gives nobody access by itself.

    ValueError for a name, path or `same_site` ("Strict", "Lax", "None") that no cookie can have.
    """

    name: str = "io"
    path: str = "/"
    http_only: bool = True
    same_site: str = "Lax"
    secure: bool = False
    max_age: int | None = None

    def __post_init__(self) -> None:
        check_cookie(self.name, self.path, self.same_site)

    def header(self, sid: str) -> tuple[str, str]:
        """Return the header field that sets it."""
        parts = [f"{self.name}={sid}", f"Path={self.path}"]
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

    `cors_origins`: None is the same origin only, "*" everybody (never with credentials), else an origin,
    a pattern that matches it whole, several of these, or a function of it. `jsonp` answers script elements,
    of the same pages. `per_message_deflate` compresses WebSockets of clients that offer it: True, or a
    `Deflate` of one's own.

    `transports`: "polling" and "websocket" stand for all of their kind that clients of 0.7 to 0.9 know, too; these
    are told of "flashsocket" and "xhr-multipart" only if they are named. Their session waits `resume_timeout` for
    another transport or GET, and a GET is held for `poll_hold`.

    `trusted_proxies`: how many proxies stand before the server, or their addresses and networks ("unix" for
    those at a Unix socket); what they say of the client's address, scheme and host is believed.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    connect_timeout: float = 10.0
    partial_timeout: float = 10.0
    close_timeout: float = 10.0
    resume_timeout: float = 30.0
    poll_hold: float = 20.0
    max_payload_bytes: int = 1_000_000
    max_outbox_bytes: int = 1_000_000
    max_packets: int = 10_000
    max_attachments: int = 10
    max_calls: int = 1000
    transports: tuple[str, ...] = TRANSPORTS
    generations: tuple[Generation, ...] = (ENGINEIO_3, ENGINEIO_4)
    cors_origins: Origins = None
    cors_credentials: bool = False
    jsonp: bool = True
    cookie: Cookie | None = None
    per_message_deflate: bool | Deflate = False
    trusted_proxies: TrustedProxies = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            check = _CHECKS.get(field.type)
            if check is not None:
                check(field.name, getattr(self, field.name))
        object.__setattr__(self, "transports", transports(self.transports, (*TRANSPORTS, *OLD_TRANSPORTS)))
        check_origins(self.cors_origins, self.cors_credentials)
        if self.cookie is not None and not isinstance(self.cookie, Cookie):
            raise TypeError(f"cookie is {self.cookie!r}: give the cookie's name, 'io', or a waterspout.engine.Cookie")
        if not isinstance(self.per_message_deflate, bool | Deflate):
            raise ValueError(f"per_message_deflate is {self.per_message_deflate!r}: give True, False or a Deflate")
        Proxies(self.trusted_proxies)  # raises ValueError for what is none

    @property
    def deflate(self) -> Deflate | None:
        """How WebSockets are compressed, None if they are not."""
        chosen = self.per_message_deflate
        return chosen if isinstance(chosen, Deflate) else _DEFLATE if chosen else None
