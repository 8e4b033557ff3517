"""Nodes in processes of their own around a Redis of the test's own, and clients that see what they do."""

import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from deploy.backends import Backend, unit_command
from redisserver import RedisServer

from .watch import Observer, Watch

ROOM = "numbers"
LOST, FOUND = "the other nodes are not reached", "the other nodes are reached again"
DEAD, DEAF = "is silent: it counts as dead", "the bus delivers nothing"


class Node(Backend):
    """A node at a Unix socket, as deploy/waterspout@.service runs it; `control` is a client that commands it."""

    def __init__(self, folder: Path, number: int, host: str, adapter: str, watch: Watch) -> None:
        path = str(folder / f"{number}.sock")
        command = [{"deploy.app:server": "nodes.app:server"}.get(word, word) for word in unit_command(path)]
        command += ["--host", host, "--adapter", adapter]
        super().__init__(command, f"unix:{path}", folder / f"{number}.log")
        self._watch = watch
        self._logged = 0

    def start(self) -> None:
        super().start()
        self.control = Observer(self._watch, self.address)
        self.name = self.control.node

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.control.close()
        super().end(how)

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.control.ask("facts")
        return found

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def forget_log(self) -> None:
        self._logged = self.log.stat().st_size

    def log_lines(self) -> list[str]:
        """Return the lines since `forget_log`."""
        with self.log.open("rb") as log:
            log.seek(self._logged)
            return log.read().decode().splitlines()

    def logged(self, words: str) -> int:
        """Count the lines with these words."""
        return sum(words in line for line in self.log_lines())

    def until_logged(self, words: str) -> None:
        """Wait for a line with these words."""
        self._watch.until(lambda: self.logged(words), f"a line of {self.name} with {words!r}")


class Cluster:
    """Nodes that have found each other, and observers in the room of all."""

    def __init__(self, folder: Path, broker: RedisServer, hosts: Sequence[str], watch: Watch) -> None:
        self.folder, self.broker, self.watch = folder, broker, watch
        self.nodes = [Node(folder, number, host, broker.url, watch) for number, host in enumerate(hosts, 1)]
        self.observers: list[Observer] = []

    def settle(self, nodes: Sequence[Node] = ()) -> None:
        """Wait until each node knows all, and all are ready."""
        nodes = nodes or self.nodes
        names = {node.name for node in nodes}
        seen: dict[str, list[Any]] = {}

        def settled() -> bool:
            for node in nodes:
                seen[node.name] = node.facts()["nodes"]
            return all({one["name"] for one in each} == names for each in seen.values()) and all(
                one["is_ready"] for each in seen.values() for one in each
            )

        self.watch.until(settled, lambda: f"not all nodes are in touch: {seen}")

    def observe_at(self, node: Node) -> list[Observer]:
        """Let two clients of a node enter the room."""
        observers = [Observer(self.watch, node.address) for _ in range(2)]
        for observer in observers:
            observer.ask("enter", ROOM)
        return observers

    def logged(self, words: str) -> int:
        """Count the lines with these words since the last count began, of all nodes."""
        return sum(node.logged(words) for node in self.nodes)

    def until_logged(self, words: str, times: int) -> None:
        """Wait until so many lines have these words."""
        self.watch.until(lambda: self.logged(words) >= times, f"{times} times {words!r}")

    @contextmanager
    def counted(self, *, losses: int | None = None, **load: Any) -> Iterator[None]:
        """Publish numbered events meanwhile, and count them; so many nodes have to tell of one loss of Redis each."""
        count = Count(self, **load)
        count.until_everybody_gets_more()
        yield
        if losses is not None:
            self.until_logged(FOUND, losses)
        self.settle()
        count.until_everybody_gets_more()
        count.check()
        if losses is not None:
            told = {words: [node.logged(words) for node in self.nodes] for words in (LOST, FOUND, DEAD, DEAF)}
            assert sorted(told[LOST]) == [0] * (len(self.nodes) - losses) + [1] * losses, told
            assert told[FOUND] == told[LOST], told
            assert not any(told[DEAD] + told[DEAF]), told


class Count:
    """The numbered events that nodes publish from now to `check`, and what observers get of them."""

    def __init__(self, cluster: Cluster, *, pause: float = 0.005, filler: int = 0) -> None:
        self.watch = cluster.watch
        self.nodes = tuple(cluster.nodes)
        self.observers = tuple(cluster.observers)
        for node in self.nodes:
            node.forget_log()
        self._gaps = {node.name: len(node.facts()["gaps"]) for node in self.nodes}
        for observer in self.observers:
            observer.numbers.clear()
        self._firsts = {node.name: node.control.ask("begin", ROOM, pause, filler) for node in self.nodes}

    def until_everybody_gets_more(self, more: int = 20) -> None:
        """Wait until each client has got further events of each node."""
        before = [(one, node.name, len(one.numbers[node.name])) for one in self.observers for node in self.nodes]

        def came() -> bool:
            if not all(one.is_open for one in self.observers):
                raise AssertionError(f"clients were disconnected: {[node.facts() for node in self.nodes]}")
            return all(len(one.numbers[name]) >= had + more for one, name, had in before)

        def what() -> str:
            return f"nothing comes: {[(one.node, name, had, len(one.numbers[name])) for one, name, had in before]}"

        self.watch.until(came, what)

    def until_it_gets(self, observer: Observer, number: int) -> None:
        """Wait until a client that is not counted has got so many events of each node."""
        self.watch.until(
            lambda: all(len(observer.numbers[node.name]) >= number for node in self.nodes),
            lambda: f"too little comes: {observer.numbers}",
        )

    def check(self) -> int:
        """End, and hold the clients to the promises: nothing twice, in order, and no hole that was not told.

        Return how many events a client has missed at most.
        """
        ended = {node.name: node.control.ask("end") for node in self.nodes}
        lasts = {name: last for name, (last, _) in ended.items()}
        self.watch.until(
            lambda: all(
                (one.numbers[name] or [0])[-1] >= last for one in self.observers for name, last in lasts.items()
            ),
            lambda: f"the last ones did not come: {lasts}, {[dict(one.numbers) for one in self.observers]}",
        )
        told: Counter[tuple[str, str]] = Counter()
        for node in self.nodes:
            for name, words in node.facts()["gaps"][self._gaps[node.name] :]:
                told[node.name, name] += words
        missed = 0
        for one in self.observers:
            for name, (last, refused) in ended.items():
                got = one.numbers[name]
                assert got == sorted(set(got)), f"of {name} at {one.node}: {_disorder(got)}"
                holes = set(range(self._firsts[name], last + 1)).difference(refused, got)
                assert len(holes) <= told[one.node, name], f"of {name} at {one.node}: {sorted(holes)}, told {told}"
                missed = max(missed, len(holes))
        return missed


def _disorder(numbers: list[int]) -> list[tuple[int, int]]:
    return [(one, two) for one, two in pairwise(numbers) if two <= one]


@contextmanager
def cluster_of(hosts: Sequence[str], **options: Any) -> Iterator[Cluster]:
    """Run nodes on these hosts, and a Redis."""
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="waterspout-") as name, ExitStack() as stack:
        broker = RedisServer(Path(name), **options)
        stack.callback(broker.stop)
        broker.start()
        cluster = Cluster(Path(name), broker, hosts, watch)
        for node in cluster.nodes:
            stack.enter_context(node.running())
        cluster.settle()
        for node in cluster.nodes:
            cluster.observers += cluster.observe_at(node)
        try:
            yield cluster
        finally:
            watch.close()
