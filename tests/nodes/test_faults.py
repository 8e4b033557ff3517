"""What nodes promise while Redis is stopped, replaced, stalled, or cuts connections: under load, and counted."""

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from .cluster import FOUND, ROOM, Cluster, cluster_of

HOSTS = ["tornado", "gevent", "gevent", "tornado"]


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.hosts)], ids="{} nodes".format)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster_of(HOSTS[: request.param], keeps=True) as cluster:
        yield cluster


def connections(cluster: Cluster, kind: str) -> list[str]:
    """Return the ids of the nodes' connections to Redis, which are for commands ("normal") or receive ("pubsub")."""
    clients: list[dict[str, Any]] = cluster.broker.client.client_list(_type=kind)
    return [each["id"] for each in clients if each["name"] == "waterspout"]


@pytest.mark.parametrize("kind", [pytest.param("normal", marks=pytest.mark.hosts), "pubsub"])
def test_one_connection_is_closed_by_redis(cluster: Cluster, kind: str) -> None:
    for number in range(len(cluster.nodes)):
        with cluster.counted(losses=1):
            cluster.broker.client.client_kill_filter(_id=connections(cluster, kind)[number])


@pytest.mark.parametrize("keeps", [False, pytest.param(True, marks=pytest.mark.hosts)], ids=["empty", "with its data"])
def test_redis_is_started_again(cluster: Cluster, keeps: bool) -> None:
    broker = cluster.broker
    broker.client.set("key", "value")
    with cluster.counted(losses=len(cluster.nodes)):
        broker.stop()
        if not keeps:
            shutil.rmtree(cluster.folder / "appendonlydir")
        broker.start()
    assert broker.client.get("key") == (b"value" if keeps else None)


@pytest.mark.hosts
def test_redis_is_stopped_for_five_seconds(cluster: Cluster) -> None:
    assert cluster.broker.process
    with cluster.counted(losses=len(cluster.nodes)):
        cluster.broker.process.send_signal(signal.SIGSTOP)
        cluster.watch.during(5)
        cluster.broker.process.send_signal(signal.SIGCONT)


@pytest.mark.hosts
def test_redis_is_stopped_for_longer_than_connections_are_kept(cluster: Cluster) -> None:
    """What it was sent by connections that are closed meanwhile, it may carry out afterwards, behind newer messages."""
    assert cluster.broker.process
    with cluster.counted(losses=len(cluster.nodes), pause=0.02):
        cluster.broker.process.send_signal(signal.SIGSTOP)
        cluster.watch.during(18)
        cluster.broker.process.send_signal(signal.SIGCONT)


@pytest.mark.hosts
def test_redis_does_nothing_for_seven_seconds(cluster: Cluster) -> None:
    connection = cluster.broker.client.connection_pool.get_connection()
    with cluster.counted(losses=len(cluster.nodes)):
        connection.send_command("DEBUG", "SLEEP", "7")
        cluster.watch.until(connection.can_read, "the end of the command")
        connection.read_response()
    connection.disconnect()


@pytest.mark.hosts
def test_a_stall_below_three_seconds_is_no_loss(cluster: Cluster) -> None:
    connection = cluster.broker.client.connection_pool.get_connection()
    with cluster.counted(losses=0):
        connection.send_command("DEBUG", "SLEEP", "1.5")
        cluster.watch.until(connection.can_read, "the end of the command")
        connection.read_response()
    connection.disconnect()


@pytest.mark.hosts
def test_a_word_of_33_megabytes_is_refused_before_anybody_has_it(cluster: Cluster) -> None:
    with cluster.counted(losses=0):
        for node in cluster.nodes:
            refusal = node.control.ask("emit bytes", 33_000_000, ROOM)
            assert "has 33000" in refusal, refusal
            assert "the adapter carries" in refusal
            assert node.control.ask("emit bytes", 3_900_000, "nobody") == ""
            assert node.control.ask("emit bytes", 300_000, ROOM) == ""
    for observer in cluster.observers:
        assert [event for event, *_ in observer.events] == ["bytes"] * len(cluster.nodes)
        observer.events.clear()


@pytest.mark.hosts
def test_somebody_else_publishes_so_much_that_redis_cuts_all_nodes(cluster: Cluster) -> None:
    """`client-output-buffer-limit pubsub` is 32 MB at once, so no node can receive it."""
    client = cluster.broker.client
    topics = [topic for topic in client.pubsub_channels() if b"/node/" not in topic]
    assert len(topics) == 1
    with cluster.counted(losses=len(cluster.nodes)):
        client.publish(topics[0], b"x" * 33_600_000)


@pytest.mark.hosts
@pytest.mark.parametrize("filler", [500, 30_000], ids=["repaired", "told"])
def test_a_node_that_reads_too_slowly_is_cut_by_redis(cluster: Cluster, filler: int) -> None:
    """What waits for it in Redis is lost. The others repeat 4 MB of it each, and more is told."""
    client = cluster.broker.client
    client.config_set("client-output-buffer-limit", "pubsub 1000000 0 0")
    node = cluster.nodes[-1]
    before = node.facts()
    with cluster.counted(filler=filler):
        others = len(connections(cluster, "pubsub")) - 1
        node.signal(signal.SIGSTOP)
        cluster.watch.until(lambda: len(connections(cluster, "pubsub")) == others, "Redis cuts the node")
        cluster.watch.during(0 if filler == 500 else 4)
        node.signal(signal.SIGCONT)
        node.until_logged(FOUND)
    client.config_set("client-output-buffer-limit", "pubsub 33554432 8388608 60")
    after = node.facts()
    assert after["repaired"] > before["repaired"]
    assert filler == 500 or after["lost"] > before["lost"]
