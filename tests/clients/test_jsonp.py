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
ROUNDS = [
    ("asyncio", ("socket.io 2.5.0",)),
    *(
        pytest.param(*others, marks=pytest.mark.hosts)
        for others in (
            ("asyncio", ("socket.io 1.7.4", "socket.io 3.1.3", "engine.io 1.8.6", "engine.io 3.5.6")),
            ("gevent", ("socket.io 2.5.0", "engine.io 1.8.6")),
        )
    ),
]


@pytest.mark.parametrize(("kind", "libraries"), ROUNDS, ids=str)
def test_old_clients_in_pages_are_content(
    node: str, chromium: str, tmp_path: Path, kind: str, libraries: tuple[str, ...]
) -> None:
    with (
        serving(kind, tmp_path / "log") as port,
        subprocess.Popen(
            [node, str(HERE / "jsonp.mjs"), chromium, str(port), *libraries],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    seen = {(line["library"], line["scenario"]): line["error"] for line in lines}
    assert set(seen) == {
        (library, scenario)
        for library in libraries
        for scenario in (ENGINEIO if library.startswith("engine.io") else SOCKETIO)
    }
    failed = [f"{client}: {error}" for client, error in seen.items() if error is not None]
    assert not failed, "\n".join(failed)
