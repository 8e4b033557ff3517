"""A Django project with sockets, in a process of its own: its settings are global."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving import PATIENCE

SOCKETS = """
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.sdjango import namespace

@namespace("/chat")
class Chat(BaseNamespace):
    def on_who(self):
        from django.db import connection
        name = type(self.request).__name__
        return self.request.path, self.request.GET["name"], name, connection.in_atomic_block

@namespace()
class Main(BaseNamespace):
    pass
"""
URLS = """
from django.http import HttpResponse
from django.urls import include, path, re_path
from waterspout.faces import gevent_socketio as socketio
from waterspout.faces.gevent_socketio import sdjango

socketio.sdjango.autodiscover()
urlpatterns = [
    path("page", lambda request: HttpResponse("a page")),
    re_path(r"^other\\.io", include(socketio.sdjango.urls)),
    re_path("", include(socketio.sdjango.urls)),
]
"""
PROJECT = """
from gevent import monkey; monkey.patch_all()
import http.client, json
import django
from django.conf import settings

MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True}}
settings.configure(
    DATABASES=DATABASES,
    ALLOWED_HOSTS=["*"], ROOT_URLCONF="urls", INSTALLED_APPS=["shop", "plain"], MIDDLEWARE=MIDDLEWARE, SECRET_KEY="x"
)
"""
TALK = """
from django.core.wsgi import get_wsgi_application
from waterspout.faces.gevent_socketio import SocketIOServer, sdjango

def ask(path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET" if body is None else "POST", path, body)
    said = connection.getresponse().read().decode()
    connection.close()
    return said

def talk(resource):
    path = "/" + resource + "/1/xhr-polling/" + ask("/" + resource + "/1/?name=Ada").partition(":")[0]
    ask(path, "1::/chat"), ask(path, '5:1+:/chat:{"name":"who"}')
    said = ""
    while "6::" not in said:
        said += ask(path)
    return json.loads(said.partition("6::/chat:1+")[2])

answers = []
for resource in ("socket.io", "other.io"):
    server = SocketIOServer(("127.0.0.1", 0), get_wsgi_application(), resource=resource, log=None)
    server.start()
    answers += [talk(resource), ask("/page")]
    server.stop(timeout=1)
print(json.dumps([answers, sorted(sdjango.SOCKETIO_NS), sdjango.socketio.csrf_exempt]))
"""
FAIL = """
django.setup()
from waterspout.faces.gevent_socketio import sdjango
sdjango.autodiscover()
"""


def run(folder: Path, program: str, sockets: str = SOCKETS) -> "subprocess.CompletedProcess[str]":
    """Run a program in a project with two applications, of which one has sockets."""
    for application in ("shop", "plain"):
        (folder / application).mkdir()
        (folder / application / "__init__.py").write_text("")
    (folder / "shop" / "sockets.py").write_text(sockets)
    (folder / "urls.py").write_text(URLS)
    (folder / "project.py").write_text(PROJECT + program)
    command = [sys.executable, "project.py"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=PATIENCE)


def test_a_project_serves_the_namespaces_of_its_applications(tmp_path: Path) -> None:
    done = run(tmp_path, TALK)
    assert done.stderr == ""
    answers, names, is_exempt = json.loads(done.stdout)
    request = ["Ada", "WSGIRequest", False]  # without a transaction that the view would hold
    (first, *page), (second, *_) = answers[:2], answers[2:]
    assert first[0].startswith("/socket.io/1/xhr-polling/")
    assert second[0].startswith("/other.io/1/xhr-polling/")
    assert (first[1:], second[1:], page) == (request, request, ["a page"])
    assert (names, is_exempt) == (["", "/chat"], True)


@pytest.mark.parametrize("sockets", ["import missing_module", "raise ImportError('No module named missing_module')"])
def test_a_module_of_sockets_that_fails_is_not_taken_for_none(tmp_path: Path, sockets: str) -> None:
    assert "No module named" in run(tmp_path, FAIL, sockets).stderr


def test_the_decorator_returns_the_class() -> None:
    from waterspout.faces.gevent_socketio import sdjango

    class Chat: ...

    collected: dict[str, Any] = sdjango.SOCKETIO_NS
    try:
        assert sdjango.namespace("/test")(Chat) is Chat
        assert collected.pop("/test") is Chat
    finally:
        collected.clear()
