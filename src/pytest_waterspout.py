"""The pytest plugin of Waterspout: clients in memory, and a clock (docs/testing.md).

It is a module beside the package, which is imported when a test asks for a fixture, and not before. Each run of pytest
where Waterspout is installed has it, so it needs nothing that pytest 6.2 has not.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from waterspout.testing import Clock, Factory, Pair, Peer
    from waterspout.testing.stage import Stage

_stages: "WeakKeyDictionary[pytest.Item, Stage]" = WeakKeyDictionary()


@pytest.fixture
def waterspout_server() -> Any:
    """The server of `waterspout_pair()` and `waterspout_peer()`: write a fixture of this name that returns yours."""
    pytest.fail(
        "which server? Give it, as in waterspout_pair(server), or write a fixture `waterspout_server` that returns it",
        pytrace=False,
    )


@pytest.fixture
def waterspout_client(request: pytest.FixtureRequest) -> Any:
    """The options of clients, unless a call has others: by default none, as for a client of 4.x over a WebSocket.

    Parametrise it indirectly, with names of `waterspout.testing.CLIENTS` or with dictionaries of options, or write a
    fixture of this name that returns such.
    """
    return getattr(request, "param", {})


@pytest.fixture
def _waterspout_stage(request: pytest.FixtureRequest, waterspout_client: Any) -> Iterator["Stage"]:
    from waterspout.testing.stage import Stage

    def own_server() -> Any:
        return request.getfixturevalue("waterspout_server")

    stage = _stages[request.node] = Stage(own_server, waterspout_client)
    yield stage
    stage.close()


@pytest.fixture
def waterspout_clock(_waterspout_stage: "Stage") -> "Clock":
    """The time of the servers in this test: a `waterspout.testing.Clock`, which stands still until `advance`."""
    return _waterspout_stage.clock


@pytest.fixture
def waterspout_pair(_waterspout_stage: "Stage") -> "Factory[Pair]":
    """Make a client that has entered a namespace: `waterspout_pair(server, **options)`, as `waterspout.testing.Pair`.

    Without a server it is the fixture `waterspout_server`. At the end of the test all clients are disconnected, and all
    servers closed.
    """
    return _waterspout_stage.pair


@pytest.fixture
def waterspout_peer(_waterspout_stage: "Stage") -> "Factory[Peer]":
    """Make a client that has entered nothing: `waterspout_peer(server, **options)`, as `waterspout.testing.Peer`."""
    return _waterspout_stage.peer


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail a test whose server has reported what the test did not expect: called behind one that has passed."""
    __tracebackhide__ = True
    if (stage := _stages.get(item)) is not None:
        stage.check()
