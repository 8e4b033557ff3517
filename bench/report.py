"""From runs to the table: medians, ratios, goals, and docs/performance.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.measure import DISTURBED, Options, Run
from bench.servers import OWN
from bench.workloads import SERVERS, Table, Workload

BEGIN, END = "<!-- scripts/bench --write: from here -->", "<!-- scripts/bench --write: to here -->"

TEMPLATE = f"""# Performance

{BEGIN}
{END}
"""

HOW = """\
Medians of {rounds} runs of {seconds:g} s. The server uses one core, the load generator (`bench/load.c`) another. The
servers take turns, and each run starts a new process, with ordinary scheduling. Every answer is compared with the
expected one, and a run counts only if no answer is wrong or missing and the generator used at most 90 % of its core.
A ratio above 1 means that ours is better. Figures differ between machines, ratios much less.

- ours: inside a Tornado application, on uvloop
- node: Socket.IO's JavaScript server with ws and bufferutil, without compression
- psio: python-socketio on uvloop, with msgspec for JSON and without a task for each handler, in the HTTP server that is
  fastest for the load{configurations}
- Server-Sent Events: node: its http module; sse-starlette: under uvicorn, with uvloop and httptools, and a queue for
  each client; Tornado: a handler that writes and flushes, on uvloop
- on gevent: ours by `waterspout.hosts.gevent`, with `patch_all()`; asyncio: ours inside Tornado on asyncio's own loop;
  psio: python-socketio in gevent's server, with a greenlet for each client
- several nodes: they and their Redis share the core; the messages are those of a second of CPU time of all of them;
  32 are under way, and each receiving node has one client; node: `@socket.io/redis-adapter` with the package `redis`;
  psio: `AsyncRedisManager` in aiohttp, with hiredis
- on uvicorn: all with uvloop and httptools, without compression; ours with `WebSocketProtocol` and `HttpProtocol` of
  `waterspout.hosts.uvicorn`, or with uvicorn's own
- the other tables compare ours with itself: these clients, and clients of Socket.IO 4.x
"""

REPEAT = """\
To repeat it, on Linux with two idle cores, Python 3.11 or newer, Node 20 or newer, gcc and redis-server:

```
scripts/bench            # everything; --list names the loads, --quick takes three minutes
scripts/bench --write    # the same, and writes this table
```
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """The median of a peer's valid runs; `runs` of them were made."""

    peer: str
    value: float
    load_cpu: float
    valid: int
    runs: int


@dataclass(frozen=True, slots=True)
class Row:
    """A workload and what its columns came to."""

    workload: Workload
    cells: dict[str, Cell]

    def ratio(self, column: str) -> float | None:
        """Compare ours with a column; None when one of them is missing."""
        ours, theirs = self.cells.get(self.workload.ours), self.cells.get(column)
        return self.workload.ratio(ours.value, theirs.value) if ours and theirs else None

    @property
    def limit(self) -> float | None:
        """The bound on our figure, where there is one and it is known."""
        excess, own = self.workload.excess, self.cells.get(OWN)
        return self.workload.limit if excess is None or own is None else own.value + excess

    def missed(self) -> list[str]:
        """Say which goals were not reached, or could not be judged for want of a figure of ours."""
        goals = [(f"{goal:g} x {column}", self.ratio(column), goal) for column, goal in self.workload.goals.items()]
        missed = [f"{name}: {ratio:.2f}" for name, ratio, goal in goals if ratio is not None and ratio < goal]
        ours, limit = self.cells.get(self.workload.ours), self.limit
        if ours and limit is not None and ours.value > limit:
            missed.append(f"at most {self.workload.text(limit)}: {self.workload.text(ours.value)}")
        return missed


