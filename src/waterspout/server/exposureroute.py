"""The paths that a server has exposed, and what a request for one means."""

from ..engine import Answer, Decision, Engine, Refuse, Response, refuse_text
from ..engine.http import origins
from ..engine.http.origins import Cors
from ..engine.http.requests import claimant, foreign
from ..engine.http.response import Headers
from ..types import Request
from .eventsource import CONTENT_TYPE, METHODS, EventSourceRequest, accepts, only_for_websockets
from .exposures import Exposure
from .plainwebsocket import asks_for_websocket, decide_websocket

Found = tuple[Exposure, dict[str, str]]
"""What is at a path, and the path's parameters."""


class ExposureRoute:
    """Serves what was exposed, from then on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_path: dict[str, Exposure] = {}  # those without parameters, which come first
        self._by_shape: dict[str, Exposure] = {}
        self._last: tuple[str, Found | None] = "", None  # of a request, the engine asks three times

    def add(self, exposure: Exposure) -> None:
        """Serve one more path; ValueError for one that is served already."""
        shape, example = exposure.shape, exposure.example
        if shape in self._by_shape or (self._engine.serves(example) and not self.serves(example)):
            raise ValueError(f"the path {exposure.path!r} is served already: choose another")
        self._last = "", None
        self._by_shape[shape] = exposure
        if not exposure.parameters:
            self._by_path[example] = exposure

    def serves(self, path: str) -> bool:
        """Tell whether it is the path of an exposure."""
        return self._find(path) is not None

    def decide(self, request: Request, cors: Cors) -> Decision:
        """Let an allowed request have what is at the path."""
        found = self._find(request.path)
        return self.refuse(404, "nothing is exposed here") if found is None else decide(*found, request, cors)

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        """Refuse in words."""
        return refuse_text(status, detail, headers)

    def _find(self, path: str) -> Found | None:
        if path != self._last[0]:
            self._last = path, self._search(path)
        return self._last[1]

    def _search(self, path: str) -> Found | None:
        exposure = self._by_path.get(path)
        if exposure is not None:
            return exposure, {}
        for exposure in self._by_shape.values():
            parameters = exposure.find(path)
            if parameters is not None:
                return exposure, parameters
        return None


class OneExposure(ExposureRoute):
    """The route of a handler, which has a path of its own: it serves whatever the handler does."""

    def __init__(self, exposure: Exposure) -> None:
        super().__init__(exposure.engine)
        self._exposure = exposure

    def _find(self, path: str) -> Found | None:
        return self._exposure, {}


def decide(exposure: Exposure, parameters: dict[str, str], request: Request, cors: Cors) -> Decision:
    """Let an allowed request have what is exposed; what a browser needs to know is answered at once."""
    headers = origins.admit(request, cors)
    if headers is None:
        return refuse_text(403, foreign(request), origins.VARY, subject=claimant(request))
    if request.method == "OPTIONS":
        return Answer(Response(204, (*headers, *origins.preflight(request))))
    if not exposure.is_complete:
        return refuse_text(404, "nothing is exposed here yet", headers)
    if asks_for_websocket(request):
        return decide_websocket(exposure, parameters, request, headers)
    if exposure.is_namespace or not exposure.by_events:
        return only_for_websockets(headers)
    if request.method not in METHODS:
        return refuse_text(405, f"use {' or '.join(METHODS)}", (*headers, ("Allow", ", ".join(METHODS))))
    if not accepts(request):
        return refuse_text(406, f"this is {CONTENT_TYPE}, which the request's Accept does not name", headers)
    return EventSourceRequest(exposure, request, headers, parameters)
