"""An application of TornadIO2: `-m clients.tornadio2` prints its port and serves until SIGTERM."""

import asyncio
import signal
from typing import Any

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web

from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, gen

members: set[Any] = set()
left: list[Any] = []


class Chat(SocketConnection):
    """An endpoint, and what the main connection does, too."""

    def on_open(self, request: Any) -> Any:
        if request.get_argument("refuse"):
            return False
        self.name = request.get_argument("name", "nobody")
        self.emit("welcome", name=self.name)
        members.add(self)
        return None

    def on_message(self, message: Any) -> Any:
        self.send(message)

    def on_close(self) -> None:
        if self in members:
            members.remove(self)
            left.append(self.name)

    @event
    def ack(self, *args: Any) -> Any:
        return args

    @event("hello")
    def test(self, name: str) -> None:
        self.emit("thanks", name=name)
        self.emit("hello", name, "foobar")

    @event("names")
    def names(self) -> Any:
        return "Joes", "Mike", "Mary"

    @event("nothing")
    def nothing(self) -> None:
        return None

    @event("question")
    def question(self) -> None:
        self.emit_ack(lambda message, data: self.emit("answered", message[0], data), "q", "a+b")

    @event("shout")
    def shout(self, text: str) -> None:
        for member in members:
            if member.endpoint == self.endpoint:
                member.emit("said", self.name, text)

    @event("later")
    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0.01)
        return value

    @event("later by yield")
    @gen.sync_engine
    def later_by_yield(self, value: Any) -> Any:
        loop = tornado.ioloop.IOLoop.current()
        yield gen.Task(loop.add_timeout, loop.time() + 0.01)
        return value

    @event("fail")
    def fail(self) -> None:
        raise ValueError("a handler of the test fails")

    @event("leave")
    def leave(self) -> None:
        self.close()

    @event("left")
    def has_left(self, name: str) -> Any:
        return name in left


class Main(Chat):
    """The router's class."""

    __endpoints__ = {"/chat": Chat, "/ping": Chat}  # noqa: RUF012


router = TornadioRouter(Main, {"heartbeat_interval": 1, "xhr_polling_timeout": 1})


async def main() -> None:
    """Serve."""
    (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(tornado.web.Application(router.apply_routes([])))
    server.add_sockets([socket])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print(socket.getsockname()[1], flush=True)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
