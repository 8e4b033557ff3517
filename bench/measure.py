"""Runs: one server under one load, repeated when the machine or the generator spoiled it, peers in turn."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from bench.servers import BUILD, Running, ServerFailed, running, running_nodes
from bench.workloads import Workload

BUSY = 0.90
"""Above this share of its core the generator is what was measured."""
DISTURBED = 0.15
"""Share of a core that others may take before a run is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What holds for all runs; seconds."""

    rounds: int
    seconds: float
    warmup: float
    tries: int
    quick: bool
    server_core: int
    load_core: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run showed, or why it shows nothing (`fault`)."""

    workload: str
    peer: str
    value: float = 0.0
    load_cpu: float = 0.0
    server_cpu: float = 0.0
    disturbance: float = 0.0
    fault: str = ""


def measure(workload: Workload, peers: Sequence[str], options: Options) -> Iterator[Run]:
    """Run all peers in turn, round after round; each round begins with another peer."""
    for number in range(options.rounds):
        first = number % len(peers)
        for peer in (*peers[first:], *peers[:first]):
            yield undisturbed(workload, peer, options)


def undisturbed(workload: Workload, peer: str, options: Options) -> Run:
    """Run until a run is valid and undisturbed; after the last try, return the least disturbed of the valid ones."""
    runs = []
    for _ in range(options.tries):
        run = attempt(workload, peer, options)
        say(run, workload)
        if not run.fault and run.disturbance <= DISTURBED:
            return run
        runs.append(run)
    return min(runs, key=lambda run: (bool(run.fault), run.disturbance))


def attempt(workload: Workload, peer: str, options: Options) -> Run:
    """Start the peer, put it under load once, end it."""
    run = Run(workload=workload.name, peer=peer)
    try:
        with start(workload, peer, options.server_core) as server:
            result = generate(workload, peer, server, options)
    except ServerFailed as error:
        return replace(run, fault=f"the server did not start: {error}")
    except subprocess.CalledProcessError as error:
        return replace(run, fault=error.stderr.strip())
    return replace(
        run,
        value=result[workload.figure],
        load_cpu=result["gen_cpu"],
        server_cpu=result["srv_cpu"],
        disturbance=disturbance(workload, result),
        fault=fault(result),
    )


def start(workload: Workload, peer: str, core: int) -> AbstractContextManager[Running]:
    """Start what the load needs: a server, or several nodes."""
    if workload.receivers:
        return running_nodes(peer, workload.receivers, workload.idle, core=core)
    return running(peer, core=core)


def generate(workload: Workload, peer: str, server: Running, options: Options) -> dict[str, float]:
    """Run the generator once and return its result; `load --help` explains the keys.

    Of several nodes, `by_kind` is added. Raises subprocess.CalledProcessError when it gave up.
    """
    seconds = options.seconds if options.quick else workload.seconds or options.seconds
    warmup = max(options.warmup, workload.warmup)
    arguments = [*workload.arguments(peer).split(), "--duration", str(seconds), "--warmup", str(warmup)]
    arguments += ["--port", ",".join(map(str, server.ports)), "--publish-port", str(server.publish_port)]
    command = [str(BUILD / "load"), *arguments, "--pid", ",".join(map(str, server.pids))]
    pinned = ["taskset", "--cpu-list", str(options.load_core), *command]
    done = subprocess.run(pinned, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result | by_kind(result["us"], workload) if workload.receivers else result


def by_kind(us: Sequence[float], workload: Workload) -> dict[str, float]:
    """Return the CPU time for a message of one node of each kind, from that of the processes of `running_nodes`.

    And `messages`: how many all of them can do in a second of one core.
    """
    kinds = ["sender", *["receiver"] * workload.receivers, *["idle"] * workload.idle, "redis"]
    each = {f"us_{kind}": fmean(us[i] for i, other in enumerate(kinds) if other == kind) for kind in kinds}
    return {"messages": 1e6 / sum(us), **each}


def fault(result: dict[str, float]) -> str:
    """Say why a result counts for nothing; empty when it counts."""
    if result["bad"] or result["lost"]:
        return f"{result['bad']} wrong answers, {result['lost']} lost"
    if result["gen_cpu"] > BUSY:
        return f"the generator took {result['gen_cpu']:.0%} of its core"
    return ""


def disturbance(workload: Workload, result: dict[str, float]) -> float:
    """Return the share of a core that other processes, or other guests of the machine, took from a run."""
    if not workload.timed:
        return 0.0
    withheld = 1 - result["srv_cpu"] if workload.saturates else result["srv_others"]
    return max(result["gen_others"], withheld)


def say(run: Run, workload: Workload) -> None:
    """Print a line about a run, on standard error."""
    shares = f"server {run.server_cpu:4.0%}, generator {run.load_cpu:4.0%}, others {run.disturbance:4.0%}"
    end = f"  VOID: {run.fault}" if run.fault else "  disturbed" if run.disturbance > DISTURBED else ""
    line = f"{run.workload:<11} {run.peer:<16} {workload.text(run.value):>14}   {shares}{end}"
    print(line, file=sys.stderr, flush=True)
