"""gunicorn's worker and the server of a paste file, with the real gunicorn and the real PasteDeploy."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ports import free_port
from serving import PATIENCE, Client

SITE = """
import os, time
import waterspout
from waterspout.hosts.gevent import App

server = waterspout.Server()
server.on("pid")(lambda socket: os.getpid())

def page(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open("begun", "w").close()
        while not os.path.exists("go on"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

app = App(server, page)

def make(global_conf):
    return app
"""
WORKER = "waterspout.hosts.gunicorn.Worker"
PASTE = """
[app:main]
use = call:site_under_test:make

[server:main]
use = egg:waterspout#gevent
port = {port}
"""
RUN_PASTE = """
from paste.deploy import loadapp, loadserver
server = loadserver("config:" + {path!r})
server(loadapp("config:" + {path!r}))
"""
WITHOUT = """
import sys
from gunicorn.app.wsgiapp import run

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError("No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
run()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_under_test.py").write_text(SITE)
    return tmp_path


@contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *command], cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def gunicorn(folder: Path, port: int, *options: str, worker: str = WORKER) -> Iterator[subprocess.Popen[bytes]]:
    command = ("--worker-class", worker, "--no-control-socket", "--bind", f"127.0.0.1:{port}", *options)
    with running(folder, "-m", "gunicorn", *command, "site_under_test:app") as process:
        until(lambda: bool(ask(port)), folder)
        yield process


def ask(port: int, path: str = "/") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except OSError:
        return b""
    finally:
        connection.close()


def until(is_so: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.02)


def log_of(folder: Path) -> str:
    return (folder / "log").read_text()


# What a worker and a server of a paste file do, whoever they are of: the applications have a page and an event "pid"


def check_the_end(folder: Path, worker: str) -> None:
    """Let gunicorn serve a client, and end."""
    port = free_port()
    with gunicorn(folder, port, worker=worker) as process:
        with Client(f"http://127.0.0.1:{port}") as client:
            client.enter()
            assert client.ask('420["pid"]') == f"430[{ask(port).decode()}]"
            process.send_signal(signal.SIGTERM)
            assert client.until_closed() == "close 1001"
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log_of(folder)


def check_several_workers(folder: Path, worker: str) -> None:
    """Let gunicorn warn of several processes."""
    port = free_port()
    with gunicorn(folder, port, "--workers", "2", worker=worker), Client(f"http://127.0.0.1:{port}") as client:
        client.enter()
        until(lambda: "one of several processes" in log_of(folder), folder)


@contextmanager
def paste(folder: Path, program: str, site: str) -> Iterator[tuple["subprocess.Popen[bytes]", Client, int]]:
    """Run the server of a paste file, and ask it; give it with a client and its port."""
    port = free_port()
    path = folder / "site.ini"
    path.write_text(site.format(port=port))
    with running(folder, "-c", program.format(path=str(path))) as process:
        until(lambda: bool(ask(port)), folder)
        with Client(f"http://127.0.0.1:{port}") as client:
            client.enter()
            assert client.ask('420["pid"]') == f"430[{process.pid}]"
            yield process, client, port


def test_gunicorn_serves_and_ends_its_clients(folder: Path) -> None:
    check_the_end(folder, WORKER)


def test_a_reload_loses_no_request_that_has_begun(folder: Path) -> None:
    port = free_port()
    with gunicorn(folder, port) as process:
        before = ask(port)
        answers: list[bytes] = []
        slow = threading.Thread(target=lambda: answers.append(ask(port, "/slow")))
        slow.start()
        until((folder / "begun").exists, folder)
        process.send_signal(signal.SIGHUP)
        until(lambda: ask(port) not in (b"", before), folder)
        (folder / "go on").touch()
        slow.join(PATIENCE)
        assert answers == [before]
        until(lambda: f"Worker exiting (pid: {before.decode()})" in log_of(folder), folder)


def test_a_worker_is_followed_by_another_after_so_many_requests(folder: Path) -> None:
    port = free_port()
    with gunicorn(folder, port, "--max-requests", "3"):
        first = ask(port)
        until(lambda: ask(port) not in (b"", first), folder)
    assert "Autorestarting worker" in log_of(folder)


def test_several_workers_are_warned_of(folder: Path) -> None:
    check_several_workers(folder, WORKER)


def test_a_paste_file_serves(folder: Path) -> None:
    with paste(folder, RUN_PASTE, PASTE) as (process, client, _):
        process.send_signal(signal.SIGTERM)
        assert client.until_closed() == "close 1001"
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("worker", "name", "remedy"),
    [
        ("waterspout.hosts.uvicorn.Worker", "uvicorn", ": pip install 'uvicorn[standard]'"),
        (WORKER, "gevent", "\nInstall gunicorn with what its workers of gevent need: pip install 'gunicorn[gevent]'"),
    ],
)
def test_a_worker_without_its_server_says_what_to_install(folder: Path, worker: str, name: str, remedy: str) -> None:
    program = WITHOUT.format(name=name)
    with running(folder, "-c", program, "--worker-class", worker, "site_under_test:app") as process:
        assert process.wait(PATIENCE) == 1
    assert f"ModuleNotFoundError: No module named '{name}'{remedy}" in log_of(folder)
