"""One server for each host, and what the official clients report about it."""

from collections.abc import Iterator

import pytest

from clients.matrix import playable
from clients.processes import Report, run_matrix, serving

PLAYED: dict[int, tuple[str, ...]] = {}
"""What the clients play, by the port of the server."""


@pytest.fixture(scope="session", params=["asyncio", "uvloop", pytest.param("gevent", marks=pytest.mark.hosts)])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the server under test."""
    with serving(request.param, tmp_path_factory.mktemp("server") / "log") as number:
        PLAYED[number] = playable(request.param)
        yield number


@pytest.fixture(scope="session")
def report(node: str, port: int) -> Report:
    """Every scenario that the host makes possible, run once by the twelve clients."""
    return run_matrix(node, port, "json", *PLAYED[port])
