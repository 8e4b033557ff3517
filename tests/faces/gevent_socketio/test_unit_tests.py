"""Unit tests of namespaces, as applications had them: with a made server or a made socket, and without a loop."""

from types import SimpleNamespace
from typing import Any

import pytest

from clients.gevent_socketio_habits import Lobby, Table
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.virtsocket import Socket


class MockServer:
    """A server without clients."""

    def __init__(self) -> None:
        self.sockets: dict[str, Any] = {}


class MockSocket(Socket):
    """A socket that keeps its packets."""

    def __init__(self, server: MockServer) -> None:
        super().__init__(server, {})
        self.packets: list[dict[str, Any]] = []
        server.sockets[self.sessid] = self

    def send_packet(self, pkt: dict[str, Any]) -> None:
        self.packets.append(pkt)


@pytest.fixture
def server() -> MockServer:
    return MockServer()


@pytest.fixture
def socket(server: MockServer) -> MockSocket:
    return MockSocket(server)


def test_a_namespace_of_a_made_socket_is_called_directly(server: MockServer, socket: MockSocket) -> None:
    store: dict[str, Any] = {"players": {}}
    table = Table("short", {"socketio": socket}, "/table", request=store)
    socket.active_ns["/table"] = table
    lobby = Lobby({"socketio": socket}, "", request=store)
    assert lobby.on_log_in("mary")[:2] == ["on_enter", "on_kick"]
    assert store == {"players": {"mary": socket.sessid}}
    assert table.is_method_allowed("on_deal")
    assert table.process_packet({"type": "event", "name": "deal", "args": [1], "endpoint": "/table"}) == (
        ["card 0"],
        ["mary"],
    )
    assert lobby.on_enter("den") == 1
    lobby.emit("hello", 1)
    lobby.broadcast_event("all", 2)
    assert [(packet["name"], packet["args"], packet["endpoint"]) for packet in socket.packets] == [
        ("hello", (1,), ""),
        ("all", (2,), ""),
    ]
    lobby.disconnect()
    assert store == {"players": {}}


def test_an_event_of_a_made_packet_is_processed(socket: MockSocket) -> None:
    class Woot(BaseNamespace):
        def on_foo(self, *args: Any) -> Any:
            return args

    namespace = Woot({"socketio": socket}, "/woot")
    assert namespace.process_event({"type": "event", "name": "foo", "args": [1, 2], "endpoint": "/woot"}) == (1, 2)
    assert namespace.call_method("on_foo", {"type": "event"}, "x") == ("x",)
    assert socket.packets == []


def test_a_socket_of_the_test_s_own_needs_a_session_and_takes_packets() -> None:
    sent: list[dict[str, Any]] = []
    own = SimpleNamespace(session={}, send_packet=sent.append, server=MockServer())
    lobby = Lobby({"socketio": own}, "")
    lobby.emit("hello")
    lobby.send("text")
    lobby.broadcast_event("nobody is there")
    assert [packet["type"] for packet in sent] == ["event", "message"]
    assert own.session == {"rooms": set()}
