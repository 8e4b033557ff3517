"""The handlers of TornadIO2 over real connections."""

import pytest

from faces.tornadio2.handlers.routing import Router, RouterHost
from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS

__all__ = ["pytest_pyfunc_call", "quiet"]


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture
def host(router: Router) -> RouterHost:
    host = RouterHost(LOOPS["asyncio"])
    host.router = router
    return host
