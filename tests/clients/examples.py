"""An example of an older library, in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS_TO_START = 30


@contextmanager
def running(program: Path, port: int, log: Path, *options: str, **environment: str) -> Iterator[None]:
    """Run an example, which listens at this port; nothing may fail in it meanwhile. `options` are Python's."""
    environment = {**os.environ, "PORT": str(port), **environment}
    command = [sys.executable, "-W", "error", *options, str(program)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            _wait_for(process, port, log)
            yield
        finally:
            ended = process.poll()
            process.kill()
    assert ended is None, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
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
