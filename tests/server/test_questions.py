"""While a function decides about a namespace, its client may change its mind: in memory."""

import pytest

from attacks.waiting import Waiting
from waterspout import Server
from waterspout.testing import Peer
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

pytestmark = pytest.mark.at_once  # its driver answers when the test says so


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


@pytest.fixture
def driver() -> Waiting:
    return Waiting()


@pytest.fixture
def server(driver: Waiting) -> Server:
    server = Server(driver=driver, max_namespaces=2)
    server.of(lambda name, auth: name.startswith("/party")).on("say")(lambda socket, words: words)
    server.of("/chat")
    return server


@pytest.fixture
def peer(server: Server, generation: Generation) -> Peer:
    peer = Peer(server, generation=generation)
    if not generation.implicit_connect:
        peer.connect()
    peer.connect("/party")
    peer.take()
    return peer


def test_who_is_admitted_is_in(server: Server, driver: Waiting, peer: Peer) -> None:
    assert peer.take() == []
    driver.answer()
    assert str(peer.take()[0]).startswith("40/party")
    peer.emit("say", "hello", id=1, namespace="/party")
    assert peer.acks("/party") == {1: "hello"}


def test_who_leaves_before_the_answer_is_not_let_in(server: Server, driver: Waiting, peer: Peer) -> None:
    peer.leave("/party")
    driver.answer()
    assert peer.take() == []
    assert len(server.sockets()) == 1
    assert server.stats().sockets == {"/": 1, "/chat": 0}
    assert peer.closed is None


def test_who_is_told_to_go_before_the_answer_is_not_let_in(server: Server, driver: Waiting, peer: Peer) -> None:
    server.sockets()[0].disconnect(close=True)
    driver.answer()
    assert server.stats().sockets == {"/": 0, "/chat": 0}
    assert server.engine.sessions == {}


def test_what_comes_before_the_answer_is_ignored(driver: Waiting, peer: Peer) -> None:
    peer.emit("say", "too early", id=1, namespace="/party")
    peer.emit("say", b"too early", id=2, namespace="/party")
    peer.acknowledge(1, namespace="/party")
    peer.connect("/party")
    assert peer.take() == []
    driver.answer()
    assert [str(packet)[:8] for packet in peer.take()] == ["40/party"]
    assert peer.closed is None


def test_a_question_counts_as_a_namespace(driver: Waiting, peer: Peer) -> None:
    peer.connect("/chat")
    assert "Too many namespaces: 2 are allowed" in str(peer.take()[0])
    peer.leave("/party")
    peer.connect("/chat")
    assert str(peer.take()[0]).startswith("40/chat")
    driver.answer()
    assert peer.take() == []
