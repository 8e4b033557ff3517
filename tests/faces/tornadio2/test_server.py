"""A server that listens and begins by itself (T2-77, T2-S10, T2-S11, UX-2)."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from hosts.certificate import Certificate, make_certificate
from ports import free_port
from waterspout import Server
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, flashserver, server
from waterspout.faces.tornadio2.server import SocketServer
from waterspout.hosts.tornado import routes

# Tornado's `bind_sockets` leaves a socket that it could not bind to the collector.
leaves_a_socket = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

HERE: dict[str, Any] = {"socket_io_port": 0, "socket_io_address": "127.0.0.1"}


class Index(RequestHandler):
    """Says who asks, and how."""

    def get(self) -> None:
        self.write(f"{self.request.protocol} {self.request.remote_ip}")


def application(*others: Any, **settings: Any) -> Application:
    return Application([("/", Index), *others], **(HERE | settings))


async def get(url: str, **options: Any) -> Any:
    client = AsyncHTTPClient(force_instance=True)
    try:
        return await client.fetch(HTTPRequest(url, **options))
    finally:
        client.close()


async def end(*servers: SocketServer) -> None:
    for each in servers:
        each.stop()
        await each.close_all_connections()


def test_it_listens_where_the_settings_say_and_runs_the_loop() -> None:
    port = free_port()
    io_loop = IOLoop(make_current=False)
    answers: list[bytes] = []

    async def client() -> None:
        answers.append((await get(f"http://127.0.0.1:{port}/")).body)
        io_loop.stop()

    io_loop.add_callback(client)
    started = SocketServer(application(socket_io_port=port), io_loop=io_loop)
    assert answers == [b"http 127.0.0.1"]
    io_loop.run_sync(partial(end, started))
    io_loop.close()


def test_it_takes_the_current_loop_and_leaves_it_to_others_to_start() -> None:
    async def main() -> bytes:
        started = SocketServer(application(), auto_start=False)
        assert started.io_loop is IOLoop.current()
        response = await get(f"http://127.0.0.1:{started.port}/")
        await end(started)
        body: bytes = response.body
        return body

    assert asyncio.run(main()) == b"http 127.0.0.1"


def test_it_listens_at_8001_on_all_addresses_unless_it_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[object] = []

    def bind(*args: object) -> list[socket.socket]:
        bound.extend(args)
        return bind_sockets(0, "127.0.0.1")

    monkeypatch.setattr(server, "bind_sockets", bind)

    async def main() -> None:
        await end(SocketServer(Application([]), auto_start=False))

    asyncio.run(main())
    assert bound == [8001, ""]


@leaves_a_socket
def test_a_port_that_is_taken_is_an_error() -> None:
    async def main(port: int) -> None:
        with pytest.raises(OSError) as refused:
            SocketServer(application(socket_io_port=port), auto_start=False)
        assert refused.value.errno == errno.EADDRINUSE

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(main(taken.getsockname()[1]))
    gc.collect()


def test_a_stop_before_the_first_turn_of_the_loop_closes_the_port() -> None:
    async def main() -> None:
        started = SocketServer(application(socket_io_port=free_port()), auto_start=False)
        started.stop()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", started.port)

    asyncio.run(main())


@pytest.mark.parametrize(("xheaders", "seen"), [(True, b"https 203.0.113.7"), (False, b"http 127.0.0.1")])
def test_xheaders_believe_the_proxy(xheaders: bool, seen: bytes) -> None:
    async def main() -> bytes:
        started = SocketServer(application(), False, None, xheaders, auto_start=False)
        headers = {"X-Real-Ip": "203.0.113.7", "X-Scheme": "https"}
        response = await get(f"http://127.0.0.1:{started.port}/", headers=headers)
        await end(started)
        body: bytes = response.body
        return body

    assert asyncio.run(main()) == seen


@pytest.mark.parametrize("no_keep_alive", [True, False])
def test_connections_are_kept_open_unless_it_is_told_not_to(no_keep_alive: bool) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    async def main() -> bytes:
        started = SocketServer(application(), no_keep_alive, auto_start=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", started.port)
        writer.write(request)
        await reader.readuntil(b"http 127.0.0.1")
        writer.write(request)
        answer = await reader.read(8)
        writer.close()
        await end(started)
        return answer

    assert asyncio.run(main()) == (b"" if no_keep_alive else b"HTTP/1.1")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, dict[str, str]]:
    """A certificate, and the paths of its files."""
    folder = tmp_path_factory.mktemp("certificate")
    made = make_certificate(folder)
    return made, {"certfile": str(folder / "cert.pem"), "keyfile": str(folder / "key.pem")}


@pytest.mark.parametrize("form", ["dictionary", "context"])
def test_tls_takes_the_old_dictionary_and_a_context(certificate: tuple[Certificate, dict[str, str]], form: str) -> None:
    made, files = certificate
    options: dict[str, str] | ssl.SSLContext = files if form == "dictionary" else made.server

    async def main() -> bytes:
        started = SocketServer(application(), ssl_options=options, auto_start=False)
        response = await get(f"https://127.0.0.1:{started.port}/", ssl_options=made.client)
        await end(started)
        body: bytes = response.body
        return body

    assert asyncio.run(main()) == b"https 127.0.0.1"


def test_a_derived_class_may_have_arguments_of_its_own() -> None:
    class Mine(SocketServer):
        def __init__(self, name: str) -> None:
            self.name = name
            super().__init__(application(), auto_start=False)

    async def main() -> str:
        started = Mine("mine")
        await get(f"http://127.0.0.1:{started.port}/")
        await end(started)
        return started.name

    assert asyncio.run(main()) == "mine"


def test_two_servers_share_a_loop() -> None:
    """UX-2: an application of pages beside one of sockets, which other origins may use."""

    async def main() -> tuple[bytes, Any]:
        sockets = Server(cors_origins=["http://pages.example"])
        pages = SocketServer(application(), auto_start=False)
        chat = SocketServer(application(*routes(sockets)), auto_start=False)
        assert pages.port != chat.port
        page = await get(f"http://127.0.0.1:{pages.port}/")
        handshake = await get(f"http://127.0.0.1:{chat.port}/socket.io/1/", headers={"Origin": "http://pages.example"})
        await sockets.close()
        await end(pages, chat)
        return page.body, handshake

    page, handshake = asyncio.run(main())
    assert page == b"http 127.0.0.1"
    assert handshake.body.count(b":") == 3
    assert handshake.headers["Access-Control-Allow-Origin"] == "http://pages.example"


# Flash's policy


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a policy; its server listens where nobody else can ask."""
    monkeypatch.setattr(flashserver, "bind_sockets", partial(bind_sockets, address="127.0.0.1"))
    file = tmp_path / "flashpolicy.xml"
    file.write_text("<cross-domain-policy/>")
    return str(file)


