"""Channels of several nodes, whose logs a broker keeps."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from server.listener import Listener
from server.lossystore import LossyStore, StoringAdapter, StoringCluster
from waterspout import Pending, Server
from waterspout.errors import AdapterError
from waterspout.server.shared import StoredEntry
from waterspout.testing import EVENTS, Clock, Pair, Peer

pytestmark = pytest.mark.at_once

NEWS = "waterspout/socket.io/channel/news"


@pytest.fixture
def cluster() -> Iterator[StoringCluster]:
    made = StoringCluster(2, options={"max_unpublished_bytes": 1000})
    yield made
    assert made.clock.reports == []


def subscribe(server: Server, last: str | None = None, *, name: str = "news") -> tuple[Any, Pending[str]]:
    pair = Pair(server)
    return pair.peer, pair.socket.subscribe(server.channel(name), last)


def values(peer: Any) -> list[Any]:
    return [args[0]["reason"] if name == "stream-reset" else args[0] for name, *args in peer.events()]


def publish(server: Server, *data: Any) -> list[Pending[str]]:
    channel = server.channel("news")
    return [channel.publish(each) for each in data]


def test_what_all_nodes_publish_has_one_order_for_all_subscribers(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    peers = [subscribe(server)[0] for server in (one, two)]
    ids = [publish(server, number)[0].result() for number, server in enumerate((one, two, two, one))]
    assert ids == [f"epoch1-{offset}" for offset in range(1, 5)]
    for peer in peers:
        assert [(value, id) for _, value, id in peer.events()] == list(enumerate(ids))


def test_a_client_that_was_cut_off_resumes_on_another_node(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    peer, began = subscribe(one)
    assert began.result() == "epoch1-0"
    last = publish(one, 1)[0].result()
    peer.lose()
    publish(one, 2, 3)
    other, began = subscribe(two, last)
    assert began.result() == last
    publish(two, 4)
    assert values(other) == [2, 3, 4]


@pytest.mark.parametrize("kind", ["an EventSource", "a plain WebSocket"])
def test_so_do_clients_without_socketio(cluster: StoringCluster, kind: str) -> None:
    one, two = cluster.servers
    last = publish(one, 1, 2, 3)[0].result()
    two.expose("/news", two.channel("news"))
    if kind == "an EventSource":
        assert Listener(two, "/news", last).take() == [("message", 2), ("message", 3)]
    else:
        peer = Peer(two, generation=EVENTS, path="/news", query=f"last_event_id={last}")
        assert peer.take() == ['{"data":2}', '{"data":3}']


def test_a_client_of_several_channels_resumes_each_of_them(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    for server in (one, two):
        server.expose("/both", [server.channel("news"), server.channel("sport")])
    first = Listener(one, "/both")
    publish(one, 1)
    two.channel("sport").publish(2)
    assert first.take() == [("message", {"channel": "news", "data": 1}), ("message", {"channel": "sport", "data": 2})]
    first.lose()
    publish(two, 3)
    one.channel("sport").publish(4)
    second = Listener(two, "/both", first.last_id)
    assert second.take() == [("message", {"channel": "news", "data": 3}), ("message", {"channel": "sport", "data": 4})]


def test_a_node_that_was_restarted_has_the_same_ids(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    last = publish(two, 1, 2)[0].result()
    two.close()
    one.close()
    peer, _ = subscribe(cluster.start(), last)
    assert values(peer) == [2]


def test_while_the_broker_is_lost_live_readers_stay_and_what_is_published_waits(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    peers = [subscribe(server)[0] for server in (one, two)]
    cluster.adapters[0].lose()
    waiting = publish(one, 1, 2)
    publish(two, 3)
    assert not any(pending.done for pending in waiting)
    assert one.stats().unpublished_bytes == 302
    assert [values(peer) for peer in peers] == [[], [3]]
    cluster.restore()
    assert [pending.result() for pending in waiting] == ["epoch1-2", "epoch1-3"]
    assert [values(peer) for peer in peers] == [[3, 1, 2], [1, 2]]


def test_more_than_may_wait_is_refused(cluster: StoringCluster) -> None:
    one, _ = cluster.servers
    cluster.lose()
    publish(one, "x" * 500)
    with pytest.raises(AdapterError, match=r"'news', for 652 bytes wait .* of 1000 \(max_unpublished_bytes\)"):
        publish(one, "x" * 500)
    assert one.stats().unpublished == 1
    cluster.restore()
    publish(one, "x" * 500)
    assert one.stats().unpublished_bytes == 0


def test_what_is_larger_than_the_broker_takes_is_refused(cluster: StoringCluster) -> None:
    cluster.adapters[0].logs.largest_entry = 10
    with pytest.raises(AdapterError, match="has 11 bytes, and the broker takes 10"):
        publish(cluster.servers[0], "x" * 9)


def test_an_append_whose_answer_was_lost_is_not_doubled() -> None:
    cluster = StoringCluster(2, slowest=0.1)
    one, two = cluster.servers
    peer, _ = subscribe(two)
    cluster.clock.advance(1)
    waiting = publish(one, 1)
    while not cluster.broker.published:
        cluster.clock.advance(0.001)
    assert not waiting[0].done
    cluster.adapters[0].lose()
    cluster.restore()
    cluster.clock.advance(1)
    assert waiting[0].result() == "epoch1-1"
    assert len(cluster.broker.appends) == 2
    assert values(peer) == [1]


def test_what_was_lost_on_the_way_is_read_again(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    peer, _ = subscribe(two)
    cluster.broker.lose = 1
    publish(one, 1, 2)
    cluster.broker.lose = 0
    assert values(peer) == []
    publish(one, 3)
    assert values(peer) == [1, 2, 3]


@pytest.mark.parametrize(("publisher", "seconds"), [(0, 10), (1, 1)], ids=["of another node", "of its own"])
def test_a_lost_tail_is_looked_for(cluster: StoringCluster, publisher: int, seconds: float) -> None:
    peer, _ = subscribe(cluster.servers[1])
    cluster.clock.advance(10)
    cluster.broker.lose = 1
    publish(cluster.servers[publisher], 1)
    cluster.clock.advance(seconds - 0.1)
    assert values(peer) == []
    cluster.clock.advance(0.2)
    assert values(peer) == [1]


def test_what_cannot_be_read_again_is_a_reset(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    channels = [server.channel("news", history=2) for server in (one, two)]
    peer, _ = subscribe(two)
    stream = channels[1].stream()
    cluster.broker.lose = 1
    publish(one, 1, 2, 3)
    cluster.broker.lose = 0
    publish(one, 4)
    assert [(args[0], args[-1]) for _, *args in peer.events()] == [
        ({"channel": "news", "reason": "expired", "id": "epoch1-2"},) * 2,
        (3, "epoch1-3"),
        (4, "epoch1-4"),
    ]
    assert next_of(stream) == "stream-reset"


def test_a_channel_without_a_history_goes_on_behind_a_hole(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    kept = [server.channel("news", history=0) for server in (one, two)]
    peer, _ = subscribe(two)
    cluster.broker.lose = 1
    publish(one, 1, 2)
    cluster.broker.lose = 0
    publish(one, 3)
    assert values(peer) == ["expired", 3]
    assert kept[1].last_id == "epoch1-3"


def next_of(stream: Any) -> Any:
    """Return the name of the stream's next message, which has come."""
    waiting = stream.__anext__().__await__()
    with pytest.raises(StopIteration) as end:
        waiting.send(None)
    return end.value.value.event


