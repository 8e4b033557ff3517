"""Start a server again whenever a Python file under a directory changes.

The server is a child process whose standard input is a pipe from here. The pipe's end tells it to stop in an orderly
way, and it ends too when this process is killed: no orphan keeps the port. A signal of the terminal
reaches both, and the end of the pipe after it is not a second signal. Sockets that systemd has opened stay open here,
and each child takes them.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ..drivers.log import logger
from .listeners import to_pass_on

POLL_INTERVAL = 0.5
STOP_TIMEOUT = 10.0
SKIPPED = {"__pycache__", "node_modules", "site-packages"}


log = logger("waterspout.reload")


def supervise(command: Sequence[str], root: Path) -> int:
    """Run the command until it ends by itself or a signal comes, and return its exit status.

    One that fails after a change (a syntax error, say) is waited out: the next change starts it again.
    """
    return asyncio.run(_Supervisor(command, root).run())


class _Supervisor:
    def __init__(self, command: Sequence[str], root: Path) -> None:
        self.command = command
        self.root = root
        self.inherited = to_pass_on()
        self.stopped = asyncio.Event()
        self.child: Process | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        reloads = 0
        while True:
            changed = partial(self._changed, dict(_sources(self.root)))
            self.child = child = await asyncio.create_subprocess_exec(
                *self.command, stdin=PIPE, pass_fds=self.inherited
            )
            await _first(child.wait, self.stopped.wait, changed)
            if child.returncode and reloads:
                log.warning("the server has ended with status %d and waits for a change", _status(child.returncode))
                await _first(self.stopped.wait, changed)
                if self.stopped.is_set():
                    return 0
            elif self.stopped.is_set() or child.returncode is not None:
                return await _end(child)
            log.warning("a source file has changed: starting again")
            await _end(child)
            reloads += 1

    def _signalled(self) -> None:
        if self.stopped.is_set() and self.child is not None and self.child.returncode is None:
            self.child.kill()
        self.stopped.set()

    async def _changed(self, known: dict[str, int]) -> None:
        while dict(_sources(self.root)) == known:
            await asyncio.sleep(POLL_INTERVAL)


def _sources(root: Path) -> Iterator[tuple[str, int]]:
    """Yield each Python file below the root with its time of change; virtual environments are skipped."""
    for folder, folders, files in os.walk(root):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(".py") and (changed := _changed_at(path)):
                yield path, changed


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0  # removed meanwhile


async def _first(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait until one of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(child: Process) -> int:
    """Let the child end, kill it if it does not, and return its exit status."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            code = await child.wait()
    except TimeoutError:
        child.kill()
        code = await child.wait()
    return _status(code)


def _status(code: int) -> int:
    """Return the exit status as a shell tells it: 128 and the number for a signal."""
    return code if code >= 0 else 128 - code
