"""The official clients with their official msgpack parser, over three transports, nine at once, against a real port."""

from collections.abc import Iterator

import pytest

from clients.matrix import SCENARIOS as COMMON
from clients.matrix import TRANSPORTS, check, check_all, check_end
from clients.processes import Report, run_matrix, serving

GENERATIONS = ("2.5.0", "3.1.3", "4.8.4")  # the option came with 2.0
JSON_ONLY = ("a message of exactly the limit", "one byte over the limit")
OWN = ("values that JSON does not have", "integers of every size")
SCENARIOS = (*(scenario for scenario in COMMON if scenario not in JSON_ONLY), *OWN)
THIRD = (*SCENARIOS[:-2:3], *OWN)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server with this parser."""
    with serving("asyncio", tmp_path_factory.mktemp("server") / "log", "msgpack") as port:
        yield port


@pytest.fixture(scope="module", name="report")
def msgpack_report(node: str, served: int) -> Report:
    """Every scenario, run once by the nine clients."""
    return run_matrix(node, served, "msgpack")


@pytest.fixture(scope="module")
def third(node: str, served: int) -> Report:
    """Every third scenario, and those of this parser's own."""
    return run_matrix(node, served, "msgpack", *THIRD)


@pytest.mark.hosts
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(report: Report, generation: str, transport: str, scenario: str) -> None:
    check(report, generation, transport, scenario)


@pytest.mark.hosts
def test_the_clients_report_these_scenarios_and_end_in_peace(report: Report) -> None:
    check_end(report, *SCENARIOS)


@pytest.mark.parametrize("scenario", THIRD)
def test_the_official_clients_are_content_with_a_third(third: Report, scenario: str) -> None:
    check_all(third, scenario)


def test_a_third_of_the_clients_end_in_peace_too(third: Report) -> None:
    check_end(third, *THIRD)
