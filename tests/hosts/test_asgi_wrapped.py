"""On ASGI: middleware that does what is unusual: it wraps `receive`, or cancels a call."""

import asyncio
from typing import Any

import pytest

from hosts.suite.echo import Echo
from hosts.test_asgi import Call, http, run, sid_of
from waterspout import Reason, Server
from waterspout.hosts.asgi import App
from waterspout.hosts.asgirequests import Event, Receive, Scope, Send
from waterspout.hosts.residence import Residence

POLLING = "EIO=4&transport=polling"
ASKED: Event = {"type": "http.request", "body": b"", "more_body": False}


def posting(sid: str, body: bytes) -> Scope:
    fields = [(b"content-length", b"%d" % len(body))]
    return {**http("POST", f"{POLLING}&sid={sid}"), "headers": fields}


def end(echo: Echo) -> None:
    """End the sessions, which else would have a second to fetch their goodbye."""
    for session in list(echo.server.engine.sessions.values()):
        session.drop(Reason.TRANSPORT_CLOSE)


def test_a_body_that_is_told_again_and_again_stops_nobody() -> None:
    """As by middleware that has read the body, and gives the application a `receive` that returns it at each call."""

    async def test() -> None:
        echo = Echo()
        echo.server.expose("/feed", echo.server.channel("feed"))
        app = App(echo.server)

        async def replayed(scope: Scope, receive: Receive, send: Send) -> None:
            event = await receive()

            async def again() -> Event:
                return event

            await app(scope, again, send)

        sid = sid_of(await Call(replayed, http("GET", POLLING), ASKED).done())
        entered = await Call(replayed, posting(sid, b"40"), {"type": "http.request", "body": b"40"}).done()
        assert entered[1]["body"] == b"ok"
        await Call(replayed, http("GET", f"{POLLING}&sid={sid}"), ASKED).done()
        poll = Call(replayed, http("GET", f"{POLLING}&sid={sid}"), ASKED)
        stream = Call(replayed, {**http("GET", ""), "path": "/feed"}, ASKED)
        for _ in range(20):
            await asyncio.sleep(0)
        assert echo.has_parked(sid)
        echo.server.emit("news", 1)
        assert (await poll.done())[1]["body"] == b'42["news",1]'
        end(echo)
        await echo.server.close()
        await stream.done()

    run(test())


def test_a_body_without_an_announcement_is_read() -> None:
    """As behind middleware that decompresses it, and leaves the length out."""

    async def test() -> None:
        echo = Echo()
        app = App(echo.server)
        sid = sid_of(await Call(app, http("GET", POLLING)).done())
        parts: list[Event] = [{"type": "http.request", "body": b"4", "more_body": True}]
        entered = await Call(
            app, http("POST", f"{POLLING}&sid={sid}"), *parts, {"type": "http.request", "body": b"0"}
        ).done()
        assert (entered[0]["status"], entered[1]["body"]) == (200, b"ok")
        end(echo)
        await echo.server.close()

    run(test())


def test_a_receive_that_makes_an_event_of_its_cancellation_leaves_no_cancellation_behind() -> None:
    async def test() -> None:
        echo = Echo()
        app = App(echo.server)
        left: list[int] = []

        async def kept(scope: Scope, receive: Receive, send: Send) -> None:
            async def quiet() -> Event:
                try:
                    return await receive()
                except asyncio.CancelledError:
                    return {"type": "http.disconnect"}

            await app(scope, quiet, send)
            task = asyncio.current_task()
            assert task is not None
            left.append(task.cancelling())

        sid = sid_of(await Call(kept, http("GET", POLLING)).done())
        await Call(kept, posting(sid, b"40"), {"type": "http.request", "body": b"40"}).done()
        await Call(kept, http("GET", f"{POLLING}&sid={sid}")).done()
        poll = Call(kept, http("GET", f"{POLLING}&sid={sid}"))
        while not echo.has_parked(sid):
            await asyncio.sleep(0)
        echo.server.emit("news", 1)
        assert (await poll.done())[1]["body"] == b'42["news",1]'
        assert left == [0, 0, 0, 0]
        end(echo)
        await echo.server.close()

    run(test())


def test_a_stream_whose_call_is_cancelled_as_it_begins_leaves_nothing() -> None:
    async def test() -> None:
        server = Server()
        feed = server.channel("feed")
        asked, answer = asyncio.Event(), asyncio.Event()

        async def decide(request: Any) -> Any:
            asked.set()
            await answer.wait()
            return feed

        server.expose("/feed", decide)
        app = App(server)
        call = Call(app, {**http("GET", ""), "path": "/feed"})
        await asked.wait()
        output = Residence.of(server.engine).output
        answer.set()
        while not output.open_links and not call.task.done():
            await asyncio.sleep(0)
            if output.open_links:
                call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
        assert (feed.count, output.open_links) == (0, set())
        await server.close()

    run(test())


def test_what_a_client_sends_before_it_is_accepted_is_received() -> None:
    async def test() -> None:
        echo = Echo()
        asked, answer = asyncio.Event(), asyncio.Event()

        async def decide(request: Any) -> None:
            asked.set()
            await answer.wait()

        echo.server.on_handshake(decide)
        scope = {**http("GET", "EIO=4&transport=websocket"), "type": "websocket"}
        call = Call(App(echo.server), scope, {"type": "websocket.connect"})
        await asked.wait()
        for message in ("40", '420["echo",1]'):
            call.events.put_nowait({"type": "websocket.receive", "text": message})
        for _ in range(20):
            await asyncio.sleep(0)
        answer.set()
        while len(call.sent) < 4:
            await asyncio.sleep(0)
        assert [str(event.get("text"))[:2] for event in call.sent[1:]] == ["0{", "40", "43"]
        call.events.put_nowait({"type": "websocket.disconnect"})
        await call.done()
        end(echo)
        await echo.server.close()

    run(test())
