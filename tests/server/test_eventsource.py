"""Server-Sent Events at an exposed path: the stream, its ids, its beginning and its end."""

from typing import Any

import pytest

from server.listener import Listener
from waterspout import HandshakeRefused, Server
from waterspout.engine import Prepared
from waterspout.server import Channel, Text
from waterspout.testing import Clock


class House:
    """A server with a channel at /prices, and one of the latest value at /latest."""

    def __init__(self, options: dict[str, Any] | None = None, **channel: Any) -> None:
        self.server = Server(driver=Clock(), **(options or {}))
        self.clock: Any = self.server.engine.driver
        self.channel = self.server.channel("prices", **channel)
        self.latest = self.server.channel("latest", delivery="latest")
        self.server.expose("/prices", self.channel)
        self.server.expose("/latest", self.latest)
        self.server.expose("/both", [self.channel, self.latest])

    def publish(self, *values: Any, channel: Channel | None = None) -> list[str]:
        publishing = [(channel or self.channel).publish(value) for value in values]
        self.clock.settle()
        return [one.result() for one in publishing]

    def listen(self, path: str = "/prices", last_id: str | None = None, **options: Any) -> Listener:
        return Listener(self.server, path, last_id, **options)


@pytest.fixture
def house() -> House:
    return House()


def test_a_stream_begins_at_once_with_the_id_to_come_back_with(house: House) -> None:
    [last] = house.publish(1)
    listener = house.listen()
    [opened] = listener.events
    assert (opened.type, opened.value, opened.id) == ("stream-open", {"channels": ["prices"]}, last)
    listener.lose()
    house.publish(2)
    assert house.listen(last_id=listener.last_id).take() == [("message", 2)]


def test_what_is_published_comes_with_its_id_and_its_name(house: House) -> None:
    listener = house.listen()
    ids = house.publish({"a": 1}, None, "text", Text("as it is"))
    house.channel.publish([1], "tick")
    house.clock.settle()
    events = listener.events[1:]
    assert [event.data for event in events] == ['{"a":1}', "null", '"text"', "as it is", "[1]"]
    assert [event.id for event in events[:-1]] == ids
    assert [event.type for event in events] == ["message"] * 4 + ["tick"]


@pytest.mark.parametrize(
    "text", ["", " ", "a\nb", "a\r\nb\rc\n", "\u2028\u0085\x0b\x0c", "data: x", ":", "\U0001f300", "\0"]
)
def test_a_text_arrives_as_it_is_but_for_its_line_ends(house: House, text: str) -> None:
    listener = house.listen()
    house.publish(Text(text))
    [event] = listener.events[1:]
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")


def test_an_event_is_one_write_and_its_id_the_last_line(house: House) -> None:
    listener = house.listen()
    listener.written.clear()
    [id] = house.publish(1)
    assert listener.written == f"data: 1\nid: {id}\n\n".encode()


def test_who_comes_back_gets_what_was_missed_in_order_and_once(house: House) -> None:
    ids = house.publish(1, 2, 3)
    listener = house.listen(last_id=ids[0])
    assert listener.events[0].id == ids[0]
    assert listener.take() == [("message", 2), ("message", 3)]
    house.publish(4)
    assert listener.take() == [("message", 4)]


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "lastEventID", "Last-Event-ID", "evs_last_event_id"])
def test_the_last_id_may_be_in_the_query_and_the_field_counts_more(house: House, name: str) -> None:
    ids = house.publish(1, 2, 3)
    assert house.listen(f"/prices?{name}={ids[0]}").take() == [("message", 2), ("message", 3)]
    assert house.listen(f"/prices?{name}={ids[0]}", last_id=ids[1]).take() == [("message", 3)]
    assert house.listen(f"/prices?{name}=").take() == []
    assert house.listen(f"/prices?{name}=earliest").take() == [("message", value) for value in (1, 2, 3)]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("{epoch}-0", "expired"),
        ("{epoch}-9", "future"),
        ("elsewhere-3", "epoch"),
        ("nonsense", "unknown"),
        ("1" * 500_000, "unknown"),
        ("{epoch}-3\r\ndata: x", "unknown"),
        ("\0", "unknown"),
        ("{epoch}-\u0663", "unknown"),
    ],
)
def test_who_cannot_be_given_what_was_missed_is_told_once(last: str, reason: str) -> None:
    house = House(history=2)
    ids = house.publish(1, 2, 3)
    last = last.format(epoch=house.channel.log.epoch)
    listener = house.listen(last_id=last)
    opened, reset = listener.events
    assert opened.id == last  # who is cut off here comes back with it, and is told the reset then
    assert (reset.type, reset.id) == ("stream-reset", ids[-1])
    assert reset.value == {"channel": "prices", "reason": reason, "id": ids[-1]}
    house.publish(4)
    assert listener.take()[1:] == [("message", 4)]
    assert house.listen(last_id=reset.id).take() == [("message", 4)]


