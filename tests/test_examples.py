"""Each example does what its first lines say, with clients of each generation where it speaks Socket.IO."""

import asyncio
import json
import re
import runpy
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from ports import free_port
from server.listener import Listener
from server.listener import Reader as EventStreamReader
from serving import Client as TextClient
from serving import running
from turns import turn
from waterspout import Engine, Server
from waterspout.drivers import AsyncioDriver
from waterspout.hosts.tornado import routes
from waterspout.testing import EVENTS, SOCKETIO_1, Clock, Pair, Peer, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

TESTS = Path(__file__).parent
HERE = Path(__file__).read_text("utf-8")
EXAMPLES = TESTS.parent / "examples"
ELSEWHERE = {"compression": "test_compression.py", "jsonp": "test_cli.py", "msgpack": "server/test_msgpack.py"}
ELSEWHERE |= dict.fromkeys(("flask_app", "django_app"), "clients/test_wsgi_examples.py")
ELSEWHERE |= {"wsgi": "hosts/test_gevent_process.py"}
ELSEWHERE |= dict.fromkeys(("fastapi_app", "django_asgi"), "hosts/test_asgi_processes.py")
ASGI = ("fastapi_orders", "fastapi_tokens", "starlette_app", "litestar_app", "quart_app")
ELSEWHERE |= dict.fromkeys(ASGI, "hosts/test_asgi_examples.py")

generations = pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def serve(name: str) -> Server:
    """Return the server of an example, with a clock that stands still."""
    server: Server = load(name)["server"]
    server.engine.bind(Clock())
    return server


def on_a_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until the condition holds: threads and timers of examples take what time they need."""
    while not condition():
        await turn()


class Guest:
    """A client in "/", or refused there; what comes is sorted into events, questions and answers."""

    def __init__(self, server: Server, generation: Generation = ENGINEIO_4, **told: str) -> None:
        self.in_query = generation.implicit_connect
        query = "&".join(f"{name}={value}" for name, value in told.items())
        self.peer = Peer(server, generation=generation, query=query if self.in_query else "")
        if not self.in_query:
            self.knock("/", **told)
        self.greeting = str(self.peer.take()[-1])
        self.questions: list[tuple[int, list[Any]]] = []

    def knock(self, namespace: str, **told: str) -> None:
        """Ask to enter a namespace, and tell it something in the generation's own way."""
        if self.in_query:
            self.peer.connect(namespace + "?" + "&".join(f"{name}={value}" for name, value in told.items()))
        else:
            self.peer.connect(namespace, told)

    def heard(self) -> list[list[Any]]:
        """Return the events that have come since the last time; questions are kept."""
        events = []
        for packet in self.peer.take():
            found = re.fullmatch(r"42(\d*)(\[.*\])", str(packet))
            if found and found[1]:
                self.questions.append((int(found[1]), json.loads(found[2])))
            elif found:
                events.append(json.loads(found[2]))
        return events

    def ask(self, event: str, *args: Any, namespace: str = "/") -> list[Any] | None:
        """Send an event, and return what it was acknowledged with; None if it was not."""
        self.peer.emit(event, *args, id=5, namespace=namespace)
        return self.answer(namespace)

    def answer(self, namespace: str = "/") -> list[Any] | None:
        head = "43" if namespace == "/" else f"43{namespace},"
        found = [p for p in map(str, self.peer.take()) if p.startswith(f"{head}5[")]
        return json.loads(found[0].removeprefix(f"{head}5")) if found else None

    async def awaited(self) -> list[Any]:
        """Wait for an acknowledgement."""
        while (answer := self.answer()) is None:
            await turn()
        return answer

    async def asked(self) -> tuple[int, list[Any]]:
        """Wait for a question of the server's."""
        await until(lambda: self.heard() or self.questions)
        return self.questions.pop()


def test_every_example_is_run_by_a_test() -> None:
    for path in EXAMPLES.glob("*.py"):
        text = (TESTS / ELSEWHERE[path.stem]).read_text("utf-8") if path.stem in ELSEWHERE else HERE
        assert re.search(rf'(?:load|serve)\("{path.stem}"\)|"{path.name}"|"{path.stem}"[,\]]', text), path.name


@generations
def test_echo_answers_with_what_was_sent(generation: Generation) -> None:
    assert Guest(serve("echo"), generation).ask("echo", "hello", 42) == ["hello", 42]


