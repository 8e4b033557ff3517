"""The peers as processes: started on one core, ended by process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

BENCH = Path(__file__).parent
BUILD = BENCH / ".build"
PEERS = (
    *("ours", "ours-asyncio", "ours-gevent", "node", "psio-aiohttp", "psio-granian", "psio-gevent"),
    *("events-node", "events-starlette", "events-tornado"),
)
OWN = "own"
"""Our own server under another load, where nobody else serves the same clients."""
START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0


class ServerFailed(Exception):
    """A server did not come up."""


def command(peer: str, port: int, publish_port: int) -> list[str]:
    """Return the command line of a peer. Those that publish nothing need no second port, and ignore it."""
    kind, _, variant = peer.replace(OWN, "ours").partition("-")
    if "node" in (kind, variant):
        return [shutil.which("node") or "node", str(BENCH / "peers" / f"{kind}.js"), str(port), str(publish_port)]
    arguments = [str(port), *filter(None, [variant]), str(publish_port)]
    return [sys.executable, str(BENCH / "peers" / f"{kind}.py"), *arguments]


@contextmanager
def running(peer: str, *, core: int) -> Iterator[tuple[int, int, int]]:
    """Run a peer on one core and give its port, the one for what it is to publish, and its process id.

    It is gone afterwards. Raises ServerFailed with the end of its output.
    """
    port, publish_port = free_port(), free_port()
    log = BUILD / f"{peer}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command(peer, port, publish_port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"NODE_ENV": "production"},
            start_new_session=True,
        )
        try:
            _await_port(process, port, log)
            yield port, publish_port, process.pid
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