def test_the_last_id_of_another_channel_is_told_so(house: House) -> None:
    [last] = house.publish(1, channel=house.latest)
    other = house.server.channel("other")
    house.server.expose("/other", other)
    [(what, told)] = house.listen("/other", last_id=last).take()
    assert (what, told["reason"]) == ("stream-reset", "epoch")


def test_the_end_completes_the_answer_and_who_asks_again_is_told_to_stop(house: House) -> None:
    listener = house.listen()
    house.publish(1)
    house.channel.end({"total": 1})
    house.clock.settle()
    end = listener.events[-1]
    assert (end.type, end.id) == ("stream-end", house.channel.last_id)
    assert end.value == {"channel": "prices", "id": end.id, "data": {"total": 1}}
    assert listener.is_complete
    assert listener.written.count(b"retry: ") == 1  # at the beginning
    assert not house.server.engine.sessions
    again = house.listen(last_id=end.id)
    assert again.response is not None
    assert (again.response.status, again.response.body) == (204, b"")
    late = house.listen(last_id="earliest")
    assert [event.type for event in late.events] == ["stream-open", "message", "stream-end"]
    assert late.is_complete
    newcomer = house.listen()
    assert [event.type for event in newcomer.events] == ["stream-open", "stream-end"]
    assert house.server.stats().refused == 0


def test_a_run_that_is_over_before_its_reader_comes_is_told_whole() -> None:
    house = House(start="earliest")
    house.publish("a", "b")
    house.channel.end()
    house.clock.settle()
    listener = house.listen()
    assert [event.type for event in listener.events] == ["stream-open", "message", "message", "stream-end"]
    assert "data" not in listener.events[-1].value
    assert listener.is_complete


def test_the_latest_value_greets_a_newcomer_and_slow_readers_get_the_newest(house: House) -> None:
    assert house.listen("/latest").take() == []
    house.publish(1, 2, channel=house.latest)
    listener = house.listen("/latest")
    assert listener.take() == [("message", 2)]
    listener.blocked = True
    house.publish(*range(100), channel=house.latest)
    listener.unblock()
    assert listener.take() == [("message", 99)]
    assert house.listen("/latest", last_id=listener.last_id).take() == []


def test_several_channels_come_over_one_connection_with_one_id(house: House) -> None:
    house.publish(1, channel=house.latest)
    listener = house.listen("/both")
    house.publish(2)
    house.publish(3, channel=house.latest)
    listener.lose()
    assert listener.take() == [
        ("message", {"channel": "latest", "data": 1}),
        ("message", {"channel": "prices", "data": 2}),
        ("message", {"channel": "latest", "data": 3}),
    ]
    house.publish(4)
    house.publish(Text("5\n"), channel=house.latest)
    again = house.listen("/both", last_id=listener.last_id)
    assert again.take() == [
        ("message", {"channel": "prices", "data": 4}),
        ("message", {"channel": "latest", "data": "5\n"}),
    ]
    assert house.listen("/both", last_id=again.last_id).take() == []


def test_each_channel_of_a_connection_has_its_own_resets_and_all_are_told_before_the_id(house: House) -> None:
    houses = house.server.channel("a", history=1), house.server.channel("b", history=1)
    house.server.expose("/ab", houses)
    first = house.listen("/ab")
    for channel in houses:
        house.publish(1, 2, channel=channel)
    again = house.listen("/ab", last_id=first.events[0].id)
    opened, one, other = again.events
    assert [event.value["channel"] for event in (one, other)] == ["a", "b"]
    assert opened.id == one.id == first.events[0].id  # who is cut off here is told both again
    assert house.listen("/ab", last_id=other.id).take() == []
    for last, reason in (("x", "unknown"), ("x-1", "epoch"), ("x-1,y-2,z-3", "epoch"), (",", "unknown")):
        assert [told["reason"] for _, told in house.listen("/ab", last_id=last).take()] == [reason] * 2
    mixed = f"{other.id.split(',')[1]},elsewhere-1"
    assert [(told["channel"], told["reason"]) for _, told in house.listen("/ab", last_id=mixed).take()] == [
        ("a", "epoch")
    ]


