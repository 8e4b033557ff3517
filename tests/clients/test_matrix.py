"""The official clients of four generations over three transports, twelve at once, against a real port."""

import pytest

from clients.matrix import GENERATIONS, SCENARIOS, TRANSPORTS, check, check_end, playable
from clients.processes import Report
from hosting import ASGI_SERVERS

MARKED = ("asyncio", "gevent", *ASGI_SERVERS)
HOSTS = ["uvloop", *(pytest.param(host, marks=pytest.mark.hosts) for host in MARKED)]
PLAYED = [
    *(("uvloop", scenario) for scenario in SCENARIOS),
    *(pytest.param(host, each, marks=pytest.mark.hosts) for host in MARKED for each in playable(host)),
]

hosts = pytest.mark.parametrize("port", HOSTS, indirect=True, scope="session")


@pytest.mark.parametrize(("port", "scenario"), PLAYED, indirect=["port"], scope="session")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(report: Report, generation: str, transport: str, scenario: str) -> None:
    check(report, generation, transport, scenario)


@hosts
def test_the_clients_report_these_scenarios_and_end_in_peace(request: pytest.FixtureRequest, report: Report) -> None:
    check_end(report, *playable(request.node.callspec.params["port"]))
