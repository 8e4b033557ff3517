"""Each test that is a coroutine runs in an application of its own."""

from collections.abc import Iterator

import pytest

from faces.tornado_websockets.site import Site
from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS
from waterspout.faces.tornado_websockets.tornadowrapper import TornadoWrapper

__all__ = ["pytest_pyfunc_call", "quiet"]


@pytest.fixture
def host() -> Site:
    return Site(LOOPS["asyncio"])


@pytest.fixture(autouse=True)
def wrapper() -> Iterator[None]:
    """The wrapper is one for the process: each test has its state alone."""
    yield
    TornadoWrapper.handlers = []
    TornadoWrapper.app = TornadoWrapper.server = None
    TornadoWrapper.tornado_port = 0
    TornadoWrapper.servers.clear()