@generations
def test_engineio_echo_sends_text_and_binary_back(generation: Generation) -> None:
    peer = Peer(Engine(load("engineio_echo")["Echo"](), driver=Clock()), generation=generation)
    peer.take()
    peer.send("4hello", b"\x01\x02")
    assert peer.take() == ["4hello", b"\x01\x02"]


@generations
def test_chat_passes_texts_on_and_tells_who_comes_and_goes(generation: Generation) -> None:
    server = serve("chat")
    assert "Choose a name of 1 to 24 characters." in Guest(server, generation).greeting
    ada, bob = Guest(server, generation, name="Ada"), Guest(server, generation, name="Bob")
    assert ada.heard() == [["came", "Bob"]]
    assert ada.ask("say", "hello") == [1]
    bob.peer.leave()
    assert ada.heard() == [["left", "Bob"]]


@generations
def test_typed_events_refuse_what_does_not_fit(generation: Generation) -> None:
    guest = Guest(serve("typed_events"), generation)
    assert guest.ask("order", {"items": [{"name": "tea", "price": 3.5}]}) == [3.5]
    (answer,) = guest.ask("order", {"items": [{"name": "tea", "price": "free"}]}) or []
    assert (answer["error"]["argument"], answer["error"]["place"]) == ("order", "$.items[0].price")
    assert answer["error"]["message"].endswith(", at $.items[0].price")


@generations
def test_namespaces_keep_strangers_from_the_staff_and_make_a_game_for_each_name(generation: Generation) -> None:
    server = serve("namespaces")
    guest, other = Guest(server, generation), Guest(server, generation)
    for each in (guest, other):
        each.peer.connect("/game/42")
    other.peer.take()
    assert guest.ask("move", "e2e4", namespace="/game/42") == [2]
    assert other.peer.take() == ['42/game/42,["moved","e2e4"]']
    guest.peer.connect("/game/anything")
    assert str(guest.peer.take()[0]).startswith("44/game/anything,")
    guest.knock("/staff", key="wrong")
    assert "Staff only." in str(guest.peer.take()[0])
    guest.knock("/staff", key="open+sesame" if generation.implicit_connect else "open sesame")
    assert guest.ask("pause", namespace="/staff") == [["/game/42"]]
    assert other.peer.take() == ['42/game/42,["paused"]']
    for each in (guest, other):
        each.peer.leave("/game/42")
    assert guest.ask("pause", namespace="/staff") == [[]]


@generations
def test_access_is_given_by_a_key_and_by_a_password(generation: Generation) -> None:
    server = serve("access")
    reader, stranger = Guest(server, generation), Guest(server, generation)
    reader.knock("/admin", key="reader")
    stranger.knock("/admin", key="guest")
    unknown = [{"error": {"message": "Unknown event"}}]
    asked = [guest.ask("count", namespace="/admin") for guest in (reader, stranger)]
    assert asked == [[2], unknown]
    assert reader.ask("stop", namespace="/admin") == unknown
    assert stranger.ask("unlock", "guess", namespace="/admin") == [{"error": {"message": "Wrong password"}}]
    assert stranger.ask("unlock", "open sesame", namespace="/admin") == unknown
    assert reader.ask("unlock", "open sesame", namespace="/admin") == []
    assert reader.ask("stop", namespace="/admin") == ["stopped"]


@generations
def test_channels_give_what_was_missed_to_who_comes_back(generation: Generation) -> None:
    server = serve("channels")
    clock: Any = server.engine.driver
    peer = Pair(server, generation=generation).peer
    peer.emit("follow", None, id=1)
    start = peer.acks()[1]
    clock.advance(2)
    prices = peer.events()
    assert [name for name, *_ in prices] == ["prices", "prices"]
    peer.carrier.lose()
    again = Pair(server, generation=generation).peer
    again.emit("follow", start, id=1)
    assert again.events() == prices
    clock.advance(1)
    assert len(again.events()) == 1


