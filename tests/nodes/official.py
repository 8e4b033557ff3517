"""The official clients of three generations, and a plain WebSocket, in one process of Node's."""

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from .watch import Watch

PLAIN = "plain WebSocket"
NAMES = [f"{generation} {way}" for generation in ("4.8.4", "2.5.0", "0.9.17") for way in ("polling", "websocket")]
NAMES.append(PLAIN)


class Clients:
    """What they have got, by their name: `events`, and the node of each and its id there."""

    def __init__(self, watch: Watch, process: "subprocess.Popen[bytes]", log: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._watch, self._log = watch, log
        self._input, self._output = process.stdin, process.stdout
        self._read = b""
        self._numbers = count(1)
        self._answers: dict[int, Any] = {}
        self.events: defaultdict[str, list[list[Any]]] = defaultdict(list)
        self.nodes: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        watch.add(self._output, self._receive)

    def until_they_have(self, *event: Any, names: list[str] = NAMES) -> None:
        """Wait until each of them has got this event."""
        self._watch.until(
            lambda: all(list(event) in self.events[name] for name in names),
            lambda: f"{event} does not come to {[name for name in names if list(event) not in self.events[name]]}",
        )

    def locate(self, names: list[str] = NAMES) -> None:
        """Ask each where it is."""
        for name in names:
            self.nodes[name], self.ids[name] = self.ask(name, "where")

    def at(self, node: str) -> list[str]:
        """Return the names of the clients of a node."""
        return [name for name in NAMES if self.nodes[name] == node]

    def ask(self, client: str, event: str, *args: Any) -> Any:
        """Let a client emit an event, and return the answer."""
        number = next(self._numbers)
        line = json.dumps({"client": client, "event": event, "args": args, "number": number})
        self._input.write(f"{line}\n".encode())
        self._input.flush()
        self._watch.until(lambda: number in self._answers, f"the answer to {event!r} of {client}")
        return self._answers.pop(number)

    def forget(self) -> None:
        """Forget the events."""
        self.events.clear()

    def _receive(self) -> None:
        read = os.read(self._output.fileno(), 1 << 16)
        assert read, f"the clients have ended: {self._log.read_text()}"
        *lines, self._read = (self._read + read).split(b"\n")
        for line in map(json.loads, lines):
            if "answer" in line:
                self._answers[line["number"]] = line["answer"]
            else:
                self.events[line["client"]].append([line["event"], *line["args"]])


@contextmanager
def official_clients(node: str, watch: Watch, url: str, log: Path) -> Iterator[Clients]:
    """Run them, and wait until all are connected."""
    command = [node, "--no-deprecation", str(Path(__file__).parent / "clients.mjs"), url]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        clients = Clients(watch, process, log)
        try:
            clients.until_they_have("connect")
            clients.locate()
            clients.forget()
            yield clients
        finally:
            watch.remove(process.stdout)
            process.kill()
