"""Several processes where one was meant: real ones, which say so in their logs."""

import logging
import subprocess
import sys
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from hosts.tornado_host import LOOPS, TornadoHost
from waterspout import Server
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.hosts.tornado import routes

PATIENCE = 30.0  # s; no test waits this long unless something is wrong

FORKED = """
import logging, os, sys, urllib.request
from tornado.ioloop import IOLoop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.process import fork_processes, task_id
from tornado.web import Application
from waterspout import Server
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.hosts.tornado import routes

logging.basicConfig(format="%(name)s %(levelname)s %(message)s", stream=sys.stdout, level="WARNING")
sockets = bind_sockets(0, "127.0.0.1")
port = sockets[0].getsockname()[1]
fork_processes(2, max_restarts=0)
adapter = MemoryAdapter(MemoryBus()) if "adapter" in sys.argv else None
server = Server(adapter=adapter, transports=tuple(sys.argv[-1].split(",")))

async def main():
    http = HTTPServer(Application(routes(server)))
    http.add_sockets(sockets)
    await IOLoop.current().run_in_executor(None, ask)
    await IOLoop.current().run_in_executor(None, ask)

def ask():
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling").read()
    except urllib.error.HTTPError:
        pass

if task_id() == 0:
    IOLoop.current().run_sync(main)
sys.stdout.flush()
os._exit(0)
"""


def forked(*arguments: str, transports: str = "polling,websocket") -> str:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, *arguments, transports],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.stdout


def test_processes_of_tornado_without_an_adapter_are_warned_of_once() -> None:
    (line,) = forked().splitlines()
    assert line == (
        "waterspout.host WARNING this is one of several processes of fork_processes: clients of one process do not "
        "hear those of another, and polling clients fail: serve with one process, or give each a port of its own "
        "behind a proxy with sticky sessions, and join them with an adapter"
    )


def test_processes_that_are_joined_are_warned_of_polling_alone() -> None:
    (line,) = forked("adapter").splitlines()
    assert line == (
        "waterspout.host WARNING this is one of several processes of fork_processes: polling clients fail, because "
        "their requests reach different processes: give each process a port of its own behind a proxy with sticky "
        'sessions, or offer WebSockets only, with transports=("websocket",)'
    )
    assert forked("adapter", transports="websocket") == ""


class SharedPort(TornadoHost):
    """Tornado at a port that other processes may listen at, too."""

    async def start(self, *mountables: Any) -> None:
        self.http = HTTPServer(Application(routes(*mountables)))
        sockets = bind_sockets(0, "127.0.0.1", reuse_port=True)
        self.port = sockets[0].getsockname()[1]
        self.http.add_sockets(sockets)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("joined", [True, False])
def test_a_shared_port_is_warned_of_once(shared: bool, joined: bool, caplog: pytest.LogCaptureFixture) -> None:
    host = (SharedPort if shared else TornadoHost)(LOOPS["asyncio"])

    async def test() -> None:
        await host.serve(Server(adapter=MemoryAdapter(MemoryBus()) if joined else None))
        for _ in range(2):
            await host.session()

    host.run(test())
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text.split(":")[:2] for text in said] == [
        [
            "the port may be shared by processes (SO_REUSEPORT)",
            " polling clients fail, because their requests reach different processes"
            if joined
            else " clients of one process do not hear those of another, and polling clients fail",
        ]
    ] * shared
