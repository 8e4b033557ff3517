"""Each test that is a coroutine runs in an application of its own."""

import pytest

from faces.tornadose.site import Site
from hosts.running import pytest_pyfunc_call, quiet
from hosts.tornado_host import LOOPS

__all__ = ["pytest_pyfunc_call", "quiet"]


@pytest.fixture
def host() -> Site:
    return Site(LOOPS["asyncio"])
