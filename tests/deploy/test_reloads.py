"""A proxy that reads its configuration again: connections outlast it for a time, and new ones go where it says."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.backends import PATIENCE, Backend, waterspout
from deploy.proxies import Front, proxied
from serving import Client


@pytest.fixture
def pair(folder: Path) -> Iterator[tuple[Backend, Backend]]:
    """The process that is there, and the one that takes its place."""
    with waterspout(folder, 1).running() as old, waterspout(folder, 2).running() as new:
        yield old, new


def test_connections_outlast_a_reload_that_leads_new_ones_elsewhere(
    kind: str, folder: Path, pair: tuple[Backend, Backend]
) -> None:
    old, new = pair
    with proxied(kind, [old.address], folder) as front, entered(front) as before:
        front.reload(new.address)
        until_served_by(new, front)
        assert process(before) == old.pid


def test_connections_that_outlast_a_reload_are_cut_in_the_end(
    kind: str, folder: Path, pair: tuple[Backend, Backend]
) -> None:
    old, new = pair
    with proxied(kind, [old.address], folder, drain="1s") as front, entered(front) as before:
        front.reload(new.address)
        assert before.until_closed() == ""
        until_served_by(new, front)


def entered(front: Front) -> Client:
    client = Client(front.url())
    client.enter()
    return client


def process(client: Client) -> int:
    """Return which process the client talks to."""
    answer = client.ask('421["who"]')
    assert answer.startswith("431["), answer
    found = re.search(r'"process":(\d+)', answer)
    assert found, answer
    return int(found[1])


def until_served_by(backend: Backend, front: Front) -> None:
    """Connect until the answer is this process's."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with entered(front) as client:
            if process(client) == backend.pid:
                return
        assert time.monotonic() < deadline, front.logged()
        time.sleep(0.02)
