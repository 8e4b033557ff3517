"""Requests with somebody else's session (D3): refused, and the owner notices nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from attacks.waiting import Waiting
from waterspout import Request, Server, Socket
from waterspout.engine import Answer, Refuse
from waterspout.testing import Clock, Peer, admit
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

UPGRADE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


class Owner:
    """A client whose session is coveted, and all that its server has heard."""

    def __init__(self, generation: Generation, transport: str) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.server = Server(driver=Clock())
        self.server.on("echo")(self.echo)
        born = "websocket" if transport == "websocket" else "polling"
        self.peer = Peer(self.server, generation=generation, transport=born)
        if not generation.implicit_connect:
            self.peer.connect()
        if transport == "upgraded":
            self.peer.upgrade()
        self.peer.take()

    def echo(self, socket: Socket, *args: Any) -> tuple[Any, ...]:
        self.heard.append(args)
        return args

    def is_unharmed(self) -> bool:
        """Whether the owner has got nothing and lost nothing."""
        assert self.peer.take() == []
        assert self.heard == []
        self.peer.emit("echo", "mine", id=1)
        return self.peer.take() == ['431["mine"]'] and self.heard == [("mine",)]


@pytest.fixture(params=["polling", "upgraded", "websocket"])
def owner(request: pytest.FixtureRequest, generation: Generation) -> Owner:
    return Owner(generation, request.param)


def answer(owner: Owner, method: str, query: str, *fields: tuple[str, str]) -> int:
    """Ask as a stranger, and return the status of the refusal; 0 if there is none."""
    request = Request(method, f"/socket.io/?{query}", [("Host", "localhost"), *fields], remote_address="192.0.2.1")
    decision = admit(owner.server.engine, request)
    return decision.response.status if isinstance(decision, Refuse | Answer) else 0


def requests(revision: str, sid: str) -> Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """All that a client can ask of a session."""
    for method, transport, fields in (("GET", "polling", ()), ("POST", "polling", ()), ("GET", "websocket", UPGRADE)):
        yield method, f"EIO={revision}&transport={transport}&sid={sid}", fields


def test_another_revision_of_the_protocol_is_refused(owner: Owner) -> None:
    """engine.io before 6.6.11 did not look."""
    other = "3" if owner.peer.generation is ENGINEIO_4 else "4"
    for revision in (other, "2", "5", "", "04", "4.0", "\u0664"):
        for method, query, fields in requests(revision, owner.peer.sid):
            assert answer(owner, method, query, *fields) == 400
    assert owner.is_unharmed()


@pytest.mark.parametrize("transport", ["upgraded", "websocket"])
def test_polling_is_refused_on_a_websocket(generation: Generation, transport: str) -> None:
    owner = Owner(generation, transport)
    query = f"EIO={generation.revision}&transport=polling&sid={owner.peer.sid}"
    assert answer(owner, "GET", query) == 400
    assert answer(owner, "POST", query) == 400
    assert owner.is_unharmed()


@pytest.mark.parametrize("transport", ["upgraded", "websocket"])
def test_a_second_websocket_is_closed_and_what_it_says_is_not_heard(generation: Generation, transport: str) -> None:
    owner = Owner(generation, transport)
    stranger = owner.peer.probe()
    stranger.send(["2probe", '42["echo","stolen"]', "5"])
    assert stranger.finished
    assert [frame[0] & 0x0F for frame in stranger.written] == [8]
    assert owner.is_unharmed()


def test_a_second_websocket_beside_a_probe_is_closed(generation: Generation) -> None:
    owner = Owner(generation, "polling")
    own = owner.peer.probe()
    own.send(["2probe"])
    stranger = owner.peer.probe()
    stranger.send(["2probe", "5", '42["echo","stolen"]'])
    assert stranger.finished
    own.send(["5"])
    owner.peer.carrier = own
    owner.peer.take()
    assert owner.is_unharmed()


@pytest.mark.parametrize(
    "change",
    [
        lambda sid: sid[:-1],
        lambda sid: sid + "x",
        lambda sid: sid + "%00",
        lambda sid: sid + "%20",
        lambda sid: sid.upper(),
        lambda sid: f"../{sid}",
        lambda sid: "__class__",
        lambda sid: "null",
        lambda sid: "x" * 100_000,
    ],
)
def test_what_is_nearly_the_id_of_a_session_is_not_known(owner: Owner, change: Callable[[str], str]) -> None:
    for method, query, fields in requests(owner.peer.generation.revision, change(owner.peer.sid)):
        assert answer(owner, method, query, *fields) == 400
    assert owner.is_unharmed()


@pytest.mark.parametrize("name", ["sid", "EIO", "transport"])
def test_what_is_said_twice_is_refused(owner: Owner, name: str) -> None:
    values = {"sid": ("x", owner.peer.sid), "EIO": ("4", "3"), "transport": ("polling", "websocket")}[name]
    more = "".join(f"&{name}={value}" for value in values)
    for method, query, fields in requests(owner.peer.generation.revision, owner.peer.sid):
        assert answer(owner, method, query + more, *fields) == 400
    assert owner.is_unharmed()


def test_another_origin_is_refused(owner: Owner) -> None:
    for method, query, fields in requests(owner.peer.generation.revision, owner.peer.sid):
        assert answer(owner, method, query, ("Origin", "http://evil.example"), *fields) == 403
    assert owner.is_unharmed()


def test_the_id_in_a_cookie_or_a_header_gives_access_to_nothing(owner: Owner) -> None:
    sid, revision = owner.peer.sid, owner.peer.generation.revision
    for fields in ([("Cookie", f"io={sid}; sid={sid}")], [("Sid", sid), ("X-Sid", sid)]):
        stranger = Peer(owner.server, generation=owner.peer.generation, headers=fields)
        assert stranger.sid != sid
        assert answer(owner, "POST", f"EIO={revision}&transport=polling", *fields) == 400
        stranger.lose()
    assert owner.is_unharmed()


def test_the_public_id_of_a_socket_is_no_id_of_a_session() -> None:
    owner = Owner(ENGINEIO_4, "polling")
    (socket,) = owner.server.sockets()
    for method, query, fields in requests("4", socket.id):
        assert answer(owner, method, query, *fields) == 400
    assert owner.is_unharmed()


def test_the_id_of_a_session_is_told_to_its_client_alone(generation: Generation) -> None:
    """Clients of 1.x and 2.x believe that it is their socket's, so there the two are one."""
    owner = Owner(generation, "websocket")
    (socket,) = owner.server.sockets()
    assert (socket.id == owner.peer.sid) is (generation is ENGINEIO_3)
    assert owner.peer.sid not in repr(owner.server.sockets()) or generation is ENGINEIO_3


