"""The servers of gevent-socketio's document, as printed but for Python 3 (EX-44 to EX-48), under the original name.

Where a name of the distribution, or a line of today's Django, had to change, `CHANGES` says so.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

import pytest

from hosts.test_gunicorn import ask, log_of, until
from packages import packages_without
from ports import free_port
from serving import Client

INSTALL = "from waterspout.faces import install\ninstall('gevent_socketio')\n"
VIEWS = """
import os
from django.http import HttpResponse
from django.urls import path, re_path
from socketio import socketio_manage
from socketio.namespace import BaseNamespace

class Global(BaseNamespace):
    def on_pid(self):
        return os.getpid()

def socketio_service(request):
    socketio_manage(request.environ, {"": Global}, request)
    return HttpResponse("out")

def page(request):
    return HttpResponse("a page")

urlpatterns = [re_path("^socket.io/", socketio_service), path("", page)]
"""
SETTINGS = """
import os
PROJECT_ROOT = os.path.dirname(os.path.abspath(__file__))
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "x"
"""
WSGI = """
import django.core.handlers.wsgi
import os

os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'
app = django.core.handlers.wsgi.WSGIHandler()
"""
RUN = """
#!/usr/bin/env python
from gevent import monkey
from socketio.server import SocketIOServer
import django.core.handlers.wsgi
import os
import sys

monkey.patch_all()

try:
    import settings
except ImportError:
    sys.exit(1)

PORT = 9000

os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'

application = django.core.handlers.wsgi.WSGIHandler()

sys.path.insert(0, os.path.join(settings.PROJECT_ROOT, "apps"))

if __name__ == '__main__':
    print('Listening on http://127.0.0.1:%s and on port 10843 (flash policy server)' % PORT)
    SocketIOServer(('', PORT), application, resource="socket.io").serve_forever()
"""
CHANGES = [("django.core.handlers.wsgi.WSGIHandler()", "django.core.wsgi.get_wsgi_application()")]
CHANGES += [("import django.core.handlers.wsgi", "import django.core.wsgi")]
CHANGES += [
    ("import sys\n\nmonkey.patch_all()\n", "import sys\n")
]  # it looks at Django's settings, which are not set yet
CHANGES += [("from gevent import monkey\n", f"from gevent import monkey\nmonkey.patch_all()\n{INSTALL}")]
PASTE_WITH_GUNICORN = """
[app:main]
use = call:site_of_paste:make

[server:main]
use = egg:gunicorn#main
host = 127.0.0.1
port = {port}
workers = 4
worker_class = socketio.sgunicorn.GeventSocketIOWorker
"""
PASTE = """
[app:main]
use = call:site_of_paste:make

[server:main]
use = egg:waterspout#paster
host = 127.0.0.1
port = {port}
resource = socket.io
transports = websocket, xhr-polling, xhr-multipart
policy_server = True
policy_listener_host = 127.0.0.1
policy_listener_port = {flash}
"""
SITE_OF_PASTE = """
import os
from socketio import socketio_manage
from socketio.namespace import BaseNamespace

class Global(BaseNamespace):
    def on_pid(self):
        return os.getpid()

def make(global_conf):
    def app(environ, start_response):
        if environ["PATH_INFO"].startswith("/socket.io"):
            return socketio_manage(environ, {"": Global}) or b""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a page"]
    return app
"""
SERVE_PASTE = (
    "from gevent import monkey; monkey.patch_all()\n"
    + INSTALL
    + "from paste.deploy import loadapp, loadserver\n"
    + "import os, sys; sys.argv[1:] = []; name = 'config:' + os.path.abspath('site.ini')\n"
    + "loadserver(name)(loadapp(name))\n"
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """All packages that are installed, but those that have the original's name."""
    return packages_without(tmp_path_factory.mktemp("packages"), "socketio", "python_socketio")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"urls": VIEWS, "settings": SETTINGS, "wsgi": WSGI, "run": RUN, "site_of_paste": SITE_OF_PASTE}
    for name, text in {**files, "gunicorn.conf": INSTALL}.items():
        (tmp_path / f"{name}.py").write_text(reduce(lambda before, change: before.replace(*change), CHANGES, text))
    return tmp_path


@contextmanager
def running(folder: Path, packages: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    path = f"{folder}{os.pathsep}{packages}"
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, "PYTHONPATH": path}
        process = subprocess.Popen(
            [sys.executable, "-S", *command], cwd=folder, stdout=log, stderr=log, env=environment
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def pid_by(port: int, folder: Path) -> int:
    """Return what a client is told when the server is there."""
    until(lambda: ask(port) == b"a page", folder)
    with Client(f"http://127.0.0.1:{port}") as client:
        client.enter()
        return int(client.ask('420["pid"]').removeprefix("430[").removesuffix("]"))


def test_ex_44_and_47_gunicorn_with_django(folder: Path, packages: str) -> None:
    port = free_port()
    command = ("--worker-class", "socketio.sgunicorn.GeventSocketIOWorker", "wsgi:app")
    bind = ("--bind", f"127.0.0.1:{port}", "--no-control-socket")
    with running(folder, packages, "-m", "gunicorn", *bind, *command) as process:
        assert pid_by(port, folder) != process.pid
    assert "Traceback" not in log_of(folder)


@pytest.mark.hosts
def test_ex_48_a_program_with_django(folder: Path, packages: str) -> None:
    port = free_port()
    program = folder / "run.py"
    program.write_text(program.read_text().replace("PORT = 9000", f"PORT = {port}"))
    with running(folder, packages, "-u", str(program)) as process:
        assert pid_by(port, folder) == process.pid
    assert log_of(folder).startswith(f"Listening on http://127.0.0.1:{port} ")


@pytest.mark.hosts
def test_ex_45_a_paste_file_with_four_workers_of_gunicorn(folder: Path, packages: str) -> None:
    port = free_port()
    (folder / "site.ini").write_text(PASTE_WITH_GUNICORN.format(port=port))
    with running(folder, packages, "-c", SERVE_PASTE) as process:
        assert pid_by(port, folder) != process.pid  # over a WebSocket, which stays with its worker
        until(lambda: "one of several processes" in log_of(folder), folder)


@pytest.mark.hosts
def test_ex_46_a_paste_file_with_every_option(folder: Path, packages: str) -> None:
    port, flash = free_port(), free_port()
    (folder / "site.ini").write_text(PASTE.format(port=port, flash=flash))
    with running(folder, packages, "-c", SERVE_PASTE) as process:
        assert pid_by(port, folder) == process.pid
        assert ask(port, "/socket.io/1/").endswith(b":websocket,xhr-polling,xhr-multipart")
