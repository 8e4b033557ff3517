"""Who answers the clients of 0.7 to 0.9 that want a receipt or say goodbye: the engine, or its application."""

import pytest

from engine.applications import Packets
from waterspout.engine import Engine, Policy, Prepared, Protocol1Policy
from waterspout.testing import Clock, Peer
from waterspout.types import Reason
from waterspout.wire.generations import SOCKETIO_1
from waterspout.wire.packets import Connect, Disconnect, Event, Message

TRANSPORTS = ("websocket", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart", "flashsocket")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def connected(transport: str, *, answers: bool) -> tuple[Packets, Peer]:
    application = Packets()
    policy = Policy(
        generations=(SOCKETIO_1,),
        transports=("polling", "websocket", "flashsocket", "xhr-multipart"),
        protocol1=Protocol1Policy(application_answers=answers),
    )
    engine = Engine(application, path="/socket.io", policy=policy, driver=Clock())
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    peer.take()
    return application, peer


def test_the_engine_confirms_and_lets_go_before_the_application_hears(transport: str) -> None:
    application, peer = connected(transport, answers=False)
    peer.send("3:1::text", '5:2::{"name":"x"}')
    assert peer.take() == ["6:::1", "6:::2"]
    peer.send("0::")
    assert application.heard == [Connect("/", query="t=1"), Message("/", "text"), Event("/", "x", [])]
    assert application.closed == [Reason.CLIENT_DISCONNECT]


def test_the_application_confirms_and_says_goodbye_itself_if_it_wants_to(transport: str) -> None:
    application, peer = connected(transport, answers=True)
    peer.send("3:1::text", '5:2::{"name":"x"}', '5:3+::{"name":"y"}')
    assert application.heard[1:] == [
        Message("/", "text", 1, receipt=True),
        Event("/", "x", [], 2, receipt=True),
        Event("/", "y", [], 3),
    ]
    assert peer.take() == ["6:::1", "6:::2", "6:::3"]
    peer.send("0::")
    assert application.heard[-1] == Disconnect("/")
    assert application.closed == []
    application.session.push(Prepared(b"0::"))
    application.session.close()
    assert peer.take() == ["0::"]
    assert application.closed == [Reason.FORCED_CLOSE]


def test_a_request_that_says_goodbye_is_the_engine_s(transport: str) -> None:
    application, peer = connected(transport, answers=True)
    assert peer.ask("GET", f"/{transport}/{peer.sid}?disconnect=1").status == 200
    assert application.closed == [Reason.CLIENT_DISCONNECT]
