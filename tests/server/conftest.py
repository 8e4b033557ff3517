"""What the tests of the server share: it behaves alike to clients of all generations over all transports."""

from typing import Any

import pytest

from waterspout import Server
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

GENERATIONS = {"3": ENGINEIO_3, "4": ENGINEIO_4}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Any:
    return GENERATIONS[request.param]


@pytest.fixture(params=["3-polling", "3-websocket", "4-polling", "4-websocket"])
def client(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a `Pair` or a `Peer`: each generation over each transport."""
    revision, transport = request.param.split("-")
    return {"generation": GENERATIONS[revision], "transport": transport}
