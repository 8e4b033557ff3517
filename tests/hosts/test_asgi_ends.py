"""How a process of an ASGI server ends: with a crowd of clients, in old versions, reloaded, and with workers."""

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hosts.asgi_site import COMMANDS, UVICORN, Site, running
from hosts.client import request, text
from hosts.suite.eventsource import chunk

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
GRACE = 10  # s, of `docker stop`
SITE = """
import os
from waterspout import Server
from waterspout.hosts.asgi import App

server = Server()
server.on("pid")(lambda socket: os.getpid())
server.expose("/prices", server.channel("prices"))
app = App(server)
"""
GUNICORN = ("gunicorn", "site_under_test:app", "-k", "asgi", "-b", "127.0.0.1:PORT")


async def all_are_told(site: Site, size: int) -> None:
    """End the process while so many clients of each kind are there: it has told them all when it ends, in time."""
    polls = [await site.poll() for _ in range(size)]
    sockets = [await site.websocket() for _ in range(size)]
    streams = [await site.stream() for _ in range(size)]
    site.process.send_signal(signal.SIGTERM)
    ended = asyncio.to_thread(site.process.wait, GRACE)
    told = asyncio.gather(
        asyncio.gather(*(session.polled() for session in polls)),
        asyncio.gather(*(wire.closing() for wire in sockets)),
        asyncio.gather(*(chunk(wire) for wire in streams)),
    )
    answers, codes, last = await told
    assert set(answers) == {"1"}
    assert set(codes) == {1001}
    assert {each.partition(b":")[0] for each in last} == {b"retry"}
    assert [await chunk(wire) for wire in streams] == [b""] * size
    assert await ended in (0, -signal.SIGTERM)
    assert "Traceback" not in site.log.read_text(), site.log.read_text()


@pytest.mark.hosts
@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_a_crowd_of_clients_is_told_before_the_process_ends(command: tuple[str, ...], tmp_path: Path) -> None:
    with running(tmp_path, SITE, command) as site:
        site.run(all_are_told(site, 100))


@pytest.mark.hosts
@pytest.mark.parametrize("version", ["0.42", "0.43"])
def test_a_crowd_of_clients_is_told_by_older_versions_of_uvicorn(version: str, tmp_path: Path) -> None:
    """They differ in what they tell open streams of a shutdown."""
    older, folder = tmp_path / "older", tmp_path / "site"
    folder.mkdir()
    lock = ROOT / "requirements" / f"uvicorn{version.replace('0.', '')}.txt"
    subprocess.run([sys.executable, *PIP, "-r", str(lock), "--target", str(older)], check=True)
    with running(folder, SITE, ("uvicorn", "--version"), older) as site:
        site.process.wait()
        assert f"uvicorn {version}." in site.log.read_text()
    for command in (UVICORN, COMMANDS["uvicorn-ours"]):
        with running(folder, SITE, command, older) as site:
            site.run(all_are_told(site, 100))


@pytest.mark.hosts
def test_a_reload_tells_the_clients_of_the_old_process_and_serves_them_again(tmp_path: Path) -> None:
    async def reloaded(site: Site) -> None:
        session, wire, stream = await site.poll(), await site.websocket(), await site.stream()
        wire.send(text('420["pid"]'))
        before = await wire.text()
        (tmp_path / "site_under_test.py").write_text(SITE + "\n")
        assert await session.polled() == "1"
        assert await wire.closing() == 1001
        assert (await chunk(stream)).startswith(b"retry:")
        again = await site.websocket()
        again.send(text('420["pid"]'))
        assert await again.text() != before

    # It compares a file with how it was one delay after the start, by which the change must not have been made.
    with running(tmp_path, SITE, (*UVICORN, "--reload", "--reload-delay", "0.01")) as site:
        site.run(reloaded(site))


@pytest.mark.hosts
@pytest.mark.parametrize(
    "command",
    [
        (*UVICORN, "--workers", "2"),
        ("hypercorn", "site_under_test:app", "--workers", "2", "--bind", "127.0.0.1:PORT"),
        ("granian", "--interface", "asgi", "site_under_test:app", "--port", "PORT", "--workers", "2"),
        (*GUNICORN, "--workers", "2"),
    ],
    ids=lambda command: command[0],
)
def test_several_workers_are_warned_of(command: tuple[str, ...], tmp_path: Path) -> None:
    async def ask(site: Site) -> None:
        while not re.search("one of several processes.* fail", site.log.read_text()):
            wire = await site.connect()
            wire.send(request("GET", "/socket.io/?EIO=4&transport=polling", ("Connection", "close")))
            await wire.answer()
            wire.abort()

    with running(tmp_path, SITE, command) as site:
        site.run(ask(site))


async def enter(site: Site) -> None:
    await site.websocket()


@pytest.mark.hosts
def test_one_worker_is_not_warned_of(tmp_path: Path) -> None:
    with running(tmp_path, SITE, (*UVICORN, "--reload")) as site:
        site.run(enter(site))
        assert "processes" not in site.log.read_text()
