"""What the tests of attacks share with those of hosts, and the host on which they run."""

import pytest

from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS, TornadoHost

__all__ = ["host", "pytest_pyfunc_call", "quiet"]


@pytest.fixture(params=["asyncio", "uvloop"])
def host(request: pytest.FixtureRequest) -> TornadoHost:
    return TornadoHost(LOOPS.get(request.param, request.param))
