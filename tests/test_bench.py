"""The benchmark's rows: what they are compared with, and what they have to reach."""

from dataclasses import replace

import pytest
from bench.__main__ import peers_for
from bench.measure import Run, by_kind
from bench.report import column_of, row, tables
from bench.servers import BENCH, OWN, command
from bench.workloads import WORKLOADS, Workload


def named(name: str) -> Workload:
    return next(workload for workload in WORKLOADS if workload.name == name)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_a_goal_names_a_column_and_every_column_has_a_program(workload: Workload) -> None:
    peers = peers_for(workload, None)
    assert list(map(column_of, peers)) == [*workload.table.columns]
    assert set(workload.goals) <= set(workload.table.columns)
    assert bool(workload.own) == (OWN in workload.table.columns)
    for peer in peers:
        assert (BENCH / "peers" / command(peer, 1, 2)[1]).exists()


def test_a_ratio_below_its_goal_is_missed_and_a_void_run_does_not_count() -> None:
    events = named("events1000")
    values = {"ours": 100, "events-node": 80, "events-starlette": 19, "events-tornado": 30}
    runs = [Run(workload=events.name, peer=peer, value=value) for peer, value in values.items()]
    void = Run(workload=events.name, peer="events-node", value=1, fault="1 wrong answers, 0 lost")
    assert row(events, [*runs, void]).missed() == ["1.4 x events-node: 1.25"]
    shown = [cell.strip() for cell in tables([row(events, runs)]).splitlines()[2].split("|")]
    assert shown[6:9] == ["1.25 (goal 1.4)", "5.26 (goal 5)", "3.33 (goal 3)"]


def test_an_idle_eventsource_may_take_a_kilobyte_more_than_a_websocket() -> None:
    other = Run(workload="idle-events", peer=OWN, value=2.6)
    for value, missed in ((3.6, []), (3.7, ["at most 3.6 KB: 3.7 KB"])):
        ours = Run(workload="idle-events", peer="ours", value=value)
        assert row(named("idle-events"), [ours, other]).missed() == missed


def test_the_cpu_time_of_nodes_is_that_of_one_node_of_each_kind_and_their_messages_those_of_all() -> None:
    times = by_kind([32, 15, 17, 8, 8], replace(named("nodes2"), idle=1))
    assert times == {"messages": 12_500, "us_sender": 32, "us_receiver": 16, "us_idle": 8, "us_redis": 8}
