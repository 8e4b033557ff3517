"""Connections that never become one (B8): each ends by itself, and leaves nothing."""

from collections.abc import Callable

import pytest

from hosts.client import text
from waits import waits
from waterspout import ConnectRefused, Server, Socket
from waterspout.testing import Clock, Peer, PollingCarrier, Refused, WebSocketCarrier, client_frame
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

MANY = 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Server:
    server = Server(driver=clock)
    server.of("/closed").on_connect(lambda socket, auth: False)

    @server.of("/refused").on_connect
    def refuse(socket: Socket, auth: object) -> None:
        raise ConnectRefused({"why": "no"})

    return server


def is_empty(server: Server) -> bool:
    return not server.engine.sessions and not waits(server.engine) and not server.sockets()


def silent(peer: Peer) -> None: ...


def pongs(peer: Peer) -> None:
    peer.send("3", "6")


def refused(peer: Peer) -> None:
    peer.connect("/closed")
    peer.connect("/refused")


def nowhere(peer: Peer) -> None:
    peer.connect("/unknown")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("behave", [silent, pongs, refused, nowhere])
def test_who_enters_no_namespace_is_closed_after_the_connect_timeout(
    server: Server, clock: Clock, transport: str, behave: Callable[[Peer], None]
) -> None:
    peers = [Peer(server, transport=transport) for _ in range(20)]
    for peer in peers:
        behave(peer)
    clock.advance(9.9)
    assert {peer.closed for peer in peers} == {None}
    clock.advance(0.2)
    assert {peer.closed for peer in peers} == {1000 if transport == "websocket" else 0}
    assert is_empty(server)


def test_who_has_entered_one_namespace_stays(server: Server, clock: Clock) -> None:
    peer = Peer(server)
    peer.connect()
    peer.connect("/closed")
    clock.advance(20)
    assert peer.closed is None


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def test_a_thousand_that_only_open_are_gone_with_their_time(
    server: Server, clock: Clock, generation: Generation
) -> None:
    for _ in range(MANY):
        Peer(server, generation=generation, transport="polling", polls=False)
    assert len(server.engine.sessions) == MANY
    newcomer = Peer(server)
    newcomer.connect()
    clock.advance(26)
    newcomer.beat()
    clock.advance(24)
    assert list(server.engine.sessions) == [newcomer.sid]
    newcomer.lose()
    assert is_empty(server)


@pytest.mark.parametrize("probed", [False, True], ids=["silent", "probed"])
def test_an_upgrade_that_is_never_finished_ends_and_the_session_does_not(
    server: Server, clock: Clock, probed: bool
) -> None:
    peer = Peer(server, transport="polling")
    peer.connect()
    websocket = peer.probe()
    if probed:
        websocket.send(["2probe"])
    clock.advance(9)
    assert not websocket.finished
    clock.advance(1)
    assert websocket.finished
    assert server.engine.sessions[peer.sid].can_upgrade
    peer.emit("still here")
    assert len(server.sockets()) == 1


def test_an_attachment_that_never_comes_ends_the_session(server: Server, clock: Clock) -> None:
    peer = Peer(server)
    peer.connect()
    peer.send('451-["x",{"_placeholder":true,"num":0}]')
    clock.advance(9.9)
    assert peer.closed is None
    clock.advance(0.1)
    assert peer.closed == 1002
    assert is_empty(server)


@pytest.mark.parametrize("data", [b"", b"\x81", client_frame(1, b"42[1]")[:-1], client_frame(1, b"42", final=False)])
def test_half_a_message_does_not_keep_a_client_alive(server: Server, clock: Clock, data: bytes) -> None:
    peer = Peer(server)
    peer.connect()
    assert isinstance(peer.carrier, WebSocketCarrier)
    peer.carrier.feed(data)
    clock.advance(45)
    assert peer.closed == 1000
    assert is_empty(server)


def test_a_body_that_never_comes_does_not_keep_a_client_alive(server: Server, clock: Clock) -> None:
    """The engine has admitted the POST, and its host waits for the body."""
    peer = Peer(server, transport="polling")
    peer.connect()
    peer.admit(peer.request("POST"))
    clock.advance(45)
    assert peer.closed == 0
    assert is_empty(server)


def test_who_is_told_to_go_and_does_not_is_gone_all_the_same(server: Server, clock: Clock) -> None:
    peer = Peer(server, transport="polling")
    peer.connect()
    peer.polls = False
    socket = server.sockets()[0]
    socket.emit("answers the poll")
    socket.disconnect(close=True)
    assert len(server.engine.sessions) == 1
    clock.advance(10)
    assert is_empty(server)
    with pytest.raises(Refused, match="Session ID unknown"):
        peer.send("3")


def test_text_is_not_a_greeting(server: Server) -> None:
    """What is sent before CONNECT reaches nobody, and ends the session."""
    heard: list[object] = []
    server.on("x")(lambda socket, *args: heard.append(args))
    peer = Peer(server)
    assert isinstance(peer.carrier, WebSocketCarrier)
    peer.carrier.feed(text('42["x",1]'))
    assert peer.closed == 1002
    assert heard == []
    assert is_empty(server)


def test_binary_packets_before_connect_are_not_kept(server: Server) -> None:
    """CVE-2026-48804: they were, and a disconnect did not free them."""
    for _ in range(100):
        peer = Peer(server, transport="polling")
        carrier = peer.carrier
        assert isinstance(carrier, PollingCarrier)
        with pytest.raises(Refused):
            carrier.post(b'451-["x",{"_placeholder":true,"num":0}]')
    assert is_empty(server)
