"""Many clients: each costs the greenlet of its view, and those that have gone leave nothing, whatever carried them."""

import gc
import http.client
import json
import logging
import socket as sockets_of_python
import struct
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import gevent
import pytest
from gevent import socket

from attacks.measures import memory, objects
from faces.gevent_socketio.test_server import serving
from hosts.client import HANDSHAKE, opening, request, text
from hosts.host import sockets
from hosts.test_gevent_crowds import greenlets
from waterspout.faces.gevent_socketio import SocketIOServer, socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin, RoomsMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.hosts import link

CROWD = 1000
jobs = {"begun": 0, "ended": 0}


class Main(BaseNamespace, RoomsMixin, BroadcastMixin):
    """Works for its client until that is gone."""

    def on_job(self) -> str:
        self.join("workers")
        self.session["me"] = self
        self.spawn(self.job)
        gevent.sleep(0)
        self.emit("question", callback=self.on_job)
        return "begun"

    def job(self) -> None:
        jobs["begun"] += 1
        try:
            gevent.sleep(1000)
        finally:
            jobs["ended"] += 1


def application(environ: dict[str, Any], start_response: Any) -> Any:
    return socketio_manage(environ, {"": Main, "/other": Main})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[SocketIOServer]:
    monkeypatch.setattr(link, "LINGER", 0.05)  # s; a timer holds each link that has said its last so long
    with serving(("127.0.0.1", 0), application, backlog=CROWD) as server:
        yield server
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == [], caplog.text


def until(is_so: Callable[[], bool]) -> None:
    with gevent.Timeout(200):
        while not is_so():
            gevent.sleep(0.005)


