"""The table of sessions, between hosts and an application of either kind."""

import re
from typing import Any

import pytest

from engine.applications import Recorder
from waterspout.drivers import InlineDriver
from waterspout.engine import Engine, MessageApplication, PacketApplication, Policy, Session
from waterspout.errors import ProtocolError
from waterspout.testing import Clock, Peer, Refused
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Generation
from waterspout.wire.packets import Connect, Event, Packet


class Packets:
    """An application that speaks Socket.IO, and remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def open(self, session: Session, request: Request) -> None: ...

    def packet(self, session: Session, packet: Packet) -> None:
        self.heard.append(packet)

    def announced(self, session: Session, namespace: str) -> None:
        self.heard.append(namespace)

    def close(self, session: Session, reason: Reason) -> None:
        self.heard.append(reason)


@pytest.mark.parametrize("path", ["/live", "live", "/live/", "live/"])
def test_a_path_is_told_with_or_without_its_slashes(path: str) -> None:
    assert Engine(Recorder(), path=path).path == "/live"


@pytest.mark.parametrize("path", ["", "/", "/1", "/1/", "/1/xhr-polling/abc", "/0", "/?"])
@pytest.mark.parametrize("is_old", [True, False])
def test_its_pattern_matches_the_paths_of_its_generations_alone(path: str, is_old: bool) -> None:
    rows = (ENGINEIO_4, SOCKETIO_1) if is_old else (ENGINEIO_4,)
    engine = Engine(Recorder(), path="/live.io", policy=Policy(generations=rows))
    matches = path != "/?" and (is_old or path in ("", "/"))
    for host in ("", "http://any.example:80"):
        assert (re.fullmatch(engine.pattern, f"{host}/live.io{path}") is not None) == matches
        assert re.fullmatch(engine.pattern, f"{host}/liveXio{path}") is None
        assert engine.serves(f"{host}/live.io{path}") == matches
        assert not engine.serves(f"{host}/liveXio{path}")


def test_without_a_word_it_is_the_path_of_the_javascript_server() -> None:
    assert Engine(Recorder()).path == "/engine.io"


def test_an_application_is_known_by_what_it_takes() -> None:
    assert isinstance(Recorder(), MessageApplication)
    assert not isinstance(Recorder(), PacketApplication)
    assert isinstance(Packets(), PacketApplication)


def test_an_application_of_socketio_gets_packets(clock: Clock, generation: Generation, transport: str) -> None:
    application = Packets()
    peer = Peer(Engine(application, driver=clock), generation=generation, transport=transport, query="token=x")
    if generation is ENGINEIO_3:
        (connect,) = application.heard
        assert connect == Connect("/", query=peer.engine.sessions[peer.sid].request.target.partition("?")[2])
        assert connect.query.endswith("&token=x")
    application.heard.clear()
    peer.send('42/chat,7["say","hello"]')
    peer.send('451-/chat,["say",{"_placeholder":true,"num":0}]', b"\1")
    peer.send("1")
    assert application.heard == [
        Event("/chat", "say", ["hello"], 7),
        "/chat",
        Event("/chat", "say", [b"\1"]),
        Reason.TRANSPORT_CLOSE,
    ]


def test_a_bare_application_gets_what_looks_like_packets_as_messages(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation)
    peer.send('42["say"]', b"\1", "40")
    assert application.heard == ['2["say"]', b"\1", "0"]


def test_an_application_may_refuse_a_message_which_ends_its_session_and_no_other(
    clock: Clock, generation: Generation, transport: str
) -> None:
    class Choosy(Recorder):
        def message(self, session: Session, data: str | bytes) -> None:
            super().message(session, data)
            if data == "wrong":
                raise ProtocolError("that was wrong")

    application = Choosy()
    engine = Engine(application, driver=clock)
    peer, neighbour = (Peer(engine, generation=generation, transport=transport) for _ in range(2))
    if transport == "polling":
        with pytest.raises(Refused, match="that was wrong"):
            peer.send("4wrong", "4after")
    else:
        peer.send("4wrong", "4after")
    assert peer.closed == {"polling": 0, "websocket": 1002}[transport]
    neighbour.send("4right")
    assert application.heard == ["wrong", "right"]
    assert application.closed == [Reason.PARSE_ERROR]


def test_a_host_brings_its_driver_once() -> None:
    engine, clock, told = Engine(Recorder()), Clock(), list[object]()
    assert isinstance(engine.driver, InlineDriver)
    engine.when_bound(told.append)
    assert told == []
    engine.bind(clock)
    engine.bind(clock)
    assert engine.driver is engine.turn.driver is clock
    assert told == [clock]
    with pytest.raises(RuntimeError, match="this server runs on another event loop already: make one server for each"):
        engine.bind(Clock())
    assert engine.driver is clock


def test_what_was_waited_for_before_there_was_a_loop_comes_afterwards(application: Recorder) -> None:
    engine = Engine(application)
    peer = Peer(engine)
    clock = Clock(engine.driver.now())
    engine.bind(clock)
    clock.advance(45)
    assert application.closed == [Reason.PING_TIMEOUT]
    assert peer.closed == 1000


def test_ids_are_not_given_twice() -> None:
    engine = Engine(Recorder())
    sids = {Peer(engine).sid for _ in range(1000)}
    assert len(sids) == 1000
    assert {len(sid) for sid in sids} == {22}
