"""The command line: `scripts/bench --help`."""

import argparse
import os
import resource
import signal
import sys
from collections.abc import Sequence

from bench import instructions
from bench.measure import Options, Run, measure
from bench.report import Row, column_of, document, remarks, row, tables, write
from bench.servers import BENCH, OWN, PEERS
from bench.versions import versions
from bench.workloads import WORKLOADS, Workload

DOCUMENT = BENCH.parent / "docs" / "performance.md"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure Waterspout beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one short run of each, of the loads that have goals")
    parser.add_argument("--list", action="store_true", help="name the loads and peers")
    parser.add_argument("--instructions", action="store_true", help="count the instructions of the core (valgrind)")
    parser.add_argument("--emitters", action="store_true", help="measure programs that emit through a Redis")
    parser.add_argument("--workloads", metavar="A,B", help="only these loads")
    parser.add_argument("--peers", metavar="A,B", help="only these: ours, node, psio (its best server), ...")
    parser.add_argument("--rounds", type=int, help="runs of each peer (3)")
    parser.add_argument("--seconds", type=float, help="duration of a measurement (5)")
    parser.add_argument("--warmup", type=float, help="seconds of load before it (1)")
    parser.add_argument("--tries", type=int, default=3, help="for a run that is void or disturbed (3)")
    parser.add_argument("--server-core", type=int, default=0, metavar="N", help="core of the servers (0)")
    parser.add_argument("--load-core", type=int, default=1, metavar="N", help="core of the generator (1)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    return parser.parse_args(arguments)


def choose(chosen: argparse.Namespace) -> list[Workload]:
    """Return the workloads that were asked for."""
    if chosen.workloads is None:
        return [w for w in WORKLOADS if not chosen.quick or w.goals or w.limit or w.excess]
    by_name = {workload.name: workload for workload in WORKLOADS}
    names = chosen.workloads.split(",")
    if unknown := [name for name in names if name not in by_name]:
        raise SystemExit(f"unknown load {unknown[0]!r}: there are {', '.join(by_name)}")
    return [by_name[name] for name in names]


def peers_for(workload: Workload, names: str | None) -> list[str]:
    """Return the peers to run: of those that were asked for, what the load's table has."""
    asked = [*workload.table.columns] if names is None or workload.own else names.split(",")
    if unknown := [name for name in asked if name not in ("psio", OWN, *PEERS)]:
        raise SystemExit(f"unknown peer {unknown[0]!r}: there are psio, {', '.join(PEERS)}")
    peers = [f"psio-{workload.psio}" if name == "psio" else name for name in asked]
    return [peer for peer in dict.fromkeys(peers) if column_of(peer) in workload.table.columns]


def options(chosen: argparse.Namespace) -> Options:
    """Fill in what was not said: a quick run is one short round."""
    quick: bool = chosen.quick
    return Options(
        rounds=chosen.rounds or (1 if quick else 3),
        seconds=chosen.seconds or (2 if quick else 5),
        warmup=chosen.warmup or (0.5 if quick else 1),
        tries=chosen.tries,
        quick=quick,
        server_core=chosen.server_core,
        load_core=chosen.load_core,
    )


def check_machine(settings: Options) -> None:
    """Refuse what would falsify the figures, and raise the limit of open files as far as it goes."""
    needed = {settings.server_core, settings.load_core}
    if len(needed) < 2 or not needed <= os.sched_getaffinity(0):
        raise SystemExit(f"two cores are needed, one for the servers: {sorted(os.sched_getaffinity(0))} are here")
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        raise SystemExit("real-time scheduling changes the ratios: run this with ordinary scheduling")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if 0 <= hard < 10_200:
        raise SystemExit(f"10,000 connections need 10,200 open files, {hard} are allowed: raise `ulimit -Hn`")


def conclude(rows: Sequence[Row], runs: Sequence[Run]) -> int:
    """Print the table, the remarks and the goals missed; the exit status is 1 when there is one, or a void run."""
    print(f"\n{tables(rows)}\n")
    for line in remarks(runs):
        print(line)
    missed = [f"missed: {row.workload.name}, {goal}" for row in rows for goal in row.missed()]
    print("\n".join(missed) if missed else "no goal that could be judged is missed")
    return 1 if missed or any(run.fault for run in runs) else 0


def main() -> int:
    """Measure, print, and write the document if asked."""
    chosen = parse()
    if chosen.list:
        print("\n".join(f"{w.name:<11} {w.title} ({w.load})" for w in WORKLOADS))
        print(f"peers: psio, {', '.join(PEERS)}")
        return 0
    if chosen.instructions:
        instructions.main()
        return 0
    settings = options(chosen)
    check_machine(settings)
    if chosen.emitters:
        from bench import emitters  # which needs the extra redis

        emitters.main(settings.server_core, settings.load_core)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers are ended on the way out
    plan = [(workload, peers) for workload in choose(chosen) if (peers := peers_for(workload, chosen.peers))]
    runs, rows = [], []
    for workload, peers in plan:
        these = list(measure(workload, peers, settings))
        runs += these
        rows.append(row(workload, these))
    if chosen.write:
        write(DOCUMENT, document(rows, runs, versions(), settings))
    return conclude(rows, runs)


if __name__ == "__main__":
    sys.exit(main())
