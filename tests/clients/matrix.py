"""What the official clients play, in the order in which matrix.mjs has it, and what is expected of their report."""

import pytest

from clients.processes import Report

GENERATIONS = ("1.7.4", "2.5.0", "3.1.3", "4.8.4")
TRANSPORTS = ("polling", "websocket", "upgrade")
SCENARIOS = (
    "text with emoji",
    "text cut inside an emoji",
    "binary, nested, several attachments",
    "events in order from the first moment",
    "acknowledgements from the server",
    "acknowledgements from the client",
    "rooms of twelve",
    "namespaces",
    "refusal with data",
    "refusal of the main namespace",
    "reconnection after a cut",
    "900 kB of text",
    "900 kB of binary",
    "a message of exactly the limit",
    "one byte over the limit",
    "heartbeats",
    "disconnected by the server",
    "connection closed by the server",
    "disconnected by the client",
    "connection closed by the client",
    "dynamic namespaces of a pattern",
    "dynamic namespaces of a function",
    "dynamic namespaces after a cut",
    "classes of sockets",
    "steps before the connect handler",
    "steps before events",
    "the handler of any event",
    "typed events",
    "ordered handlers",
    "threaded handlers",
    "a question to a room",
    "acting on a room",
    "numbers of a known exchange",
    "volatile and latest, beside a client that does not read",
    "a client that does not read is cut",
    "the hundred and first namespace",
    "too many events in a second",
    "more questions than a client may owe",
    "more attachments than an event may have",
    "a message larger than all that may wait",
    "who enters no namespace",
    "the address behind a proxy",
    "a burst behind a handler that waits",
    "binary as text for who asks for it",
    "compress=False",
)

UNREAD = ("a client that does not read is cut", "volatile and latest, beside a client that does not read")
IMPOSSIBLE = {
    # An ASGI server compresses all messages, or none.
    "uvicorn": {"compress=False"},
    "granian": {"compress=False"},
    "hypercorn": {"compress=False", *UNREAD},  # it compresses what waits for a client to almost nothing
    "daphne": {"compress=False", *UNREAD, "one byte over the limit"},  # it keeps all that waits, and has no code 1009
}


def playable(host: str) -> tuple[str, ...]:
    """Return the scenarios that this host makes possible."""
    impossible = IMPOSSIBLE.get(host, ())
    return tuple(scenario for scenario in SCENARIOS if scenario not in impossible)


def check(report: Report, generation: str, transport: str, scenario: str) -> None:
    """Fail unless this client was content."""
    error = report.errors.get((generation, transport, scenario), f"no result; the clients ended with {report.ending}")
    if error is not None:
        pytest.fail(error, pytrace=False)


def check_all(report: Report, scenario: str) -> None:
    """Fail unless every client that has played this scenario was content, and twelve, or nine with msgpack, have."""
    found = {key: error for key, error in report.errors.items() if key[2] == scenario}
    assert len(found) in (9, 12), report.ending
    assert [f"{key}: {error}" for key, error in found.items() if error is not None] == []


def check_end(report: Report, *scenarios: str) -> None:
    """Fail unless these scenarios were played, no others, and the clients' process has ended by itself."""
    assert {scenario for _, _, scenario in report.errors} == set(scenarios)
    assert report.ending.startswith("exit code 0\n"), report.ending
