"""What the tests of hosts share."""

import pytest

from hosts.asgi_cases import IMPOSSIBLE
from hosts.running import certificate, pytest_pyfunc_call, quiet
from waterspout.drivers import system

__all__ = ["certificate", "pytest_pyfunc_call", "quiet"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what an ASGI server makes impossible."""
    possible: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (left_out if _is_impossible(item) else possible).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = possible


def _is_impossible(item: pytest.Item) -> bool:
    if item.path.name != "test_asgi.py" or not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    host = str(item.callspec.params.get("host"))
    cases = IMPOSSIBLE.get(host, {})
    return item.originalname in cases or item.name.replace(f"[{host}-", "[") in cases


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be warned of a handler that was slow because the machine is busy: tests compare the whole log."""
    monkeypatch.setattr(system, "SLOW_HANDLER", 10.0)
