"""The demo: its page in a real browser, and what is served beside the chat."""

import http.client
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clients.processes import killed_after
from missing import missing
from ports import free_port
from serving import running
from waterspout.demo import app
from waterspout.engine.http.hostnames import Hostnames

HERE = Path(__file__).parent
LIBRARY = HERE / "clients/node_modules/socket.io-client-4/dist/socket.io.min.js"
OLD_LIBRARY = HERE / "clients/node_modules/socket.io-client-0.9/dist/socket.io.js"
WATCHDOG_SECONDS = 120  # for a scenario

Browse = Callable[..., None]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a demo is served that nobody has visited: the first URL of its output."""
    with serving(tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where one is served whose chat nobody enters."""
    with serving(tmp_path_factory.mktemp("demo")) as address:
        yield address


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    client = ("--client", str(LIBRARY)) if LIBRARY.is_file() else ()
    with running(folder, "demo", "--bind", "127.0.0.1:0", *client) as command:
        yield command.address()
        command.process.terminate()
        assert command.end() == 0
        assert "Traceback" not in command.log.read_text()


# Under which names


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "192.0.2.7", socket.gethostname()])
def test_the_chat_is_reached_by_the_names_and_addresses_of_this_machine(files: str, name: str) -> None:
    assert status(files, f"{name}:{urlsplit(files).port}") == 200


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""])
def test_a_page_whose_own_name_points_at_the_demo_cannot_chat(files: str, name: str) -> None:
    assert status(files, f"{name}:{urlsplit(files).port}") in (400, 403)


def status(address: str, host: str) -> int:
    """Return the status of a handshake of a page of this host."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    headers = {"Host": host, "Origin": f"http://{host}"}
    connection.request("GET", "/socket.io/?EIO=4&transport=polling", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize("bound", ["127.0.0.1", "::1", "0.0.0.0", "chat.example", "fe80::1%eth0"])
def test_the_demo_may_be_asked_for_by_what_it_is_bound_to(bound: str) -> None:
    hosts = app.own_hosts(bound)
    assert ("chat.example" in hosts) is (bound == "chat.example")
    assert Hostnames(hosts).allow(f"[{bound}]" if bound == "::1" else bound) is ("%" not in bound)


# In the browser


SCENARIOS = [
    "talk",
    "ticks",
    "rooms",
    "injection",
    "links",
    "haste",
    "code",
    "loss",
    "silence",
    "tabs",
    "old",
    "refusal",
    "sizes",
]


@pytest.fixture(scope="module")
def browse(node: str, chromium: str) -> Iterator[Browse]:
    """Play a scenario of tests/demo in a Chromium that all share; it fails with what it says."""
    command = [node, str(HERE / "demo/browse.mjs"), chromium]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def play(scenario: str, address: str, second: str = "", pid: int = 0) -> None:
            order = {"scenario": scenario, "address": address, "second": second, "pid": pid}
            print(json.dumps(order), file=stdin, flush=True)
            with killed_after(WATCHDOG_SECONDS, process):
                answer = stdout.readline()
            assert answer, f"the browser ended, or took more than {WATCHDOG_SECONDS} s"
            if (error := json.loads(answer)["error"]) is not None:
                pytest.fail(error, pytrace=False)

        yield play
        stdin.close()
        with killed_after(WATCHDOG_SECONDS, process):
            assert process.wait() == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_page_works_in_a_browser(browse: Browse, address: str, scenario: str) -> None:
    browse(scenario, address)


def test_the_page_goes_on_when_the_server_was_started_again(browse: Browse, address: str, tmp_path: Path) -> None:
    demo = ("demo", "--bind", f"127.0.0.1:{free_port()}", "--client", str(LIBRARY))
    with running(tmp_path, *demo) as first:
        browse("restart", first.address(), address, first.process.pid)


def test_the_page_says_that_the_client_library_is_missing(browse: Browse, tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--bind", "127.0.0.1:0") as command:
        browse("missing", command.address())


def test_pages_of_2011_and_of_today_are_in_the_same_rooms(browse: Browse, tmp_path: Path) -> None:
    if not OLD_LIBRARY.is_file():
        missing("socket.io-client 0.9 is missing; scripts/test installs it with npm")
    library = tmp_path / app.OLD_CLIENT
    library.parent.mkdir(parents=True)
    library.symlink_to(OLD_LIBRARY)
    with running(tmp_path, "demo", "--bind", "127.0.0.1:0", "--client", str(LIBRARY)) as command:
        browse("oldest", command.address())


def test_the_page_of_2011_says_that_its_library_is_missing(browse: Browse, address: str) -> None:
    browse("oldestmissing", address)


# What is served


def fetch(address: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    connection.close()
    return response


@pytest.mark.parametrize(
    "path", ["", "old", *sorted(path.name for path in app.PAGE.iterdir() if path.suffix != ".html")]
)
def test_the_page_allows_no_scripts_of_others(files: str, path: str) -> None:
    response = fetch(files, f"/{path}")
    assert response.status == 200
    policy = response.getheader("Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; script-src 'self' https://cdn.socket.io; style-src 'self'; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/app.py", "/../app.py", "/chat.css/..", "/index.html", "/old.html", "/old/"])
def test_nothing_else_is_served(files: str, path: str) -> None:
    assert fetch(files, path).status == 404


def test_without_a_local_library_the_page_is_sent_to_the_cdn(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--bind", "127.0.0.1:0") as command:
        response = fetch(command.address(), "/client.js")
    assert (response.status, response.getheader("Location")) == (302, app.CDN)


def test_the_library_that_npm_has_installed_is_found(tmp_path: Path) -> None:
    library = tmp_path / app.CLIENT
    library.parent.mkdir(parents=True)
    library.write_text("// the library")
    with running(tmp_path, "demo", "--bind", "127.0.0.1:0") as command:
        response = fetch(command.address(), "/client.js")
    assert (response.status, response.getheader("Content-Type")) == (200, "text/javascript; charset=utf-8")


def test_a_library_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--client", "gone.js") as command:
        assert command.end() == 2
        assert command.log.read_text() == (
            "waterspout: cannot read 'gone.js': there is no such file; give --client a socket.io.min.js\n"
        )
