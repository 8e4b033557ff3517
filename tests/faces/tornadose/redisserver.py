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
    """A redis-server that keeps nothing, at `socket`."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "redis.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server is missing")
        command = [program, "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < end
                assert self._process.poll() is None
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def client(self) -> Any:
        return redis.Redis(unix_socket_path=self.socket)
