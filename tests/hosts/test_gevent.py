"""On gevent: all that any host does, and what belongs to WSGI alone."""

from pathlib import Path

import pytest

from hosts.certificate import Certificate
from hosts.gevent_host import GeventHost
from hosts.suite.compression import Compression
from hosts.suite.ending import Ending
from hosts.suite.eventsource import EventSources
from hosts.suite.old import Old, OldDrafts
from hosts.suite.plain import PlainWebSockets
from hosts.suite.polling import Polling
from hosts.suite.refusing import Deciding, Refusing
from hosts.suite.resets import Resets
from hosts.suite.vanishing import Vanishing
from hosts.suite.websocket import WebSocket

ROUNDS = ["tcp", pytest.param("tls", marks=pytest.mark.hosts), pytest.param("unix", marks=pytest.mark.hosts)]


@pytest.fixture(params=ROUNDS)
def host(request: pytest.FixtureRequest) -> GeventHost:
    match request.param:
        case "tls":
            certificate: Certificate = request.getfixturevalue("certificate")
            return GeventHost(server_tls=certificate.server, client_tls=certificate.client)
        case "unix":
            folder: Path = request.getfixturevalue("tmp_path")
            return GeventHost(unix=str(folder / "socket"))
    return GeventHost()


class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...


class TestCompression(Compression): ...


class TestEnding(Ending): ...


class TestEventSources(EventSources): ...


class TestPlainWebSockets(PlainWebSockets): ...


class TestOld(Old): ...


class TestRefusing(Refusing): ...


class TestDeciding(Deciding): ...


class TestVanishing(Vanishing): ...


tcp = pytest.mark.parametrize("host", ["tcp"], indirect=True)


@pytest.mark.parametrize("host", ["tcp", pytest.param("tls", marks=pytest.mark.hosts)], indirect=True)
class TestOldDrafts(OldDrafts): ...


@tcp
class TestResets(Resets): ...
