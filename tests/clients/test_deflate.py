"""Compressed WebSockets with Node's ws, and with the official clients, which compress by themselves."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from clients.matrix import check_all
from clients.processes import HERE, Report, run_matrix, serving

CASES = (
    "compressed both ways",
    "900 kB, again and again",
    "bytes both ways",
    "small texts, which ws compresses and the server does not",
    "a smaller window of the server's",
    "a smaller window of the client's",
    "no context taken over, which is offered already",
    "a client that offers nothing",
    "fragments, the first of which is compressed",
    "more than the limit, in few bytes",
    "from polling to a compressed WebSocket",
)
SCENARIOS = (
    "text with emoji",
    "binary, nested, several attachments",
    "events in order from the first moment",
    "acknowledgements from the client",
    "rooms of twelve",
    "900 kB of text",
    "900 kB of binary",
    "a message of exactly the limit",
    "one byte over the limit",
)
SECONDS = 60


@pytest.fixture(scope="module")
def compressing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that compresses."""
    with serving("uvloop", tmp_path_factory.mktemp("server") / "log", "deflate") as port:
        yield port


@pytest.fixture(scope="module")
def results(node: str, compressing: int) -> dict[str, str | None]:
    """What became of each case."""
    command = [node, str(HERE / "deflate.mjs"), str(compressing)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row["error"] for row in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def compressed_report(node: str, compressing: int) -> Report:
    """The scenarios, with all twelve clients."""
    return run_matrix(node, compressing, "json", *SCENARIOS)


@pytest.mark.parametrize("case", CASES)
def test_ws_and_the_server_understand_each_other(results: dict[str, str | None], case: str) -> None:
    assert results[case] is None, results[case]


def test_each_case_of_the_script_is_a_test(results: dict[str, str | None]) -> None:
    assert tuple(results) == CASES


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_official_clients_are_content(compressed_report: Report, scenario: str) -> None:
    check_all(compressed_report, scenario)
