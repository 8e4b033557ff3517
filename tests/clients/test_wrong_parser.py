"""Official clients that were given another parser than the server: they are parted from, and the log says why."""

import json
import subprocess
from pathlib import Path

import pytest

from clients.processes import killed_after, serving

HERE = Path(__file__).parent
WATCHDOG_SECONDS = 60


@pytest.mark.parametrize(
    ("server", "client", "words"),
    [
        ("json", "msgpack", "the client speaks msgpack, the server JSON: give the client no parser"),
        ("msgpack", "json", "the client speaks JSON, the server msgpack: give the client socket.io-msgpack-parser"),
    ],
)
def test_an_official_client_with_the_wrong_parser_is_named_in_the_log_once(
    node: str, server: str, client: str, words: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving("asyncio", log, *(() if server == "json" else (server,))) as port:
        command = [node, "--no-deprecation", str(HERE / "wrong_parser.mjs"), str(port), client]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
            killed_after(WATCHDOG_SECONDS, process),
        ):
            output, errors = process.communicate()
    assert process.returncode == 0, errors
    ends = [json.loads(line) for line in output.splitlines()]
    assert [(one["generation"], one["transport"], one["connected"]) for one in ends] == [
        (generation, transport, 0) for generation in ("3.1.3", "4.8.4") for transport in ("polling", "websocket")
    ]
    assert log.read_text().count(words) == 1  # the log of a program that has set up none: warnings