def test_a_connection_of_several_channels_ends_with_the_last_of_them(house: House) -> None:
    one, other = house.server.channel("a"), house.server.channel("b")
    house.server.expose("/ab", [one, other])
    listener = house.listen("/ab")
    one.end()
    house.clock.settle()
    assert not listener.is_closed
    last = listener.last_id
    house.publish(1, channel=other)
    other.end("bye")
    house.clock.settle()
    assert listener.is_complete
    assert [name for name, _ in listener.take()] == ["stream-end", "message", "stream-end"]
    assert [name for name, _ in house.listen("/ab", last_id=last).take()] == ["message", "stream-end"]
    response = house.listen("/ab", last_id=listener.last_id).response
    assert response is not None
    assert response.status == 204


def test_who_reads_slowly_is_cut_and_comes_back_for_the_rest() -> None:
    house = House({"max_outbox_bytes": 1000}, history=1000)
    listener = house.listen()
    listener.blocked = True
    house.publish(*range(100))
    assert listener.is_closed
    assert not listener.is_complete
    assert listener.reader.retry is not None
    assert house.server.stats().slow_consumers == 1
    seen: list[Any] = []
    while len(seen) < 100:
        again = house.listen(last_id=listener.last_id)
        seen += [value for _, value in again.take()]
        listener.reader.last_id = again.last_id
        again.lose()
    assert seen == list(range(100))


@pytest.mark.parametrize("path", ["/prices", "/both"])
def test_a_publisher_that_waits_overtakes_nobody(path: str) -> None:
    house = House({"max_outbox_bytes": 100_000})
    listener = house.listen(path)
    listener.blocked = True
    draining = house.channel.drain()
    for _ in range(5):
        assert draining.done
        house.publish("x" * 10_000)
        draining = house.channel.drain()
    assert not draining.done
    listener.unblock()
    assert draining.done
    assert not listener.is_closed


@pytest.mark.parametrize("path", ["/prices", "/both"])
def test_drain_is_done_when_one_that_does_not_read_is_gone(path: str) -> None:
    house = House({"max_outbox_bytes": 100_000})
    for way in (Listener.lose, lambda _: house.publish(*("x" * 10_000 for _ in range(100)))):
        listener = house.listen(path)
        listener.blocked = True
        house.publish(*("x" * 10_000 for _ in range(8)))
        draining = house.channel.drain()
        assert not draining.done
        way(listener)
        if not listener.is_closed:  # of several channels, it is sent only what it has room for
            listener.lose()
        assert draining.done


def test_what_was_missed_is_sent_as_fast_as_it_is_read() -> None:
    house = House({"max_outbox_bytes": 1000}, history=1000)
    first = house.listen()
    house.publish(*range(500))
    listener = house.listen(last_id=first.events[0].id)
    listener.blocked = True
    house.publish(500)
    assert not listener.is_closed
    listener.unblock()
    assert [value for _, value in listener.take()] == list(range(501))


@pytest.mark.parametrize("path", ["/prices", "/both"])
def test_one_that_is_blocked_from_the_beginning_gets_all_of_it(path: str) -> None:
    house = House({"max_outbox_bytes": 1000}, history=1000)
    house.publish(*range(300))
    listener = house.listen(f"{path}?last_event_id=earliest")
    count = 0
    while len([event for event in listener.events if event.type == "message"]) < 300:
        listener.blocked = True
        house.clock.settle()
        listener.unblock()
        count += 1
        assert count < 300
    values = [event.value for event in listener.events if event.type == "message"]
    assert [value["data"] if path == "/both" else value for value in values] == list(range(300))


def test_the_end_of_the_server_leaves_the_answer_incomplete_and_each_client_has_its_own_time_to_come_back() -> None:
    house = House()
    listeners = [house.listen() for _ in range(20)]
    house.server.close()
    house.clock.settle()
    times = {listener.reader.retry for listener in listeners}
    assert all(listener.is_closed and not listener.is_complete for listener in listeners)
    assert None not in times
    assert len(times) > 10
    assert all(1000 <= time <= 5000 for time in times if time is not None)
    late = [house.listen(), house.listen(method="HEAD")]
    assert late[0].is_closed
    assert not late[0].is_complete  # after any other answer, not all clients would come back
    assert late[0].headers["Content-Type"] == "text/event-stream"
    assert late[0].written.startswith(b"retry: ")
    assert late[1].response is not None
    assert late[1].response.status == 200
    assert not house.server.engine.sessions


