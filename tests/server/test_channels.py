"""Channels: what is published reaches all who subscribe, and who comes back gets what was missed."""

import asyncio
import contextlib
import gc
import weakref
from math import inf
from typing import Any

import pytest

from waterspout import Server, Socket
from waterspout.server import Channel, ChannelMessage, Text
from waterspout.testing import ENGINEIO_4, SOCKETIO_1, Clock, Pair, Peer, PollingCarrier


class House:
    """A server with a channel that its clients follow."""

    def __init__(self, client: dict[str, Any] | None = None, *, options: Any = None, **channel: Any) -> None:
        self.client = client or {}
        self.server = Server(driver=Clock(), **(options or {}))
        self.clock: Any = self.server.engine.driver
        self.channel = self.server.channel("prices", **channel)
        self.server.on("follow")(lambda socket, last=None: socket.subscribe(self.channel, last))
        self.server.on("leave")(lambda socket: socket.unsubscribe(self.channel))
        self.ids: list[str] = []

    def come(self, last: str | None = None, **client: Any) -> Peer:
        """Let a client come and follow the channel."""
        peer = Pair(self.server, **{**self.client, **client}).peer
        follow(peer, last)
        return peer

    def publish(self, *values: Any) -> None:
        """Publish values, and keep their ids."""
        for value in values:
            publishing = self.channel.publish(value)
            self.clock.settle()
            self.ids.append(publishing.result())


def follow(peer: Peer, last: str | None = None) -> str:
    """Subscribe, and return the id from which the stream begins."""
    peer.emit("follow", *(() if last is None else (last,)), id=1)
    start: str = peer.acks()[1]
    return start


def data(peer: Peer) -> list[Any]:
    """Return the data of the messages that have come, and the reasons of resets."""
    found: list[Any] = []
    for name, first, *_ in peer.events():
        found.append(first if name == "prices" else (name, first.get("reason")))
    return found


def hold(peer: Peer) -> None:
    """Let a client read nothing more."""
    peer.polls = False
    if not isinstance(peer.carrier, PollingCarrier):
        peer.carrier.blocked = True


def read_on(peer: Peer) -> None:
    """Let it read all there is."""
    peer.polls = True
    if isinstance(peer.carrier, PollingCarrier):
        peer.carrier.poll()
    else:
        peer.carrier.unblock()


def test_what_is_published_reaches_all_who_subscribe_with_its_id(client: dict[str, Any]) -> None:
    house = House(client)
    one, other = house.come(), house.come(generation=SOCKETIO_1, transport="xhr-polling")
    bystander = Pair(house.server).peer
    house.publish({"a": 1}, None, "text")
    expected = [("prices", value, id) for value, id in zip([{"a": 1}, None, "text"], house.ids, strict=True)]
    assert one.events() == other.events() == expected
    assert bystander.events() == []
    assert house.channel.count == 2
    assert [id.rpartition("-")[2] for id in house.ids] == ["1", "2", "3"]
    assert house.channel.last_id == house.ids[-1]


def test_a_message_may_have_a_name_and_a_text_is_a_text(client: dict[str, Any]) -> None:
    house = House(client)
    peer = house.come()
    house.channel.publish(Text('{"as it is"'), "tick")
    assert peer.events() == [("prices", '{"as it is"', house.channel.last_id, "tick")]
    house.channel.publish(Text("half an emoji: \ud83d"))
    assert data(peer) == ["half an emoji: \ufffd"]


def test_who_comes_back_gets_what_was_missed_in_order_and_once(client: dict[str, Any]) -> None:
    house = House(client)
    house.publish(1, 2, 3)
    peer = Pair(house.server, **client).peer
    assert follow(peer, house.ids[0]) == house.ids[0]
    assert data(peer) == [2, 3]
    house.publish(4)
    assert data(peer) == [4]
    assert follow(peer, house.ids[3]) == house.ids[3]  # once more, and with nothing missed
    house.publish(5)
    assert data(peer) == [5]
    assert house.channel.count == 1


def test_the_answer_to_a_subscription_is_the_id_to_come_back_with_before_the_first_message(house: House) -> None:
    house.publish(1)
    start = follow(Pair(house.server).peer)
    house.publish(2)
    assert data(house.come(start)) == [2]


