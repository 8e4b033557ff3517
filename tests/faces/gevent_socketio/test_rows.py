"""What docs/gevent-socketio.md says row by row, as far as no other test has it."""

import json
from collections.abc import Callable
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import gevent
import pytest
from gevent.event import Event

import waterspout.faces.gevent_socketio as face
from faces.gevent_socketio.test_crowds import Visit, begin, is_held, until
from faces.gevent_socketio.test_namespace import Server, connected, sent
from faces.gevent_socketio.test_server import serving
from hosts.client import HANDSHAKE, opening, request, text
from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.handler import SocketIOHandler
from waterspout.faces.gevent_socketio.namespace import BaseNamespace, allowed_event_name_regex
from waterspout.faces.gevent_socketio.virtsocket import Socket, default_error_handler

HOME = ("127.0.0.1", 0)


class Main(BaseNamespace):
    """Keeps what is called."""

    def initialize(self) -> None:
        self.calls: list[Any] = []

    def recv_connect(self) -> None:
        self.calls.append("connect")

    def on_note(self, value: Any) -> Any:
        self.calls.append(value)
        return value


def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    if "socketio" in environ:
        return socketio_manage(environ, {"": Main, "/chat": Main})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]


def head(visit: Visit, *lines: str) -> str:
    """Send a request, and return the head of the answer."""
    visit.sock.sendall("\r\n".join([*lines, "Host: x", "", ""]).encode())
    read = b""
    while b"\r\n\r\n" not in read:
        read += visit.sock.recv(4096)
    return read.decode()


# The server


def test_gs_s2_namespace_is_an_old_word_for_resource() -> None:
    with serving(HOME, view, namespace="/old/") as server:
        assert server.resource == "old"
        _, heartbeat, close, transports = Visit(server).asks("GET", "/old/1/").split(":")
        assert (heartbeat, close) == ("60", "60")
        assert transports == "websocket,flashsocket,htmlfile,xhr-multipart,xhr-polling,jsonp-polling"


def test_gs_s3_transports_that_are_not_enabled_are_refused() -> None:
    with serving(HOME, view, transports=["xhr-polling"]) as server:
        visit, target = begin(server, "websocket")
        visit.sock.sendall(request("GET", target, *HANDSHAKE))
        assert head(visit).startswith("HTTP/1.1 4")
        visit = Visit(server)
        visit.sock.sendall(opening())
        assert head(visit).startswith("HTTP/1.1 400 ")


def test_gs_3_only_requests_of_sockets_have_one() -> None:
    with serving(HOME, view) as server:
        assert Visit(server).asks("GET", "/page") == "a page"
    assert face.__version__ == (0, 3, 5)


def test_gs_b7_pp_33_a_silent_client_is_disconnected_after_the_timeout() -> None:
    with serving(HOME, view, heartbeat_interval="1", heartbeat_timeout="2", close_timeout="1") as server:
        visit, target = begin(server, "websocket")
        visit.sock.sendall(request("GET", target, *HANDSHAKE) + text('5:::{"name":"note","args":[1]}'))
        until(lambda: any(one.active_ns for one in server.sockets.values()))
        (found,) = server.sockets.values()
        main = found[""]
        job = main.spawn(Event().wait)
        until(lambda: not server.sockets)
        assert (job.dead, main.jobs, found.active_ns) == (True, [], {})


def test_pp_29_36_38_unknown_sessions_origins_and_both_ways_to_leave() -> None:
    with serving(HOME, view) as server:
        unknown = head(Visit(server), "GET /socket.io/1/xhr-polling/123456 HTTP/1.1")
        assert unknown.startswith("HTTP/1.1 400 ")
        answer = head(Visit(server), "GET /socket.io/1/ HTTP/1.1", "Origin: http://page.example")
        assert "Access-Control-Allow-Origin: *\r\n" in answer
        assert "Allow-Credentials" not in answer
        handshakes = len(server.sockets)
        for leaving in ("{}?t=1&disconnect=1", "/socket.io/1//{sid}/?disconnect=1"):
            visit, target = begin(server, "xhr-polling")
            assert visit.asks("GET", target) == "1::"
            assert len(server.sockets) == handshakes + 1
            sid = target.rpartition("/")[2]
            head(visit, f"GET {leaving.format(target, sid=sid)} HTTP/1.1")
            until(lambda: len(server.sockets) == handshakes)


# The manager


