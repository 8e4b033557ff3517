"""The official clients of four generations over three transports, twelve at once, against a real port."""

from collections.abc import Callable
from functools import cache

import pytest

from clients.matrix import GENERATIONS, SCENARIOS, TRANSPORTS, check, check_end, playable
from clients.processes import Report, run_matrix, serving
from hosting import ASGI_SERVERS

MARKED = ("asyncio", "gevent", *ASGI_SERVERS)
HOSTS = ["uvloop", *(pytest.param(host, marks=pytest.mark.hosts) for host in MARKED)]
PLAYED = [
    *(("uvloop", scenario) for scenario in SCENARIOS),
    *(pytest.param(host, each, marks=pytest.mark.hosts) for host in MARKED for each in playable(host)),
]

ReportOf = Callable[[str], Report]


@pytest.fixture(scope="module")
def report_of(node: str, tmp_path_factory: pytest.TempPathFactory) -> ReportOf:
    """Every scenario that a host makes possible, run once by the twelve clients.

    The host is no parameter of a fixture: pytest would start it again for each of its other parameters.
    """

    @cache
    def play(host: str) -> Report:
        report = Report({}, "")
        try:
            with serving(host, tmp_path_factory.mktemp("server") / "log") as port:
                report = run_matrix(node, port, "json", *playable(host))
        except AssertionError as error:  # of the server
            return Report(report.errors, str(error))
        return report

    return play


@pytest.mark.parametrize(("host", "scenario"), PLAYED)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(
    report_of: ReportOf, host: str, generation: str, transport: str, scenario: str
) -> None:
    check(report_of(host), generation, transport, scenario)


@pytest.mark.parametrize("host", HOSTS)
def test_the_clients_report_these_scenarios_and_end_in_peace(report_of: ReportOf, host: str) -> None:
    check_end(report_of(host), *playable(host))
