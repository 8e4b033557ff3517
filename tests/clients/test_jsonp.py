"""Old clients in Chromium, on pages of another origin than the server's: by scripts and forms, and bare Engine.IO."""

import json
import subprocess
from pathlib import Path

import pytest

from clients.processes import killed_after, serving

HERE = Path(__file__).parent
WATCHDOG_SECONDS = 180
SOCKETIO = (
    "events and acknowledgements both ways",
    "all at once and in order",
    "binary both ways",
    "100 kB each way",
    "more than the limit ends the connection",
    "scripts and forms alone carry it",
    "several connections in a page",
    "the upgrade to a WebSocket",
    "disconnected by the server",
    "disconnected by the client",
    "a foreign page is refused",
)
ENGINEIO = ("bare text over XMLHttpRequest", "bare text over JSONP")
SCENARIOS = [
    *((f"socket.io {version}", scenario) for version in ("1.7.4", "2.5.0", "3.1.3") for scenario in SOCKETIO),
    *((f"engine.io {version}", scenario) for version in ("1.8.6", "3.5.6") for scenario in ENGINEIO),
]

Report = dict[tuple[str, str], str | None]


@pytest.fixture(scope="module")
def seen(node: str, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What the pages saw: an error or None by library and scenario."""
    command = [node, str(HERE / "jsonp.mjs"), chromium]
    with (
        serving("asyncio", tmp_path_factory.mktemp("jsonp") / "log") as port,
        subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        output, errors = process.communicate()
    lines = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    assert process.returncode == 0, errors
    return {(line["library"], line["scenario"]): line["error"] for line in lines}


@pytest.mark.parametrize(("library", "scenario"), SCENARIOS)
def test_an_old_client_in_a_page_is_content(seen: Report, library: str, scenario: str) -> None:
    error = seen.get((library, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_the_pages_report_these_scenarios(seen: Report) -> None:
    assert set(seen) == set(SCENARIOS)
