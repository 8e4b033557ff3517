"""Plain WebSockets over real connections, to a namespace and to a channel."""

import json
from typing import Any

from hosts.client import HANDSHAKE, Wire, request, text
from hosts.host import Host
from waterspout import HandshakeRefused, Server, Socket


async def begin(host: Host, path: str, *fields: tuple[str, str]) -> tuple[Wire, Any]:
    """Open a WebSocket."""
    wire = await host.connect()
    wire.send(request("GET", path, *HANDSHAKE, *fields))
    return wire, await wire.answer()


class PlainWebSockets:
    """The tests of one host; it has a fixture `host`."""

    async def test_events_are_answered_and_sent_to_all(self, host: Host) -> None:
        server = Server()
        chat = server.of("/chat")
        server.expose("/ws", chat)

        @chat.on("say")
        def say(socket: Socket, words: str) -> int:
            chat.emit("said", words)
            return len(words)

        await host.serve(server)
        wires = []
        for _ in range(2):
            wire, answer = await begin(host, "/ws", ("Sec-WebSocket-Protocol", "waterspout.json.v1"))
            assert answer.status == 101
            assert answer.field("sec-websocket-protocol") == "waterspout.json.v1"
            assert set(json.loads(await wire.text())) == {"connect"}
            wires.append(wire)
        wires[0].send(text('{"event":"say","data":"hi","id":1}', "{}"))
        for wire in wires:
            assert json.loads(await wire.text()) == {"event": "said", "data": "hi"}
        assert [json.loads(await wires[0].text()) for _ in range(2)] == [{"id": 1, "data": 2}, {}]
        wires[1].send(text("nonsense"))
        assert await wires[1].closing() == 4400
        await server.close()
        assert await wires[0].closing() == 1001

    async def test_a_subscriber_resumes(self, host: Host) -> None:
        server = Server()
        prices = server.channel("prices")
        server.expose("/prices", prices)
        await host.serve(server)
        wire, _ = await begin(host, "/prices?fields=id,data")
        opened = json.loads(await wire.text())
        first = await prices.publish(1)
        assert json.loads(await wire.text()) == {"id": first, "data": 1}
        wire.reset()
        await prices.publish(2)
        again, _ = await begin(host, f"/prices?fields=data&last_event_id={first}")
        assert json.loads(await again.text()) == {"data": 2}
        all_of_it, _ = await begin(host, f"/prices?last_event_id={opened['id']}")
        assert [json.loads(await all_of_it.text()) for _ in range(2)] == [{"data": 1}, {"data": 2}]
        await server.close()

    async def test_a_function_refuses_before_the_greeting(self, host: Host) -> None:
        server = Server()

        @server.expose("/rooms/{name}")
        async def find(request: Any, name: str) -> Any:
            if name != "open":
                raise HandshakeRefused(403, "not you")
            return server.of("/open")

        await host.serve(server)
        _, refused = await begin(host, "/rooms/closed")
        assert (refused.status, refused.body) == (403, b"not you")
        wire, answer = await begin(host, "/rooms/open")
        assert answer.status == 101
        await server.close()
        assert await wire.closing() == 1001
