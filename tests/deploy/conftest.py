"""Which proxies there are, and a folder for each.

`scripts/test` has one process behind nginx and HAProxy, an application of gevent-socketio behind Apache, and all else
behind nginx; `-m hosts` has the rest.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.backends import HOSTS
from deploy.proxies import find
from hosts.certificate import make_certificate
from missing import missing


@pytest.fixture(scope="module", params=["nginx", pytest.param("haproxy", marks=pytest.mark.hosts)])
def kind(request: pytest.FixtureRequest) -> str:
    """The proxy; without it the test is skipped."""
    name: str = request.param
    if find(name) is None:
        missing(f"{name} is missing; scripts/test installs Debian's, as root or with sudo")
    return name


@pytest.fixture(scope="module", params=[HOSTS[0], *(pytest.param(host, marks=pytest.mark.hosts) for host in HOSTS[1:])])
def host(request: pytest.FixtureRequest) -> str:
    """The host on which a process serves."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def folder(kind: str) -> Iterator[Path]:
    """A folder for a proxy and its servers, whose path is short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="waterspout-") as name:
        make_certificate(Path(name))
        yield Path(name)
