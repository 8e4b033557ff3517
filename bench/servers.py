"""The peers as processes: started on one core, ended by process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

BENCH = Path(__file__).parent
BUILD = BENCH / ".build"
PEERS = (
    *("ours", "ours-asyncio", "ours-gevent", "node", "psio-aiohttp", "psio-granian", "psio-gevent"),
    *("ours-uvicorn", "ours-asgi", "psio-uvicorn"),
    *("events-node", "events-starlette", "events-tornado"),
    *("nodes-ours", "nodes-gevent", "nodes-node", "nodes-psio"),
)
OWN = "own"
"""Our own server under another load, where nobody else serves the same clients."""
START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0


class ServerFailed(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where clients connect, where it takes what it is to publish, and the ids of its processes."""

    ports: tuple[int, ...]
    publish_port: int
    pids: tuple[int, ...]


def command(peer: str, port: int, publish_port: int, *url: str) -> list[str]:
    """Return the command line of a peer. Those that publish nothing need no second port, and ignore it.

    Nodes need the URL of their Redis.
    """
    kind, _, variant = peer.replace(OWN, "ours").partition("-")
    if "node" in (kind, variant):
        script = str(BENCH / "peers" / f"{kind}.js")
        return [shutil.which("node") or "node", script, str(port), str(publish_port), *url]
    arguments = [str(port), *filter(None, [variant]), str(publish_port), *url]
    return [sys.executable, str(BENCH / "peers" / f"{kind}.py"), *arguments]


@contextmanager
def running(peer: str, *url: str, core: int, log: str = "") -> Iterator[Running]:
    """Run a peer on one core. It is gone afterwards. Raises ServerFailed with the end of its output."""
    port, publish_port = free_port(), free_port()
    with _process(log or peer, command(peer, port, publish_port, *url), port, core) as pid:
        yield Running((port,), publish_port, (pid,))


@contextmanager
def running_nodes(peer: str, receivers: int, idle: int, *, core: int) -> Iterator[Running]:
    """Run nodes and their Redis on one core: a sender, `receivers` with clients, `idle` ones without.

    The processes are in this order, Redis is the last.
    """
    redis_port = free_port()
    redis = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(BUILD)]
    with ExitStack() as stack:
        redis_pid = stack.enter_context(_process("redis", redis, redis_port, core))
        url = f"redis://127.0.0.1:{redis_port}"
        nodes = [
            stack.enter_context(running(peer, url, core=core, log=f"{peer}-{number}"))
            for number in range(1 + receivers + idle)
        ]
        ports = tuple(node.ports[0] for node in nodes[1 : 1 + receivers])
        yield Running(ports, nodes[0].publish_port, (*(node.pids[0] for node in nodes), redis_pid))


@contextmanager
def _process(name: str, command: list[str], port: int, core: int) -> Iterator[int]:
    """Run a command on one core, from when it accepts connections; give its process id."""
    log = BUILD / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"NODE_ENV": "production"},
            start_new_session=True,
        )
        try:
            _await_port(process, port, log)
            yield process.pid
        finally:
            _stop(process)


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_TIMEOUT
    while not _accepts(port):
        if process.poll() is not None or time.monotonic() > give_up:
            raise ServerFailed("\n".join(log.read_text(errors="replace").splitlines()[-12:]) or "no output")
        time.sleep(0.02)
    time.sleep(0.3)  # what it does after it began to listen is not measured


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the group is the server's own: it leads a session
        process.wait()
