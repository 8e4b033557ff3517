"""What a router counts (T2-99, T2-100, T2-B7)."""

import pytest

from faces.tornadio2.loops import FakeLoop
from waterspout.faces.tornadio2.stats import MovingAverage, StatsCollector


@pytest.fixture
def stats() -> StatsCollector:
    return StatsCollector()


def test_the_numbers_are_those_of_the_document(stats: StatsCollector) -> None:
    assert stats.dump() == {
        "active_sessions": 0,
        "max_sessions": 0,
        "active_connections": 0,
        "max_connections": 0,
        "connections_ps": 0,
        "packets_sent_ps": 0,
        "packets_recv_ps": 0,
    }


def test_sessions_and_connections_come_and_go_and_the_highest_stays(stats: StatsCollector) -> None:
    for _ in range(3):
        stats.session_opened()
        stats.connection_opened()
    for _ in range(2):
        stats.session_closed()
        stats.connection_closed()
    stats.session_opened()
    stats.connection_opened()
    dumped = stats.dump()
    assert (dumped["active_sessions"], dumped["max_sessions"]) == (2, 3)
    assert (dumped["active_connections"], dumped["max_connections"]) == (2, 3)


def test_averages_are_made_once_a_second(stats: StatsCollector) -> None:
    loop = FakeLoop()
    stats.start(loop)
    for _ in range(4):
        stats.connection_opened()
    stats.on_packet_sent(10)
    stats.on_packet_recv(3)
    loop.advance(0.5)
    assert stats.dump()["packets_sent_ps"] == 0
    loop.advance(0.5)
    dumped = stats.dump()
    assert (dumped["connections_ps"], dumped["packets_sent_ps"], dumped["packets_recv_ps"]) == (4, 10, 3)
    loop.advance(1)
    assert stats.dump()["packets_sent_ps"] == 5


def test_a_second_start_does_not_count_twice(stats: StatsCollector) -> None:
    loop = FakeLoop()
    stats.start(loop)
    stats.start(loop)
    assert len(loop.timeouts) == 1
    stats.stop()
    assert loop.timeouts == []


def test_a_collector_that_was_not_started_can_be_stopped(stats: StatsCollector) -> None:
    stats.stop()
    stats.on_packet_sent(1)
    stats.flush()
    assert stats.dump()["packets_sent_ps"] == 1


def test_an_average_is_that_of_the_last_flushes() -> None:
    average = MovingAverage(3)
    averages = []
    for count in (3, 6, 0, 9):
        average.add(count - 1)
        average.add(1)
        averages.append(average.last_average)
        average.flush()
    assert averages == [0, 3, 4.5, 3]
    assert average.last_average == 5


def test_an_average_is_of_ten_flushes_unless_told_otherwise() -> None:
    average = MovingAverage()
    assert average.period == 10
    average.add(100)
    for _ in range(10):
        average.flush()
    assert average.last_average == 10
    average.flush()
    assert average.last_average == 0