@pytest.fixture
def house() -> House:
    return House(history=3)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("{epoch}-0", "expired"),
        ("{epoch}-1", "expired"),
        ("{epoch}-6", "future"),
        ("{epoch}-99999999999999999999", "future"),
        ("elsewhere-3", "epoch"),
        ("{epoch}", "unknown"),
        ("-3", "unknown"),
        ("{epoch}-", "unknown"),
        ("{epoch}-x", "unknown"),
        ("{epoch}-\u0663", "unknown"),
        ("{epoch}-" + "1" * 500_000, "unknown"),
        ("\0\r\n", "unknown"),
    ],
)
def test_who_cannot_be_given_what_was_missed_is_told_once(
    client: dict[str, Any], last: str, reason: str, house: House
) -> None:
    house.publish(1, 2, 3, 4, 5)
    last = last.format(epoch=house.ids[0].rpartition("-")[0])
    peer = Pair(house.server, **client).peer
    start = follow(peer, last)
    told = {"channel": "prices", "reason": reason, "id": house.ids[4]}
    assert (start, peer.events()) == (house.ids[4], [("stream-reset", told)])
    house.publish(6)
    assert data(peer) == [6]
    assert follow(peer, house.ids[4]) == house.ids[4]
    assert data(peer) == [6]


@pytest.mark.parametrize("last", [7, True, {"id": 1}, ["x"]])
def test_a_last_id_that_is_no_text_is_unknown(house: House, last: Any) -> None:
    peer = house.come(last)
    assert data(peer) == [("stream-reset", "unknown")]


def test_the_oldest_that_is_kept_is_enough_to_come_back_with(house: House) -> None:
    house.publish(1, 2, 3, 4, 5)
    assert data(house.come(house.ids[1])) == [3, 4, 5]
    assert data(house.come("earliest")) == [3, 4, 5]
    assert data(house.come("")) == []


def test_a_newcomer_may_begin_with_what_is_kept() -> None:
    house = House(start="earliest", history=2)
    house.publish(1, 2, 3)
    peer = house.come()
    assert data(peer) == [2, 3]
    house.publish(4)
    assert data(peer) == [4]


def test_what_is_kept_is_bounded_by_age(house: House) -> None:
    house.publish(1)
    house.clock.advance(200)
    house.publish(2)
    house.clock.advance(99.9)
    assert data(house.come("earliest")) == [1, 2]
    house.clock.advance(0.1)
    assert data(house.come("earliest")) == [2]
    house.clock.advance(200)
    assert data(house.come("earliest")) == []
    assert data(house.come(house.ids[0])) == [("stream-reset", "expired")]
    assert data(house.come(house.ids[1])) == []
    assert len(house.server.engine.deadlines) == len(house.server.engine.sessions)  # no channel waits


def test_what_is_kept_is_bounded_by_bytes_but_for_the_latest() -> None:
    house = House(history_bytes=3000, ttl=inf)
    house.publish("a" * 1000, "b" * 1000, "c" * 1000)
    assert [one[0] for one in data(house.come("earliest"))] == ["b", "c"]
    house.publish("d" * 5000)
    assert [one[0] for one in data(house.come("earliest"))] == ["d"]


def test_without_a_history_only_the_present_is_sent() -> None:
    house = House(history=0)
    peer = house.come()
    house.publish(1, 2)
    assert data(peer) == [1, 2]
    assert data(house.come(house.ids[0])) == [("stream-reset", "expired")]
    assert data(house.come(house.ids[1])) == []


def test_a_stream_that_waits_gets_what_is_not_kept() -> None:
    house = House(ttl=0)
    found = read(house)
    house.publish(1, 2)
    assert [message.data for message in found] == [1, 2]
    assert data(house.come("earliest")) == []


# The latest


def test_of_the_latest_a_newcomer_is_greeted_with_the_current_value(client: dict[str, Any]) -> None:
    house = House(client, delivery="latest")
    assert data(house.come()) == []
    house.publish(1, 2)
    assert data(house.come()) == [2]
    for last, found in ((house.ids[0], [2]), (house.ids[1], []), ("elsewhere-9", [2]), ("earliest", [2])):
        assert data(house.come(last)) == found
    peer = Pair(house.server, **client)
    peer.socket.subscribe(house.channel, greet=False)
    assert data(peer.peer) == []
    house.publish(3)
    assert data(peer.peer) == [3]


