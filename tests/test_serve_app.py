"""A project of Django's beside a server, as `waterspout serve --app` serves it, from its start to its end."""

import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from serving import PATIENCE, Client, Command, running
from waterspout import CannotStart, Server, cli, run

SETTINGS = """
SECRET_KEY = "a secret"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "mysite.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
WSGI = """
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
"""
REALTIME = """
from django.contrib.auth.models import User  # wants Django set up
from waterspout import Server

server = Server()
server.on_connect(lambda socket, auth: socket.join("kitchen"))
"""
URLS = """
import io
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from mysite.realtime import server

def form(request):
    if request.method == "GET":
        return HttpResponse(get_token(request))
    request.session["name"] = request.POST["name"]
    sizes = {name: len(file.read()) for name, file in request.FILES.items()}
    return JsonResponse({"name": request.POST["name"], "sizes": sizes})

def stream(request):
    return StreamingHttpResponse((f"{number}\\n" for number in range(30_000)), content_type="text/plain")

def download(request):
    return FileResponse(io.BytesIO(b"x" * 100_000), filename="a.bin")

def fail(request):
    raise ValueError("a fault of the view")

def ask(request):
    answers = server.call("question", to="kitchen", timeout=10).wait().answers.values()
    server.emit("answered", to="kitchen")
    return JsonResponse(list(answers), safe=False)

def page(request, name):
    return HttpResponse(f"the page {name}")

urlpatterns = [path(view.__name__, view) for view in (form, stream, download, fail, ask)]
urlpatterns.append(path("<path:name>", page))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "mysite").mkdir()
    for name, source in (("settings", SETTINGS), ("wsgi", WSGI), ("realtime", REALTIME), ("urls", URLS)):
        (folder / "mysite" / f"{name}.py").write_text(source)
    (folder / "public" / "socket.io").mkdir(parents=True)
    for name in ("index.html", "file", "socket.io/a.js"):
        (folder / "public" / name).write_text(f"static {name}")
    return folder


def serving(folder: Path, *options: str) -> AbstractContextManager[Command]:
    more = ("--static", "public", "--app-threads", "2", "--bind", "127.0.0.1:0", *options)
    return running(folder, "serve", "mysite.realtime:server", "--app", "mysite.wsgi:application", *more)


@pytest.fixture(scope="module")
def command(folder: Path) -> Iterator[Command]:
    with serving(folder) as command:
        yield command


@pytest.fixture(scope="module")
def address(command: Command) -> str:
    return command.address().removeprefix("http://")


