"""Subscribers of channels: cut off by resets of their connections, refused, ended.

EventSources of Node and of Chromium alone, and beside Socket.IO, plain WebSockets, curl and httpx.
"""

import json
import os
import shutil
import subprocess

import pytest

from clients.processes import HERE, Errors, errors_of, killed_after
from hosting import program
from missing import missing

WATCHDOG_SECONDS = 200
IN_NODE = ("eventsource 3", "eventsource 4", "event-source-polyfill")
IN_CHROMIUM = ("EventSource", "event-source-polyfill", "fetch-event-source")
CLIENTS = [*((kind, "Node") for kind in IN_NODE), *((kind, "Chromium") for kind in IN_CHROMIUM)]
EVERYBODY = [
    *CLIENTS,
    *(("WebSocket", place) for place in ("Node", "Chromium")),
    *((version, transport) for version in ("0.9.17", "2.5.0", "4.8.4") for transport in ("websocket", "polling")),
    *((program, "HTTP") for program in ("curl", "httpx")),
]
TOGETHER = (
    "one publish for everybody, whatever is cut",
    "one publish for everybody, cut anywhere",
    "an id that is too old is told to everybody",
)
SCENARIOS = (
    "an end",
    "an end at which the page closes",
    "two thousand tokens",
    "two channels in one connection",
    "another process",
)
MORE = ("an end that is cut off before it is complete", "a refusal", "one publish for everybody, cut anywhere")
FOREIGN = ("a page of another origin, with its credentials", "a page of a foreign origin")
USUAL = tuple(scenario for scenario in (*SCENARIOS, *TOGETHER, *FOREIGN) if scenario not in MORE)


@pytest.fixture(
    scope="module",
    params=[
        ("asyncio", USUAL),
        pytest.param(("asyncio", MORE), marks=pytest.mark.hosts),
        pytest.param(("gevent", (*USUAL, *MORE)), marks=pytest.mark.hosts),
        pytest.param(("uvicorn", (*USUAL, *MORE)), marks=pytest.mark.hosts),
    ],
    ids=["usual", "more", "gevent", "uvicorn"],
)
def seen(node: str, chromium: str, request: pytest.FixtureRequest) -> Errors:
    """What the clients saw: an error or None by client, place and scenario."""
    if shutil.which("curl") is None:
        missing("curl is missing")
    kind, wanted = request.param
    server = json.dumps(program(kind, "clients.eventsources"))
    command = [node, "--no-deprecation", str(HERE / "eventsources.mjs"), chromium, server, *wanted]
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors
    seen = errors_of(output)
    alone = [scenario for scenario in wanted if scenario not in (*FOREIGN, *TOGETHER)]
    clients = {(*client, scenario) for client in CLIENTS for scenario in alone}
    everybody = {(*client, scenario) for client in EVERYBODY for scenario in wanted if scenario in TOGETHER}
    pages = {(kind, "Chromium", scenario) for kind in IN_CHROMIUM for scenario in wanted if scenario in FOREIGN}
    assert set(seen) == clients | everybody | pages
    return seen


def test_a_subscriber_is_content(request: pytest.FixtureRequest, seen: Errors) -> None:
    failed = {client: error for client, error in seen.items() if error is not None}
    if request.node.callspec.params["seen"][0] == "uvicorn":
        failed.pop(("fetch-event-source", "Chromium", "another process"), None)  # it is complete there, and final to it
    assert not failed, "\n".join(f"{client}: {error}" for client, error in failed.items())
