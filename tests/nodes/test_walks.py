"""Faults of Redis and of nodes at random, by seed, several at once: what two nodes that stay promise their clients."""

import signal
from random import Random

import pytest

from .cluster import DEAF, FOUND, LOST, Cluster, Count, Node, cluster_of

pytestmark = pytest.mark.long
HOSTS = ["tornado", "gevent", "tornado", "gevent"]
ROUNDS = 8


class Walk:
    """Four nodes; the last two come and go."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.random = Random(seed)
        self.alive, self.ended = cluster.nodes[2:], list[Node]()
        del cluster.nodes[2:]
        staying = {node.name for node in cluster.nodes}
        cluster.observers[:] = [observer for observer in cluster.observers if observer.node in staying]

    def connections_end(self) -> None:
        for _ in range(self.random.randint(1, 4)):
            kind = self.random.choice(["normal", "pubsub"])
            self.cluster.broker.client.client_kill_filter(_type=kind, skipme=True)
            self.cluster.watch.during(self.random.random())

    def redis_restarts(self) -> None:
        self.cluster.broker.stop()
        self.cluster.watch.during(self.random.random() * 3)
        self.cluster.broker.start()

    def redis_stops(self) -> None:
        assert self.cluster.broker.process
        self.cluster.broker.process.send_signal(signal.SIGSTOP)
        self.cluster.watch.during(self.random.random() * 8)
        self.cluster.broker.process.send_signal(signal.SIGCONT)

    def a_node_stops(self) -> None:
        node = self.random.choice(self.cluster.nodes + self.alive)
        node.signal(signal.SIGSTOP)
        self.cluster.watch.during(self.random.random() * 6)
        node.signal(signal.SIGCONT)

    def a_node_ends(self) -> None:
        if self.alive:
            node = self.alive.pop(self.random.randrange(len(self.alive)))
            node.end(self.random.choice([signal.SIGKILL, signal.SIGTERM]))
            self.ended.append(node)

    def a_node_starts(self) -> None:
        if self.ended:
            node = self.ended.pop()
            node.start()
            self.alive.append(node)

    def a_node_starts_without_redis(self) -> None:
        self.a_node_ends()
        self.cluster.broker.stop()
        self.a_node_starts()
        self.cluster.watch.during(self.random.random() * 2)
        self.cluster.broker.start()

    def go(self) -> None:
        """Let some of it happen under load, and check."""
        happens = [
            self.connections_end,
            self.redis_restarts,
            self.redis_stops,
            self.a_node_stops,
            self.a_node_ends,
            self.a_node_starts,
            self.a_node_starts_without_redis,
        ]
        count = Count(self.cluster, pause=self.random.choice([0.005, 0.02]))
        count.until_everybody_gets_more()
        for happen in self.random.choices(happens, k=self.random.randint(1, 5)):
            print(happen.__name__)
            happen()
        self.cluster.settle(self.cluster.nodes + self.alive)
        count.until_everybody_gets_more()
        count.check()
        told = {words: [node.logged(words) for node in self.cluster.nodes] for words in (LOST, FOUND, DEAF)}
        assert told[LOST] == told[FOUND], told
        assert not any(told[DEAF]), told


@pytest.mark.parametrize("seed", range(4))
def test_nothing_comes_twice_or_out_of_order_and_every_hole_is_told(seed: int) -> None:
    with cluster_of(HOSTS, keeps=True) as cluster:
        walk = Walk(cluster, seed)
        for _ in range(ROUNDS):
            walk.go()
        while walk.ended:
            walk.a_node_starts()
