"""An engine with an application that listens, and each generation and transport in turn."""

import pytest

from engine.applications import Recorder
from waterspout.engine import Engine
from waterspout.testing import Clock
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
def generation(request: pytest.FixtureRequest) -> Generation:
    row: Generation = request.param
    return row


@pytest.fixture(params=["polling", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def application() -> Recorder:
    return Recorder()


@pytest.fixture
def engine(application: Recorder, clock: Clock) -> Engine:
    return Engine(application, driver=clock)
