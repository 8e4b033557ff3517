"""What the tests of attacks share with those of hosts, and the host on which they run."""

from typing import Any

import pytest

from hosts.asgi_host import UvicornHost
from hosts.gevent_host import GeventHost
from hosts.host import Host
from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS, TornadoHost

OURS = "waterspout.hosts.uvicorn"
UVICORN: dict[str, dict[str, Any]] = {
    "uvicorn": {"http": "httptools", "ws": "websockets-sansio"},
    "uvicorn-ours": {"http": f"{OURS}:HttpProtocol", "ws": f"{OURS}:WebSocketProtocol"},
}

__all__ = ["host", "pytest_pyfunc_call", "quiet"]


@pytest.fixture(params=[2000, pytest.param(10_000, marks=pytest.mark.long)])
def many(request: pytest.FixtureRequest) -> int:
    """How many of a kind a client sends: more than any bound, and as many as it likes."""
    return int(request.param)


@pytest.fixture(params=[*LOOPS, *(pytest.param(kind, marks=pytest.mark.hosts) for kind in ("gevent", *UVICORN))])
def host(request: pytest.FixtureRequest) -> Host:
    if request.param in UVICORN:
        return UvicornHost("uvloop", **UVICORN[request.param])
    return GeventHost() if request.param == "gevent" else TornadoHost(LOOPS.get(request.param, request.param))
