"""What the tests of attacks share with those of hosts, and the host on which they run."""

import pytest

from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS, TornadoHost

__all__ = ["host", "pytest_pyfunc_call", "quiet"]


@pytest.fixture(params=[2000, pytest.param(10_000, marks=pytest.mark.long)])
def many(request: pytest.FixtureRequest) -> int:
    """How many of a kind a client sends: more than any bound, and as many as it likes."""
    return int(request.param)


@pytest.fixture(params=["asyncio", "uvloop"])
def host(request: pytest.FixtureRequest) -> TornadoHost:
    return TornadoHost(LOOPS.get(request.param, request.param))
