"""Clients 0.9.17, 2.5.0 and 4.8.4 of one application of gevent-socketio at once, over their transports."""

from pathlib import Path
from typing import Any

import pytest

from clients.processes import play

WATCHDOG_SECONDS = 240
KINDS = [("0.9.17", "websocket"), ("0.9.17", "xhr-polling")] + [
    (generation, transport) for generation in ("2.5.0", "4.8.4") for transport in ("polling", "websocket", "upgrade")
]
SCENARIOS = (
    "texts and values",
    "acknowledgements of every kind",
    "namespaces that their first packet makes",
    "one that does not exist",
    "access to methods",
    "errors, after which the socket lives",
    "broadcasts and rooms, to clients of all generations",
    "heartbeats and held polls",
    "the end, with its jobs",
    "bytes",
)


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the clients saw: an error or None by generation, transport and scenario."""
    log = tmp_path_factory.mktemp("gevent_socketio") / "log"
    errors = play(node, log, "gevent_socketio", WATCHDOG_SECONDS, kind="gevent")
    lines = log.read_text().splitlines()
    failures = [line for line in lines if line.startswith("Traceback") or "Error:" in line]
    assert failures == ["Traceback (most recent call last):", "ValueError: a method of the test fails"] * len(KINDS)
    return errors


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("generation", "transport"), KINDS)
def test_a_client_is_content(seen: Any, generation: str, transport: str, scenario: str) -> None:
    error = seen.get((generation, transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_all_have_reported(seen: Any) -> None:
    assert set(seen) == {(*kind, scenario) for kind in KINDS for scenario in SCENARIOS}


@pytest.mark.hosts
def test_pages_of_its_time_use_each_transport(node: str, chromium: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    errors = play(
        node,
        log,
        "gevent_socketio",
        WATCHDOG_SECONDS,
        arguments=(chromium,),
        kind="gevent",
        script="gevent_socketio_pages",
    )
    transports = ("websocket", "xhr-polling", "jsonp-polling", "htmlfile")
    assert errors == {("0.9.17", transport, "a page"): None for transport in transports}
    assert "Traceback" not in log.read_text()
