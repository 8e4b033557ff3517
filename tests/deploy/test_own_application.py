"""The application of docs/deployment.md, at a Unix socket behind nginx: its pages, files, clients, and permissions."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.backends import ROOT, Backend
from deploy.proxies import Front, proxied
from deploy.visitor import Polling, Visitor

pytestmark = pytest.mark.parametrize("kind", ["nginx"], indirect=True, scope="module")

SOCKET = "/run/waterspout/1.sock"


@pytest.fixture(scope="module")
def path(folder: Path) -> Path:
    return folder / "own.sock"


@pytest.fixture(scope="module")
def front(kind: str, folder: Path, path: Path) -> Iterator[Front]:
    page = (ROOT / "docs/deployment.md").read_text("utf-8")
    [program] = re.findall(r"^```python\n(# app\.py\n.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert SOCKET in program
    (folder / "app.py").write_text(program.replace(SOCKET, str(path)), "utf-8")
    (folder / "pages/below").mkdir(parents=True)
    (folder / "pages/below/index.html").write_text("a file", "utf-8")
    backend = Backend([sys.executable, str(folder / "app.py")], f"unix:{path}", folder / "own.log")
    with backend.running(), proxied(kind, [backend.address], folder) as front:
        yield front


def test_files_are_served_first_and_then_the_pages_of_the_application(front: Front) -> None:
    with Visitor(front) as visitor:
        assert visitor.get("/below/") == (200, b"a file")
        assert visitor.get("/below/index.html") == (200, b"a file")
        assert visitor.get("/page") == (200, b"a page of the application")
        assert visitor.post("/page", b"")[0] == 405
        assert visitor.get("/missing")[0] == 404


def test_clients_talk_to_the_application(front: Front) -> None:
    with Visitor(front, secure=True) as visitor:
        session = Polling(visitor, Origin=front.url(secure=True))
        assert session.call("echo", "hello") == "hello"


def test_the_socket_is_open_to_its_group_and_no_further(front: Front, path: Path) -> None:
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
