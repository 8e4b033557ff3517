"""What the whole suite shares: how hypothesis runs, and the programs that a machine may lack."""

import gc
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from missing import missing

# Shared by the tests of hosts and of attacks, which import it in either order.
pytest.register_assert_rewrite("hosts.suite", "hosts.client", "hosts.host")

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
WAITING = (HERE, CLIENTS, HERE / "deploy", HERE / "nodes")
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# The same examples on every run, and no deadline: a slow machine is no failure. All examples of "quick" are in "full",
# which is asked for: scripts/test tests/wire --hypothesis-profile=full
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=30)
settings.register_profile("full", settings.get_profile("quick"), max_examples=300)
settings.load_profile("quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for: `-m hosts` alone would take what bears both marks.

    Where there are several processes, begin with what waits for others, so that it is not left alone at the end.
    """
    if "long" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.parent not in WAITING)


# A shell lets what runs in its background ignore SIGINT, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """Keep what is there from the garbage collector, which the tests of memory call again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node, with the packages of tests/clients installed; without them the test is skipped."""
    program = shutil.which("node")
    if program is None:
        missing("node is missing; install Node.js with npm, then run scripts/test")
    if not (CLIENTS / "node_modules").is_dir():
        missing("the JavaScript clients are missing; scripts/test installs them with npm")
    return program


@pytest.fixture(scope="session")
def chromium(node: str) -> str:
    """The path of a Chromium for playwright-core (which Node runs); without one the test is skipped."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        missing("no Chromium on the PATH; scripts/test installs Debian's, as root or with sudo")
    return program
