"""A router whose clients and whose time are a test's, and each of its transports in turn."""

import pytest

from faces.tornadio2.applications import CLOSED, OLD_TRANSPORTS, routed
from waterspout.faces.tornadio2 import TornadioRouter
from waterspout.testing import Clock


@pytest.fixture(params=OLD_TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def router(clock: Clock) -> TornadioRouter:
    CLOSED.clear()
    return routed(clock)
