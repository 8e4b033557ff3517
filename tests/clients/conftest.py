"""One server for each host."""

from collections.abc import Iterator

import pytest

from clients.processes import serving


@pytest.fixture(scope="session", params=["asyncio", "uvloop", pytest.param("gevent", marks=pytest.mark.hosts)])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the server under test."""
    with serving(request.param, tmp_path_factory.mktemp("server") / "log") as number:
        yield number
