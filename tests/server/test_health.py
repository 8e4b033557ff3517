"""A path tells load balancers whether new clients should come here."""

from typing import Any

import pytest

from server.lossy import Cluster
from waterspout import Request, Server
from waterspout.testing import Pair


def ask(server: Server, method: str = "GET", path: str = "/healthz", **headers: str) -> tuple[int, bytes]:
    decisions: list[Any] = []
    server.engine.admit(Request(method, path, [*headers.items()]), decisions.append)
    return decisions[0].response.status, decisions[0].response.body


def test_a_server_that_runs_is_ready_until_it_closes() -> None:
    server = Server()
    server.expose_health()
    assert ask(server) == (503, b'{"ready":false,"nodes":0}')
    Pair(server)
    assert ask(server) == ask(server, "HEAD") == (200, b'{"ready":true,"nodes":0}')
    server.close()
    assert ask(server)[0] == 503


def test_a_node_is_ready_while_it_is_in_touch_with_the_others() -> None:
    cluster = Cluster(3)
    server = cluster.servers[0]
    server.expose_health("/up")
    assert ask(server, path="/up") == (200, b'{"ready":true,"nodes":3}')
    cluster.adapters[0].lose()
    assert ask(server, path="/up") == (503, b'{"ready":false,"nodes":3}')
    cluster.adapters[0].restore()
    cluster.clock.advance(1)
    assert ask(server, path="/up")[0] == 200


def test_only_a_get_asks_and_every_origin_may() -> None:
    server = Server()
    server.expose_health()
    assert ask(server, "POST") == (405, b"use GET or HEAD")
    assert ask(server, Origin="http://elsewhere")[0] == 503


@pytest.mark.parametrize("path", ["healthz", "", "/socket.io/", "/taken"])
def test_a_path_that_is_not_free_is_refused(path: str) -> None:
    server = Server()
    server.expose("/taken", server.of("/"))
    with pytest.raises(ValueError, match="cannot be exposed: give one that is free, and begins with a slash"):
        server.expose_health(path)
