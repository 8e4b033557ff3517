"""Django: the app for INSTALLED_APPS, its sessions and users, its hosts, and its database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import waterspout
from waterspout.faces.tornado_websockets.djangoapp import allows_origin

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from waterspout.faces.tornado_websockets import django_app

told = {}
called = django_app()  # as settings.py does

from django.conf import settings
from waterspout.faces.tornado_websockets.djangoapp import allows_origin, configuration
told["hosts without settings"] = [allows_origin(origin, "a.example:8000") for origin in ("http://a.example:8000", "http://a.example")]
settings.configure(
    ALLOWED_HOSTS=[".example.com", "[::1]"],
    SECRET_KEY="x",
    ROOT_URLCONF="urls",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "waterspout.faces.tornado_websockets",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path.cwd() / "database")}},
    TORNADO={"threads": 2, "address": "127.0.0.1"},
)
Path("urls.py").write_text('''
import django.apps
assert django.apps.apps.ready
from tornado_websockets.websocket import WebSocket
ws = WebSocket("/test")
urlpatterns = []
''')
sys.path.insert(0, ".")
from waterspout.faces.tornado_websockets.tornadowrapper import TornadoWrapper
TornadoWrapper.start_app([called])  # calls django.setup(), and imports the URLs
import tornado_websockets, waterspout.faces.tornado_websockets
import urls
told["one module"] = tornado_websockets is waterspout.faces.tornado_websockets
told["autodiscovered"] = [handler[0] for handler in TornadoWrapper.handlers]
told["routes"] = [rule.matcher.regex.pattern for rule in TornadoWrapper.app.wildcard_router.rules]
told["configuration"] = configuration()
from django.core.checks import run_checks
told["checks"] = [[one.msg, one.hint] for one in run_checks() if one.id.startswith("tornado_websockets")]
from django.core.management import CommandError, call_command
told["not ports"] = []
for port in ("127.0.0.1:8000", "70000", "-1", "²"):
    try:
        call_command("runtornado", port)
    except CommandError as error:
        told["not ports"].append(str(error))

from django.contrib.sessions.backends.signed_cookies import SessionStore
session = SessionStore()
session["name"] = "Ada"
session.save()

from django.db import connection
from hosts.client import HANDSHAKE, request, text
from hosts.host import Host

@urls.ws.on
def open(socket):
    socket.emit("told", {
        "name": socket.django_request.session.get("name"),
        "user": socket.django_request.user.is_authenticated,
        "path": socket.django_request.path,
        "query": socket.django_request.GET["q"],
    })

def ask(socket):
    with connection.cursor() as cursor:
        socket.emit("answer", {"is": cursor.execute("select 1 + 1").fetchone()[0]})

async def ask_async(socket):
    from asgiref.sync import sync_to_async
    await sync_to_async(ask)(socket)

urls.ws.bind_event("ask", ask)
urls.ws.bind_event("ask_async", ask_async)
def told_by_error(data):
    told["guard"] = type(data["error"]).__name__
    data["socket"] = None
urls.ws.bind_event("error", told_by_error)

async def open_one(cookie, origin=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", TornadoWrapper.tornado_port)
    fields = [("Cookie", cookie)] + ([("Origin", origin)] if origin else [])
    writer.write(request("GET", "/ws/test?q=1", *HANDSHAKE, *fields))
    status = int((await reader.readuntil(b"\\r\\n\\r\\n")).split()[1])
    return status, reader, writer

async def message(reader):
    _, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    return json.loads(await reader.readexactly(size))["data"]

async def main():
    import os
    TornadoWrapper.listen(0, "127.0.0.1")
    await asyncio.sleep(0)
    status, reader, writer = await open_one(f"sessionid={session.session_key}")
    told["session"] = await message(reader)
    status, other, other_writer = await open_one(f"sessionid={session.session_key}x")
    told["forged"] = await message(other)
    writer.write(text('{"event": "ask"}'))
    while "guard" not in told:
        await asyncio.sleep(0.001)
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    writer.write(text('{"event": "ask"}'))
    told["unsafe"] = await message(reader)
    told["closed"] = connection.connection is None
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = ""
    writer.write(text('{"event": "ask_async"}'))
    told["async"] = await message(reader)
    urls.ws.threaded = True
    writer.write(text('{"event": "ask"}'))
    told["threaded"] = await message(reader)
    for origin in ("http://example.com", "https://chat.EXAMPLE.com:8443", "http://[::1]:3000", "http://localhost",
                   "http://evil.example", "http://example.com.evil.example", "http://evil.example\\\\@example.com",
                   "http://evilexample.com", "http://example.com, http://evil.example", "http://[::1", "null"):
        told[origin], _, closed = await open_one("", origin)
        closed.close()
    settings.ALLOWED_HOSTS = ["*"]
    for origin in ("http://localhost", "http://evil.example", "http://example.com"):
        told["* " + origin], _, closed = await open_one("", origin)
        closed.close()
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    for origin in ("http://localhost:3000", "http://example.com"):
        told["debug " + origin], _, closed = await open_one("", origin)
        closed.close()
    writer.close(), other_writer.close()
    TornadoWrapper.server.stop()
    await urls.ws.server.close()

asyncio.run(main())
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a project tells, which is a process of its own, for Django has its settings once."""
    folder = tmp_path_factory.mktemp("project")
    tests = Path(__file__).parents[2]
    path = os.pathsep.join([str(Path(waterspout.__file__).parent.parent), str(tests)])
    environment = {**os.environ, "PYTHONPATH": path, "DJANGO_ALLOW_ASYNC_UNSAFE": ""}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_tw_20_the_app_has_the_original_name_and_finds_the_websockets_of_the_views(told: dict[str, Any]) -> None:
    assert told["one module"] is True
    assert told["autodiscovered"] == ["/ws/test"]
    assert told["routes"] == ["/ws/test$", ".*$"]


