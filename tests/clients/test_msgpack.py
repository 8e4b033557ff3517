"""The official clients with their official msgpack parser, over three transports, nine at once, against a real port."""

from collections.abc import Iterator

import pytest

from clients.processes import Report, run_matrix, serving
from clients.test_matrix import SCENARIOS as COMMON
from clients.test_matrix import TRANSPORTS

GENERATIONS = ("2.5.0", "3.1.3", "4.8.4")  # the option came with 2.0
JSON_ONLY = ("a message of exactly the limit", "one byte over the limit")
SCENARIOS = (
    *(scenario for scenario in COMMON if scenario not in JSON_ONLY),
    "values that JSON does not have",
    "integers of every size",
)


@pytest.fixture(scope="module", name="report")
def msgpack_report(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    with serving("asyncio", tmp_path_factory.mktemp("server") / "log", "msgpack") as port:
        yield run_matrix(node, port, "msgpack")


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_official_client_is_content(report: Report, generation: str, transport: str, scenario: str) -> None:
    error = report.errors.get((generation, transport, scenario), f"no result; the clients ended with {report.ending}")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_the_clients_report_these_scenarios_and_end_in_peace(report: Report) -> None:
    assert {scenario for _, _, scenario in report.errors} == set(SCENARIOS)
    assert report.ending.startswith("exit code 0\n"), report.ending
