"""The official clients of four generations over three transports, twelve at once, against a real port."""

import pytest

from clients.matrix import GENERATIONS, SCENARIOS, TRANSPORTS, check, check_all, check_end
from clients.processes import Report, run_matrix

THIRD = SCENARIOS[::3]

loops = pytest.mark.parametrize(
    "port", ["uvloop", pytest.param("asyncio", marks=pytest.mark.hosts)], indirect=True, scope="session"
)
on_asyncio = pytest.mark.parametrize("port", ["asyncio"], indirect=True, scope="session")


@loops
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(report: Report, generation: str, transport: str, scenario: str) -> None:
    check(report, generation, transport, scenario)


@loops
def test_the_clients_report_these_scenarios_and_end_in_peace(report: Report) -> None:
    check_end(report, *SCENARIOS)


@pytest.fixture(scope="module")
def third(node: str, port: int) -> Report:
    """Every third scenario, run once by the twelve clients."""
    return run_matrix(node, port, "json", *THIRD)


@on_asyncio
@pytest.mark.parametrize("scenario", THIRD)
def test_a_third_of_it_on_the_other_loop(third: Report, scenario: str) -> None:
    check_all(third, scenario)


@on_asyncio
def test_a_third_of_the_clients_end_in_peace_too(third: Report) -> None:
    check_end(third, *THIRD)
