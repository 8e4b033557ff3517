"""Three applications in the habits of those that were published; `-m clients.tornadio2_habits` serves them.

They are as they would have been written then, but for one line. It prints the port, and serves until SIGTERM.
"""

import queue
import signal
import threading
from typing import Any

import tornado.ioloop
import tornado.web

import waterspout.faces

waterspout.faces.install("tornadio2")  # the one line

import tornadio2  # type: ignore[import-not-found]  # noqa: E402
from tornadio2 import event, gen  # noqa: E402

# Work that is done by threads, which tell of it themselves, and one that tells everybody


class Worker(tornadio2.SocketConnection):  # type: ignore[misc]
    clients: set[Any] = set()  # noqa: RUF012
    news: "queue.Queue[str | None]" = queue.Queue()

    def on_open(self, info: Any) -> None:
        self.clients.add(self)

    def on_message(self, message: Any) -> None:
        self.news.put(message)

    def on_close(self) -> None:
        self.clients.discard(self)

    @event
    def go(self, count: int) -> None:
        for number in range(4):
            threading.Thread(target=self.work, args=(number, count)).start()

    def work(self, thread: int, count: int) -> None:
        for number in range(count):
            self.emit("progress", thread, number)
        self.emit("done", thread=thread)

    @event("ask me")
    def ask(self) -> None:
        threading.Thread(target=self.emit_ack, args=(self.answered, "question", 6, 7)).start()

    def answered(self, message: Any, data: Any) -> None:
        self.emit("answered", message[0], data)

    @classmethod
    def tell(cls) -> None:
        while (message := cls.news.get()) is not None:
            for client in list(cls.clients):
                client.send(message)


# Events that are registered by a decorator of the application's own, and "everybody" by the session's server

COMMANDS: dict[str, Any] = {}


def command(name: str) -> Any:
    def register(function: Any) -> Any:
        COMMANDS[name] = function
        return function

    return register


class Dispatcher(tornadio2.SocketConnection):  # type: ignore[misc]
    def on_message(self, message: Any) -> None:
        pass

    @event
    def marked(self, name: str) -> str:
        return "marked " + name

    def everybody(self) -> list[Any]:
        return [session.conn for session in list(self.session.server._sessions._items.values())]


@command("add")
def add(connection: Any, one: int, other: int) -> int:
    return one + other


@command("shout")
def shout(connection: Any, text: str) -> tuple[str, int]:
    everybody = connection.everybody()
    for other in everybody:
        other.emit("shouted", text)
    return text, len(everybody)


Dispatcher._events.update(COMMANDS)


# Django's sessions, which are found by a cookie; who has none may not enter


class Store:
    """What the database would be: it answers later, by a callback."""

    SESSIONS = {"5f2a": {"user": "joe", "visits": 0}, "77c1": {"user": "mary", "visits": 5}}  # noqa: RUF012

    def visits(self, key: str, callback: Any) -> None:
        self.SESSIONS[key]["visits"] += 1  # type: ignore[operator]
        threading.Thread(target=callback, args=(self.SESSIONS[key]["visits"],)).start()


class Account(tornadio2.SocketConnection):  # type: ignore[misc]
    store = Store()

    def on_open(self, info: Any) -> Any:
        morsel = info.get_cookie("sessionid")
        session = self.store.SESSIONS.get(morsel.value) if morsel is not None else None
        if session is None:
            return False
        self.key, self.user = morsel.value, session["user"]
        self.emit("hello", user=self.user)
        return None

    @gen.sync_engine
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return super().on_event(name, *args, **kwargs)

    def on_message(self, message: Any) -> None:
        pass

    @event("visit")
    def visit(self) -> Any:
        visits = yield gen.Task(self.store.visits, self.key)
        self.emit("visits", user=self.user, visits=visits)

    @event("whoami")
    def whoami(self) -> Any:
        return self.session.handler.request.cookies["sessionid"].value


def main() -> None:
    routes: list[Any] = []
    for namespace, connection in (("worker", Worker), ("dispatcher", Dispatcher), ("account", Account)):
        tornadio2.TornadioRouter(connection, namespace=namespace).apply_routes(routes)
    application = tornado.web.Application(routes, socket_io_port=0, socket_io_address="127.0.0.1")
    server = tornadio2.SocketServer(application, auto_start=False)
    loop = tornado.ioloop.IOLoop.current()
    signal.signal(signal.SIGTERM, lambda *_: loop.add_callback_from_signal(loop.stop))
    telling = threading.Thread(target=Worker.tell)
    telling.start()
    print(server.port, flush=True)
    loop.start()
    Worker.news.put(None)
    telling.join()


if __name__ == "__main__":
    main()
