"""A router whose clients and whose time are a test's, and each of its transports in turn."""

import pytest

from faces.tornadio2.applications import CLOSED, OLD_TRANSPORTS, routed
from faces.tornadio2.routing import Router, RouterHost
from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS
from waterspout.faces.tornadio2 import TornadioRouter
from waterspout.testing import Clock

__all__ = ["pytest_pyfunc_call", "quiet"]


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


@pytest.fixture
def server() -> Router:
    """What handlers need of a router, over real connections."""
    return Router()


@pytest.fixture
def host(server: Router) -> RouterHost:
    host = RouterHost(LOOPS["asyncio"])
    host.router = server
    return host
