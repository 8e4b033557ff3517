"""The two processes of these tests: the server, and the official clients that report about it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hosting import program

HERE = Path(__file__).parent
SECONDS_FOR_THE_SERVER = 20  # to start, and to stop
SECONDS_FOR_THE_MATRIX = 120


Errors = dict[tuple[str, str, str], str | None]
"""An error or None by generation, transport and scenario."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the clients saw: the errors, and how their process ended."""

    errors: Errors
    ending: str


@contextmanager
def serving(kind: str, log: Path, *options: str) -> Iterator[int]:
    """Run the server on a host and give its port; it has to end well, with no traceback in its log."""
    command = program(kind, "clients.app", *options)
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process,
    ):
        assert process.stdout is not None
        with killed_after(SECONDS_FOR_THE_SERVER, process):
            line = process.stdout.readline()
        assert line, f"the server did not start:\n{log.read_text()}"
        try:
            yield int(line)
        finally:
            process.terminate()
            with killed_after(SECONDS_FOR_THE_SERVER, process):
                code = process.wait()
    ending = f"the server ended with {code} and had logged:\n{log.read_text()}"
    assert code == 0, ending
    assert "Traceback" not in ending, ending


def run_matrix(node: str, port: int, parser: str = "json", *scenarios: str) -> Report:
    """Run these scenarios, or all, with all clients that have the parser, until the watchdog ends it."""
    command = [node, "--no-deprecation", str(HERE / "matrix.mjs"), str(port), parser, *scenarios]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        killed_after(SECONDS_FOR_THE_MATRIX, process),
    ):
        output, errors = process.communicate()
    return Report(errors_of(output), f"exit code {process.returncode}\n{errors}")


def play(
    node: str,
    log: Path,
    name: str,
    seconds: float,
    *,
    options: tuple[str, ...] = (),
    arguments: tuple[str, ...] = (),
    kind: str = "asyncio",
    script: str = "",
) -> Errors:
    """Run the server of `clients.NAME` on a host with the clients of NAME.mjs, and return what these report.

    The clients are those of SCRIPT.mjs, if that is given.

    `log` gets what the server writes to its standard error; `options` are Python's, `arguments` the clients', behind
    the port.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), *sys.path)))}
    python, *command = program(kind, f"clients.{name}")
    command = [python, *options, *command]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as server,
        killed_after(seconds, server),
    ):
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        assert port, log.read_text()
        played = [node, "--no-deprecation", str(HERE / f"{script or name}.mjs"), port, *arguments]
        clients = subprocess.run(played, capture_output=True, text=True, timeout=seconds, check=False)
        server.terminate()
        assert server.wait() == 0, log.read_text()
    assert clients.returncode == 0, clients.stderr
    return errors_of(clients.stdout)


def errors_of(output: str) -> Errors:
    """Read the reports of clients, a line of JSON for each scenario."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{") and line.endswith("}")]
    return {(line["generation"], line["transport"], line["scenario"]): line["error"] for line in lines}


@contextmanager
def killed_after(seconds: float, process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> Iterator[None]:
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()
