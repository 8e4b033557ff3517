"""Nodes behind HAProxy with deploy/haproxy.cfg: rooms of all generations of clients across nodes, and restarts."""

import csv
import io
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.proxies import Front, find, proxied
from deploy.test_several_processes import administrate
from deploy.visitor import Polling, Visitor
from hosts.certificate import make_certificate
from missing import missing

from .cluster import Cluster, Count, cluster_of
from .official import NAMES, Clients, official_clients

ADDRESSES = [f"127.0.2.{number}" for number in range(1, 6)]
HOSTS = ["tornado", "gevent", "gevent", "tornado"]


@dataclass
class House:
    """Nodes, the balancer before them, and the clients of all generations behind it."""

    cluster: Cluster
    front: Front
    clients: Clients

    def emit(self, from_: int, *event: object, to: str | None = None) -> None:
        """Emit an event from the node of this number."""
        name, *args = event
        self.cluster.nodes[from_].control.ask("emit", name, args, to)


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.hosts)], ids="{} nodes".format)
def house(request: pytest.FixtureRequest, node: str) -> Iterator[House]:
    if find("haproxy") is None:
        missing("haproxy is missing; scripts/test installs Debian's, as root or with sudo")
    with cluster_of(HOSTS[: request.param]) as cluster:
        folder = cluster.folder
        make_certificate(folder)
        with (
            proxied("haproxy", [node.address for node in cluster.nodes], folder, backend="nodes") as front,
            official_clients(node, cluster.watch, front.url(), folder / "clients.log") as clients,
        ):
            yield House(cluster, front, clients)


def test_rooms_reach_clients_of_all_generations_at_all_nodes(house: House) -> None:
    clients, nodes = house.clients, house.cluster.nodes
    assert set(clients.nodes.values()) == {node.name for node in nodes}
    for name in NAMES:
        clients.ask(name, "enter", "room")
    for number in range(len(nodes)):
        house.emit(number, "news", number, to="room")
        clients.until_they_have("news", number)
    for name in NAMES:
        assert sorted(clients.events[name]) == [["news", number] for number in range(len(nodes))]
    clients.forget()
    for node in nodes:
        assert node.control.ask("count", "room", 60) == {"sockets": len(NAMES), "missing": []}
        found = node.control.ask("fetch", "room", 60)["sockets"]
        assert sorted(id for id, _ in found) == sorted(clients.ids.values())
        replies = node.control.ask("call", "room", 60)
        assert replies == {"answers": {clients.ids[name]: name for name in NAMES}, "missing": [], "missing_nodes": []}
        clients.forget()


@pytest.mark.hosts
def test_a_join_and_a_leave_hold_for_the_next_emit_of_any_node(house: House) -> None:
    clients, nodes = house.clients, house.cluster.nodes
    for number, name in enumerate(NAMES):
        joining, emitting = (nodes[(number + step) % len(nodes)].control for step in (0, 1))
        joining.ask("join", "second", clients.ids[name])
        emitting.ask("emit", "news", ["in"], "second")
        clients.until_they_have("news", "in", names=[name])
        joining.ask("leave", "second", clients.ids[name])
        emitting.ask("emit", "news", ["out"], "second")
        emitting.ask("emit", "news", ["end"], clients.ids[name])
        clients.until_they_have("news", "end", names=[name])
        assert clients.events[name] == [["news", "in"], ["news", "end"]]
    clients.forget()


@pytest.mark.hosts
def test_clients_of_a_node_that_is_killed_come_back_at_another_and_no_others_notice(house: House) -> None:
    clients, cluster = house.clients, house.cluster
    killed = cluster.nodes[-1]
    gone = clients.at(killed.name)
    assert gone
    assert len(gone) < len(NAMES)
    for name in NAMES:
        clients.ask(name, "enter", "room")
    killed.end(signal.SIGKILL)
    clients.until_they_have("disconnect", names=gone)
    clients.until_they_have("connect", names=gone)
    clients.locate(gone)
    assert killed.name not in clients.nodes.values()
    for name in gone:
        clients.ask(name, "enter", "room")
    house.emit(0, "news", "after", to="room")
    clients.until_they_have("news", "after")
    for name in NAMES:
        if name not in gone:
            assert clients.events[name] == [["news", "after"]]
    clients.forget()
    killed.start()
    cluster.settle()


