"""A process on gevent: `waterspout serve --host gevent` and `waterspout.hosts.gevent.serve`, from start to end."""

import http.client
import signal
import socket
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from serving import PATIENCE, Client, Command, running
from waterspout import CannotStart, Server, Socket
from waterspout.cli import main
from waterspout.hosts.gevent import serve

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
APP = """
import time
import waterspout
from gevent import monkey

server = waterspout.Server(shutdown_timeout=60)

@server.on("sleep")
def sleep(socket):
    print("asleep", flush=True)
    time.sleep(100)

@server.on("patched")
def patched(socket):
    return monkey.is_module_patched("time")

@server.on("stop")
def stop(socket):
    server.close()

def page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"""
OWN = """
from app import page, server
from waterspout.hosts.gevent import App

mounted = App(server, page)

def application(environ, start_response):
    return mounted(environ, start_response)
"""
PROGRAM = """
from app import page, server
from waterspout.hosts.gevent import serve

serve(server, page, port=0, host="127.0.0.1")
print("ended", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def serving(folder: Path, *options: str) -> AbstractContextManager[Command]:
    return running(folder, "serve", "--host", "gevent", *options)


def entered(address: str) -> Client:
    client = Client(address)
    client.enter()
    return client


def page(address: str, path: str = "/page") -> bytes:
    with urllib.request.urlopen(address + path, timeout=PATIENCE) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_beside_an_application_and_its_end(folder: Path, number: signal.Signals) -> None:
    with serving(folder, "app:server", "--app", "app:page", "--bind", "127.0.0.1:0") as command:
        address = command.address()
        assert page(address) == b"/page"
        with entered(address) as sleeper, entered(address) as client:
            sleeper.send('42["sleep"]')
            assert command.line() == "asleep"
            assert client.ask('420["patched"]') == "430[true]"
            command.process.send_signal(number)
            for each in (sleeper, client):
                assert each.until_closed() == "close 1001"
        command.process.send_signal(number)  # the second: the handler sleeps on
        assert command.end() == -number
        assert command.log.read_text() == ""


def test_an_application_that_mounts_its_own_server(folder: Path) -> None:
    with serving(folder, "--app", "own:application", "--unix", "socket") as command:
        assert command.line() == "Waterspout serves own:application at unix:socket (stop: Ctrl+C)"
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(folder / "socket"))
        for path, found in (("/x", b"/x"), ("/socket.io/?EIO=4&transport=polling", b'0{"sid":')):
            connection.request("GET", path)
            assert connection.getresponse().read().startswith(found)
        command.process.terminate()
        assert connection.sock.recv(1) == b""
        connection.close()
        assert command.end() == 0
        assert command.log.read_text() == ""


@pytest.mark.parametrize("patched", [False, True])
def test_a_program_of_ones_own(folder: Path, patched: bool) -> None:
    patch = "from gevent import monkey\nmonkey.patch_all()\n" if patched else ""
    (folder / "program.py").write_text(patch + PROGRAM)
    with running(folder, program=("program.py",)) as command:
        address = command.address()
        assert page(address) == b"/page"
        with entered(address) as client:
            client.send('42["stop"]')
            assert client.until_closed() == "close 1001"
        assert command.line() == "ended"
        assert command.end() == 0
        assert command.log.read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--host gevent", "what is to be served? Give module:server, as in chat:server, or --app module:application"),
        ("", "what is to be served? Give module:server, as in chat:server"),
        ("app:server --host gevent --port 80", "host and port are given together here: write --bind localhost:80"),
        ("app:server --host 127.0.0.1", "host and port are given together here: write --bind 127.0.0.1:8000"),
        ("app:server --host gevent --static .", "--static is for --host tornado: leave it out"),
        ("app:server --host gevent --entry e", "--entry is for --host tornado"),
        ("app:server --host gevent --loop uvloop", "--loop uvloop is for --host tornado"),
        ("app:server --host gevent --flash-policy-port 843", "--flash-policy-port is for --host tornado"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments.split()]) == 2
    assert capsys.readouterr().err.startswith(f"waterspout: {sentence}")


def test_the_example_of_a_chat_beside_a_page(tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text((EXAMPLES / "wsgi.py").read_text("utf-8"))
    with serving(tmp_path, "wsgi:server", "--app", "wsgi:page", "--bind", "127.0.0.1:0") as command:
        address = command.address()
        with entered(address) as one, entered(address) as other:
            one.send('420["ask all","how are you?"]')
            number, _, asked = other.receive().partition("[")
            assert asked == '"question","how are you?"]'
            other.send(f'43{number[2:]}["well"]')
            assert one.receive() == '430[["well"]]'
            assert page(address, "/here") == b"2 are in the chat\n"
            assert other.receive() == '42["visited","/here"]'
            one.send('421["say","hi"]')
            assert other.receive() == '42["said","hi"]'


def test_an_application_that_is_none_is_named(folder: Path) -> None:
    with serving(folder, "--app", "app:server") as command:
        assert command.end() == 2
        assert "cannot serve 'app:server': that is of type 'Server'" in command.log.read_text()


def test_a_port_that_cannot_be_had_is_an_error_of_the_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CannotStart, match="it is in use"):
        serve(Server(), port=taken.getsockname()[1], host="127.0.0.1")


def test_asynchronous_functions_are_refused_with_a_sentence() -> None:
    server = Server()

    @server.on("say")
    async def say(socket: Socket) -> None: ...

    with pytest.raises(CannotStart, match=r"^cannot serve on gevent: .*say"):
        serve(server, port=0)
