"""The demo: its page in a real browser, and its server against clients that send what they like."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Client, running
from waterspout.demo import app

HERE = Path(__file__).parent
LIBRARY = HERE / "clients/node_modules/socket.io-client-4/dist/socket.io.min.js"
BROWSER_TIMEOUT = 120


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the demo is served: the first URL of its output."""
    client = ("--client", str(LIBRARY)) if LIBRARY.is_file() else ()
    with running(tmp_path, "demo", "--bind", "127.0.0.1:0", *client) as command:
        yield command.address()
        command.process.terminate()
        assert command.end() == 0
        assert "Traceback" not in command.log.read_text()


# In the browser


def browse(node: str, chromium: str, address: str, scenario: str) -> None:
    """Run a scenario of tests/demo in Chromium; it fails with what it has printed."""
    command = [node, str(HERE / "demo/browse.mjs"), chromium, address, scenario]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=BROWSER_TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenario", ["talk", "loss", "refusal", "narrow"])
def test_the_page_works_in_a_browser(node: str, chromium: str, address: str, scenario: str) -> None:
    browse(node, chromium, address, scenario)


def test_the_page_says_that_the_client_library_is_missing(node: str, chromium: str, tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--bind", "127.0.0.1:0") as command:
        browse(node, chromium, command.address(), "missing")


# What is served


def fetch(address: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    connection.close()
    return response


@pytest.mark.parametrize("path", ["/", "/chat.css", "/chat.js", "/icon.svg"])
def test_the_page_allows_no_scripts_of_others(address: str, path: str) -> None:
    response = fetch(address, path)
    assert response.status == 200
    assert "script-src 'self' https://cdn.socket.io;" in (response.getheader("Content-Security-Policy") or "")


@pytest.mark.parametrize("path", ["/app.py", "/../app.py", "/chat.css/..", "/index.html"])
def test_nothing_else_is_served(address: str, path: str) -> None:
    assert fetch(address, path).status == 404


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


# The server


def enter(client: Client, **auth: Any) -> dict[str, Any]:
    """Enter with a name, and return the welcome."""
    client.enter(json.dumps(auth))
    welcome: dict[str, Any] = event(client, "welcome")
    return welcome


def event(client: Client, name: str) -> Any:
    """Return the argument of the next event of this name."""
    while not (packet := client.receive()).startswith(f'42["{name}"'):
        assert packet, f"the connection has ended before {name}"
    return json.loads(packet[2:])[1]


def ask(client: Client, *packet: Any) -> Any:
    """Send an event and return its acknowledgement."""
    client.send("427" + json.dumps(packet))
    while not (answer := client.receive()).startswith("437"):
        assert answer, "the connection has ended before the acknowledgement"
    return json.loads(answer[3:])[0]


def test_who_comes_is_shown_with_transport_and_generation(address: str) -> None:
    with Client(address) as ada, Client(address) as bob:
        view = enter(ada, name="Ada", room="Lighthouse")
        assert view["room"] == "Lighthouse"
        assert view["rooms"] == {"Harbour": 0, "Lighthouse": 1, "Workshop": 0}
        person = {"id": "1", "name": "Ada", "room": "Lighthouse", "transport": "websocket", "generation": "Engine.IO 4"}
        assert view["here"] == [person]
        assert enter(bob, name="Bob", room="Lighthouse")["here"][0] == person
        assert event(ada, "came")["name"] == "Bob"


def test_a_message_reaches_the_room_and_nobody_else(address: str) -> None:
    with Client(address) as ada, Client(address) as bob, Client(address) as eve:
        enter(ada, name="Ada")
        enter(bob, name="Bob")
        enter(eve, name="Eve", room="Workshop")
        assert ask(ada, "say", " <b>hello</b> ")["others"] == 1
        said = event(bob, "said")
        assert (said["name"], said["text"]) == ("Ada", "<b>hello</b>")
        ask(ada, "enter", "Workshop")
        assert event(bob, "left") == {"id": "1", "name": "Ada"}
        # Had the message reached her, it would come before this.
        assert event(eve, "came")["name"] == "Ada"


def test_a_page_that_comes_back_ends_its_former_connection(address: str) -> None:
    with Client(address) as before, Client(address) as after:
        enter(before, name="Ada", page="0123456789abcdef")
        assert len(enter(after, name="Ada", page="0123456789abcdef")["here"]) == 1
        assert before.until_closed() == "close 1000"


@pytest.mark.parametrize("auth", ["", "{}", '{"name":" "}', '{"name":7}', '{"name":"\\u202e\\u0007"}'])
def test_nobody_enters_without_a_name(address: str, auth: str) -> None:
    with Client(address) as client:
        assert client.ask(f"40{auth}") == '44{"message":"Choose a nickname of 1 to 24 characters."}'


@pytest.mark.parametrize(
    ("packet", "error"),
    [
        (("say", ""), "There is nothing in this message."),
        (("say", ["x"]), "There is nothing in this message."),
        (("enter", "Cellar"), "There is no such room; the rooms are Harbour, Lighthouse, Workshop."),
        (("enter", {}), "There is no such room; the rooms are Harbour, Lighthouse, Workshop."),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_sentence(address: str, packet: tuple[Any, ...], error: str) -> None:
    with Client(address) as client:
        enter(client, name="Ada")
        assert ask(client, *packet) == {"error": error}


def test_a_message_has_a_greatest_length(address: str) -> None:
    with Client(address) as client:
        enter(client, name="Ada")
        assert ask(client, "say", "x" * 2001) == {"error": "This message has 2001 characters; 2000 is the limit."}
        assert ask(client, "say", "x" * 2000)["others"] == 0


def test_only_a_transport_that_exists_is_shown(address: str) -> None:
    with Client(address) as ada, Client(address) as bob:
        enter(ada, name="Ada")
        enter(bob, name="Bob")
        bob.send('42["transport","<b>pigeon</b>"]')
        bob.send('42["transport","polling"]')
        assert event(ada, "changed")["transport"] == "polling"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace ", "Ada Lovelace"),
        ("a\u202eb\u0000c", "abc"),
        ("x" * 30, "x" * 24),
        ("Ωmega 🚣", "Ωmega 🚣"),
        (None, ""),
        (["Ada"], ""),
    ],
)
def test_a_name_is_cleaned(given: object, shown: str) -> None:
    assert app.clean_name(given) == shown
