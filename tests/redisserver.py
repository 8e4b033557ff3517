"""A redis-server of a test's own."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

from missing import missing

PATIENCE = 20.0  # s


class RedisServer:
    """A redis-server at `socket`, with further `options` such as "--port". It begins empty, unless it `keeps` data.

    With the file of a Sentinel's configuration it is a Sentinel.
    """

    def __init__(self, folder: Path, *options: str, keeps: bool = False, config: Path | None = None) -> None:
        self.socket = str(folder / "redis.sock")
        self.url = f"unix://{self.socket}"
        self._options = [] if config is None else [str(config), "--sentinel"]
        self._options += ["--unixsocket", self.socket, "--dir", str(folder), *options]
        if config is None:
            self._options += ["--save", "", "--appendonly", "yes" if keeps else "no"]
            self._options += ["--enable-debug-command", "local"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server is missing")
        port = [] if "--port" in self._options else ["--port", "0"]
        self.process = subprocess.Popen([program, *port, *self._options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < end
                assert self.process.poll() is None, "it has ended: run it by hand to see why"
                time.sleep(0.01)
            except redis.AuthenticationError:
                return
            else:
                return

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def client(self) -> Any:
        """Return a client of its own."""
        return redis.Redis(unix_socket_path=self.socket)
