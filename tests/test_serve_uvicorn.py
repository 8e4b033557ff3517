"""An ASGI application beside a server, as `waterspout serve --host uvicorn` serves it."""

import http.client
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hosts.certificate import make_certificate
from serving import PATIENCE, Client, Command, running
from waterspout import cli

LIVE = """
from waterspout import Server

server = Server()
server.on("links")(lambda socket: [type(link).__name__ for link in server.engine.host.output.open_links])
"""
SITE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from live import server

async def news(request):
    server.emit("news", "hello")
    return PlainTextResponse("emitted")

async def fails(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})

app = Starlette(routes=[Route("/news", news)])
wsgi = lambda environ, start_response: []
"""
ALONE = """
from contextlib import asynccontextmanager
from starlette.applications import Starlette

@asynccontextmanager
async def life(app):
    start(app)
    yield

def start(app): ...

app = Starlette(lifespan=life)
"""
MOUNTING = """
def start(app):
    from waterspout import Server
    from waterspout.hosts.asgi import App
    app.mount("/socket.io", App(Server()))
"""
WITHOUT = """
import sys
sys.modules |= dict.fromkeys({})
from waterspout import cli
sys.exit(cli.main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "live.py").write_text(LIVE)
    (folder / "site_beside.py").write_text(SITE)
    return folder


def serving(folder: Path, *options: str) -> AbstractContextManager[Command]:
    return running(folder, "serve", "live:server", "--host", "uvicorn", "--app", "site_beside:app", *options)


@pytest.fixture(scope="module")
def command(folder: Path) -> Iterator[Command]:
    with serving(folder, "--bind", "127.0.0.1:0") as command:
        yield command


def test_views_and_clients_meet_and_websockets_are_ours_until_the_end(command: Command) -> None:
    address = command.address()
    with Client(address) as client:
        client.enter()
        assert client.ask('420["links"]') == '430[["TransportLink"]]'
        web = http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE)
        web.request("GET", "/news")
        assert web.getresponse().read() == b"emitted"
        web.close()
        assert client.receive() == '42["news","hello"]'
        command.process.send_signal(signal.SIGTERM)
        assert client.until_closed() == "close 1001"
    assert command.end() == 0


@pytest.mark.parametrize("is_there", [False, True])
def test_an_application_that_mounts_no_app_is_warned_of(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "alone.py").write_text(ALONE + (MOUNTING if is_there else ""))
    with running(tmp_path, "serve", "--host", "uvicorn", "--app", "alone:app", "--bind", "127.0.0.1:0") as command:
        command.address()
        command.process.send_signal(signal.SIGTERM)
        assert command.end() == 0
    warning = "no waterspout.hosts.asgi.App is mounted, so clients of Socket.IO get answers of the application"
    assert (warning in command.log.read_text()) is not is_there


@pytest.mark.hosts
def test_over_tls_and_with_a_restart_for_changes(folder: Path, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    tls = "--certfile", str(tmp_path / "cert.pem"), "--keyfile", str(tmp_path / "key.pem")
    with serving(folder, "--bind", "127.0.0.1:0", "--reload", *tls) as command:
        with Client(command.address(), cafile=tmp_path / "cert.pem") as client:
            client.enter()
            (folder / "live.py").write_text(LIVE + "\n")
            assert client.until_closed() == "close 1001"
        with Client(command.address(), cafile=tmp_path / "cert.pem") as client:
            client.enter()
        command.process.send_signal(signal.SIGTERM)
        assert command.end() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--app site_beside:wsgi", "cannot serve 'site_beside:wsgi': it is no ASGI application"),
        (
            "--app live:server",
            "cannot serve 'live:server' as an application: it is a server, which is named without --app",
        ),
        (
            "--app site_beside:Starlette",
            "cannot serve 'site_beside:Starlette': it is a class; call it, as in app = Star",
        ),
        ("--app site_beside:fails --bind 127.0.0.1:0", "the application has failed to start: the log says why"),
        (
            "--app site_beside:app --static public",
            "--static is for --host tornado: leave it out, or serve without --host uvicorn",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: str, sentence: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    assert cli.main(["serve", "--host", "uvicorn", *options.split()]) == 2
    assert f"waterspout: {sentence}" in capsys.readouterr().err


def test_a_uvicorn_without_websockets_is_refused_with_a_sentence(folder: Path) -> None:
    program = ("-c", WITHOUT.format(["websockets", "wsproto"]))
    options = ("live:server", "--host", "uvicorn", "--app", "site_beside:app")
    with running(folder, "serve", *options, program=program) as command:
        assert command.end() == 2
        sentence = "waterspout: --host uvicorn needs websockets: pip install 'uvicorn[standard]'\n"
        assert command.log.read_text() == sentence


def test_a_uvicorn_without_its_usual_packages_serves_polls_by_itself_and_websockets_are_ours(folder: Path) -> None:
    program = ("-c", WITHOUT.format(["httptools", "websockets"]))
    with running(
        folder, "serve", "live:server", "--host", "uvicorn", "--bind", "127.0.0.1:0", program=program
    ) as command:
        address = command.address()
        web = http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE)
        web.request("GET", "/socket.io/?EIO=4&transport=polling")
        sid = web.getresponse().read().decode().split('"')[3]
        web.request("POST", f"/socket.io/?EIO=4&transport=polling&sid={sid}", "40")
        assert web.getresponse().read() == b"ok"
        web.close()
        with Client(address) as client:
            client.enter()
            assert client.ask('420["links"]') == '430[["TransportLink"]]'
        command.process.send_signal(signal.SIGTERM)
        assert command.end() == 0
