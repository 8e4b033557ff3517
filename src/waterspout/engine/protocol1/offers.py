"""The transports that clients of Socket.IO 0.7 to 0.9 may use (docs/protocol-1.md, WP-3 and WP-11)."""

from ..policy import Policy
from .policy import TRANSPORTS

BY_POLLING = ("xhr-polling", "jsonp-polling")
BY_WEBSOCKET = ("websocket", "flashsocket")

_OFFERED = ("websocket", "htmlfile", "xhr-polling", "jsonp-polling")  # the order in which 0.9 tries them


def offered(policy: Policy) -> list[str]:
    """Return the transports that a handshake names, the best first."""
    if policy.protocol1.transports is not None:
        return [name for name in policy.protocol1.transports if is_served(name, policy)]
    return [name for name in _OFFERED if is_served(name, policy)] + [
        name for name in policy.transports if name in ("flashsocket", "xhr-multipart")
    ]


def is_served(name: str, policy: Policy) -> bool:
    """Tell whether a transport may be used: by its own name, or by that of its kind (WP-11)."""
    if name == "jsonp-polling" and not policy.jsonp:
        return False
    if policy.protocol1.transports is not None:
        return name in policy.protocol1.transports
    kind = "websocket" if name in BY_WEBSOCKET else "polling"
    return name in policy.transports or (kind in policy.transports and name in TRANSPORTS)