def test_a_stream_that_begins_tells_when_to_come_back_for_an_incomplete_end_may_not_reach_the_client(
    house: House,
) -> None:
    listeners = [house.listen(path) for path in ("/prices", "/both") for _ in range(20)]
    assert all(len(listener.written.split(b"\n\n")) == 2 for listener in listeners)  # in the same block
    times = {listener.reader.retry for listener in listeners}
    assert len(times) > 20
    assert all(time is not None and 1000 <= time <= 5000 for time in times)


def test_a_comment_comes_every_15_seconds(house: House) -> None:
    listener = house.listen()
    house.clock.advance(150)
    assert listener.reader.comments == 10
    assert listener.written.endswith(b"\n\n" + b":\n" * 10)
    listener.blocked = True
    house.clock.advance(10_000)
    assert not listener.is_closed
    listener.unblock()
    assert listener.reader.comments == 11


def test_the_head_of_the_answer(house: House) -> None:
    listener = house.listen()
    assert listener.headers == {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Origin",
    }
    head = house.listen(method="HEAD").response
    assert head is not None
    assert (head.status, dict(head.headers), head.body) == (200, listener.headers, b"")
    assert house.channel.count == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"])
def test_other_methods_are_refused(house: House, method: str) -> None:
    refused = house.listen(method=method).response
    assert refused is not None
    assert refused.status == 405
    assert ("Allow", "GET, HEAD") in refused.headers


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/event-stream", None),
        ("text/html, */*;q=0.1", None),
        ("TEXT/*", None),
        ("", None),
        ("application/json", 406),
        ("text/event-stream;q=0", 406),
        ("text/event-stream; q=0.0, text/html", 406),
        ("*/*;q=0.001", None),
    ],
)
def test_the_answer_is_refused_to_who_does_not_accept_it(house: House, accept: str, status: int | None) -> None:
    refused = house.listen(Accept=accept).response
    assert (refused.status if refused is not None else None) == status


def test_foreign_origins_are_refused_as_everywhere() -> None:
    house = House()
    refused = house.listen(Origin="https://evil.example").response
    assert refused is not None
    assert refused.status == 403
    assert ("Vary", "Origin") in refused.headers
    assert not any(name.startswith("Access-Control") for name, _ in refused.headers)
    assert house.listen(Origin="http://here").response is None


def test_listed_origins_may_ask_with_the_fields_that_clients_send() -> None:
    house = House({"cors_origins": ["https://page.example"], "cors_credentials": True})
    listener = house.listen(Origin="https://page.example")
    assert listener.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert listener.headers["Access-Control-Allow-Credentials"] == "true"
    assert listener.headers["Vary"] == "Origin"
    wanted = "authorization,cache-control,content-type,last-event-id"
    preflight = house.listen(
        method="OPTIONS", Origin="https://page.example", Access_Control_Request_Headers=wanted
    ).response
    assert preflight is not None
    headers = dict(preflight.headers)
    assert preflight.status == 204
    assert headers["Access-Control-Allow-Headers"] == wanted
    assert "GET" in headers["Access-Control-Allow-Methods"]
    refused = house.listen("/nothing", Origin="https://page.example")
    assert refused.response is not None


def test_a_refusal_can_be_read_by_the_page_that_asked() -> None:
    house = House({"cors_origins": ["https://page.example"]})

    @house.server.expose("/mine")
    def decide(request: object) -> Channel:
        raise HandshakeRefused(401)

    refused = house.listen("/mine", Origin="https://page.example").response
    assert refused is not None
    assert refused.status == 401
    assert ("Access-Control-Allow-Origin", "https://page.example") in refused.headers


def test_what_is_written_is_the_same_for_all_who_listen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Prepared] = []

    def send(listener: Listener, prepared: Prepared) -> bool:
        sent.append(prepared)
        return True

    monkeypatch.setattr(Listener, "send", send)
    for _ in range(3):
        house.listen()
    sent.clear()
    house.publish("x")
    assert len(sent) == 3
    assert len(set(map(id, sent))) == 1