class Visit:
    """A client's connection; `says` asks over it, and `vanish` ends it by a reset, as the end of a process does."""

    def __init__(self, server: SocketIOServer) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.server_port))
        self.sock.setsockopt(sockets_of_python.IPPROTO_TCP, sockets_of_python.TCP_NODELAY, 1)
        self._http = http.client.HTTPConnection("127.0.0.1")
        self._http.sock = self.sock

    def __del__(self) -> None:
        self.sock.close()

    def asks(self, method: str, target: str, body: str | None = None) -> str:
        form = {"Content-Type": "application/x-www-form-urlencoded"} if "jsonp" in target else {}
        self._http.request(method, target, body, {"Referer": "http://127.0.0.1/", **form})
        return self._http.getresponse().read().decode()

    def reads_until(self, word: bytes) -> None:
        read = b""
        while word not in read:
            more = self.sock.recv(4096)
            assert more, read
            read += more

    def vanish(self) -> None:
        self.sock.setsockopt(sockets_of_python.SOL_SOCKET, sockets_of_python.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def poll(server: SocketIOServer) -> tuple[Visit, str]:
    """Begin to poll, and let a job begin; return the path."""
    visit = Visit(server)
    target = "/socket.io/?EIO=4&transport=polling"
    target += f"&sid={json.loads(visit.asks('GET', target)[1:])['sid']}"
    visit.asks("POST", target, '40\x1e40/other,\x1e421["job"]')
    while "431" not in visit.asks("GET", target):
        pass
    return visit, target


def polling(server: SocketIOServer) -> None:
    visit, target = poll(server)
    visit.asks("POST", target, "1")
    visit.vanish()


def is_held(server: SocketIOServer) -> bool:
    """Tell whether a poll waits for something to say."""
    transports: list[Any] = [session.transport for session in server.engine.sessions.values()]
    return any(transport.waiting for transport in transports)


def killed_in_its_poll(server: SocketIOServer) -> None:
    visit, target = poll(server)
    visit.sock.sendall(request("GET", target))
    until(lambda: is_held(server))
    visit.vanish()


def websocket(server: SocketIOServer) -> None:
    visit = Visit(server)
    visit.sock.sendall(opening() + text("40", "40/other,", '421["job"]'))
    visit.reads_until(b"431")
    visit.vanish()


def begin(server: SocketIOServer, transport: str) -> tuple[Visit, str]:
    """Make a handshake of 0.9, and return the path of the transport."""
    visit = Visit(server)
    return visit, f"/socket.io/1/{transport}/{visit.asks('GET', '/socket.io/1/').partition(':')[0]}"


def websocket_of_0_9(server: SocketIOServer) -> None:
    visit, target = begin(server, "websocket")
    visit.sock.sendall(request("GET", target, *HANDSHAKE) + text('5:1+::{"name":"job"}'))
    visit.reads_until(b'["begun"]')
    visit.sock.sendall(text("0::"))
    visit.reads_until(b"\x88")  # the close frame
    visit.vanish()


def xhr_polling(server: SocketIOServer) -> None:
    visit, target = begin(server, "xhr-polling")
    visit.asks("GET", target)
    visit.asks("POST", target, '5:1+::{"name":"job"}')
    while "begun" not in visit.asks("GET", target):
        pass
    visit.asks("GET", f"{target}?disconnect=1")
    visit.vanish()


def jsonp_polling(server: SocketIOServer) -> None:
    visit, target = begin(server, "jsonp-polling")
    visit.asks("GET", f"{target}?i=0")
    visit.asks("POST", f"{target}?i=0", "d=" + quote(json.dumps('5:1+::{"name":"job"}')))
    visit.asks("GET", f"{target.replace('jsonp', 'xhr')}?disconnect=1")
    visit.vanish()


def streaming(transport: str) -> Callable[[SocketIOServer], None]:
    def visit_by(server: SocketIOServer) -> None:
        beside, target = begin(server, transport)
        stream = Visit(server)
        stream.sock.sendall(request("GET", target))
        stream.reads_until(b"1::")
        beside.asks("POST", target, '5:1+::{"name":"job"}')
        stream.reads_until(b"begun")
        stream.vanish()
        beside.asks("GET", f"{target}?disconnect=1")
        beside.vanish()

    return visit_by


VISITS = {
    "polling": polling,
    "polling, killed": killed_in_its_poll,
    "websocket": websocket,
    "0.9 websocket": websocket_of_0_9,
    "0.9 xhr-polling": xhr_polling,
    "0.9 jsonp-polling": jsonp_polling,
    "0.9 htmlfile": streaming("htmlfile"),
    "0.9 xhr-multipart": streaming("xhr-multipart"),
}


@pytest.mark.parametrize("transport", VISITS)
@pytest.mark.parametrize("visits", [30, pytest.param(2000, marks=pytest.mark.hosts)])
def test_clients_that_have_gone_leave_nothing(server: SocketIOServer, transport: str, visits: int) -> None:
    def come_and_go(count: int) -> None:
        for _ in range(count):
            VISITS[transport](server)
        until(lambda: not server.sockets and not server.engine.sessions and jobs["begun"] == jobs["ended"])

    come_and_go(10)
    before = greenlets(), sockets(), objects(), jobs["begun"]
    come_and_go(visits)
    until(lambda: greenlets() <= before[0] and sockets() <= before[1])
    assert jobs["begun"] - before[3] == visits
    until(lambda: objects() - before[2] < 100)


@pytest.mark.parametrize("crowd", [200, pytest.param(CROWD, marks=pytest.mark.hosts)])
def test_a_client_costs_the_greenlet_of_its_view(server: SocketIOServer, crowd: int) -> None:
    websocket(server)
    until(lambda: not server.sockets)
    before = greenlets()
    clients = [Visit(server) for _ in range(crowd)]
    for client in clients:
        client.sock.sendall(opening() + text("40"))
    until(lambda: sum(len(one.active_ns) == 0 and one.connected for one in server.sockets.values()) == crowd)
    until(lambda: greenlets() <= before + crowd)
    for client in clients:
        client.vanish()
    until(lambda: not server.sockets)
    until(lambda: greenlets() <= before)


def test_a_handshake_after_which_nobody_comes_costs_little(server: SocketIOServer) -> None:
    visit = Visit(server)

    def shake_hands(count: int) -> None:
        for _ in range(count):
            visit.asks("GET", "/socket.io/1/")

    shake_hands(50)
    with memory() as taken:
        shake_hands(200)
        gc.collect()
        assert taken.now / 200 < 6000  # bytes: 4,400, of which the environment has most
