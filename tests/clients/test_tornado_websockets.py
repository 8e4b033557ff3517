"""The project of examples/tornado_websockets: `manage.py runtornado`, used in Chromium and by requests (UX-15)."""

import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.examples import TELLING_OF_WATCHED, played, running, wait_for, wait_until_watched
from hosts.certificate import make_certificate
from hosts.client import HANDSHAKE, request
from ports import free_port
from waterspout.testing import client_frame

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples" / "tornado_websockets"
SCENARIOS = ["chat", "upload", "slow", "again", "refused", "shared"]
WATCHDOG_SECONDS = 120
AS_THEY_ARE = ("-W", "ignore:There is no current event loop")  # from Python 3.12 on, where one is made before it runs


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The project, whose port is given as an argument: in settings.py there is another. The last test ends it."""
    number, log = free_port(), tmp_path_factory.mktemp("project") / "log"
    command = [sys.executable, "-W", "error", *AS_THEY_ARE, "manage.py", "runtornado", str(number), "--noreload"]
    with log.open("wb") as output, subprocess.Popen(command, cwd=EXAMPLES, stdout=output, stderr=output) as process:
        try:
            wait_for(process, number, log)
            yield process, number
        finally:
            process.kill()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def port(process: tuple["subprocess.Popen[bytes]", int]) -> int:
    """The port of the project."""
    return process[1]


@pytest.fixture(scope="module")
def seen(node: str, chromium: str, port: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each scenario: an error or None."""
    other = free_port()
    log = tmp_path_factory.mktemp("shared") / "log"
    with running(EXAMPLES / "shared.py", other, log, *AS_THEY_ARE):
        addresses = {**dict.fromkeys(SCENARIOS, f"http://localhost:{port}"), "shared": f"http://localhost:{other}"}
        return played(node, "tornado_websockets_pages.mjs", chromium, addresses, WATCHDOG_SECONDS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_project_works_in_chromium(seen: dict[str, Any], scenario: str) -> None:
    error = seen.get(scenario, "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_tw_18_19_pages_static_files_and_sockets_have_one_port(port: int) -> None:
    address = f"http://localhost:{port}"
    assert httpx.get(f"{address}/").headers["location"] == "/login"
    script = httpx.get(f"{address}/static/tornado_websockets/client.js")
    assert script.headers["content-type"] == "text/javascript"
    assert "globalThis.TornadoWebSocket" in script.text
    assert httpx.get(f"{address}/static/../settings.py").status_code == 404
    assert httpx.get(f"{address}/ws/chat").status_code == 426
    assert httpx.get(f"{address}/nowhere").status_code == 404


def test_django_keeps_its_check_of_forms(port: int) -> None:
    assert httpx.post(f"http://localhost:{port}/login", data={"name": "Ada"}).status_code == 403  # no token


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost", "http://localhost:3000", 101),
        ("localhost", "http://evil.example", 403),
        ("evil.example", "http://evil.example", 403),  # a name that was rebound to this machine
    ],
)
def test_pp_36_pages_of_other_hosts_may_not_connect(port: int, host: str, origin: str, status: int) -> None:
    with socket.create_connection(("localhost", port), 10) as client:
        asked = request("GET", "/ws/uploads", *HANDSHAKE, ("Origin", origin))
        client.sendall(asked.replace(b"Host: localhost", f"Host: {host}".encode()))
        assert int(client.recv(4096).split()[1]) == status


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of the project, whose port stands in settings.py: over HTTPS, with DEBUG, and so with the reloader.

    Its log is beside it.
    """
    folder = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(EXAMPLES, folder)
    number = free_port()
    settings = folder / "settings.py"
    text = settings.read_text("utf-8").replace('"port": 8000', f'"port": {number}')
    settings.write_text(text + TELLING_OF_WATCHED, "utf-8")
    make_certificate(folder)
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    log = folder.parent / "log"
    program = (folder / "manage.py", "runtornado")
    with running(program, number, log, *AS_THEY_ARE, CERTIFICATE=str(both)):
        yield folder, f"https://localhost:{number}"


def test_https_by_settings_and_the_reloader(project: tuple[Path, str]) -> None:
    folder, address = project
    with httpx.Client(verify=False, trust_env=False) as client:
        assert client.get(f"{address}/slow?seconds=0").text == "done"
        views = folder / "views.py"
        wait_until_watched(views, folder.parent / "log")
        views.write_text(views.read_text("utf-8").replace('"done"', '"done anew"'), "utf-8")
        deadline = time.monotonic() + 30
        answer = ""
        while answer != "done anew" and time.monotonic() < deadline:
            try:
                answer = client.get(f"{address}/slow?seconds=0").text
            except httpx.TransportError:  # between two processes
                answer = ""
            threading.Event().wait(0.05)
    assert answer == "done anew"


def test_tw_14_at_a_signal_pages_are_sent_and_clients_get_1001(
    process: tuple["subprocess.Popen[bytes]", int],
) -> None:
    project, number = process
    page, client = (socket.create_connection(("localhost", number), 10) for _ in range(2))
    with page, client, client.makefile("rb") as messages:
        client.sendall(request("GET", "/ws/uploads", *HANDSHAKE))
        while messages.readline() != b"\r\n":
            pass
        messages.read(messages.read(2)[1])  # where the bar stands
        page.sendall(request("GET", "/slow?seconds=1"))
        assert httpx.get(f"http://localhost:{number}/login").status_code == 200  # the one before is begun
        project.terminate()
        assert messages.read(4) == b"\x88\x02\x03\xe9"
        assert select.select([page], [], [], 0)[0] == []  # the client need not wait for the page
        client.sendall(client_frame(8, b"\x03\xe9"))
        assert page.recv(4096).endswith(b"\r\n\r\ndone")
    assert project.wait(15) == 0
