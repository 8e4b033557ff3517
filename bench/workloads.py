"""What is measured: the arguments of the generator, the figure read from its result, and the goal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.servers import OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Loads shown together; `columns` are their peers, with headings: the first is that of ours which is judged.

    "psio" stands for the configuration of python-socketio that does best.
    """

    title: str
    columns: Mapping[str, str]


SERVERS = Table(title="load", columns={"ours": "ours", "node": "node", "psio": "psio"})
EVENTS = Table(
    title="Server-Sent Events",
    columns={
        "ours": "ours",
        "events-node": "node",
        "events-starlette": "sse-starlette",
        "events-tornado": "Tornado",
    },
)
OLD = Table(title="clients of 0.9 beside those of 4.x", columns={"ours": "0.9", OWN: "4.x"})
KINDS = Table(title="subscribers beside those of Socket.IO 4.x", columns={"ours": "these", OWN: "4.x"})

GEVENT = Table(
    title="on gevent",
    columns={"ours-gevent": "ours", "ours-asyncio": "asyncio", "node": "node", "psio": "psio on gevent"},
)

NODES = Table(
    title="several nodes and Redis",
    columns={"nodes-ours": "ours", "nodes-node": "node", "nodes-psio": "psio", "nodes-gevent": "ours on gevent"},
)
UVICORN = Table(
    title="on uvicorn, with protocols of ours",
    columns={"ours-uvicorn": "ours", "ours": "inside Tornado", "node": "node", "psio": "psio on uvicorn"},
)
ASGI = Table(title="on uvicorn, with its own protocols", columns={"ours-asgi": "ours", "psio": "psio on uvicorn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One row of the table.

    `figure` is a key of the generator's result. `goals` are ratios to a peer's figure, `limit` is a bound on our own,
    `excess` is how much above that of our own server's other load it may be.
    """

    name: str
    title: str
    load: str
    """Arguments of the generator; `load --help` explains them."""
    psio: str = ""
    """The configuration of python-socketio that does best here."""
    own: str = ""
    """The arguments for our own server where it is compared with itself, under another load."""
    table: Table = SERVERS
    receivers: int = 0
    """Nodes that have clients of what another node sends; 0 is a single server."""
    idle: int = 0
    """Nodes that have none."""
    figure: str = "rate"
    unit: str = "/s"
    goals: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    excess: float | None = None
    lower_is_better: bool = False
    saturates: bool = True
    """The server is expected to use its whole core."""
    timed: bool = True
    """The figure depends on what else the machine does."""
    seconds: float | None = None
    """Overrides the duration of a measurement; a quick run overrides it again."""
    warmup: float = 0.0
    """Seconds of load at least before it: several servers on a core need longer to be compiled."""

    @property
    def ours(self) -> str:
        """The column of ours that is judged."""
        return next(iter(self.table.columns))

    def arguments(self, peer: str) -> str:
        """Return the arguments of the generator for a peer."""
        return self.own if peer == OWN else self.load

    def text(self, value: float) -> str:
        """Format a figure, with its unit."""
        return f"{value:,.{1 if value < 100 else 0}f} {self.unit}"

    def ratio(self, ours: float, theirs: float) -> float:
        """Say how many times better ours is."""
        return theirs / ours if self.lower_is_better else ours / theirs


WORKLOADS = (
    Workload(
        name="ack1",
        title="acknowledgements, 100 connections, 1 outstanding",
        load="ack --conns 100",
        psio="aiohttp",
        goals={"node": 1.4},
    ),
    Workload(
        name="ack16",
        title="acknowledgements, 100 connections, 16 outstanding",
        load="ack --conns 100 --window 16",
        psio="granian",
        goals={"node": 4},
    ),
    Workload(
        name="old1",
        title="acknowledgements of 0.9, 100 connections, 1 outstanding",
        load="ack --proto sio09 --conns 100",
        own="ack --conns 100",
        table=OLD,
        goals={OWN: 0.75},
    ),
    Workload(
        name="old16",
        title="acknowledgements of 0.9, 100 connections, 16 outstanding",
        load="ack --proto sio09 --conns 100 --window 16",
        own="ack --conns 100 --window 16",
        table=OLD,
        goals={OWN: 0.75},
    ),
    Workload(
        name="emit",
        title="events sent back, 100 connections, 1 outstanding",
        load="emit --conns 100",
        psio="aiohttp",
    ),
    Workload(
        name="bcast100",
        title="broadcast to 100, deliveries",
        load="bcast --conns 100",
        psio="aiohttp",
        goals={"node": 1.3},
    ),
    Workload(
        name="bcast1000",
        title="broadcast to 1,000, deliveries",
        load="bcast --conns 1000",
        psio="granian",
        goals={"node": 1.3, "psio": 8},
    ),
    Workload(
        name="bcast5000",
        title="broadcast to 5,000, deliveries",
        load="bcast --conns 5000",
        psio="granian",
        goals={"node": 1.3},
    ),
    Workload(
        name="bcast10000",
        title="broadcast to 10,000, deliveries",
        load="bcast --conns 10000",
        psio="granian",
    ),
    Workload(
        name="bursts",
        title="32 broadcasts under way to 100, deliveries",
        load="bcast --conns 100 --window 32",
        psio="granian",
    ),
    # Source addresses: a closed connection keeps its port for a minute, and one address has 28,000 of them.
    Workload(
        name="connect",
        title="connections, from TCP to Socket.IO's CONNECT",
        load="connect --concurrency 64 --sources 100",
        psio="granian",
        goals={"node": 1.1},
    ),
    Workload(
        name="poll",
        title="long-polling rounds (POST and GET), 100 sessions",
        load="poll --conns 100",
        psio="granian",
    ),
    Workload(
        name="single",
        title="one connection, median time to an acknowledgement",
        load="ack --conns 1",
        psio="aiohttp",
        figure="p50_us",
        unit="us",
        lower_is_better=True,
        saturates=False,
    ),
    # Longer than the ping interval of 25 s: what the first ping allocates belongs to the connection.
    Workload(
        name="idle",
        title="memory per idle WebSocket of 10,000, each pinged once",
        load="idle --conns 10000",
        psio="aiohttp",
        figure="kb_per_conn",
        unit="KB",
        limit=5,
        lower_is_better=True,
        saturates=False,
        timed=False,
        seconds=28,
    ),
    Workload(
        name="events100",
        title="publishing to 100 EventSources, deliveries",
        load="publish --proto sse --conns 100",
        table=EVENTS,
    ),
    Workload(
        name="events1000",
        title="publishing to 1,000 EventSources, deliveries",
        load="publish --proto sse --conns 1000",
        table=EVENTS,
        goals={"events-node": 1.4, "events-starlette": 5, "events-tornado": 3},
    ),
    Workload(
        name="mixed",
        title="publishing to 1,000 EventSources, plain WebSockets, clients of 0.9 and of 4.x, deliveries",
        load="publish --proto sse,ws,sio09,sio5 --conns 1000",
        own="publish --conns 1000",
        table=KINDS,
        goals={OWN: 0.7},
    ),
    Workload(
        name="idle-events",
        title="memory per idle EventSource of 1,000",
        load="idle --proto sse --conns 1000",
        own="idle --conns 1000",
        table=KINDS,
        figure="kb_per_conn",
        unit="KB",
        excess=1,
        lower_is_better=True,
        saturates=False,
        timed=False,
        seconds=28,
    ),
    Workload(
        name="gevent-ack1",
        title="acknowledgements, 100 connections, 1 outstanding",
        load="ack --conns 100",
        psio="gevent",
        table=GEVENT,
        goals={"ours-asyncio": 0.7, "node": 1},
    ),
    Workload(
        name="gevent-ack16",
        title="acknowledgements, 100 connections, 16 outstanding",
        load="ack --conns 100 --window 16",
        psio="gevent",
        table=GEVENT,
        goals={"ours-asyncio": 0.7, "node": 1},
    ),
    Workload(
        name="gevent-bcast1000",
        title="broadcast to 1,000, deliveries",
        load="bcast --conns 1000",
        psio="gevent",
        table=GEVENT,
        goals={"ours-asyncio": 0.7, "node": 1},
    ),
    Workload(
        name="gevent-poll",
        title="long-polling rounds (POST and GET), 100 sessions",
        load="poll --conns 100",
        psio="gevent",
        table=GEVENT,
    ),
    Workload(
        name="gevent-connect",
        title="connections, from TCP to Socket.IO's CONNECT",
        load="connect --concurrency 64 --sources 100",
        psio="gevent",
        table=GEVENT,
    ),
    Workload(
        name="gevent-idle",
        title="memory per idle WebSocket of 1,000, each pinged once",
        load="idle --conns 1000",
        psio="gevent",
        table=GEVENT,
        figure="kb_per_conn",
        unit="KB",
        limit=5,
        lower_is_better=True,
        saturates=False,
        timed=False,
        seconds=28,
    ),
    *(
        Workload(
            name=f"nodes{receivers}",
            title=f"messages from one node to {receivers} other{'s' * (receivers > 1)}",
            load=f"publish --conns {receivers} --window 32",
            table=NODES,
            warmup=4,
            receivers=receivers,
            figure="messages",
            timed=False,
        )
        for receivers in (1, 2, 4)
    ),
    *(
        Workload(
            name=f"nodes-{kind}",
            title=f"CPU time for a message, {title}",
            load="publish --conns 1 --window 32",
            table=NODES,
            warmup=4,
            receivers=1,
            idle=1,
            figure=f"us_{kind}",
            unit="us",
            lower_is_better=True,
            timed=False,
        )
        for kind, title in (
            ("sender", "of the node that sends it"),
            ("receiver", "of a node with a client in its room"),
            ("idle", "of a node without one"),
        )
    ),
    Workload(
        name="uvicorn-ack1",
        title="acknowledgements, 100 connections, 1 outstanding",
        load="ack --conns 100",
        psio="uvicorn",
        table=UVICORN,
        goals={"ours": 0.9},
    ),
    Workload(
        name="uvicorn-ack16",
        title="acknowledgements, 100 connections, 16 outstanding",
        load="ack --conns 100 --window 16",
        psio="uvicorn",
        table=UVICORN,
        goals={"ours": 0.9},
    ),
    Workload(
        name="uvicorn-bcast1000",
        title="broadcast to 1,000, deliveries",
        load="bcast --conns 1000",
        psio="uvicorn",
        table=UVICORN,
        goals={"ours": 0.9},
    ),
    Workload(
        name="uvicorn-connect",
        title="connections, from TCP to Socket.IO's CONNECT",
        load="connect --concurrency 64 --sources 100",
        psio="uvicorn",
        table=UVICORN,
    ),
    Workload(
        name="uvicorn-poll",
        title="long-polling rounds (POST and GET), 100 sessions",
        load="poll --conns 100",
        psio="uvicorn",
        table=UVICORN,
        goals={"psio": 2},
    ),
    Workload(
        name="asgi-ack1",
        title="acknowledgements, 100 connections, 1 outstanding",
        load="ack --conns 100",
        psio="uvicorn",
        table=ASGI,
        goals={"psio": 2},
    ),
    Workload(
        name="asgi-ack16",
        title="acknowledgements, 100 connections, 16 outstanding",
        load="ack --conns 100 --window 16",
        psio="uvicorn",
        table=ASGI,
        goals={"psio": 2},
    ),
    Workload(
        name="asgi-bcast1000",
        title="broadcast to 1,000, deliveries",
        load="bcast --conns 1000",
        psio="uvicorn",
        table=ASGI,
        goals={"psio": 2},
    ),
    Workload(
        name="asgi-poll",
        title="long-polling rounds (POST and GET), 100 sessions",
        load="poll --conns 100",
        psio="uvicorn",
        table=ASGI,
    ),
)
