"""What the tests of hosts share."""

import pytest

from hosts.running import certificate, pytest_pyfunc_call, quiet
from waterspout.drivers import system

__all__ = ["certificate", "pytest_pyfunc_call", "quiet"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be warned of a handler that was slow because the machine is busy: tests compare the whole log."""
    monkeypatch.setattr(system, "SLOW_HANDLER", 10.0)
