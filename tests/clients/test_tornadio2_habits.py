"""Three applications in the habits of TornadIO2's time, served with one added line, and clients 0.9.17 and 4.8.4."""

from typing import Any

import pytest

from clients.processes import play

WATCHDOG_SECONDS = 120
KINDS = [("0.9.17", "websocket"), ("0.9.17", "xhr-polling"), ("4.8.4", "websocket"), ("4.8.4", "polling")]
SCENARIOS = (
    "threads emit: everything once, and in their order",
    "a thread tells everybody",
    "events are functions, and everybody is in the server's sessions",
    "a session of Django's is found by its cookie",
    "who has no session is refused",
)


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the clients saw: an error or None by generation, transport and scenario."""
    log = tmp_path_factory.mktemp("habits") / "log"
    errors = play(node, log, "tornadio2_habits", WATCHDOG_SECONDS)
    assert "Traceback" not in log.read_text(), log.read_text()
    return errors


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("generation", "transport"), KINDS)
def test_an_application_goes_on_with_one_added_line(seen: Any, generation: str, transport: str, scenario: str) -> None:
    error = seen.get((generation, transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_all_have_reported(seen: Any) -> None:
    assert set(seen) == {(*kind, scenario) for kind in KINDS for scenario in SCENARIOS}
