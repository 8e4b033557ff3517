"""Clients of 0.7 to 0.9 beside one of 4.8.4: under Node, and their browser builds in Chromium."""

import json
import subprocess
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
    (version, transport, scenario)
    for version in ("0.7.11", "0.8.7", "0.9.17")
    for transport in ("websocket", "xhr-polling", "jsonp-polling", *(["htmlfile"] if version == "0.9.17" else []))
    for scenario in IN_PAGES
]


def run(loop: str, folder: Path, *command: str) -> list[dict[str, Any]]:
    """Run a script against a server of its own, whose port is its last argument; return its lines."""
    with (
        serving(loop, folder / "log") as port,
        subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines() if line.startswith("{") and line.endswith("}")]


@pytest.fixture(scope="module", params=["uvloop", pytest.param("asyncio", marks=pytest.mark.hosts)])
def seen_by_node(request: pytest.FixtureRequest, node: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the clients under Node saw: an error or None by transport and scenario."""
    lines = run(request.param, tmp_path_factory.mktemp("oldest"), node, "--no-deprecation", str(HERE / "oldest.mjs"))
    return {(line["transport"], line["scenario"]): line["error"] for line in lines}


@pytest.fixture(scope="module")
def seen_by_pages(node: str, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the pages saw: an error or None by version, transport and scenario."""
    lines = run("asyncio", tmp_path_factory.mktemp("pages"), node, str(HERE / "oldest_pages.mjs"), chromium)
    return {(line["version"], line["transport"], line["scenario"]): line["error"] for line in lines}


@pytest.mark.parametrize(("transport", "scenario"), NODE)
def test_an_old_client_under_node_is_content(seen_by_node: Any, transport: str, scenario: str) -> None:
    error = seen_by_node.get((transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


@pytest.mark.parametrize(("version", "transport", "scenario"), PAGES)
def test_an_old_client_in_a_page_is_content(seen_by_pages: Any, version: str, transport: str, scenario: str) -> None:
    error = seen_by_pages.get((version, transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_all_under_node_have_reported(seen_by_node: Any) -> None:
    assert set(seen_by_node) == set(NODE)


def test_all_pages_have_reported(seen_by_pages: Any) -> None:
    assert set(seen_by_pages) == set(PAGES)
