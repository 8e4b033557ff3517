"""Events per second of programs that emit through a Redis, one call after the other: `scripts/bench --emitters`.

Redis has one core, the program another; nobody subscribes. The programs take turns, each time in a new process. An
event has an object of one number, and goes to a room.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import socketio
from tests.ports import free_port

from bench.servers import BENCH, BUILD, START_TIMEOUT
from waterspout import AsyncEmitter, Emitter

ROUNDS, SECONDS, WARMUP = 5, 2.0, 200
BATCH = 50  # calls between two looks at the clock
TITLES = {
    "ours": "waterspout.Emitter",
    "psio": "python-socketio's RedisManager",
    "ours-async": "waterspout.AsyncEmitter",
    "psio-async": "python-socketio's AsyncRedisManager",
}
EVENT, ROOM = "news", "lobby"


def measure(call: Callable[[int], object], seconds: float) -> dict[str, float]:
    """Call with a number, again and again; return calls per second, and CPU time of a call."""
    call(WARMUP)
    calls, begin, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < seconds:
        call(BATCH)
        calls += BATCH
    return {
        "rate": calls / (time.perf_counter() - begin),
        "us": (time.process_time() - used) / calls * 1e6,
    }


def blocking(emit: Callable[[dict[str, int]], object]) -> Callable[[int], object]:
    """Return what emits so many events."""

    def call(number: int) -> None:
        for n in range(number):
            emit({"n": n})

    return call


def awaited(emit: Callable[[dict[str, int]], Any]) -> Callable[[int], object]:
    """Return what emits so many events, always on the same loop."""
    loop = asyncio.new_event_loop()

    async def call(number: int) -> None:
        for n in range(number):
            await emit({"n": n})

    return lambda number: loop.run_until_complete(call(number))


def run(kind: str, url: str) -> dict[str, float]:
    """Measure in this process."""
    match kind:
        case "ours":
            emitter = Emitter(url)
            return measure(blocking(lambda data: emitter.emit(EVENT, data, to=ROOM)), SECONDS)
        case "ours-async":
            another = AsyncEmitter(url)
            return measure(awaited(lambda data: another.emit(EVENT, data, to=ROOM)), SECONDS)
        case "psio":
            manager = socketio.RedisManager(url, write_only=True)
            return measure(blocking(lambda data: manager.emit(EVENT, data, room=ROOM)), SECONDS)
    server = socketio.AsyncRedisManager(url, write_only=True)
    return measure(awaited(lambda data: server.emit(EVENT, data, room=ROOM)), SECONDS)


def attempt(kind: str, url: str, core: int) -> dict[str, float]:
    """Measure in a new process on a core."""
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "bench.emitters", kind, url]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{TITLES[kind]:<36} {found['rate']:>8,.0f} /s {found['us']:>6.1f} us of CPU time", file=sys.stderr)
    return found


def main(redis_core: int, core: int) -> None:
    """Measure all in turn, and print the medians."""
    port = free_port()
    command = ["taskset", "--cpu-list", str(redis_core), "redis-server", "--port", str(port), "--bind", "127.0.0.1"]
    redis = subprocess.Popen([*command, "--save", "", "--dir", str(BUILD)], cwd=BENCH, stdout=subprocess.DEVNULL)
    try:
        wait(port)
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in TITLES}
        for _ in range(ROUNDS):
            for kind in TITLES:
                found[kind].append(attempt(kind, f"redis://127.0.0.1:{port}", core))
    finally:
        redis.kill()
        redis.wait()
    print("| program | events | CPU time of one |\n| --- | --: | --: |")
    for kind, runs in found.items():
        rate, us = (median(each[name] for each in runs) for name in ("rate", "us"))
        print(f"| {TITLES[kind]} | {rate:,.0f} /s | {us:.1f} us |")


def wait(port: int) -> None:
    """Wait until Redis listens."""
    give_up = time.monotonic() + START_TIMEOUT
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) and time.monotonic() < give_up:
            time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
