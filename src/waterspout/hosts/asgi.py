"""Inside any ASGI application: FastAPI, Starlette, Litestar, Quart, Django; on uvicorn, hypercorn, granian or daphne.

    app = App(server, other_asgi_app)                       # the server's paths are its own, all others the other's
    fastapi_app.mount("/socket.io", App(server))            # at one path of an application

How it works: the server calls the application in a task for each request, which an intake serves (`asgiintakes`). ASGI
lends no socket: a WebSocket's messages and the content of an answer are all that is there (`asgilinks`), and a
connection cannot be cut.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from weakref import WeakSet

from ..engine import Engine
from .asgiintakes import INTAKES
from .asgirequests import AsgiApplication, Event, Paths, Receive, Scope, Send
from .loops import settle
from .residence import Mountable, Residence, engine_of
from .signals import chain

__all__ = ["App"]

TELLING_TIMEOUT = 0.5  # s that clients have to be told before the server is: it may close their connections at once


class App:
    """An ASGI application that lets a server have the requests for its paths, and another application all others.

    Without another application, all else is "not found". The event `lifespan` is for both; a server that sends none
    works too. An application that has this one mounted is given none: let it have `lifespan`, as in
    `FastAPI(lifespan=app.lifespan)`, or the server starts with its first request.
    At SIGTERM and SIGINT all clients are told the end at once, before the server waits for its connections.
    """

    def __init__(self, server: Mountable, other_asgi_app: AsgiApplication | None = None) -> None:
        self.engine = engine_of(server)
        self._server = server
        self._application = _nothing if other_asgi_app is None else other_asgi_app
        self._residence = Residence.of(self.engine)
        self._engines: tuple[Engine, ...] = (self.engine,)  # with those of the Apps behind this one
        if isinstance(other_asgi_app, App):
            self._engines += other_asgi_app._engines
        self._paths = Paths(*self._engines)
        _APPS.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call of the server's."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(scope, receive, send)
        elif kind not in INTAKES or (path := self._paths.find(scope)) is None:
            await self._application(scope, receive, send)
        else:
            if self._residence.home is None:
                _watch_signals()
            await INTAKES[kind](self._residence, scope, receive, send).serve(path)

    @asynccontextmanager
    async def lifespan(self, application: object = None) -> AsyncIterator[None]:
        """Start the server, and close it at the end: the `lifespan` of an application that has this one mounted.

        It does neither to a server that has the clock of a test, whose fixtures do both.
        """
        driver = self.engine.driver
        if not driver.reaches_network and not driver.is_over(idle=True):
            yield
            return
        settle(self._residence)
        _watch_signals()
        try:
            yield
        finally:
            await self._server.close()
            await self._residence.drain()

    def end(self, told: Callable[[], object]) -> bool:
        """Tell all clients the end, from a signal's handler; False where the server is not in use: no loop runs it.

        `told` is called once they have been told, or after a while.
        """
        home = self._residence.home
        if not isinstance(home, asyncio.AbstractEventLoop) or not home.is_running():
            return False
        home.call_soon_threadsafe(self._end, home, told)
        return True

    def _end(self, home: asyncio.AbstractEventLoop, told: Callable[[], object]) -> None:
        home.call_later(TELLING_TIMEOUT, told)
        closed = self._server.close()
        closed.add_done_callback(lambda closed: self._residence.drain().add_done_callback(lambda drained: told()))

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass `lifespan` on: the server starts before the other application does, and ends before that.

        An application that knows no lifespan raises before it has received an event (ASGI, "Lifespan Protocol").
        """
        life = self.lifespan()
        has_received = False

        async def received() -> Event:
            nonlocal has_received
            has_received = True
            event = await receive()
            if event["type"] == "lifespan.startup":
                await life.__aenter__()
            elif event["type"] == "lifespan.shutdown":
                await life.__aexit__(None, None, None)
            return event

        try:
            await self._application(scope, received, send)
        except Exception:
            if has_received:
                raise
            await _nothing(scope, received, send)


def residences_of(application: object) -> dict[str, Residence]:
    """Return where the sessions live that poll at a path: those of an `App`, and of the Apps behind it."""
    if type(application) is not App:
        return {}
    path, residence = application.engine.path, application._residence
    return {**residences_of(application._application), path: residence, f"{path}/": residence}


def is_mounted() -> bool:
    """Tell whether there is any `App` in this process."""
    return bool(_APPS)


_APPS: "WeakSet[App]" = WeakSet()


def _watch_signals() -> None:
    chain(_end_all)


def _end_all(go_on: Callable[[], object]) -> None:
    """Tell the clients of all servers the end, and then go on."""
    telling: set[App] = set()

    def told(app: App) -> None:
        telling.discard(app)
        if not telling:
            go_on()

    for app in list(_APPS):
        if app.end(partial(told, app)):
            telling.add(app)
    if not telling:
        go_on()


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """The application that is not there: it lives as long as the server, and has nothing."""
    if scope["type"] == "lifespan":
        while (event := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{event['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"9")]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": fields})
        await send({"type": "http.response.body", "body": b"not found"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
