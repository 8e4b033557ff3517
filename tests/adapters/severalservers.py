"""Several servers of Redis: two of a Redis Cluster, or a master with a replica and a Sentinel."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ports import free_port
from redisserver import RedisServer


@contextmanager
def cluster_servers(folder: Path) -> Iterator[tuple[list[RedisServer], list[int]]]:
    """Run two servers of a Redis Cluster, without slots, and return them with their ports."""
    ports = [free_port(), free_port()]
    buses = [free_port(), free_port()]  # the usual one, 10,000 above, lies where the kernel chooses ports for others
    servers = []
    for port, bus in zip(ports, buses, strict=True):
        place = folder / str(port)
        place.mkdir()
        own = ("--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(bus))
        servers.append(RedisServer(place, *own))
    with _running(servers):
        servers[1].client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", 2)
        servers[0].client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[1], buses[1])
        yield servers, ports


def give_slots(servers: list[RedisServer]) -> None:
    """Let each of them keep half of the keys, and wait until both know that."""
    for server, slots in zip(servers, ((0, 8191), (8192, 16383)), strict=True):
        server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
    for server in servers:
        while not {"cluster_state:ok", "cluster_known_nodes:2"} <= set(_state(server)):
            time.sleep(0.02)


def _state(server: RedisServer) -> list[str]:
    about = server.client.execute_command("CLUSTER", "INFO")
    return (about.decode() if isinstance(about, bytes) else str(about)).split()


@contextmanager
def sentinel_servers(folder: Path) -> Iterator[tuple[str, RedisServer]]:
    """Run a master, a replica and a Sentinel that knows both; return its URL, and the master."""
    ports = [free_port() for _ in range(3)]
    places = [folder / name for name in ("first", "second", "sentinel")]
    for place in places:
        place.mkdir()
    config = places[2] / "sentinel.conf"
    config.write_text(
        f"sentinel monitor shop 127.0.0.1 {ports[0]} 1\n"
        "sentinel down-after-milliseconds shop 300\n"
        "sentinel failover-timeout shop 2000\n"
    )
    first = RedisServer(places[0], "--port", str(ports[0]))
    second = RedisServer(places[1], "--port", str(ports[1]), "--replicaof", f"127.0.0.1 {ports[0]}")
    sentinel = RedisServer(places[2], "--port", str(ports[2]), config=config)
    with _running([first, second, sentinel]):
        while not sentinel.client.execute_command("SENTINEL", "REPLICAS", "shop"):
            time.sleep(0.05)  # the Sentinel asks the master every second
        yield f"redis+sentinel://127.0.0.1:{ports[2]}/shop", first


@contextmanager
def _running(servers: list[RedisServer]) -> Iterator[None]:
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.stop()
