"""Three applications in the habits of gevent-socketio's time, and clients 0.9.17, 2.5.0 and 4.8.4."""

from typing import Any

import pytest

from clients.processes import play

WATCHDOG_SECONDS = 120
KINDS = [("0.9.17", "websocket"), ("0.9.17", "xhr-polling")] + [
    (generation, transport) for generation in ("2.5.0", "4.8.4") for transport in ("websocket", "polling")
]
SCENARIOS = (
    "Flask: an extension that dispatches events itself",
    "a monitor: loops that end with their clients, and others' sessions",
    "a game: rooms, and access that other namespaces give",
)


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the clients saw: an error or None by generation, transport and scenario."""
    log = tmp_path_factory.mktemp("habits") / "log"
    errors = play(node, log, "gevent_socketio_habits", WATCHDOG_SECONDS, kind="gevent")
    assert "Traceback" not in log.read_text(), log.read_text()
    return errors


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("generation", "transport"), KINDS)
def test_an_application_goes_on(seen: Any, generation: str, transport: str, scenario: str) -> None:
    error = seen.get((generation, transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_all_have_reported(seen: Any) -> None:
    assert set(seen) == {(*kind, scenario) for kind in KINDS for scenario in SCENARIOS}
