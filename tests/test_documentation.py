"""The pages of docs/ are true: their code runs, their tables name what exists, their links lead somewhere."""

import ast
import dataclasses
import importlib.machinery
import importlib.util
import inspect
import logging
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import engineio
import pytest
import socketio
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import waterspout.errors
import waterspout.server
import waterspout.testing
from ports import free_port
from serving import PATIENCE, Client, running
from waterspout.hosts import channelhandlers
from waterspout.hosts import handlers as enginehandlers
from waterspout.testing import EVENTS, ClientRefused, Pair, Peer

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CLIENTS = ROOT / "tests/clients/node_modules/socket.io-client-4"
LIBRARY = CLIENTS / "dist/socket.io.min.js"
PAGES = {path.stem: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)


# The tutorial


def save(page: str, folder: Path) -> int:
    """Save the files of a page, those whose first line has a name, and return how many blocks have none."""
    nameless = 0
    for language in ("python", "html", "js"):
        for block in blocks(page, language):
            name = re.match(r"(?:#|//|<!--) (\w+\.\w+)", block)
            if name:
                (folder / name[1]).write_text(block, "utf-8")
            else:
                nameless += 1
    return nameless


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the tutorial, under the names in their first lines, and the client library."""
    assert save("tutorial", tmp_path) == 0, "a block does not say in its first line how to name it"
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/socket.io-client").symlink_to(CLIENTS)
    return tmp_path


def move(file: Path, address: str) -> Path:
    """Let a client of the tutorial go where the test serves."""
    text = file.read_text("utf-8")
    assert "http://127.0.0.1:8000" in text
    file.write_text(text.replace("http://127.0.0.1:8000", address), "utf-8")
    return file


def browse(node: str, chromium: str, page: str, address: str) -> None:
    command = [node, str(ROOT / "tests/documentation.mjs"), chromium, str(LIBRARY), page, address]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tutorial_has_these_files(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    files = {"echo.py", "echo.html", "chat.py", "talk.mjs", "test_chat.py", "prices.py", "prices.html"}
    assert names == files | {"node_modules"}


def test_the_echo_of_the_tutorial_answers(folder: Path) -> None:
    serve = ("serve", "echo:server", "--bind", "127.0.0.1:0")
    with running(folder, *serve) as command, Client(command.address()) as client:
        client.enter()
        assert client.ask('421["echo","hello"]') == '431["You said: hello"]'


def test_the_page_of_the_echo_works_from_a_file(folder: Path, node: str, chromium: str) -> None:
    with running(folder, "serve", "echo:server", "--bind", "127.0.0.1:0") as command:
        browse(node, chromium, "echo", move(folder / "echo.html", command.address()).as_uri())


def test_the_clients_of_the_chat_print_what_the_tutorial_says(folder: Path, node: str) -> None:
    with running(folder, "serve", "chat:server", "--bind", "127.0.0.1:0") as command:
        script = move(folder / "talk.mjs", command.address())
        done = subprocess.run([node, script], check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == blocks("tutorial", "text")[0], done.stderr
    assert done.returncode == 0


def test_the_test_of_the_chat_passes(folder: Path) -> None:
    pytest_itself = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    with running(folder, "test_chat.py", program=pytest_itself) as command:
        output = command.rest()
        assert command.end() == 0, output
        assert "1 passed" in output


@contextmanager
def application(program: Path) -> Iterator[str]:
    """Run a program that serves at port 8000 at another port, and return its address."""
    port = free_port()
    program.write_text(program.read_text("utf-8").replace("8000", str(port)), "utf-8")
    with running(program.parent, program=("-u", str(program))) as command:
        address = command.address()
        assert address == f"http://127.0.0.1:{port}"
        yield address


def test_the_prices_are_served_with_their_page(folder: Path, node: str, chromium: str) -> None:
    with application(folder / "prices.py") as address:
        browse(node, chromium, "prices", address)
        with Client(address) as client:
            client.enter()
            assert client.ask('421["watch","NONE"]') == '431[{"error":{"message":"There is no NONE."}}]'


# The login


def test_users_log_in_and_out_in_a_browser(tmp_path: Path, node: str, chromium: str) -> None:
    save("login", tmp_path)
    with application(tmp_path / "app.py") as address:
        browse(node, chromium, "login", address)


def test_the_tests_of_the_login_pass() -> None:
    names: dict[str, Any] = {}
    [tests] = [block for block in blocks("login", "python") if "def test_" in block]
    exec(tests, names)
    functions = [function for name, function in names.items() if name.startswith("test_")]
    assert len(functions) == 2
    for function in functions:
        function()


# Coming from a ConnectionManager

MOVING = "coming-from-connection-manager"


@pytest.mark.hosts
def test_the_pages_of_a_connection_manager_and_of_its_successor_meet(tmp_path: Path, node: str, chromium: str) -> None:
    save(MOVING, tmp_path)
    serve = ("serve", "--host", "uvicorn", "--app", "both:app", "--bind", "127.0.0.1:0")
    with running(tmp_path, *serve) as command:
        browse(node, chromium, "moving", command.address())
    assert "Traceback" not in command.log.read_text()


def load(file: str) -> Any:
    """Return the application of a file of the page."""
    names: dict[str, Any] = {}
    [block] = [block for block in blocks(MOVING, "python") if block.startswith(f"# {file}")]
    exec(block, names)
    return names["app"]


@pytest.mark.parametrize("file", ["before.py", "both.py"])
def test_old_clients_are_sent_the_same_texts_with_and_without_the_class(file: str) -> None:
    with TestClient(load(file)) as client, client.websocket_connect("/ws?name=Ada") as ada:
        with client.websocket_connect("/ws?name=Grace") as grace:
            ada.send_text("hello")
            assert [ada.receive_text(), ada.receive_text(), grace.receive_text()] == ["sent", *["Ada: hello"] * 2]
        assert ada.receive_text() == "Grace has left"


def test_the_successor_sends_what_the_page_says_also_from_a_route_in_a_thread() -> None:
    with TestClient(load("app.py")) as client, client.websocket_connect("/live?name=Ada") as websocket:
        assert list(websocket.receive_json()["connect"]) == ["sid"]
        client.post("/news?text=hello")
        assert websocket.receive_json() == {"event": "text", "data": "hello"}
        websocket.send_text("hello")
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_json()
        assert closed.value.code == 4400


def test_a_client_with_a_bare_url_has_entered_once_it_says_so() -> None:
    with TestClient(load("app.py")) as client, client.websocket_connect("/live") as websocket:
        client.post("/news?text=early")
        websocket.send_json({"connect": {"name": "Ada"}})
        assert list(websocket.receive_json()["connect"]) == ["sid"]
        client.post("/news?text=late")
        assert websocket.receive_json() == {"event": "text", "data": "late"}


def server_of(part: str) -> waterspout.Server:
    """Make a server with the block of the page that has this part."""
    names: dict[str, Any] = {}
    exec(PRELUDE, names)
    [block] = [block for block in blocks(MOVING, "python") if part in block]
    exec(block, names)
    server: waterspout.Server = names["server"]
    return server


def test_a_token_decides_and_users_have_rooms() -> None:
    server = server_of("whisper")
    assert (socket := Pair(server, auth={"token": "secret"}).socket).data["user"] == "ada"
    assert socket.rooms == {"user ada"}
    with pytest.raises(ClientRefused, match="log in first"):
        Pair(server, auth={"token": "guessed"})


def test_a_whisper_reaches_all_tabs_of_a_user_and_nobody_else() -> None:
    server = server_of("whisper")
    here, there = (Pair(server, auth={"token": "secret"}) for _ in range(2))
    here.peer.emit("whisper", "ada", "hello")
    here.peer.emit("whisper", "grace", "hello")
    assert [pair.peer.events() for pair in (here, there)] == [[("text", "hello")]] * 2


def test_a_parameter_of_the_path_is_kept_for_handlers() -> None:
    server = server_of("client_id):")
    Peer(server, generation=EVENTS, path="/live/7").take()
    assert [socket.request.data for socket in server.sockets()] == [{"client": "7"}]


# The code of the other pages

PRELUDE = """
import waterspout
from waterspout import Server
from waterspout.testing import Clock
server = Server(driver=Clock())
"""
SNIPPETS = [
    pytest.param(page, block, id=f"{page}-{number}")
    for page in PAGES
    if page not in ("tutorial", "reference", "architecture", "performance")
    for number, block in enumerate(blocks(page, "python"))
]


@pytest.fixture
def loggers() -> Iterator[None]:
    """Put the levels of loggers back, which the page about operations changes for the whole process."""
    known = [logging.root, *(logging.getLogger(f"waterspout{name}") for name in ("", ".engine", ".server", ".host"))]
    levels, handlers = [logger.level for logger in known], list(logging.root.handlers)
    yield
    for logger, level in zip(known, levels, strict=True):
        logger.setLevel(level)
    logging.root.handlers[:] = handlers


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize(("page", "block"), SNIPPETS)
def test_the_code_of_a_page_runs(page: str, block: str) -> None:
    names: dict[str, Any] = {}
    exec(PRELUDE, names)
    assert "patch_all()\n" not in block, "it would patch the process of all tests: mark the block as py"
    exec(compile(block, f"docs/{page}.md", "exec"), names)


SCRIPTS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "(?:js|javascript)"))
]


@pytest.mark.parametrize("block", SCRIPTS)
def test_the_javascript_of_a_page_is_javascript(node: str, tmp_path: Path, block: str) -> None:
    script = tmp_path / "block.mjs"
    script.write_text(block, "utf-8")
    done = subprocess.run([node, "--check", script], check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


# Troubleshooting

SOURCES = [path.read_text("utf-8") for path in sorted((ROOT / "src/waterspout").rglob("*.py"))]
CONSTANTS = [
    node.value
    for source in SOURCES
    for node in ast.walk(ast.parse(source))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
]
LINES = re.findall(r"^\| `([^`]+)` \|", PAGES["troubleshooting"].partition("## Errors at the client")[0], re.MULTILINE)
SENTENCES = re.findall(r'^\| "([^"]+)"', PAGES["troubleshooting"].partition("## When the server")[2], re.MULTILINE)


@pytest.mark.parametrize("line", [*LINES, *SENTENCES])
def test_a_line_that_troubleshooting_quotes_is_written_by_the_code(line: str) -> None:
    parts = [part.strip(" ,:;") for part in line.split("...")]
    assert all(any(part in constant for constant in CONSTANTS) for part in parts), parts


def test_troubleshooting_has_the_warnings() -> None:
    assert len(LINES) > 15
    assert len(SENTENCES) > 3


# The reference


def test_the_reference_is_what_the_docstrings_say() -> None:
    loader = importlib.machinery.SourceFileLoader("reference", str(ROOT / "scripts/reference"))
    spec = importlib.util.spec_from_loader("reference", loader)
    assert spec
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    assert script.page() == PAGES["reference"], "run .venv/bin/python scripts/reference"


def test_the_reference_has_all_that_is_exported() -> None:
    entries = set(re.findall(r"^### ([\w.]+)$", PAGES["reference"], re.MULTILINE))
    exported = {f"waterspout.{name}" for name in waterspout.__all__}
    errors = {f"waterspout.errors.{name}" for name, one in vars(waterspout.errors).items() if inspect.isclass(one)}
    shorter = {f"waterspout.errors.{name}" for name in waterspout.__all__}
    testing = {f"waterspout.testing.{name}" for name in waterspout.testing.__all__ if name[0].isupper()}
    rows = {"CLIENTS", "ENGINEIO_3", "ENGINEIO_4", "EVENTS", "SOCKETIO_1"}  # of tables
    testing -= {f"waterspout.testing.{row}" for row in rows}
    server = {f"waterspout.server.{name}" for name in waterspout.server.__all__ if not hasattr(waterspout, name)}
    handlers = (channelhandlers, enginehandlers)
    tornado = {f"{module.__name__}.{name}" for module in handlers for name in module.__all__}
    assert (exported | (errors - shorter) | testing | server | tornado) - entries == set()


@pytest.mark.parametrize(
    ("entry", "attributes"),
    [
        ("waterspout.Server", ["engine: Engine"]),
        ("waterspout.Namespace", ["name: str"]),
        ("waterspout.Socket", ["id: str", "rooms: frozenset[Room]", "data: dict[str, Any]", "request: Request"]),
        ("waterspout.Request", ["method: str", "secure: bool | None", "query: dict[str, list[str]]"]),
        ("waterspout.ArgumentError", ["argument: str | None"]),
        ("waterspout.Engine", ["policy: Policy", "sessions: dict[str, Session]"]),
        ("waterspout.testing.Pair", ["peer: Peer", "socket: Socket", "clock: Clock"]),
    ],
)
def test_attributes_have_types_in_the_reference(entry: str, attributes: list[str]) -> None:
    section = PAGES["reference"].split(f"\n### {entry}\n")[1].split("\n### ")[0]
    lines = "\n".join(re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)).splitlines()
    assert [one for one in attributes if one not in lines] == []


# Tables of names


def rows(page: str, first: str) -> list[list[str]]:
    """Return the rows of all tables of a page whose first heading is this."""
    found, inside = [], False
    for line in PAGES[page].splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[0] == first:
            inside = True
        elif inside and set(cells[0]) != {"-"}:
            found.append(cells)
    return found


def look_up(name: str) -> Any:
    """Return what a page calls `Server.emit` or `waterspout.hosts.tornado.routes`."""
    full = name if name.startswith("waterspout.") else f"waterspout.{name}"
    parts = full.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


COMING = [
    pytest.param(page, row, id=f"{row[0]} -> {row[1]}")
    for page, first in (
        ("coming-from-python-socketio", "python-socketio"),
        ("coming-from-flask-socketio", "Flask-SocketIO"),
        ("coming-from-node", "Node"),
        ("coming-from-connection-manager", "ConnectionManager"),
    )
    for row in rows(page, first)
]


@pytest.mark.parametrize(("page", "row"), COMING)
def test_what_stands_for_another_name_exists(page: str, row: list[str]) -> None:
    theirs, ours, difference = row
    assert theirs or ours
    assert ours or difference, "a row without a name of ours says why"
    for name, options in re.findall(r"`([\w.]+)(?:\(([^)`]*)\))?`", ours):
        found = look_up(name)
        for option in re.findall(r"(\w+)=", options):
            assert option in inspect.signature(found).parameters, f"{name} has no option {option}"
    assert len(re.findall("`", ours)) == 2 * len(re.findall(r"`[\w.]+(?:\([\w=, ]*\))?`", ours))


PYTHON_SOCKETIO = (socketio, socketio.AsyncServer, socketio.exceptions)


@pytest.mark.parametrize("row", rows("coming-from-python-socketio", "python-socketio"), ids=lambda row: row[0])
def test_the_names_of_python_socketio_are_its_own(row: list[str]) -> None:
    options = set(inspect.signature(socketio.AsyncServer.__init__).parameters)
    options |= set(inspect.signature(socketio.base_server.BaseServer.__init__).parameters)
    options |= set(inspect.signature(engineio.AsyncServer.__init__).parameters)
    options |= set(inspect.signature(engineio.base_server.BaseServer.__init__).parameters)
    options |= {
        *inspect.signature(socketio.AsyncServer.emit).parameters,
        "engineio_logger",
    }  # the last is among **kwargs
    for name in re.findall(r"`(?:@sio\.)?(\w+)[^`]*`", row[0]):
        assert name in options or any(hasattr(place, name) for place in PYTHON_SOCKETIO), name


@pytest.mark.parametrize("row", rows("limits", "option"), ids=lambda row: row[0])
def test_a_limit_has_this_default(row: list[str]) -> None:
    default = inspect.signature(waterspout.Server).parameters[row[0].strip("`")].default
    assert ast.literal_eval(row[1]) == default


def test_the_table_of_limits_has_all_of_them() -> None:
    bounds = re.compile("max_|.*_timeout|ping_")
    named = {name for name in inspect.signature(waterspout.Server).parameters if bounds.match(name)}
    assert {row[0].strip("`") for row in rows("limits", "option")} == named


def test_the_table_of_numbers_has_all_of_them() -> None:
    named = [name for row in rows("operations", "field") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(waterspout.server.Stats))


def test_the_table_of_what_acts_on_many_is_that_of_the_methods() -> None:
    for method, _ in rows("rooms", "method"):
        name = method.strip("`").partition("(")[0]
        for kind in (waterspout.Server, waterspout.Namespace):
            assert {"to", "except_"} <= set(inspect.signature(getattr(kind, name)).parameters), name


# Links


@pytest.mark.parametrize("page", PAGES)
def test_links_and_files_are_there(page: str) -> None:
    prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", re.sub(r"`[^`]*`", "", prose)):
        assert (DOCS / target).is_file(), target
    for path in re.findall(r"`((?:deploy|examples|tests|docs|scripts)/[\w./@-]+)`", prose):
        assert (ROOT / path).exists(), path


def test_the_index_leads_to_every_page_and_every_example() -> None:
    linked = set(re.findall(r"\(([\w-]+)\.md\)", PAGES["index"]))
    assert linked == set(PAGES) - {"index"}
    named = set(re.findall(r"`examples/(\w+\.py)`", PAGES["index"]))
    assert named == {path.name for path in (ROOT / "examples").glob("*.py")}


INDEX = re.findall(r"^\| \[(.+?)\]\((.+?)\.md\).*`(.+?)` \|$", PAGES["index"], re.MULTILINE)


@pytest.mark.parametrize(("title", "page", "example"), INDEX)
def test_a_page_names_its_example(title: str, page: str, example: str) -> None:
    assert PAGES[page].startswith(f"# {title}\n")
    assert f"`{example}`" in PAGES[page]