def test_after_the_end_the_id_is_unknown(owner: Owner) -> None:
    owner.peer.lose()
    for method, query, fields in requests(owner.peer.generation.revision, owner.peer.sid):
        assert answer(owner, method, query, *fields) == 400
    assert owner.heard == []
    assert owner.server.engine.sessions == {}


def test_the_id_of_another_servers_session_is_unknown(owner: Owner) -> None:
    other = Owner(owner.peer.generation, "polling")
    other.server.engine.sessions.clear()
    for method, query, fields in requests(owner.peer.generation.revision, owner.peer.sid):
        assert answer(other, method, query, *fields) == 400
    assert owner.is_unharmed()


def test_before_the_connect_handler_has_accepted_nothing_is_heard(generation: Generation) -> None:
    """python-socketio before 5.18 ran events before the handler of their connection had ended."""
    heard: list[Any] = []
    server = Server(driver=Waiting())
    server.on("secret")(lambda socket, *args: heard.append(args))
    server.on_connect(lambda socket, auth: None)
    peer = Peer(server, generation=generation)
    if not generation.implicit_connect:
        peer.connect()
    peer.emit("secret", 1)
    server.emit("news")
    assert heard == []
    assert server.sockets() == []
    assert [packet for packet in peer.take() if isinstance(packet, str) and packet[:1] == "4"] == []
    waiting = server.engine.driver
    assert isinstance(waiting, Waiting)
    waiting.answer()
    assert heard == [(1,)]


def test_a_room_with_the_name_of_another_socket_cannot_be_joined(generation: Generation) -> None:
    """Who could, would hear all that is said to that socket alone."""
    owner = Owner(generation, "websocket")
    stranger = Peer(owner.server)
    stranger.connect()
    own, other = owner.server.sockets()
    with pytest.raises(ValueError, match="is the id of another socket"):
        other.join(own.id)
    stranger.take()
    owner.server.emit("private", to=own.id)
    assert stranger.take() == []
    assert owner.peer.take() == ['42["private"]']


def test_a_stranger_may_not_end_a_session_by_asking(owner: Owner) -> None:
    """A broken request with a good id is refused before the session hears of it."""
    revision, sid = owner.peer.generation.revision, owner.peer.sid
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"):
        assert answer(owner, method, f"EIO={revision}&transport=polling&sid={sid}") in (204, 400)
    assert answer(owner, "GET", f"EIO={revision}&transport=websocket&sid={sid}") == 400
    assert answer(owner, "GET", f"EIO={revision}&transport=htmlfile&sid={sid}") == 400
    assert owner.is_unharmed()