@pytest.mark.hosts
def test_clients_keep_their_node_while_redis_is_lost_and_new_ones_get_one(house: House) -> None:
    clients, cluster = house.clients, house.cluster
    ids = dict(clients.ids)
    cluster.broker.stop()
    cluster.watch.until(lambda: states(house.front) == {"NOLB"}, lambda: f"no node is ready: {states(house.front)}")
    clients.locate()
    assert clients.ids == ids
    assert len({node_of(house.front, address) for address in ADDRESSES}) > 1
    cluster.broker.start()
    cluster.settle()
    cluster.watch.until(lambda: states(house.front) == {"UP"}, lambda: f"all are ready: {states(house.front)}")
    clients.locate()
    assert clients.ids == ids
    assert not clients.events


@pytest.mark.hosts
def test_clients_of_a_node_that_does_not_answer_are_led_to_another(house: House) -> None:
    cluster, stopped = house.cluster, house.cluster.nodes[-1]
    addresses = [address for address in ADDRESSES if node_of(house.front, address) == stopped.name]
    assert addresses
    stopped.signal(signal.SIGSTOP)
    cluster.watch.until(lambda: "DOWN" in states(house.front), lambda: f"it is down: {states(house.front)}")
    for address in addresses:
        assert node_of(house.front, address) != stopped.name
    stopped.signal(signal.SIGCONT)
    cluster.settle()
    cluster.watch.until(lambda: states(house.front) == {"UP"}, lambda: f"all are ready: {states(house.front)}")


def node_of(front: Front, address: str) -> str:
    """Let a program without cookies begin a session from an address; return the name of its node."""
    with Visitor(front, address=address, keeps_cookies=False) as visitor:
        name: str = Polling(visitor).call("name")
        return name


@pytest.mark.hosts
def test_nodes_are_restarted_one_after_the_other_and_nobody_elsewhere_misses_anything(house: House) -> None:
    clients, cluster = house.clients, house.cluster
    for number, node in enumerate(tuple(cluster.nodes), 1):
        clients.locate()
        here = clients.at(node.name)
        server = f"waterspout_nodes/{number}"
        cluster.nodes.remove(node)
        cluster.observers[:] = [observer for other in cluster.nodes for observer in cluster.observe_at(other)]
        count = Count(cluster)
        count.until_everybody_gets_more()

        administrate(house.front, f"set server {server} state drain")
        assert node.name not in {node_of(house.front, f"{address}{number}") for address in ADDRESSES}
        assert not clients.events
        node.end()
        clients.until_they_have("disconnect", names=here)
        node.start()
        administrate(house.front, f"set server {server} state ready")
        clients.until_they_have("connect", names=here)

        count.until_everybody_gets_more()
        assert count.check() == 0
        assert set(clients.events) <= set(here)
        clients.forget()
        cluster.nodes.insert(number - 1, node)
        cluster.settle()
        cluster.watch.until(lambda: states(house.front) == {"UP"}, lambda: f"all are ready: {states(house.front)}")


@pytest.mark.hosts
def test_a_node_disconnects_clients_of_others(house: House) -> None:
    clients = house.clients
    clients.locate()
    for number, name in enumerate(NAMES):
        house.cluster.nodes[number % 2].control.ask("disconnect clients", clients.ids[name])
    clients.until_they_have("disconnect")


def states(front: Front) -> set[str]:
    """Return what HAProxy takes the nodes for."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(front.plan.folder / "admin.sock"))
        admin.sendall(b"show stat\n")
        text = admin.makefile().read().removeprefix("# ")
    rows = csv.DictReader(io.StringIO(text))
    return {row["status"] for row in rows if row["pxname"] == "waterspout_nodes" and row["svname"].isdecimal()}