def row(workload: Workload, runs: Sequence[Run]) -> Row:
    """Make a row; of several configurations of python-socketio the best stands for it."""
    cells: dict[str, Cell] = {}
    for peer in dict.fromkeys(run.peer for run in runs):
        cell = _cell(peer, [run for run in runs if run.peer == peer])
        column = column_of(peer)
        rival = cells.get(column)
        if cell and (rival is None or workload.ratio(cell.value, rival.value) > 1):
            cells[column] = cell
    return Row(workload, cells)


def column_of(peer: str) -> str:
    """Return the column that shows a peer."""
    return "psio" if peer.startswith("psio-") else peer


def _cell(peer: str, runs: Sequence[Run]) -> Cell | None:
    valid = [run for run in runs if not run.fault]
    if not valid:
        return None
    value = median(run.value for run in valid)
    return Cell(peer, value, median(run.load_cpu for run in valid), len(valid), len(runs))


def remarks(runs: Iterable[Run]) -> list[str]:
    """List the runs that were void, and those that others disturbed, after all tries."""
    lines = []
    for run in runs:
        if run.fault:
            lines.append(f"void: {run.workload}, {run.peer}: {run.fault}")
        elif run.disturbance > DISTURBED:
            lines.append(f"disturbed: {run.workload}, {run.peer}: others took {run.disturbance:.0%} of a core")
    return lines


def tables(rows: Sequence[Row]) -> str:
    """Render Markdown tables, aligned so that they read well as plain text too."""
    by_table: dict[str, list[Row]] = {}
    for row in rows:
        by_table.setdefault(row.workload.table.title, []).append(row)
    return "\n\n".join(
        _table(_head(alike[0].workload.table), [_line(row) for row in alike]) for alike in by_table.values()
    )


def _head(table: Table) -> list[str]:
    ours, *others = table.columns.values()
    return [table.title, ours, *others, *(f"{ours} / {other}" for other in others), "generator's CPU"]


def _table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, *body]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in [padded[0], rule, *padded[1:]])


def _line(row: Row) -> list[str]:
    workload, cells = row.workload, row.cells
    columns = [*workload.table.columns]
    figures = [workload.text(cells[column].value) if column in cells else "-" for column in columns]
    if row.limit is not None:
        figures[0] += f" (goal {row.limit:.3g})"
    shares = [f"{cells[column].load_cpu:.0%}" if column in cells else "-" for column in columns]
    ratios = [_ratio(row, column) for column in columns[1:]]
    return [f"{workload.name}: {workload.title}", *figures, *ratios, ", ".join(shares)]


def _ratio(row: Row, column: str) -> str:
    ratio, goal = row.ratio(column), row.workload.goals.get(column)
    text = "-" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"
    return text if goal is None else f"{text} (goal {goal:g})"


def document(rows: Sequence[Row], runs: Sequence[Run], versions: str, options: Options) -> str:
    """Render what stands in docs/performance.md: how it was measured, the table, the versions, how to repeat it."""
    how = HOW.format(rounds=options.rounds, seconds=options.seconds, configurations=_configurations(rows))
    flaws = [f"- {line}" for line in remarks(runs)]
    flaws = ["", "Not as it should be:", "", *flaws] if flaws else []
    return "\n".join([how, tables(rows), *flaws, "", f"Versions: {versions}.", "", REPEAT])


def _configurations(rows: Sequence[Row]) -> str:
    """Name the server of python-socketio for each load of the first table; the others name theirs themselves."""
    by_server: dict[str, list[str]] = {}
    for row in rows:
        if row.workload.table is SERVERS and (cell := row.cells.get("psio")):
            by_server.setdefault(cell.peer.partition("-")[2], []).append(row.workload.name)
    if len(by_server) < 2:
        return "".join(f" (here always {server})" for server in by_server)
    return " (" + "; ".join(f"{server}: {', '.join(names)}" for server, names in by_server.items()) + ")"


def write(path: Path, text: str) -> None:
    """Put the text between the two marks of a document, or begin a document with it."""
    old = path.read_text() if path.exists() else TEMPLATE
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path.name} lacks the lines {BEGIN!r} and {END!r}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
