"""The official clients of four generations over three transports, twelve at once, against a real port."""

import pytest

from clients.matrix import GENERATIONS, SCENARIOS, TRANSPORTS, check, check_end
from clients.processes import Report

HOSTS = ["uvloop", *(pytest.param(host, marks=pytest.mark.hosts) for host in ("asyncio", "gevent"))]

hosts = pytest.mark.parametrize("port", HOSTS, indirect=True, scope="session")


@hosts
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(report: Report, generation: str, transport: str, scenario: str) -> None:
    check(report, generation, transport, scenario)


@hosts
def test_the_clients_report_these_scenarios_and_end_in_peace(report: Report) -> None:
    check_end(report, *SCENARIOS)
