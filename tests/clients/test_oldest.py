"""Clients of 0.7 to 0.9 beside one of 4.8.4: under Node, and their browser builds in Chromium."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clients.processes import killed_after, serving

HERE = Path(__file__).parent
WATCHDOG_SECONDS = 240
UNDER_NODE = (
    "texts, one by one and at once",
    "values as JSON",
    "receipts",
    "acknowledgements both ways",
    "a room with a client of today",
    "events in order",
    "endpoints",
    "endpoints that are closed",
    "refusal of the connection",
    "100 kB each way",
    "heartbeats",
    "disconnected by the server",
    "disconnected by the client",
    "reconnection after a cut",
    "another transport when nothing comes over the first",
)
IN_PAGES = (
    "texts and receipts",
    "events and acknowledgements both ways",
    "all at once and in order",
    "a room with a client of today",
    "100 kB each way",
    "disconnected by the server",
    "refused, and quiet then",
    "another transport when nothing comes over the first",
)
NODE = [(transport, scenario) for transport in ("websocket", "xhr-polling") for scenario in UNDER_NODE]
PAGES = [
    ("asyncio", ("0.9.17",)),
    *(
        pytest.param(*others, marks=pytest.mark.hosts)
        for others in (("asyncio", ("0.7.11", "0.8.7")), ("gevent", ("0.7.11", "0.9.17")))
    ),
]


def run(kind: str, folder: Path, command: Sequence[str], *arguments: str) -> list[dict[str, Any]]:
    """Run a script against a server of its own, with its port and these arguments; return its lines."""
    with (
        serving(kind, folder / "log") as port,
        subprocess.Popen(
            [*command, str(port), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines() if line.startswith("{") and line.endswith("}")]


@pytest.fixture(
    scope="module",
    params=["uvloop", *(pytest.param(kind, marks=pytest.mark.hosts) for kind in ("asyncio", "gevent", "uvicorn"))],
)
def seen_by_node(request: pytest.FixtureRequest, node: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the clients under Node saw: an error or None by transport and scenario."""
    command = [node, "--no-deprecation", str(HERE / "oldest.mjs")]
    lines = run(request.param, tmp_path_factory.mktemp("oldest"), command)
    return {(line["transport"], line["scenario"]): line["error"] for line in lines}


@pytest.mark.parametrize(("transport", "scenario"), NODE)
def test_an_old_client_under_node_is_content(seen_by_node: Any, transport: str, scenario: str) -> None:
    error = seen_by_node.get((transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


@pytest.mark.parametrize(("kind", "versions"), PAGES, ids=str)
def test_old_clients_in_pages_are_content(
    node: str, chromium: str, tmp_path: Path, kind: str, versions: tuple[str, ...]
) -> None:
    lines = run(kind, tmp_path, [node, str(HERE / "oldest_pages.mjs"), chromium], *versions)
    seen = {(line["version"], line["transport"], line["scenario"]): line["error"] for line in lines}
    assert set(seen) == {
        (version, transport, scenario)
        for version in versions
        for transport in ("websocket", "xhr-polling", "jsonp-polling", *(["htmlfile"] if version == "0.9.17" else []))
        for scenario in IN_PAGES
    }
    failed = [f"{client}: {error}" for client, error in seen.items() if error is not None]
    assert not failed, "\n".join(failed)


def test_all_under_node_have_reported(seen_by_node: Any) -> None:
    assert set(seen_by_node) == set(NODE)