def test_server_sent_events_resume_and_are_for_those_who_have_the_token() -> None:
    server = serve("eventsource")
    clock: Any = server.engine.driver
    listener = Listener(server, "/prices")
    clock.advance(2)
    prices = listener.take()
    assert [set(price) for _, price in prices] == [{"ACME"}] * 2
    assert Listener(server, "/prices", listener.events[0].id if listener.events else listener.last_id).take() == []
    for path in ("/users/ada/notes", "/users/ada/notes?token=milk", "/users/eve/notes?token=tea"):
        refused = Listener(server, path).response
        assert refused is not None
        assert refused.status == 403
    assert Listener(server, "/users/ada/notes?token=tea").response is None


def test_plain_websockets_chat_and_subscribe() -> None:
    server = serve("websocket")
    clock: Any = server.engine.driver
    ada = Peer(server, generation=EVENTS, path="/ws", query="name=Ada")
    bob = Peer(server, generation=EVENTS, path="/ws", query="name=Bob")
    ada.send('{"event":"say","data":"hello","id":1}')
    assert bob.events() == [("said", {"name": "Ada", "text": "hello"})]
    assert ada.acks() == {1: "ok"}
    reader = Peer(server, generation=EVENTS, path="/prices")
    clock.advance(1)
    assert reader.take() == ['{"data":{"ACME":2}}']


def test_tokens_are_streamed_resumed_and_stopped() -> None:
    example = load("streaming")
    server = example["server"]

    async def test() -> None:
        sock, port = bind_unused_port()
        http = HTTPServer(example["application"])
        http.add_socket(sock)
        client, address = AsyncHTTPClient(), f"http://127.0.0.1:{port}"
        started = await client.fetch(f"{address}/runs/", method="POST", body="what is it")
        assert started.code == 202
        stream = address + started.headers["Location"]
        whole = EventStreamReader()
        whole.feed((await client.fetch(stream)).body)
        assert [event.data for event in whole.events[1:-1]] == ["what ", "is ", "it "]
        assert whole.events[-1].value["data"] == {"complete": True}
        rest = EventStreamReader()
        rest.feed((await client.fetch(stream, headers={"Last-Event-ID": whole.events[2].id})).body)
        assert [event.data for event in rest.events[1:-1]] == ["it "]
        assert (await client.fetch(stream, headers={"Last-Event-ID": whole.last_id})).code == 204
        long = await client.fetch(f"{address}/runs/", method="POST", body="and " * 10_000)
        run = long.headers["Location"]
        assert (await client.fetch(address + run, method="DELETE")).code == 200
        stopped = EventStreamReader()
        stopped.feed((await client.fetch(address + run)).body)
        assert stopped.events[-1].value["data"] == {"complete": False}
        broken = await client.fetch(f"{address}/runs/", method="POST", body=b"\xff")
        failed = EventStreamReader()
        failed.feed((await client.fetch(address + broken.headers["Location"])).body)
        assert failed.events[-1].value["data"] == {"complete": False}
        for path, method in (("/runs/none", "DELETE"), ("/runs/none", "GET")):
            assert (await client.fetch(address + path, method=method, raise_error=False)).code == 404
        http.stop()
        await server.close()
        await http.close_all_connections()

    on_a_loop(test)


@generations
def test_rooms_are_joined_spoken_to_merged_and_sent_home(generation: Generation) -> None:
    server = serve("rooms")
    ada, bob, eve = (Guest(server, generation) for _ in range(3))
    assert [ada.ask("team", "red"), bob.ask("team", "red"), eve.ask("team", "blue")] == [[1], [2], [1]]
    ada.peer.emit("whisper", "red", "It is 42.")
    assert (ada.heard(), bob.heard(), eve.heard()) == ([], [["heard", "It is 42."]], [])
    assert bob.ask("team", "green") == [1]
    assert eve.ask("merge", "red", "blue") == [2]
    assert server.sockets(to="red") == []
    ada.peer.emit("home", "blue")
    assert bob.peer.take() == ['42["over","blue"]', "41"]
    assert (ada.heard(), eve.heard()) == ([["over", "blue"]], [["over", "blue"]])
    assert len(server.sockets()) == 2


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling", "jsonp-polling", "flashsocket"])
@generations
def test_old_clients_and_pages_of_today_ask_one_another(generation: Generation, transport: str) -> None:
    async def test() -> None:
        server: Server = load("old_clients")["server"]
        server.engine.bind(AsyncioDriver())
        stranger = Peer(server, generation=SOCKETIO_1, transport=transport, query="key=rose")
        assert stranger.take() == ["7:::2", "0::"]
        assert "Which kiosk is this?" in Guest(server, generation).greeting
        kiosk = Peer(server, generation=SOCKETIO_1, transport=transport, query="key=tulip&floor=2")
        assert kiosk.handshake.endswith(":websocket,htmlfile,xhr-polling,jsonp-polling,flashsocket")
        page, elsewhere = (Guest(server, generation, key="tulip", floor=floor) for floor in "23")
        kiosk.take()

        page.peer.emit("ask", "Is it cold?", id=5)
        await turn()
        assert kiosk.take() == ['5:1+::{"name":"question","args":["Is it cold?"]}']
        kiosk.acknowledge(1, True)
        assert await page.awaited() == [[True]]

        kiosk.emit("ask", "Are you?", id=6)
        number, question = await page.asked()
        assert question == ["question", "Are you?"]
        page.peer.acknowledge(number, False)
        await until(lambda: (packets := kiosk.take()) and packets == ["6:::6+[[false]]"])
        assert elsewhere.heard() == []
        await server.close()

    on_a_loop(test)


