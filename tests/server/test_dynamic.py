"""Dynamic namespaces: made by a pattern or a function, gone with their last client."""

import asyncio
import gc
import re
from typing import Any

import pytest

from server.clients import vanish
from server.later import Handler, LateClock, note
from turns import until
from waterspout import ConnectRefused, Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.server.namespaces import DynamicNamespace
from waterspout.testing import Clock, Pair, Peer
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

ROOMS = re.compile(r"/room-\d+")


def names(family: DynamicNamespace) -> list[str]:
    return [namespace.name for namespace in family.namespaces()]


def entered(packets: list[str | bytes]) -> list[str]:
    """The first word of each packet, type and namespace; of 0.9 in the words of the later generations."""
    kinds = {"1": "40", "7": "44"}
    return [
        re.sub(r"^([17])::([^:]*).*", lambda old: kinds[old[1]] + old[2], str(packet)).partition(",")[0]
        for packet in packets
        if isinstance(packet, str)
    ]


def test_a_pattern_admits_the_names_that_it_matches_as_a_whole(server: Server, client: dict[str, Any]) -> None:
    family = server.of(ROOMS)
    pair = Pair(server, **client)
    for name in ("/room-12", "/room-", "/room-1x", "/x/room-1", "/ROOM-1", "/room-3"):
        pair.peer.connect(name)
    assert entered(pair.peer.take()) == [
        "40/room-12", "44/room-", "44/room-1x", "44/x/room-1", "44/ROOM-1", "40/room-3",
    ]  # fmt: skip
    assert names(family) == ["/room-12", "/room-3"]


def test_all_of_a_pattern_share_handlers_but_not_rooms(server: Server, client: dict[str, Any]) -> None:
    family = server.of(ROOMS)
    family.on("say")(lambda socket, text: socket.broadcast("said", f"{socket.namespace} {text}"))
    one, two, other = Pair(server, **client), Pair(server, **client), Pair(server, **client)
    one.peer.connect("/room-1")
    two.peer.connect("/room-1")
    other.peer.connect("/room-2")
    for pair in (one, two, other):
        pair.peer.take()
    one.peer.emit("say", "hello", namespace="/room-1")
    assert two.peer.events("/room-1") == [("said", "/room-1 hello")]
    assert one.peer.take() == other.peer.take() == []
    family.emit("all", 1)
    assert one.peer.events("/room-1") == two.peer.events("/room-1") == other.peer.events("/room-2") == [("all", 1)]