def test_a_policy_is_served_if_port_and_file_are_set(policy: str) -> None:
    async def main() -> bytes:
        started = SocketServer(application(flash_policy_port=free_port(), flash_policy_file=policy), auto_start=False)
        assert started.policy_server is not None
        place = ("127.0.0.1", started.policy_server.port)
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"<policy-file-request/>\0")
        answer = await reader.read()
        writer.close()
        await end(started)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*place)
        return answer

    assert asyncio.run(main()) == b"<cross-domain-policy/>\0"


@pytest.mark.parametrize("settings", [{}, {"flash_policy_port": 0}, {"flash_policy_file": "flashpolicy.xml"}])
def test_no_policy_is_served_unless_both_are_set(policy: str, settings: dict[str, Any]) -> None:
    async def main() -> None:
        started = SocketServer(application(**settings), auto_start=False)
        assert started.policy_server is None
        await end(started)

    asyncio.run(main())


@leaves_a_socket
def test_a_policy_port_that_cannot_be_had_is_logged_and_stops_nothing(
    policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(number: int) -> bytes:
        started = SocketServer(application(flash_policy_port=number, flash_policy_file=policy), auto_start=False)
        response = await get(f"http://127.0.0.1:{started.port}/")
        await end(started)
        body: bytes = response.body
        return body

    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert asyncio.run(main(number)) == b"http 127.0.0.1"
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["tornadio2.server"]
    assert str(number) in errors[0].getMessage()
    del errors
    caplog.clear()
    gc.collect()


def test_a_program_of_old_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import logging\n"
        "from tornado.web import Application\n"
        "from waterspout.faces.tornadio2.server import SocketServer\n"
        "logging.getLogger().setLevel(logging.INFO)\n"
        "logging.getLogger().addHandler(logging.StreamHandler())\n"
        'SocketServer(Application([], socket_io_port=0, socket_io_address="127.0.0.1"))\n'
    )
    process = subprocess.Popen([sys.executable, program], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process, process.stderr as lines:
        port = int(next(lines).rpartition(" ")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 404")
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in lines.read()


# One router, several ports


class Echo(SocketConnection):
    def on_message(self, message: Any) -> Any:
        self.send(message)


async def echoed(port: int) -> bytes:
    """Go through a handshake, a POST and a GET at a port, and return what the GET brings."""
    url = f"http://127.0.0.1:{port}/socket.io/1/"
    sid = (await get(url)).body.decode().split(":")[0]
    await get(f"{url}xhr-polling/{sid}", method="POST", body=b"3:::x")
    body: bytes = (await get(f"{url}xhr-polling/{sid}")).body
    return body


def test_one_application_is_served_at_two_ports() -> None:
    async def main() -> list[bytes]:
        router = TornadioRouter(Echo)
        served = application(*router.urls)
        servers = [SocketServer(served, auto_start=False) for _ in range(2)]
        found = [await echoed(each.port) for each in servers]
        assert router.stats.dump()["max_sessions"] == 2
        await end(*servers)
        await router.engine.close()
        return found

    assert asyncio.run(main()) == ["\ufffd3\ufffd1::\ufffd5\ufffd3:::x".encode()] * 2


@pytest.mark.parametrize("kind", ["HTTPServer", "SocketServer"])
def test_bind_and_start_listen_at_a_port_of_ones_own(kind: str) -> None:
    async def main() -> bytes:
        router = TornadioRouter(Echo)
        served = application(*router.urls)
        started = HTTPServer(served) if kind == "HTTPServer" else SocketServer(served, auto_start=False)
        port = free_port()
        started.bind(port, "127.0.0.1")
        started.start()
        found = await echoed(port)
        started.stop()
        await started.close_all_connections()
        await router.engine.close()
        return found

    assert asyncio.run(main()) == "\ufffd3\ufffd1::\ufffd5\ufffd3:::x".encode()
