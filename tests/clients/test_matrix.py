"""The official clients of four generations over three transports, twelve at once, against a real port."""

import pytest

from clients.matrix import GENERATIONS, SCENARIOS, TRANSPORTS, check, check_all, check_end
from clients.processes import Report, run_matrix

THIRD = SCENARIOS[::3]

HOSTS = ["uvloop", *(pytest.param(host, marks=pytest.mark.hosts) for host in ("asyncio", "gevent"))]

hosts = pytest.mark.parametrize("port", HOSTS, indirect=True, scope="session")
on_gevent = pytest.mark.parametrize("port", ["gevent"], indirect=True, scope="session")


@hosts
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(report: Report, generation: str, transport: str, scenario: str) -> None:
    check(report, generation, transport, scenario)


@hosts
def test_the_clients_report_these_scenarios_and_end_in_peace(report: Report) -> None:
    check_end(report, *SCENARIOS)


@pytest.fixture(scope="module")
def third(node: str, port: int) -> Report:
    """Every third scenario, run once by the twelve clients."""
    return run_matrix(node, port, "json", *THIRD)


@on_gevent
@pytest.mark.parametrize("scenario", THIRD)
def test_a_third_of_it_on_gevent(third: Report, scenario: str) -> None:
    check_all(third, scenario)


@on_gevent
def test_a_third_of_the_clients_end_in_peace_too(third: Report) -> None:
    check_end(third, *THIRD)