def test_of_the_latest_who_reads_slowly_is_sent_the_newest() -> None:
    house = House(delivery="latest")
    peer = house.come(generation=ENGINEIO_4, transport="polling")
    peer.polls = False
    house.publish(*range(100))
    assert data(peer)[:1] == [0]  # it was on its way
    peer.carrier.poll()  # type: ignore[union-attr]
    assert data(peer) == [99]


# The end


def test_the_end_is_told_to_all_and_nothing_comes_after_it(client: dict[str, Any]) -> None:
    house = House(client)
    peer = house.come()
    house.publish(1)
    assert not house.channel.ended
    end = house.channel.end({"total": 1}).result()
    told = ("stream-end", {"channel": "prices", "id": end, "data": {"total": 1}})
    assert peer.events() == [("prices", 1, house.ids[0]), told]
    assert (house.channel.ended, house.channel.count) == (True, 0)
    for call in (house.channel.publish, house.channel.end):
        with pytest.raises(ValueError, match="the channel 'prices' has ended"):
            call(2)
    assert house.come(house.ids[0]).events() == [told]
    assert house.come().events() == [told]
    assert house.come("elsewhere-1").events()[1:] == [told]
    assert house.come(end).events() == []
    assert house.channel.count == 0


def test_an_end_may_have_no_data(house: House) -> None:
    peer = house.come()
    end = house.channel.end().result()
    assert peer.events() == [("stream-end", {"channel": "prices", "id": end})]


@pytest.mark.parametrize("options", [{}, {"start": "earliest"}])
def test_the_end_is_told_to_those_who_ask_for_everything_also_when_nothing_is_kept(options: dict[str, Any]) -> None:
    house = House(history=0, **options)
    house.publish(1)
    end = house.channel.end().result()
    for last in (None, "earliest"):
        assert house.come(last).events() == [("stream-end", {"channel": "prices", "id": end})]


# Subscribing


def test_who_leaves_gets_nothing_more(client: dict[str, Any]) -> None:
    house = House(client)
    peer = house.come()
    for leave in (lambda: peer.emit("leave"), lambda: peer.emit("leave")):
        leave()
        house.publish(1)
        assert data(peer) == []
    assert house.channel.count == 0
    follow(peer)
    peer.leave()
    house.publish(2)
    assert house.channel.count == 0


def test_a_subscription_in_the_connect_handler_begins_behind_the_acceptance(client: dict[str, Any]) -> None:
    house = House(client, start="earliest")
    house.publish(1)

    @house.server.on_connect
    async def connect(socket: Socket, auth: object) -> None:
        assert await socket.subscribe(house.channel) == f"{house.ids[0].rpartition('-')[0]}-0"
        await asyncio.sleep(1)
        socket.emit("hello")

    peer = Peer(house.server, **client)
    if not peer.generation.implicit_connect:
        peer.connect()
    house.publish(2)
    assert peer.events() == []
    house.clock.advance(1)
    house.publish(3)
    assert [event[:2] for event in peer.events()] == [("hello",), ("prices", 1), ("prices", 2), ("prices", 3)]


def test_the_sockets_of_a_client_subscribe_in_their_namespaces(client: dict[str, Any]) -> None:
    house = House(client)
    chat = house.server.of("/chat")
    chat.on_connect(lambda socket, auth: [socket.subscribe(house.channel)])
    peer = house.come()
    peer.connect("/chat")
    house.publish(1)
    assert peer.events() == peer.events("/chat") == [("prices", 1, house.ids[0])]
    peer.leave("/chat")
    house.publish(2)
    assert (peer.events(), peer.events("/chat")) == ([("prices", 2, house.ids[1])], [])


def test_a_client_that_has_left_subscribes_to_nothing(house: House) -> None:
    pair = Pair(house.server)
    pair.close()
    assert pair.socket.subscribe(house.channel).result() == house.channel.last_id
    assert house.channel.count == 0


def test_only_a_channel_can_be_subscribed_to(house: House) -> None:
    with pytest.raises(TypeError, match=r"'prices' is not a channel: give what server\.channel\(name\) returns"):
        Pair(house.server).socket.subscribe("prices")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is not a channel"):
        Pair(house.server).socket.unsubscribe("prices")  # type: ignore[arg-type]


