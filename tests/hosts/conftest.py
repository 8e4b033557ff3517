"""What the tests of hosts share."""

from hosts.running import certificate, pytest_pyfunc_call, quiet

__all__ = ["certificate", "pytest_pyfunc_call", "quiet"]
