"""What a client writes into the log: few lines, whatever it does thousands of times, and none that a terminal obeys."""

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from waterspout import EventRefused, HandshakeRefused, Server
from waterspout.engine import Engine, Refuse
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer, Refused, admit
from waterspout.types import Request
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, with_parser

OBEYED = "\x00\x07\x08\t\n\r\x1b\x7f\x80\x85\x8d\x9b\x9d\x9f\u200e\u200f\u061c\u2028\u2029\u202a\u202e\u2066\u2069"
UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
EVIL = f"a{OBEYED}\udc9b\ud800b"  # header fields and paths are read with surrogateescape
WRITTEN = EVIL.encode("utf-8", "replace").decode()  # what can be in UTF-8

MANY = 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def lines(log: pytest.LogCaptureFixture, least: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno >= least]


def ask(server: Server, target: str, *fields: tuple[str, str], method: str = "GET") -> Any:
    return admit(server.engine, Request(method, target, fields, remote_address="192.0.2.1"))


REFUSED: dict[str, Callable[[Server, str], Any]] = {
    "an unknown session": lambda s, text: ask(s, f"/socket.io/?EIO=4&transport=polling&sid={text}"),
    "an unknown transport": lambda s, text: ask(s, f"/socket.io/?EIO=4&transport={text}"),
    "an unknown revision": lambda s, text: ask(s, f"/socket.io/?EIO={text}&transport=polling"),
    "a foreign origin": lambda s, text: ask(s, "/socket.io/?EIO=4&transport=polling", ("Origin", text)),
    "another method": lambda s, text: ask(s, "/socket.io/?EIO=4&transport=polling", method=text),
    "a broken upgrade": lambda s, text: ask(s, "/socket.io/?EIO=4&transport=websocket", ("Upgrade", text)),
    "a broken key": lambda s, text: ask(
        s,
        "/socket.io/?EIO=4&transport=websocket",
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", text),
    ),
    "another version": lambda s, text: ask(
        s,
        "/socket.io/?EIO=4&transport=websocket",
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", text),
    ),
    "an unknown session of 0.9": lambda s, text: ask(s, f"/socket.io/1/xhr-polling/{text}"),
    "an unknown path of 0.9": lambda s, text: ask(s, f"/socket.io/1/{text}"),
    "another version of 0.9": lambda s, text: ask(s, f"/socket.io/2{text}/"),
    "a foreign origin of 0.9": lambda s, text: ask(s, "/socket.io/1/", ("Origin", text)),
    "a foreign script of 0.9": lambda s, text: ask(s, f"/socket.io/1/?jsonp={text}"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_refused_requests(clock: Clock, log: pytest.LogCaptureFixture, way: str) -> None:
    server = Server(driver=clock)
    for number in range(MANY):
        assert isinstance(REFUSED[way](server, f"{number}{EVIL}"), Refuse)
    assert len(lines(log)) == 10
    clock.advance(1)
    (more,) = lines(log)[10:]
    assert more == f"{MANY - 10} more of these in the last second: a request from ... is refused with ...: ..."
    clock.advance(100)
    assert len(lines(log)) == 11
    assert not UNFIT.search("".join(lines(log)))
    assert max(map(len, lines(log))) < 400


MESSAGES: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "no packet": (ENGINEIO_4, lambda peer: peer.send(WRITTEN)),
    "no packet of Socket.IO": (ENGINEIO_4, lambda peer: peer.send(f"4{WRITTEN}")),
    "broken JSON": (ENGINEIO_4, lambda peer: peer.send(f'42["{WRITTEN}')),
    "a reserved event": (ENGINEIO_4, lambda peer: peer.send('42["connect"]')),
    "another namespace": (ENGINEIO_4, lambda peer: peer.send(f'42/{WRITTEN},["x"]')),
    "attachments for another": (
        ENGINEIO_4,
        lambda peer: peer.send(f'451-/{WRITTEN},["x",{{"_placeholder":true,"num":0}}]'),
    ),
    "an odd number": (ENGINEIO_3, lambda peer: peer.send("42\u0661")),
    "the wrong parser": (with_parser(ENGINEIO_4, "msgpack"), lambda peer: None),
    "packets of 0.9": (None, lambda peer: peer.send(WRITTEN)),
    "an endpoint of 0.9": (None, lambda peer: peer.send(f"3::/{WRITTEN}:x")),
    "an event of 0.9": (None, lambda peer: peer.send(f'5:::["{WRITTEN}"]')),
    "an acknowledgement of 0.9": (None, lambda peer: peer.send(f"6:::{WRITTEN}")),
}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("way", MESSAGES)
def test_broken_packets(clock: Clock, log: pytest.LogCaptureFixture, way: str, transport: str) -> None:
    server = Server(driver=clock)
    generation, speak = MESSAGES[way]
    for _ in range(30):
        peer: Any = (
            Peer(server, generation=SOCKETIO_1, transport="xhr-polling" if transport == "polling" else transport)
            if generation is None
            else Peer(server, generation=generation, transport=transport)
        )
        with suppress(Refused):  # the answer to a POST
            if generation is not None:
                peer.connect()
            speak(peer)
    clock.advance(2)
    said = [line for line in lines(log) if "is closed because" in line or "POST" in line]
    counts = [line for line in said if "more of these" in line]
    assert 10 <= len(said) - len(counts) <= 11  # the wrong parser is a warning first
    assert len(counts) == 1
    assert not UNFIT.search("".join(lines(log, logging.DEBUG)))
    assert max(map(len, lines(log, logging.DEBUG))) < 400


@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_names_of_namespaces_and_events_and_what_handlers_raise(
    clock: Clock, log: pytest.LogCaptureFixture, parser: str
) -> None:
    server = Server(driver=clock, parser=parser)
    clock.report = super(Clock, clock).report  # type: ignore[method-assign]  # to the log, as in a server that serves
    server.of(lambda name, auth: name.startswith("/a"))

    @server.on_any
    def fail(socket: Any, event: str, *args: Any) -> None:
        raise ValueError(f"no {event}")

    pair = Pair(server, generation=with_parser(ENGINEIO_4, parser))
    for number in range(100):
        pair.peer.emit(f"{number}{WRITTEN}")
        pair.peer.connect(f"/b{number}{WRITTEN}")
    assert len(lines(log, logging.ERROR)) == 10
    assert len([line for line in lines(log, logging.DEBUG) if "which does not exist" in line]) == 10
    clock.advance(1)
    assert len([line for line in lines(log, logging.DEBUG) if line.startswith("90 more")]) == 2
    assert not UNFIT.search("".join(lines(log, logging.DEBUG)))
    tracebacks = [logging.Formatter().format(record) for record in log.records if record.exc_info]
    assert len(tracebacks) == 10
    assert not any(UNFIT.search(text.replace("\n", "")) for text in tracebacks)


def test_a_field_of_msgpack_that_is_not_known(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    server = Server(driver=clock, parser="msgpack")
    peer = Peer(server, generation=with_parser(ENGINEIO_4, "msgpack"))
    name = WRITTEN.encode()
    peer.send(b"\x83\xa4type\x02\xa3nsp\xa1/" + bytes((0xA0 | len(name[:31]),)) + name[:31] + b"\x01")
    assert any("is closed because" in line for line in lines(log))
    assert not UNFIT.search("".join(lines(log)))


def test_a_judge_of_origins_that_fails(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    server = Server(driver=clock, cors_origins=lambda origin: 1 / 0)  # type: ignore[arg-type, return-value]
    clock.report = super(Clock, clock).report  # type: ignore[method-assign]
    for number in range(100):
        ask(server, "/socket.io/?EIO=4&transport=polling", ("Origin", f"http://{number}"))
    assert len(lines(log, logging.ERROR)) == 10
    clock.advance(1)
    assert len(lines(log, logging.ERROR)) == 11


def test_bodies_that_are_too_large(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    server = Server(driver=clock)
    for _ in range(100):
        server.engine.refuse_body(ask(server, "/socket.io/?EIO=4&transport=polling"))
    assert len(lines(log)) == 10


def test_the_count_comes_with_the_end_if_that_is_sooner(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    server = Server(driver=clock)
    for _ in range(100):
        ask(server, "/socket.io/?EIO=7")
    server.close()
    assert lines(log)[-1].startswith("90 more of these")
    clock.advance(100)
    assert len(lines(log)) == 11


def test_what_nobody_reads_costs_neither_lines_nor_counts(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(driver=clock)
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            Pair(server).close()
        clock.advance(1)
    assert caplog.records == []


def test_events_that_are_refused_are_not_logged(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    server = Server(driver=clock)

    @server.on("say")
    def refuse(socket: Any) -> None:
        raise EventRefused("no")

    pair = Pair(server)
    for _ in range(100):
        pair.peer.emit("say")
    assert (lines(log), clock.reports) == ([], [])


class Doorman:
    """An application that says who it refuses, in the client's own words."""

    def open(self, session: Any, request: Request) -> None:
        raise HandshakeRefused(401, f"I do not know {request.param('name')}")

    def message(self, session: Any, data: str | bytes) -> None: ...

    def close(self, session: Any, reason: Any) -> None: ...


def test_words_of_the_client_that_an_application_repeats(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    engine = Engine(Doorman(), driver=clock)
    for _ in range(100):
        with pytest.raises(Refused):
            Peer(engine, query="name=%1B[31m%0A%C2%9B%E2%80%AEx")
    assert len(lines(log)) == 10
    assert lines(log)[0].endswith(r": I do not know \x1b[31m\x0a\x9b\u202ex")
