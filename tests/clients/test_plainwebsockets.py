"""Plain WebSockets of Chromium, by the code of their page, and of Node as gateways of NestJS have them."""

import re
from typing import Any

import pytest

from clients.plainwebsockets import PAGE
from clients.processes import play

WATCHDOG_SECONDS = 120
SCENARIOS = (
    "the code of the page",
    "connect as the first message",
    "an event as the first message",
    "a call of the server",
    "a refusal",
    "a refusal before the WebSocket",
    "codes",
    "the subprotocol",
    "pings, answered by the browser itself",
    "a client of a gateway of NestJS",
    "the end of the server",
)
CODES = set(re.findall(r"\b\d{4}\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text("utf-8"), re.MULTILINE))))
NOT_SEEN = {"1002", "1007", "1008"}
"""A browser sends no broken frames, and reads always."""


@pytest.fixture(
    scope="module",
    params=["asyncio", *(pytest.param(kind, marks=pytest.mark.hosts) for kind in ("gevent", "uvicorn-pinging"))],
)
def seen(node: str, chromium: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    """What the clients saw: an error or None by scenario."""
    log = tmp_path_factory.mktemp("plainwebsockets") / "log"
    errors = play(
        node,
        log,
        "plainwebsockets",
        WATCHDOG_SECONDS,
        options=("-W", "error"),
        arguments=(chromium,),
        kind=request.param,
    )
    assert log.read_text().count("Traceback") == 1, log.read_text()  # of a handler that fails
    return {scenario: error for (_, _, scenario), error in errors.items()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_plain_websocket_is_content(seen: Any, scenario: str) -> None:
    error = seen.get(scenario, "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_a_browser_sees_the_codes_of_the_page(seen: Any) -> None:
    assert CODES > NOT_SEEN
    assert set(seen) == {*SCENARIOS, *(f"code {code}" for code in CODES - NOT_SEEN)}
