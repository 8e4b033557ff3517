"""The examples of TornadIO2, each in a process of its own, used by Chromium with the client 0.9.17 (UX-1 to UX-6)."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from clients.examples import played, running
from ports import free_port

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples" / "tornadio2"
CLIENT = HERE / "node_modules/socket.io-client-0.9/dist/socket.io.js"
NAMES = ["ackping", "crosssite", "gen", "multiplexed", "rpcping", "ssl_transports", "stats", "transports"]
WATCHDOG_SECONDS = 120


@contextmanager
def example(name: str, log: Path) -> Iterator[str]:
    """Run an example on free ports and give its address."""
    port = free_port()
    with running(EXAMPLES / f"{name}.py", port, log, SOCKET_PORT=str(free_port()), SOCKET_IO_CLIENT=str(CLIENT)):
        yield f"{'https' if name == 'ssl_transports' else 'http'}://localhost:{port}"


@pytest.fixture(scope="module")
def seen(node: str, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each page: an error or None, by the name of its example."""
    folder = tmp_path_factory.mktemp("tornadio2")
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(example(name, folder / name)) for name in NAMES}
        return played(node, "tornadio2_pages.mjs", chromium, addresses, WATCHDOG_SECONDS)


def test_every_example_is_used_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.html")) == sorted({*NAMES} - {"ssl_transports"})
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted({*NAMES, "pages"})


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_an_example_works_with_the_client_of_its_time(seen: dict[str, Any], name: str) -> None:
    error = seen.get(name, "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_the_certificate_of_an_example_is_made_afresh(tmp_path: Path) -> None:
    with example("ssl_transports", tmp_path / "log") as address:
        port = int(address.rpartition(":")[2])
        first = ssl.get_server_certificate(("localhost", port))
    with example("ssl_transports", tmp_path / "log") as address:
        port = int(address.rpartition(":")[2])
        assert ssl.get_server_certificate(("localhost", port)) != first
