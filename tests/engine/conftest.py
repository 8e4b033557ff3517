"""An engine with an application that listens, and each generation and transport in turn."""

import pytest

from engine.applications import Recorder
from waterspout.engine import Engine
from waterspout.testing import Clock, Peer
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Generation


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


@pytest.fixture
def visitor(engine: Engine) -> Peer:
    """A client of Socket.IO 0.9 that has made its handshake, and no more, for engines that admit it."""
    return Peer(engine, generation=SOCKETIO_1, transport=None)
