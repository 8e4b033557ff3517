"""Nodes that come, go, are stopped and are killed, under load: what the others and their questions notice."""

import signal
from collections.abc import Iterator

import pytest

from .cluster import DEAD, FOUND, LOST, ROOM, Cluster, Count, Node, cluster_of
from .watch import Observer

pytestmark = pytest.mark.hosts
HOSTS = ["tornado", "gevent", "gevent", "tornado"]


@pytest.fixture(scope="module", params=[2, 4], ids="{} nodes".format)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster_of(HOSTS[: request.param]) as cluster:
        yield cluster


def forget(cluster: Cluster, node: Node) -> None:
    """Take a node that has ended out, with its clients."""
    cluster.nodes.remove(node)
    cluster.observers[:] = [one for one in cluster.observers if one.node != node.name]


def test_a_question_ends_at_its_deadline_and_names_a_node_that_is_stopped(cluster: Cluster) -> None:
    asking, stopped = cluster.nodes[0].control, cluster.nodes[-1]
    everybody = len(cluster.observers)
    here = [one.id for one in cluster.observers if one.node != stopped.name]
    with cluster.counted():
        assert asking.ask("count", ROOM, 60) == {"sockets": everybody, "missing": []}
        stopped.signal(signal.SIGSTOP)
        assert asking.ask("count", ROOM, 1) == {"sockets": len(here), "missing": [stopped.name]}
        found = asking.ask("fetch", ROOM, 1)
        assert sorted(id for id, _ in found["sockets"]) == sorted(here)
        assert found["missing"] == [stopped.name]
        replies = asking.ask("call", ROOM, 60)
        assert replies == {"answers": {id: id for id in here}, "missing": [], "missing_nodes": [stopped.name]}
        cluster.watch.until(lambda: len(asking.ask("facts")["nodes"]) < len(cluster.nodes), "it counts as dead")
        assert asking.ask("count", ROOM, 60) == {"sockets": len(here), "missing": []}
        stopped.signal(signal.SIGCONT)
    assert asking.ask("count", ROOM, 60) == {"sockets": everybody, "missing": []}
    assert stopped.control.ask("count", ROOM, 60) == {"sockets": everybody, "missing": []}


def test_a_node_that_is_killed_ends_questions_and_the_others_notice_nothing_else(cluster: Cluster) -> None:
    asking, killed = cluster.nodes[0].control, cluster.nodes[-1]
    here = [one.id for one in cluster.observers if one.node != killed.name]
    forget(cluster, killed)
    count = Count(cluster)
    count.until_everybody_gets_more()
    killed.signal(signal.SIGSTOP)  # so that it has not answered
    question = asking.ask_later("call", ROOM, 120)
    killed.end(signal.SIGKILL)
    cluster.watch.until(lambda: asking.has_answer(question), "the question ends")
    assert asking.answer(question) == {
        "answers": {id: id for id in here},
        "missing": [],
        "missing_nodes": [killed.name],
    }
    cluster.settle()
    count.until_everybody_gets_more()
    assert count.check() == 0
    for node in cluster.nodes:
        lines = node.log_lines()
        assert len(lines) == 1, lines
        assert DEAD in lines[0]
    join(cluster, killed)


def join(cluster: Cluster, node: Node) -> None:
    """Start a node again, whose clients enter the room."""
    node.start()
    cluster.nodes.append(node)
    cluster.observers += cluster.observe_at(node)
    cluster.settle()


def test_nodes_join_and_leave_under_load_and_no_client_of_another_misses_anything(cluster: Cluster) -> None:
    leaving = cluster.nodes[-1]
    forget(cluster, leaving)
    count = Count(cluster)
    for _ in range(3):
        count.until_everybody_gets_more()
        leaving.end()
        cluster.settle()
        count.until_everybody_gets_more()
        leaving.start()
        observer = Observer(cluster.watch, leaving.address)
        assert observer.ask("enter", ROOM) is None
        count.until_it_gets(observer, 20)
        for numbers in observer.numbers.values():
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
        observer.close()
    assert count.check() == 0
    assert [line for node in cluster.nodes for line in node.log_lines()] == []
    cluster.nodes.append(leaving)
    cluster.observers += cluster.observe_at(leaving)


def test_a_node_that_starts_while_redis_is_away_serves_its_clients_and_joins_later(cluster: Cluster) -> None:
    late = cluster.nodes[-1]
    forget(cluster, late)
    late.end()
    cluster.settle()
    count = Count(cluster)
    count.until_everybody_gets_more()
    cluster.broker.stop()
    late.start()
    assert not late.facts()["ready"]
    observers = cluster.observe_at(late)
    late.control.ask("emit", "early", [], ROOM)
    cluster.watch.until(lambda: observers[0].named("early"), "its own clients get its events")
    cluster.broker.start()
    cluster.nodes.append(late)
    cluster.settle()
    count.until_everybody_gets_more()
    count.check()
    cluster.observers += observers
    cluster.watch.until(
        lambda: all(one.named("early") for one in cluster.observers),
        "others get what was emitted before Redis was there",
    )
    assert late.logged(LOST) == late.logged(FOUND) == 1