# Slow subscribers


def test_a_long_history_is_sent_as_far_as_there_is_room_and_nobody_is_cut(client: dict[str, Any]) -> None:
    house = House(client, history=1000, history_bytes=10_000_000, options={"max_outbox_bytes": 20_000})
    house.publish(*(f"{number:<3000}" for number in range(100)))
    peer = Pair(house.server, **client).peer
    hold(peer)
    peer.emit("follow", house.ids[0], id=1)
    session = next(iter(house.server.engine.sessions.values()))
    assert 0 < session.outbox_bytes <= 20_000
    house.publish("the present")  # waits behind the past
    read_on(peer)
    house.publish("at last")
    found = data(peer)
    assert [one.strip() for one in found] == [*map(str, range(1, 100)), "the present", "at last"]
    assert peer.closed is None


def test_whoever_falls_behind_what_is_kept_is_told(client: dict[str, Any]) -> None:
    house = House(client, history=10, options={"max_outbox_bytes": 20_000})
    house.publish(*("x" * 4000 for _ in range(10)))
    peer = Pair(house.server, **client).peer
    hold(peer)
    peer.emit("follow", house.ids[0])
    house.publish(*range(20))
    read_on(peer)
    house.publish("again")
    found = data(peer)
    past = [one for one in found if isinstance(one, str) and one[0] == "x"]
    assert 1 <= len(past) < 9
    assert found == [*past, ("stream-reset", "expired"), "again"]


def test_drain_is_done_when_every_outbox_is_half_empty(house: House) -> None:
    peers = [house.come() for _ in range(2)]
    assert house.channel.drain().done
    peers[0].carrier.blocked = peers[1].carrier.blocked = True  # type: ignore[union-attr]
    house.publish(*("x" * 100_000 for _ in range(4)))
    assert house.channel.drain().done
    house.publish(*("x" * 100_000 for _ in range(2)))
    draining = house.channel.drain()
    assert not draining.done
    peers[0].carrier.unblock()  # type: ignore[union-attr]
    assert not draining.done
    peers[1].carrier.lose()
    assert draining.done
    assert house.server.engine.table.awaiting_room == {}


def test_drain_is_done_when_who_does_not_read_is_cut(client: dict[str, Any]) -> None:
    house = House(client, options={"max_outbox_bytes": 100_000})
    hold(house.come())
    house.publish(*("x" * 10_000 for _ in range(8)))
    draining = house.channel.drain()
    assert not draining.done
    house.publish(*("x" * 10_000 for _ in range(8)))
    house.clock.advance(
        house.server.engine.policy.close_timeout
    )  # in which a client that polls is to fetch its goodbye
    assert draining.done
    assert house.server.stats().slow_consumers == 1


def test_drain_waits_for_one_that_has_frozen_no_longer_than_its_heartbeat(client: dict[str, Any]) -> None:
    house = House(client)
    hold(house.come())
    house.publish(*("x" * 100_000 for _ in range(8)))
    draining = house.channel.drain()
    house.clock.advance(20)
    assert not draining.done
    house.clock.advance(200)
    assert draining.done


def test_who_never_reads_is_cut_and_leaves_nothing(house: House) -> None:
    peer = house.come()
    peer.carrier.blocked = True  # type: ignore[union-attr]
    house.publish(*("x" * 100_000 for _ in range(11)))
    assert house.server.stats().closed["slow consumer"] == 1
    assert house.channel.count == 0
    peer.carrier.lose()
    house.clock.advance(10)
    assert house.server.engine.table.awaiting_room == {}


# A stream


def read(house: House, *args: Any, **options: Any) -> list[ChannelMessage]:
    """Let a handler read the channel's stream; return the list that it fills."""
    found: list[ChannelMessage] = []

    @house.server.on("read")
    async def reader(socket: Socket) -> str:
        async for message in house.channel.stream(*args, **options):
            found.append(message)  # noqa: PERF401  (the test looks at it meanwhile)
        return "over"

    Pair(house.server).peer.emit("read", id=1)
    return found


