"""Clients 0.9.17, 2.5.0 and 4.8.4 of one application of TornadIO2 at once, over their transports."""

from typing import Any

import pytest

from clients.processes import play

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
    errors = play(node, log, "tornadio2", WATCHDOG_SECONDS, options=("-W", "error"))
    failures = [line for line in log.read_text().splitlines() if line.startswith(("Traceback", "ValueError"))]
    assert failures == ["Traceback (most recent call last):", "ValueError: a handler of the test fails"] * len(KINDS)
    return errors


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("generation", "transport"), KINDS)
def test_a_client_of_tornadio2_is_content(seen: Any, generation: str, transport: str, scenario: str) -> None:
    error = seen.get((generation, transport, scenario), "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_all_have_reported(seen: Any) -> None:
    assert set(seen) == {(*kind, scenario) for kind in KINDS for scenario in SCENARIOS}
