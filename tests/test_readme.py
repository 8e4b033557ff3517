"""The README is true: its files run by its commands, in processes of their own, and real clients use them."""

import ast
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from ports import free_port
from serving import PATIENCE, running

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text("utf-8")
PROGRAMS = {"waterspout": ("-m", "waterspout"), "django-admin": ("-m", "django"), "python": ()}
THERE = {"chat", "waterspout", "tornado", *sys.stdlib_module_names}  # saved by the reader; installed; what that needs
CLIENTS = str(HERE / "clients/readme.mjs")
DOCUMENTATION = str(HERE / "documentation.mjs")
LIBRARY = str(HERE / "clients/node_modules/socket.io-client-4/dist/socket.io.min.js")


class Application(NamedTuple):
    """One of the README's applications: its file, its code, and what the reader runs."""

    file: str
    code: str
    commands: list[str]


APPLICATIONS = {
    name: Application(file, code, re.findall("`([^`]+)`", text))
    for name, file, text, code in re.findall(
        r"^\*\*(\w+)\*\*, [\w ]*`(\S+)`: (.*?)\n```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE
    )
}
each = pytest.mark.parametrize("application", APPLICATIONS.values(), ids=list(APPLICATIONS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the server and the page, under the names in their first lines."""
    [server] = re.findall(r"```python\n(# chat\.py\n.*?)```", README, re.DOTALL)
    [page] = re.findall(r"```html\n(<!-- public/index\.html -->\n.*?)```", README, re.DOTALL)
    (tmp_path / "chat.py").write_text(server, "utf-8")
    (tmp_path / "public").mkdir()
    (tmp_path / "public/index.html").write_text(page, "utf-8")
    return tmp_path


@pytest.fixture
def other_origin(tmp_path: Path) -> Iterator[str]:
    """A page at another origin, foreign/index.html."""
    (tmp_path / "foreign").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "foreign")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pages_of_its_own_and_of_another_origin_reach_each_other(
    folder: Path, other_origin: str, node: str, chromium: str
) -> None:
    [start] = re.findall("`(waterspout serve chat:server --static .*?)`", README)
    [allowing] = re.findall(r"`(Server\(cors_origins=.*?\))`", README)
    [connecting] = re.findall(r"`(io\(.*?\))`", README)
    server, page = folder / "chat.py", folder / "public/index.html"
    allowing = allowing.replace("http://localhost:5173", other_origin)
    server.write_text(server.read_text("utf-8").replace("Server()", allowing), "utf-8")
    with running(folder, *start.split()[1:], "--bind", "127.0.0.1:0") as command:
        address = command.address()
        foreign = page.read_text("utf-8").replace("io()", connecting.replace("http://127.0.0.1:8000", address))
        (folder / "foreign/index.html").write_text(foreign, "utf-8")
        browser = [node, DOCUMENTATION, chromium, LIBRARY, "readme", address, other_origin]
        done = subprocess.run(browser, check=False, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_four_applications_are_there() -> None:
    assert list(APPLICATIONS) == ["FastAPI", "Flask", "Django", "Tornado"]


def installed(requirement: Requirement) -> set[str]:
    """Return what is installed with a package: itself, and what it and its extras name, with extras of their own."""
    try:
        parts = map(Requirement, requires(requirement.name) or ())
    except PackageNotFoundError:  # no test needs it
        return {requirement.name}
    extras = requirement.extras or {""}
    wanted = [part for part in parts if not part.marker or any(part.marker.evaluate({"extra": one}) for one in extras)]
    deeper = {name for part in wanted if part.extras for name in installed(part)}
    return {requirement.name, *(part.name for part in wanted), *deeper}


@each
def test_what_an_application_imports_is_what_its_line_installs(application: Application) -> None:
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(application.code))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    if "--host uvicorn" in application.commands[-1]:
        imported |= {"uvicorn", "websockets"}
    asked = [name for one in application.commands if one.startswith("pip install ") for name in shlex.split(one)[2:]]
    assert imported <= {package for one in asked for package in installed(Requirement(one))} | THERE


@each
def test_a_client_and_the_page_of_an_application_reach_each_other(
    application: Application, folder: Path, node: str
) -> None:
    *preparing, start = [shlex.split(one) for one in application.commands if not one.startswith("pip ")]
    for program, *arguments in preparing:
        subprocess.run([sys.executable, *PROGRAMS[program], *arguments], cwd=folder, check=True, timeout=PATIENCE)
    port = free_port()
    with (folder / application.file).open("a", encoding="utf-8") as file:
        file.write(application.code.replace("8000", str(port)))
    program, *arguments = start
    if program == "waterspout":
        arguments += ["--bind", f"127.0.0.1:{port}"]
    page = str(folder / "public/index.html")
    with running(folder, *arguments, program=PROGRAMS[program]) as command:
        clients = [node, CLIENTS, f"http://127.0.0.1:{port}", str(command.process.pid), page]
        done = subprocess.run(clients, check=False, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr + command.log.read_text()
        assert command.end() == 0
        assert "Traceback" not in command.log.read_text()
