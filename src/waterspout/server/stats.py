"""What a server has done, and what it holds now, as numbers to watch."""

from collections import Counter
from dataclasses import dataclass, fields, replace

from ..engine import Engine
from ..types import Reason
from .channels import Channels
from .cluster import Cluster
from .handlers import Timing
from .namespaces import Namespaces


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of one node, some of now and some that only grow.

    Now: `sessions` by generation and transport, `sockets` and `rooms` by namespace, `outbox_bytes` that wait for
    clients, functions of yours that are `running`, `channels`, their `subscribers` by generation ("stream" is the
    server's own code), and `history_bytes` that they keep. Since the start: sessions `opened`, requests `refused`,
    sessions `closed` by reason, `slow_consumers` among these, `messages_in`, `messages_out`, `bytes_in` and
    `bytes_out` (of WebSockets and polling bodies), volatile messages `dropped`, messages `replaced` by the `latest`
    of their key, messages `published` to channels, `resets` of subscribers by reason, and `errors` of handlers.
    Of several nodes, now: `nodes` that are known to live, this one included, whether this one is `ready`, and the
    `unpublished_bytes` that wait for the broker; since the start: messages of other nodes that were `repaired`
    or `lost` at most, losses of the broker (`broker_losses`), and messages `unpublished` because too much waited.
    `handlers`: by namespace and event the number of calls and their seconds until the answer, since the first time
    that somebody asked.
    """

    sessions: dict[str, dict[str, int]]
    sockets: dict[str, int]
    rooms: dict[str, int]
    outbox_bytes: int
    running: int
    channels: int
    subscribers: dict[str, int]
    history_bytes: int
    opened: int
    refused: int
    closed: dict[str, int]
    slow_consumers: int
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    dropped: int
    replaced: int
    published: int
    resets: dict[str, int]
    errors: int
    nodes: int
    ready: bool
    unpublished_bytes: int
    repaired: int
    lost: int
    broker_losses: int
    unpublished: int
    handlers: dict[str, dict[str, Timing]]


def collect(engine: Engine, namespaces: Namespaces, channels: Channels, cluster: Cluster, *, is_ready: bool) -> Stats:
    """Count what is there, and read the counters."""
    traffic = engine.traffic
    counters = {counter.name: getattr(traffic, counter.name) for counter in fields(traffic)}
    counters["closed"] = {str(reason): count for reason, count in dict(traffic.closed).items()}
    sessions: dict[str, Counter[str]] = {}
    present = tuple(engine.sessions.values())  # a copy of what may change meanwhile, when another thread asks
    for session in present:
        sessions.setdefault(session.generation.name, Counter())[session.transport.name] += 1
    held, logs = list(channels), channels.logs
    places = [place._handlers for place in (*namespaces, *namespaces.dynamic)]
    return Stats(
        sessions={name: dict(counts) for name, counts in sessions.items()},
        sockets={one.name: len(one.rooms.by_id) for one in namespaces},
        rooms={one.name: len(one.rooms) for one in namespaces},
        outbox_bytes=sum(session.outbox_bytes for session in present),
        running=engine.driver.busy,
        channels=len(held),
        subscribers=dict(Counter(kind for channel in held for kind in channel.kinds)),
        history_bytes=sum(channel.log.size_bytes for channel in held),
        published=channels.traffic.published,
        resets=dict(channels.traffic.resets),
        slow_consumers=traffic.closed[Reason.SLOW_CONSUMER],
        errors=sum(each.errors for each in {id(place): place for place in places}.values()),
        nodes=len(cluster.nodes()),
        ready=is_ready,
        unpublished_bytes=cluster.waiting_bytes + (0 if logs is None else logs.unsent_bytes),
        repaired=cluster.traffic.repaired,
        lost=cluster.traffic.lost,
        broker_losses=cluster.traffic.broker_losses,
        unpublished=cluster.traffic.refused + (0 if logs is None else logs.refused),
        handlers={
            place.name: {event: replace(one) for event, one in dict(place.measure()).items()} for place in places
        },
        **counters,
    )