def live(cluster: StoringCluster, peer: Any, seconds: int) -> None:
    """Let time pass while a client answers pings."""
    for _ in range(seconds):
        cluster.clock.advance(1)
        peer.beat()


@pytest.mark.parametrize("empty", [True, False])
def test_a_broker_that_is_restored_ends_what_readers_have(cluster: StoringCluster, empty: bool) -> None:
    one, two = cluster.servers
    peer, _ = subscribe(one)
    two.expose("/news", two.channel("news"))
    listener = Listener(two, "/news")
    last = publish(one, 1)[0].result()
    cluster.broker.save()
    publish(one, 2)
    cluster.lose()
    cluster.broker.restart(empty=empty)
    cluster.restore()
    publish(two, 3)
    id = f"epoch2-{0 if empty else 1}"
    reset = {"channel": "news", "reason": "epoch", "id": id}
    assert values(peer) == [1, 2, "epoch", 3]
    assert listener.take() == [("message", 1), ("message", 2), ("stream-reset", reset), ("message", 3)]
    other, began = subscribe(two, last)
    assert values(other) == ["epoch"]
    assert began.result() == f"epoch2-{1 if empty else 2}"


def test_an_id_that_this_node_has_not_heard_of_is_asked_for(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    subscribe(two)
    cluster.broker.lose = 1
    last = publish(one, 1, 2)[0].result()
    peer, began = subscribe(two, last)
    assert began.result() == last
    assert values(peer) == [2]
    peer, began = subscribe(two, "epoch1-7")
    assert values(peer) == ["future"]


def test_many_who_come_back_are_one_read() -> None:
    cluster = StoringCluster(2, slowest=0.1)
    one, two = cluster.servers
    channel = one.channel("news", history=1000)
    for number in range(1, 251):
        channel.publish(number)
    cluster.clock.advance(2)
    subscribe(two)
    cluster.clock.advance(2)
    cluster.broker.reads.clear()
    peers = [subscribe(two, f"epoch1-{offset}")[0] for offset in range(10, 240, 10)]
    cluster.clock.advance(2)
    assert [values(peer)[0] for peer in peers] == list(range(11, 241, 10))
    assert [(after, limit) for _, after, limit in cluster.broker.reads] == [(10, 100), (110, 100), (210, 40)]
    cluster.broker.reads.clear()
    late, _ = subscribe(two, "epoch1-10")
    assert len(values(late)) == 240
    assert cluster.broker.reads == []


def test_a_burst_is_appended_in_few_batches(cluster: StoringCluster) -> None:
    cluster = StoringCluster(1, slowest=0.1)
    channel = cluster.servers[0].channel("news", history=1000)
    waiting = [channel.publish(number) for number in range(1000)]
    cluster.clock.advance(5)
    assert [pending.result() for pending in waiting] == [f"epoch1-{offset}" for offset in range(1, 1001)]
    assert len(cluster.broker.appends) == 6


def test_a_node_that_only_publishes_follows_nothing(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    publish(one, 1)
    assert cluster.broker.reads == []
    assert cluster.adapters[0].logs.followed == {}
    assert one.channel("news").last_id == ""
    channel = two.channel("news")
    assert channel.publish(2).result() == channel.last_id == "epoch1-2"


def test_a_channel_that_nobody_reads_any_more_is_left(cluster: StoringCluster) -> None:
    _, two = cluster.servers
    peer, _ = subscribe(two)
    assert list(cluster.adapters[1].logs.followed) == [NEWS]
    live(cluster, peer, 60)
    assert list(cluster.adapters[1].logs.followed) == [NEWS]
    peer.lose()
    cluster.clock.advance(20)
    assert cluster.adapters[1].logs.followed == {}
    assert two.stats().channels == 0
    reads = len(cluster.broker.reads)
    cluster.clock.advance(60)
    assert len(cluster.broker.reads) == reads


def test_a_quiet_channel_is_looked_at_every_ten_seconds(cluster: StoringCluster) -> None:
    peer, _ = subscribe(cluster.servers[0])
    live(cluster, peer, 15)
    cluster.broker.reads.clear()
    live(cluster, peer, 100)
    assert 9 <= len(cluster.broker.reads) <= 10


def test_the_end_is_told_on_all_nodes(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    peer, _ = subscribe(two)
    one.channel("news").end("done")
    assert [args[0]["data"] for _, *args in peer.events()] == ["done"]
    channel = two.channel("news")
    with pytest.raises(ValueError, match="has ended"):
        channel.publish(1)
    later, _ = subscribe(cluster.start())
    assert [args[0]["data"] for _, *args in later.events()] == ["done"]


def test_a_node_that_does_not_know_of_the_end_is_told_when_it_publishes(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    one.channel("news").end()
    (refused,) = publish(two, 1)
    assert isinstance(refused.error, ValueError)


def test_an_eventsource_that_has_the_end_is_told_so_on_another_node(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    last = one.channel("news").end().result()
    two.expose("/runs/{name}", lambda request, name: two.channel(name))
    response = Listener(two, "/runs/news", last).response
    assert response is not None
    assert response.status == 204


def test_an_eventsource_begins_while_the_broker_is_lost_and_goes_on_when_it_is_back(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    last = publish(one, 1, 2)[0].result()
    two.expose("/news", two.channel("news"))
    cluster.lose()
    listener = Listener(two, "/news", last)
    assert listener.response is None
    assert listener.events == []
    cluster.restore()
    assert listener.take() == [("message", 2)]


def test_a_subscription_begins_when_the_broker_is_there(cluster: StoringCluster) -> None:
    cluster.lose()
    peer, began = subscribe(cluster.servers[0], "earliest")
    gone, ended = subscribe(cluster.servers[0])
    gone.lose()
    publish(cluster.servers[1], 1)
    assert not began.done
    cluster.restore()
    assert (began.result(), ended.done) == ("epoch1-0", True)
    assert values(peer) == [1]


def test_who_goes_away_while_the_broker_is_lost_leaves_nothing(cluster: StoringCluster) -> None:
    server = cluster.servers[0]
    channel = server.channel("news")
    server.expose("/news", channel)
    cluster.lose()
    gone: list[Any] = []
    for kind in ("Socket.IO", "EventSource", "stream"):
        if kind == "Socket.IO":
            peer, _ = subscribe(server, "epoch1-1")
            gone.append(weakref.ref(next(iter(server.engine.sessions.values()))))
            peer.lose()
            del peer
        elif kind == "EventSource":
            listener = Listener(server, "/news", "epoch1-1")
            gone.append(weakref.ref(next(iter(server.engine.sessions.values()))))
            listener.lose()
            del listener
        else:
            stream = channel.stream()
            stream.aclose()
            gone.append(weakref.ref(stream))
            del stream
    log: Any = channel.log
    assert (log._asking, log._asked) == ({}, {})
    gc.collect()
    assert [one() for one in gone] == [None] * 3


def test_the_current_value_is_that_of_all_nodes(cluster: StoringCluster) -> None:
    one, two = (server.channel("news", delivery="latest") for server in cluster.servers)
    one.publish(1)
    one.publish(2)
    peer, _ = subscribe(cluster.servers[1])
    assert values(peer) == [2]
    cluster.broker.lose = 1
    one.publish(3)
    cluster.broker.lose = 0
    two.publish(4)
    assert values(peer) in ([4], [3, 4])


def test_options_that_were_given_on_one_node_count_on_all(cluster: StoringCluster) -> None:
    one, two = cluster.servers
    channel = one.channel("news", start="earliest", history=2)
    for number in range(5):
        channel.publish(number)
    peer, _ = subscribe(two)
    assert values(peer) == [3, 4]
    channel = two.channel("news")
    for number in range(5, 9):
        channel.publish(number)
    other, _ = subscribe(one)
    assert values(other) == [7, 8]


def test_other_options_on_another_node_are_a_warning(cluster: StoringCluster, caplog: pytest.LogCaptureFixture) -> None:
    one, two = cluster.servers
    kept = [one.channel("news", history=5), two.channel("news", history=2)]
    subscribe(one)
    subscribe(two)
    cluster.clock.advance(20)
    assert [record.message for record in caplog.records if "options" in record.message] == [
        "the channel 'news' has other options on another node, which count now: give it the same on all nodes"
    ]
    assert one.channel("news", history=5) is kept[0]
    assert kept[0].how.history == 2
    cluster.broker.log(NEWS).options = {"history": -1}
    cluster.clock.advance(20)
    assert "history is -1" in caplog.text
    assert kept[0].how.history == 2


def test_a_closing_server_appends_what_waits() -> None:
    cluster = StoringCluster(1, slowest=0.1)
    server = cluster.servers[0]
    waiting = publish(server, *range(10))
    closing = server.close()
    cluster.clock.advance(2)
    assert closing.done
    assert all(pending.done and pending.error is None for pending in waiting)


def test_what_was_not_appended_when_the_server_closed_is_told(cluster: StoringCluster) -> None:
    cluster.lose()
    waiting = publish(cluster.servers[0], 1)
    _, began = subscribe(cluster.servers[0])
    cluster.servers[0].close()
    assert isinstance(waiting[0].error, AdapterError)
    assert began.done


def test_an_entry_that_the_broker_does_not_have_is_dropped(cluster: StoringCluster) -> None:
    peer, _ = subscribe(cluster.servers[0])
    receive = cluster.adapters[0].logs.receive
    for epoch, offset in (("epoch1", 10**9), ("other", 1), ("epoch1", 0), ("epoch1", -1)):
        receive(NEWS, epoch, StoredEntry(offset, 0, b"1"))
    assert len(cluster.broker.reads) < 10
    publish(cluster.servers[1], 2)
    assert values(peer) == [2]


def test_a_broker_that_refuses_is_asked_again() -> None:
    cluster = StoringCluster(1)
    peer, _ = subscribe(cluster.servers[0])
    cluster.adapters[0].logs.failing = 3
    (waiting,) = publish(cluster.servers[0], 1)
    assert not waiting.done
    cluster.clock.advance(10)
    assert waiting.result() == "epoch1-1"
    assert values(peer) == [1]
    assert [text for text, _ in cluster.clock.reports] == [
        "the broker could not serve a channel, which is tried again; more of this kind is not logged"
    ]


def test_a_channel_is_followed_on_the_next_loop_if_it_was_never_confirmed_on_the_last_one() -> None:
    class Silent(LossyStore):
        is_silent = True

        def follow(self, name: str, received: Any) -> Pending[None]:
            return Pending(self.broker.clock) if self.is_silent else super().follow(name, received)

    cluster = StoringCluster(0)
    adapter, first = StoringAdapter(cluster.bus, cluster.broker), Clock()
    adapter.logs = store = Silent(cluster.broker)
    server = Server(adapter=adapter, driver=first)
    channel = server.channel("news")
    subscribe(server)
    first.close()
    store.is_silent = False
    server.engine.bind(cluster.clock)
    began = Pair(server).socket.subscribe(channel)
    cluster.clock.advance(3)
    assert began.result() == "epoch1-0"
