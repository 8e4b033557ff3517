"""The example with Celery: a real worker tells a client how far its task is."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ports import free_port
from redisserver import RedisServer
from serving import Client, running

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "emitting" / "reports.py"

POOLS = ["prefork", *(pytest.param(pool, marks=pytest.mark.hosts) for pool in ("threads", "gevent"))]

POOLS = ["prefork", *(pytest.param(pool, marks=pytest.mark.hosts) for pool in ("threads", "gevent"))]


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Redis that the example finds, in an environment from which the example is imported."""
    port = free_port()
    server = RedisServer(tmp_path, "--port", str(port))
    server.start()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(EXAMPLE.parent), *sys.path))))
    yield
    server.stop()


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("pool", POOLS)
def test_a_task_of_a_worker_reaches_the_client_that_began_it(tmp_path: Path, pool: str) -> None:
    options = ["--app", EXAMPLE.stem, "worker", "--pool", pool, "--concurrency", "1", "--loglevel", "WARNING"]
    options += ["--without-mingle", "--without-gossip", "--without-heartbeat"]  # it is the only worker
    with (
        running(tmp_path, *options, program=("-m", "celery")) as worker,
        running(tmp_path, "serve", f"{EXAMPLE.stem}:server", "--bind", "127.0.0.1:0") as server,
        Client(address := server.address()) as other,
        Client(address) as client,
    ):
        for each in (other, client):
            each.enter()
        for _ in range(2):
            client.send('420["report",2]')
            received = [client.receive() for _ in range(4)]
            received.remove('430["started"]')  # which the first of the others may overtake
            assert received == [
                '42["progress",{"month":1,"of":2}]',
                '42["progress",{"month":2,"of":2}]',
                '42["report",{"total":200}]',
            ]
        assert other.ask('427["report","x"]').startswith('437[{"error":')
        worker.process.terminate()
        assert worker.end() == 0
        assert "Traceback" not in worker.log.read_text()
