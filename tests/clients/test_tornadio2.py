"""Clients 0.9.17, 2.5.0 and 4.8.4 of one application of TornadIO2 at once, over their transports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.processes import killed_after

HERE = Path(__file__).parent
WATCHDOG_SECONDS = 240
KINDS = [("0.9.17", "websocket"), ("0.9.17", "xhr-polling")] + [
    (generation, transport) for generation in ("2.5.0", "4.8.4") for transport in ("polling", "websocket", "upgrade")
]
SCENARIOS = (
    "on_open sees the query, and speaks first",
    "texts and values",
    "events by name and by position (EX-7 to EX-10)",
    "acknowledgements of none, one and several (EX-16 to EX-18)",
    "two endpoints beside the main connection (EX-5, EX-6)",
    "a room with clients of all generations",
    "heartbeats and held polls",
    "a handler that fails ends the connection with its endpoints",
    "closed by the server",
    "on_close when the client goes",
    "a refusal (EX-3)",
    "a connection after the end of one (EX-22 to EX-24)",
)


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the clients saw: an error or None by generation, transport and scenario."""
    log = tmp_path_factory.mktemp("tornadio2") / "log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), *sys.path)))}
    command = [sys.executable, "-W", "error", "-m", "clients.tornadio2"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as server,
        killed_after(WATCHDOG_SECONDS, server),
    ):
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        assert port, log.read_text()
        script = [node, "--no-deprecation", str(HERE / "tornadio2.mjs"), port]
        clients = subprocess.run(script, capture_output=True, text=True, timeout=WATCHDOG_SECONDS, check=False)
        server.terminate()
        assert server.wait() == 0, log.read_text()
    assert clients.returncode == 0, clients.stderr
    failures = [line for line in log.read_text().splitlines() if line.startswith(("Traceback", "ValueError"))]
    assert failures == ["Traceback (most recent call last):", "ValueError: a handler of the test fails"] * len(KINDS)
    lines = [json.loads(line) for line in clients.stdout.splitlines() if line.startswith("{")]
    return {(line["generation"], line["transport"], line["scenario"]): line["error"] for line in lines}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("generation", "transport"), KINDS)
def test_a_client_of_tornadio2_is_content(seen: Any, generation: str, transport: str, scenario: str) -> None:
    error = seen.get((generation, transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_all_have_reported(seen: Any) -> None:
    assert set(seen) == {(*kind, scenario) for kind in KINDS for scenario in SCENARIOS}
