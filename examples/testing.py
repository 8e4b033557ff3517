"""Tests of a server: clients in memory, and a clock that the test advances."""

import waterspout
from waterspout.testing import Clock, Pair, Peer


def make_server() -> waterspout.Server:
    server = waterspout.Server()

    @server.on("say")
    def say(socket: waterspout.Socket, text: str) -> str:
        socket.broadcast("said", text)
        return "ok"

    return server


def test_a_text_is_acknowledged_and_passed_on() -> None:
    server = make_server()
    ada, bob = Pair(server).peer, Pair(server, transport="polling").peer
    ada.emit("say", "hello", id=7)
    assert ada.take() == ['437["ok"]']
    assert bob.take() == ['42["said","hello"]']


def test_a_client_that_falls_silent_is_given_up() -> None:
    pair = Pair(make_server())
    pair.clock.advance(25 + 20)
    assert pair.socket.gone


def test_a_stranger_is_refused() -> None:
    server = waterspout.Server(driver=Clock())
    server.on_connect(lambda socket, auth: auth.get("key") == "right")
    peer = Peer(server)
    peer.connect(auth={"key": "wrong"})
    assert peer.take()[1:] == ['44{"message":"Not authorized"}']
