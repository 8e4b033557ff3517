"""Official clients in a process of Node, and what they report from behind a proxy."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clients.processes import killed_after
from deploy.proxies import Front

HERE = Path(__file__).parent
WATCHDOG_SECONDS = 60
CLIENTS = [
    (generation, transport)
    for generation in ("4.8.4", "2.5.0", "0.9.17")
    for transport in ("polling", "websocket", "upgrade")
    if (generation, transport) != ("0.9.17", "upgrade")
]
Report = dict[tuple[str, str], dict[str, Any]]


@contextmanager
def script(node: str, front: Front, name: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a script of this folder, which trusts the proxy's certificate."""
    with (
        subprocess.Popen(
            [node, "--no-deprecation", str(HERE / name), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(front.certificate)},
        ) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        try:
            yield process
        finally:
            process.kill()


def lines(process: "subprocess.Popen[str]", word: str = "") -> list[dict[str, Any]]:
    """Say a word to a script, wait for its end, and return what it has printed."""
    output, errors = process.communicate(word)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines()]


def report(process: "subprocess.Popen[str]", word: str = "") -> Report:
    """Say a word to a script of clients, and return what each has reported."""
    return {(line["generation"], line["transport"]): line for line in lines(process, word)}


def talk(node: str, front: Front, *, secure: bool = False) -> Report:
    """Let all clients talk to the server, one after the other."""
    with script(node, front, "clients.mjs", "talk", front.url(secure=secure)) as process:
        return report(process)
