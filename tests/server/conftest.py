"""What the tests of the server share: it behaves alike to clients of all generations over all transports."""

import sys
from typing import Any

import pytest

from server.greenlets import GreenletClock, LateGreenletClock
from server.later import LateClock
from waterspout import Server
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock

GENERATIONS = {"1": SOCKETIO_1, "3": ENGINEIO_3, "4": ENGINEIO_4}
CLIENTS = ["1-xhr-polling", "1-websocket", "3-polling", "3-websocket", "4-polling", "4-websocket"]


@pytest.fixture(autouse=True)
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests run once more, among those marked `hosts`, where all calls of users' functions answer later."""
    monkeypatch.setattr(Clock, "later", request.param == "later")
    if request.param == "greenlets":
        for kind, greenlets in ((Clock, GreenletClock), (LateClock, LateGreenletClock)):
            for module in [one for one in sys.modules.values() if getattr(one, kind.__name__, None) is kind]:
                monkeypatch.setattr(module, kind.__name__, greenlets)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    later = (
        []
        if metafunc.definition.get_closest_marker("at_once")
        else [pytest.param(kind, marks=pytest.mark.hosts) for kind in ("later", "greenlets")]
    )
    metafunc.parametrize("calls", ["at once", *later], indirect=True)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=["1", "3", "4"])
def generation(request: pytest.FixtureRequest) -> Any:
    return GENERATIONS[request.param]


@pytest.fixture(params=["3", "4"])
def engineio(request: pytest.FixtureRequest) -> Any:
    """A generation of Engine.IO, for what only they have: attachments, upgrades, payloads that wait."""
    return GENERATIONS[request.param]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a `Pair` or a `Peer`: each generation over polling and over a WebSocket."""
    return options_of(request.param)


@pytest.fixture(params=[name for name in CLIENTS if name[0] != "1"])
def engineio_client(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same of Engine.IO 3 and 4 only, for what only they have."""
    return options_of(request.param)


def options_of(name: str) -> dict[str, Any]:
    revision, _, transport = name.partition("-")
    return {"generation": GENERATIONS[revision], "transport": transport}
