"""An example of an older library, in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clients.processes import HERE, killed_after

SECONDS_TO_START = 30
# For the end of a project's settings.py: the log tells which files Django's reloader watches.
TELLING_OF_WATCHED = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django.utils.autoreload": {"handlers": ["stderr"], "level": "DEBUG"}},
}
"""


@contextmanager
def running(
    program: Path | tuple[Path | str, ...], port: int, log: Path, *options: str, **environment: str
) -> Iterator[None]:
    """Run an example, which listens at this port; nothing may fail in it meanwhile.

    `program` is its file, or that and its arguments; `options` are Python's.
    """
    environment = {**os.environ, "PORT": str(port), **environment}
    command = [
        sys.executable,
        "-W",
        "error",
        *options,
        *map(str, program if isinstance(program, tuple) else (program,)),
    ]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True) as process,
    ):
        try:
            wait_for(process, port, log)
            yield
        finally:
            ended = process.poll()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it has started
    assert ended is None, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def played(
    node: str, script: str, chromium: str, addresses: dict[str, str], seconds: float, *options: str
) -> dict[str, Any]:
    """Open the pages of examples with a script of this folder; return an error or None by the name of the example."""
    command = [node, str(HERE / script), chromium, json.dumps(addresses), *options]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        killed_after(seconds, process),
    ):
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {line["name"]: line["error"] for line in lines}


def wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the example listens."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the example did not start:\n{log.read_text()}", pytrace=False)


def wait_until_watched(file: Path, log: Path) -> None:
    """Wait until Django's reloader has seen a file, of a project with TELLING_OF_WATCHED: no change before counts."""
    deadline = time.monotonic() + SECONDS_TO_START
    while f"File {file} first seen" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
