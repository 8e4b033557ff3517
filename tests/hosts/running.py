"""How tests that are coroutines run: each in its host. A conftest.py imports what it needs of this."""

import inspect
import logging
from collections.abc import Iterator

import pytest

from hosts.certificate import Certificate, make_certificate
from hosts.host import Host


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    host = pyfuncitem.funcargs["host"]
    assert isinstance(host, Host)
    host.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does is worth an error in the log; Tornado's line for each answer is not meant."""
    yield
    records = caplog.get_records("call")  # those of `caplog.records` are the teardown's by now
    assert [
        record.getMessage() for record in records if record.levelno >= logging.ERROR and record.name != "tornado.access"
    ] == []