@pytest.fixture
def web(address: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    yield connection
    connection.close()


def asked(web: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", **fields: str) -> bytes:
    web.request(method, path, body, fields)
    return web.getresponse().read()


def test_a_form_with_a_token_and_an_upload_arrive(web: http.client.HTTPConnection) -> None:
    web.request("GET", "/form")
    answer = web.getresponse()
    token, cookie = answer.read().decode(), (answer.getheader("set-cookie") or "").partition(";")[0]
    fields = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    form = urlencode({"name": "Ada \u00fc", "csrfmiddlewaretoken": token}).encode()
    assert json.loads(asked(web, "POST", "/form", form, **fields)) == {"name": "Ada \u00fc", "sizes": {}}
    assert b"Forbidden" in asked(web, "POST", "/form", b"name=Ada", **fields)
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    body = part % (b"name", b"", b"Bob") + part % (b"large", b'; filename="f"', b"y" * 3_000_000) + b"--b--\r\n"
    fields |= {"Content-Type": "multipart/form-data; boundary=b", "X-CSRFToken": token}
    assert json.loads(asked(web, "POST", "/form", body, **fields)) == {"name": "Bob", "sizes": {"large": 3_000_000}}


def test_streamed_answers_files_heads_and_failures(web: http.client.HTTPConnection) -> None:
    assert asked(web, "GET", "/stream") == b"".join(b"%d\n" % number for number in range(30_000))
    assert asked(web, "GET", "/download") == b"x" * 100_000
    assert b"CSRF" in asked(web, "POST", "/file", b"x")  # the file in public/ is for GET
    web.request("HEAD", "/page")
    answer = web.getresponse()
    assert (answer.read(), answer.getheader("content-length")) == (b"", "13")
    assert b"Server Error (500)" in asked(web, "GET", "/fail")


def test_paths_belong_to_the_server_then_to_files_then_to_the_application(web: http.client.HTTPConnection) -> None:
    assert asked(web, "GET", "/socket.io/?EIO=4&transport=polling").startswith(b'0{"sid":')
    assert asked(web, "GET", "/") == b"static index.html"
    assert asked(web, "GET", "/file") == b"static file"
    assert asked(web, "GET", "/other") == b"the page other"
    assert asked(web, "GET", "/socket.io2/other") == b"the page socket.io2/other"
    for hidden in ("/../mysite/wsgi.py", "/%2e%2e/mysite/wsgi.py", "//etc/passwd"):
        assert b"import" not in asked(web, "GET", hidden)


def test_the_end_waits_for_a_view_that_asks_a_client(
    command: Command, web: http.client.HTTPConnection, address: str
) -> None:
    with Client(f"http://{address}") as client:
        client.enter()
        web.request("GET", "/ask")
        assert client.receive() == '421["question"]'
        command.process.send_signal(signal.SIGTERM)
        client.send('431["soup"]')
        assert client.receive() == '42["answered"]'
        assert json.loads(web.getresponse().read()) == ["soup"]
        assert client.until_closed() == "close 1001"
    assert command.end() == 0


@pytest.mark.hosts
def test_a_change_of_a_view_restarts_the_server(folder: Path) -> None:
    with serving(folder, "--reload") as command:
        address = command.address()
        with Client(address) as client:
            urls = folder / "mysite" / "new"
            urls.write_text(URLS.replace("the page", "the new page"))
            urls.replace(folder / "mysite" / "urls.py")
            assert client.until_closed() == "close 1001"
        web = http.client.HTTPConnection(command.address().removeprefix("http://"), timeout=PATIENCE)
        assert asked(web, "GET", "/a") == b"the new page a"
        web.close()
        command.process.send_signal(signal.SIGTERM)
        assert command.end() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--app-threads 2", "--app-threads is for the threads of --app: leave it out, or give an application"),
        ("--app-max-bytes 2", "--app-max-bytes is for the threads of --app"),
        ("--app json:JSONDecodeError.mro", "cannot serve 'json:JSONDecodeError.mro': that can be called without"),
        ("--app json:scanner", "cannot serve 'json:scanner': that is of type 'module', and a WSGI application"),
        ("--app asyncio:open_connection", "cannot serve 'asyncio:open_connection': that is an ASGI application"),
        ("--host gevent --app json:scanner --app-threads 2", "--app-threads is for --host tornado: leave it out"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    capsys: pytest.CaptureFixture[str], options: str, sentence: str
) -> None:
    assert cli.main(["serve", "app:server", *options.split()]) == 2
    assert capsys.readouterr().err.startswith(f"waterspout: {sentence}")


@pytest.mark.parametrize("number", ["0", "-1", "many", "1e3"])
def test_what_is_no_number_of_threads_is_refused(capsys: pytest.CaptureFixture[str], number: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "app:server", "--app", "app:app", f"--app-threads={number}"])
    assert f"{number!r} is not a number above 0" in capsys.readouterr().err


def test_run_refuses_what_is_no_application() -> None:
    async def application(scope: object, receive: object, send: object) -> None: ...

    with pytest.raises(CannotStart, match="cannot serve `app`: that is an ASGI application"):
        run(Server(), app=application)


def test_a_server_that_the_application_makes_has_the_adapter_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is made first, since the application is imported first."""
    monkeypatch.setattr(Server, "default_adapter", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pages_that_fail.py").write_text(
        "from waterspout import Server\nraise RuntimeError(f'joined: {Server().engine.is_clustered}')\n"
    )
    command = ["serve", "pages_that_fail:server", "--app", "pages_that_fail:app"]
    for adapter, error in (
        ([], "joined: False"),
        (["--adapter", "unix:///nowhere"], "joined: True"),
        (["--adapter", "http://localhost"], "cannot join other nodes: 'http://localhost' is no URL of a Redis"),
    ):
        assert cli.main([*command, *adapter]) == 2
        assert error in capsys.readouterr().err
