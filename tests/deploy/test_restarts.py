"""A server that is started again behind a proxy: clients come back."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.backends import Backend, waterspout, waterspout_at
from deploy.proxies import HOST, Front, proxied
from deploy.reports import CLIENTS, Report, report, script
from deploy.visitor import Visitor
from ports import free_port

pytestmark = pytest.mark.parametrize(
    "kind",
    ["nginx", *(pytest.param(kind, marks=pytest.mark.hosts) for kind in ("haproxy", "apache2"))],
    indirect=True,
    scope="module",
)


@pytest.fixture(scope="module", params=["unix", "tcp"])
def backend(request: pytest.FixtureRequest, folder: Path) -> Iterator[Backend]:
    """A server at a Unix socket, or at a port."""
    server = waterspout(folder) if request.param == "unix" else waterspout_at(f"{HOST}:{free_port()}", folder / "log")
    with server.running():
        yield server


@pytest.fixture(scope="module")
def front(kind: str, folder: Path, backend: Backend) -> Iterator[Front]:
    with proxied(kind, [backend.address], folder) as front:
        yield front


@pytest.fixture(scope="module")
def returned(node: str, front: Front, backend: Backend) -> tuple[Report, int]:
    """What clients report who have seen the server go, at the port without a word, and the process that came."""
    how = signal.SIGTERM if backend.address.startswith("unix:") else signal.SIGKILL
    with script(node, front, "clients.mjs", "return", front.url()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        with backend.paused(how):
            pass
        return report(process, "now"), backend.pid


@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_comes_back_to_a_server_that_was_started_again(
    returned: tuple[Report, int], generation: str, transport: str
) -> None:
    seen, process = returned
    line = seen[generation, transport]
    if line["error"] is not None:
        pytest.fail(line["error"], pytrace=False)
    assert line["who"]["process"] == process


def test_a_request_meanwhile_is_refused_or_waits_at_haproxy(front: Front, backend: Backend) -> None:
    with Visitor(front) as visitor, backend.paused():
        visitor.ask("GET", "/socket.io/?EIO=4&transport=polling")
        if front.kind == "haproxy" and not backend.address.startswith("unix:"):
            assert not visitor.is_answered_within(0.3)
        else:
            assert visitor.answer()[0] == {"nginx": 502, "haproxy": 503, "apache2": 503}[front.kind]