def test_gs_1_json_of_the_application_s_own_is_for_all_namespaces_and_clients() -> None:
    def wrapping(environ: dict[str, Any], start_response: Any) -> Any:
        return socketio_manage(
            environ,
            {"": Main, "/chat": Main},
            request={},
            json_loads=lambda content: json.loads(content, parse_int=lambda digits: f"int {digits}"),
            json_dumps=lambda value: json.dumps(value, default=lambda one: f"<{type(one).__name__}>"),
        )

    with serving(HOME, wrapping) as server:
        old, target = begin(server, "websocket")
        old.sock.sendall(request("GET", target, *HANDSHAKE) + text('5:1+:/chat:{"name":"note","args":[7]}'))
        old.reads_until(b'6::/chat:1+["int 7"]')
        new = Visit(server)
        new.sock.sendall(opening() + text("40", '421["note",7]'))
        new.reads_until(b'431["int 7"]')
        for found in server.sockets.values():
            for namespace in found.active_ns.values():
                namespace.emit("object", object())
        old.reads_until(b'"<object>"')
        new.reads_until(b'"<object>"')


# Namespaces


@pytest.fixture
def socket() -> Socket:
    server = Server()
    socket = connected(server)
    socket.keeps_server = server  # type: ignore[attr-defined]  # the socket itself has a weak reference
    return socket


def test_gs_25_68_an_error_may_name_its_packet_and_be_quiet(socket: Socket, caplog: pytest.LogCaptureFixture) -> None:
    namespace = Main({"socketio": socket}, "/chat")
    namespace.error("wrong", "it is wrong", msg_id=3)
    namespace.error("secret", "nobody is told", quiet=True)
    default_error_handler(socket, "anywhere", "on no endpoint", None, None, False)
    told = [(packet["endpoint"], packet["name"], packet["args"], packet.get("id")) for packet in sent(socket)]
    assert told == [
        ("/chat", "error", ["wrong", "it is wrong"], 3),
        ("", "error", ["anywhere", "on no endpoint"], None),
    ]
    assert "nobody is told" in caplog.text


def test_gs_30_36_the_first_access_list_may_ask_the_request(socket: Socket) -> None:
    class ForUsers(BaseNamespace):
        def get_initial_acl(self) -> list[str] | None:
            return None if self.request["user"] else ["recv_connect"]

    assert ForUsers({"socketio": socket}, "/a", request={"user": "x"}).allowed_methods is None
    assert ForUsers({"socketio": socket}, "/a", {"user": ""}).allowed_methods == {"recv_connect"}
    assert allowed_event_name_regex.match("user message 2")
    assert not allowed_event_name_regex.match("2 users")


def test_gs_54_55_a_socket_has_its_attributes_and_takes_those_of_the_manager(socket: Socket) -> None:
    fresh = Socket(Server(), {"heartbeat_interval": 1})
    names = (
        "sessid session client_queue server_queue hits heartbeats timeout state connection_established ack_callbacks "
    )
    names += "ack_counter request environ namespaces active_ns jobs error_handler config wsgi_app_greenlet"
    assert [name for name in names.split() if not hasattr(fresh, name)] == []
    assert (fresh.state, fresh.connected, fresh.config, fresh.GLOBAL_NS) == (
        "NEW",
        False,
        {"heartbeat_interval": 1},
        "",
    )
    environ, request = {"socketio": socket}, object()
    socket._set_environ(environ)
    socket._set_namespaces({"/chat": Main})
    socket._set_request(request)
    socket._set_error_handler(print)
    socket._set_json_loads(str.upper)
    socket._set_json_dumps(repr)
    assert (socket.environ, socket.namespaces, socket.request) == (environ, {"/chat": Main}, request)
    assert (socket.error_handler, socket.json_loads("a"), socket.json_dumps("a")) == (print, "A", "'a'")


def test_gs_64_removing_the_last_namespace_of_a_socket_alone_ends_it(socket: Socket) -> None:
    for name in ("/a", "/b"):
        socket.active_ns[name] = Main({"socketio": socket}, name)
    socket.remove_namespace("/a")
    assert socket.connected
    socket.remove_namespace("/b")
    assert (socket.connected, socket.state) == (False, "DISCONNECTING")


def test_gs_67_heartbeats_of_a_socket_alone() -> None:
    server = Server()
    socket = Socket(server, {"heartbeat_interval": 0.001, "heartbeat_timeout": 0.02})
    socket.state = Socket.STATE_CONNECTED
    socket._spawn_heartbeat()
    assert socket.get_client_msg(timeout=10) == "2::"
    socket.put_server_msg("2::")
    until(lambda: not socket.connected)
    assert socket.jobs == []