def test_tw_18_without_settings_there_are_defaults(told: dict[str, Any]) -> None:
    told["configuration"].pop("address")
    defaults = {"port": 8000, "handlers": [], "settings": {}, "server": {}, "max_bytes": 100_000_000}
    assert told["configuration"] == {**defaults, "threads": 2}


def test_what_is_configured_at_the_wrong_place_is_reported_with_the_right_one(told: dict[str, Any]) -> None:
    [[message, hint]] = told["checks"]
    assert message == "nothing reads TORNADO['address']"
    assert hint.endswith("options of the HTTP server, such as address, belong to server.")
    for text, error in zip(["127.0.0.1:8000", "70000"], told["not ports"], strict=False):
        assert f'{text!r} is no port (for an address, set TORNADO["server"]["address"])' in error
    assert len(told["not ports"]) == 4


def test_open_sees_the_session_and_the_user_of_django(told: dict[str, Any]) -> None:
    assert told["session"] == {"name": "Ada", "user": False, "path": "/ws/test", "query": "1"}
    assert told["forged"]["name"] is None


def test_handlers_may_ask_the_database_in_each_way(told: dict[str, Any]) -> None:
    assert told["guard"] == "SynchronousOnlyOperation"  # where nobody has said that it may, as `runtornado` does
    assert told["unsafe"] == told["async"] == told["threaded"] == {"is": 2}
    assert told["closed"] is True


def test_pp_36_allowed_hosts_decides_which_pages_may_connect(told: dict[str, Any]) -> None:
    assert told["hosts without settings"] == [True, False]
    assert not allows_origin("null", "")
    assert not allows_origin("null", "null")
    assert not allows_origin("http://", "")
    allowed = {"http://example.com", "https://chat.EXAMPLE.com:8443", "http://[::1]:3000"}
    allowed |= {"* http://localhost", "debug http://localhost:3000"}
    origins = {name: status for name, status in told.items() if type(status) is int}
    assert len(origins) == 16
    assert {name for name, status in origins.items() if status == 101} == allowed
    assert set(origins.values()) == {101, 403}
