"""What the tests of hosts share."""

import pytest

pytest.register_assert_rewrite("hosts.suite", "hosts.client", "hosts.host")

from hosts.running import certificate, pytest_pyfunc_call, quiet  # noqa: E402

__all__ = ["certificate", "pytest_pyfunc_call", "quiet"]