def test_a_stream_gives_what_was_missed_and_what_comes(house: House) -> None:
    house.publish(1, 2)
    found = read(house, house.ids[0])
    assert found == [ChannelMessage(house.ids[1], None, 2)]
    house.channel.publish(3, "tick").result()
    house.clock.settle()
    assert found[1:] == [ChannelMessage(house.channel.last_id, "tick", 3)]
    assert house.channel.count == 1
    house.channel.end()
    house.clock.settle()
    assert found[2:] == [ChannelMessage(house.channel.last_id, "stream-end", None)]
    assert house.channel.count == 0


def test_a_stream_tells_of_a_reset_first(house: House) -> None:
    house.publish(1)
    found = read(house, "elsewhere-1")
    house.publish(2)
    reset = {"channel": "prices", "reason": "epoch", "id": house.ids[0]}
    assert found == [ChannelMessage(house.ids[0], "stream-reset", reset), ChannelMessage(house.ids[1], None, 2)]


def test_a_slow_reader_of_a_stream_misses_nothing_that_is_kept_and_is_told_of_the_rest(house: House) -> None:
    found: list[Any] = []

    @house.server.on("read")
    async def reader(socket: Socket) -> None:
        async for message in house.channel.stream():
            found.append(message.data)
            await asyncio.sleep(1)

    Pair(house.server).peer.emit("read")
    house.publish(1, 2, 3)
    house.clock.advance(5)
    house.publish(4, 5, 6, 7, 8)
    house.clock.advance(5)
    assert found[:4] == [1, 2, 3, 4]
    assert found[4]["reason"] == "expired"
    house.publish(9)
    house.clock.advance(1)
    assert found[5:] == [9]


def test_of_the_latest_a_slow_stream_gives_the_newest() -> None:
    house = House(delivery="latest")
    house.publish(1, 2)
    found = read(house)
    assert [message.data for message in found] == [2]


def test_a_stream_ends_with_the_server(house: House) -> None:
    read(house)
    closing = house.server.close()
    house.clock.advance(1)
    assert closing.done
    assert house.channel.count == 0
    assert house.clock.reports == []


def test_leaving_a_loop_unsubscribes(house: House) -> None:
    @house.server.on("read")
    async def reader(socket: Socket) -> None:
        async with asyncio.timeout(1):
            async for _ in house.channel.stream():
                pass

    pair = Pair(house.server)
    pair.peer.emit("read")
    assert house.channel.count == 1
    house.clock.advance(1)
    house.clock.reports.clear()
    gc.collect()  # the traceback of the timeout is a cycle
    assert house.channel.count == 0


def test_a_wait_that_is_cancelled_loses_no_message(house: House) -> None:
    found: list[Any] = []

    @house.server.on("read")
    async def reader(socket: Socket) -> None:
        stream = house.channel.stream()
        while len(found) < 6:
            try:
                found.append((await asyncio.wait_for(anext(stream), 1)).data)
            except TimeoutError:
                found.append("nothing")

    Pair(house.server).peer.emit("read")
    house.clock.advance(2)
    house.publish(1, 2)
    house.clock.advance(1.5)
    house.publish(3)
    assert found == ["nothing", "nothing", 1, 2, "nothing", 3]


def test_a_stream_can_be_closed_from_elsewhere(house: House) -> None:
    stream = house.channel.stream()

    @house.server.on("read")
    async def reader(socket: Socket) -> list[ChannelMessage]:
        async with contextlib.aclosing(stream):
            return [message async for message in stream]

    peer = Pair(house.server).peer
    peer.emit("read", id=1)
    house.publish(1)
    assert stream.aclose().done
    house.clock.settle()
    assert house.channel.count == 0
    assert peer.acks() == {1: [[house.ids[0], None, 1]]}


def test_a_long_history_leaves_others_their_turns() -> None:
    house = House(history=1000)
    house.publish(*range(1000))
    turns: list[int] = []
    soon = house.clock.soon

    def count(function: Any, *args: Any) -> None:
        turns.append(1)
        soon(function, *args)

    house.clock.soon = count
    peer = house.come("earliest")
    assert data(peer) == list(range(1000))
    assert len(turns) >= 10


def test_what_is_kept_takes_no_more_than_its_size() -> None:
    log: Any = Server().channel("prices").log
    wasteful = b"".join([b"x"] * 10)
    log.append(wasteful, None, is_text=False, is_end=False)
    assert log.read(0, 1).result()[0].data is not wasteful