@pytest.mark.parametrize("is_there", [True, False])
def test_what_cannot_be_sent_is_refused_whether_or_not_somebody_is_there(
    server: Server, is_there: bool, generation: Any
) -> None:
    family = server.of(ROOMS)
    pair = Pair(server, generation=generation)
    if is_there:
        pair.peer.connect("/room-1")
    with pytest.raises(ValueError, match="connect"):
        family.emit("connect")
    with pytest.raises(TypeError, match="5"):
        family.emit(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the event 'say' cannot be sent: object"):
        family.emit("say", object())
    with pytest.raises(TypeError, match="latest is 5"):
        family.emit("say", latest=5)  # type: ignore[arg-type]


def test_what_is_registered_later_is_heard_by_those_that_are_there(server: Server, generation: Any) -> None:
    family = server.of(ROOMS)
    pair = Pair(server, generation=generation)
    pair.peer.connect("/room-1")
    pair.peer.take()
    family.on("ask")(lambda socket: "ok")
    pair.peer.emit("ask", id=1, namespace="/room-1")
    assert pair.peer.acks("/room-1") == {1: "ok"}


@pytest.mark.parametrize("way", ["leave", "vanish", "disconnect"])
def test_one_is_gone_with_its_last_client(server: Server, client: dict[str, Any], way: str) -> None:
    family = server.of(ROOMS)
    farewells: list[str] = []
    family.on_disconnect(lambda socket, reason: farewells.append(socket.namespace))
    pairs = [Pair(server, **client) for _ in range(2)]
    for pair in pairs:
        pair.peer.connect("/room-1")
    sockets = server.of("/room-1").sockets()
    for number, pair in enumerate(pairs):
        assert names(family) == ["/room-1"]
        if way == "disconnect":
            sockets[number].disconnect()
        elif way == "leave":
            pair.peer.leave("/room-1")
        else:
            vanish(pair)
    assert names(family) == []
    assert farewells == ["/room-1"] * 2
    del sockets  # they keep it
    assert "/room-1" not in server.stats().sockets


def test_a_client_that_comes_back_finds_a_new_one(server: Server, client: dict[str, Any]) -> None:
    family = server.of(ROOMS)
    family.on("ask")(lambda socket: "ok")
    pair = Pair(server, **client)
    for _ in range(3):
        pair.peer.connect("/room-1")
        pair.peer.emit("ask", id=1, namespace="/room-1")
        pair.peer.leave("/room-1")
        assert pair.peer.acks("/room-1") == {1: "ok"}
    assert names(family) == []


def test_a_refused_client_leaves_nothing(server: Server, client: dict[str, Any]) -> None:
    family = server.of(ROOMS)

    @family.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        assert names(family) == ["/room-1"]
        raise ConnectRefused("no")

    pair = Pair(server, **client)
    pair.peer.connect("/room-1")
    assert entered(pair.peer.take()) == ["44/room-1"]
    assert names(family) == []
    assert "/room-1" not in server.stats().sockets


def test_one_lives_while_somebody_is_on_the_way_in() -> None:
    server = Server(driver=LateClock())
    family, verdict = server.of(ROOMS), Handler()
    family.on_connect(verdict)
    first, second = Peer(server), Peer(server)
    first.connect("/room-1")
    second.connect("/room-1")
    verdict.answer(False)
    assert names(family) == ["/room-1"]
    verdict.answer(True)
    assert len(server.of("/room-1").sockets()) == 1
    second.leave("/room-1")
    assert names(family) == []


def test_of_a_name_that_a_pattern_matches_is_the_one_that_clients_enter(server: Server, generation: Any) -> None:
    family = server.of(ROOMS)
    kept = server.of("/room-1")
    assert server.of("/room-1") is kept
    assert names(family) == []  # nobody is there
    pair = Pair(server, generation=generation)
    for _ in range(2):  # also when all have left, and come again
        pair.peer.connect("/room-1")
        pair.peer.take()
        assert family.namespaces() == [kept]
        kept.emit("news")
        assert pair.peer.events("/room-1") == [("news",)]
        pair.peer.leave("/room-1")


def test_names_that_are_mentioned_and_never_entered_are_not_kept(server: Server) -> None:
    server.of(ROOMS)
    for number in range(1000):
        server.of(f"/room-{number}").emit("news")
    gc.collect()
    assert set(server.stats().sockets) == {"/"}


def test_handlers_are_registered_with_the_pattern_and_not_with_one_of_its_names(server: Server) -> None:
    server.of(ROOMS)
    one = server.of("/room-1")
    verbs: list[Any] = [
        one.on("say"),
        one.on_connect,
        one.on_disconnect,
        one.on_error,
        one.on_any,
        one.use,
        one.use_event,
    ]
    for verb in verbs:
        with pytest.raises(ValueError, match=r"/room-1 shares the handlers of /room-\\d\+: register there"):
            verb(lambda *args: None)
    with pytest.raises(ValueError, match="register there"):
        server.register("/room-1", type("Chat", (Socket,), {}))


def test_a_name_of_its_own_goes_before_a_pattern_and_the_first_pattern_before_the_next(
    server: Server, generation: Any
) -> None:
    named = server.of("/room-1")
    first, second = server.of(ROOMS), server.of(re.compile("/.*"))
    pair = Pair(server, generation=generation)
    for name in ("/room-1", "/room-2", "/else"):
        pair.peer.connect(name)
    assert len(named.sockets()) == 1
    assert (names(first), names(second)) == (["/room-2"], ["/else"])


def test_the_same_pattern_is_the_same_family(server: Server) -> None:
    assert server.of(re.compile("/a")) is server.of(re.compile("/a"))
    server.of(re.compile("/a"), ordered=True)
    with pytest.raises(ValueError, match="/a exists already, and is ordered: say ordered=False at its first mention"):
        server.of(re.compile("/a"), ordered=False)


def test_two_functions_of_one_name_are_told_apart(server: Server) -> None:
    server.of(lambda name, auth: False).on("a")(lambda socket: None)
    server.of(lambda name, auth: False).on("b")(lambda socket: None)
    described = server.describe()
    events = [[one["event"] for one in events] for name, events in described.items() if "lambda" in name]
    assert events == [["a"], ["b"]]


BAD = ["/room?x", "/room-" + "1" * 1000, "/" + "x" * 2000]
BAD += ["/a\nERROR forged", "/a\rb", "/a\x1b[2J", "/a\x7f", "/a\u2028b", "/a\u202eb"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", ["pattern", "function"])
def test_a_name_that_cannot_be_one_is_invalid_and_nobody_is_asked(server: Server, kind: str, name: str) -> None:
    asked: list[str] = []
    server.of(re.compile("/.*") if kind == "pattern" else lambda name, auth: note(asked, name, True))
    pair = Pair(server)
    pair.peer.send(f"40{name},")
    assert pair.peer.take() == [f'44{name},{{"message":"Invalid namespace"}}']
    assert asked == []
    assert pair.socket.connected


# Functions


def test_a_function_is_asked_with_name_and_auth(server: Server, client: dict[str, Any]) -> None:
    asked: list[tuple[str, Any]] = []

    def match(name: str, auth: Any) -> bool:
        asked.append((name, auth))
        return name == "/yes"

    family = server.of(match)
    pair = Pair(server, **client)
    pair.peer.connect("/yes")
    pair.peer.connect("/no")
    assert entered(pair.peer.take()) == ["40/yes", "44/no"]
    assert [name for name, _ in asked] == ["/yes", "/no"]
    assert asked[0][1] == {}
    assert names(family) == ["/yes"]
    pair.peer.leave("/yes")
    assert names(family) == []


def test_functions_are_asked_in_turn_and_one_that_fails_says_no(server: Server, client: dict[str, Any]) -> None:
    def broken(name: str, auth: Any) -> bool:
        raise KeyError(name)

    server.of(broken)
    server.of(lambda name, auth: name == "/a")
    last = server.of(lambda name, auth: name in ("/a", "/b"))
    pair = Pair(server, **client)
    for name in ("/a", "/b", "/c"):
        pair.peer.connect(name)
    assert entered(pair.peer.take()) == ["40/a", "40/b", "44/c"]
    assert names(last) == ["/b"]
    assert [type(error) for _, error in pair.clock.reports] == [KeyError] * 3
    assert server.stats().errors == 3


def test_an_async_function_decides_later() -> None:
    async def main() -> None:
        server, verdict = Server(), asyncio.get_running_loop().create_future()
        server.engine.bind(AsyncioDriver())

        async def match(name: str, auth: Any) -> bool:
            return bool(await verdict)

        family = server.of(match)
        peer = Peer(server)
        peer.connect("/x", {"token": 1})
        assert entered(peer.take())[1:] == []
        verdict.set_result(True)
        await until(lambda: names(family) == ["/x"])
        assert entered(peer.take()) == ["40/x"]
        assert peer.engine.sessions[peer.sid]._calls == 0

    asyncio.run(main())


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def asked(request: pytest.FixtureRequest) -> Any:
    """A server with a function that takes its time, and a client in "/"."""
    server, verdict = Server(driver=LateClock()), Handler()
    family = server.of(lambda name, auth: verdict(None, name))
    return server, family, verdict, Pair(server, generation=request.param)


def test_who_knocks_again_is_asked_about_once(asked: Any) -> None:
    _, family, verdict, pair = asked
    for _ in range(5):
        pair.peer.connect("/x")
    assert verdict.heard == [("/x",)]
    verdict.answer(True)
    assert entered(pair.peer.take()) == ["40/x"]
    assert len(family.namespaces()[0].sockets()) == 1


def test_who_leaves_before_the_answer_is_not_let_in(asked: Any) -> None:
    _, family, verdict, pair = asked
    pair.peer.connect("/x")
    pair.peer.leave("/x")
    verdict.answer(True)
    assert pair.peer.take() == []
    assert names(family) == []
    pair.peer.connect("/x")
    verdict.answer(True)
    assert entered(pair.peer.take()) == ["40/x"]


def test_who_leaves_and_knocks_anew_gets_the_answer_to_the_second_question(asked: Any) -> None:
    _, family, verdict, pair = asked
    pair.peer.connect("/x")
    pair.peer.leave("/x")
    pair.peer.connect("/x")
    verdict.answer(True)
    assert names(family) == []
    verdict.answer(False)
    assert entered(pair.peer.take()) == ["44/x"]


def test_what_comes_before_the_answer_is_ignored(asked: Any) -> None:
    _, family, verdict, pair = asked
    family.on("say")(lambda socket: 1 / 0)
    pair.peer.connect("/x")
    pair.peer.emit("say", id=1, namespace="/x")
    pair.peer.acknowledge(1, namespace="/x")
    verdict.answer(True)
    assert entered(pair.peer.take()) == ["40/x"]
    assert pair.clock.reports == []


@pytest.mark.parametrize("end", ["lose", "close", "disconnect"])
@pytest.mark.parametrize("answer", [True, False, KeyError()])
def test_an_answer_after_the_end_of_the_connection_changes_nothing(asked: Any, end: str, answer: Any) -> None:
    server, family, verdict, pair = asked
    pair.peer.connect("/x")
    if end == "lose":
        pair.peer.lose()
    elif end == "close":
        server.close()
    else:
        pair.socket.disconnect(close=True)
    pair.peer.take()
    if isinstance(answer, KeyError):
        verdict.fail(answer)
    else:
        verdict.answer(answer)
    assert names(family) == []
    assert pair.peer.take() == []
    assert not server.engine.sessions


def test_questions_count_among_the_namespaces_of_a_connection(generation: Any) -> None:
    server, verdict = Server(max_namespaces=3, driver=LateClock()), Handler()
    server.of(lambda name, auth: verdict(None, name))
    pair = Pair(server, generation=generation)
    for number in range(4):
        pair.peer.connect(f"/{number}")
    assert len(verdict.heard) == 2
    assert entered(pair.peer.take()) == ["44/2", "44/3"]
    verdict.answer(False)
    pair.peer.connect("/4")
    assert len(verdict.heard) == 3


# Classes


def test_a_class_serves_the_names_of_a_pattern(server: Server, client: dict[str, Any]) -> None:
    class Room(Socket):
        def on_connect(self, auth: Any) -> None:
            self.join(f"floor {self.namespace[-1]}")

        @event
        def where(self) -> list[str]:
            return sorted(map(str, self.rooms))

    server.register(ROOMS, Room)
    pair = Pair(server, **client)
    pair.peer.connect("/room-7")
    (socket,) = server.of("/room-7").sockets()
    assert type(socket) is Room
    pair.peer.take()
    pair.peer.emit("where", id=1, namespace="/room-7")
    assert pair.peer.acks("/room-7") == {1: ["floor 7"]}
    assert [one["event"] for one in server.describe()[ROOMS.pattern]] == ["where"]


def test_a_family_reports_ten_errors_whatever_their_namespaces_are(generation: Any) -> None:
    server = Server(driver=Clock())
    server.of(re.compile("/.*")).on_connect(lambda socket, auth: 1 / 0)
    pair = Pair(server, generation=generation)
    for number in range(300):
        pair.peer.connect(f"/{number}")
    assert len(pair.clock.reports) == 10


def test_a_name_that_a_client_has_chosen_is_short_and_ascii_in_the_log(generation: Any) -> None:
    server = Server(driver=Clock())
    server.of(re.compile("/.*")).on("say")(lambda socket: 1 / 0)
    pair = Pair(server, generation=generation)
    for name in ("/caf\u00e9", "/" + "x" * 900):
        pair.peer.connect(name)
        pair.peer.emit("say", namespace=name)
    assert [text for text, _ in pair.clock.reports] == [
        r"the handler of 'say' in /caf\xe9 failed", f"the handler of 'say' in /{'x' * 79}... failed",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [r"/game/\d+", "/game/[0-9]", "/(a|b)", "/game/*", "/game/.+", "/game-(1)+", "/game$"])
def test_a_string_that_is_meant_as_a_pattern_is_refused_with_the_remedy(server: Server, name: str) -> None:
    sentence = f"{name!r} looks like a pattern, but a string is a single name: give re.compile({name!r})"
    for mention in (server.of, lambda name: server.on("say", namespace=name)):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            mention(name)
    with pytest.raises(ValueError, match="looks like a pattern"):
        server.register(name, type("Game", (Socket,), {}))
    assert set(server.stats().sockets) == {"/"}


@pytest.mark.parametrize("name", ["/c++", "/a.b", "/a-b_c~d", "/caf\u00e9", "/$x", "/{x}"])
def test_a_name_with_other_signs_is_a_name(server: Server, name: str) -> None:
    assert server.of(name).name == name


def test_a_name_that_looks_like_a_pattern_may_be_one_of_a_family(server: Server, generation: Any) -> None:
    family = server.of(re.compile(re.escape("/a(b)*")))
    pair = Pair(server, generation=generation)
    pair.peer.connect("/a(b)*")
    assert server.of("/a(b)*") is family.namespaces()[0]


def test_an_event_to_all_of_a_family_reaches_the_rooms_of_an_iterator_in_each_of_them(
    server: Server, generation: Any
) -> None:
    family = server.of(ROOMS)
    pair = Pair(server, generation=generation)
    for name in ("/room-1", "/room-2"):
        pair.peer.connect(name)
        server.of(name).join("red")
    pair.peer.take()
    family.emit("news", to=iter(["red", "blue"]))
    assert [pair.peer.events(name) for name in ("/room-1", "/room-2")] == [[("news",)], [("news",)]]