@generations
def test_acknowledgements_go_both_ways_and_come_from_everybody(generation: Generation) -> None:
    async def test() -> None:
        server: Server = load("acknowledgements")["server"]
        server.engine.bind(AsyncioDriver())
        ada, bob, eve = (Guest(server, generation) for _ in range(3))
        assert ada.ask("divide", 17, 5) == [3, 2]
        assert ada.ask("divide", 17, 0) == [{"error": {"message": "nobody divides by 0"}}]

        for sure in (True, False):
            ada.peer.emit("delete", "notes.txt", id=5)
            number, question = await ada.asked()
            assert question == ["sure?", "notes.txt"]
            ada.peer.acknowledge(number, sure)
            assert await ada.awaited() == [sure]

        ada.peer.emit("poll", "Tea?", id=5)
        for guest in (ada, bob):
            number, question = await guest.asked()
            assert question == ["vote", "Tea?"]
            guest.peer.acknowledge(number, guest is ada)
        eve.peer.lose()
        assert await ada.awaited() == [{"yes": 1, "silent": 1}]
        await server.close()

    on_a_loop(test)


@generations
def test_a_class_of_sockets_keeps_each_clients_game(generation: Generation, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve("classes")
    ada, bob = Guest(server, generation), Guest(server, generation)
    player: Any = server.sockets()[0]
    assert 1 <= player.number <= 100
    assert ada.ask("guess", 0) == ["higher"]
    assert ada.ask("guess", 101) == ["lower"]
    assert ada.ask("guess", player.number) == ["found with 3"]
    assert bob.heard() == [["won", 3]]
    assert bob.ask("give up") == [server.sockets()[1].number]  # type: ignore[attr-defined]
    bob.peer.leave()
    assert capsys.readouterr().out == "gone after 0 tries: client namespace disconnect\n"


@generations
def test_steps_know_permit_and_mend(generation: Generation) -> None:
    server = serve("steps")
    assert '"code":401' in Guest(server, generation, token="c3").greeting
    ada, bob = Guest(server, generation, token="a1"), Guest(server, generation, token="b2")
    assert bob.ask("say", "  hello  ") == ["Bob: hello"]
    assert bob.ask("admin:close") == [{"error": {"code": 403, "message": "'admin:close' is not for you"}}]
    assert ada.ask("admin:close") == ["closed"]
    assert bob.ask("say", "   ") is None


@generations
def test_handlers_keep_the_order_and_leave_the_loop_free(generation: Generation) -> None:
    async def test() -> None:
        example = load("handlers")
        server: Server = example["server"]
        server.engine.bind(AsyncioDriver())
        guest = Guest(server, generation)
        guest.peer.emit("append", "a long line that takes a while to store")
        guest.peer.emit("append", "short", id=5)
        assert await guest.awaited() == [2]
        assert example["lines"] == ["a long line that takes a while to store", "short"]
        guest.peer.emit("digest", "secret", id=5)
        assert guest.answer() is None  # else it had run here
        ((digest,), again) = (await guest.awaited(), example["digest"](None, "secret"))
        assert digest == again
        guest.peer.emit("append", 5, id=5)
        await until(lambda: ["sorry", "append"] in guest.heard())
        assert example["seen"] == {"append": 3, "digest": 1}
        await server.close()

    on_a_loop(test)


@generations
def test_a_slow_client_is_spared_what_is_old_and_cut_off_in_the_end(
    generation: Generation, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("volatile")
    ada, bob = Guest(server, generation, name="Ada"), Guest(server, generation, name="Bob")
    carrier = bob.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    ada.peer.emit("point", 1, 2)
    assert bob.heard() == [["pointed", "Ada", 1, 2]]
    carrier.blocked = True
    ada.peer.emit("trade", "ACME", 10)
    ada.peer.emit("point", 3, 4)
    ada.peer.emit("trade", "ACME", 11)
    ada.peer.emit("trade", "PEAR", 5)
    carrier.unblock()
    assert bob.heard() == [["price", "ACME", 11], ["price", "PEAR", 5]]
    carrier.blocked = True
    for number in range(1100):
        ada.peer.emit("trade", f"{number:0100}", 1)
    assert capsys.readouterr().out == "Bob has not read 100,000 bytes and was cut off\n"


@generations
def test_limits_are_told_and_end_in_a_goodbye(generation: Generation) -> None:
    server = serve("limits")
    pair = Pair(server, generation=generation)
    guest = Guest(server, generation)
    assert [guest.ask("say", f"hello {number}") for number in range(1, 6)] == [["said"]] * 5
    ((answer,), heard) = (guest.ask("say", "hello 6") or [], pair.peer.take())
    assert answer["error"]["message"].startswith("the event 'say' is dropped: a client may send 5 in a second")
    assert len(heard) == 5
    pair.clock.advance(1)
    assert guest.ask("say", "hello 7") == ["said"]
    for _ in range(4 + 98):
        guest.peer.emit("say", "hello")
    assert guest.peer.closed is None
    guest.peer.emit("say", "hello")
    assert guest.peer.closed is not None
    assert server.sockets() == [pair.socket]
    pair.peer.emit("say", "x" * 10_000)
    assert pair.peer.closed == 1009


def test_operations_serves_its_numbers_beside_the_clients() -> None:
    async def test() -> None:
        example = load("operations")
        listening, port = bind_unused_port()
        http = HTTPServer(Application([("/stats", example["Numbers"]), *routes(example["server"])]))
        http.add_sockets([listening])
        client = AsyncHTTPClient()

        async def numbers() -> Any:
            return json.loads((await client.fetch(f"http://127.0.0.1:{port}/stats")).body)

        assert (await numbers())["sessions"] == {}
        guest = Guest(example["server"])
        assert guest.ask("echo", "hello") == ["hello"]
        after = await numbers()
        assert after["sessions"] == {"Engine.IO 4": {"websocket": 1}}
        assert after["handlers"]["/"]["echo"]["calls"] == 1
        http.stop()
        await example["server"].close()
        assert guest.peer.closed is not None
        await http.close_all_connections()

    on_a_loop(test)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_operations_ends_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    program = tmp_path / "operations.py"
    source = (EXAMPLES / "operations.py").read_text("utf-8")
    program.write_text(
        source.replace("8000", str(port)).replace("await stop", "print('ready', flush=True)\n    await stop")
    )
    with running(tmp_path, program=(str(program),)) as command:
        command.until("ready")
        with TextClient(f"http://127.0.0.1:{port}") as client:
            client.enter()
            assert client.ask('421["echo","hello"]') == '431["hello"]'
            command.process.send_signal(number)
            assert client.until_closed() == "close 1001"
        assert command.end() == 0
    assert "Error" not in command.log.read_text()


@pytest.mark.parametrize("name", sorted(name for name in load("testing") if name.startswith("test_")))
def test_the_tests_of_the_example_pass(name: str) -> None:
    load("testing")[name]()


@generations
def test_background_ticks_for_everybody_and_says_farewell(
    generation: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = load("background")["server"]
    with Pair(server, generation=generation) as pair:
        pair.clock.advance(2)
        assert pair.peer.events() == [("tick", 1), ("tick", 2)]
        closing = server.close()
        assert pair.peer.events() == [("farewell", "back in a minute")]
        pair.clock.advance(0.1)
        assert closing.done
    assert [record.getMessage() for record in caplog.records] == ["the server has started", "2 ticks"]