# Channels


def test_a_channel_is_made_at_its_first_mention_and_found_again() -> None:
    server = Server()
    prices = server.channel("prices", history=7, delivery="latest")
    assert server.channel("prices") is server.channel("prices", history=7) is prices
    assert server.channel("others") is not prices
    with pytest.raises(ValueError, match="the channel 'prices' has history=7: give the same, or leave it out"):
        server.channel("prices", history=8)
    assert repr(prices) == "<Channel 'prices', 0 subscribers>"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"history": -1}, ValueError),
        ({"history": 1.5}, TypeError),
        ({"history": True}, TypeError),
        ({"history": False}, TypeError),
        ({"history": 0, "delivery": "latest"}, ValueError),
        ({"ttl": -1}, ValueError),
        ({"ttl": "1"}, TypeError),
        ({"history_bytes": 0}, ValueError),
        ({"delivery": "some"}, ValueError),
        ({"start": "now"}, ValueError),
        ({"start": "new", "delivery": "latest"}, ValueError),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options: Any, error: type[Exception]) -> None:
    server = Server()
    with pytest.raises(error, match=next(iter(options))):
        server.channel("prices", **options)


@pytest.mark.parametrize(
    ("name", "error"), [("connect", ValueError), (7, TypeError), ("", ValueError), ("stream-end", ValueError)]
)
def test_a_channel_is_named_as_an_event(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=repr(name)):
        Server().channel(name)


@pytest.mark.parametrize("event", ["", "stream-open", "stream-", "a\nb", "a\rb", "a\0b"])
def test_a_name_that_no_message_can_have_is_refused(house: House, event: str) -> None:
    with pytest.raises(ValueError, match="give a name in one line"):
        house.channel.publish(1, event)
    with pytest.raises(TypeError, match="give a string"):
        house.channel.publish(1, 7)  # type: ignore[arg-type]
    assert house.channel.last_id.endswith("-0")


@pytest.mark.parametrize("value", [object(), b"bytes", {"a": [b"bytes"]}, {1, object()}])
def test_what_json_cannot_carry_is_refused_and_nobody_gets_anything(house: House, value: Any) -> None:
    peer = house.come()
    with pytest.raises(TypeError, match="the channel 'prices' cannot publish this"):
        house.channel.publish(value)
    assert (peer.events(), house.channel.last_id.rpartition("-")[2]) == ([], "0")


def test_what_is_published_is_as_it_was_then(house: House) -> None:
    value = {"a": [1]}
    house.publish(value)
    value["a"].append(2)
    assert data(house.come("earliest")) == [{"a": [1]}]


def test_a_channel_lives_while_it_has_a_history_or_a_subscriber_or_somebody_holds_it() -> None:
    house = House()
    kept = weakref.ref(house.channel)
    house.publish(1)
    del house.channel
    epoch = house.ids[0].rpartition("-")[0]
    assert house.server.channel("prices").last_id == house.ids[0]
    house.clock.advance(300)
    assert kept() is None
    house.channel = house.server.channel("prices")
    assert not house.channel.last_id.startswith(epoch)
    peer, kept = house.come(), weakref.ref(house.channel)
    del house.channel
    assert kept() is not None
    peer.leave()
    peer.carrier.lose()
    house.clock.advance(30)
    assert kept() is None


def test_a_thousand_channels_are_no_burden() -> None:
    server = Server(driver=Clock())
    for number in range(1000):
        server.channel(f"run {number}").publish(number)
    assert len(server._channels) == 1000
    server.engine.driver.advance(300)  # type: ignore[attr-defined]
    assert len(server._channels) == len(server.engine.deadlines) == 0


def test_every_verb_may_be_called_from_a_thread() -> None:
    house = House()
    pair = Pair(house.server)

    @house.server.on("work", threaded=True)
    def work(socket: Socket) -> str:
        socket.subscribe(house.channel)
        return house.channel.publish(1).wait(5)

    pair.peer.emit("work", id=1)
    assert pair.peer.acks() == {1: house.channel.last_id}
    assert data(pair.peer) == [1]


def test_a_channel_is_what_the_server_returns() -> None:
    assert isinstance(Server().channel("prices"), Channel)
