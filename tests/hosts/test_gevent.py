"""On gevent: all that any host does."""

import pytest

from hosts.gevent_host import GeventHost, gevent_host
from hosts.suite.compression import Compression
from hosts.suite.ending import Ending
from hosts.suite.eventsource import EventSources
from hosts.suite.old import Old, OldDrafts
from hosts.suite.origins import Origins
from hosts.suite.plain import PlainWebSockets
from hosts.suite.polling import Polling
from hosts.suite.refusing import Deciding, Refusing
from hosts.suite.resets import Resets
from hosts.suite.vanishing import Vanishing
from hosts.suite.websocket import WebSocket

ROUNDS = ["tcp", pytest.param("tls", marks=pytest.mark.hosts), pytest.param("unix", marks=pytest.mark.hosts)]


@pytest.fixture(params=ROUNDS)
def host(request: pytest.FixtureRequest) -> GeventHost:
    return gevent_host(GeventHost, request)


class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...


@pytest.mark.hosts
class TestCompression(Compression): ...


class TestEnding(Ending): ...


class TestEventSources(EventSources): ...


@pytest.mark.hosts
class TestOrigins(Origins): ...


class TestPlainWebSockets(PlainWebSockets): ...


class TestOld(Old): ...


class TestRefusing(Refusing): ...


class TestDeciding(Deciding): ...


class TestVanishing(Vanishing): ...


tcp = pytest.mark.parametrize("host", ["tcp"], indirect=True)


@pytest.mark.hosts
@pytest.mark.parametrize("host", ["tcp", "tls"], indirect=True)
class TestOldDrafts(OldDrafts): ...


@tcp
class TestResets(Resets): ...
