"""The paths of an engine, and who decides about their requests: one route for each kind of clients."""

from dataclasses import dataclass, field
from typing import Protocol

from ...types import Request
from .decisions import Decision
from .origins import Cors
from .refusals import Refuse
from .response import Headers

ANY_HOST = "(?:[Hh][Tt][Tt][Pp][Ss]?://[^/?#]*)?"
"""What may stand before a path, as a regular expression: the host of a target in absolute form."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request names a session that is not here; `refusal` is the answer if it is nowhere else.

    `again` is the answer to a client that keeps asking (0.7, 0.8).
    """

    sid: str = field(repr=False)
    refusal: Refuse
    again: Refuse | None = None


class Route(Protocol):
    """One kind of clients: on which paths they ask, what they mean, and in which form they are refused."""

    def serves(self, path: str) -> bool:
        """Tell whether requests for this path are its own. The path is not unquoted, and has no host before it."""

    def decide(self, request: Request, cors: Cors) -> Decision | Unknown:
        """Decide what a request means, before its body is read."""

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        """Refuse a request before it is decided about; without a `request`, whatever that is."""
