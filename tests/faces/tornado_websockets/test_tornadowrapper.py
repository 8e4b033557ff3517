"""TornadoWrapper: the handlers in their order, the application, where it listens, and what it displays."""

import asyncio
from typing import Any

import pytest
from tornado.web import Application, RequestHandler

from faces.tornado_websockets.site import Site, event, got
from hosts.certificate import Certificate
from hosts.running import certificate
from waterspout import Server
from waterspout.faces.tornado_websockets.djangoapp import DjangoApp, django_app
from waterspout.faces.tornado_websockets.tornadowrapper import TornadoWrapper
from waterspout.faces.tornado_websockets.websocket import WebSocket
from waterspout.hosts.tornado import routes

__all__ = ["certificate"]

A, B, C, D = ((f"/{name}", RequestHandler) for name in "abcd")


def test_tw_11_the_state_is_of_the_class_and_has_the_names_of_both_versions() -> None:
    assert (TornadoWrapper.tornado_app, TornadoWrapper.tornado_server, TornadoWrapper.tornado_port) == (None, None, 0)
    assert TornadoWrapper.handlers is TornadoWrapper.tornado_handlers
    TornadoWrapper.handlers = mine = [A]
    assert TornadoWrapper.tornado_handlers is mine
    TornadoWrapper.start_app()
    assert isinstance(TornadoWrapper.app, Application)
    assert TornadoWrapper.app is TornadoWrapper.tornado_app


def test_tw_12_handlers_are_added_in_front_and_returned() -> None:
    assert TornadoWrapper.add_handlers(A) == [A]
    assert TornadoWrapper.add_handlers([B, C]) == [B, C, A]
    assert TornadoWrapper.add_handlers((("/x", RequestHandler), D)) == [("/x", RequestHandler), D, B, C, A]
    assert TornadoWrapper.add_handler([]) == TornadoWrapper.tornado_handlers


@pytest.mark.parametrize("handlers", ["/a", None, {"/a": RequestHandler}, 5])
def test_tw_12_other_types_are_refused(handlers: Any) -> None:
    with pytest.raises(TypeError, match=r"^Expected a list or a tuple for handlers\.$"):
        TornadoWrapper.add_handlers(handlers)


def test_tw_13_other_types_are_refused() -> None:
    wrong: Any = ((A,), {}, "")
    for handlers in wrong:
        with pytest.raises(TypeError, match=r"^Expected a list for Tornado handlers\.$"):
            TornadoWrapper.start_app(tornado_handlers=handlers)
    wrong = ([], "", 5)
    for settings in wrong:
        with pytest.raises(TypeError, match=r"^Expected a dictionary for Tornado settings\.$"):
            TornadoWrapper.start_app(tornado_settings=settings)
    assert TornadoWrapper.tornado_app is None


@pytest.mark.parametrize("names", [("tornado_handlers", "tornado_settings"), ("handlers", "settings")])
def test_tw_13_the_application_has_the_handlers_and_the_settings(names: tuple[str, str]) -> None:
    TornadoWrapper.add_handlers(A)
    TornadoWrapper.start_app(**{names[0]: [B], names[1]: {"mine": 1}})
    app = TornadoWrapper.app
    assert [rule.matcher.regex.pattern for rule in app.wildcard_router.rules] == ["/a$", "/b$"]
    assert app.settings["mine"] == 1


@pytest.mark.parametrize("port", ["8000", None, 8000.0, True])
def test_tw_15_a_port_is_an_integer(port: Any) -> None:
    TornadoWrapper.start_app()
    with pytest.raises(TypeError, match=r"^Expected an integer for Tornado port\.$"):
        TornadoWrapper.listen(port)


def test_tw_15_an_application_comes_first() -> None:
    with pytest.raises(TypeError, match="not instantiated, call TornadoWrapper"):
        TornadoWrapper.listen(8000)


def test_tw_14_what_is_displayed_keeps_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    TornadoWrapper.display()
    assert capsys.readouterr().out == ""
    WebSocket("/chat")
    secrets = {"cookie_secret": "abc", "api_key": "def", "google_oauth": {"id": "ghi"}}
    TornadoWrapper.start_app([A, *routes(Server())], {**secrets, "compress_response": True})
    TornadoWrapper.display()
    shown = capsys.readouterr().out
    assert "/ws/chat$" in shown
    assert "/a$" in shown
    assert "a server at /socket.io" in shown
    assert "compress_response = True" in shown
    assert "cookie_secret = ***" in shown
    assert not any(secret in shown for secret in ("abc", "def", "ghi"))


def test_tw_19_django_app_is_a_route_and_can_be_called() -> None:
    assert django_app() is django_app
    assert isinstance(django_app, DjangoApp)
    assert django_app[0] == ".*"
    assert len(django_app) == 3


class WrapperSite(Site):
    """Serves by TornadoWrapper."""

    async def begin(self, **options: Any) -> None:
        self._mounted.append(WebSocket.server)
        TornadoWrapper.start_app()
        TornadoWrapper.listen(0, "127.0.0.1", **options)
        self.port = TornadoWrapper.tornado_port
        self.http = TornadoWrapper.server


@pytest.mark.parametrize("secure", [False, True])
def test_tw_11_15_20_it_serves_also_websockets_that_are_declared_later_and_https(
    certificate: Certificate, secure: bool
) -> None:
    site = WrapperSite(asyncio.new_event_loop, client_tls=certificate.client if secure else None)

    async def test() -> None:
        first = WebSocket("/first")
        first.on(echo)
        await site.begin(**({"ssl_options": certificate.server} if secure else {}))
        await site.until(lambda: site.http._sockets)
        later = WebSocket("/later")
        later.on(echo)
        for path in ("/first", "/later"):
            wire = await site.open(path)
            wire.send(event("echo", {"a": 1}))
            assert await got(wire) == ("echo", {"a": 1})

    def echo(socket: Any, data: Any) -> None:
        socket.emit("echo", data)

    site.run(test())
