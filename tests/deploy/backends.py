"""A server behind a proxy, in a process of its own: any program that listens at the address it is given."""

import configparser
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0  # seconds; no test waits this long unless something is wrong
ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
HOSTS = ("tornado", "gevent", "gunicorn", "paste")
PASTE = """
[app:main]
use = call:deploy.site:make

[server:main]
use = egg:waterspout#gevent
unix = {path}
"""


def unit_command(socket_path: str) -> list[str]:
    """Return the command of deploy/waterspout@.service, for the server of these tests and this interpreter."""
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read(ROOT / "deploy/waterspout@.service", "utf-8")
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/bin/waterspout"), program
    changes = {"app:server": "deploy.app:server", "/run/waterspout/%i.sock": socket_path}
    assert set(changes) <= set(arguments), arguments
    return [sys.executable, "-m", "waterspout", *(changes.get(word, word) for word in arguments)]


class Backend:
    """A process that can be ended and started again at the same address: "unix:/path" or "127.0.0.1:8000"."""

    def __init__(self, command: Sequence[str], address: str, log: Path) -> None:
        self.command = command
        self.address = address
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
                umask=0,  # a proxy may run as another user
            )
        try:
            until_listening(self.address, self.process, self.log)
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal and wait for the end."""
        assert self.process is not None
        self.process.send_signal(how)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert code in (0, -how), self.log.read_text()

    @contextmanager
    def paused(self, how: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        """End it, and start another in its place afterwards."""
        self.end(how)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def running(self) -> Iterator["Backend"]:
        """Run it; it has to end well, with no traceback in its log."""
        self.start()
        try:
            yield self
        finally:
            self.end()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()


def waterspout(folder: Path, number: int = 1, host: str = "tornado") -> Backend:
    """Return a process of Waterspout at a Unix socket, as deploy/waterspout@.service has it, on a host."""
    path = str(folder / f"{number}.sock")
    match host:
        case "gunicorn":
            worker = ("--worker-class", "waterspout.hosts.gunicorn.Worker", "--no-control-socket")
            command = [sys.executable, "-m", "gunicorn", *worker, "--bind", f"unix:{path}", "deploy.site:app"]
        case "paste":
            file = folder / "site.ini"
            file.write_text(PASTE.format(path=path))
            command = [sys.executable, "-m", "deploy.site", str(file)]
        case _:
            command = [*unit_command(path), "--host", host]
    return Backend(command, f"unix:{path}", folder / f"{number}.log")


def waterspout_at(address: str, log: Path) -> Backend:
    """Return a process of Waterspout at an address of TCP."""
    command = [{"--unix": "--bind"}.get(word, word) for word in unit_command(address)]
    return Backend(command, address, log)


def until_listening(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until somebody listens at the address; AssertionError if the process ends first."""
    deadline = time.monotonic() + PATIENCE
    while not _listens(address):
        assert process.poll() is None, f"it has ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"nothing listens at {address}:\n{log.read_text()}"
        time.sleep(0.01)


def _listens(address: str) -> bool:
    kind, _, path = address.partition("unix:")
    host, _, port = kind.partition(":")
    with socket.socket(socket.AF_INET if kind else socket.AF_UNIX) as probe:
        return probe.connect_ex((host, int(port)) if kind else path) == 0
