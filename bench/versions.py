"""The versions of everything that took part."""

import json
import platform
import subprocess
from importlib import metadata

from bench.servers import BENCH

PYTHON_PACKAGES = ("waterspout", "tornado", "msgspec", "uvloop", "gevent", "redis", "hiredis")
RIVAL_PACKAGES = (
    "python-socketio",
    "python-engineio",
    "aiohttp",
    "granian",
    "sse-starlette",
    "uvicorn",
    "httptools",
)
NODE_PACKAGES = ("socket.io", "engine.io", "ws", "bufferutil", "@socket.io/redis-adapter", "redis")


def versions() -> str:
    """Return one line of names and versions."""
    node = first_line("node", "--version").removeprefix("v")
    compiler = first_line("gcc", "-dumpfullversion")
    redis = first_line("redis-server", "--version").partition("v=")[2].split()[0]
    parts = [f"Python {platform.python_version()}", *map(_python, PYTHON_PACKAGES)]
    parts += [f"Node {node}", *map(_node, NODE_PACKAGES)]
    parts += [*map(_python, RIVAL_PACKAGES), f"redis-server {redis}", f"gcc {compiler}"]
    return ", ".join(parts)


def first_line(*command: str) -> str:
    """Return the first line that a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[0]


def _python(name: str) -> str:
    return f"{name} {metadata.version(name)}"


def _node(name: str) -> str:
    package = json.loads((BENCH / "node_modules" / name / "package.json").read_text())
    return f"{name} {package['version']}"
