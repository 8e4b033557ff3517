"""The server in a hub of the test: listeners, views, and its end."""

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.pool import Pool
from gevent.ssl import SSLSocket
from gevent.threadpool import ThreadPool

from hosts.certificate import make_certificate
from serving import PATIENCE
from serving import Client as WebSocketClient
from waterspout.faces.gevent_socketio import SocketIOServer, socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin, RoomsMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.policyserver import FlashPolicyServer
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Peer

HANDSHAKE = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"


class Main(BaseNamespace):
    """The global namespace."""

    def on_echo(self, value: Any) -> Any:
        return value


def application(environ: dict[str, Any], start_response: Any) -> Any:
    if "managed" in environ["QUERY_STRING"]:
        return socketio_manage(environ, {"": Main})
    start_response("404 Not Found", [("Content-Length", "4")])
    return [b"none"]


@contextmanager
def serving(listener: Any, app: Any = application, access_log: Any = None, **options: Any) -> Iterator[SocketIOServer]:
    """Serve in this greenlet's hub."""
    server = SocketIOServer(listener, app, log=access_log, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(timeout=0.2)
        assert server.sockets == {}


def in_thread(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call a function in a thread, while the hub turns."""
    pool = ThreadPool(1)
    try:
        return pool.apply(function, args)
    finally:
        pool.kill()


class Client:
    """A client that polls, in a thread, so that the hub can turn."""

    def __init__(self, server: SocketIOServer, query: str = "&managed=1") -> None:
        self._pool = ThreadPool(1)
        self._http = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        self._target = f"/socket.io/?EIO=4&transport=polling{query}"
        self._target += f"&sid={json.loads(self.ask('GET')[1][1:])['sid']}"

    def ask(self, method: str, body: str | None = None) -> tuple[int, str]:
        answer: tuple[int, str] = self._pool.apply(self._ask, (method, body))
        return answer

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()
        self._pool.kill()

    def _ask(self, method: str, body: str | None) -> tuple[int, str]:
        self._http.request(method, self._target, body)
        response = self._http.getresponse()
        return response.status, response.read().decode()


def test_sockets_come_and_go_in_the_servers_table() -> None:
    with serving(("127.0.0.1", 0)) as server, Client(server) as client:
        client.ask("POST", "40")
        (found,) = server.sockets.values()
        assert server.get_socket(found.sessid) == found
        assert (found.hits, found.connected) == (1, True)
        assert server.get_socket("unknown") is None
        assert client.ask("GET")[1].startswith('40{"sid":')
        client.ask("POST", '421["echo","x"]')
        assert client.ask("GET") == (200, '431["x"]')
        for one in server.sockets.values():  # looped over while they go
            one.disconnect()
        client.ask("POST", "1")
        while server.sockets:
            gevent.sleep(0.001)
        assert found.state == found.STATE_DISCONNECTING


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_that_arrives_in_a_view_ends_the_program(interrupt: type[BaseException]) -> None:
    def view(environ: dict[str, Any], start_response: Any) -> Any:
        raise interrupt

    with serving(("127.0.0.1", 0), view) as server, closing(socket.socket()) as client:
        client.connect(("127.0.0.1", server.server_port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(interrupt):
            gevent.sleep(PATIENCE)


def test_methods_that_block_the_hub_are_named(caplog: pytest.LogCaptureFixture) -> None:
    class Blocking(Main):
        def on_first(self) -> None:
            self.block(1)

        def on_second(self) -> None:
            self.block(2)

        def block(self, lines: int) -> None:
            end = time.monotonic() + 5
            while time.monotonic() < end and len(caplog.records) < lines:
                time.sleep(0.001)

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        return socketio_manage(environ, {"": Blocking})

    with serving(("127.0.0.1", 0), view) as server, Client(server) as client:
        server.engine.driver.slow_handler = 0.02
        for text in ("40", '420["first"]', '421["second"]', '422["echo",1]'):
            client.ask("POST", text)
        while "432" not in client.ask("GET")[1]:
            pass
    texts = [record.getMessage() for record in caplog.records if record.name == "waterspout.server"]
    assert len(texts) == 2
    for text in texts:
        assert text.startswith("the namespace '' (test_server.py:")
        assert text.endswith("run it in a thread: gevent.get_hub().threadpool.apply(function, args)")


def test_a_view_that_manages_nothing_sends_its_client_away(caplog: pytest.LogCaptureFixture) -> None:
    with serving(("127.0.0.1", 0)) as server, Client(server, "") as client:
        client.ask("POST", "40")
        while server.sockets:
            gevent.sleep(0.001)
    assert "answered 404 Not Found to /socket.io/1/xhr-polling/" in caplog.text
    assert "let a view of this path call socketio_manage" in caplog.text


def test_the_view_of_a_websocket_gets_a_plain_request_as_frameworks_know_them() -> None:
    seen: list[dict[str, Any]] = []

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ)
        return socketio_manage(environ, {"": Main})

    def connect(port: int) -> None:
        with WebSocketClient(f"http://127.0.0.1:{port}") as client:
            client.enter()
            client.ask('420["echo",1]')

    with serving(("127.0.0.1", 0), view) as server:
        in_thread(connect, (server.server_port,))
    assert [environ["PATH_INFO"].split("/")[3] for environ in seen] == ["websocket"]
    assert not {"HTTP_UPGRADE", "HTTP_CONNECTION"} & set(seen[0])  # by which Werkzeug would answer 400


def test_listeners_are_addresses_sockets_and_paths(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with serving(listener) as server, Client(server) as client:
            assert server.server_port == listener.getsockname()[1]
            assert client.ask("POST", "40") == (200, "ok")
    path = str(tmp_path / "socket")
    for place in (path, f"unix:{path}"):
        with serving(place):
            assert in_thread(_handshake_at, (path,)).startswith(b"HTTP/1.1 200 OK")
        assert not Path(path).exists()


def test_a_number_is_a_descriptor_where_a_socket_listens_at_it_and_else_a_port() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port, descriptor = listener.getsockname()[1], listener.detach()
    with serving(descriptor) as server, Client(server) as client:
        assert server.server_port == port
        assert client.ask("POST", "40") == (200, "ok")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)  # the server has closed it
    with socket.socket() as connected:
        assert SocketIOServer(connected.fileno(), application).address == ("", connected.fileno())
        assert connected.getsockname()
    assert SocketIOServer(8000, application).address == ("", 8000)


def test_the_keywords_of_gevents_server(tmp_path: Path) -> None:
    pool = Pool(10)
    log, path = tmp_path / "log", tmp_path / "socket"
    more = {"environ": {"site.name": "x"}, "spawn": pool, "backlog": 5, "error_log": None}
    server = SocketIOServer(listener=("127.0.0.1", 0), application=application, log_file=str(log), **more)
    server.start()
    assert (server.pool, server.backlog, server.get_environ()["site.name"]) == (pool, 5, "x")
    assert in_thread(_get, (server.server_port, "/page")) == b"none"
    server.stop(timeout=1)
    assert '"GET /page HTTP/1.1" 404 ' in log.read_text()
    server_log: Any = server.log
    server_log.close()
    with serving(str(path), spawn=1) as server:
        assert in_thread(_handshake_at, (str(path),)).startswith(b"HTTP/1.1 200 OK")


def test_with_tls(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    names = {"keyfile": str(tmp_path / "key.pem"), "certfile": str(tmp_path / "cert.pem")}

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        return socketio_manage(environ, {"": Main})

    with serving(("127.0.0.1", 0), view, **names) as server:
        address = "127.0.0.1", server.server_port
        with socket.create_connection(address) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert in_thread(_echo, (f"https://127.0.0.1:{server.server_port}", tmp_path)) == '430["x"]'


def test_a_context_of_python_s_own_lets_nobody_wait_for_a_client(tmp_path: Path) -> None:
    kinds = set()

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        return socketio_manage(environ, {"": Main})

    class Server(SocketIOServer):
        def handle(self, client_socket: Any, address: Any) -> None:
            kinds.add(type(client_socket))
            super().handle(client_socket, address)

    server = Server(("127.0.0.1", 0), view, log=None, ssl_context=make_certificate(tmp_path).server)
    server.start()
    assert in_thread(_echo, (f"https://127.0.0.1:{server.server_port}", tmp_path)) == '430["x"]'
    server.stop(timeout=0.1)
    assert kinds == {SSLSocket}


def _echo(address: str, folder: Path) -> str:
    with WebSocketClient(address, cafile=folder / "cert.pem") as client:
        client.enter()
        return client.ask('420["echo","x"]')


def test_a_terminal_over_tls_at_a_unix_socket(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    path, certificate = str(tmp_path / "socket"), str(tmp_path / "cert.pem")
    with serving(path, Terminals(), certfile=certificate, keyfile=str(tmp_path / "key.pem")) as server:
        server.set_environ({"terminals": "kept"})
        assert in_thread(_typed, (path, certificate)) == ['40/term,{"sid"', '42/term,["output","kept> ls"]']


class Terminals:
    """An application that is an object, which keeps what its clients use."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return bytes(socketio_manage(environ, {"/term": Terminal}, self) or b"")


class Terminal(BaseNamespace):
    """One of its clients."""

    def on_type(self, line: str) -> None:
        self.request.lines.append(line)
        self.emit("output", f"{self.environ['terminals']}> {self.request.lines[-1]}")


def _typed(path: str, certificate: str) -> list[str]:
    """Connect, type a line, and return what comes."""
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(path)
        context = ssl.create_default_context(cafile=certificate)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            connection = http.client.HTTPConnection("127.0.0.1")
            connection.sock = client

            def ask(method: str, body: str | None = None) -> str:
                connection.request(method, target, body)
                return connection.getresponse().read().decode()

            target = "/socket.io/?EIO=4&transport=polling"
            target += f"&sid={json.loads(ask('GET')[1:])['sid']}"
            assert ask("POST", "40/term,") == "ok"
            came = ask("GET").partition(":")[0]
            assert ask("POST", '42/term,["type","ls"]') == "ok"
            return [came, ask("GET")]


def _handshake_at(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(HANDSHAKE)
        return client.recv(1000)


def test_a_client_of_0_9_is_told_of_broken_packets_and_may_tell_of_errors() -> None:
    errors: list[Any] = []

    class Heard(Main):
        def recv_error(self, packet: dict[str, Any]) -> None:
            errors.append((packet["reason"], packet["advice"]))

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        return socketio_manage(environ, {"": Heard})

    with serving(("127.0.0.1", 0), view) as server:
        sent = ["garbage", "7:::2+0", '5:1::{"name":"echo","args":["x"]}', '5:2+::{"name":"echo","args":["y"]}']
        said = in_thread(_talk_as_0_9, (server.server_port, sent))
        while not server.sockets or len(errors) < 1:
            gevent.sleep(0.001)
    assert errors == [("unauthorized", "reconnect")]
    assert '"args":["invalid_packet"' in said
    assert "6:::1" in said
    assert '6:::2+["y"]' in said


def _talk_as_0_9(port: int, packets: list[str]) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:

        def ask(method: str, path: str, body: str | None = None) -> str:
            connection.request(method, path, body)
            return connection.getresponse().read().decode()

        path = f"/socket.io/1/xhr-polling/{ask('GET', '/socket.io/1/').partition(':')[0]}"
        said = ask("GET", path)
        for packet in packets:
            ask("POST", path, packet)
        while '6:::2+["y"]' not in said:
            said += ask("GET", path)
        return said


class Crowd(BaseNamespace, BroadcastMixin, RoomsMixin):
    """A namespace with everybody in one room."""

    def recv_connect(self) -> None:
        self.join("room")


def test_what_is_sent_to_many_is_encoded_once_for_each_generation() -> None:
    encoded: list[Any] = []

    def dumps(value: Any) -> str:
        encoded.append(value)
        return json.dumps(value)

    def view(environ: dict[str, Any], start_response: Any) -> Any:
        return socketio_manage(environ, {"/crowd": Crowd}, json_dumps=dumps)

    server = SocketIOServer(("127.0.0.1", 0), view)
    peers = [Peer(server.engine, generation=each) for each in (SOCKETIO_1, ENGINEIO_3, ENGINEIO_4) * 3]
    outsider = Peer(server.engine)
    for peer in (*peers, outsider):
        peer.connect("/crowd" if peer is not outsider else "/")
    gevent.sleep(0)  # in which the views begin
    assert sum("/crowd" in one for one in server.sockets.values()) == len(peers)
    first = next(iter(server.sockets.values()))["/crowd"]
    room = partial(first.emit_to_room, "room")
    for send in (first.broadcast_event, first.broadcast_event_not_me, room):
        encoded.clear()
        send("said", {"to": "ä"})
        came = [peer.events("/crowd") for peer in peers]
        assert came[1:] == [[("said", {"to": "ä"})]] * 8
        assert came[0] == (came[1] if send == first.broadcast_event else [])
        assert len(encoded) == 3
    assert outsider.events("/crowd") == []
    for one in server.sockets.values():
        one.kill(detach=True)
        one.wsgi_app_greenlet.join(PATIENCE)
    assert server.sockets == {}


@pytest.mark.parametrize("generations", [(SOCKETIO_1, ENGINEIO_4), (ENGINEIO_4, SOCKETIO_1)])
@pytest.mark.parametrize("value", [{b"key": 1}, {None: 1}])
def test_an_event_that_cannot_be_sent_to_one_generation_reaches_nobody(generations: Any, value: Any) -> None:
    server = SocketIOServer(("127.0.0.1", 0), lambda environ, start: socketio_manage(environ, {"/crowd": Crowd}))
    peers = [Peer(server.engine, generation=each) for each in generations]
    for peer in peers:
        peer.connect("/crowd")
    gevent.sleep(0)  # in which the views begin
    first = next(iter(server.sockets.values()))["/crowd"]
    with pytest.raises(TypeError, match=r"not bytes|None"):
        first.broadcast_event("said", value)
    assert [peer.events("/crowd") for peer in peers] == [[], []]
    for one in server.sockets.values():
        one.kill(detach=True)
        one.wsgi_app_greenlet.join(PATIENCE)


def test_a_server_that_has_stopped_may_start_again() -> None:
    server = SocketIOServer(("127.0.0.1", 0), application, log=None)
    for _ in range(2):
        server.start()
        with Client(server) as client:
            client.ask("POST", "40")
            client.ask("POST", '421["echo","x"]')
            assert client.ask("GET")[1].endswith('431["x"]')
        server.stop(timeout=0.1)
        assert server.sockets == {}


def test_another_resource_and_fewer_transports() -> None:
    with serving(("127.0.0.1", 0), resource="my/socket:io", transports=["xhr-polling"]) as server:
        assert in_thread(_get, (server.server_port, "/my/socket:io/1/")).endswith(b":60:60:xhr-polling")
        assert in_thread(_get, (server.server_port, "/socket.io/1/")) == b"none"
    with pytest.raises(ValueError, match=r"transports should be elements of: websocket, .*'htmlfiles' is none"):
        SocketIOServer(("127.0.0.1", 0), application, transports=["htmlfiles"])


def _get(port: int, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def test_the_policy_of_flash_is_served_only_where_it_is_asked_for() -> None:
    with serving(("127.0.0.1", 0)) as server:
        assert server.policy_server is None
    with serving(("127.0.0.1", 0), policy_listener=("127.0.0.1", 0)) as server:
        assert isinstance(server.policy_server, FlashPolicyServer)
        answer = in_thread(_policy, (server.policy_server.server_port,))
        assert answer.startswith(b"<cross-domain-policy>")
        assert server.policy_server.started
    assert not server.policy_server.started


def _policy(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"<policy-file-request/>\0")
        return client.recv(1000)