def test_gs_b2_b4_pp_21_42_connects_and_events_in_their_order(socket: Socket) -> None:
    gate, order = Event(), []

    class Slow(Main):
        def on_wait(self) -> None:
            gate.wait()
            order.append("waited")

        def on_next(self) -> None:
            order.append("next")

    namespaces = dict.fromkeys(["", "/chat", *(f"/{number}" for number in range(1000))], Slow)
    manager = gevent.spawn(socketio_manage, {"socketio": socket}, namespaces)
    for packet in ("1::", "1::/chat:?a=b", '5:::{"name":"wait"}', '5::/chat:{"name":"next"}'):
        socket.put_server_msg(packet)
    gevent.sleep(0)
    assert (sorted(socket.active_ns), order) == (["", "/chat"], [])
    gate.set()
    until(lambda: order == ["waited", "next"])
    assert {"type": "connect", "qs": "?a=b", "endpoint": "/chat"} in sent(socket)
    assert (socket["/chat"].calls, socket[""].calls) == (["connect"], [])
    socket.kill(detach=True)
    manager.join(timeout=10)


@pytest.mark.parametrize("revision", [1, 4])
def test_pp_5_7_a_message_that_is_no_text_is_refused_for_all_clients(revision: int) -> None:
    with serving(HOME, view) as server:
        visit, target = begin(server, "websocket")
        visit.sock.sendall(request("GET", target, *HANDSHAKE) + text('5:::{"name":"note","args":[1]}'))
        until(lambda: any(one.active_ns for one in server.sockets.values()))
        visit = Visit(server)
        visit.sock.sendall(opening() + text("40", '42["note",1]'))
        until(lambda: len([one for one in server.sockets.values() if one.active_ns]) == 2)
        for found in server.sockets.values():
            for value in (None, {"a": 1}, 7):
                with pytest.raises(TypeError, match="send it with json=True"):
                    found[""].send(value)


def test_answers_do_not_wait_for_the_client_to_confirm_their_heads() -> None:
    options = []

    class Watching(SocketIOHandler):
        def handle(self) -> None:
            options.append(self.socket.getsockopt(IPPROTO_TCP, TCP_NODELAY))
            super().handle()

    with serving(HOME, view, handler_class=Watching) as server:
        assert Visit(server).asks("GET", "/page") == "a page"
    assert options == [1]


def test_pp_30_a_second_poll_takes_the_place_of_the_first() -> None:
    with serving(HOME, view) as server:
        first, target = begin(server, "xhr-polling")
        second = Visit(server)
        assert first.asks("GET", target) == "1::"
        held = gevent.spawn(first.asks, "GET", target)
        until(lambda: is_held(server))
        later = gevent.spawn(second.asks, "GET", target)
        assert held.get(timeout=10) == "8::"
        assert Visit(server).asks("POST", target, '5:1+::{"name":"note","args":["x"]}') == "1"
        assert later.get(timeout=10) == '6:::1+["x"]'


def test_pp_46_a_client_that_reads_nothing_is_disconnected() -> None:
    with serving(HOME, view, policy={"max_outbox_bytes": 100_000}) as server:
        visit, target = begin(server, "xhr-polling")
        assert visit.asks("GET", target) == "1::"
        visit.asks("POST", target, '5:::{"name":"note","args":[1]}')
        until(lambda: any(one.active_ns for one in server.sockets.values()))
        (found,) = server.sockets.values()
        for _ in range(12):
            found[""].emit("much", "x" * 10_000)
        until(lambda: not server.sockets)
        assert not found.connected


def test_a_server_that_was_stopped_may_be_followed_by_another_at_its_address() -> None:
    address: Any = HOME
    for _ in range(2):
        with serving(address, view) as server:
            address = ("127.0.0.1", server.server_port)
            visit = Visit(server)
            visit.sock.sendall(opening() + text("40", '421["note",1]'))
            visit.reads_until(b"431[1]")
            until(lambda: len(server.sockets) == 1)
            (found,) = server.sockets.values()
        assert (server.sockets, found.active_ns, found.connected) == ({}, {}, False)
        visit.reads_until(b"\x88")  # the close frame


def test_gs_23_the_callback_of_send_is_called_when_later_clients_acknowledge() -> None:
    called: list[Any] = []
    with serving(HOME, view) as server:
        visit = Visit(server)
        visit.sock.sendall(opening() + text("40", '421["note",1]'))
        visit.reads_until(b"431[1]")
        (found,) = server.sockets.values()
        found[""].send("text", callback=lambda *args: called.append(args))
        visit.reads_until(b'421["message","text"]')
        visit.sock.sendall(text('431["got"]'))
        until(lambda: called == [("got",)])
