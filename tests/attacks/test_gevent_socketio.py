"""Clients that attack an application of gevent-socketio: what they reach, and that nobody else notices."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from faces.gevent_socketio.test_crowds import Visit, begin
from faces.gevent_socketio.test_namespace import Server, connected, sent
from faces.gevent_socketio.test_server import serving
from hosts.client import HANDSHAKE, opening, request, text
from vectors import bytes_of, load, text_of
from waterspout.faces.gevent_socketio import SocketIOServer, socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin, RoomsMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.testing import client_frame

GENERATIONS = {"socketio1": 1, "engineio3": 3, "engineio4": 4}


class Main(BaseNamespace, RoomsMixin, BroadcastMixin):
    """Has three methods for clients."""

    started = 0

    def on_echo(self, value: Any) -> Any:
        return value

    def on_keep(self, value: Any, ack: Callable[..., Any]) -> None:
        """Acknowledge nothing."""

    def recv_connect(self) -> None:
        Main.started += 1


def application(environ: dict[str, Any], start_response: Any) -> Any:
    return socketio_manage(environ, {"": Main, "/chat": Main, "/private": Main})


@pytest.fixture
def server() -> Iterator[SocketIOServer]:
    with serving(("127.0.0.1", 0), application) as server:
        yield server


def open_websocket(server: SocketIOServer, revision: int) -> Visit:
    """Return a WebSocket that has entered the global namespace."""
    if revision == 1:
        visit, target = begin(server, "websocket")
        visit.sock.sendall(request("GET", target, *HANDSHAKE))
        return visit
    visit = Visit(server)
    visit.sock.sendall(opening(eio=revision) + (text("40") if revision == 4 else b""))
    return visit


def ends(visit: Visit, revision: int) -> str:
    """Ask for an echo, and return whether the client is answered, or its connection is closed."""
    word = {1: '5:7+::{"name":"echo","args":["still here"]}'}.get(revision, '427["echo","still here"]')
    answer = re.compile(rb'(6:::7\+|437)\["still here"\]')
    with gevent.Timeout(10):
        try:
            visit.sock.sendall(text(word))
            read = b""
            while not answer.search(read):
                more = visit.sock.recv(65536)
                if not more:
                    return "closed"
                read += more
        except OSError:
            return "closed"
    return "ignored"


def hostile(row: Any) -> bytes:
    if "frames" in row:
        return b"".join(bytes.fromhex(frame) * times for frame, times in row["frames"])
    packets = [packet if isinstance(packet, dict) else text_of(packet) for packet in row["packets"]]
    frames = [client_frame(2, bytes_of(packet)) if isinstance(packet, dict) else text(packet) for packet in packets]
    times: int = row.get("times", 1)
    return b"".join(frames) * times


@pytest.mark.parametrize("kind", ["socketio1", pytest.param("engineio3", marks=pytest.mark.hosts), "engineio4"])
def test_whatever_a_client_sends_it_is_closed_or_answered_and_its_neighbour_is_answered(
    server: SocketIOServer, kind: str
) -> None:
    revision = GENERATIONS[kind]
    neighbour = open_websocket(server, revision)
    rows = [row for row in load(f"hostile_{kind}") if "websocket" in row["transports"] and "body" not in row]
    assert len(rows) > 90
    outcomes = set()
    for row in rows:
        attacker = open_websocket(server, revision)
        try:
            attacker.sock.sendall(hostile(row))
        except OSError:
            pass  # it was cut off while it sent
        outcomes.add(ends(attacker, revision))
    assert outcomes == {"closed", "ignored"}
    assert ends(neighbour, revision) == "ignored"


@pytest.mark.parametrize(
    "name",
    [
        *("__init__", "__class__", "emit", "disconnect", "spawn", "recv_connect", "recv connect", "broadcast_event"),
        *(
            "join",
            "lift_acl_restrictions",
            "process_packet",
            "echo.__globals__",
            "echo\n",
            "",
            "0",
            "écho",
            "a" * 10_000,
        ),
    ],
)
def test_a_name_reaches_nothing_but_a_method_for_events(name: str) -> None:
    server = Server()
    client = connected(server)
    view = gevent.spawn(socketio_manage, {"socketio": client}, {"": Main})
    client.put_server_msg({"type": "event", "name": name, "args": ["x"], "endpoint": ""})
    client.put_server_msg('5:7+::{"name":"echo","args":["still here"]}')
    gevent.sleep(0)
    error, answer = sent(client)
    assert error["args"][0] in ("no_such_method", "unallowed_event_name")
    assert answer["args"] == ["still here"]
    client.kill(detach=True)
    view.join(timeout=10)


def test_a_client_that_repeats_itself_starts_nothing_twice_and_fills_no_log(
    server: SocketIOServer, caplog: pytest.LogCaptureFixture
) -> None:
    attacker, started = open_websocket(server, 1), Main.started
    attacker.sock.sendall(text(*["1::/chat"] * 500, *["6:::99"] * 500, *["5::/nowhere:{}"] * 500, *["garbage"] * 500))
    assert ends(attacker, 1) == "ignored"
    assert Main.started - started == 1
    assert len(caplog.records) < 100


@pytest.mark.parametrize("revision", [3, 4])
def test_a_client_of_1_x_and_later_is_heard_in_a_namespace_once_it_has_connected(
    server: SocketIOServer, revision: int
) -> None:
    attacker = open_websocket(server, revision)
    attacker.sock.sendall(text('42/private,1["echo",1]', '42/private,["echo",2]', '43/private,1["x"]'))
    assert ends(attacker, revision) == "ignored"
    (found,) = server.sockets.values()
    assert list(found.active_ns) == [""]  # so `recv_connect` may check a client
    attacker.sock.sendall(text("40/private,"))
    assert ends(attacker, revision) == "ignored"
    assert "/private" in found


def test_a_client_is_who_it_was_when_it_connected(server: SocketIOServer) -> None:
    attacker = Visit(server)
    attacker.sock.sendall(opening() + text('40{"user":"me"}', '40{"user":"you"}'))
    assert ends(attacker, 4) == "ignored"
    (found,) = server.sockets.values()
    assert found.auth == {"user": "me"}
