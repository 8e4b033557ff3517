"""The path at which a load balancer asks whether new clients should come here."""

from collections.abc import Callable

from ..engine import Answer, Decision, Refuse, Response, refuse_text
from ..engine.http.origins import Cors
from ..engine.http.response import PRIVATE, Headers
from ..types import Request
from ..wire.json import encode

_METHODS = ("GET", "HEAD")


class HealthRoute:
    """Answers requests for one path with 200 where `facts` has a true "ready", and else with 503."""

    def __init__(self, path: str, facts: Callable[[], dict[str, object]]) -> None:
        self._path = path
        self._facts = facts

    def serves(self, path: str) -> bool:
        """Tell whether it is this path."""
        return path == self._path

    def decide(self, request: Request, cors: Cors) -> Decision:
        """Answer at once, whoever asks."""
        if request.method not in _METHODS:
            return self.refuse(405, f"use {' or '.join(_METHODS)}", (("Allow", ", ".join(_METHODS)),))
        facts = self._facts()
        headers: Headers = (("Content-Type", "application/json"), *PRIVATE)
        return Answer(Response(200 if facts["ready"] else 503, headers, encode(facts)))

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        """Refuse in words."""
        return refuse_text(status, detail, headers)
